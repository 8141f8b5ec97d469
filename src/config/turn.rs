//! `[turn]`: STUN and TURN listeners and credentials.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::auth::secret::Secret;

use super::duration;
use super::mask;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// `[turn]`: STUN and TURN listeners and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// STUN/TURN over UDP.
    pub udp_listen: Vec<SocketAddr>,
    /// STUN/TURN over TCP.
    pub tcp_listen: Vec<SocketAddr>,
    /// STUN/TURN over TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// The realm of the long-term credentials. RFC 8489 §14.9.
    pub realm: String,
    /// Secrets of the time-limited credentials: the first one mints, all verify; empty: the state directory's.
    #[serde(serialize_with = "mask::list")]
    pub secrets: Vec<Secret>,
    /// Static users: password by name.
    #[serde(serialize_with = "mask::map")]
    pub users: BTreeMap<String, Secret>,
    /// Whether clients are asked to send the hash of their name, which only static users can be found by. RFC 8489 §9.2.
    pub username_anonymity: bool,
    /// Which numbers channels may have.
    pub channel_numbers: ChannelNumbers,
    /// How long a nonce is good. RFC 8489 §9.2.
    #[serde(serialize_with = "duration::serialize")]
    pub nonce_lifetime: Duration,
    /// Whether an allocation ends when its credential expires.
    pub strict_expiry: bool,
    /// Where clients are sent while this node drains. RFC 8489 §10.
    #[serde(serialize_with = "super::print::or_empty")]
    pub alternate_server: Option<SocketAddr>,
}

impl Default for Turn {
    fn default() -> Self {
        let both_families = |port| vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0u16; 8], port))];
        Self {
            udp_listen: both_families(3478),
            tcp_listen: both_families(3478),
            tls_listen: both_families(5349),
            realm: "duologue".to_owned(),
            secrets: Vec::new(),
            users: BTreeMap::new(),
            username_anonymity: false,
            channel_numbers: ChannelNumbers::Rfc8656,
            nonce_lifetime: *NONCE_LIFETIME.end(),
            strict_expiry: false,
            alternate_server: None,
        }
    }
}

impl Turn {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            udp_listen: section.value("udp_listen", default.udp_listen),
            tcp_listen: section.value("tcp_listen", default.tcp_listen),
            tls_listen: section.value("tls_listen", default.tls_listen),
            realm: section.checked("realm", default.realm, |realm| check_realm(realm)),
            secrets: section.secrets("secrets"),
            users: section.passwords("users"),
            username_anonymity: section.value("username_anonymity", default.username_anonymity),
            channel_numbers: section.value("channel_numbers", default.channel_numbers),
            nonce_lifetime: section.checked("nonce_lifetime", default.nonce_lifetime, check_nonce_lifetime),
            strict_expiry: section.value("strict_expiry", default.strict_expiry),
            alternate_server: section.checked("alternate_server", default.alternate_server, connectable),
        };
        section.finish();
        read
    }
}

/// RFC 8656 §5 asks for at most an hour. A client must come back with its nonce before it is over.
const NONCE_LIFETIME: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(3600);

fn check_nonce_lifetime(lifetime: &Duration) -> Result<(), Complaint> {
    if NONCE_LIFETIME.contains(lifetime) {
        return Ok(());
    }
    let what = format!("nonces cannot live {}", duration::format(*lifetime));
    Err(Complaint::new(what, "write \"10s\" to \"1h\", best a minute or more"))
}

/// Which numbers channels may have.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelNumbers {
    /// 0x4000 to 0x4FFF. RFC 8656 §12.
    Rfc8656,
    /// 0x4000 to 0x7FFF, for clients older than that. RFC 5766 §11.
    Rfc5766,
}

impl FromText for ChannelNumbers {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "rfc8656" => Ok(Self::Rfc8656),
            "rfc5766" => Ok(Self::Rfc5766),
            _ => Err(Complaint::new(format!("{text:?} is no range of channels"), "write \"rfc8656\" or \"rfc5766\"")),
        }
    }
}

/// A realm is sent in each challenge; short keeps the unauthenticated answer small. RFC 8489 §14.9 allows 128 characters.
fn check_realm(realm: &str) -> Result<(), Complaint> {
    let printable = realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
    if realm.is_empty() || realm.len() > 127 || !printable {
        let fix = "write 1 to 127 plain characters, mostly the domain: \"chat.example.org\"";
        return Err(Complaint::new(format!("{realm:?} is no realm"), fix));
    }
    Ok(())
}

fn connectable(address: &Option<SocketAddr>) -> Result<(), Complaint> {
    match address {
        Some(address) if address.ip().is_unspecified() || address.port() == 0 => {
            let what = format!("clients cannot be sent to {address}");
            Err(Complaint::new(what, "write the public address and port of the other server"))
        }
        Some(_) | None => Ok(()),
    }
}
