//! A call survives the loss of its WebSocket: rules 12, 23, 28, 33, 34 and 35 against the built program.
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::ws::Client;

/// One side of a call: its socket, what its last hello was answered, and its match.
struct Side {
    client: Client,
    hello: Value,
    found: Value,
}

impl Side {
    /// Loses the socket without a word.
    fn lose(self) -> Lost {
        drop(self.client.into_inner());
        Lost { hello: self.hello, found: self.found }
    }

    async fn say(&mut self, n: usize) -> Value {
        self.client.ask("chat.send", line(&self.found, n)).await
    }
}

/// A side without its socket.
struct Lost {
    hello: Value,
    found: Value,
}

impl Lost {
    /// Comes back as one who has everything up to `last_seq`.
    async fn resume(self, http: SocketAddr, last_seq: u64) -> Side {
        let mut client = Client::connect(http).await;
        let resume = json!({"resume": {"token": self.hello["resume_token"], "last_seq": last_seq}});
        let hello = client.ask("hello", resume).await;
        assert_eq!(hello["resumed"], true);
        Side { client, hello, found: self.found }
    }
}

fn line(found: &Value, n: usize) -> Value {
    let cid = format!("6f2b1b1e-62f5-4a53-9a52-0d8b8f9b{n:04}");
    json!({"session": found["session"], "cid": cid, "kind": "text", "text": n.to_string()})
}

async fn call(http: SocketAddr) -> [Side; 2] {
    let (mut a, a_hello) = Client::guest(http, "a").await;
    let (mut b, b_hello) = Client::guest(http, "b").await;
    a.ask("queue.join", json!({"tags": ["t"]})).await;
    b.ask("queue.join", json!({"tags": ["t"]})).await;
    let (a_found, b_found) = (a.push("match.found").await, b.push("match.found").await);
    [Side { client: a, hello: a_hello, found: a_found }, Side { client: b, hello: b_hello, found: b_found }]
}

async fn seqs(client: &mut Client, up_to: u64) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    loop {
        let message = client.message(|message| message["seq"].is_u64()).await;
        let seq = message["seq"].as_u64().expect("a number");
        seen.push((seq, message["type"].as_str().expect("a type").to_owned()));
        if seq >= up_to {
            return seen;
        }
    }
}

#[tokio::test]
async fn what_was_said_to_a_lost_side_is_there_when_it_is_back() {
    let server = Server::start("");
    let http = server.addr("http");
    let [mut a, b] = call(http).await;
    let peer = a.found["peer"]["id"].clone();
    let b = b.lose();
    let left = a.client.push("peer.left").await;
    assert_eq!((&left["peer"], &left["reason"], &left["can_reconnect"]), (&peer, &json!("lost"), &json!(true)));
    assert!(left["until"].is_u64(), "{left}");
    let said = a.say(1).await;
    assert_eq!(a.say(1).await, said, "the same message again");
    let offer = json!({"session": a.found["session"], "neg": 3, "kind": "offer", "sdp": "v=0"});
    a.client.ask("rtc.description", offer).await;
    let mut b = b.resume(http, 0).await;
    assert_eq!(a.client.push("peer.resumed").await, json!({"session": a.found["session"], "peer": peer}));
    a.say(2).await;
    let kinds = ["match.found", "chat.message", "rtc.description", "chat.message"];
    let expected: Vec<_> = (1..).zip(kinds.map(ToOwned::to_owned)).collect();
    assert_eq!(seqs(&mut b.client, 4).await, expected);
    b.say(3).await;
    assert_eq!(a.client.push("chat.message").await["text"], "3");
}

#[tokio::test]
async fn rule_34_a_token_is_good_once_and_a_gap_is_told() {
    let server = Server::start("");
    let http = server.addr("http");
    let [mut a, b] = call(http).await;
    let first = b.hello["resume_token"].clone();
    let b = b.lose().resume(http, 900).await;
    assert_eq!((&b.hello["gap"], &b.hello["resume_window_ms"]), (&json!(true), &json!(30_000)));
    assert_ne!(b.hello["resume_token"], first);
    let mut b = b;
    let sync = b.client.push("sync").await;
    assert_eq!(sync["sessions"][0]["session"], b.found["session"]);
    let mut thief = Client::connect(http).await;
    let used = json!({"resume": {"token": first, "last_seq": 0}});
    assert_eq!(thief.refused("hello", used).await, "unauthorized");
    assert_eq!(thief.closed().await, 4401);
    a.say(1).await;
    let after = b.client.message(|message| message["type"] == "chat.message").await;
    assert_eq!(after["seq"], 2, "seq goes on");
    b.client.ask("bye", json!({})).await;
    assert_eq!(a.client.push("session.ended").await["reason"], "ended");
}

#[tokio::test]
async fn a_window_that_closes_ends_the_session_as_lost() {
    let server = Server::start("[session]\nresume_window = \"1s\"\n");
    let http = server.addr("http");
    let [mut a, b] = call(http).await;
    let b = b.lose();
    a.client.push("peer.left").await;
    assert_eq!(a.client.push("session.ended").await["reason"], "lost");
    let mut late = Client::connect(http).await;
    let resume = json!({"resume": {"token": b.hello["resume_token"], "last_seq": 1}});
    assert_eq!(late.refused("hello", resume).await, "unauthorized");
}

#[tokio::test]
async fn rule_23_a_lost_ticket_waits_unmatched_and_is_matched_on_its_return() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut a, a_hello) = Client::guest(http, "a").await;
    let since = a.ask("queue.join", json!({"tags": ["t"]})).await["since"].clone();
    drop(a.into_inner());
    let is_noticed = || server.metric("video_chat_active_connections", "") == 0.0;
    assert!(eventually(Duration::from_secs(10), is_noticed), "the loss is not noticed");
    let (mut b, _) = Client::guest(http, "b").await;
    assert_eq!(b.ask("queue.join", json!({"tags": ["t"]})).await["waiting"], 1);
    b.nothing_of("match.found").await;
    let mut back = Client::connect(http).await;
    let resume = json!({"resume": {"token": a_hello["resume_token"], "last_seq": 0}});
    assert_eq!(back.ask("hello", resume).await["resumed"], true);
    back.push("match.found").await;
    let found = b.message(|message| message["type"] == "match.found").await;
    let waited = found["ts"].as_u64().expect("a time") - since.as_u64().expect("a time");
    assert!(found["data"]["waited_ms"].as_u64().is_some_and(|of_b| of_b <= waited), "{found}");
}
