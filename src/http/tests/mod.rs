//! Requests against a whole server, over a pipe in memory.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::admission::Limits;
use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::secret::Secret;
use crate::auth::token::Subject;
use crate::auth::token::TokenSettings;
use crate::auth::token::Tokens;
use crate::events::Feed;
use crate::http::Arrival;
use crate::http::Hooks;
use crate::http::Origins;
use crate::http::Server;
use crate::http::Settings;
use crate::http::hooks::GuestHooks;
use crate::http::hooks::MetricsPage;
use crate::http::problem::Problem;
use crate::signal::ErrorCode;
use crate::signal::Peer;
use crate::store;
use crate::time::UnixMillis;

mod conduct;
mod identity;
mod life;
mod rooms;
mod signaling;
mod upgrade;

const NOW: UnixMillis = UnixMillis(1_763_600_000_000);

/// A page of our own.
const OWN: &str = "http://localhost:8080";

/// A server whose WebSockets echo, with real tokens.
struct Fixture {
    server: Server,
    arrival: Arrival,
    ready: Arc<AtomicBool>,
    /// Who came by WebSocket.
    peers: mpsc::Receiver<Peer>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let ready = Arc::new(AtomicBool::new(true));
        let (come, peers) = mpsc::channel(16);
        let arrival = Arrival {
            remote: SocketAddr::from(([192, 0, 2, 1], 4711)),
            local: SocketAddr::from(([192, 0, 2, 9], 8443)),
            secure: false,
            https_only: false,
            metrics: true,
        };
        Self { server: Server::new(settings, hooks(Arc::clone(&ready), come)), arrival, ready, peers }
    }

    fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        self.server.adopt(theirs, self.arrival);
        ours
    }

    /// Sends one request head (lines without line ends) and a body on a connection of its own.
    async fn send(&self, head: &[&str], body: &[u8]) -> Reply {
        let mut io = self.connect();
        let head = [head, &["Host: localhost:8080", "Connection: close", "", ""]].concat().join("\r\n");
        io.write_all(head.as_bytes()).await.expect("a pipe");
        io.write_all(body).await.expect("a pipe");
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.expect("a pipe");
        Reply::parse(&bytes)
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(&[&format!("GET {path} HTTP/1.1")], b"").await
    }

    async fn post(&self, path: &str, json: &str) -> Reply {
        let head = [
            format!("POST {path} HTTP/1.1"),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {}", json.len()),
        ];
        self.send(&head.each_ref().map(String::as_str), json.as_bytes()).await
    }
}

fn settings() -> Settings {
    Settings {
        origins: Origins::new(["https://app.example"]).with_own("localhost", &[8080], &[8443]),
        public_host: "localhost".to_owned(),
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        parents_from: Vec::new(),
        requests_per_minute: 600,
        sockets: Limits { total: 3, per_address: 2, exempt: Vec::new() },
    }
}

fn token_settings() -> TokenSettings {
    TokenSettings {
        secret: Secret::new(*b"a secret of thirty-two bytes, ok"),
        foreign_secrets: Vec::new(),
        old_secrets: Vec::new(),
        foreign_keys: ForeignKeys::default(),
        foreign_issuer: None,
        foreign_audience: None,
        access_ttl: Duration::from_secs(300),
        refresh_ttl: Duration::from_secs(3600),
    }
}

/// Of a store in which nothing happens.
fn events() -> Feed {
    let opened = store::runner::Opened::in_memory(store::Retention::default());
    Feed::new(store::runner::start(opened).expect("threads").0)
}

fn hooks(ready: Arc<AtomicBool>, come: mpsc::Sender<Peer>) -> Hooks {
    let tokens = Arc::new(Mutex::new(Tokens::new(&token_settings())));
    let (guests, refreshes, verifies) = (Arc::clone(&tokens), Arc::clone(&tokens), Arc::clone(&tokens));
    let passes = tokens;
    Hooks {
        challenge: None,
        socket: Arc::new(move |socket, peer| {
            let come = come.clone();
            Box::pin(async move {
                let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
                come.send(peer).await.expect("the test listens");
                while let Some(Ok(message)) = socket.next().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            })
        }),
        guest: Arc::new(move |_ip: IpAddr, device| {
            let issued = guests.lock().expect("lock").issue_guest(&device, NOW);
            Box::pin(async move { Ok(issued) })
        }),
        refresh: Arc::new(move |token| {
            let issued = refreshes.lock().expect("lock").refresh(&token, NOW);
            Box::pin(async move { Ok(issued?) })
        }),
        verify: Arc::new(move |_ip, token| {
            let identity = verifies.lock().expect("lock").verify(&token, NOW);
            Box::pin(async move { identity.map_err(|error| Problem::new(ErrorCode::Unauthorized, error.to_string())) })
        }),
        rooms: Arc::new(move |user, ask| {
            Box::pin(async move { Ok(serde_json::json!({"user": user, "ask": format!("{ask:?}")})) })
        }),
        blocks: Arc::new(|_, _| Box::pin(async { Ok(serde_json::json!({"blocks": []})) })),
        report: Arc::new(|_, _| Box::pin(async { Ok(serde_json::json!({"report": "r1"})) })),
        moderation: Arc::new(|_, ask| Box::pin(async move { Ok(serde_json::json!({"ask": format!("{ask:?}")})) })),
        person: Arc::new(|_, ask| Box::pin(async move { Ok(serde_json::json!({"ask": format!("{ask:?}")})) })),
        erase: Arc::new(|_| Box::pin(async { Ok(()) })),
        appeals: Arc::new(|_, _, ask| Box::pin(async move { Ok(serde_json::json!({"ask": format!("{ask:?}")})) })),
        device_pass: Arc::new(move |device| {
            let pass = passes.lock().expect("lock").issue_pass(&Subject::of_device(&device), NOW);
            Box::pin(async move { Ok(pass) })
        }),
        events: events(),
        ready: Arc::new(move || if ready.load(Ordering::Relaxed) { Ok(()) } else { Err("relay") }),
        metrics: Arc::new(|| MetricsPage { content_type: "text/plain", text: "numbers 1\n".to_owned() }),
        files: None,
        logout: Arc::new(|_, _| Box::pin(async { Ok(()) })),
        admin: None,
        accounts: None,
        guests: GuestHooks::default(),
        ice_servers: Arc::new(|identity| {
            Box::pin(async move { Ok(serde_json::json!({"user": identity.subject.user})) })
        }),
        stats: Arc::new(Arc::default),
    }
}

/// A response, taken apart.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().expect("a status line").split(' ').nth(1).expect("a status");
        let headers = lines.map(|line| line.split_once(": ").expect("a header"));
        Self {
            status: status.parse().expect("a number"),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Asserts a problem and returns its code.
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["type"], "about:blank");
        for text in ["title", "detail"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        }
        body["code"].as_str().expect("a code").to_owned()
    }
}
