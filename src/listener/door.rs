//! Doors: what a TCP listening address lets in, and how its socket is made.
use std::io;
use std::net::SocketAddr;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use tokio::net::TcpListener;

use crate::listener::first_bytes::Allowed;
use crate::listener::tls::Alpn;

/// Connections the kernel completes for us before we accept them. Linux cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// What may come in at an address.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// HTTPS, WSS, TURN over TLS, and without TLS STUN/TURN or HTTP: the first bytes decide.
    Shared,
    /// HTTP and WebSocket without TLS.
    Http,
    /// STUN and TURN without TLS.
    TurnTcp,
    /// STUN and TURN over TLS only.
    TurnTls,
}

impl Door {
    /// Every door, in the order of [`Door::index`].
    pub const ALL: [Door; 4] = [Door::Shared, Door::Http, Door::TurnTcp, Door::TurnTls];

    /// A dense number for tables.
    pub const fn index(self) -> usize {
        match self {
            Door::Shared => 0,
            Door::Http => 1,
            Door::TurnTcp => 2,
            Door::TurnTls => 3,
        }
    }

    /// The name used in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Door::Shared => "shared",
            Door::Http => "http",
            Door::TurnTcp => "turn_tcp",
            Door::TurnTls => "turn_tls",
        }
    }

    /// Whether this door needs a certificate.
    pub const fn speaks_tls(self) -> bool {
        matches!(self, Door::Shared | Door::TurnTls)
    }

    /// What the first bytes on the bare connection may be.
    pub(crate) const fn outside(self) -> Allowed {
        match self {
            Door::Shared => Allowed { tls: true, turn: true, http: true },
            Door::Http => Allowed { tls: false, turn: false, http: true },
            Door::TurnTcp => Allowed { tls: false, turn: true, http: false },
            Door::TurnTls => Allowed { tls: true, turn: false, http: false },
        }
    }

    /// What the first bytes inside TLS may be.
    ///
    /// A protocol agreed on by ALPN is binding: a client tricked into sending one protocol to the other's
    /// server (the ALPACA attacks) gets nowhere.
    pub(crate) const fn inside(self, alpn: Option<Alpn>) -> Allowed {
        let turn = matches!(alpn, None | Some(Alpn::StunTurn));
        let http = matches!(self, Door::Shared) && matches!(alpn, None | Some(Alpn::Http));
        Allowed { tls: false, turn, http }
    }
}

/// One address to listen on. Port 0 lets the kernel choose.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What comes in there.
    pub door: Door,
    /// Where.
    pub address: SocketAddr,
}

/// A listening socket and where it really is.
#[derive(Debug)]
pub struct Bound {
    /// What comes in there.
    pub door: Door,
    /// The address with the port the kernel gave.
    pub address: SocketAddr,
    pub(crate) socket: TcpListener,
}

impl Bound {
    /// Binds and listens. Must run inside the tokio runtime.
    ///
    /// An IPv6 address never takes IPv4 clients with it, so `0.0.0.0` and `[::]` can hold the same port.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says: address in use, not ours, not permitted.
    pub fn new(bind: Bind) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(bind.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if bind.address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&bind.address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        Ok(Self { door: bind.door, address: socket.local_addr()?, socket })
    }
}
