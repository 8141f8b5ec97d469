//! From a request to a WebSocket: rules 2 to 5.
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// The handshake of RFC 6455 §1.3 from our own page.
const HANDSHAKE: [&str; 7] = [
    "GET /ws HTTP/1.1",
    "Host: localhost:8080",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: duologue.v1",
];

/// Sends a handshake and returns the answer's head with the connection.
async fn shake(fixture: &Fixture, head: &[&str]) -> (Reply, DuplexStream) {
    let mut io = fixture.connect();
    let head = [head, &["", ""]].concat().join("\r\n");
    io.write_all(head.as_bytes()).await.expect("a pipe");
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(io.read_u8().await.expect("a head"));
    }
    let mut reply = Reply::parse(&bytes);
    let len = reply.header("content-length").map_or(0, |len| len.parse().expect("a number"));
    reply.body = vec![0; len];
    io.read_exact(&mut reply.body).await.expect("the body");
    (reply, io)
}

/// [`HANDSHAKE`] from an origin.
async fn shake_from(fixture: &Fixture, origin: &str, more: &[&str]) -> (Reply, DuplexStream) {
    let origin = format!("Origin: {origin}");
    shake(fixture, &[&HANDSHAKE[..], &[&origin], more].concat()).await
}

/// [`HANDSHAKE`] with some lines replaced, by their names; an empty value leaves the line out.
async fn shake_with(fixture: &Fixture, changes: &[(&str, &str)]) -> (Reply, DuplexStream) {
    let mut lines: Vec<String> = HANDSHAKE.map(str::to_owned).into();
    lines.push(format!("Origin: {OWN}"));
    for (name, value) in changes {
        lines.retain(|line| !line.starts_with(&format!("{name}:")));
        if !value.is_empty() {
            lines.push(format!("{name}: {value}"));
        }
    }
    shake(fixture, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn access_token(fixture: &Fixture) -> String {
    let guest = fixture.post("/v1/auth/guest", r#"{"device_id":"d"}"#).await.json();
    guest["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_good_handshake_ends_in_a_websocket() {
    let mut fixture = Fixture::new();
    let (reply, io) = shake_from(&fixture, OWN, &[]).await;
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(reply.header("sec-websocket-protocol"), Some("duologue.v1"));
    assert_eq!(reply.header("sec-websocket-extensions"), None);
    assert!(reply.header("x-request-id").is_some());
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    socket.send(Message::text("hello")).await.expect("open");
    assert_eq!(socket.next().await.expect("open").expect("well-formed"), Message::text("hello"));
    let peer = fixture.peers.recv().await.expect("a peer");
    assert_eq!(peer.ip, IpAddr::from([192, 0, 2, 1]));
    assert_eq!(peer.bearer, None);
}

#[tokio::test]
async fn a_frame_sent_with_the_handshake_is_not_lost() {
    let fixture = Fixture::new();
    let mut io = fixture.connect();
    let origin = format!("Origin: {OWN}");
    let mut bytes = [&HANDSHAKE[..], &[&origin, "", ""]].concat().join("\r\n").into_bytes();
    // RFC 6455 §5.7: a masked "Hello".
    bytes.extend([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
    io.write_all(&bytes).await.expect("a pipe");
    let mut got = Vec::new();
    while !got.ends_with(b"\x81\x05Hello") {
        got.push(io.read_u8().await.expect("an echo"));
    }
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_to_upgrade() {
    let fixture = Fixture::new();
    let cases: [&[(&str, &str)]; 5] = [
        &[("Upgrade", "")],
        &[("Upgrade", "h2c")],
        &[("Connection", "keep-alive")],
        &[("Sec-WebSocket-Version", "8")],
        &[("Sec-WebSocket-Version", "")],
    ];
    for changes in cases {
        let (reply, _) = shake_with(&fixture, changes).await;
        assert_eq!((reply.status, reply.problem().as_str()), (426, "bad_request"), "{changes:?}");
        assert_eq!(reply.header("upgrade"), Some("websocket"));
        assert_eq!(reply.header("sec-websocket-version"), Some("13"));
    }
    assert_eq!(fixture.get("/ws").await.status, 426);
}

#[tokio::test]
async fn a_bad_key_is_a_bad_request() {
    let fixture = Fixture::new();
    for key in ["", "x", "dGhlIHNhbXBsZQ=="] {
        assert_eq!(shake_with(&fixture, &[("Sec-WebSocket-Key", key)]).await.0.status, 400, "{key}");
    }
}

#[tokio::test]
async fn the_subprotocol_is_picked_from_several_and_never_guessed() {
    let fixture = Fixture::new();
    for offered in ["duologue.v1, duologue.v2", "chat,duologue.v1"] {
        let (reply, _) = shake_with(&fixture, &[("Sec-WebSocket-Protocol", offered)]).await;
        assert_eq!((reply.status, reply.header("sec-websocket-protocol")), (101, Some("duologue.v1")), "{offered}");
    }
    for offered in ["", "duologue.v2", "Duologue.v1", "duologue.v11"] {
        let (reply, _) = shake_with(&fixture, &[("Sec-WebSocket-Protocol", offered)]).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "bad_request"), "{offered}");
    }
}

#[tokio::test]
async fn only_allowed_origins_come_in() {
    for (origin, status) in [
        ("http://localhost:8080", 101),
        ("http://127.0.0.1:8080", 101),
        ("http://[::1]:8080", 101),
        ("https://localhost:8443", 101),
        ("https://app.example", 101),
        ("http://localhost", 403),
        ("http://localhost:8443", 403),
        ("https://localhost:8080", 403),
        ("https://app.example:444", 403),
        ("http://app.example", 403),
        ("https://sub.app.example", 403),
        ("null", 403),
    ] {
        let (reply, _) = shake_from(&Fixture::new(), origin, &[]).await;
        assert_eq!(reply.status, status, "{origin}");
    }
}

#[tokio::test]
async fn the_host_header_makes_no_origin() {
    let (reply, _) = shake_with(&Fixture::new(), &[("Host", "evil.example"), ("Origin", "http://evil.example")]).await;
    assert_eq!((reply.status, reply.problem().as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn two_origins_are_none() {
    let (reply, _) = shake_from(&Fixture::new(), OWN, &[&format!("Origin: {OWN}")]).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn without_an_origin_an_identity_is_needed() {
    let mut fixture = Fixture::new();
    assert_eq!(shake(&fixture, &HANDSHAKE).await.0.status, 403);
    let token = access_token(&fixture).await;
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(shake(&fixture, &[&HANDSHAKE[..], &[&bearer]].concat()).await.0.status, 101);
    assert_eq!(fixture.peers.recv().await.expect("a peer").bearer, Some(token));
}

#[tokio::test]
async fn a_bad_bearer_is_refused_even_from_our_own_page() {
    let fixture = Fixture::new();
    for authorization in ["Authorization: Bearer x", "Authorization: Basic eDp5"] {
        let (reply, _) = shake_from(&fixture, OWN, &[authorization]).await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "unauthorized"));
        assert_eq!(shake(&fixture, &[&HANDSHAKE[..], &[authorization]].concat()).await.0.status, 401);
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_refused() {
    for query in ["token=x", "a=b&access_token=x", "jwt", "TOKEN=x"] {
        let line = format!("GET /ws?{query} HTTP/1.1");
        let origin = format!("Origin: {OWN}");
        let (reply, _) = shake(&Fixture::new(), &[&[line.as_str(), &origin], &HANDSHAKE[1..]].concat()).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "bad_request"), "{query}");
    }
    let origin = format!("Origin: {OWN}");
    let head = [&["GET /ws?tokens=x HTTP/1.1", &origin], &HANDSHAKE[1..]].concat();
    assert_eq!(shake(&Fixture::new(), &head).await.0.status, 101);
}

#[tokio::test]
async fn an_address_with_its_sockets_open_waits_for_one_to_close() {
    let mut fixture = Fixture::new();
    let first = shake_from(&fixture, OWN, &[]).await;
    let _second = shake_from(&fixture, OWN, &[]).await;
    let (reply, _) = shake_from(&fixture, OWN, &[]).await;
    assert_eq!((reply.status, reply.problem().as_str()), (429, "rate_limited"));
    assert_eq!(reply.header("retry-after"), Some("5"));

    let elsewhere = SocketAddr::from(([198, 51, 100, 1], 1));
    let here = std::mem::replace(&mut fixture.arrival.remote, elsewhere);
    let _third = shake_from(&fixture, OWN, &[]).await;
    let (reply, _) = shake_from(&fixture, OWN, &[]).await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    assert_eq!(reply.header("retry-after"), Some("5"));

    fixture.arrival.remote = here;
    drop(first);
    while fixture.server.sockets() == 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shake_from(&fixture, OWN, &[]).await.0.status, 101);
}

#[tokio::test]
async fn behind_a_proxy_the_socket_belongs_to_the_client() {
    let mut fixture = Fixture::new();
    fixture.arrival.remote = SocketAddr::from(([10, 0, 0, 1], 1));
    let _socket = shake_from(&fixture, OWN, &["X-Forwarded-For: 1.2.3.4, 2001:db8::1"]).await;
    let expected: IpAddr = "2001:db8::1".parse().expect("an address");
    assert_eq!(fixture.peers.recv().await.expect("a peer").ip, expected);
}
