//! `Idempotency-Key` against the built program: what is sent again has no second effect.
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::http::Reply;
use support::ws::matched_pair_of_users;

/// How long something may take that follows by itself.
const PATIENCE: Duration = Duration::from_secs(30);

fn guest(addr: SocketAddr, device: &str) -> String {
    let body = json!({"device_id": device}).to_string();
    let headers = ["content-type: application/json"];
    let reply = support::http::request(addr, "POST /v1/auth/guest", &headers, body.as_bytes());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

fn post(addr: SocketAddr, path: &str, token: &str, key: &str, body: &Value) -> Reply {
    let (authorization, key) = (format!("authorization: Bearer {token}"), format!("idempotency-key: {key}"));
    let headers = [authorization.as_str(), key.as_str(), "content-type: application/json"];
    support::http::request(addr, &format!("POST {path}"), &headers, body.to_string().as_bytes())
}

fn rooms(addr: SocketAddr, token: &str) -> usize {
    let authorization = format!("authorization: Bearer {token}");
    let reply = support::http::request(addr, "GET /v1/rooms", &[&authorization], b"");
    reply.json()["rooms"].as_array().expect("a list").len()
}

#[test]
fn a_request_that_is_sent_again_has_one_effect_and_one_answer() {
    let server = Server::start("");
    let http = server.addr("http");
    let (ann, bob) = (guest(http, "ann"), guest(http, "bob"));
    let tea = json!({"name": "Tea"});
    let first = post(http, "/v1/rooms", &ann, "\"k1\"", &tea);
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let again = post(http, "/v1/rooms", &ann, "k1", &tea);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "quotes make no difference");
    assert_eq!((again.json(), again.header("content-type")), (first.json(), "application/json"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "another request");
    assert_eq!(rooms(http, &ann), 1);
    // The same key for something else, and another's key.
    assert_eq!(post(http, "/v1/rooms", &ann, "k1", &json!({"name": "Coffee"})).problem(422), "bad_request");
    let room = first.json()["id"].as_str().expect("an id").to_owned();
    let invites = format!("/v1/rooms/{room}/invites");
    assert_eq!(post(http, &invites, &ann, "k1", &json!({})).problem(422), "bad_request");
    assert_eq!(post(http, "/v1/rooms", &bob, "k1", &json!({"name": "Coffee"})).status, 201);
    // An invitation is the same one.
    let tickets = [(); 2].map(|()| post(http, &invites, &ann, "k2", &json!({})).json()["ticket"].clone());
    assert!(tickets[0].is_string() && tickets[0] == tickets[1]);
    // What is refused for good is refused again; what may change is tried again.
    for key in ["k3", "k3"] {
        assert_eq!(post(http, "/v1/rooms", &ann, key, &json!({"name": ""})).problem(400), "bad_request");
    }
    assert_eq!(post(http, &invites, &bob, "k4", &json!({})).problem(403), "forbidden");
    assert_eq!(post(http, &invites, &bob, "k4", &json!({})).header("idempotency-replayed"), "");
    // Keys that are none, and whoever has no token.
    for key in ["", "\"\"", &"x".repeat(256)] {
        assert_eq!(post(http, "/v1/rooms", &ann, key, &tea).problem(400), "bad_request", "{key}");
    }
    assert_eq!(post(http, "/v1/rooms", "nonsense", "k5", &tea).problem(401), "unauthorized");
    // Tokens are never given twice.
    let sign_in = || post(http, "/v1/auth/guest", &ann, "k6", &json!({"device_id": "d"})).json()["user"]["id"].clone();
    assert_ne!(sign_in(), sign_in());
    assert_eq!(rooms(http, &ann), 1);
}

#[test]
fn many_at_once_and_a_lost_connection_make_one_room() {
    let server = Server::start("");
    let http = server.addr("http");
    let token = guest(http, "ann");
    let tea = json!({"name": "Tea"});
    let statuses: Vec<u16> = thread::scope(|scope| {
        let askers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| post(http, "/v1/rooms", &token, "k1", &tea).status)).collect();
        askers.into_iter().map(|asker| asker.join().expect("ends")).collect()
    });
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(rooms(http, &token), 1);

    // The whole request has arrived, and nobody waits for the answer.
    let body = json!({"name": "Lost"}).to_string();
    let mut stream = TcpStream::connect(http).expect("connect");
    let head = format!(
        "POST /v1/rooms HTTP/1.1\r\nhost: {http}\r\nauthorization: Bearer {token}\r\nidempotency-key: k2\r\n\
        content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    drop(stream);
    let retried = || post(http, "/v1/rooms", &token, "k2", &json!({"name": "Lost"}));
    assert!(eventually(PATIENCE, || retried().status == 201));
    assert_eq!(rooms(http, &token), 2);
    assert_eq!(retried().header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_report_that_is_sent_again_is_no_second_one_and_another_key_meets_a_conflict() {
    let server = Server::start("");
    let http = server.addr("http");
    let ((_a, user, found), _b) = matched_pair_of_users(http, "tea").await;
    let token = user["access_token"].as_str().expect("a token");
    let report = json!({"session": found["session"], "reason": "spam"});
    let [first, again] = [(); 2].map(|()| post(http, "/v1/reports", token, "k1", &report));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert_eq!(post(http, "/v1/reports", token, "k2", &report).problem(409), "conflict");
    assert_eq!(server.metric("video_chat_reports_submitted_total", ""), 1.0);
}
