//! Connections with TLS.
use rustls::ProtocolVersion;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::listener::first_bytes::TLS_HANDSHAKE;

#[tokio::test]
async fn turn_over_tls_moves_with_its_early_bytes_and_its_keys() {
    for door in [Door::Shared, Door::TurnTls] {
        let mut fixture = Fixture::open(door);
        let mut client = fixture.tls(&[]).await.expect("a handshake");
        client.write_all(&BINDING).await.expect("sent");
        client.write_all(&BINDING).await.expect("sent");
        let turn = fixture.turn().await;
        let mut tls = turn.tls.expect("TLS state");
        let mut got = turn.early;
        assert!(got.starts_with(&BINDING));
        // The new owner goes on with blocking calls here, as a shard would with epoll.
        turn.socket.set_nonblocking(false).expect("a live socket");
        let mut socket = &turn.socket;
        let mut stream = rustls::Stream::new(&mut *tls, &mut socket);
        while got.len() < 2 * BINDING.len() {
            let mut chunk = [0; 64];
            let len = io::Read::read(&mut stream, &mut chunk).expect("the rest");
            got.extend_from_slice(&chunk[..len]);
        }
        assert_eq!(got, [BINDING, BINDING].concat());
        io::Write::write_all(&mut stream, b"answer").expect("sent");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.expect("answered");
        assert_eq!(&answer, b"answer");
    }
}

#[tokio::test]
async fn a_handshake_and_stun_arriving_byte_by_byte_are_understood() {
    let mut fixture = Fixture::open(Door::Shared);
    let mut socket = fixture.connect().await;
    socket.trickling = true;
    let mut client = handshake(socket, &client(fixture.state.path(), &[])).await.expect("a handshake");
    for byte in BINDING {
        client.write_all(&[byte]).await.expect("sent");
        client.flush().await.expect("sent");
    }
    let turn = fixture.turn().await;
    assert!(BINDING.starts_with(&turn.early));
    assert!(turn.early.len() >= 8);
}

#[tokio::test]
async fn records_that_came_together_are_all_given_as_early_bytes() {
    let mut fixture = Fixture::open(Door::TurnTls);
    let client = fixture.tls(&[]).await.expect("a handshake");
    let (mut socket, mut session) = client.into_inner();
    let mut flight = Vec::new();
    for _ in 0..40 {
        io::Write::write_all(&mut session.writer(), &BINDING).expect("buffered");
        session.write_tls(&mut flight).expect("a vector takes all");
    }
    socket.write_all(&flight).await.expect("sent");
    let turn = fixture.turn().await;
    // One read of the flight is enough for the decision; whole records of it must not stay behind in the reader.
    let mut tls = turn.tls.expect("TLS state");
    let error = io::Read::read(&mut tls.reader(), &mut [0; 1]).expect_err("all was taken out");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(turn.early.len() % BINDING.len(), 0);
}

#[tokio::test]
async fn http_over_tls_goes_to_http() {
    let mut fixture = Fixture::open(Door::Shared);
    let mut client = fixture.tls(&[]).await.expect("a handshake");
    client.write_all(GET).await.expect("sent");
    let mut http = fixture.http().await;
    assert!(http.secure);
    let mut got = vec![0; GET.len()];
    http.io.read_exact(&mut got).await.expect("all of it");
    assert_eq!(got, GET);
}

#[tokio::test]
async fn alpn_picks_stun_turn_then_h2_then_http_1_1() {
    type Offer = &'static [&'static [u8]];
    let cases: [(Offer, Option<&[u8]>); 5] = [
        (&[], None),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[b"http/1.1", b"h2"], Some(b"h2")),
        (&[b"http/1.1", b"stun.turn"], Some(b"stun.turn")),
        (&[b"spdy/3", b"http/1.1"], Some(b"http/1.1")),
    ];
    for (offered, agreed) in cases {
        let fixture = Fixture::open(Door::Shared);
        let client = fixture.tls(offered).await.expect("a handshake");
        assert_eq!(client.get_ref().1.alpn_protocol(), agreed);
    }
}

#[tokio::test]
async fn the_turn_door_agrees_on_stun_turn_only() {
    let fixture = Fixture::open(Door::TurnTls);
    let client = fixture.tls(&[b"http/1.1", b"stun.turn"]).await.expect("a handshake");
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"stun.turn"[..]));
    fixture.tls(&[b"http/1.1"]).await.expect_err("no protocol in common");
    fixture.counted(Outcome::Handshake, 1).await;
}

#[tokio::test]
async fn a_protocol_agreed_on_is_binding() {
    let cases: [(&[u8], &[u8]); 2] = [(b"stun.turn", GET), (b"http/1.1", &BINDING)];
    for (alpn, bytes) in cases {
        let fixture = Fixture::open(Door::Shared);
        let mut client = fixture.tls(&[alpn]).await.expect("a handshake");
        client.write_all(bytes).await.expect("sent");
        fixture.counted(Outcome::Garbage, 1).await;
    }
}

#[tokio::test]
async fn http_inside_the_turn_door_is_garbage() {
    let fixture = Fixture::open(Door::TurnTls);
    let mut client = fixture.tls(&[]).await.expect("a handshake");
    client.write_all(GET).await.expect("sent");
    fixture.counted(Outcome::Garbage, 1).await;
}

#[tokio::test]
async fn tls_1_3_and_1_2_are_spoken() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let fixture = Fixture::open(Door::Shared);
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(fixture.state.path().join("tls/local-ca.pem")).expect("PEM");
        roots.add(authority).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let client = handshake(fixture.connect().await, &connector).await.expect("a handshake");
        assert_eq!(client.get_ref().1.protocol_version(), Some(version.version));
    }
}

#[tokio::test]
async fn tls_1_1_is_refused_with_an_alert() {
    let fixture = Fixture::open(Door::Shared);
    let mut client = fixture.connect().await;
    client.write_all(&hello_of_tls_1_1()).await.expect("sent");
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).await.expect("an alert, then the end");
    // RFC 8446 §6.2: fatal (2), protocol_version (70).
    assert_eq!(alert.get(5..), Some(&[2, 70][..]), "{alert:?}");
    fixture.counted(Outcome::Handshake, 1).await;
}

/// A ClientHello as TLS 1.1 had it. RFC 4346 §7.4.1.2.
fn hello_of_tls_1_1() -> Vec<u8> {
    let version = u16::from(ProtocolVersion::TLSv1_1).to_be_bytes();
    // Signature algorithms, so that the version is the only thing wrong. RFC 5246 §7.4.1.4.1.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 3];
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 4, 0xC0, 0x09, 0xC0, 0x13]);
    body.extend([1, 0]);
    body.extend([0, u8::try_from(extensions.len()).expect("short")]);
    body.extend(extensions);
    let len = u8::try_from(body.len()).expect("short");
    let mut record = vec![TLS_HANDSHAKE, 3, 1, 0, len + 4, 1, 0, 0, len];
    record.extend(body);
    record
}

#[tokio::test]
async fn another_server_name_is_served_all_the_same() {
    let fixture = Fixture::open(Door::Shared);
    let connector = client(fixture.state.path(), &[]);
    let name = ServerName::try_from("elsewhere.example").expect("a name");
    let error = connector.connect(name, fixture.connect().await).await.expect_err("our client minds");
    // The client judges the name; the door has sent its certificate, not an unrecognized_name alert.
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_second_handshake_resumes_by_ticket() {
    let mut fixture = Fixture::open(Door::Shared);
    let connector = client(fixture.state.path(), &[]);
    for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let mut client = handshake(fixture.connect().await, &connector).await.expect("a handshake");
        assert_eq!(client.get_ref().1.handshake_kind(), Some(kind));
        client.write_all(GET).await.expect("sent");
        let mut http = fixture.http().await;
        // The tickets come with the first bytes of the server.
        http.io.write_all(b"x").await.expect("sent");
        client.read_exact(&mut [0; 1]).await.expect("answered");
    }
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_fails_it() {
    let fixture = Fixture::open(Door::TurnTls);
    let mut client = fixture.connect().await;
    client.write_all(&[0x16, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]).await.expect("sent");
    fixture.counted(Outcome::Handshake, 1).await;
}
