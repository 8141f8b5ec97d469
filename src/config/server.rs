//! `[server]`: the node as a whole.
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::duration;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// `[server]`: the node as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Name or address in ICE URLs and links.
    pub public_host: PublicHost,
    /// Secrets, database, uploads, certificates; kept with mode 0700.
    pub state_dir: PathBuf,
    /// How long SIGTERM waits for running calls.
    #[serde(serialize_with = "duration::serialize")]
    pub shutdown_grace: Duration,
    /// How often the relay is tried from outside, for `/health/ready`; zero: never.
    #[serde(serialize_with = "duration::serialize")]
    pub probe_interval: Duration,
    /// Bytes that the disk of `state_dir` has left at least while `/health/ready` is well; 0: any.
    pub min_free_disk_bytes: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            public_host: PublicHost("localhost".to_owned()),
            state_dir: PathBuf::from("state"),
            shutdown_grace: Duration::from_secs(30),
            probe_interval: Duration::from_secs(30),
            min_free_disk_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Server {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            public_host: section.value("public_host", default.public_host),
            state_dir: section.value("state_dir", default.state_dir),
            shutdown_grace: section.value("shutdown_grace", default.shutdown_grace),
            probe_interval: section.value("probe_interval", default.probe_interval),
            min_free_disk_bytes: section.number("min_free_disk_bytes", default.min_free_disk_bytes, 0, i64::MAX as u64),
        };
        section.finish();
        read
    }
}

/// A DNS name or an IP address, without scheme, port, path or brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PublicHost(String);

impl PublicHost {
    /// The name or address as it was written, in lower case; an IPv6 address has no brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// Whether only this machine can mean itself by it.
    pub fn is_local(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost") || self.address().is_some_and(|ip| ip.is_loopback())
    }

    /// The host as URLs want it: an IPv6 address in brackets.
    pub fn in_url(&self) -> String {
        match self.address() {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            Some(IpAddr::V4(_)) | None => self.0.clone(),
        }
    }
}

impl fmt::Display for PublicHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromText for PublicHost {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let host = text.to_ascii_lowercase();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(&host);
        if let Ok(address) = host.parse::<IpAddr>() {
            if address.is_unspecified() {
                let fix = "write the name or address that browsers reach this server by";
                return Err(Complaint::new(format!("{text:?} is not an address to connect to"), fix));
            }
            return Ok(Self(address.to_string()));
        }
        // Old notations like 127.1 are numbers to browsers and names to us.
        let numeric_end = host.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if host.len() > 253 || numeric_end || !host.split('.').all(is_dns_label) {
            let fix = "write only the name or address, without scheme, port or path, for example \"chat.example.org\"";
            return Err(Complaint::new(format!("{text:?} is no host name"), fix));
        }
        Ok(Self(host.to_owned()))
    }
}

/// RFC 1123 §2.1.
fn is_dns_label(label: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (text, url) in [
            ("localhost", "localhost"),
            ("Chat.Example.org", "chat.example.org"),
            ("203.0.113.7", "203.0.113.7"),
            ("2001:DB8::7", "[2001:db8::7]"),
            ("[2001:db8::7]", "[2001:db8::7]"),
        ] {
            assert_eq!(PublicHost::from_text(text).map(|host| host.in_url()), Ok(url.to_owned()));
        }
    }

    #[test]
    fn urls_ports_and_wildcards_are_not_hosts() {
        for text in ["", "https://a.b", "a.b:443", "a.b/", "0.0.0.0", "::", "127.1", "a..b", "-a.b", "ex ample", "a_b"]
        {
            assert!(PublicHost::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn localhost_and_loopback_are_local() {
        let local = |text| PublicHost::from_text(text).map(|host| host.is_local());
        assert_eq!(local("localhost"), Ok(true));
        assert_eq!(local("127.0.0.2"), Ok(true));
        assert_eq!(local("::1"), Ok(true));
        assert_eq!(local("example.org"), Ok(false));
    }
}
