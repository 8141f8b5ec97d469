//! Streams whose first bytes were already read.
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use bytes::Bytes;
use socket2::SockRef;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::admission::Permit;

/// A stream that gives `early` first and then goes on as itself.
#[derive(Debug)]
pub struct Rewound<T> {
    early: Bytes,
    inner: T,
}

impl<T> Rewound<T> {
    /// Puts `early` back in front of `inner`.
    pub fn new(early: impl Into<Bytes>, inner: T) -> Self {
        Self { early: early.into(), inner }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let len = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..len]);
        self.early.advance(len);
        if self.early.is_empty() {
            // The allocation is not kept for the life of the connection.
            self.early = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// How long what was sent may stay unacknowledged, or wait for room at the client. RFC 5482. It bounds what the kernel
/// holds for connections that are over here too; a live client is heard of more often.
const UNACKNOWLEDGED: Duration = Duration::from_secs(40);

/// The stream of an HTTP connection, with or without TLS.
///
/// Dropped while a write waits, or while a read waits for the client's end after ours, it is reset: whoever does not read
/// or does not leave gets nothing more, and the kernel keeps nothing.
#[derive(Debug)]
pub struct HttpIo {
    wire: Wire,
    is_shut: bool,
    is_waiting: bool,
    _permit: Permit,
}

#[derive(Debug)]
enum Wire {
    Plain(Rewound<TcpStream>),
    Tls(Rewound<Box<TlsStream<TcpStream>>>),
}

impl Wire {
    fn socket(&self) -> SockRef<'_> {
        match self {
            Wire::Plain(io) => SockRef::from(&io.inner),
            Wire::Tls(io) => SockRef::from(io.inner.get_ref().0),
        }
    }
}

impl HttpIo {
    pub(crate) fn plain(early: Vec<u8>, socket: TcpStream, permit: Permit) -> Self {
        Self::new(Wire::Plain(Rewound::new(early, socket)), permit)
    }

    pub(crate) fn tls(early: Vec<u8>, stream: Box<TlsStream<TcpStream>>, permit: Permit) -> Self {
        Self::new(Wire::Tls(Rewound::new(early, stream)), permit)
    }

    fn new(wire: Wire, permit: Permit) -> Self {
        // Fails only on a socket that is already dead; its first read will say so.
        let _dead = wire.socket().set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Self { wire, is_shut: false, is_waiting: false, _permit: permit }
    }

    fn note<R>(&mut self, written: Poll<R>) -> Poll<R> {
        self.is_waiting = written.is_pending();
        written
    }
}

impl Drop for HttpIo {
    fn drop(&mut self) {
        if self.is_waiting {
            // Then closing sends RST and throws away what is queued.
            let _dead = self.wire.socket().set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for HttpIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match &mut self.wire {
            Wire::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Wire::Tls(io) => Pin::new(io).poll_read(cx, buf),
        };
        if self.is_shut {
            self.is_waiting = read.is_pending();
        }
        read
    }
}

impl AsyncWrite for HttpIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.wire {
            Wire::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Wire::Tls(io) => Pin::new(io).poll_write(cx, buf),
        };
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.wire {
            Wire::Plain(io) => Pin::new(io).poll_flush(cx),
            Wire::Tls(io) => Pin::new(io).poll_flush(cx),
        };
        self.note(written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = match &mut self.wire {
            Wire::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Wire::Tls(io) => Pin::new(io).poll_shutdown(cx),
        };
        self.is_shut = matches!(written, Poll::Ready(Ok(())));
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.wire {
            Wire::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Wire::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        };
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(io) => io.is_write_vectored(),
            Wire::Tls(io) => io.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn early_bytes_come_first_even_into_a_small_buffer() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"later").await.expect("duplex");
        drop(theirs);
        let mut rewound = Rewound::new(b"early ".to_vec(), ours);
        let mut two = [0; 2];
        rewound.read_exact(&mut two).await.expect("early bytes");
        assert_eq!(&two, b"ea");
        let mut rest = String::new();
        rewound.read_to_string(&mut rest).await.expect("the rest");
        assert_eq!(rest, "rly later");
    }
}
