//! Connections from their first byte to their last; tokio's clock jumps whenever everybody waits.
use tokio::time::Instant;
use tokio::time::sleep;

use super::*;
use crate::http::body;
use crate::http::server::HEAD;
use crate::http::stall;

/// Reads until the server closes, and returns what came and how long it took.
async fn until_closed(io: &mut DuplexStream) -> (Vec<u8>, Duration) {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.expect("a pipe");
    (bytes, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_closed_after_ten_seconds_however_it_trickles() {
    let fixture = Fixture::new();
    let mut io = fixture.connect();
    let begun = Instant::now();
    io.write_all(b"GET /health HTTP/1.1\r\n").await.expect("a pipe");
    for _ in 0..9 {
        sleep(Duration::from_secs(1)).await;
        io.write_all(b"X: y\r\n").await.expect("a pipe");
    }
    until_closed(&mut io).await;
    assert_eq!(begun.elapsed().as_secs(), HEAD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_ten_seconds() {
    let fixture = Fixture::new();
    let mut io = fixture.connect();
    io.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a pipe");
    let (bytes, after) = until_closed(&mut io).await;
    assert_eq!(Reply::parse(&bytes).status, 200);
    assert_eq!(after.as_secs(), HEAD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_answered_after_ten_seconds() {
    let fixture = Fixture::new();
    let mut io = fixture.connect();
    let head = "POST /v1/auth/guest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    io.write_all(head.as_bytes()).await.expect("a pipe");
    let (bytes, after) = until_closed(&mut io).await;
    let reply = Reply::parse(&bytes);
    assert_eq!((reply.status, reply.problem().as_str()), (408, "bad_request"));
    assert_eq!(after.as_secs(), body::ARRIVAL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let fixture = Fixture::new();
    let (mut ours, theirs) = tokio::io::duplex(256);
    fixture.server.adopt(theirs, fixture.arrival);
    ours.write_all(b"GET /sdk/index.js HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a pipe");
    sleep(stall::PATIENCE + Duration::from_secs(1)).await;
    let (bytes, after) = until_closed(&mut ours).await;
    assert_eq!(bytes.len(), 256);
    assert_eq!(after, Duration::ZERO);
}

#[tokio::test]
async fn http2_is_spoken_to_who_begins_with_its_preface() {
    let fixture = Fixture::new();
    let mut io = fixture.connect();
    // RFC 9113 §3.4: the preface and an empty SETTINGS frame.
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("a pipe");
    // HEADERS (END_STREAM, END_HEADERS) of stream 1: GET, http, path /health from the static and a literal entry.
    let block = [&[0x82, 0x86, 0x04, 0x07][..], b"/health", &[0x01, 0x01, b'x']].concat();
    let len = u8::try_from(block.len()).expect("short");
    io.write_all(&[&[0, 0, len, 0x01, 0x05, 0, 0, 0, 1], block.as_slice()].concat()).await.expect("a pipe");
    // Frames until the body of stream 1. RFC 9113 §4.1.
    let mut kinds = Vec::new();
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await.expect("a frame");
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).expect("short")];
        io.read_exact(&mut payload).await.expect("its payload");
        kinds.push(head[3]);
        if head[3] == 0 {
            assert_eq!(payload, br#"{"status":"ok"}"#);
            break;
        }
    }
    assert!(kinds.contains(&1), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_idle_connections_at_once() {
    let fixture = Fixture::new();
    let mut idle = fixture.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a pipe");
    idle.read_exact(&mut [0; 15]).await.expect("an answer");
    let begun = Instant::now();
    fixture.server.shutdown(Duration::from_secs(30)).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    until_closed(&mut idle).await;
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_what_outlives_the_grace() {
    let fixture = Fixture::new();
    let mut slow = fixture.connect();
    let head = "POST /v1/auth/guest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    slow.write_all(head.as_bytes()).await.expect("a pipe");
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    fixture.server.shutdown(Duration::from_secs(3)).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert!(until_closed(&mut slow).await.0.is_empty());
}

#[tokio::test]
async fn a_draining_node_is_not_ready_and_takes_no_sockets() {
    let fixture = Fixture::new();
    fixture.server.drain();
    let reply = fixture.get("/health/ready").await;
    assert_eq!((reply.status, &reply.json()["check"]), (503, &"draining".into()));
    assert_eq!(fixture.get("/health").await.status, 200);
    let mut late = fixture.connect();
    late.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a pipe");
    let (bytes, _) = until_closed(&mut late).await;
    assert_eq!(Reply::parse(&bytes).header("connection"), Some("close"));
    let socket = format!("GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: {OWN}\r\n\r\n");
    let mut late = fixture.connect();
    late.write_all(socket.as_bytes()).await.expect("a pipe");
    let (bytes, _) = until_closed(&mut late).await;
    let reply = Reply::parse(&bytes);
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
}

#[tokio::test]
async fn after_the_shutdown_nothing_is_served() {
    let fixture = Fixture::new();
    fixture.server.shutdown(Duration::ZERO).await;
    let mut late = fixture.connect();
    assert!(until_closed(&mut late).await.0.is_empty());
}
