//! With real signaling behind the routes.
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::auth::turn::Minter;
use crate::listener::Bind;
use crate::listener::Certificates;
use crate::listener::Door;
use crate::listener::Front;
use crate::listener::Sinks;
use crate::listener::local_ca;
use crate::matchmaking;
use crate::signal;
use crate::time::Clock;

/// A fixture with a hub; the tasks end with the set.
fn with_signaling() -> (Fixture, JoinSet<()>) {
    let clock = Clock::start();
    let (link, engine) = matchmaking::runner::start(matchmaking::Settings::default(), clock);
    let (relay, mut revocations) = mpsc::channel(16);
    let signaling = signal::Settings {
        server: signal::ServerName { name: "duologue".to_owned(), version: "0".to_owned(), node: "n1".to_owned() },
        limits: signal::Limits::default(),
        exempt: Vec::new(),
        guests: true,
        tokens: token_settings(),
        session_limit: None,
        ice_policy: signal::IcePolicy::All,
        ice_urls: Vec::new(),
        minter: Minter::new(Secret::new(*b"another secret")),
    };
    let (hub, task) = signal::start(signaling, clock, link, relay);
    let mut tasks = JoinSet::new();
    tasks.spawn(engine);
    tasks.spawn(task);
    tasks.spawn(async move { while revocations.recv().await.is_some() {} });
    let mut fixture = Fixture::new();
    let metrics = || MetricsPage { content_type: "text/plain", text: String::new() };
    fixture.server = Server::new(settings(), Hooks::to_signal(hub, Arc::new(|| Ok(())), Arc::new(metrics)));
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
async fn a_secure_websocket_comes_through_the_front_door() {
    let (fixture, _tasks) = with_signaling();
    let state = tempfile::TempDir::new().expect("a directory");
    let pair = local_ca::ensure(state.path(), "localhost", Clock::start().now().unix).expect("a pair");
    let front = Front::bind(crate::listener::Settings {
        binds: vec![Bind { door: Door::Shared, address: SocketAddr::from(([127, 0, 0, 1], 0)) }],
        certificates: Some(Certificates::load(&pair.cert, &pair.key).expect("it loads")),
        limits: Limits { total: 10, per_address: 10, exempt: Vec::new() },
    })
    .expect("loopback can be bound");
    let (_, address) = front.addresses()[0];
    let server = fixture.server.clone();
    let running = front.serve(Sinks {
        turn: Arc::new(|_| panic!("no TURN here")),
        http: Arc::new(move |http| {
            let arrival = Arrival {
                remote: http.remote,
                local: http.local,
                secure: http.secure,
                https_only: true,
                metrics: false,
            };
            server.adopt(http.io, arrival);
        }),
    });
    let socket = TcpStream::connect(address).await.expect("the door is open");
    let tls = TlsConnector::from(trusting(&pair.authority));
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let tls = tls.connect(name, socket).await.expect("a handshake");
    let answer = hello(tls, None, serde_json::json!({"guest": {"device_id": "d"}})).await;
    assert_eq!(answer["type"], "ok", "{answer}");
    fixture.server.shutdown(Duration::ZERO).await;
    assert_eq!(running.connections(), 0, "the upgraded connection held its place until its end");
    running.stop().await;
}

/// A browser-like client that trusts one authority.
fn trusting(authority: &std::path::Path) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(authority).expect("PEM")).expect("a certificate");
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
