//! One task per WebSocket: reads messages for the hub, writes what the hub has queued, keeps the heartbeat.
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::signal::handle::Handle;
use crate::signal::handle::Input;
use crate::signal::handle::Stopped;
use crate::signal::hub::HEARTBEAT;
use crate::signal::hub::Peer;
use crate::signal::id::ConnectionId;
use crate::signal::link::Link;
use crate::signal::protocol::BadFrame;
use crate::signal::protocol::Body;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::MESSAGE_BYTES_BEFORE_HELLO_MAX;
use crate::signal::protocol::MESSAGE_BYTES_MAX;
use crate::signal::websocket::Fault;
use crate::signal::websocket::Reader;
use crate::signal::websocket::Received;
use crate::signal::websocket::Writer;

/// Silence after a ping that means the client is gone (rule 13).
const SILENCE: Duration = Duration::from_secs(10);
/// How long a close may take, from the close frame to the end of the stream (rule 14).
const CLOSING: Duration = Duration::from_secs(5);

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
                    None
                }
                Ok(Received::Fragment | Received::Pong) => None,
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
        let incoming = match Incoming::parse(text) {
            Ok(incoming) => incoming,
            Err(BadFrame) => return Some(Ending::Breach(CloseCode::BadFrame)),
        };
        // The next message may already be there, and whether it may be large depends on this one.
        let (done, hello_done) = match incoming.body {
            Body::Hello(_) => {
                let (done, hello_done) = oneshot::channel();
                (Some(done), Some(hello_done))
            }
            Body::Malformed(_) | Body::Request(_) => (None, None),
        };
        if let Err(Stopped) = self.hub.send(Input::Message(self.id, incoming, done)).await {
            return Some(Ending::Lost);
        }
        match hello_done {
            Some(done) => done.await.err().map(|_| Ending::Lost),
            None => None,
        }
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
        let mut rest = vec![0; 4096];
        while self.socket.read(&mut rest).await.is_ok_and(|len| len > 0) {}
    }
}

#[cfg(test)]
mod tests;
