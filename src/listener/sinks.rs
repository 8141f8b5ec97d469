//! Where connections go when the front door knows what they are.
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::admission::Permit;
use crate::listener::door::Door;
use crate::listener::rewound::HttpIo;

/// A TURN client's connection, taken out of tokio: it belongs to a data-plane shard from here on.
#[derive(Debug)]
pub struct TurnConnection {
    /// Nonblocking, `TCP_NODELAY`, registered nowhere.
    pub socket: std::net::TcpStream,
    /// The TLS state, handshake done, everything decrypted so far moved to `early`. `None` without TLS.
    pub tls: Option<Box<rustls::ServerConnection>>,
    /// Plaintext already read: at least the bytes that told STUN from HTTP.
    pub early: Vec<u8>,
    /// The client.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// The address's place; keep it as long as the connection lives, or the cap means nothing.
    pub permit: Permit,
}

/// An HTTP client's connection: HTTP/1.1 or HTTP/2 follows, the bytes read for the decision first.
#[derive(Debug)]
pub struct HttpConnection {
    /// The stream; its place among the connections is held until it is dropped, also after an upgrade.
    pub io: HttpIo,
    /// The client, or the proxy before it.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Which door it came through.
    pub door: Door,
    /// The position of the address in [`crate::listener::Settings::binds`].
    pub bind: usize,
    /// Whether it came by TLS.
    pub secure: bool,
}

/// Takes the connections. Called on a tokio worker: must return at once.
#[derive(Clone)]
pub struct Sinks {
    /// Gets every STUN/TURN connection.
    pub turn: Arc<dyn Fn(TurnConnection) + Send + Sync>,
    /// Gets every HTTP connection.
    pub http: Arc<dyn Fn(HttpConnection) + Send + Sync>,
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sinks").finish_non_exhaustive()
    }
}
