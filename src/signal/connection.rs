//! One task per WebSocket: reads messages for the hub, writes what the hub has queued, keeps the heartbeat.
use std::future::Future;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::signal::handle::Handle;
use crate::signal::handle::Input;
use crate::signal::handle::Stopped;
use crate::signal::hub::HEARTBEAT;
use crate::signal::hub::Peer;
use crate::signal::id::ConnectionId;
use crate::signal::limit::Rate;
use crate::signal::limit::TokenBucket;
use crate::signal::link::Link;
use crate::signal::outbox::Class;
use crate::signal::outbox::Full;
use crate::signal::protocol;
use crate::signal::protocol::BadFrame;
use crate::signal::protocol::Body;
use crate::signal::protocol::ClientToken;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Credentials;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::MESSAGE_BYTES_BEFORE_HELLO_MAX;
use crate::signal::protocol::MESSAGE_BYTES_MAX;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Request;
use crate::signal::websocket::Fault;
use crate::signal::websocket::Reader;
use crate::signal::websocket::Received;
use crate::signal::websocket::Writer;
use crate::trace::Cause;
use crate::trace::Span;

/// Silence after a ping that means the client is gone (rule 13).
const SILENCE: Duration = Duration::from_secs(10);
/// How long a close may take, from the close frame to the end of the stream (rule 14).
const CLOSING: Duration = Duration::from_secs(5);

/// Frames that are no message of their own, and so cost nothing of the message budget, in one [`EXTRAS_WINDOW`]: pings,
/// pongs and fragments. Far above what any honest client sends, far below what keeps a core busy.
const EXTRAS_MAX: u32 = 4000;
const EXTRAS_WINDOW: Duration = Duration::from_secs(10);

/// Rests after a refused message in the time in which one token of the budget comes back, and the longest rest. So a flooder is
/// refused ten times for every message that passes, and the 101 refusals that end its connection take a third of a second.
const RESTS_PER_TOKEN: u32 = 10;
const REST_MAX: Duration = Duration::from_millis(10);

/// Bytes taken in behind a close before a rest of [`REST_MAX`]: what a client has under way comes in at once, but one that goes
/// on and on does not keep a core busy until [`CLOSING`].
const DRAINED_AT_ONCE: usize = 1 << 20;

/// A message counts once per so many bytes. The most that can be said at once by default, 400 KiB, is little more than an outbox
/// holds: whoever listens on a slow line is not thrown off by whoever speaks on a fast one.
const BYTES_PER_TOKEN: usize = 2048;

/// Beyond this many bytes no further frame is taken from the outbox.
const WRITER_ENOUGH: usize = 4096;

/// Serves one WebSocket after its handshake, until it ends.
///
/// The subprotocol, the origin and the limits on connections are checked before. `socket` must deliver from the first
/// byte after the HTTP response on.
pub async fn serve<S>(socket: S, peer: Peer, hub: Handle)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let id = hub.next_connection();
    let link = Arc::new(Link::default());
    if hub.send(Input::Connected(id, link.clone(), peer)).await.is_err() {
        return;
    }
    let mut connection = Connection {
        id,
        hub,
        link,
        socket,
        reader: Reader::default(),
        writer: Writer::default(),
        pong: None,
        last_heard: Instant::now(),
        pinged: false,
        messages: TokenBucket::FULL,
        rest: None,
        extras: 0,
        extras_since: Instant::now(),
    };
    let ending = connection.run().await;
    tracing::debug!(connection = %id, ?ending, "connection ends");
    // Boxed: every idle connection would hold the room that only its end needs.
    Box::pin(connection.end(ending)).await;
}

struct Connection<S> {
    id: ConnectionId,
    hub: Handle,
    link: Arc<Link>,
    socket: S,
    reader: Reader,
    writer: Writer,
    /// The latest ping to be answered; older ones need no pong of their own. RFC 6455 §5.5.3.
    pong: Option<Bytes>,
    last_heard: Instant,
    /// Whether a ping waits for a sign of life.
    pinged: bool,
    /// The message budget (rule 2).
    messages: TokenBucket,
    /// Nothing is read until it is over. A flood stays in the kernel meanwhile and, once its buffers are full, with the client.
    rest: Option<Pin<Box<Sleep>>>,
    /// Frames that are no message since that moment.
    extras: u32,
    extras_since: Instant,
}

/// Why a connection ends.
#[derive(Debug)]
enum Ending {
    /// The hub wants it.
    Told(CloseCode),
    /// The client broke the framing; the hub does not know yet.
    Breach(CloseCode),
    /// The client closed, with that code.
    ByClient(Option<u16>),
    /// The socket is dead, or as good as.
    Lost,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self) -> Ending {
        let mut heartbeat = Box::pin(sleep_until(self.last_heard + HEARTBEAT));
        loop {
            let received = tokio::select! {
                received = poll_fn(|context| self.poll(context)) => received,
                () = &mut heartbeat => {
                    if self.beat(heartbeat.as_mut()) {
                        continue;
                    }
                    return Ending::Lost;
                }
            };
            self.last_heard = Instant::now();
            self.pinged = false;
            let ending = match received {
                Ok(Received::Text(text)) => self.on_text(&text).await,
                Ok(Received::Ping(payload)) => {
                    self.pong = Some(payload);
                    self.on_extra()
                }
                Ok(Received::Fragment | Received::Pong) => self.on_extra(),
                Ok(Received::Close(code)) => Some(Ending::ByClient(code)),
                Err(ending) => Some(ending),
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Writes what there is to write, and reads until something is there.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, Ending>> {
        // First of all: a client that does not read must not keep its connection from ending.
        if let Poll::Ready(code) = self.link.poll_close(context) {
            return Poll::Ready(Err(Ending::Told(code)));
        }
        loop {
            self.fill_writer();
            let is_idle = self.writer.is_empty();
            match self.writer.poll_written(&mut self.socket, context) {
                Poll::Ready(Ok(())) if is_idle => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Ending::Lost)),
                Poll::Pending => break,
            }
        }
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
            self.rest = None;
        }
        let limit = if self.link.is_online() { MESSAGE_BYTES_MAX } else { MESSAGE_BYTES_BEFORE_HELLO_MAX };
        self.reader.poll_received(&mut self.socket, limit, context).map_err(|fault| match fault {
            Fault::Breach => Ending::Breach(CloseCode::Protocol),
            Fault::NotText => Ending::Breach(CloseCode::BadFrame),
            Fault::TooBig => Ending::Breach(CloseCode::TooBig),
            Fault::Lost => Ending::Lost,
        })
    }

    /// Takes frames from the outbox, but no more than needed: there, news can still be coalesced.
    fn fill_writer(&mut self) {
        while self.writer.len() < WRITER_ENOUGH {
            if let Some(payload) = self.pong.take() {
                self.writer.pong(&payload);
            } else if let Some(frame) = self.link.take() {
                self.writer.text(&frame);
            } else {
                return;
            }
        }
    }

    async fn on_text(&mut self, text: &Utf8Bytes) -> Option<Ending> {
        let now = self.hub.mono(self.last_heard);
        if let Err(wait) = self.messages.take_several(self.hub.messages(), cost(text.len()), now) {
            return self.refuse(text, wait).err();
        }
        let (incoming, lacking) = match self.parse(text) {
            Ok(parsed) => parsed,
            Err(BadFrame) => return Some(Ending::Breach(CloseCode::BadFrame)),
        };
        let span = Span::of_request(incoming.body.kind(), &Cause::default());
        if let Some(token) = lacking {
            // Boxed: it is rare, and every idle connection would hold the room for it.
            Box::pin(prepare(self.hub.clone(), token)).await;
        }
        // The next message may already be there, and whether it may be large depends on this one.
        let (done, hello_done) = match incoming.body {
            Body::Hello(_) => {
                let (done, hello_done) = oneshot::channel();
                (Some(done), Some(hello_done))
            }
            Body::Malformed(_) | Body::Request(_) => (None, None),
        };
        if let Err(Stopped) = self.hub.send(Input::Message(self.id, incoming, span, done)).await {
            return Some(Ending::Lost);
        }
        match hello_done {
            Some(done) => done.await.err().map(|_| Ending::Lost),
            None => None,
        }
    }

    /// A message, and the token in it if the key that it was signed with is not known here.
    fn parse(&self, text: &str) -> Result<(Incoming, Option<String>), BadFrame> {
        let incoming = Incoming::parse(text)?;
        let lacking = access_token(&incoming.body).filter(|token| self.hub.lacks_key_of(token));
        let lacking = lacking.map(str::to_owned);
        Ok((incoming, lacking))
    }

    /// Refuses a message over the budget without looking into it, and lets the next one wait (rule 2). The hub, where everybody
    /// stands in line, hears of none.
    fn refuse(&mut self, text: &str, wait: Duration) -> Result<(), Ending> {
        let reply_to = Incoming::parse_reply_to(text).map_err(|BadFrame| Ending::Breach(CloseCode::BadFrame))?;
        if let Some(re) = reply_to.re() {
            let frame = protocol::error(re, &Refusal::rate_limited("too many messages", wait));
            self.link.push(Class::Kept, frame).map_err(|Full| {
                self.link.abort(CloseCode::SlowConsumer);
                Ending::Breach(CloseCode::SlowConsumer)
            })?;
        }
        self.hub.stats().rate_limit_hits_total.add_one();
        self.hub.stats().refusals(ErrorCode::RateLimited).add_one();
        if self.link.count_refusal(self.hub.mono(self.last_heard)) {
            return Err(Ending::Breach(CloseCode::RateLimited));
        }
        self.rest = Some(Box::pin(sleep(rest_of(self.hub.messages()))));
        Ok(())
    }

    /// Counts a frame that the message budget does not see; too many are refused like too many messages (rule 2).
    fn on_extra(&mut self) -> Option<Ending> {
        if self.last_heard.duration_since(self.extras_since) >= EXTRAS_WINDOW {
            self.extras_since = self.last_heard;
            self.extras = 0;
        }
        self.extras += 1;
        (self.extras > EXTRAS_MAX).then_some(Ending::Breach(CloseCode::RateLimited))
    }

    /// Pings after a silence; false if the last ping was not answered. Frames put the next ping off (rule 13).
    fn beat(&mut self, heartbeat: Pin<&mut Sleep>) -> bool {
        let silence_over = self.last_heard + HEARTBEAT;
        if self.pinged {
            return false;
        }
        if Instant::now() < silence_over {
            heartbeat.reset(silence_over);
        } else {
            self.writer.ping();
            self.pinged = true;
            heartbeat.reset(Instant::now() + SILENCE);
        }
        true
    }

    /// Tells the hub, then the client, then lets the socket go.
    async fn end(mut self, ending: Ending) {
        let (input, code) = match ending {
            Ending::Told(code) => (None, Ok(code)),
            Ending::Breach(code) => (Some(Input::Breach(self.id, code)), Ok(code)),
            Ending::ByClient(code) => (Some(Input::Gone(self.id)), Err(code)),
            Ending::Lost => {
                let _ = self.hub.send(Input::Gone(self.id)).await;
                return;
            }
        };
        if let Some(input) = input {
            // A hub that has stopped knows nobody any more.
            let _ = self.hub.send(input).await;
        }
        match code {
            Ok(code) => {
                while let Some(frame) = self.link.take() {
                    self.writer.text(&frame);
                }
                self.writer.close(Some(code.as_u16()), code.reason());
            }
            Err(echoed) => self.writer.close(echoed, ""),
        }
        // Too slow a client loses the rest (rule 14).
        let _ = timeout(CLOSING, self.close()).await;
    }

    /// Sends what is left, ends our half of the stream, and takes in what is already on its way: closing a socket with
    /// unread bytes resets it, and a reset eats the close frame (rule 8). RFC 6455 §7.1.1.
    async fn close(&mut self) {
        let written = poll_fn(|context| self.writer.poll_written(&mut self.socket, context)).await;
        if written.is_err() || self.socket.shutdown().await.is_err() {
            return;
        }
        let (mut rest, mut drained) = (vec![0; 4096], 0);
        while let Ok(len @ 1..) = self.socket.read(&mut rest).await {
            drained += len;
            if drained >= DRAINED_AT_ONCE {
                drained = 0;
                sleep(REST_MAX).await;
            }
        }
    }
}

async fn prepare(hub: Handle, token: String) {
    hub.prepare_for(&token).await;
}

/// The access token that a message brings.
fn access_token(body: &Body) -> Option<&str> {
    match body {
        Body::Hello(Ok(hello)) => match &hello.credentials {
            Credentials::Token(ClientToken(token)) => Some(token),
            Credentials::Omitted | Credentials::Guest(_) | Credentials::Resume(_) => None,
        },
        Body::Request(Ok(Request::AuthRefresh { token: ClientToken(token) })) => Some(token),
        Body::Malformed(_) | Body::Hello(Err(_)) | Body::Request(_) => None,
    }
}

/// What a message takes from the budget: a large one costs its receiver as much as several.
fn cost(bytes: usize) -> u32 {
    bytes.div_ceil(BYTES_PER_TOKEN).max(1) as u32
}

/// How long a connection rests after a refused message.
fn rest_of(messages: Rate) -> Duration {
    (messages.interval() / RESTS_PER_TOKEN).min(REST_MAX)
}

#[cfg(test)]
mod tests;
