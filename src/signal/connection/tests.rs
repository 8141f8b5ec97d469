//! The connection task against a real WebSocket client, over a pipe, in paused time.
use std::future::Future;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::io::DuplexStream;
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::bus::Bus;
use crate::bus::LocalBus;
use crate::bus::NodeId;
use crate::matchmaking;
use crate::matchmaking::runner;
use crate::signal::Past;
use crate::signal::RelayCommand;
use crate::signal::Relayed;
use crate::signal::hub::tests::settings;
use crate::signal::stats::Stats;
use crate::signal::task::start;
use crate::store;
use crate::time::Clock;

const PATIENCE: Duration = Duration::from_secs(3600);

struct Node {
    hub: Handle,
    relay: mpsc::Receiver<RelayCommand>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    fn new() -> Self {
        Self::on(&LocalBus::default())
    }

    fn on(bus: &dyn Bus) -> Self {
        let clock = Clock::start();
        let (link, engine) = runner::start(matchmaking::Settings::default(), clock);
        let (relay, revocations) = mpsc::channel(4);
        let opened = store::runner::Opened::in_memory(store::Retention::default());
        let (store, _) = store::runner::start(opened).expect("threads");
        let (line, carrier) = bus.join(NodeId("node".into()));
        let (hub, task) = start(settings(), clock, link, relay, store, line, Past::default());
        Self { hub, relay: revocations, tasks: vec![tokio::spawn(engine), tokio::spawn(carrier), tokio::spawn(task)] }
    }

    /// Both ends of a new socket, whose pipe holds `buffer` bytes.
    fn raw(&mut self, buffer: usize) -> DuplexStream {
        let (client, server) = duplex(buffer);
        let peer = Peer { ip: [192, 0, 2, 1].into(), bearer: None };
        self.tasks.push(tokio::spawn(serve(server, peer, self.hub.clone())));
        client
    }

    async fn client(&mut self) -> Client {
        let socket = self.raw(1 << 20);
        let mut client = Client { socket: WebSocketStream::from_raw_socket(socket, Role::Client, None).await };
        assert_eq!(client.next().await["type"], "welcome");
        client
    }

    async fn guest(&mut self) -> Client {
        let device = format!("device-{}", self.tasks.len());
        self.hello(json!({"guest": {"device_id": device}})).await.0
    }

    /// A client that is welcome, and the ok that it got.
    async fn hello(&mut self, data: Value) -> (Client, Value) {
        let mut client = self.client().await;
        client.send(json!({"type": "hello", "id": 1, "data": data}).to_string()).await;
        let mut ok = client.next().await;
        assert_eq!(ok["type"], "ok");
        (client, ok["data"].take())
    }

    fn stats(&self) -> &Stats {
        self.hub.stats()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

struct Client {
    socket: WebSocketStream<DuplexStream>,
}

impl Client {
    async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("is open");
    }

    /// The next text message.
    async fn next(&mut self) -> Value {
        loop {
            match within(self.socket.next()).await.expect("is open").expect("is well formed") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code of the close frame, after which the stream must end.
    async fn close_code(&mut self) -> u16 {
        let mut code = None;
        while let Some(message) = within(self.socket.next()).await {
            match message {
                Ok(Message::Close(frame)) => code = Some(frame.expect("has a code").code.into()),
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        code.expect("a close frame")
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("something happens")
}

#[tokio::test(start_paused = true)]
async fn two_clients_are_matched_and_talk_until_one_ends_it() {
    let mut node = Node::new();
    let (mut ann, mut bob) = (node.guest().await, node.guest().await);
    for client in [&mut ann, &mut bob] {
        client.send(r#"{"type":"queue.join","id":2,"data":{"tags":["music"]}}"#).await;
    }
    let session = ann.next_of("match.found").await["data"]["session"].clone();
    assert_eq!(bob.next_of("match.found").await["data"]["session"], session);
    let cid = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";
    let data = json!({"session": session, "cid": cid, "kind": "text", "text": "grüezi"});
    ann.send(json!({"type": "chat.send", "id": 3, "data": data}).to_string()).await;
    assert_eq!(bob.next_of("chat.message").await["data"]["text"], "grüezi");
    ann.send(json!({"type": "session.end", "id": 4, "data": {"session": session}}).to_string()).await;
    assert_eq!(bob.next_of("session.ended").await["data"]["reason"], "ended");
    let RelayCommand::Revoke { session: revoked, relayed, .. } = within(node.relay.recv()).await.expect("a command");
    assert_eq!(json!(revoked), session);
    assert!(relayed.send(Relayed::default()).is_ok());
}

// The store works in threads of its own, for which a paused clock would not wait.
#[tokio::test]
async fn a_newer_socket_on_another_node_replaces_the_older_one() {
    let bus = LocalBus::default();
    let (mut here, mut there) = (Node::on(&bus), Node::on(&bus));
    let (mut older, ok) = here.hello(json!({"guest": {"device_id": "d"}})).await;
    let (mut newer, _) = there.hello(json!({"token": ok["access_token"]})).await;
    assert_eq!(older.close_code().await, 4409);
    newer.send(r#"{"type":"ack","id":2,"data":{"seq":0}}"#).await;
    assert_eq!(newer.next().await["type"], "ok");
    assert_eq!((here.stats().users_online.value(), there.stats().users_online.value()), (0, 1));
}

#[tokio::test]
async fn rule_17_a_login_that_is_killed_on_one_node_is_dead_on_the_others() {
    let bus = LocalBus::default();
    let (mut here, mut there) = (Node::on(&bus), Node::on(&bus));
    let (_, ok) = here.hello(json!({"guest": {"device_id": "d"}})).await;
    let (mut newer, _) = there.hello(json!({"token": ok["access_token"]})).await;
    let refresh_token = ok["refresh_token"].as_str().expect("a token").to_owned();
    for used_before in [false, true] {
        let outcome = here.hub.refresh(refresh_token.clone()).await.expect("the hub lives");
        assert_eq!(outcome.is_err(), used_before);
    }
    assert_eq!(newer.close_code().await, 4401);
    let mut again = there.client().await;
    again.send(json!({"type": "hello", "id": 1, "data": {"token": ok["access_token"]}}).to_string()).await;
    assert_eq!(again.next().await["error"]["code"], "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn rule_9_no_hello_within_5_s_closes_with_4440() {
    let mut node = Node::new();
    let mut client = node.client().await;
    let before = Instant::now();
    assert_eq!(client.close_code().await, 4440);
    assert!(before.elapsed() < Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn rule_9_the_error_of_a_failed_hello_comes_before_the_close() {
    let mut node = Node::new();
    let mut client = node.client().await;
    client.send(r#"{"type":"hello","data":{"token":"wrong"}}"#).await;
    assert_eq!(client.next().await["error"]["code"], "unauthorized");
    assert_eq!(client.close_code().await, 4401);
}

#[tokio::test(start_paused = true)]
async fn rule_6_what_is_no_json_object_in_a_text_frame_closes_with_4400() {
    let mut node = Node::new();
    for message in [
        Message::text("nonsense"),
        Message::text("[1]"),
        Message::text(format!(r#"{{"type":"bye","data":{{"x":{}{}}}}}"#, "[".repeat(15), "]".repeat(15))),
        Message::binary(&b"{}"[..]),
    ] {
        let mut client = node.guest().await;
        client.socket.send(message).await.expect("is open");
        assert_eq!(client.close_code().await, 4400);
    }
    assert_eq!(node.stats().closes(CloseCode::BadFrame).value(), 4);
}

#[tokio::test(start_paused = true)]
async fn rule_8_the_limit_is_8_kib_before_hello_and_64_kib_after_it() {
    let mut node = Node::new();
    let padded = |len: usize| {
        let head = r#"{"type":"ack","id":5,"x":""#;
        format!(r#"{head}{}"}}"#, "x".repeat(len - head.len() - 2))
    };
    let mut client = node.client().await;
    client.send(padded(8_192)).await;
    assert_eq!(client.next().await["error"]["code"], "unauthorized");
    client.send(padded(8_193)).await;
    assert_eq!(client.close_code().await, 4413);
    let mut client = node.guest().await;
    client.send(padded(65_536)).await;
    assert_eq!(client.next().await["error"]["code"], "bad_request");
    client.send(padded(65_537)).await;
    assert_eq!(client.close_code().await, 4413);
}

#[tokio::test(start_paused = true)]
async fn rule_8_a_large_message_right_behind_hello_is_within_the_limit() {
    let mut node = Node::new();
    let mut client = node.client().await;
    let hello = r#"{"type":"hello","id":1,"data":{"guest":{"device_id":"d"}}}"#;
    client.socket.feed(Message::text(hello)).await.expect("is open");
    let large = format!(r#"{{"type":"ack","id":2,"data":{{"seq":1,"x":"{}"}}}}"#, "x".repeat(60_000));
    client.socket.feed(Message::text(large)).await.expect("is open");
    client.socket.flush().await.expect("is open");
    assert_eq!(client.next().await["re"], 1);
    assert_eq!(client.next().await["re"], 2);
}

#[tokio::test(start_paused = true)]
async fn rule_8_an_oversized_message_is_drained_so_that_the_close_arrives() {
    let mut node = Node::new();
    // A pipe much smaller than the message: the client is still writing when it is refused.
    let mut socket = node.raw(512);
    let mut sent = vec![0x81, 0x80 | 127];
    sent.extend_from_slice(&1_000_000u64.to_be_bytes());
    sent.extend(vec![0; 4 + 1_000_000]);
    within(socket.write_all(&sent)).await.expect("all of it is taken in");
    within(socket.shutdown()).await.expect("is open");
    let mut received = Vec::new();
    within(socket.read_to_end(&mut received)).await.expect("ends cleanly");
    let close = [0x11, 0x3d];
    assert!(received.windows(2).any(|bytes| bytes == close), "a close frame with 4413");
}

#[tokio::test(start_paused = true)]
async fn rule_6_breaches_of_rfc_6455_close_with_1002() {
    let mut node = Node::new();
    let mut socket = node.raw(4096);
    within(socket.write_all(&[0x81, 0x01, b'x'])).await.expect("is open");
    let mut received = Vec::new();
    within(socket.read_to_end(&mut received)).await.expect("ends");
    assert!(received.windows(2).any(|bytes| bytes == [0x03, 0xea]), "a close frame with 1002");
    assert_eq!(node.stats().closes(CloseCode::Protocol).value(), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_silent_client_is_pinged_after_25_s_and_dropped_10_s_later() {
    let mut node = Node::new();
    let mut socket = node.raw(1 << 16);
    let before = Instant::now();
    let hello = br#"{"type":"hello","data":{"guest":{"device_id":"d"}}}"#;
    let mut frame = vec![0x81, 0x80 | hello.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(hello);
    within(socket.write_all(&frame)).await.expect("is open");
    let mut received = Vec::new();
    within(socket.read_to_end(&mut received)).await.expect("ends");
    assert_eq!(received.last_chunk(), Some(&[0x89, 0]), "the last that comes is a ping, no close frame");
    let lived = before.elapsed();
    assert!((Duration::from_secs(35)..Duration::from_secs(36)).contains(&lived), "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_13_any_frame_is_a_sign_of_life() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(24)).await;
        client.socket.send(Message::Pong(Bytes::new())).await.expect("is open");
    }
    client.send(r#"{"type":"ack","id":7,"data":{"seq":0}}"#).await;
    let first = within(client.socket.next()).await.expect("is open").expect("is well formed");
    assert!(matches!(first, Message::Text(text) if text.contains(r#""re":7"#)), "no ping came while frames did");
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_client_is_answered_with_its_payload() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    client.socket.send(Message::Ping(Bytes::from_static(b"here?"))).await.expect("is open");
    let answer = within(client.socket.next()).await.expect("is open").expect("is well formed");
    assert_eq!(answer, Message::Pong(Bytes::from_static(b"here?")));
}

#[tokio::test(start_paused = true)]
async fn rule_2_a_flood_of_frames_that_are_no_messages_closes_with_4429() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    for _ in 0..2 {
        for _ in 0..EXTRAS_MAX {
            client.socket.feed(Message::Pong(Bytes::new())).await.expect("is open");
        }
        client.socket.flush().await.expect("is open");
        client.send(r#"{"type":"ack","id":7,"data":{"seq":0}}"#).await;
        assert_eq!(client.next().await["re"], 7);
        tokio::time::sleep(EXTRAS_WINDOW).await;
    }
    for _ in 0..=EXTRAS_MAX {
        client.socket.feed(Message::Ping(Bytes::new())).await.expect("is open");
    }
    client.socket.flush().await.expect("is open");
    assert_eq!(client.close_code().await, 4429);
}

/// So many messages in one go.
async fn flood(client: &mut Client, text: &'static str, times: usize) {
    for _ in 0..times {
        client.socket.feed(Message::text(text)).await.expect("is open");
    }
    client.socket.flush().await.expect("is open");
}

#[tokio::test(start_paused = true)]
async fn rule_2_messages_over_the_budget_are_refused_with_the_time_to_wait() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    // The runtime's paused clock is a moment older than the node's, which knows nothing before its start.
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.send(r#"{"type":"ack","id":7,"data":{"seq":0}}"#).await;
    assert_eq!(client.next().await["re"], 7);
    // That was one of 200; hello's is there again.
    flood(&mut client, r#"{"type":"ack","id":8,"data":{"seq":0}}"#, 199).await;
    for _ in 0..199 {
        assert_eq!(client.next().await["type"], "ok");
    }
    // What it asks for does not matter: nobody looks.
    client.send(r#"{"type":"ack","id":9,"data":{"seq":[]}}"#).await;
    let refused = client.next().await;
    assert_eq!(refused["re"], 9);
    assert_eq!(refused["error"]["code"], "rate_limited");
    assert_eq!(refused["error"]["retryable"], true);
    let wait = Duration::from_millis(refused["error"]["retry_after_ms"].as_u64().expect("a time"));
    assert_eq!(wait, Duration::from_millis(20));
    tokio::time::sleep(wait).await;
    client.send(r#"{"type":"ack","id":10,"data":{"seq":0}}"#).await;
    let taken = client.next().await;
    assert_eq!((&taken["re"], &taken["type"]), (&json!(10), &json!("ok")));
    assert_eq!(node.stats().rate_limit_hits_total.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_2_a_flood_of_messages_closes_with_4429_whatever_they_say() {
    let mut node = Node::new();
    for text in [r#"{"type":"ack","data":{"seq":0}}"#, r#"{"type":"nonsense"}"#, r#"{"type":7}"#, r#"{"id":"x"}"#] {
        let mut client = node.guest().await;
        let before = Instant::now();
        flood(&mut client, text, 400).await;
        assert_eq!(client.close_code().await, 4429, "{text}");
        assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    }
    assert_eq!(node.stats().closes(CloseCode::RateLimited).value(), 4);
    assert_eq!(node.stats().rate_limit_hits_total.value(), 4 * 101);
}

#[tokio::test(start_paused = true)]
async fn rule_2_what_is_no_json_over_the_budget_closes_with_4400() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    flood(&mut client, r#"{"type":"nonsense"}"#, 220).await;
    client.send("nonsense").await;
    assert_eq!(client.close_code().await, 4400);
}

#[tokio::test(start_paused = true)]
async fn rule_2_refusals_of_the_hub_and_of_the_connection_count_together() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    // The budget of joins is 30, that of messages 200.
    for _ in 0..30 {
        for request in [r#"{"type":"queue.join","id":2}"#, r#"{"type":"queue.leave","id":3}"#] {
            client.send(request).await;
            client.next_of("ok").await;
        }
    }
    flood(&mut client, r#"{"type":"queue.join","id":5}"#, 100).await;
    for _ in 0..100 {
        assert_eq!(client.next_of("error").await["error"]["code"], "rate_limited");
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    flood(&mut client, r#"{"type":"ack"}"#, 220).await;
    assert_eq!(client.close_code().await, 4429);
    // The one more is the connection's, which refuses no more than that.
    assert_eq!(node.stats().rate_limit_hits_total.value(), 101);
}

#[tokio::test(start_paused = true)]
async fn rule_2_a_flooder_that_reads_nothing_is_let_go() {
    let mut node = Node::new();
    let mut socket = node.raw(64);
    let mut sent = Vec::new();
    for message in [&br#"{"type":"hello","data":{"guest":{"device_id":"d"}}}"#[..]]
        .into_iter()
        .chain(std::iter::repeat_n(&br#"{"type":"x","id":1}"#[..], 2000))
    {
        sent.extend_from_slice(&[0x81, 0x80 | message.len() as u8, 0, 0, 0, 0]);
        sent.extend_from_slice(message);
    }
    let before = Instant::now();
    let _ = timeout(PATIENCE, socket.write_all(&sent)).await.expect("an end");
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    let closed = [CloseCode::RateLimited, CloseCode::SlowConsumer].map(|code| node.stats().closes(code).value());
    assert_eq!(closed.iter().sum::<u64>(), 1, "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_2_a_large_message_counts_as_several() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    let data = json!({"session": "none", "neg": 1, "kind": "offer", "sdp": "v".repeat(48 * 1024)});
    let mut codes = Vec::new();
    for id in 2..11 {
        client.send(json!({"type": "rtc.description", "id": id, "data": data}).to_string()).await;
        codes.push(client.next_of("error").await["error"]["code"].clone());
    }
    // 200 at once, of which hello took one, and each is 25.
    assert_eq!(codes, [vec!["not_in_session"; 7], vec!["rate_limited"; 2]].concat());
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_client_that_stops_reading_is_let_go_within_5_s() {
    let mut node = Node::new();
    let mut socket = node.raw(64);
    let hello = br#"{"type":"hello","data":{"guest":{"device_id":"d"}}}"#;
    let mut frame = vec![0x81, 0x80 | hello.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(hello);
    within(socket.write_all(&frame)).await.expect("is open");
    let unknown = br#"{"type":"x","id":1}"#;
    let mut question = vec![0x81, 0x80 | unknown.len() as u8, 0, 0, 0, 0];
    question.extend_from_slice(unknown);
    let before = Instant::now();
    // Each question has an answer, and nobody reads them. Slowly, to stay within the message budget.
    while timeout(Duration::from_secs(60), socket.write_all(&question)).await.is_ok_and(|sent| sent.is_ok()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.stats().closes(CloseCode::SlowConsumer).value(), 1);
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_client_is_answered_and_its_session_lost() {
    let mut node = Node::new();
    let (mut ann, mut bob) = (node.guest().await, node.guest().await);
    for client in [&mut ann, &mut bob] {
        client.send(r#"{"type":"queue.join","id":2,"data":{}}"#).await;
        client.next_of("ok").await;
    }
    bob.next_of("match.found").await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 4000.into(), reason: "gone".into() };
    ann.socket.send(Message::Close(Some(frame))).await.expect("is open");
    assert_eq!(ann.close_code().await, 4000);
    assert_eq!(bob.next_of("peer.left").await["data"]["reason"], "lost");
    assert_eq!(bob.next_of("session.ended").await["data"]["reason"], "lost");
}

#[tokio::test(start_paused = true)]
async fn bye_is_answered_before_the_close_with_1000() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    client.send(r#"{"type":"bye","id":9}"#).await;
    assert_eq!(client.next().await["re"], 9);
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_drain_returns_once_everybody_is_told() {
    let mut node = Node::new();
    let mut client = node.guest().await;
    let hub = node.hub.clone();
    let drain = tokio::spawn(async move { hub.drain(Duration::from_secs(10)).await });
    assert_eq!(client.next().await["type"], "server.drain");
    assert_eq!(client.close_code().await, 1012);
    within(drain).await.expect("returns");
}

#[tokio::test(start_paused = true)]
async fn the_handle_makes_guests_verifies_and_refreshes() {
    let node = Node::new();
    let guest = node.hub.guest([192, 0, 2, 1].into(), "device".into()).await.expect("is made");
    let identity =
        node.hub.verify([192, 0, 2, 1].into(), guest.access_token.clone()).await.expect("runs").expect("is valid");
    assert_eq!(identity, guest.identity);
    assert!(node.hub.refresh(guest.refresh_token.clone()).await.expect("runs").is_ok());
    assert!(node.hub.refresh(guest.refresh_token).await.expect("runs").is_err());
    assert!(node.hub.verify([192, 0, 2, 1].into(), guest.access_token).await.expect("runs").is_err());
    let refused = node.hub.guest([192, 0, 2, 1].into(), String::new()).await;
    assert_eq!(refused.map_err(|refusal| refusal.code), Err(crate::signal::ErrorCode::BadRequest));
}

#[test]
fn the_task_of_a_connection_is_small() {
    let (inputs, _) = mpsc::channel(1);
    let hub = Handle::new(inputs, Arc::default(), Clock::start(), Rate::per_second(1, 1), None, Arc::default());
    let task = serve(duplex(1).0, Peer { ip: [192, 0, 2, 1].into(), bearer: None }, hub);
    assert!(size_of_val(&task) <= 1024, "{} bytes", size_of_val(&task));
}
