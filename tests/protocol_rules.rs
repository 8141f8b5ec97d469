//! The rules of the envelope, of `hello`, identity and limits, against the built program; numbers are those of the
//! protocol's fine print. Calls have a file of their own.
mod support;

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde_json::Value;
use serde_json::json;
use support::Server;
use support::ws::Client;
use support::ws::matched_pair;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

const KEY: &str = "a key that the customer's backend shares with us";

fn unix_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

fn signed(claims: &Value, key: &str) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("signs")
}

/// A token of the customer's backend that is good for a minute.
fn foreign(sub: &str) -> String {
    signed(&json!({"sub": sub, "exp": unix_secs() + 60, "iss": "shop", "aud": "calls"}), KEY)
}

fn foreign_config() -> String {
    format!("[auth]\njwt_secrets = [\"{KEY}\"]\nissuer = \"shop\"\naudience = \"calls\"\n")
}

/// A part of a text message.
fn fragment(code: Data, bytes: Vec<u8>, is_final: bool) -> Message {
    Message::Frame(Frame::message(Bytes::from(bytes), OpCode::Data(code), is_final))
}

/// An `ack` of exactly `len` bytes.
fn ack_of(len: usize, id: u64) -> String {
    let frame = json!({"type": "ack", "id": id, "data": {"seq": 0, "pad": ""}}).to_string().len();
    json!({"type": "ack", "id": id, "data": {"seq": 0, "pad": "x".repeat(len - frame)}}).to_string()
}

fn control(code: Control, payload: &'static [u8]) -> Message {
    let header = FrameHeader { opcode: OpCode::Control(code), ..FrameHeader::default() };
    Message::Frame(Frame::from_payload(header, payload.into()))
}

fn nested(depth: usize) -> String {
    // The envelope is the first level.
    format!("{{\"type\":\"ack\",\"id\":1,\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
}

#[tokio::test]
async fn rule_6_what_is_no_object_closes_with_4400_and_a_breach_of_the_framing_with_1002() {
    let server = Server::start("");
    let http = server.addr("http");
    let raw = |opcode, payload: &'static [u8]| Message::Frame(Frame::message(payload, opcode, true));
    let text = OpCode::Data(Data::Text);
    for (frame, code) in [
        (Message::text("hello"), 4400),
        (Message::text(""), 4400),
        (Message::text("[]"), 4400),
        (Message::text("null"), 4400),
        (Message::text("{\"type\":\"ack\"} x"), 4400),
        (Message::text("{\"type\":\"ack\""), 4400),
        (Message::text(nested(17)), 4400),
        (Message::text("[".repeat(60_000)), 4400),
        (Message::binary(&b"{\"type\":\"ack\"}"[..]), 4400),
        (raw(text, b"{\"type\":\"\xff\"}"), 4400),
        (raw(text, b"{\"type\":\"\xed\xa0\x80\"}"), 4400),
        (raw(OpCode::Data(Data::Continue), b"{}"), 1002),
        (control(Control::Close, &[3]), 1002),
        (control(Control::Close, &[3, 237]), 1002),
        (control(Control::Reserved(11), &[]), 1002),
        (control(Control::Ping, &[0; 126]), 1002),
    ] {
        let (mut client, _) = Client::guest(http, "d").await;
        let shown = format!("{frame:?}");
        client.send_frame(frame).await;
        assert_eq!(client.closed().await, code, "{}", &shown[..shown.len().min(120)]);
    }
    let (mut client, _) = Client::guest(http, "d").await;
    client.send_frame(Message::text(nested(16))).await;
    client.message(|message| message["re"] == 1).await;
}

#[tokio::test]
async fn rule_6_a_wrong_type_id_or_data_is_bad_request_and_the_socket_stays() {
    let server = Server::start("");
    let (mut client, _) = Client::guest(server.addr("http"), "d").await;
    for bad in [
        json!({"id": 70}),
        json!({"id": 70, "type": 5}),
        json!({"id": 70, "type": null}),
        json!({"id": 70, "type": "ack", "data": []}),
        json!({"id": 70, "type": "ack", "data": null}),
        json!({"id": 70, "type": "ack", "data": "x"}),
    ] {
        client.send(bad.clone()).await;
        let answer = client.message(|message| message["type"] == "error").await;
        assert_eq!((&answer["error"]["code"], &answer["re"]), (&json!("bad_request"), &json!(70)), "{bad}");
        assert_eq!(answer["error"]["retryable"], false);
        assert!(answer["error"]["message"].is_string());
    }
    for id in [json!(-1), json!(1.5), json!("7"), json!(9_007_199_254_740_992_u64), json!(null), json!([])] {
        client.send(json!({"id": id, "type": "ack", "data": {"seq": 1}})).await;
        let answer = client.message(|message| message["type"] == "error").await;
        assert_eq!(answer["error"]["code"], "bad_request", "{id}");
    }
    for id in [0, 9_007_199_254_740_991_u64] {
        client.send(json!({"id": id, "type": "ack", "data": {"seq": 1}, "unknown": true})).await;
        assert_eq!(client.message(|message| message["re"] == id).await["type"], "ok");
    }
    client.send(json!({"id": 71, "type": "queue.leave"})).await;
    assert_eq!(client.message(|message| message["re"] == 71).await["data"], json!({"left": false}));
}

#[tokio::test]
async fn rule_7_without_an_id_nothing_is_replied_and_unknown_types_are_told_with_one() {
    let server = Server::start("");
    let (mut client, _) = Client::guest(server.addr("http"), "d").await;
    for kind in ["no.such", "", "hello2", "welcome", "match.found"] {
        assert_eq!(client.refused(kind, json!({})).await, "unknown_type");
        client.send(json!({"type": kind, "data": {}})).await;
    }
    client.send(json!({"type": "ack"})).await;
    client.send(json!({"type": "session.end", "data": {"session": "x"}})).await;
    client.send(json!({"data": {}})).await;
    client.nothing_of("error").await;
}

#[tokio::test]
async fn rule_8_the_limit_is_exact_with_and_without_fragments_and_4413_arrives() {
    let server = Server::start("");
    let http = server.addr("http");
    let split = |text: String, parts: usize| -> Vec<Message> {
        let bytes = text.into_bytes();
        let chunks: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(parts)).collect();
        let last = chunks.len() - 1;
        let code = |at| if at == 0 { Data::Text } else { Data::Continue };
        chunks.iter().enumerate().map(|(at, chunk)| fragment(code(at), chunk.to_vec(), at == last)).collect()
    };
    let (mut client, _) = Client::guest(http, "d").await;
    for (id, parts) in [(50, 1), (51, 2), (52, 400)] {
        for frame in split(ack_of(65_536, id), parts) {
            client.send_frame(frame).await;
        }
        client.message(|message| message["re"] == id).await;
    }
    for parts in [1, 2, 100] {
        let (mut client, _) = Client::guest(http, "d").await;
        for frame in split(ack_of(65_537, 1), parts) {
            client.send_frame(frame).await;
        }
        assert_eq!(client.closed().await, 4413, "{parts} parts");
    }
    // What is on its way when the limit is found must not reset the connection before the code is read.
    let (mut client, _) = Client::guest(http, "d").await;
    client.send_frame(Message::text(ack_of(3_000_000, 1))).await;
    assert_eq!(client.closed().await, 4413);

    let hello = |len: usize| {
        let frame = json!({"type": "hello", "id": 1, "data": {"guest": {"device_id": "d"}, "pad": ""}});
        let pad = "x".repeat(len - frame.to_string().len());
        json!({"type": "hello", "id": 1, "data": {"guest": {"device_id": "d"}, "pad": pad}}).to_string()
    };
    let mut client = Client::connect(http).await;
    // The message behind hello is sent before its answer, and may already be large.
    client.send_frame(Message::text(hello(8_192))).await;
    client.send_frame(Message::text(ack_of(65_536, 2))).await;
    assert_eq!(client.message(|message| message["re"] == 1).await["type"], "ok");
    assert_eq!(client.message(|message| message["re"] == 2).await["type"], "ok");
    let mut client = Client::connect(http).await;
    client.send_frame(Message::text(hello(8_193))).await;
    assert_eq!(client.closed().await, 4413);
}

#[tokio::test]
async fn rule_9_hello_comes_first_once_and_with_one_identity() {
    let server = Server::start("");
    let http = server.addr("http");
    let mut client = Client::connect(http).await;
    assert_eq!(client.refused("ack", json!({"seq": 1})).await, "unauthorized");
    assert_eq!(client.refused("no.such", json!({})).await, "unauthorized");
    for several in [
        json!({}),
        json!({"token": "x", "guest": {"device_id": "d"}}),
        json!({"resume": {"token": "x", "last_seq": 0}, "guest": {"device_id": "d"}}),
        json!({"guest": {"device_id": ""}}),
        json!({"guest": {"device_id": "a\u{7f}"}}),
        json!({"guest": "d"}),
        json!({"token": 5}),
    ] {
        assert_eq!(client.refused("hello", several.clone()).await, "bad_request", "{several}");
    }
    assert_eq!(client.refused("hello", json!({"guest": {"device_id": "d".repeat(129)}})).await, "too_large");
    // Without an id it is answered all the same (rule 7).
    client.send(json!({"type": "hello", "data": {"guest": {"device_id": "d".repeat(128)}}})).await;
    let ok = client.message(|message| message["type"] == "ok").await;
    assert!(ok.get("re").is_none(), "{ok}");
    assert_eq!(client.refused("hello", json!({"guest": {"device_id": "d"}})).await, "conflict");

    for bad in [json!({"token": "x"}), json!({"resume": {"token": "x", "last_seq": 0}})] {
        let mut client = Client::connect(http).await;
        client.send(json!({"type": "hello", "data": bad})).await;
        assert_eq!(client.message(|message| message["type"] == "error").await["error"]["code"], "unauthorized");
        assert_eq!(client.closed().await, 4401, "{bad}");
    }
    let mut late = Client::connect(http).await;
    let begun = Instant::now();
    assert_eq!(late.refused("ack", json!({})).await, "unauthorized");
    assert_eq!(late.closed().await, 4440);
    assert!((4..7).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn rules_2_and_14_welcome_and_the_ok_of_hello_have_their_fields() {
    let server = Server::start("[limits]\nmessages_per_second = 7\nmessages_burst = 9\n");
    let http = server.addr("http");
    let (mut client, ok) = Client::guest(http, "d").await;
    for field in ["connection", "user", "heartbeat_ms", "auth_expires_at", "access_token", "refresh_token", "resumed"] {
        assert!(!ok[field].is_null(), "{field} is missing: {ok}");
    }
    for field in ["resume_token", "resume_window_ms", "gap"] {
        assert!(ok.get(field).is_some(), "{field} is missing: {ok}");
    }
    assert_eq!((&ok["user"]["role"], &ok["user"]["guest"]), (&json!("user"), &json!(true)));
    assert_eq!((&ok["heartbeat_ms"], &ok["resumed"], &ok["gap"]), (&json!(25_000), &json!(false), &json!(false)));
    let left = ok["auth_expires_at"].as_u64().expect("a time") / 1000 - unix_secs();
    assert!((290..=300).contains(&left), "{left}");
    client.send(json!({"type": "bye", "id": 90})).await;
    client.message(|message| message["re"] == 90).await;
    assert_eq!(client.closed().await, 1000);

    let stream = tokio::net::TcpStream::connect(http).await.expect("connect");
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(format!("ws://{http}/ws"))
            .expect("a request");
    let origin = format!("http://127.0.0.1:{}", http.port());
    request.headers_mut().insert("origin", origin.parse().expect("a header"));
    request.headers_mut().insert("sec-websocket-protocol", "duologue.v1".parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("an upgrade");
    let first = futures_util::StreamExt::next(&mut socket).await.expect("open").expect("a frame");
    let welcome: Value = serde_json::from_str(first.to_text().expect("text")).expect("JSON");
    assert_eq!(welcome["type"], "welcome");
    assert!(welcome["ts"].as_u64().is_some_and(|ts| ts / 1000 >= unix_secs() - 2), "{welcome}");
    let data = &welcome["data"];
    assert!(data["time"].is_u64() && data["features"].is_array() && data["server"]["version"].is_string(), "{data}");
    assert!(data["server"]["name"].is_string() && data["server"]["node"].is_string(), "{data}");
    let limits = &data["limits"];
    assert_eq!((&limits["messages_per_second"], &limits["messages_burst"]), (&json!(7), &json!(9)));
    for name in [
        "connections",
        "connections_per_address",
        "guests_per_minute",
        "queue_joins_per_minute",
        "room_joins_per_minute",
        "calls_per_minute",
        "skips_per_minute",
    ] {
        assert!(limits[name].is_u64(), "{name}: {limits}");
    }
}

#[tokio::test]
async fn rule_17_tokens_of_a_customers_backend_are_taken_if_they_are_good() {
    let server = Server::start(&foreign_config());
    let http = server.addr("http");
    let mut client = Client::connect(http).await;
    let ok = client.ask("hello", json!({"token": foreign("42")})).await;
    assert_eq!(ok["user"], json!({"id": "shop:42", "role": "user", "guest": false}));
    assert!(ok.get("access_token").is_none() && ok.get("refresh_token").is_none(), "{ok}");
    let exp = unix_secs() + 60;
    let head = foreign("42").rsplit_once('.').expect("a JWT").0.to_owned();
    let unsigned = |alg: &str| {
        use base64::Engine;
        let encode = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"sub": "42", "exp": exp, "iss": "shop", "aud": "calls"});
        format!("{}.{}.", encode(&json!({"alg": alg, "typ": "JWT"})), encode(&claims))
    };
    for bad in [
        signed(&json!({"sub": "42", "exp": unix_secs() - 1, "iss": "shop", "aud": "calls"}), KEY),
        signed(&json!({"sub": "42", "iss": "shop", "aud": "calls"}), KEY),
        signed(&json!({"exp": exp, "iss": "shop", "aud": "calls"}), KEY),
        signed(&json!({"sub": "42", "exp": exp, "iss": "shop", "aud": "calls"}), "another key"),
        signed(&json!({"sub": "42", "exp": exp, "iss": "shop", "aud": "mail"}), KEY),
        signed(&json!({"sub": "42", "exp": exp, "iss": "shop"}), KEY),
        signed(&json!({"sub": "42", "exp": exp, "iss": "mall", "aud": "calls"}), KEY),
        signed(&json!({"sub": "42", "exp": exp, "aud": "calls"}), KEY),
        format!("{head}."),
        unsigned("none"),
        unsigned("HS256"),
    ] {
        let mut client = Client::connect(http).await;
        assert_eq!(client.refused("hello", json!({"token": bad})).await, "unauthorized", "{bad}");
        assert_eq!(client.closed().await, 4401);
    }
}

#[tokio::test]
async fn rule_15_auth_refresh_takes_a_new_token_of_the_same_user_only() {
    let server = Server::start(&foreign_config());
    let http = server.addr("http");
    let mut client = Client::connect(http).await;
    client.ask("hello", json!({"token": foreign("42")})).await;
    assert_eq!(client.refused("auth.refresh", json!({"token": foreign("43")})).await, "forbidden");
    assert_eq!(client.refused("auth.refresh", json!({"token": "x"})).await, "unauthorized");
    assert_eq!(client.refused("auth.refresh", json!({})).await, "bad_request");
    let longer = unix_secs() + 900;
    let token = signed(&json!({"sub": "42", "exp": longer, "iss": "shop", "aud": "calls"}), KEY);
    let ok = client.ask("auth.refresh", json!({"token": token})).await;
    assert_eq!(ok, json!({"auth_expires_at": longer * 1000}));
}

#[tokio::test]
async fn rule_15_expiry_is_announced_and_closes_25_s_later_unless_refreshed() {
    let server = Server::start("[auth]\naccess_ttl = \"2s\"\n");
    let http = server.addr("http");
    let (mut left, ok) = Client::guest(http, "left").await;
    let expires = ok["auth_expires_at"].clone();
    let expiring = left.push("auth.expiring").await;
    assert_eq!(expiring["at"], expires);
    let (mut kept, ok) = Client::guest(http, "kept").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let body = json!({"refresh_token": ok["refresh_token"]}).to_string();
    let renewed = post(http, "/v1/auth/refresh", &body);
    kept.ask("auth.refresh", json!({"token": renewed["access_token"]})).await;
    left.ask("ack", json!({"seq": 0})).await;
    assert_eq!(left.closed().await, 4401);
    let after = unix_secs() * 1000 - expires.as_u64().expect("a time");
    assert!((24_000..28_000).contains(&after), "{after} ms after the expiry");
    kept.ask("ack", json!({"seq": 0})).await;
}

#[tokio::test]
async fn rule_17_a_refresh_token_used_twice_closes_the_live_socket_with_4401() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut client, ok) = Client::guest(http, "d").await;
    let (mut other, _) = Client::guest(http, "d").await;
    let body = json!({"refresh_token": ok["refresh_token"]}).to_string();
    post(http, "/v1/auth/refresh", &body);
    assert_eq!(post(http, "/v1/auth/refresh", &body)["code"], "unauthorized");
    assert_eq!(client.closed().await, 4401);
    other.ask("ack", json!({"seq": 0})).await;
    let mut again = Client::connect(http).await;
    assert_eq!(again.refused("hello", json!({"token": ok["access_token"]})).await, "unauthorized");
}

/// A POST over a blocking connection; the JSON of the answer.
fn post(http: std::net::SocketAddr, path: &str, body: &str) -> Value {
    use std::io::Read;
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(http).expect("connect");
    let len = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {len}\r\n\r\n{body}"
    )
    .expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).expect("JSON")
}

#[tokio::test]
async fn rule_2_over_the_budget_is_rate_limited_and_a_hundred_refusals_close_with_4429() {
    let server = Server::start("[limits]\nmessages_per_second = 5\nmessages_burst = 20\n");
    let (mut client, _) = Client::guest(server.addr("http"), "d").await;
    for id in 100..125 {
        client.send(json!({"type": "ack", "id": id, "data": {"seq": 0}})).await;
    }
    let refused = client.message(|message| message["type"] == "error").await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["retryable"]), (&json!("rate_limited"), &json!(true)));
    let wait = refused["error"]["retry_after_ms"].as_u64().expect("a time");
    assert!((1..=200).contains(&wait), "{wait}");
    client.message(|message| message["re"] == 124).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    client.ask("ack", json!({"seq": 0})).await;
    for _ in 0..130 {
        client.send(json!({"type": "ack"})).await;
    }
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test]
async fn rule_14_a_reader_that_does_not_read_is_freed_and_its_peer_told() {
    let server = Server::start("[limits]\nmessages_per_second = 10000\nmessages_burst = 10000\n");
    let http = server.addr("http");
    let ((mut a, found), (b, _)) = matched_pair(http, "slow").await;
    let stuck = b.into_inner();
    let sdp = "v".repeat(48 * 1024);
    let offer = json!({"type": "rtc.description", "data": {
        "session": found["session"], "neg": 1, "kind": "offer", "sdp": sdp}});
    let begun = Instant::now();
    let mut sent = 0;
    // The kernel's buffers hold some MB before ours fills.
    let reason = loop {
        a.send(offer.clone()).await;
        sent += 1;
        assert!(sent < 1000, "nobody notices");
        if let Ok(left) = timeout(Duration::from_millis(1), a.push("peer.left")).await {
            break left["reason"].clone();
        }
    };
    assert_eq!(reason, "lost");
    println!("noticed after {sent} offers, {:?}", begun.elapsed());
    assert_eq!(server.metric("video_chat_active_connections", ""), 1.0);
    // Tried for 5 s, then reset: nothing of it is left in the kernel either.
    let local = stuck.local_addr().expect("an address");
    let gone = support::eventually(Duration::from_secs(12), || !has_socket(http.port(), local.port()));
    assert!(gone, "the server's end of the connection is still there");
}

#[tokio::test]
async fn rule_14_a_client_that_neither_reads_nor_leaves_after_a_close_is_reset() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut client, _) = Client::guest(http, "d").await;
    client.send_frame(Message::text("no object")).await;
    let stuck = client.into_inner();
    let local = stuck.local_addr().expect("an address");
    let begun = Instant::now();
    let gone = support::eventually(Duration::from_secs(12), || !has_socket(http.port(), local.port()));
    assert!(gone, "the server's end of the connection is still there");
    assert!(begun.elapsed() > Duration::from_secs(4), "the close is tried for 5 s: {:?}", begun.elapsed());
}

/// Whether the kernel still holds the server's end of a loopback connection. proc_net_tcp(5)
fn has_socket(server: u16, client: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
    let wanted = format!("0100007F:{server:04X} 0100007F:{client:04X} ");
    table.lines().any(|line| line.contains(&wanted))
}

#[tokio::test]
async fn rule_13_a_client_that_falls_silent_is_dropped_and_one_that_answers_pings_is_not() {
    let server = Server::start("");
    let http = server.addr("http");
    let silent: Vec<_> = join_all((0..5).map(|at| Client::guest(http, if at == 0 { "a" } else { "b" }))).await;
    let streams: Vec<_> = silent.into_iter().map(|(client, _)| client.into_inner()).collect();
    let (mut alive, _) = Client::guest(http, "c").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(40) {
        // Reading answers the pings.
        let _nothing_comes = timeout(Duration::from_secs(5), alive.push("nothing")).await;
    }
    assert_eq!(server.metric("video_chat_active_connections", ""), 1.0, "silent for 40 s");
    alive.ask("ack", json!({"seq": 0})).await;
    drop(streams);
}

#[tokio::test]
async fn the_log_tells_no_address_token_or_text() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut a, found), (mut b, _)) = matched_pair(http, "log").await;
    let session = found["session"].clone();
    let cid = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";
    a.ask("chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "a-secret-text"})).await;
    a.ask("rtc.description", json!({"session": session, "neg": 1, "kind": "offer", "sdp": "a-secret-sdp"})).await;
    b.push("rtc.description").await;
    a.ask("session.end", json!({"session": session, "reason": "a-secret-reason"})).await;
    a.send_frame(Message::text("a-secret-frame")).await;
    assert_eq!(a.closed().await, 4400);
    assert!(support::eventually(Duration::from_secs(20), || server.log().contains("session ended")));
    let log = server.log();
    let credential = found["ice_servers"][0]["credential"].as_str().or(found["ice_servers"][1]["credential"].as_str());
    for secret in ["a-secret", "device-a-log", credential.expect("a credential")] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let peer = |line: &&str| line.contains("127.0.0.1:") && !line.contains("listen");
    assert!(!log.lines().any(|line| peer(&line)), "{log}");
}
