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
