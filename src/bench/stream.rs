//! Clients over TCP and TLS: framed messages on a connection.
use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::bench::plan::Transport;
use crate::measure::Pipe;
use crate::stun::framing::Framing;
use crate::stun::framing::next_frame;

/// For connecting and for the TLS handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that may wait for the server; beyond, a client sends nothing more.
const UNSENT_MAX: usize = 128 * 1024;

/// All connections of the load.
pub(super) struct Streams {
    tls: Option<Arc<ClientConfig>>,
    streams: Vec<Stream>,
}

impl Streams {
    /// None yet.
    ///
    /// # Errors
    ///
    /// The certificates of the authority cannot be read.
    pub(super) fn new(transport: &Transport) -> io::Result<Self> {
        let tls = match transport {
            Transport::Udp | Transport::Tcp => None,
            Transport::Tls(trust) => Some(Arc::new(trust.client_config().map_err(io::Error::other)?)),
        };
        Ok(Self { tls, streams: Vec::new() })
    }

    /// Connects once more and returns the number of the connection.
    ///
    /// # Errors
    ///
    /// The server does not accept, or TLS fails.
    pub(super) fn open(&mut self, server: SocketAddr) -> io::Result<usize> {
        let stream = Stream::connect(server, self.tls.clone())?;
        self.streams.push(stream);
        Ok(self.streams.len() - 1)
    }

    /// Replaces a connection by a new one.
    ///
    /// # Errors
    ///
    /// As [`Streams::open`].
    pub(super) fn reopen(&mut self, at: usize, server: SocketAddr) -> io::Result<()> {
        let stream = Stream::connect(server, self.tls.clone())?;
        if let Some(old) = self.streams.get_mut(at) {
            *old = stream;
        }
        Ok(())
    }

    pub(super) fn get(&self, at: usize) -> Option<&Stream> {
        self.streams.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Stream> {
        self.streams.get_mut(at)
    }
}

/// One connection.
pub(super) struct Stream {
    /// Begins with the start of a message whose end has not come.
    pipe: Pipe,
}

impl Stream {
    fn connect(server: SocketAddr, tls: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let mut socket = TcpStream::connect_timeout(&server, PATIENCE)?;
        socket.set_nodelay(true)?;
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = ServerName::IpAddress(server.ip().into());
                let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                while connection.is_handshaking() {
                    connection.complete_io(&mut socket)?;
                }
                Some(connection)
            }
        };
        socket.set_nonblocking(true)?;
        Ok(Self { pipe: Pipe::new(socket, tls) })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Whether the server takes less than it is given.
    pub(super) fn is_blocked(&self) -> bool {
        self.pipe.unsent() > UNSENT_MAX
    }

    /// Adds the parts of a message to what is to be sent.
    pub(super) fn queue<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) {
        parts.for_each(|part| self.pipe.queue(part));
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// The connection ended.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }

    /// Reads once, with `room` as scratch memory, and tells every whole message.
    ///
    /// # Errors
    ///
    /// The connection ended, or what came is no message.
    pub(super) fn hear(&mut self, room: &mut [u8], on_message: &mut impl FnMut(&[u8])) -> io::Result<()> {
        // What is left wakes the poll again.
        let _more = self.pipe.fill(room)?;
        let unread = &mut self.pipe.unread;
        let mut at = 0;
        loop {
            let rest = unread.get(at..).unwrap_or_default();
            match next_frame(rest) {
                Framing::Frame { len, consumed } => {
                    on_message(rest.get(..len).unwrap_or_default());
                    at += consumed;
                }
                Framing::Incomplete { .. } => break,
                Framing::Invalid => return Err(io::Error::other("the server sent no STUN message")),
            }
        }
        drop(unread.drain(..at));
        Ok(())
    }
}
