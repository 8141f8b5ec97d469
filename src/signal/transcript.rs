//! What a client's bytes say, without a socket: the reader and the envelope as fuzz targets and outside tests need them.
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::io::AsyncRead;
use tokio::io::ReadBuf;

use crate::signal::protocol::Body;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::ReplyTo;
use crate::signal::websocket::Fault;
use crate::signal::websocket::Reader;
use crate::signal::websocket::Received;

/// What a client says, in order, until it stops making sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Everything before the end.
    pub said: Vec<Said>,
    /// Why there is no more.
    pub end: End,
}

/// One thing that a client says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A whole text message.
    Message {
        /// Its text.
        text: String,
        /// What it is taken for; `None`: no JSON object of acceptable depth.
        envelope: Option<Envelope>,
    },
    /// A fragment of a message that goes on.
    Fragment,
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
}

/// The readable part of a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `Some`: a reply is due, to that id if it has one.
    pub reply_to: Option<Option<u64>>,
    /// Why it is refused on reading, if it is.
    pub refusal: Option<ErrorCode>,
    /// Whether it is a `hello`.
    pub is_hello: bool,
}

/// How what a client says ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closes, with that code.
    Close(Option<u16>),
    /// A breach of RFC 6455.
    Breach,
    /// A binary message, or text that is not UTF-8.
    NotText,
    /// A message over the limit.
    TooBig,
    /// The bytes end.
    Lost,
}

impl Transcript {
    /// Reads the pieces one after another, as a socket might give them. `limit` is for whole messages, in bytes.
    pub fn of<'a>(pieces: impl Iterator<Item = &'a [u8]> + Unpin, limit: usize) -> Self {
        let mut socket = Pieces { pieces, rest: &[] };
        let mut reader = Reader::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut said = Vec::new();
        let end = loop {
            let Poll::Ready(received) = reader.poll_received(&mut socket, limit, &mut context) else { continue };
            match received {
                Ok(Received::Text(text)) => {
                    let envelope = Incoming::parse(&text).ok().map(|incoming| Envelope::of(&incoming));
                    said.push(Said::Message { text: text.as_str().to_owned(), envelope });
                }
                Ok(Received::Fragment) => said.push(Said::Fragment),
                Ok(Received::Ping(payload)) => said.push(Said::Ping(payload.to_vec())),
                Ok(Received::Pong) => said.push(Said::Pong),
                Ok(Received::Close(code)) => break End::Close(code),
                Err(Fault::Breach) => break End::Breach,
                Err(Fault::NotText) => break End::NotText,
                Err(Fault::TooBig) => break End::TooBig,
                Err(Fault::Lost) => break End::Lost,
            }
        };
        Self { said, end }
    }
}

impl Envelope {
    fn of(incoming: &Incoming) -> Self {
        let reply_to = match incoming.reply_to {
            ReplyTo::Id(id) => Some(Some(id)),
            ReplyTo::Unnamed => Some(None),
            ReplyTo::Nobody => None,
        };
        let (refusal, is_hello) = match &incoming.body {
            Body::Malformed(refusal) => (Some(refusal.code), false),
            Body::Hello(hello) => (hello.as_ref().err().map(|refusal| refusal.code), true),
            Body::Request(request) => (request.as_ref().err().map(|refusal| refusal.code), false),
        };
        Self { reply_to, refusal, is_hello }
    }
}

/// A socket that is never empty until its end.
struct Pieces<'a, I> {
    pieces: I,
    rest: &'a [u8],
}

impl<'a, I: Iterator<Item = &'a [u8]> + Unpin> AsyncRead for Pieces<'a, I> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        while self.rest.is_empty() {
            // Nothing read is the end of the stream.
            let Some(piece) = self.pieces.next() else { return Poll::Ready(Ok(())) };
            self.rest = piece;
        }
        let (now, later) = self.rest.split_at(self.rest.len().min(into.remaining()));
        into.put_slice(now);
        self.rest = later;
        Poll::Ready(Ok(()))
    }
}
