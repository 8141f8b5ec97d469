//! Who may do what: every operation of `/openapi.json` and every message of a client, by everybody.
//!
//! A route or a message without a row fails.
mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::http;
use support::http::Reply;
use support::post_json;
use support::ws::Client;
use support::ws::matched_pair;

/// Who may.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Everybody; nobody looks at a token.
    Anybody,
    /// Everybody, and a token that comes along must be good.
    Maybe,
    User,
    Staff,
    Admin,
}

use Who::Admin;
use Who::Anybody;
use Who::Maybe;
use Who::Staff;
use Who::User;

/// An operation, who may, with what body, and what a guest and what others get who may; there are no things of the names
/// that are asked for.
type Row = (&'static str, Who, &'static str, u16, u16);

/// The last ones end what the rows before them need.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("openSocket",           Anybody, "", 426, 426),
    ("showHealth",           Anybody, "", 200, 200),
    ("showReadiness",        Anybody, "", 200, 200),
    ("showMetrics",          Anybody, "", 200, 200),
    ("showContract",         Anybody, "", 200, 200),
    ("showMessages",         Anybody, "", 200, 200),
    ("showCertificateChallenge", Anybody, "", 404, 404),
    ("showChallenge",        Anybody, "", 404, 404),
    ("showStats",            Anybody, "", 200, 200),
    ("takeAppealPass",       Anybody, r#"{"device_id":"d"}"#, 200, 200),
    ("makeGuest",            Anybody, r#"{"device_id":"d"}"#, 200, 200),
    ("refreshTokens",        Anybody, r#"{"refresh_token":"x"}"#, 401, 401),
    ("logIn",                Anybody, r#"{"username":"somebody","password":"x"}"#, 401, 401),
    ("getFile",              Anybody, "", 403, 403),
    ("putUpload",            Anybody, "", 403, 403),
    // A guest's password is weak; the backend's users cannot register.
    ("register",             Maybe,   r#"{"username":"somebody","password":"x"}"#, 400, 409),
    ("verifyToken",          User,    "", 200, 200),
    ("showMe",               User,    "", 200, 200),
    ("changePassword",       User,    r#"{"password":"x","new_password":"a phrase that is long"}"#, 403, 403),
    ("showTurnCredentials",  User,    "", 200, 200),
    ("mintTurnCredentials",  User,    "", 200, 200),
    ("listSessions",         User,    "", 200, 200),
    ("exportMe",             User,    "", 200, 200),
    ("listRooms",            User,    "", 200, 200),
    ("createRoom",           User,    r#"{"name":"r"}"#, 201, 201),
    ("showRoom",             User,    "", 404, 404),
    ("removeRoom",           User,    "", 404, 404),
    ("listMembers",          User,    "", 404, 404),
    ("appointMember",        User,    r#"{"role":"member"}"#, 404, 404),
    ("dismissMember",        User,    "", 404, 404),
    ("listMessages",         User,    "", 404, 404),
    ("invite",               User,    "", 404, 404),
    ("listBlocks",           User,    "", 200, 200),
    ("addBlock",             User,    r#"{"session":"none"}"#, 404, 404),
    ("removeBlock",          User,    "", 404, 404),
    ("submitReport",         User,    r#"{"session":"none","reason":"spam"}"#, 404, 404),
    ("askUpload",            User,    r#"{"session":"none","kind":"file","name":"a","size":1}"#, 404, 404),
    // Those who are banned may ask why, and for a second look.
    ("listAppeals",          User,    "", 200, 200),
    ("submitAppeal",         User,    r#"{"ban":"none","text":"x"}"#, 404, 404),
    ("listOpenAppeals",      Staff,   "", 0, 200),
    ("decideAppeal",         Staff,   r#"{"decision":"keep"}"#, 0, 404),
    ("listReports",          Staff,   "", 0, 200),
    ("showReport",           Staff,   "", 0, 404),
    ("getReportFile",        Staff,   "", 0, 404),
    ("claimReport",          Staff,   "", 0, 404),
    ("releaseReport",        Staff,   "", 0, 404),
    ("noteReport",           Staff,   r#"{"text":"x"}"#, 0, 404),
    ("holdReport",           Staff,   "", 0, 404),
    ("decideReport",         Staff,   r#"{"decision":"reject"}"#, 0, 404),
    ("moderateReport",       Staff,   r#"{"reportId":"none","decision":"reject"}"#, 0, 404),
    ("listBans",             Staff,   "", 0, 200),
    ("addBan",               Staff,   r#"{"user":"shop:nobody"}"#, 0, 201),
    ("liftBan",              Staff,   "", 0, 404),
    ("unholdReport",         Admin,   "", 0, 404),
    ("listDeeds",            Admin,   "", 0, 200),
    ("listLiveSessions",     Admin,   "", 0, 200),
    ("endSession",           Admin,   "", 0, 404),
    ("listOpenRooms",        Admin,   "", 0, 200),
    ("clearRoom",            Admin,   "", 0, 404),
    ("listQueue",            Admin,   "", 0, 200),
    ("listAllocations",      Admin,   "", 0, 200),
    ("endAllocation",        Admin,   "", 0, 404),
    ("listUsers",            Admin,   "", 0, 200),
    ("alterUser",            Admin,   r#"{"disabled":true}"#, 0, 404),
    ("showConfig",           Admin,   "", 0, 200),
    ("showSeries",           Admin,   "", 0, 200),
    // Asked for what is no event, as there is no end to the others.
    ("readEvents",           Admin,   "", 0, 400),
    // The backend's tokens are of no login here.
    ("logOut",               User,    "", 204, 403),
    ("eraseMe",              User,    "", 204, 204),
    ("drain",                Admin,   "", 0, 202),
];

/// Messages of clients about a session of others, and the code of the refusal; none where there is nothing of others in it.
#[rustfmt::skip]
const MESSAGES: &[(&str, &str, &str)] = &[
    ("ack",             r#"{"seq":0}"#, ""),
    ("auth.refresh",    r#"{"token":"OTHERS"}"#, "forbidden"),
    ("queue.join",      r#"{"tags":["TAG"]}"#, ""),
    ("queue.leave",     "{}", ""),
    ("session.next",    r#"{"session":"SESSION"}"#, "not_in_session"),
    ("session.end",     r#"{"session":"SESSION"}"#, "not_in_session"),
    ("session.extend",  r#"{"session":"SESSION"}"#, "not_in_session"),
    ("rtc.description", r#"{"session":"SESSION","neg":1,"kind":"rollback"}"#, "not_in_session"),
    ("rtc.candidates",  r#"{"session":"SESSION","neg":1,"candidates":[]}"#, "not_in_session"),
    ("rtc.state",       r#"{"session":"SESSION","state":"connected"}"#, "not_in_session"),
    ("rtc.quality",     r#"{"session":"SESSION","score":5}"#, "not_in_session"),
    ("media.state",     r#"{"session":"SESSION","audio":true,"video":true}"#, "not_in_session"),
    ("ice.refresh",     r#"{"session":"SESSION"}"#, "not_in_session"),
    ("room.join",       r#"{"room":"ROOM"}"#, "forbidden"),
    ("room.leave",      r#"{"room":"ROOM"}"#, "not_in_session"),
    ("chat.send",       r#"{"session":"SESSION","cid":"UUID","kind":"text","text":"x"}"#, "not_in_session"),
    ("chat.history",    r#"{"session":"SESSION"}"#, "not_in_session"),
    ("chat.receipt",    r#"{"session":"SESSION","read_to":"UUID"}"#, "not_in_session"),
    ("chat.typing",     r#"{"session":"SESSION","on":true}"#, "not_in_session"),
    ("chat.react",      r#"{"session":"SESSION","emoji":"+"}"#, "not_in_session"),
    ("chat.delete",     r#"{"session":"SESSION","mid":"UUID"}"#, "not_in_session"),
    ("block.add",       r#"{"session":"SESSION"}"#, "not_in_session"),
    ("block.remove",    r#"{"session":"SESSION"}"#, "not_found"),
    ("report.submit",   r#"{"session":"SESSION","reason":"spam"}"#, "not_in_session"),
    ("bye",             "{}", ""),
];

fn server() -> Server {
    Server::start(&backend::config())
}

fn guest(server: &Server) -> String {
    let (status, told) = post_json(server.addr("http"), "/v1/auth/guest", &json!({"device_id": "d"}));
    assert_eq!(status, 200, "{told}");
    told["access_token"].as_str().expect("a token").to_owned()
}

fn ask(server: &Server, line: &str, token: Option<&str>, body: &str) -> Reply {
    let bearer = token.map(|token| format!("authorization: Bearer {token}"));
    let mut headers: Vec<&str> = bearer.as_deref().into_iter().collect();
    if !body.is_empty() {
        headers.push("content-type: application/json");
    }
    http::request(server.addr("http"), line, &headers, body.as_bytes())
}

fn ban(server: &Server, user: &str) {
    let admin = backend::token_for("root", "admin", 600);
    let body = json!({"user": user}).to_string();
    assert_eq!(ask(server, "POST /v1/bans", Some(&admin), &body).status, 201);
}

/// Method, path and operation, by the name of the operation; those that only stand for others are told by theirs.
fn operations(server: &Server) -> BTreeMap<String, Vec<(String, Value)>> {
    let document = ask(server, "GET /openapi.json", None, "").json();
    let mut by_name: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            let line = format!("{} {path}", method.to_uppercase())
                .replace("{id}", "none")
                .replace("{peer}", "none")
                .replace("{file}", "none")
                .replace("{token}", "none");
            let name = name.strip_suffix("Alias").unwrap_or(name).to_owned();
            by_name.entry(name).or_default().push((line, operation.clone()));
        }
    }
    by_name
}

/// What somebody gets for whom the row says nothing else, and the code if it is refused.
fn expected(row: &Row, subject: &str) -> (u16, &'static str) {
    let (name, who, _, of_guest, of_others) = *row;
    let may = match who {
        Anybody | Maybe | User => true,
        Staff => ["moderator", "admin"].contains(&subject),
        Admin => subject == "admin",
    };
    match subject {
        _ if who == Anybody => (of_others, ""),
        "nobody" if who == Maybe => (of_guest, ""),
        "the banned" | "the appellant" if ["listAppeals", "submitAppeal"].contains(&name) => (of_others, ""),
        "nobody" | "a liar" | "the late" | "the appellant" => (401, "unauthorized"),
        // One who is banned may still log out, if it were of a login here.
        "the banned" => (403, if name == "logOut" { "forbidden" } else { "banned" }),
        _ if !may => (403, "forbidden"),
        "guest" => (of_guest, ""),
        _ => (of_others, ""),
    }
}

#[test]
fn every_operation_by_everybody() {
    let server = server();
    let operations = operations(&server);
    let told: BTreeSet<&str> = operations.keys().map(String::as_str).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|row| row.0).collect();
    assert_eq!(told, rows, "each operation has a row, and each row an operation");
    ban(&server, "shop:bad");
    let [user, moderator, admin] = ["user", "moderator", "admin"].map(|role| backend::token_for(role, role, 600));
    let pass = http::request(
        server.addr("http"),
        "POST /v1/auth/appeal",
        &["content-type: application/json"],
        br#"{"device_id":"d"}"#,
    );
    let pass = pass.json()["appeal_token"].as_str().expect("a token").to_owned();
    let (late, banned) = (backend::token_for("late", "admin", -600), backend::token_for("bad", "admin", 600));
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in ROWS {
        let (name, who, body, ..) = *row;
        let roles: &[&str] = match who {
            Anybody | Maybe => &["none", "guest", "user", "moderator", "admin"],
            User => &["guest", "user", "moderator", "admin"],
            Staff => &["moderator", "admin"],
            Admin => &["admin"],
        };
        for (line, operation) in &operations[name] {
            assert_eq!(operation["x-roles"], json!(roles), "{name}: what is told is what the row says");
            let line = if name == "readEvents" { format!("{line}?after=x") } else { line.clone() };
            let guest = guest(&server);
            for (subject, token) in [
                ("nobody", None),
                ("a liar", Some("nonsense")),
                ("the late", Some(late.as_str())),
                ("the banned", Some(&banned)),
                ("the appellant", Some(&pass)),
                ("guest", Some(&guest)),
                ("user", Some(&user)),
                ("moderator", Some(&moderator)),
                ("admin", Some(&admin)),
            ] {
                let reply = ask(&server, &line, token, body);
                let code = if reply.status < 400 { String::new() } else { reply.problem(reply.status) };
                let (status, refusal) = expected(row, subject);
                if reply.status != status || !refusal.is_empty() && code != refusal {
                    wrong.push(format!("{line} by {subject}: {} {code}, not {status} {refusal}", reply.status));
                }
                if operation["responses"].get(reply.status.to_string()).is_none() {
                    wrong.push(format!("{line} by {subject}: {} is not told of", reply.status));
                }
                asked += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 500, "only {asked} requests");
}

#[tokio::test]
async fn what_belongs_to_others_is_out_of_reach_of_every_role() {
    let server = server();
    let owner = guest(&server);
    let room = ask(&server, "POST /v1/rooms", Some(&owner), r#"{"name":"mine"}"#).json();
    let (room, own) = (room["id"].as_str().expect("a name"), room["self"].as_str().expect("a name"));
    let block = ask(&server, "POST /v1/blocks", Some(&owner), r#"{"user":"shop:somebody"}"#);
    assert_eq!(block.status, 204);
    let blocks = ask(&server, "GET /v1/blocks", Some(&owner), "").json();
    let block = blocks["blocks"][0]["id"].as_str().expect("a name");
    let (_a, _b) = matched_pair(server.addr("http"), "others").await;
    let others = [
        ("guest", guest(&server)),
        ("user", backend::token_for("user", "user", 600)),
        ("moderator", backend::token_for("moderator", "moderator", 600)),
        ("admin", backend::token_for("admin", "admin", 600)),
    ];
    for (subject, token) in &others {
        for (line, body, status) in [
            (format!("GET /v1/rooms/{room}"), "", 403),
            (format!("DELETE /v1/rooms/{room}"), "", 403),
            (format!("GET /v1/rooms/{room}/members"), "", 403),
            (format!("PATCH /v1/rooms/{room}/members/{own}"), r#"{"role":"member"}"#, 403),
            (format!("DELETE /v1/rooms/{room}/members/{own}"), "", 403),
            (format!("GET /v1/rooms/{room}/messages"), "", 403),
            (format!("POST /v1/rooms/{room}/invites"), "", 403),
            (format!("DELETE /v1/blocks/{block}"), "", 404),
        ] {
            let reply = ask(&server, &line, Some(token), body);
            assert_eq!(reply.status, status, "{line} by {subject}");
        }
        let rooms = ask(&server, "GET /v1/rooms", Some(token), "").json();
        assert_eq!(rooms["rooms"], json!([]), "{subject}");
    }
    assert_eq!(ask(&server, &format!("GET /v1/rooms/{room}"), Some(&owner), "").status, 200);
    assert_eq!(ask(&server, "GET /v1/blocks", Some(&owner), "").json(), blocks);
}

/// The types that the server knows, as the code that reads them has them.
fn message_types() -> BTreeSet<String> {
    let source = include_str!("../src/signal/protocol/request.rs");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    arms.map(|(kind, _)| kind.to_owned()).collect()
}

fn filled(data: &str, session: &str, room: &str, others_token: &str) -> Value {
    let text = data
        .replace("SESSION", session)
        .replace("ROOM", room)
        .replace("UUID", "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11")
        .replace("OTHERS", others_token)
        .replace("TAG", "nobody else has this one");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn every_message_by_everybody() {
    let rows: BTreeSet<String> = MESSAGES.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(message_types(), rows, "each message has a row, and each row a message");
    let server = server();
    let http = server.addr("http");
    ban(&server, "shop:bad");
    let owner = guest(&server);
    let room = ask(&server, "POST /v1/rooms", Some(&owner), r#"{"name":"mine"}"#).json();
    let room = room["id"].as_str().expect("a name");
    let ((_a, found), (_b, _)) = matched_pair(http, "messages").await;
    let session = found["session"].as_str().expect("a name");
    let mut wrong = Vec::new();
    for (subject, token) in [
        ("guest", guest(&server)),
        ("user", backend::token_for("user", "user", 600)),
        ("moderator", backend::token_for("moderator", "moderator", 600)),
        ("admin", backend::token_for("admin", "admin", 600)),
    ] {
        let mut client = Client::connect(http).await;
        client.ask("hello", json!({"token": token})).await;
        for (id, (kind, data, refusal)) in (1_000..).zip(MESSAGES) {
            client.send(json!({"type": kind, "id": id, "data": filled(data, session, room, &owner)})).await;
            let answer = client.message(|message| message["re"] == id).await;
            let code = answer["error"]["code"].as_str().unwrap_or_default();
            if code != *refusal {
                wrong.push(format!("{kind} by {subject}: {answer}, not {refusal}"));
            }
        }
    }
    let mut stranger = Client::connect(http).await;
    for (kind, data, _) in MESSAGES {
        let code = stranger.refused(kind, filled(data, session, room, &owner)).await;
        if code != "unauthorized" {
            wrong.push(format!("{kind} by a stranger: {code}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (subject, token, code, close) in [
        ("a liar", "nonsense".to_owned(), "unauthorized", 4401),
        ("the late", backend::token_for("late", "admin", -600), "unauthorized", 4401),
        ("the banned", backend::token_for("bad", "admin", 600), "banned", 4403),
    ] {
        let mut client = Client::connect(http).await;
        assert_eq!(client.refused("hello", json!({"token": token})).await, code, "{subject}");
        assert_eq!(client.closed().await, close, "{subject}");
    }
}
