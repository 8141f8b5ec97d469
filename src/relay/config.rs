//! What the core must know to serve. Plain values; the transport fills in what it bound.
use std::time::Duration;

use crate::auth::nonce::NonceKey;
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
    /// The longest lifetime granted; never below [`MIN_LIFETIME`].
    pub max_lifetime: Duration,
}

/// The shortest lifetime granted, and the one for clients that name none. RFC 8656 §3.2.
pub const MIN_LIFETIME: Duration = Duration::from_secs(600);

impl Default for Limits {
    fn default() -> Self {
        Self { permissions: 64, channels: 64, peers: 256, max_lifetime: Duration::from_secs(3600) }
    }
}

/// Everything a [`Server`](crate::relay::Server) is told. Relay addresses and ports are the directory's.
#[derive(Debug)]
pub struct Config {
    /// Where peers may be.
    pub mode: Mode,
    /// What one allocation may hold.
    pub limits: Limits,
    /// Which channel numbers clients may bind.
    pub channel_range: ChannelRange,
    /// Which peers are refused.
    pub policy: PeerPolicy,
    /// Knows realm, secrets and static users.
    pub verifier: Verifier,
    /// Makes and checks nonces.
    pub nonce_key: NonceKey,
    /// Whether a credential's expiry also ends what was allocated with it.
    pub strict_expiry: bool,
    /// Whether the shell can set the DF bit when a verdict asks for it; otherwise DONT-FRAGMENT is answered with 420.
    pub dont_fragment: bool,
}
