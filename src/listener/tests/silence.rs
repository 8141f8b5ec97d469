//! Clients that take their time; tokio's clock jumps whenever everybody waits.
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::*;

/// Sends `bytes`, waits until the door closes, and returns how long that took.
async fn patience(fixture: &Fixture, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut client = fixture.connect().await;
    client.write_all(bytes).await.expect("sent");
    let mut got = Vec::new();
    // A reset is a close as well.
    let _closed = client.read_to_end(&mut got).await;
    assert!(got.is_empty());
    begun.elapsed()
}

fn about_ten_seconds(patience: Duration) -> bool {
    (Duration::from_secs(10)..Duration::from_secs(11)).contains(&patience)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed_after_ten_seconds() {
    for door in Door::ALL {
        let fixture = Fixture::open(door);
        assert!(about_ten_seconds(patience(&fixture, b"").await), "{door:?}");
        fixture.counted(Outcome::Silent, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_beginning_is_closed_after_ten_seconds() {
    for bytes in [&b"GE"[..], &BINDING[..7], b"PRI * HTTP/2.0\r\n"] {
        let fixture = Fixture::open(Door::Shared);
        assert!(about_ten_seconds(patience(&fixture, bytes).await), "{bytes:?}");
        fixture.counted(Outcome::Silent, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_handshake_is_closed_after_ten_seconds() {
    let fixture = Fixture::open(Door::TurnTls);
    assert!(about_ten_seconds(patience(&fixture, &[0x16, 3, 1, 2, 0, 1]).await));
    fixture.counted(Outcome::Handshake, 1).await;
}

#[tokio::test(start_paused = true)]
async fn silence_inside_tls_is_closed_after_ten_seconds() {
    let fixture = Fixture::open(Door::Shared);
    let mut client = fixture.tls(&[]).await.expect("a handshake");
    let begun = Instant::now();
    let _closed = client.read(&mut [0; 1]).await;
    assert!(about_ten_seconds(begun.elapsed()));
    fixture.counted(Outcome::Silent, 1).await;
}

#[tokio::test(start_paused = true)]
async fn bytes_in_time_do_not_prolong_the_deadline() {
    let fixture = Fixture::open(Door::Shared);
    let mut client = fixture.connect().await;
    let begun = Instant::now();
    for byte in &BINDING[..7] {
        client.write_all(&[*byte]).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(1_400)).await;
    }
    let _closed = client.read(&mut [0; 1]).await;
    assert!(about_ten_seconds(begun.elapsed()), "{:?}", begun.elapsed());
    fixture.counted(Outcome::Silent, 1).await;
}

#[tokio::test]
async fn a_client_that_leaves_at_once_is_counted_as_gone() {
    let fixture = Fixture::open(Door::Shared);
    drop(fixture.connect().await);
    fixture.counted(Outcome::Gone, 1).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_reset_and_one_that_does_gets_all() {
    let mut fixture = Fixture::open(Door::Http);
    for (reads, ended) in [(false, Some(io::ErrorKind::ConnectionReset)), (true, None)] {
        let mut client = fixture.connect().await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
        let mut http = fixture.http().await;
        let mut early = [0; 16];
        http.io.read_exact(&mut early).await.expect("the early bytes");
        let chunk = vec![0; 65_536];
        let (mut sent, mut got) = (0, Vec::new());
        // More than the kernel takes at once, unless the other end reads.
        while sent < 64 * 1024 * 1024 {
            match tokio::time::timeout(Duration::from_millis(200), http.io.write(&chunk)).await {
                Ok(written) => sent += written.expect("open"),
                Err(_) if reads => {
                    let mut part = vec![0; 1024 * 1024];
                    let len = client.read(&mut part).await.expect("open");
                    got.extend_from_slice(&part[..len]);
                }
                Err(_) => break,
            }
            if reads && sent >= 256 * 1024 {
                break;
            }
        }
        drop(http);
        let rest = client.read_to_end(&mut got).await;
        assert_eq!(rest.err().map(|error| error.kind()), ended, "reads: {reads}");
        assert_eq!(got.len() == sent, reads);
    }
}
