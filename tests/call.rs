//! The promise of the product in one file: a match mints credentials, the relay serves them, the end revokes them.
mod support;

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair;

fn credential(found: &Value) -> Credential {
    let server = &found["ice_servers"][0];
    Credential {
        username: server["username"].as_str().expect("a username").to_owned(),
        password: server["credential"].as_str().expect("a credential").to_owned(),
    }
}

fn urls(found: &Value) -> Vec<String> {
    found["ice_servers"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|server| server["urls"].as_array().expect("urls is always a list"))
        .map(|url| url.as_str().expect("a string").to_owned())
        .collect()
}

#[tokio::test]
async fn the_ice_servers_name_the_listeners_really_bound() {
    let server = Server::start("");
    let ((_a, found), _b) = matched_pair(server.addr("http"), "urls").await;
    let urls = urls(&found);
    for (listener, url) in [
        ("turn-udp", format!("turn:localhost:{}?transport=udp", server.addr("turn-udp").port())),
        ("turn-tcp", format!("turn:localhost:{}?transport=tcp", server.addr("turn-tcp").port())),
        ("turn-tls", format!("turns:localhost:{}?transport=tcp", server.addr("turn-tls").port())),
        ("shared", format!("turns:localhost:{}?transport=tcp", server.addr("shared").port())),
    ] {
        assert!(urls.contains(&url), "{listener}: {url} is not in {urls:?}");
    }
}

#[tokio::test]
async fn two_matched_clients_meet_on_the_relay_until_the_session_ends() {
    let server = Server::start("");
    let ((mut a, a_found), (mut b, b_found)) = matched_pair(server.addr("http"), "meet").await;
    assert_eq!(a_found["session"], b_found["session"]);
    let turn = server.addr("turn-udp");
    let mut a_turn = TurnClient::allocate_udp(turn, credential(&a_found)).expect("a allocates");
    let mut b_turn = TurnClient::allocate_udp(turn, credential(&b_found)).expect("b allocates");
    a_turn.create_permission(b_turn.relayed()).expect("a permits b");
    b_turn.create_permission(a_turn.relayed()).expect("b permits a");
    a_turn.send_to(b_turn.relayed(), b"hello from a");
    assert_eq!(b_turn.receive(), Some((a_turn.relayed(), b"hello from a".to_vec())));
    b_turn.send_to(a_turn.relayed(), b"hello from b");
    assert_eq!(a_turn.receive(), Some((b_turn.relayed(), b"hello from b".to_vec())));
    assert_eq!(server.allocations(), 2.0);

    let session = a_found["session"].as_str().expect("an id").to_owned();
    a.ask("session.end", json!({"session": session})).await;
    assert_eq!(a.push("session.ended").await["reason"], "ended");
    let ended = Instant::now();
    assert_eq!(b.push("session.ended").await["reason"], "ended");
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
    println!("allocations gone {:?} after session.ended", ended.elapsed());
    assert_eq!(a_turn.refresh(600), Err(437), "the allocation is gone");
    assert_eq!(TurnClient::allocate_udp(turn, credential(&a_found)).err(), Some(401), "the credential is dead");
    assert_eq!(TurnClient::allocate_udp(turn, credential(&b_found)).err(), Some(401), "so is the other side's");
    assert!(
        support::eventually(Duration::from_secs(20), || {
            let log = server.log();
            log.contains("session ended") && log.contains(&session) && log.contains("ended")
        }),
        "the log tells of the session"
    );
}

#[tokio::test]
async fn the_limit_ends_the_session_on_both_sides() {
    let server = Server::start("[session]\nlimit = \"2s\"\n");
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "limit").await;
    let deadline = found["deadline"].as_u64().expect("a deadline");
    assert!(deadline > found["server_time"].as_u64().expect("a time"));
    let _turn = TurnClient::allocate_udp(server.addr("turn-udp"), credential(&found)).expect("a allocates");
    for side in [&mut a, &mut b] {
        let ended = side.push("session.ended").await;
        assert_eq!(ended["reason"], "limit");
        let duration = ended["duration_ms"].as_u64().expect("a duration");
        assert!((2_000..3_000).contains(&duration), "holds within 1 s: {duration} ms");
    }
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
}

#[tokio::test]
async fn skip_and_loss_end_the_session_too() {
    let server = Server::start("[session]\nresume_window = \"1s\"\n");
    let http = server.addr("http");
    let ((mut a, found), (mut b, _)) = matched_pair(http, "skip").await;
    a.ask("session.next", json!({"session": found["session"]})).await;
    assert_eq!(b.push("session.ended").await["reason"], "skipped");

    let ((c, found), (mut d, _)) = matched_pair(http, "loss").await;
    let _turn = TurnClient::allocate_udp(server.addr("turn-udp"), credential(&found)).expect("c allocates");
    drop(c);
    assert_eq!(d.push("peer.left").await["reason"], "lost");
    assert_eq!(d.push("session.ended").await["reason"], "lost");
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
}

#[tokio::test]
async fn messages_reach_the_peer_and_nobody_else() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut a, found), (mut b, _)) = matched_pair(http, "one").await;
    let ((mut c, _), _d) = matched_pair(http, "two").await;
    let session = found["session"].clone();
    let cid = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";
    let sent = a.ask("chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "hi"})).await;
    let again = a.ask("chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "hi"})).await;
    assert_eq!(sent, again, "a repeated cid is the same message");
    let message = b.push("chat.message").await;
    assert_eq!((&message["text"], &message["mid"]), (&json!("hi"), &sent["mid"]));
    assert_eq!(message["from"], found["self"]);
    let offer = json!({"session": session, "neg": 1, "kind": "offer", "sdp": "v=0\r\n"});
    a.ask("rtc.description", offer.clone()).await;
    let got = b.push("rtc.description").await;
    assert_eq!((&got["sdp"], &got["kind"], &got["from"]), (&offer["sdp"], &offer["kind"], &found["self"]));
    assert_eq!(c.refused("rtc.description", offer).await, "not_in_session");
    assert_eq!(
        c.refused("chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "hi"})).await,
        "not_in_session"
    );
}

#[tokio::test]
async fn sigterm_drains_and_ends_well() {
    let mut server = Server::start("");
    let (mut client, _) = Client::guest(server.addr("http"), "device-drain").await;
    server.signal("TERM");
    client.push("server.drain").await;
    assert_eq!(client.closed().await, 1012);
    assert_eq!(server.wait_exit(Duration::from_secs(10)), Some(0));
}
