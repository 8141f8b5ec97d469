//! Tokens over REST.
use super::*;

async fn guest(fixture: &Fixture) -> Value {
    let reply = fixture.post("/v1/auth/guest", r#"{"device_id":"d 1","later":{}}"#).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    reply.json()
}

async fn with_bearer(fixture: &Fixture, path: &str, token: &str) -> Reply {
    fixture.send(&[&format!("GET {path} HTTP/1.1"), &format!("Authorization: Bearer {token}")], b"").await
}

#[tokio::test]
async fn a_guest_gets_a_new_user_each_time() {
    let fixture = Fixture::new();
    let (first, second) = (guest(&fixture).await, guest(&fixture).await);
    assert_eq!((&first["token_type"], &first["expires_in"]), (&"Bearer".into(), &300.into()));
    assert_eq!((&first["user"]["role"], &first["user"]["guest"]), (&"user".into(), &true.into()));
    assert_ne!(first["user"]["id"], second["user"]["id"]);
}

#[tokio::test]
async fn an_access_token_is_verified_and_names_its_user() {
    let fixture = Fixture::new();
    let guest = guest(&fixture).await;
    let token = guest["access_token"].as_str().expect("a token");
    let verified = with_bearer(&fixture, "/v1/auth/verify", token).await.json();
    assert_eq!((&verified["valid"], &verified["user"]), (&true.into(), &guest["user"]));
    assert_eq!(verified["expires_at"], NOW.0 + 300_000);
    assert_eq!(with_bearer(&fixture, "/v1/auth/me", token).await.json(), guest["user"]);
}

#[tokio::test]
async fn no_token_or_a_bad_one_is_unauthorized() {
    let fixture = Fixture::new();
    for path in ["/v1/auth/verify", "/auth/verify", "/v1/auth/me"] {
        for authorization in
            ["X: y", "Authorization: Bearer x.y.z", "Authorization: Basic eDp5", "Authorization: Bearer"]
        {
            let reply = fixture.send(&[&format!("GET {path} HTTP/1.1"), authorization], b"").await;
            assert_eq!((reply.status, reply.problem().as_str()), (401, "unauthorized"), "{path} {authorization}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let fixture = Fixture::new();
    let guest = guest(&fixture).await;
    let body = serde_json::json!({"refresh_token": guest["refresh_token"]}).to_string();
    let renewed = fixture.post("/v1/auth/refresh", &body).await;
    assert_eq!((renewed.status, &renewed.json()["user"]), (200, &guest["user"]));
    assert_eq!(fixture.post("/v1/auth/refresh", &body).await.problem(), "unauthorized");
}

#[tokio::test]
async fn the_old_names_are_understood() {
    let fixture = Fixture::new();
    let guest = fixture.post("/auth/token", r#"{"deviceId":"d"}"#).await.json();
    let body = serde_json::json!({"refreshToken": guest["refresh_token"]}).to_string();
    assert_eq!(fixture.post("/auth/refresh", &body).await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_not_json_are_problems() {
    let fixture = Fixture::new();
    for body in ["", "{", "[]", "{}", r#"{"device_id":1}"#] {
        let reply = fixture.post("/v1/auth/guest", body).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "bad_request"), "{body}");
    }
    for content_type in ["text/plain", "application/jsonp", ""] {
        let declared = format!("Content-Type: {content_type}");
        let reply = fixture.send(&["POST /v1/auth/guest HTTP/1.1", &declared, "Content-Length: 2"], b"{}").await;
        assert_eq!((reply.status, reply.problem().as_str()), (415, "bad_request"), "{content_type}");
    }
    let declared = "Content-Type: Application/JSON; charset=utf-8";
    let head = ["POST /v1/auth/guest HTTP/1.1", declared, "Content-Length: 17"];
    assert_eq!(fixture.send(&head, br#"{"device_id":"d"}"#).await.status, 200);
}

#[tokio::test]
async fn a_body_of_64_kib_fits_and_one_byte_more_does_not() {
    let fixture = Fixture::new();
    let padded = |len: usize| format!("{{\"device_id\":\"d\"{}}}", " ".repeat(len - 17));
    assert_eq!(padded(65_536).len(), 65_536);
    assert_eq!(fixture.post("/v1/auth/guest", &padded(65_536)).await.status, 200);
    for len in [65_537, 900_000] {
        let reply = fixture.post("/v1/auth/guest", &padded(len)).await;
        assert_eq!((reply.status, reply.problem().as_str()), (413, "too_large"), "{len}");
    }
}
