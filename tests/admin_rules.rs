//! What admins see of the whole node and do to it, against the built program.
mod support;

use std::io::Write;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair_of_users;

const PATIENCE: Duration = Duration::from_secs(20);

/// One request with an access token; the status and what came with it.
fn rest(server: &Server, line: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let reply = http::request_as(server.addr("http"), line, token, body);
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

fn admin(server: &Server, line: &str, body: Option<&Value>) -> Value {
    let (status, told) = rest(server, line, &backend::token("ada", "admin"), body);
    assert!((200..300).contains(&status), "{line}: {status} {told}");
    told
}

fn credential(found: &Value) -> Credential {
    let servers = found["ice_servers"].as_array().expect("a list");
    let server = servers.iter().find(|one| one["username"].is_string()).expect("TURN");
    let text = |name: &str| server[name].as_str().expect("text").to_owned();
    Credential { username: text("username"), password: text("credential") }
}

/// What the audit says was done, the last first.
fn actions(server: &Server) -> Vec<String> {
    let audit = admin(server, "GET /v1/admin/audit", None);
    let deeds = audit["deeds"].as_array().expect("a list");
    deeds.iter().map(|deed| deed["action"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test]
async fn an_admin_finds_a_call_and_its_allocations_and_ends_them() {
    let server = Server::start(&backend::config());
    let ((mut a, a_user, found), (mut b, ..)) = matched_pair_of_users(server.addr("http"), "admin").await;
    let session = found["session"].as_str().expect("a name").to_owned();
    a.ask("rtc.state", json!({"session": session, "state": "connected", "path": "relay", "relay_protocol": "udp"}))
        .await;
    let turn = server.addr("turn-udp");
    let mut relay = TurnClient::allocate_udp(turn, credential(&found)).expect("allocates");
    let mut other = TurnClient::allocate_udp(turn, credential(&found)).expect("allocates");

    let calls = admin(&server, "GET /v1/admin/sessions", None);
    let call = &calls["sessions"][0];
    assert_eq!((&call["session"], &calls["total"]), (&json!(session), &json!(1)), "{calls}");
    let users: Vec<&Value> = call["sides"].as_array().expect("two").iter().map(|side| &side["user"]).collect();
    assert!(users.contains(&&a_user["user"]["id"]), "{call}");
    assert!(call["sides"].as_array().expect("two").iter().any(|side| side["path"] == "relay_udp"), "{call}");

    let held = admin(&server, "GET /v1/admin/allocations", None);
    let held = held["allocations"].as_array().expect("a list");
    assert_eq!(held.len(), 2, "{held:?}");
    for one in held {
        assert_eq!((&one["session"], &one["transport"]), (&json!(session), &json!("udp")), "{one}");
        assert!(one["relayed"][0].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{one}");
        assert_eq!(one["user_hash"].as_str().map(str::len), Some(16), "{one}");
        assert!(one["expires_at"].as_u64() > one["started_at"].as_u64(), "{one}");
    }
    let of_session = admin(&server, &format!("GET /v1/admin/allocations?session={session}"), None);
    assert_eq!(of_session["allocations"].as_array().map(Vec::len), Some(2));
    let of_nobody = admin(&server, "GET /v1/admin/allocations?session=none", None);
    assert_eq!(of_nobody["allocations"], json!([]));

    let relayed = relay.relayed().to_string();
    let mine = held.iter().find(|one| one["relayed"][0] == relayed).expect("it is listed");
    let path = format!("POST /v1/admin/allocations/{}/end", mine["id"].as_str().expect("a name"));
    assert_eq!(admin(&server, &path, None), json!({}));
    assert_eq!(rest(&server, &path, &backend::token("ada", "admin"), None).0, 404, "it has ended");
    assert_eq!(relay.refresh(600), Err(437));
    assert!(other.refresh(600).is_ok(), "the other one goes on");

    let path = format!("POST /v1/admin/sessions/{session}/end");
    assert_eq!(admin(&server, &path, Some(&json!({"reason": "a complaint by telephone"}))), json!({}));
    for side in [&mut a, &mut b] {
        assert_eq!(side.push("session.ended").await["reason"], "moderation");
    }
    assert!(eventually(PATIENCE, || server.allocations() == 0.0), "the relay lets go");
    assert_eq!(TurnClient::allocate_udp(turn, credential(&found)).err(), Some(401));
    assert_eq!(admin(&server, "GET /v1/admin/sessions", None)["sessions"], json!([]));
    assert_eq!(rest(&server, &path, &backend::token("ada", "admin"), None).0, 404, "it is over");
    assert_eq!(actions(&server), ["session.end", "allocation.end"]);
}

#[tokio::test]
async fn the_page_is_there_and_runs_nothing_but_its_own_files() {
    let server = Server::start("");
    for path in ["/admin", "/admin.html"] {
        let page = http::request(server.addr("http"), &format!("GET {path}"), &[], b"");
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let text = String::from_utf8(page.body).expect("UTF-8");
        for forbidden in ["style=", "onclick=", "http://", "https://"] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[tokio::test]
async fn clients_are_shown_by_their_networks_where_admins_shall_not_see_addresses() {
    let server = Server::start(&format!("[http]\nadmins_see_addresses = false\n{}", backend::config()));
    let credential = Credential::for_session("s1");
    let _relay = TurnClient::allocate_udp(server.addr("turn-udp"), credential).expect("allocates");
    let held = admin(&server, "GET /v1/admin/allocations?session=s1", None);
    assert_eq!(held["allocations"][0]["client"], "127.0.0.0/24", "{held}");
}

#[tokio::test]
async fn the_configuration_is_told_masked_and_as_it_is_after_a_reload() {
    let server = Server::start(&backend::config());
    let told = admin(&server, "GET /v1/admin/config", None);
    assert_eq!(told["config"]["turn"]["secrets"], json!(["***"]));
    assert_eq!(told["config"]["auth"]["jwt_secrets"], json!(["***"]));
    assert_eq!(told["config"]["log"]["level"], "info");
    assert!(!told.to_string().contains(backend::KEY) && !told.to_string().contains(support::TURN_SECRET));
    let reloaded = "[log]\nlevel = \"debug\"\n";
    std::fs::write(server.state.path().join("conf.d/90-reloaded.toml"), reloaded).expect("write a file");
    server.signal("HUP");
    let level = || admin(&server, "GET /v1/admin/config", None)["config"]["log"]["level"].clone();
    assert!(eventually(PATIENCE, || level() == "debug"), "a reload shows");
}

#[tokio::test]
async fn the_last_hour_is_told_in_samples() {
    let server = Server::start(&backend::config());
    let told = admin(&server, "GET /v1/admin/series", None);
    assert_eq!(told["interval_ms"], 10_000);
    let sample = &told["samples"][0];
    for level in ["allocations", "sessions", "waiting", "users_online", "connections", "relay_bits_per_s"] {
        assert_eq!(sample[level], 0, "{level}: {told}");
    }
    let at = sample["at"].as_u64().expect("a moment");
    let path = format!("GET /v1/admin/series?after={}", at + 3_600_000);
    assert_eq!(admin(&server, &path, None)["samples"], json!([]));
    assert_eq!(rest(&server, "GET /v1/admin/series?after=x", &backend::token("ada", "admin"), None).0, 400);
}

/// Makes an account beside the running server.
fn add_account(server: &Server, name: &str, password: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .args(["user", "add", name, "--config"])
        .arg(server.state.path().join("duologue.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("run the program");
    child.stdin.take().expect("a pipe").write_all(format!("{password}\n").as_bytes()).expect("write the password");
    assert!(child.wait().expect("it ends").success());
}

#[tokio::test]
async fn an_account_is_found_disabled_at_once_and_enabled_again() {
    let server = Server::start(&backend::config());
    let password = "correct horse battery staple";
    add_account(&server, "Ann", password);
    let log_in = || {
        let form = json!({"username": "ann", "password": password});
        support::post_json(server.addr("http"), "/v1/auth/login", &form)
    };
    let (status, tokens) = log_in();
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().expect("a token");
    let mut socket = Client::connect(server.addr("http")).await;
    socket.ask("hello", json!({"token": token})).await;

    let found = admin(&server, "GET /v1/admin/users?q=an", None);
    let ann = &found["users"][0];
    assert_eq!((&ann["username"], &ann["role"], &ann["online"]), (&json!("Ann"), &json!("user"), &json!(true)));
    assert!(ann["last_seen_at"].is_u64(), "{ann}");
    let path = format!("PATCH /v1/admin/users/{}", ann["id"].as_str().expect("an id"));
    let altered = admin(&server, &path, Some(&json!({"disabled": true})));
    assert_eq!((&altered["disabled"], &altered["online"]), (&json!(true), &json!(false)));
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(rest(&server, "GET /v1/auth/me", token, None).0, 401);
    assert_eq!(log_in().0, 403);
    let disabled = admin(&server, "GET /v1/admin/users?disabled=true", None);
    assert_eq!(disabled["users"].as_array().map(Vec::len), Some(1));
    admin(&server, &path, Some(&json!({"disabled": false, "role": "moderator"})));
    let (status, tokens) = log_in();
    assert_eq!((status, &tokens["user"]["role"]), (200, &json!("moderator")));
    assert_eq!(actions(&server), ["account.enable", "account.role", "account.disable", "account.add"]);
}

#[tokio::test]
async fn an_admin_drains_the_node_which_then_ends() {
    let mut server = Server::start(&backend::config());
    let (mut client, _) = Client::guest(server.addr("http"), "d").await;
    let told = admin(&server, "POST /v1/admin/drain", None);
    assert_eq!(told, json!({"draining": true, "grace_ms": 2000}));
    assert_eq!(client.push("server.drain").await["reason"], "shutdown");
    assert_eq!(server.wait_exit(PATIENCE), Some(0));
}

#[tokio::test]
async fn every_route_of_admins_asks_for_the_role() {
    let server = Server::start(&backend::config());
    let (_guest, hello) = Client::guest(server.addr("http"), "d").await;
    let guest = hello["access_token"].as_str().expect("a token").to_owned();
    let [user, moderator, banned] =
        [("user", "user"), ("mo", "moderator"), ("bad", "admin")].map(|(name, role)| backend::token(name, role));
    admin(&server, "POST /v1/bans", Some(&json!({"user": "shop:bad"})));
    // The route, what it is asked with, and what an admin gets of it.
    let routes = [
        ("GET /v1/admin/sessions", None, 200),
        ("GET /v1/admin/sessions?limit=0", None, 400),
        ("GET /v1/admin/sessions?after=x", None, 400),
        ("GET /v1/admin/rooms", None, 200),
        ("GET /v1/admin/rooms?limit=x", None, 400),
        ("POST /v1/admin/rooms/none/clear", None, 404),
        ("GET /v1/admin/queue", None, 200),
        ("GET /v1/admin/queue?after=x", None, 400),
        ("POST /v1/admin/sessions/none/end", None, 404),
        ("POST /v1/admin/sessions/none/end", Some(json!({"reason": 1})), 400),
        ("GET /v1/admin/allocations", None, 200),
        ("GET /v1/admin/allocations?limit=101", None, 400),
        ("GET /v1/admin/allocations?after=x", None, 400),
        ("GET /v1/admin/allocations?after=0-4294967295", None, 200),
        ("POST /v1/admin/allocations/none/end", None, 404),
        ("POST /v1/admin/allocations/0-0-0/end", None, 404),
        ("GET /v1/admin/users", None, 200),
        ("GET /v1/admin/users?role=king", None, 400),
        ("GET /v1/admin/users?disabled=maybe", None, 400),
        ("PATCH /v1/admin/users/none", Some(json!({"role": "user"})), 404),
        ("PATCH /v1/admin/users/none", Some(json!({})), 400),
        ("PATCH /v1/admin/users/shop:ada", Some(json!({"disabled": true})), 409),
        ("GET /v1/admin/config", None, 200),
        ("GET /v1/admin/series", None, 200),
        // The last: it ends the server.
        ("POST /v1/admin/drain", None, 202),
    ];
    for (line, body, of_admin) in &routes {
        for (who, token, expected, code) in [
            ("stranger", "nonsense", 401, "unauthorized"),
            ("guest", guest.as_str(), 403, "forbidden"),
            ("user", user.as_str(), 403, "forbidden"),
            ("moderator", moderator.as_str(), 403, "forbidden"),
            ("banned admin", banned.as_str(), 403, "banned"),
            ("admin", &backend::token("ada", "admin"), *of_admin, ""),
        ] {
            let (status, told) = rest(&server, line, token, body.as_ref());
            assert_eq!(status, expected, "{line} by a {who}: {told}");
            if !code.is_empty() {
                assert_eq!(told["code"], code, "{line} by a {who}");
            }
        }
    }
}
