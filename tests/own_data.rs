//! What is kept of a person, against the built program: told to them as a whole, and taken away as a whole.
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::http::Reply;
use support::http::request_as;
use support::ws::Client;
use support::ws::matched_pair_of_users;

/// How long something may take that follows by itself.
const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse";

const NOTE: &[u8] = b"just some words of somebody";

fn bearer(addr: SocketAddr, line: &str, user: &Value, body: Option<&Value>) -> Reply {
    request_as(addr, line, user["access_token"].as_str().expect("a token"), body)
}

fn post(addr: SocketAddr, path: &str, user: &Value, body: &Value) -> Value {
    let reply = bearer(addr, &format!("POST {path}"), user, Some(body));
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

fn form() -> Value {
    json!({"username": "ann", "password": PASSWORD})
}

fn log_in(addr: SocketAddr) -> Reply {
    let headers = ["content-type: application/json"];
    support::http::request(addr, "POST /v1/auth/login", &headers, form().to_string().as_bytes())
}

/// Somebody with an account, a call that goes on, a room with the other side of it, and something said and put in both.
struct Life {
    server: Server,
    a: Client,
    b: Client,
    /// Tokens of the account.
    ann: Value,
    /// Tokens of the other side, a guest.
    bob: Value,
    session: Value,
    room: String,
    file_url: String,
}

impl Life {
    async fn begin() -> Life {
        let server = Server::start("");
        let http = server.addr("http");
        let ((mut a, guest, found), (mut b, bob, _)) = matched_pair_of_users(http, "tea").await;
        let ann = post(http, "/v1/auth/register", &guest, &form());
        a.ask("auth.refresh", json!({"token": ann["access_token"]})).await;
        let session = found["session"].clone();

        let wish =
            json!({"session": session, "kind": "file", "name": "note.txt", "size": NOTE.len(), "type": "text/plain"});
        let upload = post(http, "/v1/uploads", &ann, &wish);
        let url = upload["url"].as_str().expect("a URL");
        let line = format!("PUT {}", &url[url.find("/v1").expect("a path")..]);
        assert_eq!(support::http::request(http, &line, &[], NOTE).status, 200);
        let shows =
            json!({"session": session, "cid": cid(1), "kind": "file", "text": "ann's file", "file": upload["upload"]});
        a.ask("chat.send", shows).await;
        let file_url = b.push("chat.message").await["file"]["url"].as_str().expect("a URL").to_owned();
        let said = json!({"session": session, "cid": cid(2), "kind": "text", "text": "bob's words"});
        let mid = b.ask("chat.send", said).await["mid"].clone();
        a.ask("chat.react", json!({"session": session, "mid": mid, "emoji": "\u{2615}"})).await;
        a.ask("chat.receipt", json!({"session": session, "read_to": mid})).await;

        let room =
            post(http, "/v1/rooms", &ann, &json!({"name": "Ann's room"}))["id"].as_str().expect("an id").to_owned();
        let ticket = post(http, &format!("/v1/rooms/{room}/invites"), &ann, &json!({}))["ticket"].clone();
        a.ask("room.join", json!({"room": room})).await;
        b.ask("room.join", json!({"room": room, "ticket": ticket})).await;
        a.ask("chat.send", json!({"room": room, "cid": cid(3), "kind": "text", "text": "ann in the room"})).await;
        b.ask("chat.send", json!({"room": room, "cid": cid(4), "kind": "text", "text": "bob in the room"})).await;
        a.ask("block.add", json!({"user": "shop:somebody"})).await;
        Life { server, a, b, ann, bob, session, room, file_url }
    }

    fn http(&self) -> SocketAddr {
        self.server.addr("http")
    }

    /// What of the room's history says something, as the other member sees it.
    fn room_texts(&self) -> Vec<Value> {
        let line = format!("GET /v1/rooms/{}/messages", self.room);
        let reply = bearer(self.http(), &line, &self.bob, None);
        assert_eq!(reply.status, 200, "{reply:?}");
        let page = reply.json();
        let messages = page["messages"].as_array().expect("a list").clone();
        messages.into_iter().filter(|one| one["deleted"] != true).map(|one| one["text"].clone()).collect()
    }

    /// Waits until nothing is left of the one who went, and the other's things are all there.
    async fn is_over(&mut self) {
        let http = self.http();
        assert!(eventually(PATIENCE, || self.room_texts() == [json!("bob in the room")]), "the words are gone");
        let line = format!("GET /v1/rooms/{}", self.room);
        let role = || bearer(http, &line, &self.bob, None).json()["role"].clone();
        assert!(eventually(PATIENCE, || role() == "owner"), "the room has an heir");
        let path = &self.file_url[self.file_url.find("/v1").expect("a path")..];
        let file = || support::http::request(http, &format!("GET {path}"), &[], b"").status;
        assert!(eventually(PATIENCE, || file() == 404), "the file is gone");
        let uploads = self.server.state.path().join("uploads");
        assert!(eventually(PATIENCE, || !holds(&uploads, NOTE)), "its bytes too");
        assert_eq!(log_in(http).problem(401), "unauthorized");
        assert_eq!(bearer(http, "GET /v1/auth/me", &self.ann, None).problem(401), "unauthorized");
    }
}

fn cid(number: u32) -> String {
    format!("00000000-0000-4000-8000-00000000000{number}")
}

/// Whether a file below the directory has these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() { holds(&path, bytes) } else { std::fs::read(&path).is_ok_and(|found| found == bytes) }
    })
}

/// Runs the program on the server's state, whether it runs or not.
fn beside(server: &Server, arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .arg("--config")
        .arg(server.state.path().join("duologue.toml"))
        .args(arguments)
        .output()
        .expect("the program runs");
    assert!(ran.status.success(), "{ran:?}");
}

#[tokio::test]
async fn all_that_is_kept_of_somebody_is_one_document_without_secrets_and_without_others() {
    let mut life = Life::begin().await;
    let http = life.http();
    let export = || {
        let reply = bearer(http, "GET /v1/me/export", &life.ann, None);
        assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{reply:?}");
        assert!(reply.header("content-disposition").starts_with("attachment"));
        reply.json()
    };
    let live = export();
    assert_eq!((&live["sessions"][0]["session"], &live["sessions"][0]["ended_at"]), (&life.session, &Value::Null));
    life.a.ask("report.submit", json!({"session": life.session, "reason": "spam", "comment": "buy!"})).await;
    assert!(eventually(PATIENCE, || export()["sessions"][0]["reason"] == "ended"));
    let told = export();
    assert_eq!((&told["format"], &told["version"]), (&json!("duologue.export"), &json!(1)));
    assert_eq!(told["user"]["id"], life.ann["user"]["id"]);
    assert_eq!((&told["account"]["username"], &told["account"]["role"]), (&json!("ann"), &json!("user")));
    assert_eq!(told["logins"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["blocks"].as_array().map(Vec::len), Some(2), "one by hand, one with the report");
    assert_eq!((&told["reports"][0]["reason"], &told["reports"][0]["comment"]), (&json!("spam"), &json!("buy!")));
    assert_eq!((&told["decisions"], &told["sanctions"]), (&json!([]), &json!([])));
    let upload = &told["uploads"][0];
    assert_eq!(
        (&upload["name"], &upload["session"], &upload["complete"]),
        (&json!("note.txt"), &life.session, &json!(true))
    );
    let url = upload["url"].as_str().expect("a URL");
    let read = support::http::request(http, &format!("GET {}", &url[url.find("/v1").expect("a path")..]), &[], b"");
    assert_eq!(read.body, NOTE);
    let session = &told["sessions"][0];
    assert!(session["receipt"]["read_to"].is_string(), "{session}");
    let chat = session["chat"].as_array().expect("a list");
    assert_eq!(chat.len(), 2, "{chat:?}");
    assert_eq!((&chat[0]["own"], &chat[0]["text"]), (&json!(true), &json!("ann's file")));
    assert_eq!(chat[0]["file"]["name"], "note.txt");
    assert_eq!((&chat[1]["own"], &chat[1]["reactions"]), (&json!(false), &json!(["\u{2615}"])));
    let room = &told["rooms"][0];
    assert_eq!((&room["name"], &room["role"]), (&json!("Ann's room"), &json!("owner")));
    assert_eq!(room["chat"][0]["text"], "ann in the room");
    let text = told.to_string();
    let bob = life.bob["user"]["id"].as_str().expect("an id");
    for (secret, what) in [
        (bob, "the other's name"),
        ("bob's words", "the other's words"),
        ("bob in the room", "the other's words"),
        ("argon2", "a password"),
        (life.ann["refresh_token"].as_str().expect("a token"), "a token"),
    ] {
        assert!(!text.contains(secret), "{what}: {text}");
    }
    assert_eq!(support::http::request(http, "GET /v1/me/export", &[], b"").problem(401), "unauthorized");
    // A room that one has left is remembered as long as what one has said there.
    life.b.ask("room.leave", json!({"room": life.room})).await;
    let own = bearer(http, &format!("GET /v1/rooms/{}", life.room), &life.bob, None).json()["self"].clone();
    let own = own.as_str().expect("an alias");
    let line = format!("DELETE /v1/rooms/{}/members/{own}", life.room);
    assert_eq!(bearer(http, &line, &life.bob, None).status, 204);
    let of_bob = bearer(http, "GET /v1/me/export", &life.bob, None).json();
    assert_eq!((&of_bob["rooms"][0]["left"], &of_bob["account"]), (&json!(true), &Value::Null));
    assert_eq!(of_bob["rooms"][0]["chat"][0]["text"], "bob in the room");
}

#[tokio::test]
async fn whoever_deletes_themself_is_gone_at_once_with_all_that_was_theirs() {
    let mut life = Life::begin().await;
    let http = life.http();
    let delete = |user: &Value, body: Option<&Value>| bearer(http, "DELETE /v1/me", user, body);
    assert_eq!(delete(&life.ann, None).problem(400), "bad_request");
    assert_eq!(delete(&life.ann, Some(&json!({"password": "a wrong one"}))).problem(401), "unauthorized");
    assert_eq!(log_in(http).status, 200, "nothing has happened");
    let reply = delete(&life.ann, Some(&json!({"password": PASSWORD})));
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    assert_eq!(life.a.closed().await, 4401);
    assert_eq!(life.b.push("session.ended").await["reason"], "ended");
    life.b.message(|message| message["type"] == "peer.left" && message["data"]["room"] == json!(life.room)).await;
    life.is_over().await;
    let refresh = json!({"refresh_token": life.ann["refresh_token"]});
    let headers = ["content-type: application/json"];
    let refreshed = support::http::request(http, "POST /v1/auth/refresh", &headers, refresh.to_string().as_bytes());
    assert_eq!(refreshed.problem(401), "unauthorized");
    // The other side still finds the call, and its own words.
    let page = life.b.ask("chat.history", json!({"session": life.session})).await;
    assert_eq!((&page["messages"][0]["deleted"], &page["messages"][1]["text"]), (&json!(true), &json!("bob's words")));
    assert!(page["messages"][1].get("reactions").is_none(), "{page}");
    // A guest needs no password; and nobody needs one who has no account.
    assert_eq!(delete(&life.bob, None).status, 204);
    assert_eq!(life.b.closed().await, 4401);
    assert_eq!(delete(&life.bob, None).problem(401), "unauthorized");
    let reply = support::http::request(http, "POST /v1/auth/register", &headers, form().to_string().as_bytes());
    assert_eq!(reply.status, 201, "the name is free");
    assert_ne!(reply.json()["user"]["id"], life.ann["user"]["id"]);
}

#[tokio::test]
async fn a_deletion_that_was_answered_is_finished_after_kill_9() {
    let mut life = Life::begin().await;
    let body = json!({"password": PASSWORD});
    assert_eq!(bearer(life.http(), "DELETE /v1/me", &life.ann, Some(&body)).status, 204);
    life.server.crash_and_restart();
    life.is_over().await;
}

#[tokio::test]
async fn the_operator_deletes_somebody_beside_the_server_and_without_it() {
    let mut life = Life::begin().await;
    beside(&life.server, &["user", "delete", "ann"]);
    assert_eq!(life.a.closed().await, 4401);
    life.is_over().await;
    let mut life = Life::begin().await;
    life.server.signal("KILL");
    life.server.wait_exit(PATIENCE);
    beside(&life.server, &["user", "delete", "ann"]);
    life.server.crash_and_restart();
    life.is_over().await;
}
