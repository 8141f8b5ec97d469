//! Appeals against the built program: what somebody banned may still do, and what becomes of it.
mod support;

use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::http::Reply;
use support::http::request;
use support::ws::Client;
use support::ws::matched_pair_of_users;

fn ask(http: SocketAddr, line: &str, token: &str, body: &Value) -> Reply {
    let bearer = format!("authorization: Bearer {token}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(http, line, &[&bearer, "content-type: application/json"], body.as_bytes())
}

/// A token that is good for appeals alone.
fn pass(http: SocketAddr, body: &Value) -> Reply {
    request(http, "POST /v1/auth/appeal", &["content-type: application/json"], body.to_string().as_bytes())
}

fn text(reply: &Reply, name: &str) -> String {
    assert!(reply.status < 300, "{reply:?}");
    reply.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {reply:?}")).to_owned()
}

/// Two guests of whom the second is banned for what it did to the first; its access token.
async fn banned_guest(server: &Server, tag: &str, moderator: &str) -> (Client, String) {
    let http = server.addr("http");
    let ((mut a, _, found), (mut b, user, _)) = matched_pair_of_users(http, tag).await;
    let report = a.ask("report.submit", json!({"session": found["session"], "reason": "spam"})).await;
    let line = format!("POST /v1/reports/{}/decision", report["report"].as_str().expect("a name"));
    let decided = ask(http, &line, moderator, &json!({"decision": "accept", "action": "ban"}));
    assert_eq!(decided.status, 200, "{decided:?}");
    assert_eq!(b.closed().await, 4403);
    (a, user["access_token"].as_str().expect("a token").to_owned())
}

async fn may_come_in(http: SocketAddr, token: &str) -> bool {
    let mut client = Client::connect(http).await;
    client.send(json!({"type": "hello", "id": 1, "data": {"token": token}})).await;
    client.message(|message| message["re"] == 1).await["type"] == "ok"
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_banned_appeals_once_and_comes_back_once_that_is_lifted() {
    let mut server = Server::start(&backend::config());
    let http = server.addr("http");
    let (moderator, admin) = (backend::token("mo", "moderator"), backend::token("ada", "admin"));
    let (_reporter, banned) = banned_guest(&server, "one", &moderator).await;
    assert!(!may_come_in(http, &banned).await);
    assert_eq!(ask(http, "GET /v1/blocks", &banned, &Value::Null).problem(403), "banned");
    assert_eq!(ask(http, "GET /v1/appeals", "no token", &Value::Null).problem(401), "unauthorized");

    let own = ask(http, "GET /v1/appeals", &banned, &Value::Null).json();
    let sanctions = own["sanctions"].as_array().expect("a list");
    assert_eq!((sanctions.len(), &own["appeals"]), (2, &json!([])), "the user and the device: {own}");
    assert_eq!((&sanctions[0]["action"], &sanctions[0]["appeal"]), (&json!("ban"), &Value::Null));
    let plea = json!({"ban": sanctions[0]["ban"], "text": "I was only joking"});
    for bad in [json!({}), json!({"ban": sanctions[0]["ban"], "text": " "}), json!({"ban": "", "text": "x"})] {
        assert_eq!(ask(http, "POST /v1/appeals", &banned, &bad).problem(400), "bad_request");
    }
    let long = json!({"ban": sanctions[0]["ban"], "text": "x".repeat(2001)});
    assert_eq!(ask(http, "POST /v1/appeals", &banned, &long).problem(413), "too_large");
    assert_eq!(ask(http, "POST /v1/appeals", &backend::token("eve", "user"), &plea).problem(404), "not_found");
    let appeal = ask(http, "POST /v1/appeals", &banned, &plea);
    assert_eq!(appeal.status, 201, "{appeal:?}");
    // The other ban is of the same decision.
    for sanction in sanctions {
        let again = json!({"ban": sanction["ban"], "text": "please"});
        assert_eq!(ask(http, "POST /v1/appeals", &banned, &again).problem(409), "conflict");
    }

    server.crash_and_restart();
    let own = ask(http, "GET /v1/appeals", &banned, &Value::Null).json();
    assert_eq!(own["sanctions"][0]["appeal"], appeal.json()["appeal"]);
    for line in ["GET /v1/appeals/open", "POST /v1/appeals/x/decision"] {
        assert_eq!(
            ask(http, line, &backend::token("eve", "user"), &json!({"decision": "lift"})).problem(403),
            "forbidden"
        );
    }
    let open = ask(http, "GET /v1/appeals/open", &moderator, &Value::Null).json();
    assert_eq!(open["appeals"].as_array().map(Vec::len), Some(1), "{open}");
    assert_eq!((&open["appeals"][0]["text"], &open["next"]), (&plea["text"], &Value::Null));
    let in_force = open["appeals"][0]["sanctions"].as_array().expect("a list");
    assert_eq!((in_force.len(), &in_force[0]["action"]), (2, &json!("ban")), "what it is about: {open}");
    let line = format!("POST /v1/appeals/{}/decision", open["appeals"][0]["appeal"].as_str().expect("a name"));
    assert_eq!(ask(http, &line, &moderator, &json!({"decision": "maybe"})).problem(400), "bad_request");
    let lifted = ask(http, &line, &moderator, &json!({"decision": "lift", "note": "be kind"}));
    assert_eq!(lifted.status, 200, "{lifted:?}");
    assert_eq!(ask(http, &line, &moderator, &json!({"decision": "keep"})).problem(409), "conflict");
    assert_eq!(
        ask(http, "POST /v1/appeals/x/decision", &moderator, &json!({"decision": "keep"})).problem(404),
        "not_found"
    );

    assert!(may_come_in(http, &banned).await);
    let own = ask(http, "GET /v1/appeals", &banned, &Value::Null).json();
    let verdict = &own["appeals"][0]["verdict"];
    assert_eq!(
        (&own["sanctions"], &verdict["decision"], &verdict["note"]),
        (&json!([]), &json!("lift"), &json!("be kind"))
    );
    assert_eq!(verdict["by"], Value::Null, "who judged is nobody's business");
    let audit = ask(http, "GET /v1/admin/audit", &admin, &Value::Null).json();
    let deed = &audit["deeds"][0];
    assert_eq!((&deed["action"], &deed["details"]["verdict"]["decision"]), (&json!("appeal.decide"), &json!("lift")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_is_kept_holds_on_and_nobody_judges_their_own_appeal() {
    let server = Server::start(&backend::config());
    let http = server.addr("http");
    let (moderator, admin) = (backend::token("mo", "moderator"), backend::token("ada", "admin"));
    let (_reporter, banned) = banned_guest(&server, "two", &moderator).await;
    let own = ask(http, "GET /v1/appeals", &banned, &Value::Null).json();
    let plea = json!({"ban": own["sanctions"][0]["ban"], "text": "please"});
    let appeal = ask(http, "POST /v1/appeals", &banned, &plea).json();
    let line = format!("POST /v1/appeals/{}/decision", appeal["appeal"].as_str().expect("a name"));
    assert_eq!(ask(http, &line, &moderator, &json!({"decision": "keep"})).status, 200);
    assert!(!may_come_in(http, &banned).await);

    // A moderator who may write to nobody is a moderator still.
    let muted = ask(http, "POST /v1/bans", &admin, &json!({"user": "shop:mo", "action": "mute"}));
    assert_eq!(muted.status, 201, "{muted:?}");
    let ban = ask(http, "GET /v1/appeals", &moderator, &Value::Null).json()["sanctions"][0]["ban"].clone();
    let appeal = ask(http, "POST /v1/appeals", &moderator, &json!({"ban": ban, "text": "please"})).json();
    let line = format!("POST /v1/appeals/{}/decision", appeal["appeal"].as_str().expect("a name"));
    assert_eq!(ask(http, &line, &moderator, &json!({"decision": "lift"})).problem(403), "forbidden");
    assert_eq!(ask(http, &line, &admin, &json!({"decision": "lift"})).status, 200);
    let after = ask(http, "GET /v1/appeals", &moderator, &Value::Null).json();
    assert_eq!(after["sanctions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_banned_account_appeals_with_the_password_once_every_token_is_lost() {
    let server = Server::start(&backend::config());
    let http = server.addr("http");
    let admin = backend::token("ada", "admin");
    let form = json!({"username": "ann", "password": "correct horse"});
    let wrong = json!({"username": "ann", "password": "wrong horse"});
    let json = ["content-type: application/json"];
    let registered = request(http, "POST /v1/auth/register", &json, form.to_string().as_bytes());
    let user = registered.json()["user"]["id"].as_str().expect("a name").to_owned();
    let ban = ask(http, "POST /v1/bans", &admin, &json!({"user": user, "reason": "rude"}));
    assert_eq!(ban.status, 201, "{ban:?}");
    assert_eq!(request(http, "POST /v1/auth/login", &json, form.to_string().as_bytes()).problem(403), "banned");

    // Nobody learns without the password that there is such an account, or that it is banned.
    let nobody = json!({"username": "nobody", "password": "wrong horse"});
    let refused = [&wrong, &nobody].map(|form| pass(http, form));
    assert_eq!(refused[0].problem(401), "unauthorized");
    assert_eq!(refused[0].json()["detail"], refused[1].json()["detail"]);
    for bad in [json!({}), json!({"username": "ann"}), json!({"password": "x"}), json!({"device_id": ""})] {
        assert_eq!(pass(http, &bad).problem(400), "bad_request", "{bad}");
    }

    let reply = pass(http, &form);
    assert_eq!((reply.header("cache-control"), &reply.json()["expires_in"]), ("no-store", &json!(1800)));
    let token = text(&reply, "appeal_token");
    let own = ask(http, "GET /v1/appeals", &token, &Value::Null).json();
    assert_eq!((&own["sanctions"][0]["reason"], &own["sanctions"][0]["action"]), (&json!("rude"), &json!("ban")));
    let plea = json!({"ban": own["sanctions"][0]["ban"], "text": "I was only joking"});
    let appeal = text(&ask(http, "POST /v1/appeals", &token, &plea), "appeal");
    assert_eq!(ask(http, "POST /v1/appeals", &token, &plea).problem(409), "conflict");
    // It is a token for that, and no access token.
    for line in ["GET /v1/auth/me", "GET /v1/me/export", "DELETE /v1/me", "POST /v1/auth/logout"] {
        assert_eq!(ask(http, line, &token, &json!({})).problem(401), "unauthorized", "{line}");
    }
    assert!(!may_come_in(http, &token).await);

    let line = format!("POST /v1/appeals/{appeal}/decision");
    assert_eq!(ask(http, &line, &admin, &json!({"decision": "lift", "note": "be kind"})).status, 200);
    let back = request(http, "POST /v1/auth/login", &json, form.to_string().as_bytes());
    let access = text(&back, "access_token");
    let told = ask(http, "GET /v1/me/export", &access, &Value::Null).json();
    let told = &told["appeals"][0];
    assert_eq!((&told["text"], &told["verdict"]["note"]), (&plea["text"], &json!("be kind")));
    assert_eq!(told["verdict"]["by"], Value::Null, "who judged is nobody's business");
    assert!(!may_come_in(http, &token).await, "not even now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_tokens_appeals_as_its_device_and_takes_nobodys_appeal_away() {
    let server = Server::start(&backend::config());
    let http = server.addr("http");
    let moderator = backend::token("mo", "moderator");
    let (_reporter, banned) = banned_guest(&server, "three", &moderator).await;
    let bans = ask(http, "GET /v1/bans", &moderator, &Value::Null).json();
    let bans = bans["bans"].as_array().expect("a list");
    let device = bans.iter().find_map(|ban| ban["device"].as_str()).expect("a ban of the device").to_owned();
    let network = ask(http, "POST /v1/bans", &moderator, &json!({"network": "127.0.0.0/8"}));
    assert_eq!(network.status, 201, "{network:?}");

    let stranger = text(&pass(http, &json!({"device_id": "another"})), "appeal_token");
    let told = ask(http, "GET /v1/appeals", &stranger, &Value::Null).json();
    assert_eq!(told, json!({"sanctions": [], "appeals": []}), "of networks nothing is told to made-up devices");

    let token = text(&pass(http, &json!({"deviceId": device})), "appeal_token");
    let own = ask(http, "GET /v1/appeals", &token, &Value::Null).json();
    assert_eq!(own["sanctions"].as_array().map(Vec::len), Some(1), "what holds against the device: {own}");
    let plea = json!({"ban": own["sanctions"][0]["ban"], "text": "it was my brother"});
    let appeal = text(&ask(http, "POST /v1/appeals", &token, &plea), "appeal");
    // The guest itself may still ask, with what tokens it has.
    let guests_own = ask(http, "POST /v1/appeals", &banned, &plea);
    assert_eq!(guests_own.status, 201, "{guests_own:?}");

    let line = format!("POST /v1/appeals/{appeal}/decision");
    assert_eq!(ask(http, &line, &moderator, &json!({"decision": "lift"})).status, 200);
    let network = text(&network, "id");
    assert_eq!(ask(http, &format!("DELETE /v1/bans/{network}"), &moderator, &Value::Null).status, 204);
    let body = json!({"device_id": device}).to_string();
    let back = request(http, "POST /v1/auth/guest", &["content-type: application/json"], body.as_bytes());
    assert!(may_come_in(http, &text(&back, "access_token")).await);
    let own = ask(http, "GET /v1/appeals", &token, &Value::Null).json();
    assert_eq!(own["appeals"][0]["verdict"]["decision"], "lift");
}
