//! What REST asks about rooms, and of whom.
use super::*;

async fn token(fixture: &Fixture) -> (String, Value) {
    let guest = fixture.post("/v1/auth/guest", r#"{"device_id":"d"}"#).await.json();
    (guest["access_token"].as_str().expect("a token").to_owned(), guest["user"]["id"].clone())
}

async fn send(fixture: &Fixture, request: &str, token: &str, json: Option<&str>) -> Reply {
    let bearer = format!("Authorization: Bearer {token}");
    let mut head = vec![format!("{request} HTTP/1.1"), bearer];
    if let Some(json) = json {
        head.extend(["Content-Type: application/json".to_owned(), format!("Content-Length: {}", json.len())]);
    }
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    fixture.send(&head, json.unwrap_or_default().as_bytes()).await
}

#[tokio::test]
async fn every_route_asks_for_the_user_of_the_token() {
    let fixture = Fixture::new();
    let (token, user) = token(&fixture).await;
    let cases = [
        ("POST /v1/rooms", Some(r#"{"name":"Tea"}"#), 201, r#"Create { name: "Tea" }"#),
        ("GET /v1/rooms?after=7.r&limit=3", None, 200, r#"List(PageAsk { after: Some("7.r"), limit: Some(3) })"#),
        ("GET /v1/rooms/r", None, 200, r#"Show { room: "r" }"#),
        ("GET /v1/rooms/r/members", None, 200, r#"Members { room: "r", page: PageAsk { after: None, limit: None } }"#),
        (
            "PATCH /v1/rooms/r/members/p",
            Some(r#"{"role":"moderator"}"#),
            200,
            r#"Appoint { room: "r", member: "p", role: "moderator" }"#,
        ),
        (
            "GET /v1/rooms/r/messages?limit=5&before=m",
            None,
            200,
            r#"Messages { room: "r", before: Some("m"), after: None, limit: Some(5) }"#,
        ),
        ("POST /v1/rooms/r/invites", None, 201, r#"Invite { room: "r", ttl_ms: None }"#),
        ("POST /v1/rooms/r/invites", Some(r#"{"ttl_ms":5}"#), 201, r#"Invite { room: "r", ttl_ms: Some(5) }"#),
    ];
    for (request, json, status, ask) in cases {
        let reply = send(&fixture, request, &token, json).await;
        assert_eq!((reply.status, reply.header("cache-control")), (status, Some("no-store")), "{request}");
        assert_eq!(reply.json(), serde_json::json!({"user": user, "ask": ask}));
    }
    for request in ["DELETE /v1/rooms/r", "DELETE /v1/rooms/r/members/p"] {
        let reply = send(&fixture, request, &token, None).await;
        assert_eq!((reply.status, reply.body.len()), (204, 0), "{request}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    let fixture = Fixture::new();
    for request in
        ["POST /v1/rooms", "GET /v1/rooms", "GET /v1/rooms/r", "DELETE /v1/rooms/r", "POST /v1/rooms/r/invites"]
    {
        let reply = fixture.send(&[&format!("{request} HTTP/1.1")], b"").await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "unauthorized"), "{request}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem() {
    let fixture = Fixture::new();
    let (token, _) = token(&fixture).await;
    for (request, json) in [
        ("POST /v1/rooms", Some("{}")),
        ("POST /v1/rooms/r/invites", Some(r#"{"ttl_ms":-1}"#)),
        ("PATCH /v1/rooms/r/members/p", Some("[]")),
        ("GET /v1/rooms/r/messages?limit=many", None),
        ("GET /v1/rooms/%ff", None),
    ] {
        let reply = send(&fixture, request, &token, json).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "bad_request"), "{request}");
    }
    assert_eq!(send(&fixture, "PUT /v1/rooms/r", &token, None).await.status, 405);
}
