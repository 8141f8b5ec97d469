//! The server under load, and how clients reach it.
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;

use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use crate::load::client::KEY;
use crate::load::plan::Plan;
use crate::measure::Pipe;

/// Clients that share a source address: the ports of one address, less those that rest.
const CLIENTS_PER_SOURCE: usize = 10_000;

/// Addresses that clients may have at once, so that one of them is never short of ports.
const SOURCES_MIN: usize = 8;

/// See the module's documentation.
pub(super) struct Target {
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    /// Clients of this number and beyond are flooders.
    honest: usize,
    sources: usize,
    /// Asks for the upgrade.
    pub(super) request: Vec<u8>,
}

impl Target {
    /// The target of a plan.
    ///
    /// # Errors
    ///
    /// The certificates of the authority cannot be read.
    pub(super) fn of(plan: &Plan) -> anyhow::Result<Self> {
        let tls = match &plan.tls {
            None => None,
            Some(trust) => {
                let mut config = trust.client_config()?;
                // Every client is somebody else: a handshake must not be shortened by another's ticket.
                config.resumption = Resumption::disabled();
                Some(Arc::new(config))
            }
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = plan.origin.clone().unwrap_or_else(|| format!("{scheme}://localhost:{}", plan.server.port()));
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: duologue.v1\r\n\r\n",
            plan.server
        );
        let sources = plan.connections.div_ceil(CLIENTS_PER_SOURCE).max(SOURCES_MIN);
        Ok(Self { server: plan.server, tls, honest: plan.connections, sources, request: request.into_bytes() })
    }

    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// What the system calls report.
    pub(super) fn connect(&self, client: usize) -> io::Result<Pipe> {
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.source(client) {
            // A port that rests after an earlier run may be used again.
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&self.server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let tls = match &self.tls {
            None => None,
            Some(config) => {
                let name = ServerName::IpAddress(self.server.ip().into());
                Some(ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?)
            }
        };
        Ok(Pipe::new(TcpStream::from(socket), tls))
    }

    /// The address of a client, if the server is on loopback: all of 127/8 is this machine, so one address never runs out of
    /// ports. The server is told to count nothing by address for 127.2/16; flooders come from elsewhere.
    fn source(&self, client: usize) -> Option<IpAddr> {
        let IpAddr::V4(ip) = self.server.ip() else { return None };
        let source = match u32::try_from(client % self.sources) {
            Ok(last) if client < self.honest => Ipv4Addr::from_bits(Ipv4Addr::new(127, 2, 0, 1).to_bits() + last),
            Ok(_) | Err(_) => Ipv4Addr::new(127, 3, 0, 1),
        };
        ip.is_loopback().then_some(source.into())
    }
}
