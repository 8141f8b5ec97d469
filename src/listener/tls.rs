//! TLS for the doors: versions, ALPN, tickets.
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio_rustls::TlsAcceptor;

use crate::listener::certificate::ACME_TLS;
use crate::listener::certificate::Certificates;
use crate::listener::door::Door;

/// RFC 7443 §5.1.
const STUN_TURN: &[u8] = b"stun.turn";

/// What ALPN agreed on. RFC 7301.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `stun.turn`
    StunTurn,
    /// `h2` or `http/1.1`
    Http,
    /// `acme-tls/1`: the handshake was all that was wanted. RFC 8737 §3.
    Acme,
}

impl Alpn {
    /// The meaning of the protocol a handshake ended with.
    pub(crate) fn of(protocol: Option<&[u8]>) -> Option<Self> {
        protocol.map(|protocol| match protocol {
            STUN_TURN => Alpn::StunTurn,
            ACME_TLS => Alpn::Acme,
            _ => Alpn::Http,
        })
    }
}

/// The acceptors of the doors that speak TLS; the two share certificate and ticket keys.
#[derive(Clone)]
pub(crate) struct Acceptors {
    shared: TlsAcceptor,
    turn: TlsAcceptor,
}

impl Acceptors {
    /// # Errors
    ///
    /// The provider has no usable cipher suite or no randomness.
    pub(crate) fn new(certificates: Arc<Certificates>) -> Result<Self, rustls::Error> {
        // Named here, not taken from the process: another crate in the tree may bring another provider.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.alpn_protocols = vec![STUN_TURN.to_vec(), ACME_TLS.to_vec()];
        let turn = TlsAcceptor::from(Arc::new(config.clone()));
        config.alpn_protocols = vec![STUN_TURN.to_vec(), b"h2".to_vec(), b"http/1.1".to_vec(), ACME_TLS.to_vec()];
        Ok(Self { shared: TlsAcceptor::from(Arc::new(config)), turn })
    }

    /// The acceptor of a door that speaks TLS.
    pub(crate) fn at(&self, door: Door) -> Option<&TlsAcceptor> {
        match door {
            Door::Shared => Some(&self.shared),
            Door::TurnTls => Some(&self.turn),
            Door::Http | Door::TurnTcp => None,
        }
    }
}
