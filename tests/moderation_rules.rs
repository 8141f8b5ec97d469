//! Complaints and what follows from them, against the built program; numbers are those of the protocol's fine print.
mod support;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::http;
use support::ws::matched_pair_of_users;

/// One request with an access token; the status and what came with it.
fn rest(server: &Server, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let bearer = format!("authorization: Bearer {token}");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut headers = vec![bearer.as_str()];
    if !body.is_empty() {
        headers.push("content-type: application/json");
    }
    let reply = http::request(server.addr("http"), &format!("{method} {path}"), &headers, body.as_bytes());
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

fn token_of(hello: &Value) -> &str {
    hello["access_token"].as_str().expect("a token")
}

#[tokio::test]
async fn rule_39_a_report_ends_the_call_blocks_and_is_taken_once_by_socket_and_rest() {
    let server = Server::start("");
    let ((mut a, a_user, found), (mut b, b_user, _)) = matched_pair_of_users(server.addr("http"), "report").await;
    let report = json!({"session": found["session"], "reason": "harassment", "comment": "he shouts"});
    let told = a.ask("report.submit", report.clone()).await;
    assert!(told["report"].as_str().is_some_and(|name| !name.is_empty()), "{told}");
    for side in [&mut a, &mut b] {
        assert_eq!(side.push("session.ended").await["reason"], "ended");
    }
    assert_eq!(a.refused("report.submit", report.clone()).await, "conflict");
    let (status, problem) = rest(&server, "POST", "/v1/reports", token_of(&a_user), Some(&report));
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let in_other_words = json!({"sessionId": found["session"], "reason": "spam", "block": false});
    let (status, told) = rest(&server, "POST", "/reports", token_of(&b_user), Some(&in_other_words));
    assert_eq!(status, 201, "the other side may, too: {told}");
    assert!(told["report"].is_string());
    assert_eq!(server.metric("video_chat_reports_submitted_total", ""), 2.0);
    let (status, blocks) = rest(&server, "GET", "/v1/blocks", token_of(&a_user), None);
    assert_eq!((status, blocks["blocks"].as_array().map(Vec::len)), (200, Some(1)));
}

#[tokio::test]
async fn rule_41_what_reports_are_refused_with() {
    let server = Server::start("");
    let ((_a, a_user, found), _b) = matched_pair_of_users(server.addr("http"), "refused").await;
    let token = token_of(&a_user);
    let session = found["session"].clone();
    for (body, expected) in [
        (json!({"session": session}), (400, "bad_request")),
        (json!({"session": session, "reason": "rude"}), (400, "bad_request")),
        (json!({"session": session, "reason": "spam", "comment": "x".repeat(1001)}), (413, "too_large")),
        (json!({"session": session, "reason": "spam", "evidence": {"mids": ["x"]}}), (400, "bad_request")),
        (json!({"session": "nowhere", "reason": "spam"}), (404, "not_in_session")),
    ] {
        let (status, problem) = rest(&server, "POST", "/v1/reports", token, Some(&body));
        assert_eq!((status, problem["code"].as_str().expect("a code")), expected, "{body}");
    }
    let body = json!({"session": session, "reason": "spam"});
    let (status, problem) = rest(&server, "POST", "/v1/reports", "nonsense", Some(&body));
    assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")));
}
