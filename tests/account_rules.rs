//! Accounts against the built program: registering, logging in and out, roles by the command line, what guessing meets.
//! Numbers of rules are those of the protocol's fine print.
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::http::Reply;
use support::ws::Client;

/// How long an alteration may take to be found by a server under load.
const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse";

fn post(addr: SocketAddr, path: &str, body: &Value) -> Reply {
    let headers = ["content-type: application/json"];
    support::http::request(addr, &format!("POST {path}"), &headers, body.to_string().as_bytes())
}

fn bearer(addr: SocketAddr, line: &str, token: &str, body: Option<&Value>) -> Reply {
    let authorization = format!("authorization: Bearer {token}");
    match body {
        None => support::http::request(addr, line, &[&authorization], b""),
        Some(body) => {
            let headers = [authorization.as_str(), "content-type: application/json"];
            support::http::request(addr, line, &headers, body.to_string().as_bytes())
        }
    }
}

fn form(username: &str, password: &str) -> Value {
    json!({"username": username, "password": password})
}

fn register(addr: SocketAddr, username: &str) -> Value {
    let reply = post(addr, "/v1/auth/register", &form(username, PASSWORD));
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

fn log_in(addr: SocketAddr, username: &str) -> Value {
    let reply = post(addr, "/v1/auth/login", &form(username, PASSWORD));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

fn is_good(addr: SocketAddr, tokens: &Value) -> bool {
    let reply = bearer(addr, "GET /v1/auth/verify", &text(tokens, "access_token"), None);
    assert!([200, 401].contains(&reply.status), "{reply:?}");
    reply.status == 200
}

async fn hello(addr: SocketAddr, tokens: &Value) -> (Client, Value) {
    let mut client = Client::connect(addr).await;
    let ok = client.ask("hello", json!({"token": tokens["access_token"]})).await;
    (client, ok)
}

/// Runs the program beside the server, on the same state; the password on its standard input.
fn beside(server: &Server, arguments: &[&str], password: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .arg("--config")
        .arg(server.state.path().join("duologue.toml"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // One that asks for no password may have ended before.
    let _ = child.stdin.take().expect("piped").write_all(format!("{password}\n").as_bytes());
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[tokio::test]
async fn rule_16_who_registers_is_known_by_name_and_password_from_then_on() {
    let server = Server::start("");
    let http = server.addr("http");
    let new = register(http, "Ren\u{e9}");
    assert_eq!((&new["token_type"], &new["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!((&new["user"]["role"], &new["user"]["guest"]), (&json!("user"), &json!(false)));
    // Composed otherwise, in another case: the same name.
    let again = log_in(http, "RENE\u{301}");
    assert_eq!(again["user"], new["user"]);
    assert_eq!(bearer(http, "GET /v1/auth/me", &text(&again, "access_token"), None).json(), new["user"]);
    let (mut client, ok) = hello(http, &again).await;
    assert_eq!(ok["user"], new["user"]);
    let renewed = post(http, "/v1/auth/refresh", &json!({"refresh_token": again["refresh_token"]})).json();
    assert_eq!(renewed["user"], new["user"]);
    client.ask("auth.refresh", json!({"token": renewed["access_token"]})).await;
    let taken = post(http, "/v1/auth/register", &form("REN\u{c9}", "another password"));
    assert_eq!(taken.problem(409), "conflict");
    for (body, status) in [
        (form("x", PASSWORD), 400),
        (form("two words", PASSWORD), 400),
        (form("someone", "short"), 400),
        (form("longername", "LongerName"), 400),
        (json!({"username": "someone"}), 400),
        (json!({"username": "someone", "password": PASSWORD, "device_id": "\n"}), 400),
        (form("someone", &"x".repeat(70_000)), 413),
    ] {
        post(http, "/v1/auth/register", &body).problem(status);
    }
}

#[tokio::test]
async fn a_guest_who_registers_keeps_its_call_its_rooms_and_its_name_for_good() {
    let mut server = Server::start("");
    let http = server.addr("http");
    let ((mut a, a_user, found), (mut b, ..)) = support::ws::matched_pair_of_users(http, "tea").await;
    let token = text(&a_user, "access_token");
    let room = bearer(http, "POST /v1/rooms", &token, Some(&json!({"name": "Tea"}))).json();
    let reply = bearer(http, "POST /v1/auth/register", &token, Some(&form("ann", PASSWORD)));
    assert_eq!(reply.status, 201, "{reply:?}");
    let registered = reply.json();
    assert_eq!(registered["user"], json!({"id": a_user["user"]["id"], "role": "user", "guest": false}));
    a.ask("auth.refresh", json!({"token": registered["access_token"]})).await;
    a.ask("rtc.state", json!({"session": found["session"], "state": "connected", "path": "direct"})).await;
    assert_eq!(b.push("peer.state").await["state"], "connected");
    // Once is enough.
    let again = |token: &Value| {
        let token = token.as_str().expect("a token");
        bearer(http, "POST /v1/auth/register", token, Some(&form("other", PASSWORD))).problem(409)
    };
    assert_eq!([again(&a_user["access_token"]), again(&registered["access_token"])], ["conflict", "conflict"]);
    server.crash_and_restart();
    let http = server.addr("http");
    let back = log_in(http, "ann");
    assert_eq!(back["user"], registered["user"]);
    let rooms = bearer(http, "GET /v1/rooms", &text(&back, "access_token"), None).json();
    assert_eq!(rooms["rooms"][0]["id"], room["id"]);
}

#[test]
fn whether_somebody_exists_does_not_show_in_what_a_login_is_answered() {
    let server = Server::start("");
    let http = server.addr("http");
    register(http, "ann");
    let answers = [
        form("ann", "a wrong password"),
        form("nobody", "a wrong password"),
        form("no name", "a wrong password"),
        form("ann", "with\u{7}bell"),
        form("nobody", &"x".repeat(2000)),
    ]
    .map(|form| {
        let reply = post(http, "/v1/auth/login", &form);
        assert_eq!(reply.problem(401), "unauthorized");
        reply.body
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn rule_17_a_logout_kills_the_login_over_rest_in_hello_and_on_the_socket() {
    let server = Server::start("");
    let http = server.addr("http");
    register(http, "ann");
    let [phone, desk] = [(); 2].map(|()| log_in(http, "ann"));
    let (mut on_phone, _) = hello(http, &phone).await;
    let (phone_token, desk_token) = (text(&phone, "access_token"), text(&desk, "access_token"));
    let reply = bearer(http, "POST /v1/auth/logout", &phone_token, None);
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(on_phone.closed().await, 4401);
    assert!(!is_good(http, &phone) && is_good(http, &desk));
    assert_eq!(bearer(http, "POST /v1/auth/logout", &phone_token, None).problem(401), "unauthorized");
    let refresh = json!({"refresh_token": phone["refresh_token"]});
    assert_eq!(post(http, "/v1/auth/refresh", &refresh).problem(401), "unauthorized");
    let mut again = Client::connect(http).await;
    assert_eq!(again.refused("hello", json!({"token": phone_token})).await, "unauthorized");
    assert_eq!(again.closed().await, 4401);
    // Everywhere.
    let others = [(); 2].map(|()| log_in(http, "ann"));
    let (mut on_other, _) = hello(http, &others[0]).await;
    assert_eq!(bearer(http, "POST /v1/auth/logout", &desk_token, Some(&json!({"all": true}))).status, 204);
    assert_eq!(on_other.closed().await, 4401);
    assert!([&desk, &others[0], &others[1]].iter().all(|tokens| !is_good(http, tokens)));
    assert!(is_good(http, &log_in(http, "ann")));
    assert_eq!(support::http::request(http, "POST /v1/auth/logout", &[], b"").problem(401), "unauthorized");
}

#[tokio::test]
async fn a_new_password_ends_every_login_but_the_one_that_it_begins() {
    let server = Server::start("");
    let http = server.addr("http");
    let first = register(http, "ann");
    let (mut client, _) = hello(http, &first).await;
    let token = text(&first, "access_token");
    let change = |present: &str, next: &str| {
        let body = json!({"password": present, "new_password": next});
        bearer(http, "POST /v1/auth/password", &token, Some(&body))
    };
    assert_eq!(change("wrong password", "battery staple").problem(401), "unauthorized");
    assert_eq!(change(PASSWORD, "short").problem(400), "bad_request");
    let changed = change(PASSWORD, "battery staple");
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(client.closed().await, 4401);
    assert!(!is_good(http, &first) && is_good(http, &changed.json()));
    assert_eq!(post(http, "/v1/auth/login", &form("ann", PASSWORD)).problem(401), "unauthorized");
    assert_eq!(post(http, "/v1/auth/login", &form("ann", "battery staple")).status, 200);
    let (_, guest) = Client::guest(http, "d").await;
    let body = json!({"password": PASSWORD, "new_password": "battery staple"});
    let reply = bearer(http, "POST /v1/auth/password", &text(&guest, "access_token"), Some(&body));
    assert_eq!(reply.problem(403), "forbidden");
}

#[tokio::test]
async fn accounts_and_their_logins_outlive_a_kill() {
    let mut server = Server::start("");
    let tokens = register(server.addr("http"), "ann");
    let gone = log_in(server.addr("http"), "ann");
    assert_eq!(bearer(server.addr("http"), "POST /v1/auth/logout", &text(&gone, "access_token"), None).status, 204);
    server.crash_and_restart();
    let http = server.addr("http");
    assert!(is_good(http, &tokens) && !is_good(http, &gone));
    assert_eq!(post(http, "/v1/auth/refresh", &json!({"refresh_token": tokens["refresh_token"]})).status, 200);
    assert_eq!(post(http, "/v1/auth/refresh", &json!({"refresh_token": gone["refresh_token"]})).status, 401);
    assert_eq!(log_in(http, "ann")["user"], tokens["user"]);
}

#[tokio::test]
async fn roles_come_from_the_command_line_and_count_within_seconds() {
    let server = Server::start("");
    let http = server.addr("http");
    let added = said(&beside(&server, &["user", "add", "Root", "--role", "admin"], PASSWORD));
    assert!(
        added.starts_with("Root has an account with the role admin now: u_") && !added.contains(PASSWORD),
        "{added}"
    );
    let root = log_in(http, "root");
    assert_eq!(root["user"]["role"], "admin");
    let (mut client, ok) = hello(http, &root).await;
    assert_eq!(ok["user"], root["user"]);
    said(&beside(&server, &["user", "role", "root", "moderator"], ""));
    assert_eq!(client.closed().await, 4401);
    assert!(!is_good(http, &root));
    assert_eq!(log_in(http, "root")["user"]["role"], "moderator");
    let listed = said(&beside(&server, &["user", "list", "--json"], ""));
    let listed: Value = serde_json::from_str(listed.trim_end()).expect("one object");
    assert_eq!(
        (&listed["username"], &listed["role"], &listed["disabled"]),
        (&json!("Root"), &json!("moderator"), &json!(false))
    );
    assert!(!listed.to_string().contains("argon2"));
}

#[tokio::test]
async fn a_disabled_account_is_thrown_out_and_stays_out_until_it_is_enabled() {
    let mut server = Server::start("");
    let http = server.addr("http");
    let ann = register(http, "ann");
    let (mut client, _) = hello(http, &ann).await;
    said(&beside(&server, &["user", "disable", "ann"], ""));
    assert_eq!(client.closed().await, 4401);
    assert!(!is_good(http, &ann));
    assert_eq!(post(http, "/v1/auth/refresh", &json!({"refresh_token": ann["refresh_token"]})).status, 401);
    assert_eq!(post(http, "/v1/auth/login", &form("ann", PASSWORD)).problem(403), "forbidden");
    let wrong = post(http, "/v1/auth/login", &form("ann", "wrong password"));
    assert_eq!(wrong.problem(401), "unauthorized", "only the owner is told");
    said(&beside(&server, &["user", "enable", "ann"], ""));
    let back = log_in(http, "ann");
    // While nobody serves.
    server.signal("KILL");
    server.wait_exit(PATIENCE);
    said(&beside(&server, &["user", "passwd", "ann"], "battery staple"));
    server.crash_and_restart();
    let http = server.addr("http");
    assert!(!is_good(http, &back));
    assert_eq!(post(http, "/v1/auth/login", &form("ann", "battery staple")).status, 200);
    assert!(said(&beside(&server, &["user", "list"], "")).starts_with("ann "));
}

#[test]
fn slips_on_the_command_line_are_told() {
    let server = Server::start("");
    let failed = |arguments: &[&str], password: &str| {
        let output = beside(&server, arguments, password);
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    said(&beside(&server, &["user", "add", "ann"], PASSWORD));
    for (arguments, password, told) in [
        (&["user", "add", "ANN"][..], PASSWORD, "duologue: there is an account ANN already\n"),
        (&["user", "add", "bob"], "short", "duologue: a password has at least 8 characters\n"),
        (&["user", "role", "bob", "admin"], "", "duologue: there is no account bob\n"),
        (&["user", "disable", "bob"], "", "duologue: there is no account bob\n"),
    ] {
        assert_eq!(failed(arguments, password), (Some(1), told.to_owned()), "{arguments:?}");
    }
    for arguments in [&["user", "add", "a b"][..], &["user", "role", "ann", "king"], &["user"]] {
        assert_eq!(failed(arguments, "").0, Some(2), "{arguments:?}");
    }
}

#[test]
fn guessing_is_slowed_down_for_one_account_and_one_address_alone() {
    let server = Server::start("[limits]\nexempt = []\nlogins_per_minute = 20\n");
    let http = server.addr("http");
    register(http, "ann");
    for _ in 0..6 {
        assert_eq!(post(http, "/v1/auth/login", &form("ann", "a wrong password")).problem(401), "unauthorized");
    }
    for password in ["a wrong password", PASSWORD] {
        let refused = post(http, "/v1/auth/login", &form("ANN", password));
        assert_eq!(refused.problem(429), "rate_limited");
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=30).contains(&wait), "{wait}");
    }
    // One more of the twenty for another account; nobody is told whether it is there.
    assert_eq!(post(http, "/v1/auth/login", &form("bob", "a wrong password")).problem(401), "unauthorized");
    let mut refused = 0;
    for other in 0..20 {
        let reply = post(http, "/v1/auth/login", &form(&format!("other{other}"), "a wrong password"));
        refused += usize::from(reply.status == 429);
        assert!([401, 429].contains(&reply.status), "{reply:?}");
    }
    assert!(refused > 0, "one address has a budget for all accounts");
    let counted = |result: &str| server.metric("duologue_passwords_total", &format!("result=\"{result}\"")) as usize;
    assert_eq!((counted("wrong"), counted("limited"), counted("right")), (6 + 1 + 20 - refused, 2 + refused, 0));
}

#[test]
fn a_flood_of_logins_is_refused_rather_than_gathered() {
    let server = Server::start("");
    let http = server.addr("http");
    register(http, "ann");
    let before = server.rss_kib();
    let flood: Vec<_> = (0..150)
        .map(|n| thread::spawn(move || post(http, "/v1/auth/login", &form(&format!("user{n}"), "a wrong password"))))
        .collect();
    let mut busy = 0;
    for one in flood {
        let reply = one.join().expect("answered");
        if reply.status == 503 {
            assert_eq!(reply.problem(503), "unavailable");
            assert!(!reply.header("retry-after").is_empty());
            busy += 1;
        } else {
            assert_eq!(reply.problem(401), "unauthorized");
        }
    }
    // Half of the cores work, 64 wait.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    assert!(busy > 0 || cores / 2 > 60, "150 at once were all worked on");
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 20_000 * (cores as u64 / 2 + 1) + 40_000, "{grown} KiB more");
    assert!(eventually(PATIENCE, || post(http, "/v1/auth/login", &form("ann", PASSWORD)).status == 200));
}

#[test]
fn where_there_are_no_accounts_nobody_registers_and_where_they_are_closed_only_the_operator_makes_them() {
    let none = Server::start("[auth]\naccounts = false\n");
    for path in ["/v1/auth/register", "/v1/auth/login"] {
        assert_eq!(post(none.addr("http"), path, &form("ann", PASSWORD)).problem(404), "not_found");
    }
    let closed = Server::start("[auth]\nregistration = false\n");
    assert_eq!(post(closed.addr("http"), "/v1/auth/register", &form("ann", PASSWORD)).problem(403), "forbidden");
    // A page is told, so that it shows no form in vain.
    let open = Server::start("");
    for (server, told) in [(&none, [false, false]), (&closed, [true, false]), (&open, [true, true])] {
        let stats: Value = serde_json::from_str(&server.get("/v1/stats").1).expect("JSON");
        assert_eq!([&stats["accounts"], &stats["registration"]], told.map(|told| json!(told)).each_ref(), "{stats}");
    }
    said(&beside(&closed, &["user", "add", "ann"], PASSWORD));
    log_in(closed.addr("http"), "ann");
}

#[tokio::test]
async fn rule_42_turn_credentials_and_numbers_are_told_over_rest() {
    let server = Server::start("");
    let http = server.addr("http");
    let ann = register(http, "ann");
    let token = text(&ann, "access_token");
    for line in
        ["GET /v1/turn/credentials", "POST /v1/turn/credentials", "GET /turn/credentials", "POST /turn/credentials"]
    {
        let told = bearer(http, line, &token, None);
        assert_eq!((told.status, told.header("cache-control")), (200, "no-store"), "{line}");
        let told = told.json();
        assert!(
            told["expires_at"].is_u64() && told["ice_servers"].as_array().is_some_and(|all| !all.is_empty()),
            "{told}"
        );
        assert_eq!(support::http::request(http, line, &[], b"").problem(401), "unauthorized");
    }
    let (_client, _) = hello(http, &ann).await;
    for path in ["/v1/stats", "/stats"] {
        let numbers = server.get(path).1;
        let numbers: Value = serde_json::from_str(&numbers).expect("JSON");
        assert_eq!((&numbers["users_online"], &numbers["sessions"]), (&json!(1), &json!(0)), "{numbers}");
        for name in ["connections", "waiting", "sessions_total", "rooms"] {
            assert!(numbers[name].is_u64(), "{name}: {numbers}");
        }
    }
}

#[tokio::test]
async fn the_operator_mints_tokens_as_the_server_or_a_backend_does() {
    let server = Server::start("");
    let http = server.addr("http");
    let minted = |server: &Server, arguments: &[&str]| -> Value {
        let told = said(&beside(server, &[&["token", "--user", "tester"], arguments].concat(), ""));
        serde_json::from_str(&told).expect("JSON")
    };
    let own = minted(&server, &["--role", "admin", "--ttl", "5m"]);
    let (_client, ok) = hello(http, &own).await;
    assert_eq!(ok["user"], json!({"id": "tester", "role": "admin", "guest": false}));
    let reply = bearer(http, "POST /v1/auth/logout", &text(&own, "access_token"), None);
    assert_eq!(reply.problem(403), "forbidden");
    let backend =
        "[auth]\njwt_secrets = [\"a key of a backend of somebody's own\"]\nissuer = \"shop\"\naudience = \"calls\"\n";
    let server = Server::start(backend);
    let foreign = minted(&server, &[]);
    let (_client, ok) = hello(server.addr("http"), &foreign).await;
    assert_eq!(ok["user"], json!({"id": "shop:tester", "role": "user", "guest": false}));
    let own = minted(&server, &["--own"]);
    assert_eq!(hello(server.addr("http"), &own).await.1["user"]["id"], "tester");
}
