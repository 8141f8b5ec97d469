//! What is kept about a person, against the built program: told to nobody else, and page by page.
mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http::Reply;
use support::http::request_as;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair_of_users;

/// How long something may take that follows by itself.
const PATIENCE: Duration = Duration::from_secs(30);

fn get(addr: SocketAddr, path: &str, user: &Value) -> Value {
    let reply = bearer(addr, &format!("GET {path}"), user, None);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn bearer(addr: SocketAddr, line: &str, user: &Value, body: Option<&Value>) -> Reply {
    request_as(addr, line, user["access_token"].as_str().expect("a token"), body)
}

fn post(addr: SocketAddr, path: &str, user: &Value, body: &Value) -> Value {
    let reply = bearer(addr, &format!("POST {path}"), user, Some(body));
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

/// Every page of a list, two entries each; what `name` of each entry is.
fn pages(addr: SocketAddr, path: &str, list: &str, name: &str, user: &Value) -> Vec<Value> {
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = get(addr, &format!("{path}{query}"), user);
        let entries = page[list].as_array().expect("a list");
        assert!(entries.len() <= 2, "{page}");
        seen.extend(entries.iter().map(|entry| entry[name].clone()));
        let Some(next) = page["next"].as_str() else { return seen };
        assert!(seen.len() < 50, "the pages end");
        query = format!("?limit=2&after={next}");
    }
}

#[tokio::test]
async fn sessions_that_are_over_are_in_the_history_of_both_page_by_page() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((mut a, a_user, found), (mut b, b_user, peers)) = matched_pair_of_users(http, "tea").await;
    let state = json!({"session": found["session"], "state": "connected", "path": "direct", "setup_ms": 40});
    a.ask("rtc.state", state).await;
    assert_eq!(get(http, "/v1/history/sessions", &a_user), json!({"sessions": [], "next": null}));
    a.ask("session.end", json!({"session": found["session"]})).await;
    b.push("session.ended").await;
    let of = |user: &Value| get(http, "/v1/history/sessions", user)["sessions"][0].clone();
    assert!(eventually(PATIENCE, || of(&a_user) != Value::Null), "the end is kept");
    let [of_a, of_b] = [&a_user, &b_user].map(of);
    assert_eq!((&of_a["session"], &of_b["session"]), (&found["session"], &found["session"]));
    assert_eq!((&of_a["self"], &of_a["peer"]), (&found["self"], &found["peer"]["id"]));
    assert_eq!((&of_b["self"], &of_b["peer"]), (&peers["self"], &peers["peer"]["id"]));
    assert_eq!((&of_a["path"], &of_a["setup_ms"], &of_a["reason"]), (&json!("direct"), &json!(40), &json!("ended")));
    assert_eq!(of_b["path"], Value::Null, "each side has what it reported itself");
    assert_eq!(of_a["tags_common"], json!(["tea"]));
    let times = ["started_at", "ended_at", "duration_ms"].map(|name| of_a[name].as_u64().expect("a time"));
    assert_eq!(times[0] + times[2], times[1]);
    let own = b_user["user"]["id"].as_str().expect("an id");
    assert!(!of_a.to_string().contains(own), "whom one met has no name");

    // Three more; the newest is first, and every one is on one page.
    let mut sessions = vec![found["session"].clone()];
    for round in 0..3 {
        let wish = json!({"tags": [format!("round {round}")]});
        let (mut c, _) = Client::guest(http, &format!("device-c-{round}")).await;
        a.ask("queue.join", wish.clone()).await;
        c.ask("queue.join", wish).await;
        let session = a.push("match.found").await["session"].clone();
        a.ask("session.end", json!({"session": session})).await;
        a.push("session.ended").await;
        sessions.insert(0, session);
    }
    let listed = || pages(http, "/v1/history/sessions", "sessions", "session", &a_user);
    assert!(eventually(PATIENCE, || listed().len() == 4), "all are kept");
    assert_eq!(listed(), sessions);
    assert_eq!(bearer(http, "GET /v1/history/sessions?after=yesterday", &a_user, None).problem(400), "bad_request");
    assert_eq!(bearer(http, "GET /v1/history/sessions?limit=101", &a_user, None).problem(400), "bad_request");
    assert_eq!(support::http::request(http, "GET /v1/history/sessions", &[], b"").problem(401), "unauthorized");
}

#[tokio::test]
async fn every_list_that_can_grow_is_read_page_by_page() {
    let server = Server::start("");
    let http = server.addr("http");
    let (mut owner, user) = Client::guest(http, "owner").await;
    let mut rooms = Vec::new();
    for number in 0..5 {
        let room = post(http, "/v1/rooms", &user, &json!({"name": format!("Room {number}")}));
        rooms.insert(0, room["id"].clone());
    }
    let mut listed = pages(http, "/v1/rooms", "rooms", "id", &user);
    // Some may have been made in one millisecond.
    listed.sort_by_key(|id| rooms.iter().position(|room| room == id));
    assert_eq!(listed, rooms);

    let room = rooms[0].as_str().expect("an id");
    let ticket = post(http, &format!("/v1/rooms/{room}/invites"), &user, &json!({}))["ticket"].clone();
    let mut aliases = vec![owner.ask("room.join", json!({"room": room})).await["self"].clone()];
    for number in 0..4 {
        let (mut guest, _) = Client::guest(http, &format!("member {number}")).await;
        aliases.push(guest.ask("room.join", json!({"room": room, "ticket": ticket})).await["self"].clone());
    }
    let mut members = pages(http, &format!("/v1/rooms/{room}/members"), "members", "peer", &user);
    members.sort_by_key(|alias| aliases.iter().position(|one| one == alias));
    assert_eq!(members, aliases);

    for number in 0..5 {
        owner.ask("block.add", json!({"user": format!("shop:{number}")})).await;
    }
    let blocks = pages(http, "/v1/blocks", "blocks", "id", &user);
    assert_eq!(blocks.len(), 5);
    assert_eq!(blocks, pages(http, "/v1/blocks", "blocks", "id", &user));

    let mut mids = Vec::new();
    for number in 0..5_u32 {
        let cid = format!("00000000-0000-4000-8000-00000000000{number}");
        let said = json!({"room": room, "cid": cid, "kind": "text", "text": "tea"});
        mids.push(owner.ask("chat.send", said).await["mid"].clone());
    }
    let mut read = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = get(http, &format!("/v1/rooms/{room}/messages{query}"), &user);
        let part: Vec<Value> =
            page["messages"].as_array().expect("a list").iter().map(|one| one["mid"].clone()).collect();
        read.splice(0..0, part);
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(read, mids);
    let first = mids[0].as_str().expect("a mid");
    let page = get(http, &format!("/v1/rooms/{room}/messages?limit=2&after={first}"), &user);
    assert_eq!(page["next"], mids[2], "it goes on in the direction that was asked for");
}

/// The name and password of the TURN credential that REST gives a user outside of calls.
fn standing(addr: SocketAddr, user: &Value) -> Credential {
    let told = get(addr, "/v1/turn/credentials", user);
    let servers = told["ice_servers"].as_array().expect("a list");
    let turn = servers.iter().find(|server| server["username"].is_string()).expect("a TURN server");
    let text = |name: &str| turn[name].as_str().expect("a text").to_owned();
    Credential { username: text("username"), password: text("credential") }
}

/// An allocation with a standing credential, which is revoked after `act`; what the same credential is answered then.
fn revoked_by(server: &Server, user: &Value, act: impl FnOnce()) -> (bool, Option<u16>) {
    let (http, turn) = (server.addr("http"), server.addr("turn-udp"));
    let credential = standing(http, user);
    let mut client = TurnClient::allocate_udp(turn, credential.clone()).expect("is good");
    client.refresh(600).expect("lives");
    act();
    let is_freed = eventually(PATIENCE, || matches!(client.refresh(600), Err(401 | 437)));
    (is_freed, TurnClient::allocate_udp(turn, credential).err())
}

#[tokio::test]
async fn standing_turn_credentials_end_with_the_login_the_ban_and_the_account() {
    let mut server = Server::start(&backend::config());
    let http = server.addr("http");
    let form = |name: &str| json!({"username": name, "password": "correct horse"});
    let enter = |way: &str, name: &str| {
        let headers = ["content-type: application/json"];
        let line = format!("POST /v1/auth/{way}");
        let reply = support::http::request(http, &line, &headers, form(name).to_string().as_bytes());
        assert!([200, 201].contains(&reply.status), "{reply:?}");
        reply.json()
    };
    // Logged out on one device: the other one goes on.
    let (phone, desk) = (enter("register", "ann"), enter("login", "ann"));
    let kept = standing(http, &desk);
    let mut stays = TurnClient::allocate_udp(server.addr("turn-udp"), kept).expect("is good");
    let log_out = |user: &Value, all: bool| {
        assert_eq!(bearer(http, "POST /v1/auth/logout", user, Some(&json!({"all": all}))).status, 204);
    };
    assert_eq!(revoked_by(&server, &phone, || log_out(&phone, false)), (true, Some(401)));
    stays.refresh(600).expect("another login");
    // Everywhere, and whoever logs in again is given what is good.
    let other = enter("login", "ann");
    assert_eq!(revoked_by(&server, &other, || log_out(&desk, true)), (true, Some(401)));
    assert!(eventually(PATIENCE, || stays.refresh(600).is_err()));
    let again = enter("login", "ann");
    let renewed = standing(http, &again);
    TurnClient::allocate_udp(server.addr("turn-udp"), renewed).expect("a new login, a new credential");
    // A ban of the user, also of one who has no socket open; of a guest's device.
    let admin = json!({"access_token": backend::token("mo", "moderator")});
    let ban = |whom: Value| {
        assert_eq!(bearer(http, "POST /v1/bans", &admin, Some(&whom)).status, 201);
    };
    let bob = enter("register", "bob");
    let id = bob["user"]["id"].clone();
    assert_eq!(revoked_by(&server, &bob, || ban(json!({"user": id}))), (true, Some(401)));
    let guest = support::http::request(
        http,
        "POST /v1/auth/guest",
        &["content-type: application/json"],
        json!({"device_id": "tablet"}).to_string().as_bytes(),
    );
    let guest = guest.json();
    assert_eq!(revoked_by(&server, &guest, || ban(json!({"device": "tablet"}))), (true, Some(401)));
    // Disabled beside the server.
    let cat = enter("register", "cat");
    let last = standing(http, &cat);
    assert_eq!(revoked_by(&server, &cat, || beside(&server, &["user", "disable", "cat"])), (true, Some(401)));
    server.crash_and_restart();
    assert_eq!(TurnClient::allocate_udp(server.addr("turn-udp"), last).err(), Some(401), "also after a restart");
}

/// Runs the program beside the server, on the same state.
fn beside(server: &Server, arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .arg("--config")
        .arg(server.state.path().join("duologue.toml"))
        .args(arguments)
        .output()
        .expect("the program runs");
    assert!(ran.status.success(), "{ran:?}");
}
