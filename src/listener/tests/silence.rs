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
