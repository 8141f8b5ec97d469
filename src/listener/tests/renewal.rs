//! Certificates that change while the door is open.
use std::fs;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::listener::certificate::CertificateError;
use crate::listener::certificate::POLL;

/// Makes a pair in another directory and copies its file `name` over ours.
fn bring(other: &TempDir, fixture: &Fixture, name: &str) {
    let content = fs::read(other.path().join("tls").join(name)).expect("made");
    fs::write(fixture.state.path().join("tls").join(name), content).expect("written");
}

fn other_pair() -> TempDir {
    let other = TempDir::new().expect("a directory");
    local_ca::ensure(other.path(), "localhost", Clock::start().now().unix).expect("a pair");
    other
}

fn served(client: &TlsStream<Trickle<TcpStream>>) -> Vec<u8> {
    client.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_and_leaves_connections_alone() {
    let mut fixture = Fixture::open(Door::Shared);
    let mut old = fixture.tls(&[]).await.expect("a handshake");
    old.write_all(GET).await.expect("sent");
    let mut http = fixture.http().await;

    let other = other_pair();
    ["local-ca.pem", "local-cert.pem", "local-key.pem"].iter().for_each(|name| bring(&other, &fixture, name));
    assert!(fixture.certificates.reload().expect("a good pair"));
    let new = fixture.tls(&[]).await.expect("a handshake with the new authority");
    assert_ne!(served(&old), served(&new));
    assert!(!fixture.certificates.reload().expect("a good pair"), "nothing has changed since");

    http.io.write_all(b"still here").await.expect("sent");
    let mut got = [0; 10];
    old.read_exact(&mut got).await.expect("the old connection lives");
    assert_eq!(&got, b"still here");
}

#[tokio::test]
async fn what_does_not_fit_or_parse_leaves_the_old_certificate_in_force() {
    let fixture = Fixture::open(Door::Shared);
    let before = served(&fixture.tls(&[]).await.expect("a handshake"));

    bring(&other_pair(), &fixture, "local-cert.pem");
    let error = fixture.certificates.reload().expect_err("the key is of the old one");
    assert!(matches!(error, CertificateError::Unfit { .. }));
    assert!(error.to_string().contains("local-key.pem"), "{error}");

    let cert = fixture.state.path().join("tls/local-cert.pem");
    fs::write(&cert, "not PEM").expect("written");
    let error = fixture.certificates.reload().expect_err("no certificate");
    assert!(matches!(error, CertificateError::Malformed { what: "certificate", .. }));

    fs::remove_file(&cert).expect("removed");
    let error = fixture.certificates.reload().expect_err("no file");
    assert!(matches!(error, CertificateError::Unreadable { .. }));
    assert!(error.to_string().contains("local-cert.pem"), "{error}");

    assert_eq!(served(&fixture.tls(&[]).await.expect("a handshake")), before);
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed_within_two_looks() {
    let fixture = Fixture::open(Door::Shared);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(Arc::clone(&fixture.certificates).watch(stop.clone()));
    tokio::time::sleep(POLL).await;

    let other = other_pair();
    ["local-ca.pem", "local-cert.pem", "local-key.pem"].iter().for_each(|name| bring(&other, &fixture, name));
    tokio::time::sleep(2 * POLL).await;
    let new = fixture.tls(&[]).await.expect("a handshake with the new authority");
    let expected = CertificateDer::from_pem_file(other.path().join("tls/local-cert.pem")).expect("PEM");
    assert_eq!(served(&new), expected.to_vec());

    stop.cancel();
    watching.await.expect("the watch ends when told");
}

#[tokio::test]
async fn the_end_of_the_certificate_in_force_is_known() {
    let fixture = Fixture::open(Door::Shared);
    let end = fixture.certificates.not_after().expect("it can be read");
    let now = std::time::SystemTime::now();
    // A pair of this machine's own lives for 820 days, from a day before it was made.
    let left = end.duration_since(now).expect("it is in the future").as_secs() / 86_400;
    assert!((810..820).contains(&left), "{left} days");
    assert!(!fixture.certificates.has_expired(now));
    assert!(fixture.certificates.has_expired(end));
}
