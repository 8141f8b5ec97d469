//! `[http]` and `[tls]`: pages, WebSockets and the shared front door.
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Serialize;

use super::acme::Acme;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;
use super::server::PublicHost;

/// `[http]`: where pages, REST and WebSockets are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Http {
    /// Plain HTTP and WebSocket, for localhost or behind a proxy.
    pub listen: Vec<SocketAddr>,
    /// The shared front door: HTTPS, WSS, TURN/TLS, and plain STUN/TURN over TCP by its first bytes.
    pub tls_listen: Vec<SocketAddr>,
    /// Origins that may open a WebSocket, beside the server's own.
    pub allowed_origins: Vec<WebOrigin>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where `/metrics` is served; empty: on the plain listener only.
    pub metrics_listen: Vec<SocketAddr>,
    /// Whether admins see whole addresses of TURN clients, else their networks.
    pub admins_see_addresses: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            tls_listen: vec![SocketAddr::from(([0, 0, 0, 0], 8443))],
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            metrics_listen: Vec::new(),
            admins_see_addresses: true,
        }
    }
}

impl Http {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            listen: section.value("listen", default.listen),
            tls_listen: section.value("tls_listen", default.tls_listen),
            allowed_origins: section.value("allowed_origins", default.allowed_origins),
            trusted_proxies: section.value("trusted_proxies", default.trusted_proxies),
            metrics_listen: section.value("metrics_listen", default.metrics_listen),
            admins_see_addresses: section.value("admins_see_addresses", default.admins_see_addresses),
        };
        section.finish();
        read
    }
}

/// `[tls]`: the certificate of every TLS listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The pair of PEM files; `None`: a self-signed pair is generated in the state directory.
    pub files: Option<TlsFiles>,
    /// `[tls.acme]`
    pub acme: Acme,
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Tls {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let cert: Option<PathBuf> = section.checked("cert", None, readable);
        let key: Option<PathBuf> = section.checked("key", None, readable);
        let files = match (cert, key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (Some(_), None) => {
                section.misses("key", "cert", "the certificate has no key", "name its private key in tls.key");
                None
            }
            (None, Some(_)) => {
                section.misses("cert", "key", "the key has no certificate", "name its certificate chain in tls.cert");
                None
            }
            (None, None) => None,
        };
        let acme = section.inner("acme", Acme::read);
        section.finish();
        Self { files, acme }
    }
}

impl Serialize for Tls {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut tls = to.serialize_struct("Tls", 3)?;
        let empty = PathBuf::new();
        tls.serialize_field("cert", self.files.as_ref().map_or(&empty, |files| &files.cert))?;
        tls.serialize_field("key", self.files.as_ref().map_or(&empty, |files| &files.key))?;
        tls.serialize_field("acme", &self.acme)?;
        tls.end()
    }
}

/// Opens the file for reading, because a wrong path is otherwise only seen at the first start.
pub(super) fn readable(path: &Option<PathBuf>) -> Result<(), Complaint> {
    let Some(path) = path else {
        return Ok(());
    };
    std::fs::File::open(path).map(drop).map_err(|error| {
        let fix = "name a PEM file that the server's user may read (paths start at the working directory)";
        Complaint::new(format!("cannot read {path:?}: {error}"), fix)
    })
}

/// A web origin as browsers send it: scheme, host, and the port unless it is the scheme's own. RFC 6454 §6.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// The serialisation of the origin, e.g. `https://chat.example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromText for WebOrigin {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let complaint = || {
            let fix = "write scheme, host and perhaps port, exactly one origin: \"https://chat.example.org\"";
            Complaint::new(format!("{text:?} is no web origin"), fix)
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(complaint)?;
        let own_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(complaint()),
        };
        let (host, port) = split_port(authority).ok_or_else(complaint)?;
        let host = PublicHost::from_text(host).map_err(|_| complaint())?;
        let bracketed = authority.starts_with('[');
        if bracketed != matches!(host.address(), Some(IpAddr::V6(_))) {
            return Err(complaint());
        }
        let port = port.filter(|port| *port != own_port).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self(format!("{scheme}://{}{port}", host.in_url())))
    }
}

/// Splits `host:port` or `[v6]:port`; `None` if what should be a port is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => port.parse().ok().map(|port| (host, Some(port))),
        Some(_) | None => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_brought_to_the_form_browsers_send() {
        for (text, sent) in [
            ("https://Chat.Example.org", "https://chat.example.org"),
            ("https://a.b:443", "https://a.b"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(WebOrigin::from_text(text).map(|origin| origin.0), Ok(sent.to_owned()));
        }
    }

    #[test]
    fn null_wildcards_and_paths_are_no_origins() {
        for text in
            ["null", "*", "https://*", "a.b", "https://a.b/", "ftp://a.b", "https://a.b:x", "http://::1", "https://a@b"]
        {
            assert!(WebOrigin::from_text(text).is_err(), "{text}");
        }
    }
}
