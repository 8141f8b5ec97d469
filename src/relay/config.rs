//! What the core must know to serve. Plain values; the transport fills in what it bound.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::nonce::NonceKey;
use crate::auth::nonce::SecurityFeatures;
use crate::auth::turn::Verifier;
use crate::relay::policy::PeerPolicy;
use crate::stun::ChannelRange;

/// Where peers may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Each relayed address is a UDP socket; peers are whoever the policy allows.
    #[default]
    Ports,
    /// Relayed addresses exist in memory only; peers are live relayed addresses of this process.
    SinglePort,
}

impl Mode {
    /// The stable name in configuration and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Mode::Ports => "ports",
            Mode::SinglePort => "single-port",
        }
    }
}

/// What one allocation may hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Permissions of one allocation; 508 beyond.
    pub permissions: usize,
    /// Channels of one allocation; 508 beyond.
    pub channels: usize,
    /// Peer addresses that one allocation may have had permissions for over its life; 508 beyond.
    pub peers: usize,
    /// Bytes of application data that one allocation relays per second and direction; 0: no limit.
    pub bytes_per_second: u64,
    /// Packets that one allocation relays per second and direction; 0: no limit.
    pub packets_per_second: u64,
    /// Bytes of application data relayed per second in the whole process; 0: no limit.
    pub total_bytes_per_second: u64,
    /// The longest lifetime granted; never below [`MIN_LIFETIME`].
    pub max_lifetime: Duration,
}

/// The shortest lifetime granted, and the one for clients that name none. RFC 8656 §3.2.
pub const MIN_LIFETIME: Duration = Duration::from_secs(600);

impl Default for Limits {
    fn default() -> Self {
        Self {
            permissions: 64,
            channels: 64,
            peers: 256,
            bytes_per_second: 25_000_000,
            packets_per_second: 50_000,
            total_bytes_per_second: 1_250_000_000,
            max_lifetime: Duration::from_secs(3600),
        }
    }
}

/// What those get who have proved nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strangers {
    /// Answers per second over UDP to one IPv4 /24 or IPv6 /56; three seconds' worth may come at once.
    pub answers_per_second: u32,
    /// Wrong passwords a minute of one IPv4 address or IPv6 /64, beyond which it is not heard for a minute; 0: no limit.
    pub failures_per_minute: u16,
    /// Networks that neither holds for.
    pub exempt: Vec<IpNet>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { answers_per_second: 256, failures_per_minute: 60, exempt: Vec::new() }
    }
}

impl Strangers {
    pub(super) fn is_exempt(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|net| net.contains(&ip))
    }
}

/// Everything a [`Server`](crate::relay::Server) is told. Relay addresses and ports are the directory's.
#[derive(Debug)]
pub struct Config {
    /// Where peers may be.
    pub mode: Mode,
    /// What one allocation may hold.
    pub limits: Limits,
    /// What those get who have proved nothing.
    pub strangers: Strangers,
    /// Which channel numbers clients may bind.
    pub channel_range: ChannelRange,
    /// Which peers are refused.
    pub policy: PeerPolicy,
    /// Knows realm, secrets and static users.
    pub verifier: Verifier,
    /// Makes and checks nonces.
    pub nonce_key: NonceKey,
    /// What nonces say that we support.
    pub features: SecurityFeatures,
    /// Whether a credential's expiry also ends what was allocated with it.
    pub strict_expiry: bool,
    /// Where clients of its family are sent while this server drains. RFC 8489 §10.
    pub alternate_server: Option<SocketAddr>,
    /// Whether the shell wants to hear of answered requests ([`Effect::Answered`](crate::relay::Effect::Answered)).
    pub is_traced: bool,
    /// Whether the shell can set the DF bit when a verdict asks for it; otherwise DONT-FRAGMENT is answered with 420.
    pub dont_fragment: bool,
}
