//! One new connection, from accepted to given away.
use std::future::Future;
use std::io;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::admission::Permit;
use crate::listener::counters::Outcome;
use crate::listener::door::Door;
use crate::listener::first_bytes::Allowed;
use crate::listener::first_bytes::TLS_HANDSHAKE;
use crate::listener::first_bytes::Verdict;
use crate::listener::first_bytes::judge;
use crate::listener::rewound::HttpIo;
use crate::listener::sinks::HttpConnection;
use crate::listener::sinks::Sinks;
use crate::listener::sinks::TurnConnection;
use crate::listener::tls::Alpn;

/// How long a client may take to say something decidable: outside TLS, and once more inside.
pub(crate) const FIRST_BYTES: Duration = Duration::from_secs(10);

/// How long a TLS handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bytes read at once while deciding. The decision needs 24; what else has come saves a read later.
const CHUNK: usize = 1024;

/// A connection just accepted.
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) door: Door,
    pub(crate) bind: usize,
    pub(crate) permit: Permit,
}

/// Finds out what the client wants and gives the connection to its sink, or closes it.
pub(crate) async fn greet(arrival: Arrival, acceptor: Option<&TlsAcceptor>, sinks: &Sinks) -> Outcome {
    let Arrival { mut socket, remote, local, door, bind, permit } = arrival;
    let allowed = door.outside();
    if let Some(acceptor) = acceptor {
        match deadline(begins_with_tls(&socket)).await {
            Err(outcome) => return outcome,
            Ok(true) => {
                let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(socket)).await else {
                    return Outcome::Handshake;
                };
                return greet_inside(stream, remote, local, door, bind, permit, sinks).await;
            }
            Ok(false) => {}
        }
    }
    let (verdict, early) = match deadline(listen(&mut socket, allowed)).await {
        Err(outcome) => return outcome,
        Ok(heard) => heard,
    };
    match verdict {
        Verdict::Turn => {
            let Ok(socket) = socket.into_std() else { return Outcome::Gone };
            (sinks.turn)(TurnConnection { socket, tls: None, early, remote, local, permit });
            Outcome::Turn
        }
        Verdict::Http => {
            let io = HttpIo::plain(early, socket, permit);
            (sinks.http)(HttpConnection { io, remote, local, door, bind, secure: false });
            Outcome::Http
        }
        Verdict::Tls | Verdict::More | Verdict::Garbage => Outcome::Garbage,
    }
}

async fn greet_inside(
    mut stream: TlsStream<TcpStream>,
    remote: SocketAddr,
    local: SocketAddr,
    door: Door,
    bind: usize,
    permit: Permit,
    sinks: &Sinks,
) -> Outcome {
    let alpn = Alpn::of(stream.get_ref().1.alpn_protocol());
    if alpn == Some(Alpn::Acme) {
        // It has seen the certificate; a failure to say goodbye is its own.
        let _gone = timeout(FIRST_BYTES, stream.shutdown()).await;
        return Outcome::Challenge;
    }
    let (verdict, early) = match deadline(listen(&mut stream, door.inside(alpn))).await {
        Err(outcome) => return outcome,
        Ok(heard) => heard,
    };
    match verdict {
        Verdict::Turn => {
            let Some(connection) = leave_tokio(stream, early, remote, local, permit) else { return Outcome::Gone };
            (sinks.turn)(connection);
            Outcome::Turn
        }
        Verdict::Http => {
            let io = HttpIo::tls(early, Box::new(stream), permit);
            (sinks.http)(HttpConnection { io, remote, local, door, bind, secure: true });
            Outcome::Http
        }
        Verdict::Tls | Verdict::More | Verdict::Garbage => Outcome::Garbage,
    }
}

/// Takes a TLS connection apart; everything decrypted so far goes into `early`.
fn leave_tokio(
    stream: TlsStream<TcpStream>,
    mut early: Vec<u8>,
    remote: SocketAddr,
    local: SocketAddr,
    permit: Permit,
) -> Option<TurnConnection> {
    let (socket, mut tls) = stream.into_inner();
    // Reads until nothing is left: rustls holds at most one read's worth of records. Errors (nothing there, or
    // the client has closed) will meet the new owner again at its first read.
    let _nothing_left = tls.reader().read_to_end(&mut early);
    let socket = socket.into_std().ok()?;
    Some(TurnConnection { socket, tls: Some(Box::new(tls)), early, remote, local, permit })
}

/// Whether the client begins with a TLS handshake; nothing is consumed.
async fn begins_with_tls(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 1];
    if socket.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(first == [TLS_HANDSHAKE])
}

/// Reads until the bytes can be judged, and returns them with the verdict.
async fn listen(io: &mut (impl AsyncRead + Unpin), allowed: Allowed) -> io::Result<(Verdict, Vec<u8>)> {
    let mut early = Vec::with_capacity(CHUNK);
    loop {
        if io.read_buf(&mut early).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let verdict = judge(&early, allowed);
        if verdict != Verdict::More {
            return Ok((verdict, early));
        }
    }
}

/// Bounds the client's time to say something.
async fn deadline<T>(heard: impl Future<Output = io::Result<T>>) -> Result<T, Outcome> {
    match timeout(FIRST_BYTES, heard).await {
        Ok(Ok(heard)) => Ok(heard),
        Ok(Err(_)) => Err(Outcome::Gone),
        Err(_) => Err(Outcome::Silent),
    }
}
