//! Guests who have to work before they come, against the built program.
mod support;

use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use support::Server;
use support::http::Reply;
use support::ws::Client;

fn guest(addr: SocketAddr, body: &Value) -> Reply {
    let headers = ["content-type: application/json"];
    support::http::request(addr, "POST /v1/auth/guest", &headers, body.to_string().as_bytes())
}

fn challenge(addr: SocketAddr) -> Value {
    let reply = support::http::request(addr, "GET /v1/auth/challenge", &[], b"");
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"));
    reply.json()
}

fn zeros(challenge: &str, number: u64) -> u32 {
    let hash = Sha256::digest(format!("{challenge}.{number}"));
    u32::from_be_bytes(*hash.first_chunk().expect("32 bytes")).leading_zeros()
}

fn solved(challenge: &Value) -> Value {
    let (text, bits) =
        (challenge["challenge"].as_str().expect("a text"), challenge["bits"].as_u64().expect("a number"));
    let number = (0..).find(|number| u64::from(zeros(text, *number)) >= bits).expect("there is one");
    json!({"device_id": "d", "challenge": text, "number": number.to_string()})
}

#[tokio::test]
async fn work_lets_one_guest_in_and_nobody_comes_past_it() {
    let server = Server::start("[auth]\nguest_proof_of_work_bits = 10\n");
    let http = server.addr("http");
    let task = challenge(http);
    assert_eq!((&task["bits"], &task["algorithm"]), (&json!(10), &json!("sha-256")));
    assert!(task["expires_at"].as_u64() > Some(1_763_600_000_000));
    let work = solved(&task);
    let come = guest(http, &work);
    assert_eq!(come.status, 200, "{come:?}");
    let mut client = Client::connect(http).await;
    let ok = client.ask("hello", json!({"token": come.json()["access_token"]})).await;
    assert_eq!(ok["user"]["guest"], true);
    // Once; not without, not with somebody else's, not with too little.
    assert_eq!(guest(http, &work).problem(403), "forbidden");
    assert_eq!(guest(http, &json!({"device_id": "d"})).problem(403), "forbidden");
    let mut other = solved(&challenge(http));
    other["challenge"] = challenge(http)["challenge"].clone();
    let text = other["challenge"].as_str().expect("a text").to_owned();
    let lazy = (0_u64..).find(|number| zeros(&text, *number) < 10).expect("most");
    other["number"] = json!(lazy.to_string());
    assert_eq!(guest(http, &other).problem(403), "forbidden");
    let alias = support::http::request(
        http,
        "POST /auth/token",
        &["content-type: application/json"],
        json!({"deviceId": "d"}).to_string().as_bytes(),
    );
    assert_eq!(alias.problem(403), "forbidden");
    let mut client = Client::connect(http).await;
    assert_eq!(client.refused("hello", json!({"guest": {"device_id": "d"}})).await, "forbidden");
    assert_eq!(client.closed().await, 4403);
}

#[test]
fn where_no_work_is_asked_for_there_is_no_challenge() {
    let server = Server::start("");
    let http = server.addr("http");
    assert_eq!(support::http::request(http, "GET /v1/auth/challenge", &[], b"").problem(404), "not_found");
    assert_eq!(guest(http, &json!({"device_id": "d"})).status, 200);
}
