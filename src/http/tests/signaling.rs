//! With real signaling behind the routes.
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::auth::turn::Minter;
use crate::bus::Bus as _;
use crate::bus::LocalBus;
use crate::bus::NodeId;
use crate::matchmaking;
use crate::signal;
use crate::time::Clock;

/// A fixture with a hub; the tasks end with the set.
fn with_signaling() -> (Fixture, JoinSet<()>) {
    let clock = Clock::start();
    let (link, engine) = matchmaking::runner::start(matchmaking::Settings::default(), clock);
    let (relay, mut revocations) = mpsc::channel(16);
    let opened = store::runner::Opened::in_memory(store::Retention::default());
    let (store, _) = store::runner::start(opened).expect("threads");
    let signaling = signal::Settings {
        server: signal::ServerName { name: "duologue".to_owned(), version: "0".to_owned(), node: "n1".to_owned() },
        limits: signal::Limits::default(),
        exempt: Vec::new(),
        guests: true,
        guests_by_hello: true,
        guests_work: false,
        accounts: false,
        keys: None,
        tokens: token_settings(),
        session_limit: None,
        resume_window: Duration::from_secs(30),
        queue_capacity: 200_000,
        ice_policy: signal::IcePolicy::All,
        ice_urls: Vec::new(),
        minter: Minter::new(Secret::new(*b"another secret")),
        invitation_secret: Secret::new(*b"signs invitations"),
        retention: store::Retention::default(),
        automatic: signal::Automatic::default(),
        screen: Arc::default(),
        classifier: None,
        survives: false,
        files: None,
    };
    let (line, carrier) = LocalBus::default().join(NodeId("node".into()));
    let (hub, task) = signal::start(signaling, clock, link, relay, store.clone(), line, signal::Past::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(engine);
    tasks.spawn(carrier);
    tasks.spawn(task);
    tasks.spawn(async move { while revocations.recv().await.is_some() {} });
    let mut fixture = Fixture::new();
    let metrics = || MetricsPage { content_type: "text/plain", text: String::new() };
    let hooks = Hooks::to_signal(hub, Arc::new(|| Ok(())), Arc::new(metrics), None, Feed::new(store));
    fixture.server = Server::new(settings(), hooks);
    (fixture, tasks)
}

/// Opens a WebSocket, says hello, and returns the answer.
async fn hello<S>(io: S, bearer: Option<&str>, data: Value) -> Value
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = "ws://localhost:8080/ws".into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert("origin", HeaderValue::from_static(OWN));
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("duologue.v1"));
    if let Some(token) = bearer {
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header value"));
    }
    let (mut socket, _) = tokio_tungstenite::client_async(request, io).await.expect("an upgrade");
    let hello = serde_json::json!({"type": "hello", "id": 1, "data": data});
    socket.send(Message::text(hello.to_string())).await.expect("open");
    loop {
        let message = socket.next().await.expect("open").expect("well-formed");
        let message: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
        if message["re"] == 1 {
            return message;
        }
    }
}

#[tokio::test]
async fn a_guest_made_by_rest_can_say_hello_with_its_bearer() {
    let (fixture, _tasks) = with_signaling();
    let guest = fixture.post("/v1/auth/guest", r#"{"device_id":"d"}"#).await.json();
    let token = guest["access_token"].as_str().expect("a token");
    let answer = hello(fixture.connect(), Some(token), serde_json::json!({})).await;
    assert_eq!((&answer["type"], &answer["data"]["user"]), (&"ok".into(), &guest["user"]));
}

#[tokio::test]
async fn refusals_of_signaling_are_problems() {
    let (fixture, _tasks) = with_signaling();
    for (path, body, status) in [
        ("/v1/auth/guest", r#"{"device_id":""}"#, 400),
        ("/v1/auth/guest", r#"{"device_id":"a\nb"}"#, 400),
        ("/v1/auth/refresh", r#"{"refresh_token":"x"}"#, 401),
    ] {
        let reply = fixture.post(path, body).await;
        assert_eq!(reply.status, status, "{path} {body}");
        reply.problem();
    }
    for guests in 0.. {
        let reply = fixture.post("/v1/auth/guest", r#"{"device_id":"d"}"#).await;
        if reply.status != 200 {
            assert_eq!((guests, reply.status, reply.problem().as_str()), (30, 429, "rate_limited"));
            assert!(reply.header("retry-after").is_some());
            break;
        }
    }
}

#[tokio::test]
async fn rule_39_blocks_are_made_listed_and_taken_back_over_rest() {
    let (fixture, _tasks) = with_signaling();
    let guest = fixture.post("/v1/auth/guest", r#"{"device_id":"d"}"#).await.json();
    let token = format!("Authorization: Bearer {}", guest["access_token"].as_str().expect("a token"));
    let json = "Content-Type: application/json";
    let post = async |body: &str| {
        let length = format!("Content-Length: {}", body.len());
        fixture.send(&["POST /v1/blocks HTTP/1.1", &token, json, &length], body.as_bytes()).await
    };
    assert_eq!(post(r#"{"user":"shop:bob"}"#).await.status, 204);
    for (body, status, code) in [
        (r#"{"user":"shop:bob","session":"s"}"#, 400, "bad_request"),
        (r#"{"session":"of others"}"#, 404, "not_in_session"),
    ] {
        let reply = post(body).await;
        assert_eq!((reply.status, reply.problem().as_str()), (status, code), "{body}");
    }
    let list = async || fixture.send(&["GET /v1/blocks HTTP/1.1", &token], b"").await.json();
    let listed = list().await;
    let blocks = listed["blocks"].as_array().expect("a list");
    assert_eq!(blocks.len(), 1);
    assert!(blocks[0]["at"].is_u64() && !listed.to_string().contains("bob"), "{listed}");
    let delete = format!("DELETE /v1/blocks/{} HTTP/1.1", blocks[0]["id"].as_str().expect("an id"));
    assert_eq!(fixture.send(&[&delete, &token], b"").await.status, 204);
    assert_eq!(fixture.send(&[&delete, &token], b"").await.problem(), "not_found");
    assert_eq!(list().await["blocks"], serde_json::json!([]));
    assert_eq!(fixture.get("/v1/blocks").await.problem(), "unauthorized");
}
