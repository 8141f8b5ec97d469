//! Whole-door tests on loopback.
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::admission::Limits;
use crate::listener::Bind;
use crate::listener::Certificates;
use crate::listener::Door;
use crate::listener::Front;
use crate::listener::HttpConnection;
use crate::listener::Running;
use crate::listener::Settings;
use crate::listener::Sinks;
use crate::listener::TurnConnection;
use crate::listener::counters::Outcome;
use crate::listener::local_ca;
use crate::time::Clock;

mod inside_tls;
mod local_pair;
mod outside_tls;
mod renewal;
mod silence;

/// A STUN Binding request without attributes.
const BINDING: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What a sink got.
enum Given {
    Turn(TurnConnection),
    Http(HttpConnection),
}

/// One open door.
struct Fixture {
    door: Door,
    address: SocketAddr,
    running: Running,
    given: mpsc::Receiver<Given>,
    certificates: Arc<Certificates>,
    state: TempDir,
}

impl Fixture {
    fn open(door: Door) -> Self {
        Self::with_places(door, 100)
    }

    fn with_places(door: Door, per_address: usize) -> Self {
        let state = TempDir::new().expect("a directory");
        let pair = local_ca::ensure(state.path(), "localhost", Clock::start().now().unix).expect("a pair");
        let certificates = Certificates::load(&pair.cert, &pair.key).expect("it loads");
        let front = Front::bind(Settings {
            binds: vec![Bind { door, address: SocketAddr::from(([127, 0, 0, 1], 0)) }],
            certificates: Some(Arc::clone(&certificates)),
            limits: Limits { total: 100, per_address, exempt: Vec::new() },
        })
        .expect("loopback can be bound");
        let address = front.addresses()[0].1;
        let (give, given) = mpsc::channel(16);
        let give_http = give.clone();
        let running = front.serve(Sinks {
            turn: Arc::new(move |turn| give.try_send(Given::Turn(turn)).unwrap_or_default()),
            http: Arc::new(move |http| give_http.try_send(Given::Http(http)).unwrap_or_default()),
        });
        Self { door, address, running, given, certificates, state }
    }

    async fn connect(&self) -> Trickle<TcpStream> {
        let socket = TcpStream::connect(self.address).await.expect("the door is open");
        socket.set_nodelay(true).expect("a live socket");
        Trickle { inner: socket, trickling: false }
    }

    async fn turn(&mut self) -> TurnConnection {
        match self.given.recv().await {
            Some(Given::Turn(turn)) => turn,
            Some(Given::Http(_)) => panic!("HTTP, but TURN was meant"),
            None => panic!("nothing was given away"),
        }
    }

    async fn http(&mut self) -> HttpConnection {
        match self.given.recv().await {
            Some(Given::Http(http)) => http,
            Some(Given::Turn(_)) => panic!("TURN, but HTTP was meant"),
            None => panic!("nothing was given away"),
        }
    }

    /// Waits until `times` connections have ended as `outcome`.
    async fn counted(&self, outcome: Outcome, times: u64) {
        let counters = self.running.counters();
        // Bounded by turns, not by time: the clock may stand still.
        for _ in 0..1_000_000 {
            if counters.count(self.door, outcome) >= times {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(counters.count(self.door, outcome), times);
    }

    async fn tls(&self, alpn: &[&[u8]]) -> io::Result<TlsStream<Trickle<TcpStream>>> {
        handshake(self.connect().await, &client(self.state.path(), alpn)).await
    }
}

/// A client that trusts the authority in the state directory.
fn client(state: &Path, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(state.join("tls/local-ca.pem")).expect("PEM");
    roots.add(authority).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn handshake(socket: Trickle<TcpStream>, connector: &TlsConnector) -> io::Result<TlsStream<Trickle<TcpStream>>> {
    connector.connect(ServerName::try_from("localhost").expect("a name"), socket).await
}

/// A stream that can send its bytes one by one.
#[derive(Debug)]
struct Trickle<T> {
    inner: T,
    trickling: bool,
}

impl<T: AsyncRead + Unpin> AsyncRead for Trickle<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Trickle<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let len = if self.trickling { buf.len().min(1) } else { buf.len() };
        Pin::new(&mut self.inner).poll_write(cx, &buf[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
