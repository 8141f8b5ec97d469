//! Certificates by ACME, against pebble: the built program orders them, keeps them and renews them under those who are
//! connected.
#[path = "acme/authority.rs"]
mod authority;
mod support;

use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls::ClientConnection;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use authority::Authority;
use authority::Mood;
use support::Server;
use support::eventually;
use support::wire;
use support::wire::Data;
use support::wire::Way;
use support::wire::Wire;

/// Enough for an order with all that belongs to it, and for a further attempt after a nonce was rejected too often.
const PATIENCE: Duration = Duration::from_secs(180);
const ORDERS: &str = "duologue_acme_orders_total";

/// The leaf that is shown for a name to somebody with that trust, or why there is none.
fn shown(address: SocketAddr, trust: &Arc<ClientConfig>, name: &'static str) -> Result<Vec<u8>, String> {
    let mut socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    let mut tls = ClientConnection::new(Arc::clone(trust), name.try_into().expect("a name")).expect("a TLS client");
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(|error| error.to_string())?;
    }
    Ok(tls.peer_certificates().expect("a certificate")[0].to_vec())
}

fn issued(server: &Server) -> f64 {
    server.metric(ORDERS, "issued")
}

fn failed(server: &Server) -> f64 {
    server.metric(ORDERS, "failed")
}

fn orders(authority: &Authority) -> usize {
    authority.books.lock().expect("not poisoned").orders.len()
}

fn is_issued_and_kept(challenge: &str) {
    let authority = Authority::start();
    let mut server = Server::start(&authority.settings(challenge));
    assert!(eventually(PATIENCE, || issued(&server) >= 1.0), "a certificate comes");
    let trust = authority.trusting();
    let first = shown(server.addr("shared"), &trust, "chat.example.test").expect("both doors show it");
    assert_eq!(shown(server.addr("turn-tls"), &trust, "turn.example.test").as_ref(), Ok(&first));
    let (made, directory) = (orders(&authority), server.state.path().join("acme"));
    for entry in std::fs::read_dir(&directory).expect("the files are there") {
        let mode = entry.expect("an entry").metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    server.restart();
    assert_eq!(shown(server.addr("shared"), &trust, "chat.example.test").as_ref(), Ok(&first), "it is there at once");
    server.signal("HUP");
    assert!(eventually(PATIENCE, || server.get("/health/ready").0 == 200));
    assert_eq!((issued(&server), orders(&authority)), (0.0, made), "nothing is ordered that is there");
}

#[test]
fn a_certificate_is_issued_by_a_handshake_and_kept_over_a_restart() {
    is_issued_and_kept("tls-alpn-01");
}

#[test]
fn a_certificate_is_issued_over_http_and_kept_over_a_restart() {
    is_issued_and_kept("http-01");
}

#[test]
fn a_self_signed_certificate_serves_while_the_authority_wants_a_pause() {
    let authority = Authority::start();
    authority.is_in(Mood::Busy(5));
    let server = Server::start(&authority.settings("tls-alpn-01"));
    assert!(eventually(PATIENCE, || failed(&server) >= 1.0), "it is told to wait");
    shown(server.addr("shared"), &support::tls_config(&server), "localhost").expect("the self-signed one serves");
    // Nobody may make it ask earlier.
    server.signal("HUP");
    assert!(eventually(PATIENCE, || issued(&server) >= 1.0), "a certificate comes");
    let books = authority.books.lock().expect("not poisoned");
    let [refused, next, ..] = books.orders.as_slice() else { panic!("two orders: {:?}", books.orders) };
    assert!(next.duration_since(*refused) >= Duration::from_secs(5), "it asked too early");
}

#[test]
fn no_authority_is_answered_when_none_is_asked() {
    let server = Server::start("");
    assert_eq!(server.get("/.well-known/acme-challenge/anything").0, 404);
    let mut config = ClientConfig::clone(&support::tls_config(&server));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let refused = shown(server.addr("shared"), &Arc::new(config), "localhost");
    assert!(refused.is_err(), "{refused:?}");
}

/// Somebody who is connected over both protocols, and misses nothing.
struct Caller {
    turn: Wire,
    peer: std::net::UdpSocket,
    peer_address: SocketAddr,
    socket: WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>,
    exchanged: u32,
}

impl Caller {
    async fn connect(server: &Server) -> Caller {
        let way = Way::to(server, "tls", server.addr("shared"));
        let (mut turn, _) = Wire::allocated(&way, "across-a-renewal");
        let (peer, peer_address) = wire::peer("127.0.0.1");
        assert_eq!(turn.bind(0x4000, peer_address).code(), 0, "a channel");
        let stream = tokio::net::TcpStream::connect(server.addr("shared")).await.expect("connect");
        let connector = tokio_rustls::TlsConnector::from(support::tls_config(server));
        let stream = connector.connect("localhost".try_into().expect("a name"), stream).await.expect("TLS");
        let port = server.addr("shared").port();
        let mut request = format!("wss://localhost:{port}/ws").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("origin", format!("https://localhost:{port}").parse().expect("a header"));
        headers.insert("sec-websocket-protocol", "duologue.v1".parse().expect("a header"));
        let (mut socket, _) = client_async(request, stream).await.expect("upgrade");
        // Who says nothing is sent away after some seconds.
        let client = json!({"name": "test", "version": "1"});
        let guest = json!({"device_id": "device-across-a-renewal"});
        let hello = json!({"type": "hello", "id": 1, "data": {"guest": guest, "client": client}});
        socket.send(Message::text(hello.to_string())).await.expect("send");
        Caller { turn, peer, peer_address, socket, exchanged: 0 }
    }

    /// A packet to the peer and one back, a frame to the server and one back.
    async fn exchange(&mut self) {
        let payload = self.exchanged.to_be_bytes();
        self.exchanged += 1;
        self.turn.channel(0x4000, &payload);
        let (heard, from) = wire::heard(&self.peer, PATIENCE).expect("the packet arrives");
        assert_eq!(heard, payload);
        self.peer.send_to(&heard, from).expect("send");
        assert_eq!(self.turn.data(PATIENCE), Some(Data::Channel(0x4000, payload.to_vec())), "{}", self.peer_address);
        self.socket.send(Message::Ping(payload.to_vec().into())).await.expect("send");
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time");
            if let Message::Pong(pong) = frame.expect("the connection lives").expect("a frame") {
                assert_eq!(pong.as_ref(), payload);
                return;
            }
        }
    }

    /// Goes on until something is so.
    async fn exchange_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.exchange().await;
            if condition() {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "not in time: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_those_who_are_connected() {
    let authority = Authority::start();
    authority.is_in(Mood::Down);
    let server = Server::start(&authority.settings("tls-alpn-01"));
    assert!(eventually(PATIENCE, || failed(&server) >= 1.0), "the authority is down");
    let mut caller = Caller::connect(&server).await;
    caller.exchange().await;

    authority.is_in(Mood::Good);
    server.signal("HUP");
    caller.exchange_until("the first certificate", || issued(&server) >= 1.0).await;
    let trust = authority.trusting();
    let look = || shown(server.addr("shared"), &trust, "chat.example.test").expect("a good certificate");
    let first = look();

    authority.recall();
    server.signal("HUP");
    caller.exchange_until("a renewal as the authority wants it", || issued(&server) >= 2.0).await;
    let second = look();
    assert_ne!(first, second);
    assert_eq!(authority.books.lock().expect("not poisoned").replaced.len(), 1, "it says what it replaces");

    let before = failed(&server);
    authority.is_in(Mood::Rubbish);
    authority.recall();
    server.signal("HUP");
    caller.exchange_until("a certificate that is none", || failed(&server) > before).await;
    assert_eq!(look(), second, "the old one stays");
    caller.exchange().await;
    assert_eq!(server.get("/health/ready").0, 200);
}
