//! The ways to a server: a transport, a family, and an address.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;

/// The columns of the table.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

#[derive(Clone)]
pub struct Way {
    pub name: &'static str,
    pub transport: Transport,
    pub addr: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
    pub server_name: ServerName<'static>,
}

impl Way {
    pub fn new(name: &'static str, transport: Transport, addr: SocketAddr) -> Way {
        Way { name, transport, addr, tls: None, server_name: "localhost".try_into().expect("a name") }
    }

    pub fn with_tls(name: &'static str, addr: SocketAddr, config: &Arc<ClientConfig>) -> Way {
        Way { tls: Some(Arc::clone(config)), ..Self::new(name, Transport::Tls, addr) }
    }

    pub fn is_udp(&self) -> bool {
        self.transport == Transport::Udp
    }

    /// Where a client of this way binds: loopback for a server on loopback, else any address.
    pub fn local_ip(&self) -> IpAddr {
        match (self.addr.ip(), self.addr.ip().is_loopback()) {
            (IpAddr::V4(_), true) => Ipv4Addr::LOCALHOST.into(),
            (IpAddr::V4(_), false) => Ipv4Addr::UNSPECIFIED.into(),
            (IpAddr::V6(_), true) => Ipv6Addr::LOCALHOST.into(),
            (IpAddr::V6(_), false) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// A TLS client that trusts this authority.
pub fn tls_config(authority: &Path) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(authority)
        .unwrap_or_else(|e| panic!("no certificate in {}: {e}", authority.display()));
    roots.add(authority).expect("a sound certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
