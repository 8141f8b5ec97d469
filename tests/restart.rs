//! What a server remembers is there after it ended, whatever ended it.
mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::post_json;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;

/// One side of a call: its socket, what its last hello was answered, and its match.
struct Side {
    client: Client,
    hello: Value,
    found: Value,
}

impl Side {
    /// Comes back after the server was killed, as one who has everything up to `last_seq`.
    async fn resume(self, http: SocketAddr, last_seq: u64) -> Side {
        let mut client = Client::connect(http).await;
        let resume = json!({"resume": {"token": self.hello["resume_token"], "last_seq": last_seq}});
        let hello = client.ask("hello", resume).await;
        assert_eq!((&hello["resumed"], &hello["gap"]), (&json!(true), &json!(true)), "{hello}");
        Side { client, hello, found: self.found }
    }

    async fn say(&mut self, n: usize) -> Value {
        let cid = format!("6f2b1b1e-62f5-4a53-9a52-0d8b8f9b{n:04}");
        let line = json!({"session": self.found["session"], "cid": cid, "kind": "text", "text": n.to_string()});
        self.client.ask("chat.send", line).await
    }

    fn credential(&self) -> Credential {
        let server = &self.found["ice_servers"][0];
        let text = |name: &str| server[name].as_str().expect("a text").to_owned();
        Credential { username: text("username"), password: text("credential") }
    }
}

async fn call(http: SocketAddr) -> [Side; 2] {
    let (mut a, a_hello) = Client::guest(http, "a").await;
    let (mut b, b_hello) = Client::guest(http, "b").await;
    a.ask("queue.join", json!({"tags": ["t"]})).await;
    b.ask("queue.join", json!({"tags": ["t"]})).await;
    let (a_found, b_found) = (a.push("match.found").await, b.push("match.found").await);
    [Side { client: a, hello: a_hello, found: a_found }, Side { client: b, hello: b_hello, found: b_found }]
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("in this age")
}

#[test]
fn the_database_is_in_the_state_directory_and_for_one_server_of_its_user_alone() {
    let server = Server::start("");
    let database = server.state.path().join("duologue.db");
    let mode = std::fs::metadata(&database).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let config = server.state.path().join("duologue.toml");
    let second = Command::new(env!("CARGO_BIN_EXE_duologue")).arg("serve").arg("--config").arg(config).output();
    let second = second.expect("the binary runs");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{told}");
    let expected = format!("store.path: {} is in use by another duologue; stop that one first", database.display());
    assert!(told.contains(&expected), "{told}");
}

#[tokio::test]
async fn a_call_goes_on_after_kill_9_and_its_deadline_holds() {
    let mut server = Server::start("[session]\nlimit = \"12s\"\n");
    let http = server.addr("http");
    let [mut a, b] = call(http).await;
    let said = a.say(1).await;
    server.crash_and_restart();
    let mut a = a.resume(http, 1).await;
    let sync = a.client.push("sync").await;
    let sessions = sync["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 1, "one session and no other: {sync}");
    let [session, deadline] = ["session", "deadline"].map(|name| &sessions[0][name]);
    assert_eq!((session, deadline), (&a.found["session"], &a.found["deadline"]));
    assert_eq!(sync["last_mid"], said["mid"]);
    let mut b = b.resume(http, 2).await;
    assert_eq!(a.client.push("peer.resumed").await["session"], a.found["session"]);
    assert_eq!(server.metric("video_chat_active_sessions", ""), 1.0);
    // What was said before is known, what is said now comes after it.
    assert_eq!(a.say(1).await, said);
    a.say(2).await;
    let message = b.client.message(|message| message["type"] == "chat.message").await;
    assert_eq!((&message["seq"], &message["data"]["text"]), (&json!(3), &json!("2")));
    // The credentials that were minted before are good until the session ends.
    let turn = server.addr("turn-udp");
    let mut a_turn = TurnClient::allocate_udp(turn, a.credential()).expect("a allocates");
    let deadline = a.found["deadline"].as_u64().expect("a deadline");
    for side in [&mut a, &mut b] {
        let ended = side.client.message(|message| message["type"] == "session.ended").await;
        assert_eq!(ended["data"]["reason"], "limit");
        let at = ended["ts"].as_u64().expect("a time");
        assert!((deadline..deadline + 1_000).contains(&at), "{at} for a deadline of {deadline}");
    }
    assert!(eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
    assert_eq!(a_turn.refresh(600), Err(437), "the allocation is gone");
    assert_eq!(TurnClient::allocate_udp(turn, b.credential()).err(), Some(401), "the credential is dead");
}

#[tokio::test]
async fn a_session_whose_time_was_up_while_the_server_was_away_ends_at_its_start() {
    let mut server = Server::start("[session]\nlimit = \"3s\"\n");
    let http = server.addr("http");
    let [mut a, _] = call(http).await;
    let deadline = a.found["deadline"].as_u64().expect("a deadline");
    // It is answered once it is stored, and the session before it.
    a.say(1).await;
    server.signal("STOP");
    assert!(eventually(Duration::from_secs(20), || unix_millis() > deadline));
    server.crash_and_restart();
    let mut a = a.resume(http, 1).await;
    assert_eq!(a.client.push("sync").await["sessions"], json!([]));
    // The log waits for what the relay says of the session.
    assert!(eventually(Duration::from_secs(20), || server.log().contains("reason=\"limit\"")), "{}", server.log());
    assert!(a.client.ask("queue.join", json!({})).await["since"].is_u64(), "free for another call");
}

#[tokio::test]
async fn a_restart_by_the_operator_keeps_the_calls_too() {
    let mut server = Server::start("");
    let [a, b] = call(server.addr("http")).await;
    server.restart();
    let http = server.addr("http");
    let (mut a, b) = (a.resume(http, 1).await, b.resume(http, 1).await);
    assert_eq!(a.client.push("sync").await["sessions"][0]["session"], b.found["session"]);
    a.client.ask("session.end", json!({"session": a.found["session"]})).await;
}

#[tokio::test]
async fn a_guest_stays_who_it_is() {
    let mut server = Server::start("");
    let (client, hello) = Client::guest(server.addr("http"), "a").await;
    let body = json!({"refresh_token": hello["refresh_token"]});
    let refreshed = post_json(server.addr("http"), "/v1/auth/refresh", &body);
    assert_eq!(refreshed.0, 200, "{}", refreshed.1);
    drop(client);
    server.crash_and_restart();
    let http = server.addr("http");
    let mut back = Client::connect(http).await;
    let ok = back.ask("hello", json!({"token": hello["access_token"]})).await;
    assert_eq!(ok["user"], hello["user"]);
    let next = json!({"refresh_token": refreshed.1["refresh_token"]});
    let (status, tokens) = post_json(http, "/v1/auth/refresh", &next);
    assert_eq!((status, &tokens["user"]["id"]), (200, &hello["user"]["id"]));
    // The second use of the first one: somebody else has it.
    let (status, _) = post_json(http, "/v1/auth/refresh", &body);
    assert_eq!(status, 401);
    assert_eq!(back.closed().await, 4401);
    server.crash_and_restart();
    let mut late = Client::connect(http).await;
    assert_eq!(late.refused("hello", json!({"token": tokens["access_token"]})).await, "unauthorized");
}

#[tokio::test]
async fn credentials_of_a_call_that_is_over_stay_dead() {
    let mut server = Server::start("");
    let [mut a, _b] = call(server.addr("http")).await;
    a.client.ask("session.end", json!({"session": a.found["session"]})).await;
    // Stored behind the end, and answered once it is.
    a.client.ask("block.add", json!({"user": "shop:somebody"})).await;
    server.crash_and_restart();
    let turn = server.addr("turn-udp");
    // The relay may be there a moment before it is told.
    let is_refused = || TurnClient::allocate_udp(turn, a.credential()).err() == Some(401);
    assert!(eventually(Duration::from_secs(20), is_refused), "the credential is dead");
}

#[tokio::test]
async fn a_ticket_waits_on_after_kill_9_from_where_it_was() {
    let mut server = Server::start("");
    let http = server.addr("http");
    let (mut a, hello) = Client::guest(http, "a").await;
    let wish = json!({"tags": ["rare"], "region": "eu", "tag_wait_ms": 1500});
    let since = a.ask("queue.join", wish).await["since"].clone();
    // It has been kept half a second before that.
    a.message(|message| message["type"] == "queue.status" && message["data"]["level"] == 1).await;
    // Answered once all that was to be written before it is.
    a.ask("block.add", json!({"user": "shop:somebody"})).await;
    server.crash_and_restart();
    let mut b = Client::guest(http, "b").await.0;
    b.ask("queue.join", json!({"region": "eu"})).await;
    let mut a = Client::connect(http).await;
    let resume = json!({"resume": {"token": hello["resume_token"], "last_seq": 0}});
    assert_eq!(a.ask("hello", resume).await["resumed"], true);
    let queue = a.push("sync").await["queue"].clone();
    assert_eq!(queue["since"], since, "{queue}");
    assert!(queue["level"].as_u64() >= Some(1), "{queue}");
    let [of_a, of_b] = [a.push("match.found").await, b.push("match.found").await];
    assert_eq!((&of_a["session"], &of_a["role"]), (&of_b["session"], &json!("impolite")));
    assert!(of_a["waited_ms"].as_u64() >= Some(1500), "{of_a}");
}
