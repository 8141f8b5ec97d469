//! A client's connection: bytes in, bytes out, TLS in between or not; never waits.
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use rustls::ClientConnection;

/// One connection. Its owner takes messages out of [`Pipe::unread`].
pub(crate) struct Pipe {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was read and nobody has taken.
    pub(crate) unread: Vec<u8>,
    /// Bytes that the socket did not take yet; encrypted ones wait in `tls`.
    unsent: Vec<u8>,
}

impl Pipe {
    /// Takes a socket that does not block; the TLS handshake may be still to come.
    pub(crate) fn new(socket: TcpStream, tls: Option<ClientConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new), unread: Vec::new(), unsent: Vec::new() }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Bytes that wait for the server, before encryption.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Adds bytes to what is to be sent.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// The connection ended.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            while !self.unsent.is_empty() {
                match self.socket.write(&self.unsent) {
                    Ok(written) => drop(self.unsent.drain(..written)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        };
        loop {
            // What is encrypted leaves first: rustls takes no more than it has room for.
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            match tls.writer().write(&self.unsent)? {
                // Before the handshake is done rustls keeps a bounded amount.
                0 => return Ok(()),
                taken => drop(self.unsent.drain(..taken)),
            }
        }
    }

    /// Reads once, with `room` as scratch memory, and returns whether there may be more.
    ///
    /// # Errors
    ///
    /// The connection ended, or TLS is broken.
    pub(crate) fn fill(&mut self, room: &mut [u8]) -> io::Result<bool> {
        let read = match self.socket.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut came = room.get(..read).unwrap_or_default();
        match &mut self.tls {
            None => self.unread.extend_from_slice(came),
            // More at once than rustls would ask for.
            Some(tls) => {
                while !came.is_empty() {
                    tls.read_tls(&mut came)?;
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let known = self.unread.len();
                    self.unread.resize(known + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(self.unread.get_mut(known..).unwrap_or_default())?;
                }
            }
        }
        Ok(read == room.len())
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
