//! What goes over the wire when people use everything that there is.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;

use super::support::Server;
use super::support::backend;
use super::support::http;
use super::support::ws::Client;
use super::support::ws::Record;

type Shared = Arc<Mutex<Record>>;

/// Everything that went over the wire.
pub(super) async fn record() -> Record {
    let record = Shared::default();
    meet_and_talk(&record).await;
    go_to_a_room(&record).await;
    meet_as_a_group(&record).await;
    run_out_of_time(&record).await;
    be_lost_and_come_back(&record).await;
    be_moderated(&record).await;
    be_known_for_a_short_time(&record).await;
    Arc::into_inner(record).expect("every client is gone").into_inner().expect("no client has failed")
}

async fn guest(http: SocketAddr, device: &str, record: &Shared) -> (Client, Value) {
    let mut client = Client::recorded(http, record).await;
    let hello = json!({"guest": {"device_id": device}, "client": {"name": "test", "version": "1"}, "features": ["x"]});
    let answer = client.ask("hello", hello).await;
    (client, answer)
}

/// Two guests in a session; each side's connection, answer to `hello`, and `match.found`.
async fn pair(http: SocketAddr, record: &Shared) -> [(Client, Value, Value); 2] {
    let wish = json!({
        "mode": "video", "tags": ["tea"], "languages": ["en"], "region": "eu", "attrs": {"age": 30}, "want": {"age": [29, 30]},
        "media": {"audio": true, "video": true}, "tag_wait_ms": 1000,
    });
    let (mut a, a_hello) = guest(http, "a", record).await;
    let (mut b, b_hello) = guest(http, "b", record).await;
    a.ask("queue.join", wish.clone()).await;
    a.push("queue.status").await;
    b.ask("queue.join", wish).await;
    let (a_found, b_found) = (a.push("match.found").await, b.push("match.found").await);
    [(a, a_hello, a_found), (b, b_hello, b_found)]
}

fn rest(server: &Server, line: &str, token: &str, body: &Value) -> Value {
    let reply = http::request_as(server.addr("http"), line, token, Some(body).filter(|body| !body.is_null()));
    assert!(reply.status < 300, "{line}: {reply:?}");
    if reply.body.is_empty() { Value::Null } else { reply.json() }
}

fn text<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_else(|| panic!("{name}: {data}"))
}

/// The data of `extra` with the session of `found`.
fn of(found: &Value, mut extra: Value) -> Value {
    extra["session"] = found["session"].clone();
    extra
}

async fn meet_and_talk(record: &Shared) {
    let server = Server::start("");
    let [(mut a, a_hello, found), (mut b, ..)] = pair(server.addr("http"), record).await;
    assert_eq!(a.refused("queue.join", json!({})).await, "conflict");
    let offer = json!({"neg": 1, "kind": "offer", "sdp": "v=0\r\n"});
    a.ask("rtc.description", of(&found, offer)).await;
    b.push("rtc.description").await;
    let candidate = json!({"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": null});
    let candidates = json!({"neg": 1, "ufrag": "u", "candidates": [candidate], "end": true});
    a.ask("rtc.candidates", of(&found, candidates)).await;
    b.push("rtc.candidates").await;
    let state =
        json!({"state": "connected", "path": "relay", "relay_protocol": "udp", "setup_ms": 80, "fail_reason": "none"});
    a.ask("rtc.state", of(&found, state)).await;
    b.push("peer.state").await;
    let quality = json!({"score": 87.5, "rtt_ms": 12, "loss": 0.01, "jitter_ms": null, "bitrate": 100_000});
    a.ask("rtc.quality", of(&found, quality)).await;
    b.push("peer.quality").await;
    a.ask("media.state", of(&found, json!({"audio": true, "video": false, "screen": true}))).await;
    b.push("peer.media").await;
    a.ask("ice.refresh", of(&found, json!({}))).await;

    let cid = |n: usize| format!("6f2b1b1e-62f5-4a53-9a52-{n:012}");
    let said = json!({"cid": cid(1), "kind": "text", "text": "hello"});
    let sent = a.ask("chat.send", of(&found, said)).await;
    b.push("chat.message").await;
    let wish = of(&found, json!({"kind": "file", "name": "note.txt", "size": 4, "type": "text/plain"}));
    let asked = rest(&server, "POST /v1/uploads", text(&a_hello, "access_token"), &wish);
    let put = http::request(server.addr("http"), &format!("PUT {}", text(&asked, "url")), &[], b"note");
    assert_eq!(put.status, 200, "{put:?}");
    let shown =
        json!({"cid": cid(2), "kind": "file", "file": asked["upload"], "text": "look", "reply_to": sent["mid"]});
    let second = a.ask("chat.send", of(&found, shown)).await;
    b.push("chat.message").await;
    let never = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    let answer = json!({"cid": cid(3), "kind": "text", "text": "what?", "reply_to": never});
    assert_eq!(a.refused("chat.send", of(&found, answer)).await, "not_found");
    b.ask("chat.typing", of(&found, json!({"on": true}))).await;
    a.push("chat.typing").await;
    b.ask("chat.react", of(&found, json!({"mid": sent["mid"], "emoji": "+"}))).await;
    a.push("chat.reaction").await;
    b.ask("chat.react", of(&found, json!({"emoji": "+", "remove": true}))).await;
    a.push("chat.reaction").await;
    b.ask("chat.receipt", of(&found, json!({"delivered_to": second["mid"], "read_to": sent["mid"]}))).await;
    a.push("chat.receipt").await;
    a.ask("chat.history", of(&found, json!({"limit": 10}))).await;
    assert_eq!(b.refused("chat.delete", of(&found, json!({"mid": sent["mid"]}))).await, "forbidden");
    a.ask("chat.delete", of(&found, json!({"mid": sent["mid"]}))).await;
    b.push("chat.deleted").await;
    b.ask("chat.history", of(&found, json!({"after": sent["mid"]}))).await;

    a.ask("ack", json!({"seq": 1})).await;
    a.ask("session.next", of(&found, json!({"reason": "on"}))).await;
    b.push("session.ended").await;
    a.push("session.ended").await;
    a.ask("queue.leave", json!({})).await;
    assert_eq!(a.refused("session.end", of(&found, json!({}))).await, "not_in_session");
    let report = json!({"reason": "spam", "comment": "watches", "evidence": {"mids": [second["mid"]]}, "block": false});
    b.ask("report.submit", of(&found, report)).await;
    b.ask("block.add", of(&found, json!({}))).await;
    b.ask("block.remove", of(&found, json!({}))).await;
    a.ask("bye", json!({})).await;
    assert_eq!(a.closed().await, 1000);
    server.signal("TERM");
    b.push("server.drain").await;
}

async fn go_to_a_room(record: &Shared) {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut ann, hello) = guest(http, "ann", record).await;
    let (mut bob, _) = guest(http, "bob", record).await;
    let token = text(&hello, "access_token");
    let made = rest(&server, "POST /v1/rooms", token, &json!({"name": "Tea"}));
    let room = text(&made, "room");
    let invited = rest(&server, &format!("POST /v1/rooms/{room}/invites"), token, &Value::Null);
    let media = json!({"audio": true, "video": true, "screen": false});
    let own = ann.ask("room.join", json!({"room": room, "media": media})).await;
    assert_eq!(bob.refused("room.join", json!({"room": room})).await, "forbidden");
    bob.ask("room.join", json!({"room": room, "ticket": invited["ticket"], "media": media})).await;
    ann.push("peer.joined").await;
    let offer = json!({"room": room, "to": own["self"], "neg": 1, "kind": "rollback"});
    bob.ask("rtc.description", offer).await;
    ann.push("rtc.description").await;
    bob.ask("media.state", json!({"room": room, "audio": false, "video": true})).await;
    ann.push("peer.media").await;
    let line = json!({"room": room, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000003", "kind": "text", "text": "hello"});
    ann.ask("chat.send", line).await;
    bob.push("chat.message").await;
    ann.ask("ice.refresh", json!({"room": room})).await;
    // A second socket of the same user takes its place over.
    let mut again = Client::recorded(http, record).await;
    again.ask("hello", json!({"token": token})).await;
    again.push("sync").await;
    bob.ask("room.leave", json!({"room": room})).await;
    again.push("peer.left").await;
}

async fn meet_as_a_group(record: &Shared) {
    let server = Server::start("");
    let mut people = Vec::new();
    for device in ["ann", "bob", "cat"] {
        let (mut person, _) = guest(server.addr("http"), device, record).await;
        person.ask("queue.join", json!({"size": 3, "tags": ["tea"], "languages": ["en"]})).await;
        people.push(person);
    }
    for person in &mut people {
        let found = person.push("match.found").await;
        assert_eq!(found["size"], 3);
    }
}

async fn run_out_of_time(record: &Shared) {
    let server = Server::start("[session]\nlimit = \"11s\"\n");
    let [(mut a, _, found), (mut b, ..)] = pair(server.addr("http"), record).await;
    a.push("session.warning").await;
    a.ask("session.extend", of(&found, json!({}))).await;
    b.push("session.extend").await;
    b.ask("session.extend", of(&found, json!({}))).await;
    a.push("session.extended").await;
    a.ask("session.end", of(&found, json!({"reason": "enough"}))).await;
    b.push("session.ended").await;
}

async fn be_lost_and_come_back(record: &Shared) {
    let mut server = Server::start("");
    let http = server.addr("http");
    let [(a, hello, found), (mut b, b_hello, _)] = pair(http, record).await;
    drop(a.into_inner());
    b.push("peer.left").await;
    let mut a = Client::recorded(http, record).await;
    let back = a.ask("hello", json!({"resume": {"token": hello["resume_token"], "last_seq": 1}})).await;
    b.push("peer.resumed").await;
    a.ask("chat.history", of(&found, json!({}))).await;
    drop((a, b));
    server.crash_and_restart();
    for token in [&back["resume_token"], &b_hello["resume_token"]] {
        let mut client = Client::recorded(server.addr("http"), record).await;
        client.ask("hello", json!({"resume": {"token": token, "last_seq": 1}})).await;
        client.push("sync").await;
    }
    let mut nobody = Client::recorded(server.addr("http"), record).await;
    assert_eq!(nobody.refused("queue.join", json!({})).await, "unauthorized");
    assert_eq!(nobody.refused("hello", json!({"resume": {"token": "x", "last_seq": 1}})).await, "unauthorized");
}

async fn be_moderated(record: &Shared) {
    let server = Server::start(&backend::config());
    let admin = backend::token("root", "admin");
    let [(mut a, hello, found), _b] = pair(server.addr("http"), record).await;
    for ban in [
        json!({"user": hello["user"]["id"], "action": "warn", "reason": "first"}),
        json!({"user": hello["user"]["id"], "action": "mute", "reason": "second", "until": 4_102_444_800_000_u64}),
    ] {
        rest(&server, "POST /v1/bans", &admin, &ban);
        a.push("moderation.notice").await;
    }
    let line = json!({"cid": "6f2b1b1e-62f5-4a53-9a52-000000000004", "kind": "text", "text": "hello"});
    assert_eq!(a.refused("chat.send", of(&found, line)).await, "forbidden");
}

async fn be_known_for_a_short_time(record: &Shared) {
    let server = Server::start(&backend::config());
    let mut client = Client::recorded(server.addr("http"), record).await;
    client.ask("hello", json!({"token": backend::token_for("ann", "user", 50)})).await;
    client.push("auth.expiring").await;
    client.ask("auth.refresh", json!({"token": backend::token("ann", "user")})).await;
}
