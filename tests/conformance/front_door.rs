//! TLS, and the port that TURN shares with HTTPS. RFC 7443, RFC 8446, RFC 9325.
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::ProtocolVersion;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;

use crate::client::PATIENCE;
use crate::packet::*;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::not_offered;
use crate::verdict::same;

pub const STATEMENTS: &[Statement] = &[
    Statement::seen(
        "119",
        "7443 §3",
        "ALPN stun.turn is agreed on, none is fine; TLS 1.2 and up; any SNI",
        Over::Tls,
        tls,
    )
    .also(&["src/listener/tests/inside_tls.rs::tls_1_1_is_refused_with_an_alert"]),
    Statement::seen(
        "120",
        "7443 §3",
        "a shared port tells TLS, STUN and HTTP apart; silence is closed",
        Over::Once,
        shared,
    )
    .also(&["src/listener/tests/silence.rs::a_client_that_says_nothing_is_closed_after_ten_seconds"]),
];

/// Until when a connection that says nothing must be closed: ten seconds and something for a slow machine.
const SILENCE_MAX: Duration = Duration::from_secs(15);

type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn handshake(scene: &Scene<'_>, config: ClientConfig, name: ServerName<'static>) -> Seen<Tls> {
    let socket = TcpStream::connect(scene.way.addr).map_err(|e| fails(format!("no connection: {e}")))?;
    socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).expect("a TLS client");
    let mut socket = socket;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(|e| fails(format!("no handshake: {e}")))?;
    }
    Ok(rustls::StreamOwned::new(tls, socket))
}

/// A Binding over a finished handshake, without any client of the suite in between.
fn bind(tls: &mut Tls) -> Seen<()> {
    let binding = Packet::new(BINDING);
    tls.write_all(&binding.0).and_then(|()| tls.flush()).map_err(|e| fails(e.to_string()))?;
    let mut header = [0; 20];
    tls.read_exact(&mut header).map_err(|e| fails(format!("no answer over TLS: {e}")))?;
    same("the answer's transaction", &header[8..], binding.id())
}

fn tls(scene: &Scene<'_>) -> Seen<()> {
    let trusted = scene.way.tls.as_ref().ok_or_else(|| not_offered("no TLS"))?;
    let name = scene.way.server_name.clone();
    let with_alpn = |protocols: &[&[u8]]| {
        let mut config = ClientConfig::clone(trusted);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    };
    let mut none = handshake(scene, with_alpn(&[]), name.clone())?;
    same("without ALPN", none.conn.alpn_protocol(), None)?;
    bind(&mut none)?;
    let mut turn = handshake(scene, with_alpn(&[b"stun.turn"]), name)?;
    same("ALPN", turn.conn.alpn_protocol(), Some(&b"stun.turn"[..]))?;
    bind(&mut turn)?;
    for (version, code) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let handshake = handshake(scene, careless(version), "another.example".try_into().expect("a name"));
        // Nobody has to speak TLS 1.3 yet, but we do.
        if handshake.is_err() && code == ProtocolVersion::TLSv1_3 && !scene.target.is_ours() {
            continue;
        }
        let mut stream = handshake?;
        same("the version", stream.conn.protocol_version(), Some(code))?;
        bind(&mut stream)?;
    }
    refuses_tls_1_1(scene.way.addr)
}

/// A client that asks for one version and looks at no certificate: what is tried is whether it is served at all.
fn careless(version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate;

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
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A ClientHello of TLS 1.1 with suites of its time: no ServerHello may come back. RFC 4346 §7.4.1.2, RFC 8996.
fn refuses_tls_1_1(addr: SocketAddr) -> Seen<()> {
    let suites = [0xC0, 0x13, 0xC0, 0x14, 0xC0, 0x09, 0xC0, 0x0A, 0x00, 0x2F, 0x00, 0x35];
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 12], &suites, &[1, 0]].concat();
    let body_len = u8::try_from(body.len()).expect("short");
    let record = [&[0x16, 3, 1, 0, body_len + 4, 1, 0, 0, body_len][..], &body].concat();
    let mut socket = TcpStream::connect(addr).map_err(|e| fails(format!("no connection: {e}")))?;
    socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    socket.write_all(&record).map_err(|e| fails(e.to_string()))?;
    let mut first = [0; 1];
    match socket.read(&mut first) {
        // 0x16 would be a handshake record, 0x15 is an alert.
        Ok(1) => ensure(first[0] != 0x16, "TLS 1.1 is spoken"),
        _ => Ok(()),
    }
}

fn shared(scene: &Scene<'_>) -> Seen<()> {
    let (Some(plain), Some(secure)) = (scene.target.way("tcp shared"), scene.target.way("tls shared")) else {
        return Err(not_offered("no port shared with HTTPS"));
    };
    let waiting = [
        ("nothing", TcpStream::connect(plain.addr), &b""[..]),
        ("half a STUN header", TcpStream::connect(plain.addr), &[0, 1, 0]),
        ("half a ClientHello", TcpStream::connect(plain.addr), &[0x16, 3, 1]),
    ];
    let start = Instant::now();
    for (_, socket, bytes) in &waiting {
        let mut socket = socket.as_ref().map_err(|e| fails(format!("no connection: {e}")))?;
        socket.write_all(bytes).map_err(|e| fails(e.to_string()))?;
    }
    for way in [plain, secure] {
        let mut client = Scene { target: scene.target, way }.client()?;
        client.allocate(Packet::allocate())?;
    }
    let (status, _) = crate::support::http_get(plain.addr, "/health");
    same("HTTP on the shared port", status, 200)?;
    let config = ClientConfig::clone(secure.tls.as_ref().ok_or_else(|| fails("no TLS"))?);
    let mut https = handshake(&Scene { target: scene.target, way: secure }, config, secure.server_name.clone())?;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    https.write_all(request).map_err(|e| fails(e.to_string()))?;
    let mut status = [0; 15];
    https.read_exact(&mut status).map_err(|e| fails(format!("no HTTPS: {e}")))?;
    same("HTTPS on the shared port", &status[..], &b"HTTP/1.1 200 OK"[..])?;
    for (what, socket, _) in waiting {
        let mut socket = socket.map_err(|e| fails(e.to_string()))?;
        let left = SILENCE_MAX.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left)).expect("set a timeout");
        let is_closed = match socket.read(&mut [0; 64]) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        ensure(is_closed, format!("{what}: still open after {SILENCE_MAX:?}"))?;
    }
    Ok(())
}
