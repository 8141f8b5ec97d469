//! One WebSocket client, from the connect to the end.
use std::fmt;
use std::io;
use std::time::Duration;

use socket2::SockRef;

use crate::load::frame;
use crate::load::frame::Frame;
use crate::load::message::Message;
use crate::measure::Pipe;

/// The key of every client and what a server makes of it. RFC 6455 §1.3.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Bytes of an HTTP answer's head, at most.
const HEAD_MAX: usize = 8192;

/// What happened to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// `hello` was accepted; the answer.
    Online(String),
    /// Any message afterwards.
    Message(String),
    /// The server refused the upgrade or the `hello`, with these words.
    Refused(String),
    /// The server closed, with this code.
    Closed(u16),
    /// The connection is gone, for this reason.
    Lost(String),
}

impl What {
    /// Whether the client is gone.
    pub(super) fn is_end(&self) -> bool {
        match self {
            What::Online(_) | What::Message(_) => false,
            What::Refused(_) | What::Closed(_) | What::Lost(_) => true,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Online(_) => out.write_str("online"),
            What::Message(text) => write!(out, "message {text}"),
            What::Refused(words) => write!(out, "refused: {words}"),
            What::Closed(code) => write!(out, "closed with {code}"),
            What::Lost(reason) => write!(out, "lost: {reason}"),
        }
    }
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The connect is under way.
    Connecting,
    /// The upgrade was asked for.
    Upgrading,
    /// `hello` was said.
    Greeting,
    Online,
}

/// See the module's documentation.
pub(super) struct Client {
    pipe: Pipe,
    phase: Phase,
    /// What it says first; empty once it was said.
    hello: String,
    /// It reads nothing.
    is_deaf: bool,
}

impl Client {
    /// Takes a connection that is being made; `hello` is the message that it will say.
    pub(super) fn new(pipe: Pipe, hello: String) -> Self {
        Self { pipe, phase: Phase::Connecting, hello, is_deaf: false }
    }

    /// Reads nothing until [`Client::hear`] is called again.
    pub(super) fn set_deaf(&mut self, is_deaf: bool) {
        self.is_deaf = is_deaf;
    }

    /// Bytes that wait for the server to take them.
    pub(super) fn unsent(&self) -> usize {
        self.pipe.unsent()
    }

    /// Sends a message as soon as the socket takes it.
    ///
    /// # Errors
    ///
    /// The connection ended.
    pub(super) fn say(&mut self, message: &str) -> io::Result<()> {
        self.pipe.queue(&frame::text(message));
        self.pipe.flush()
    }

    /// Does what the socket is ready for; `request` asks for the upgrade.
    ///
    /// # Errors
    ///
    /// The connection ended, or the server breaks the protocol.
    pub(super) fn attend(&mut self, request: &[u8], room: &mut [u8], on: &mut impl FnMut(What)) -> io::Result<()> {
        if self.phase == Phase::Connecting {
            if let Some(error) = self.pipe.socket().take_error()? {
                return Err(error);
            }
            self.pipe.queue(request);
            self.phase = Phase::Upgrading;
        }
        if !self.is_deaf {
            self.hear(room, on)?;
        }
        self.pipe.flush()
    }

    /// Reads everything that is there. The poll tells only of news, so nothing may be left.
    fn hear(&mut self, room: &mut [u8], on: &mut impl FnMut(What)) -> io::Result<()> {
        loop {
            // What came before the end counts too.
            let more = self.pipe.fill(room);
            if self.phase == Phase::Upgrading && self.take_head(on)? {
                let hello = std::mem::take(&mut self.hello);
                self.pipe.queue(&frame::text(&hello));
                self.phase = Phase::Greeting;
            }
            if matches!(self.phase, Phase::Greeting | Phase::Online) {
                self.take_frames(on)?;
            }
            if !more? {
                return Ok(());
            }
        }
    }

    /// Takes the answer to the request for an upgrade, if it is complete; whether it was granted.
    fn take_head(&mut self, on: &mut impl FnMut(What)) -> io::Result<bool> {
        let unread = &mut self.pipe.unread;
        let Some(end) = unread.windows(4).position(|end| end == b"\r\n\r\n") else {
            return if unread.len() > HEAD_MAX {
                Err(io::Error::other("the server's head has no end"))
            } else {
                Ok(false)
            };
        };
        let head = String::from_utf8_lossy(&unread[..end]).into_owned();
        if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
            drop(unread.drain(..end + 4));
            return Ok(true);
        }
        on(What::Refused(head.lines().next().unwrap_or_default().to_owned()));
        Ok(false)
    }

    /// Ends the connection with a reset, as when a device loses its network and comes back.
    pub(super) fn kill(self) {
        // Fails only on a socket that is dead already.
        let _dead = SockRef::from(self.pipe.socket()).set_linger(Some(Duration::ZERO));
    }

    fn take_frames(&mut self, on: &mut impl FnMut(What)) -> io::Result<()> {
        let mut at = 0;
        while let Some((frame, len)) = frame::take(self.pipe.unread.get(at..).unwrap_or_default())? {
            at += len;
            match frame {
                Frame::Text(text) if self.phase == Phase::Online => on(What::Message(text)),
                Frame::Text(text) => match Message::parse(&text).map(|message| message.kind) {
                    Some("ok") => {
                        self.phase = Phase::Online;
                        on(What::Online(text));
                    }
                    Some("error") => on(What::Refused(text)),
                    // `welcome`
                    Some(_) | None => {}
                },
                Frame::Ping(payload) => self.pipe.queue(&frame::pong(&payload)),
                Frame::Pong => {}
                Frame::Close(code) => on(What::Closed(code)),
            }
        }
        drop(self.pipe.unread.drain(..at));
        Ok(())
    }
}
