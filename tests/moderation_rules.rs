//! Complaints and what follows from them, against the built program; numbers are those of the protocol's fine print.
mod support;

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::http;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
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

fn credential(found: &Value) -> Credential {
    let servers = found["ice_servers"].as_array().expect("a list");
    let server = servers.iter().find(|one| one["username"].is_string()).expect("TURN");
    let text = |name: &str| server[name].as_str().expect("text").to_owned();
    Credential { username: text("username"), password: text("credential") }
}

#[tokio::test]
async fn a_ban_acts_on_the_live_call_its_relay_and_every_way_back() {
    let mut server = Server::start(&backend::config());
    let http = server.addr("http");
    let ((mut a, a_user, a_found), (mut b, b_user, b_found)) = matched_pair_of_users(http, "ban").await;
    let turn = server.addr("turn-udp");
    let mut relay = TurnClient::allocate_udp(turn, credential(&b_found)).expect("allocates");
    let cid = "6f2b1b1e-62f5-4a53-9a52-0d8b8f9b7a11";
    let words = json!({"session": b_found["session"], "cid": cid, "kind": "text", "text": "buy this"});
    let said = b.ask("chat.send", words).await;
    let report = json!({"session": a_found["session"], "reason": "spam", "block": false,
        "evidence": {"mids": [said["mid"]]}});
    let id = a.ask("report.submit", report).await["report"].as_str().expect("a name").to_owned();
    let moderator = backend::token("mo", "moderator");
    let (status, page) = rest(&server, "GET", "/v1/reports", &moderator, None);
    assert_eq!((status, &page["reports"][0]["report"]), (200, &json!(id)));
    let (status, shown) = rest(&server, "GET", &format!("/v1/reports/{id}"), &moderator, None);
    assert_eq!((status, &shown["evidence"]["messages"][0]["text"]), (200, &json!("buy this")));
    assert_eq!(shown["evidence"]["messages"][0]["marked"], true);
    assert_eq!(rest(&server, "POST", &format!("/v1/reports/{id}/claim"), &moderator, None).0, 200);
    let note = json!({"text": "third time"});
    assert_eq!(rest(&server, "POST", &format!("/v1/reports/{id}/notes"), &moderator, Some(&note)).0, 201);
    // By the seeds' name, as their clients know it.
    let decision = json!({"reportId": id, "decision": "accept", "action": "ban"});
    let (status, decided) = rest(&server, "POST", "/reports/moderate", &moderator, Some(&decision));
    assert_eq!((status, &decided["state"]), (200, &json!("decided")), "{decided}");
    assert_eq!(b.push("moderation.notice").await, json!({"action": "ban", "reason": "spam"}));
    assert_eq!(b.push("session.ended").await["reason"], "moderation");
    assert_eq!(b.closed().await, 4403);
    assert_eq!(a.push("session.ended").await["reason"], "moderation");
    assert!(support::eventually(Duration::from_secs(20), || server.allocations() == 0.0), "the relay lets go");
    assert_eq!(relay.refresh(600), Err(437));
    assert_eq!(TurnClient::allocate_udp(turn, credential(&b_found)).err(), Some(401));
    let is_out = async |server: &Server| {
        let http = server.addr("http");
        for hello in [json!({"guest": {"device_id": "device-b-ban"}}), json!({"token": b_user["access_token"]})] {
            let mut again = Client::connect(http).await;
            assert_eq!(again.refused("hello", hello).await, "banned");
            assert_eq!(again.closed().await, 4403);
        }
        let (status, problem) = rest(server, "GET", "/v1/auth/me", token_of(&b_user), None);
        assert_eq!((status, &problem["code"]), (403, &json!("banned")));
    };
    is_out(&server).await;
    server.crash_and_restart();
    is_out(&server).await;
    assert_eq!(rest(&server, "GET", "/v1/auth/me", token_of(&a_user), None).0, 200);
    let (_, bans) = rest(&server, "GET", "/v1/bans", &moderator, None);
    let bans = bans["bans"].as_array().expect("a list").clone();
    assert_eq!(bans.len(), 2, "the guest and its device");
    for ban in bans {
        let path = format!("/v1/bans/{}", ban["id"].as_str().expect("a name"));
        assert_eq!(rest(&server, "DELETE", &path, &moderator, None).0, 204);
    }
    assert_eq!(rest(&server, "GET", "/v1/auth/me", token_of(&b_user), None).0, 200);
    let (status, audit) = rest(&server, "GET", "/v1/admin/audit", &backend::token("ada", "admin"), None);
    assert_eq!(status, 200);
    let deeds = audit["deeds"].as_array().expect("a list");
    let actions: Vec<_> = deeds.iter().map(|deed| deed["action"].as_str().expect("a word")).collect();
    let expected = ["ban.lift", "ban.lift", "report.decide", "report.note", "report.claim", "report.view"];
    assert_eq!(actions, expected);
    assert!(deeds.iter().all(|deed| deed["by"] == "shop:mo"), "{audit}");
}

#[tokio::test]
async fn a_ban_of_a_network_is_in_force_at_once_by_socket_and_rest() {
    let server = Server::start(&backend::config());
    let (mut guest, hello) = Client::guest(server.addr("http"), "d").await;
    let moderator = backend::token("mo", "moderator");
    let (status, ban) = rest(&server, "POST", "/v1/bans", &moderator, Some(&json!({"network": "127.0.0.1"})));
    assert_eq!((status, &ban["network"], &ban["action"]), (201, &json!("127.0.0.1/32"), &json!("ban")));
    assert_eq!(guest.closed().await, 4403);
    assert_eq!(rest(&server, "GET", "/v1/auth/me", token_of(&hello), None).0, 403);
    let (status, problem) = rest(&server, "POST", "/v1/auth/guest", "x", Some(&json!({"device_id": "e"})));
    assert_eq!((status, &problem["code"]), (403, &json!("banned")));
    // Whoever bans their own network can still take it back.
    let path = format!("/v1/bans/{}", ban["id"].as_str().expect("a name"));
    assert_eq!(rest(&server, "DELETE", &path, &moderator, None).0, 204);
    assert_eq!(rest(&server, "GET", "/v1/auth/me", token_of(&hello), None).0, 200);
}

#[tokio::test]
async fn every_route_of_moderation_asks_for_the_role() {
    let server = Server::start(&backend::config());
    let (_guest, hello) = Client::guest(server.addr("http"), "d").await;
    let [user, moderator, admin] = ["user", "moderator", "admin"].map(|role| backend::token(role, role));
    let [banned, banned_moderator] =
        [("bad", "user"), ("worse", "moderator")].map(|(name, role)| backend::token(name, role));
    for name in ["shop:bad", "shop:worse"] {
        assert_eq!(rest(&server, "POST", "/v1/bans", &admin, Some(&json!({"user": name}))).0, 201);
    }
    let decision = json!({"decision": "reject"});
    // The route, what it is asked with, and what a moderator and an admin get of it: of nothing, as a rule.
    let routes = [
        ("GET", "/v1/reports", None, 200, 200),
        ("GET", "/reports", None, 200, 200),
        ("GET", "/v1/reports?limit=0", None, 400, 400),
        ("GET", "/v1/reports?state=open&after=o.50.1.x&limit=50", None, 200, 200),
        ("GET", "/v1/reports/none", None, 404, 404),
        ("POST", "/v1/reports/none/claim", None, 404, 404),
        ("DELETE", "/v1/reports/none/claim", None, 404, 404),
        ("POST", "/v1/reports/none/notes", Some(json!({"text": "x"})), 404, 404),
        ("POST", "/v1/reports/none/notes", Some(json!({"text": ""})), 400, 400),
        ("PUT", "/v1/reports/none/hold", None, 404, 404),
        ("DELETE", "/v1/reports/none/hold", None, 403, 404),
        ("POST", "/v1/reports/none/decision", Some(decision.clone()), 404, 404),
        ("POST", "/v1/reports/none/decision", Some(json!({})), 400, 400),
        ("POST", "/reports/moderate", Some(json!({"reportId": "none", "decision": "reject"})), 404, 404),
        ("POST", "/reports/moderate", Some(decision), 400, 400),
        ("GET", "/v1/bans", None, 200, 200),
        ("POST", "/v1/bans", Some(json!({})), 400, 400),
        ("POST", "/v1/bans", Some(json!({"network": "0.0.0.0/0"})), 400, 400),
        ("DELETE", "/v1/bans/none", None, 404, 404),
        ("GET", "/v1/admin/audit", None, 403, 200),
        ("GET", "/v1/admin/audit?before=x", None, 400, 400),
    ];
    for (method, path, body, of_moderator, of_admin) in &routes {
        for (who, token, expected, code) in [
            ("stranger", "nonsense", 401, "unauthorized"),
            ("guest", token_of(&hello), 403, "forbidden"),
            ("user", user.as_str(), 403, "forbidden"),
            ("moderator", moderator.as_str(), *of_moderator, ""),
            ("admin", admin.as_str(), *of_admin, ""),
            ("banned user", banned.as_str(), 403, "banned"),
            ("banned moderator", banned_moderator.as_str(), 403, "banned"),
        ] {
            let (status, told) = rest(&server, method, path, token, body.as_ref());
            assert_eq!(status, expected, "{method} {path} by a {who}: {told}");
            if !code.is_empty() {
                assert_eq!(told["code"], code, "{method} {path} by a {who}");
            }
        }
        let bare = http::request(server.addr("http"), &format!("{method} {path}"), &[], b"");
        assert_eq!(bare.problem(401), "unauthorized", "{method} {path} without a token");
    }
    // Everybody who may come in may complain.
    let report = json!({"session": "none", "reason": "spam"});
    for (token, expected) in [
        ("nonsense", 401),
        (token_of(&hello), 404),
        (user.as_str(), 404),
        (moderator.as_str(), 404),
        (admin.as_str(), 404),
        (banned.as_str(), 403),
        (banned_moderator.as_str(), 403),
    ] {
        assert_eq!(rest(&server, "POST", "/v1/reports", token, Some(&report)).0, expected);
    }
}
