//! A data plane for tests, with loopback addresses and peers.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use tokio::sync::mpsc;

use super::client::Client;
use crate::auth::nonce::NonceKey;
use crate::auth::nonce::SecurityFeatures;
use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::auth::turn::TurnCredential;
use crate::auth::turn::Verifier;
use crate::relay::Config;
use crate::relay::DropReason;
use crate::relay::Limits;
use crate::relay::Mode;
use crate::relay::PeerPolicy;
use crate::relay::Quotas;
use crate::relay::RelayAddress;
use crate::relay::Strangers;
use crate::relay::Usage;
use crate::stun::ChannelRange;
use crate::time::Clock;
use crate::transport::DataPlane;
use crate::transport::IoEvent;
use crate::transport::Settings;
use crate::transport::TurnStream;
use crate::transport::steering;

/// Nothing on loopback takes this long unless it is lost, however busy the machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const SECRET: &[u8] = b"a secret of the tests";

/// A running data plane and what is needed to talk to it.
pub(super) struct Plane {
    pub(super) handle: DataPlane,
    pub(super) usage: mpsc::Receiver<Usage>,
}

/// Two shards on `127.0.0.1`, peers on loopback allowed.
pub(super) fn settings() -> Settings {
    let loopback = |ip: IpAddr| RelayAddress { local: ip, external: ip };
    Settings {
        udp_listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        shards: 2,
        pin: false,
        moderation: Duration::from_micros(200),
        relay: config(),
        relay_addresses: vec![loopback(Ipv4Addr::LOCALHOST.into()), loopback(Ipv6Addr::LOCALHOST.into())],
        // Below the ports that the kernel gives to the sockets of the tests themselves.
        port_range: 20_000..=29_999,
        quotas: Quotas::default(),
    }
}

pub(super) fn config() -> Config {
    let allow = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network"));
    Config {
        mode: Mode::Ports,
        limits: Limits::default(),
        strangers: Strangers { exempt: allow.to_vec(), ..Strangers::default() },
        policy: PeerPolicy { allow: allow.to_vec(), ..PeerPolicy::default() },
        verifier: Verifier::new("tests", vec![Secret::new(SECRET)], BTreeMap::new()),
        nonce_key: NonceKey::derive(&Secret::new(SECRET)),
        features: SecurityFeatures::PasswordAlgorithms,
        strict_expiry: false,
        is_traced: false,
        channel_range: ChannelRange::Rfc8656,
        alternate_server: None,
        dont_fragment: true,
    }
}

/// A credential of this session, good for an hour.
pub(super) fn credential(session: &str) -> TurnCredential {
    let expires = Clock::start().now().unix.as_secs() + 3600;
    Minter::new(Secret::new(SECRET)).mint(session, expires)
}

impl Plane {
    pub(super) fn start(settings: Settings) -> Self {
        let (sender, usage) = mpsc::channel(64);
        let handle = DataPlane::start(settings, Clock::start(), sender).expect("the data plane starts");
        Self { handle, usage }
    }

    /// The first UDP listener.
    pub(super) fn udp_address(&self) -> SocketAddr {
        self.handle.udp_addresses()[0]
    }

    /// A client over UDP with credentials of `session`.
    pub(super) fn udp_client(&self, session: &str) -> Client {
        let server = self.udp_address();
        let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a socket");
        Client::udp(socket, server, credential(session))
    }

    /// A client over UDP that is served by this one of two shards.
    pub(super) fn udp_client_on(&self, shard: u32, session: &str) -> Client {
        let server = self.udp_address();
        let socket = (0..64)
            .map(|_| UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a socket"))
            .find(|socket| steering::shard_of(socket.local_addr().expect("an address"), 2) == shard)
            .expect("one of 64 ports belongs to the shard");
        Client::udp(socket, server, credential(session))
    }

    /// A client over TCP. Connections go to the shards in turn.
    pub(super) fn tcp_client(&self, session: &str) -> Client {
        let (ours, theirs) = tcp_pair();
        self.handle.adopt(TurnStream { socket: theirs, tls: None, early: Vec::new(), place: None });
        Client::stream(ours, credential(session))
    }

    /// A client over TLS, handshake done.
    pub(super) fn tls_client(&self, session: &str) -> Client {
        self.tls_client_with_socket(session).0
    }

    /// A client over TLS and the socket below it.
    pub(super) fn tls_client_with_socket(&self, session: &str) -> (Client, TcpStream) {
        let (ours, mut theirs) = tcp_pair();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("a server configuration");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(client), name).expect("a connection");
        let socket = ours.try_clone().expect("a second handle");
        let mut ours = StreamOwned::new(connection, ours);
        let door = std::thread::spawn(move || {
            let mut tls = ServerConnection::new(Arc::new(server)).expect("a connection");
            while tls.is_handshaking() {
                tls.complete_io(&mut theirs).expect("a handshake");
            }
            TurnStream { socket: theirs, tls: Some(Box::new(tls)), early: Vec::new(), place: None }
        });
        while ours.conn.is_handshaking() {
            ours.conn.complete_io(&mut ours.sock).expect("a handshake");
        }
        self.handle.adopt(door.join().expect("the front door"));
        (Client::stream(ours, credential(session)), socket)
    }

    /// The usage record of the next allocation that ends.
    pub(super) fn next_usage(&mut self) -> Usage {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let next = runtime.block_on(async { tokio::time::timeout(PATIENCE, self.usage.recv()).await });
        next.expect("a usage record in time").expect("an open queue")
    }

    /// How often this happened, on all shards.
    pub(super) fn count(&self, event: IoEvent) -> u64 {
        self.handle.io_counters().iter().map(|counters| counters.count(event)).sum()
    }

    /// How many packets were dropped for this reason, on all shards.
    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        let counters = self.handle.counters();
        let dropped = counters.iter().flat_map(|counters| counters.dropped());
        dropped.filter(|(of, _)| *of == reason).map(|(_, packets)| packets).sum()
    }

    /// Does `step` until `event` was counted.
    pub(super) fn until_counted(&self, event: IoEvent, mut step: impl FnMut()) {
        let deadline = Instant::now() + PATIENCE;
        while self.count(event) == 0 {
            assert!(Instant::now() < deadline, "{event:?} does not happen");
            step();
        }
    }
}

/// Both ends of a TCP connection over loopback.
pub(super) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    ours.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    ours.set_nodelay(true).expect("no delay");
    let (theirs, _) = listener.accept().expect("a connection");
    (ours, theirs)
}

/// A peer on loopback, in the family of `like`.
pub(super) fn peer(like: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(like, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// A peer whose port is closed, and stays so as long as the socket lives: nobody else gets it, and it hears only from where
/// nobody sends.
pub(super) fn closed_peer(like: IpAddr) -> (UdpSocket, SocketAddr) {
    let socket = peer(like);
    socket.connect(SocketAddr::new(like, 9)).expect("a way");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}
