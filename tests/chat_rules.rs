//! The rules of chat, one by one, against the built program; numbers are those of the protocol's fine print.
mod support;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::ws::Client;
use support::ws::matched_pair;

const CID: &str = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";

/// What a client sends as its message number `n`.
fn text(session: &Value, n: usize) -> Value {
    json!({"session": session, "cid": format!("6f2b1b1e-62f5-4a53-9a52-{n:012}"), "kind": "text", "text": n.to_string()})
}

/// The texts that a page of history shows.
fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["text"].as_str().unwrap_or("deleted")).collect()
}

#[tokio::test]
async fn rules_36_and_37_chat_typing_and_reactions() {
    let server = Server::start("");
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "chat").await;
    let session = found["session"].clone();
    let say = |cid: &str, text: &str| json!({"session": session, "cid": cid, "kind": "text", "text": text});
    let sent = a.ask("chat.send", say(CID, &"\u{1f980}".repeat(2000))).await;
    assert_eq!(sent, a.ask("chat.send", say(CID, "another text")).await);
    let got = b.message(|message| message["type"] == "chat.message").await;
    assert!(got["seq"].is_u64() && got["data"]["ts"] == sent["ts"] && got["data"]["cid"] == CID, "{got}");
    assert_eq!(a.refused("chat.send", say(&CID.replace("6f", "6e"), &"x".repeat(2001))).await, "too_large");
    for cid in ["", "x", "6f2b1b1e62f54a539a520d8b8f9b7a11", "{6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11}"] {
        assert_eq!(a.refused("chat.send", say(cid, "x")).await, "bad_request", "{cid}");
    }
    assert_eq!(a.refused("chat.send", json!({"cid": CID, "kind": "text", "text": "x"})).await, "bad_request");
    let both = json!({"session": session, "room": "r", "cid": CID, "kind": "text", "text": "x"});
    assert_eq!(a.refused("chat.send", both).await, "bad_request");
    let mut last = sent["mid"].as_str().expect("a mid").to_owned();
    for at in 0..20 {
        let cid = format!("6f2b1b1e-62f5-4a53-9a52-0d8b8f9b{at:04}");
        let mid = a.ask("chat.send", say(&cid, "x")).await["mid"].as_str().expect("a mid").to_owned();
        assert!(mid > last, "{mid} after {last}");
        last = mid;
    }
    a.ask("chat.typing", json!({"session": session, "on": true})).await;
    let typing = b.message(|message| message["type"] == "chat.typing").await;
    assert_eq!((&typing["data"]["on"], &typing["data"]["from"]), (&json!(true), &found["self"]));
    assert!(typing.get("seq").is_none(), "{typing}");
    a.ask("chat.react", json!({"session": session, "mid": last, "emoji": "\u{1f44d}"})).await;
    let reaction = b.message(|message| message["type"] == "chat.reaction").await;
    assert!(reaction["seq"].is_u64() && reaction["data"]["mid"] == last.as_str(), "{reaction}");
    assert_eq!(a.refused("chat.react", json!({"session": session, "emoji": "x".repeat(33)})).await, "too_large");
    assert_eq!(a.refused("chat.react", json!({"session": session, "emoji": ""})).await, "bad_request");
    a.nothing_of("chat.message").await;
}

#[tokio::test]
async fn rule_36_messages_sent_without_waiting_arrive_once_and_in_order() {
    const LINES: usize = 150;
    let server = Server::start("");
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "order").await;
    let session = found["session"].clone();
    for n in 0..LINES {
        // Each one twice, as a client does that has seen no answer.
        for id in [10_000 + 2 * n, 10_001 + 2 * n] {
            a.send(json!({"type": "chat.send", "id": id, "data": text(&session, n)})).await;
        }
        // Within the budget of messages at once.
        if n % 50 == 49 {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    }
    let mut last = String::new();
    for n in 0..LINES {
        let got = b.push("chat.message").await;
        assert_eq!(got["text"], n.to_string());
        let mid = got["mid"].as_str().expect("a mid").to_owned();
        assert!(mid > last);
        for id in [10_000 + 2 * n, 10_001 + 2 * n] {
            let answer = a.message(|message| message["re"] == id).await;
            assert_eq!(answer["data"]["mid"], mid, "{answer}");
        }
        last = mid;
    }
    b.nothing_of("chat.message").await;
    let page = b.ask("chat.history", json!({"session": session, "limit": 100})).await;
    assert_eq!(texts(&page), (LINES - 100..LINES).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn rule_37_history_receipts_and_deletion() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut a, found), (mut b, other)) = matched_pair(http, "history").await;
    let (mut eve, _) = Client::guest(http, "eve").await;
    let session = found["session"].clone();
    let mut mids = Vec::new();
    for n in 0..60 {
        mids.push(a.ask("chat.send", text(&session, n)).await["mid"].clone());
    }
    let newest = b.ask("chat.history", json!({"session": session})).await;
    assert_eq!((texts(&newest).len(), texts(&newest)[0], &newest["more"]), (50, "10", &json!(true)));
    let older = b.ask("chat.history", json!({"session": session, "before": newest["messages"][0]["mid"]})).await;
    assert_eq!((texts(&older).len(), texts(&older)[9], &older["more"]), (10, "9", &json!(false)));
    let page = b.ask("chat.history", json!({"session": session, "after": mids[57]})).await;
    assert_eq!(texts(&page), ["58", "59"]);
    for bad in [json!({"limit": 0}), json!({"limit": 101}), json!({"before": "x"}), json!({"after": 7})] {
        let mut data = bad;
        data["session"] = session.clone();
        assert_eq!(b.refused("chat.history", data.clone()).await, "bad_request", "{data}");
    }
    assert_eq!(eve.refused("chat.history", json!({"session": session})).await, "not_in_session");

    b.ask("chat.receipt", json!({"session": session, "delivered_to": mids[59], "read_to": mids[40]})).await;
    let receipt = a.message(|message| message["type"] == "chat.receipt").await;
    assert!(receipt["seq"].is_u64(), "{receipt}");
    let expected = json!({"session": session, "from": other["self"], "delivered_to": mids[59], "read_to": mids[40]});
    assert_eq!(receipt["data"], expected);
    b.ask("chat.receipt", json!({"session": session, "read_to": mids[3]})).await;
    a.nothing_of("chat.receipt").await;

    assert_eq!(b.refused("chat.delete", json!({"session": session, "mid": mids[59]})).await, "forbidden");
    a.ask("chat.delete", json!({"session": session, "mid": mids[59]})).await;
    assert_eq!(b.push("chat.deleted").await["mid"], mids[59]);
    b.ask("chat.react", json!({"session": session, "mid": mids[58], "emoji": "\u{1f44d}"})).await;
    a.push("chat.reaction").await;

    a.ask("session.end", json!({"session": session})).await;
    b.push("session.ended").await;
    for side in [&mut a, &mut b] {
        let page = side.ask("chat.history", json!({"session": session, "limit": 2})).await;
        assert_eq!(page["messages"][0]["reactions"], json!([{"from": other["self"], "emoji": "\u{1f44d}"}]));
        assert_eq!(page["messages"][1], json!({"mid": mids[59], "deleted": true}));
        assert_eq!(page["receipts"][0]["read_to"], mids[40]);
        assert_eq!(side.refused("chat.send", text(&session, 99)).await, "not_in_session");
        assert_eq!(side.refused("chat.delete", json!({"session": session, "mid": mids[0]})).await, "not_in_session");
    }
    assert_eq!(eve.refused("chat.history", json!({"session": session})).await, "not_in_session");
}
