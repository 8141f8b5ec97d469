//! What holds for every request.
use super::*;

#[tokio::test]
async fn alive_is_told_while_alive() {
    let reply = Fixture::new().get("/health").await;
    assert_eq!((reply.status, reply.json()), (200, serde_json::json!({"status": "ok"})));
}

#[tokio::test]
async fn not_ready_names_the_failing_check() {
    let fixture = Fixture::new();
    assert_eq!(fixture.get("/health/ready").await.status, 200);
    fixture.ready.store(false, Ordering::Relaxed);
    let reply = fixture.get("/health/ready").await;
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    assert_eq!(reply.json()["check"], "relay");
    assert_eq!(fixture.get("/health").await.status, 200);
}

#[tokio::test]
async fn metrics_are_served_where_allowed_and_not_through_a_proxy() {
    let mut fixture = Fixture::new();
    let reply = fixture.get("/metrics").await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"numbers 1\n"[..]));
    fixture.arrival.remote = SocketAddr::from(([10, 0, 0, 1], 1));
    let reply = fixture.send(&["GET /metrics HTTP/1.1", "X-Forwarded-For: 192.0.2.1"], b"").await;
    assert_eq!(reply.status, 404);
    fixture.arrival.metrics = false;
    assert_eq!(fixture.get("/metrics").await.problem(), "not_found");
}

#[tokio::test]
async fn every_response_has_an_id_and_safe_headers() {
    let fixture = Fixture::new();
    for path in ["/health", "/nothing", "/ws", "/sdk/index.js"] {
        let reply = fixture.send(&[&format!("GET {path} HTTP/1.1"), "X-Request-Id: mine-1"], b"").await;
        assert_eq!(reply.header("x-request-id"), Some("mine-1"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert!(
            reply.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
        );
    }
    let fresh = fixture.send(&["GET /health HTTP/1.1", "X-Request-Id: a b"], b"").await;
    assert_eq!(fresh.header("x-request-id").map(str::len), Some(32));
}

#[tokio::test]
async fn nothing_there_and_wrong_methods_are_problems() {
    let fixture = Fixture::new();
    let missing = fixture.get("/v1/nothing").await;
    assert_eq!((missing.status, missing.problem().as_str()), (404, "not_found"));
    for (request, allow) in [
        ("POST /health HTTP/1.1", "GET,HEAD"),
        ("GET /v1/auth/guest HTTP/1.1", "POST"),
        ("DELETE /ws HTTP/1.1", "GET,HEAD"),
        ("POST /sdk/index.js HTTP/1.1", "GET,HEAD"),
    ] {
        let reply = fixture.send(&[request], b"").await;
        assert_eq!((reply.status, reply.problem().as_str()), (405, "bad_request"), "{request}");
        assert_eq!(reply.header("allow"), Some(allow), "{request}");
    }
}

#[tokio::test]
async fn the_sdk_is_served_as_modules_with_a_validator() {
    let fixture = Fixture::new();
    let reply = fixture.get("/sdk/index.js").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    let known = format!("If-None-Match: {}", reply.header("etag").expect("a validator"));
    let again = fixture.send(&["GET /sdk/index.js HTTP/1.1", &known], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = fixture.send(&["HEAD /sdk/index.js HTTP/1.1"], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(reply.body.len().to_string().as_str()));
}

#[tokio::test]
async fn nothing_outside_the_embedded_folders_is_served() {
    let fixture = Fixture::new();
    for path in ["/sdk/../Cargo.toml", "/../Cargo.toml", "/sdk/%2e%2e/package.json", "/sdk/", "/sdk"] {
        assert_eq!(fixture.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_address_over_its_budget_waits_and_others_do_not() {
    let mut fixture = Fixture::with(|settings| settings.requests_per_minute = 2);
    for _ in 0..2 {
        assert_eq!(fixture.get("/sdk/index.js").await.status, 200);
    }
    let reply = fixture.get("/sdk/index.js").await;
    assert_eq!((reply.status, reply.problem().as_str()), (429, "rate_limited"));
    assert_eq!(reply.header("retry-after"), Some("30"));
    assert!(reply.json()["retry_after_ms"].as_u64().is_some_and(|wait| (29_000..=30_000).contains(&wait)));
    assert_eq!(fixture.get("/health").await.status, 200, "watchers are always answered");
    fixture.arrival.remote = SocketAddr::from(([192, 0, 2, 2], 1));
    assert_eq!(fixture.get("/sdk/index.js").await.status, 200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_budget_is_the_clients() {
    let mut fixture = Fixture::with(|settings| settings.requests_per_minute = 1);
    fixture.arrival.remote = SocketAddr::from(([10, 0, 0, 1], 1));
    for (client, status) in [("198.51.100.1", 200), ("198.51.100.2", 200), ("198.51.100.1", 429)] {
        let forwarded = format!("X-Forwarded-For: {client}");
        assert_eq!(fixture.send(&["GET /sdk/index.js HTTP/1.1", &forwarded], b"").await.status, status);
    }
}

#[tokio::test]
async fn allowed_origins_may_call_without_credentials() {
    let fixture = Fixture::new();
    for origin in [OWN, "https://app.example"] {
        let reply = fixture.send(&["GET /health HTTP/1.1", &format!("Origin: {origin}")], b"").await;
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("vary"), Some("origin"));
    }
    let reply = fixture.send(&["GET /health HTTP/1.1", "Origin: https://evil.example"], b"").await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins_only() {
    let fixture = Fixture::new();
    let preflight = |origin: &str| {
        let origin = format!("Origin: {origin}");
        let fixture = &fixture;
        async move {
            let head = ["OPTIONS /v1/auth/guest HTTP/1.1", &origin, "Access-Control-Request-Method: POST"];
            fixture.send(&head, b"").await
        }
    };
    let reply = preflight("https://app.example").await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(reply.header("access-control-allow-headers").is_some_and(|headers| headers.contains("authorization")));
    assert_eq!(preflight("https://evil.example").await.problem(), "forbidden");
}

#[tokio::test]
async fn without_tls_on_a_tls_port_a_client_is_sent_to_https() {
    let mut fixture = Fixture::new();
    fixture.arrival.https_only = true;
    let reply = fixture.send(&["GET /v1/auth/me?x=1 HTTP/1.1"], b"").await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://localhost:8443/v1/auth/me?x=1")));
    fixture.arrival.secure = true;
    assert_eq!(fixture.get("/health").await.status, 200);
}
