//! Clients over TCP and TLS: framed messages on a connection.
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::DigitallySignedStruct;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;

use crate::bench::plan::Transport;
use crate::bench::plan::Trust;
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
            Transport::Tls(trust) => Some(Arc::new(tls_config(trust).map_err(io::Error::other)?)),
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
    socket: TcpStream,
    tls: Option<ClientConnection>,
    /// The beginning of a message whose end has not come.
    unread: Vec<u8>,
    /// Bytes that the socket did not take yet; encrypted ones wait in `tls`.
    unsent: Vec<u8>,
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
        Ok(Self { socket, tls, unread: Vec::new(), unsent: Vec::new() })
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the server takes less than it is given.
    pub(super) fn is_blocked(&self) -> bool {
        self.unsent.len() > UNSENT_MAX
    }

    /// Adds the parts of a message to what is to be sent.
    ///
    /// # Errors
    ///
    /// TLS is broken.
    pub(super) fn queue<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        parts.for_each(|part| self.unsent.extend_from_slice(part));
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// The connection ended.
    pub(super) fn flush(&mut self) -> io::Result<()> {
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
            let taken = tls.writer().write(&self.unsent)?;
            drop(self.unsent.drain(..taken));
        }
    }

    /// Reads once, with `room` as scratch memory, and tells every whole message.
    ///
    /// # Errors
    ///
    /// The connection ended, or what came is no message.
    pub(super) fn hear(&mut self, room: &mut [u8], on_message: &mut impl FnMut(&[u8])) -> io::Result<()> {
        match &mut self.tls {
            None => match self.socket.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.extend_from_slice(room.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            },
            Some(tls) => {
                // More at once than rustls would ask for.
                let mut came = match self.socket.read(room) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => room.get(..read).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => &[],
                    Err(error) => return Err(error),
                };
                while !came.is_empty() {
                    tls.read_tls(&mut came)?;
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let known = self.unread.len();
                    self.unread.resize(known + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(self.unread.get_mut(known..).unwrap_or_default())?;
                }
            }
        }
        let mut at = 0;
        loop {
            let rest = self.unread.get(at..).unwrap_or_default();
            match next_frame(rest) {
                Framing::Frame { len, consumed } => {
                    on_message(rest.get(..len).unwrap_or_default());
                    at += consumed;
                }
                Framing::Incomplete { .. } => break,
                Framing::Invalid => return Err(io::Error::other("the server sent no STUN message")),
            }
        }
        drop(self.unread.drain(..at));
        Ok(())
    }
}

fn tls_config(trust: &Trust) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(match trust {
        Trust::Authority(path) => builder.with_root_certificates(authority(path)?).with_no_client_auth(),
        Trust::Anything => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    })
}

fn authority(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// Accepts every server: the load is not worth protecting, and test servers sign their own certificates.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
