//! One TCP or TLS connection of a client: bytes in, bytes out, nothing about TURN.
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use rustls::ServerConnection;
use socket2::SockRef;
use socket2::TcpKeepalive;

use crate::admission::Permit;
use crate::relay::ClientAddr;
use crate::relay::StreamId;
use crate::relay::Via;
use crate::stun::framing::FRAME_MAX;
use crate::time::Mono;
use crate::transport::counters::IoEvent;
use crate::transport::output::Output;

/// Plaintext given to TLS at once, in bytes: its records leave in one write.
const TLS_CHUNK: usize = 64 * 1024;

/// Unsent bytes that the kernel may hold. What waits here can still be dropped, what waits there cannot.
const UNSENT_LIMIT: u32 = 64 * 1024;

/// Memory that a connection keeps for partial frames between them, in bytes.
const KEPT_CAPACITY: usize = 2048;

/// Silence after which the kernel asks whether the client is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time without acknowledgement after which the kernel gives a connection up.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection as the front door hands it over.
#[derive(Debug)]
pub struct TurnStream {
    /// The connection, nonblocking.
    pub socket: TcpStream,
    /// Its TLS state, handshake finished; `None` for plain TCP.
    pub tls: Option<Box<ServerConnection>>,
    /// Plaintext that was already read, at most one frame of 64 KiB.
    pub early: Vec<u8>,
    /// The client's place among the TCP connections, given back when the connection ends.
    pub place: Option<Permit>,
}

/// A connection as its shard keeps it.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) client: ClientAddr,
    pub(super) socket: TcpStream,
    _place: Option<Permit>,
    tls: Option<Box<ServerConnection>>,
    /// The beginning of a frame whose end has not come yet.
    pub(super) partial: Vec<u8>,
    /// When the first byte of `partial` came.
    pub(super) partial_since: Option<Mono>,
    /// When the client last said something that was of use.
    pub(super) active: Mono,
    /// Whether an allocation hangs on it.
    pub(super) owns_allocation: bool,
    pub(super) output: Output,
    /// Whether epoll tells when it can be written.
    pub(super) awaits_room: bool,
    /// Whether it is on the list of those to write to.
    pub(super) is_dirty: bool,
    /// Set when it is to be closed, with what to count.
    pub(super) doom: Option<IoEvent>,
}

/// What a read found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes in the room: the partial frame and what came.
    pub(super) len: usize,
    /// Set if nothing will come any more.
    pub(super) end: Option<IoEvent>,
    /// Whether as much came as one read takes: then there is more.
    pub(super) has_more: bool,
}

impl Stream {
    /// Takes a connection over.
    ///
    /// # Errors
    ///
    /// What the kernel reports about a connection that is already broken; `InvalidInput` if too much was read early.
    pub(super) fn adopt(stream: TurnStream, id: StreamId, now: Mono) -> io::Result<Self> {
        let TurnStream { socket, mut tls, early, place } = stream;
        if early.len() > FRAME_MAX {
            return Err(ErrorKind::InvalidInput.into());
        }
        let via = if tls.is_some() { Via::Tls(id) } else { Via::Tcp(id) };
        let client = ClientAddr { via, local: native(socket.local_addr()?), remote: native(socket.peer_addr()?) };
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let options = SockRef::from(&socket);
        options.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(3),
        )?;
        options.set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT))?;
        options.set_tcp_notsent_lowat(UNSENT_LIMIT)?;
        if let Some(tls) = &mut tls {
            // TLS gets a chunk only when it has none left, so it needs no limit of its own that could split one.
            tls.set_buffer_limit(None);
        }
        Ok(Self {
            id,
            client,
            socket,
            tls,
            _place: place,
            partial: early,
            partial_since: Some(now),
            active: now,
            owns_allocation: false,
            output: Output::default(),
            awaits_room: false,
            is_dirty: false,
            doom: None,
        })
    }

    /// Puts the partial frame and the bytes that came since into `room`, decrypting through `cipher`.
    ///
    /// `room` is a slot of the arena, so there is always space for what one read brings.
    pub(super) fn read(&mut self, room: &mut [u8], cipher: &mut [u8]) -> Found {
        let mut len = self.partial.len();
        room[..len].copy_from_slice(&self.partial);
        self.partial.clear();
        let mut has_more = false;
        let end = match &mut self.tls {
            None => match self.socket.read(&mut room[len..]) {
                Ok(0) => Some(IoEvent::StreamEnded),
                Ok(came) => {
                    len += came;
                    has_more = len == room.len();
                    None
                }
                Err(error) => end_of(&error),
            },
            Some(tls) => match self.socket.read(cipher) {
                Ok(0) => drain(tls, room, &mut len).or(Some(IoEvent::StreamEnded)),
                Ok(came) => {
                    has_more = came == cipher.len();
                    decrypt(tls, room, &mut len, cipher.get(..came).unwrap_or_default())
                }
                // The front door may have left plaintext behind; later there is none.
                Err(error) => drain(tls, room, &mut len).or(end_of(&error)),
            },
        };
        Found { len, end, has_more }
    }

    /// Writes what waits; returns whether all of it is gone.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        loop {
            let outcome = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut self.socket),
                Some(_) | None if self.output.waiting().is_empty() => return Ok(true),
                Some(tls) => write_records(tls, &mut self.output),
                None => self.socket.write(self.output.waiting()).inspect(|written| self.output.advance(*written)),
            };
            match outcome {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns whether TLS has something to say of its own accord.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Keeps the beginning of a frame for the next read; `is_new` if it came after a frame that was whole.
    pub(super) fn keep_partial(&mut self, bytes: &[u8], is_new: bool, now: Mono) {
        self.partial.clear();
        self.partial.extend_from_slice(bytes);
        if bytes.is_empty() {
            self.partial.shrink_to(KEPT_CAPACITY);
            self.partial_since = None;
        } else if is_new || self.partial_since.is_none() {
            self.partial_since = Some(now);
        }
    }

    /// Says good-bye as far as it can be said without waiting.
    pub(super) fn finish(&mut self) {
        if let Ok(true) = self.write()
            && let Some(tls) = &mut self.tls
        {
            tls.send_close_notify();
            // The connection goes either way.
            let _ = self.write();
        }
    }
}

/// Decrypts what came as far as records are whole.
fn decrypt(tls: &mut ServerConnection, room: &mut [u8], len: &mut usize, mut came: &[u8]) -> Option<IoEvent> {
    // The front door may have left plaintext behind; later this is empty at first.
    let mut end = drain(tls, room, len);
    while !came.is_empty() && end.is_none() {
        match tls.read_tls(&mut came) {
            Ok(0) | Err(_) => return Some(IoEvent::StreamInvalid),
            Ok(_) => {}
        }
        if tls.process_new_packets().is_err() {
            return Some(IoEvent::StreamInvalid);
        }
        end = drain(tls, room, len);
    }
    end
}

/// Moves decrypted bytes into the room.
fn drain(tls: &mut ServerConnection, room: &mut [u8], len: &mut usize) -> Option<IoEvent> {
    loop {
        let free = &mut room[*len..];
        if free.is_empty() {
            // A slot holds more than TLS can have at once: this peer makes it otherwise.
            return Some(IoEvent::StreamInvalid);
        }
        match tls.reader().read(free) {
            Ok(0) => return Some(IoEvent::StreamEnded),
            Ok(came) => *len += came,
            Err(error) => return end_of(&error),
        }
    }
}

/// Returns what an error of a read means; nothing if there will be more.
fn end_of(error: &io::Error) -> Option<IoEvent> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
        _ => Some(IoEvent::StreamEnded),
    }
}

/// IPv4 clients of a listener that serves both families come as IPv6.
fn native(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Gives frames to TLS, each as a record of its own; returns how many bytes of them.
///
/// Nothing in RFC 8656 says so, but coturn's client and server take one record for one message, and lose what follows it.
fn write_records(tls: &mut ServerConnection, output: &mut Output) -> io::Result<usize> {
    let mut taken = 0;
    while taken < TLS_CHUNK && !output.first_frame().is_empty() {
        let written = tls.writer().write(output.first_frame())?;
        if written == 0 {
            break;
        }
        output.advance(written);
        taken += written;
    }
    Ok(taken)
}
