//! One port serves browsers and TURN clients: the front door, the HTTP side and signaling put together.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use duologue::admission::Limits;
use duologue::auth::foreign_keys::ForeignKeys;
use duologue::auth::secret::Secret;
use duologue::auth::token::TokenSettings;
use duologue::auth::turn::Minter;
use duologue::bus::Bus as _;
use duologue::bus::LocalBus;
use duologue::bus::NodeId;
use duologue::events::Feed;
use duologue::http;
use duologue::http::hooks::MetricsPage;
use duologue::listener::Bind;
use duologue::listener::Certificates;
use duologue::listener::Door;
use duologue::listener::Front;
use duologue::listener::Running;
use duologue::listener::Settings;
use duologue::listener::Sinks;
use duologue::listener::local_ca;
use duologue::matchmaking;
use duologue::signal;
use duologue::store;
use duologue::time::Clock;
use futures_util::SinkExt;
use futures_util::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Everything behind one shared door on loopback; the tasks end with the set.
struct House {
    address: SocketAddr,
    connector: TlsConnector,
    server: http::Server,
    running: Running,
    /// How many TURN connections came, told by their early bytes.
    turn: mpsc::Receiver<Vec<u8>>,
    _tasks: JoinSet<()>,
    _state: TempDir,
}

impl House {
    fn open() -> Self {
        let state = TempDir::new().expect("a directory");
        let clock = Clock::start();
        let pair = local_ca::ensure(state.path(), "localhost", clock.now().unix).expect("a pair");
        let front = Front::bind(Settings {
            binds: vec![Bind { door: Door::Shared, address: SocketAddr::from(([127, 0, 0, 1], 0)) }],
            certificates: Some(Certificates::load(&pair.cert, &pair.key).expect("it loads")),
            limits: limits(),
        })
        .expect("loopback can be bound");
        let (_, address) = front.addresses()[0];

        let mut tasks = JoinSet::new();
        let (hub, feed) = signaling(clock, &mut tasks);
        let metrics = || MetricsPage { content_type: "text/plain", text: String::new() };
        let server = http::Server::new(
            http::Settings {
                origins: http::Origins::default().with_own("localhost", &[], &[address.port()]),
                public_host: "localhost".to_owned(),
                trusted_proxies: Vec::new(),
                parents_from: Vec::new(),
                requests_per_minute: 600,
                sockets: limits(),
            },
            http::Hooks::to_signal(hub, Arc::new(|| Ok(())), Arc::new(metrics), None, feed),
        );

        let (come, turn) = mpsc::channel(16);
        let http_server = server.clone();
        let running = front.serve(Sinks {
            turn: Arc::new(move |turn| come.try_send(turn.early).expect("the test listens")),
            http: Arc::new(move |http| {
                let arrival = http::Arrival {
                    remote: http.remote,
                    local: http.local,
                    secure: http.secure,
                    https_only: true,
                    metrics: false,
                };
                http_server.adopt(http.io, arrival);
            }),
        });

        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&pair.authority).expect("PEM")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        Self { address, connector, server, running, turn, _tasks: tasks, _state: state }
    }

    async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the door is open")
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        self.connector.connect(name, self.plain().await).await.expect("a handshake")
    }

    async fn close(self) {
        self.server.shutdown(Duration::ZERO).await;
        assert_eq!(self.running.connections(), 0, "every place is given back");
        self.running.stop().await;
    }
}

fn limits() -> Limits {
    Limits { total: 10, per_address: 10, exempt: Vec::new() }
}

fn signaling(clock: Clock, tasks: &mut JoinSet<()>) -> (signal::Handle, Feed) {
    let (link, engine) = matchmaking::runner::start(matchmaking::Settings::default(), clock);
    let (relay, mut revocations) = mpsc::channel(16);
    let opened = store::runner::Opened::in_memory(store::Retention::default());
    let (store, _) = store::runner::start(opened).expect("threads");
    let settings = signal::Settings {
        server: signal::ServerName { name: "duologue".to_owned(), version: "0".to_owned(), node: "n1".to_owned() },
        limits: signal::Limits::default(),
        exempt: Vec::new(),
        guests: true,
        guests_by_hello: true,
        guests_work: false,
        accounts: false,
        keys: None,
        tokens: TokenSettings {
            secret: Secret::new(*b"a secret of thirty-two bytes, ok"),
            foreign_secrets: Vec::new(),
            old_secrets: Vec::new(),
            foreign_keys: ForeignKeys::default(),
            foreign_issuer: None,
            foreign_audience: None,
            access_ttl: Duration::from_secs(300),
            refresh_ttl: Duration::from_secs(3600),
        },
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
    let (hub, task) = signal::start(settings, clock, link, relay, store.clone(), line, signal::Past::default());
    tasks.spawn(engine);
    tasks.spawn(carrier);
    tasks.spawn(task);
    tasks.spawn(async move { while revocations.recv().await.is_some() {} });
    (hub, Feed::new(store))
}

#[tokio::test]
async fn a_secure_websocket_comes_in_and_gives_its_place_back() {
    let house = House::open();
    let mut request = "wss://localhost/ws".into_client_request().expect("a request");
    let origin = format!("https://localhost:{}", house.address.port());
    request.headers_mut().insert("origin", origin.parse().expect("a header value"));
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("duologue.v1"));
    let (mut socket, _) = tokio_tungstenite::client_async(request, house.tls().await).await.expect("an upgrade");
    let hello = json!({"type": "hello", "id": 1, "data": {"guest": {"device_id": "d"}}});
    socket.send(Message::text(hello.to_string())).await.expect("open");
    let answer = loop {
        let message = socket.next().await.expect("open").expect("well-formed");
        let message: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
        if message["re"] == 1 {
            break message;
        }
    };
    assert_eq!(answer["type"], "ok", "{answer}");
    assert_eq!((house.running.connections(), house.server.sockets()), (1, 1));
    house.close().await;
}

#[tokio::test]
async fn a_page_comes_by_tls_and_who_forgot_it_is_sent_there() {
    let house = House::open();
    let get = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut tls, mut answer) = (house.tls().await, String::new());
    tls.write_all(get).await.expect("sent");
    tls.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (mut plain, mut answer) = (house.plain().await, String::new());
    plain.write_all(get).await.expect("sent");
    plain.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "a watcher follows no redirect: {answer}");
    let page = b"GET /?tag=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut plain, mut answer) = (house.plain().await, String::new());
    plain.write_all(page).await.expect("sent");
    plain.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{answer}");
    let location = format!("\r\nlocation: https://localhost:{}/?tag=a\r\n", house.address.port());
    assert!(answer.contains(&location), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn turn_comes_in_at_the_same_port_with_and_without_tls() {
    let mut house = House::open();
    let binding = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    house.plain().await.write_all(&binding).await.expect("sent");
    assert_eq!(house.turn.recv().await.as_deref(), Some(&binding[..]));
    house.tls().await.write_all(&binding).await.expect("sent");
    assert_eq!(house.turn.recv().await.as_deref(), Some(&binding[..]));
    house.close().await;
}
