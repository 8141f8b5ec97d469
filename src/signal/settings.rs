//! What the operator decides about signaling.
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;

use crate::auth::file_link::FileLinks;
use crate::auth::secret::Secret;
use crate::auth::token::TokenSettings;
use crate::auth::turn::Minter;
use crate::filter::Screen;
use crate::signal::classifier::Classifier;
use crate::signal::key_ring::KeyRing;
use crate::signal::limit::Rate;
use crate::store::Retention;

/// Everything the hub is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who is speaking, for `welcome`.
    pub server: ServerName,
    /// Budgets: section `[limits]`.
    pub limits: Limits,
    /// Addresses without per-address budgets: `limits.exempt`.
    pub exempt: Vec<IpNet>,
    /// Whether a guest hello is accepted: `auth.guests`.
    pub guests: bool,
    /// Whether a guest may come by hello; where somebody else judges guests, they come by REST alone: `auth.guest_check_url`.
    pub guests_by_hello: bool,
    /// Whether a guest has to work before it may come: `auth.guest_proof_of_work_bits`.
    pub guests_work: bool,
    /// Whether people can register and log in: `auth.accounts`.
    pub accounts: bool,
    /// Keys and lives of tokens: section `[auth]`.
    pub tokens: TokenSettings,
    /// Asks for newer public keys of a backend; `None`: it has none.
    pub keys: Option<KeyRing>,
    /// After this a session ends by itself; `None`: never. `session.limit`.
    pub session_limit: Option<Duration>,
    /// How long a lost connection may take to come back; zero: it cannot. `session.resume_window`.
    pub resume_window: Duration,
    /// People who may wait at once; the engine is told at its start: `matchmaking.capacity`.
    pub queue_capacity: usize,
    /// `session.ice_policy`
    pub ice_policy: IcePolicy,
    /// URLs of the STUN and TURN listeners really bound (rule 25).
    pub ice_urls: Vec<String>,
    /// Mints the TURN credentials.
    pub minter: Minter,
    /// Signs invitations to rooms.
    pub invitation_secret: Secret,
    /// How long the store keeps what.
    pub retention: Retention,
    /// What happens without a moderator.
    pub automatic: Automatic,
    /// What people may not say: `moderation.text_rules_file`.
    pub screen: Arc<Screen>,
    /// Who is asked about messages that have gone out; `None`: nobody. `moderation.classifier_url`.
    pub classifier: Option<Classifier>,
    /// Whether the store outlives the process, so that calls do.
    pub survives: bool,
    /// What messages need to show files; `None`: they cannot.
    pub files: Option<FileSharing>,
}

/// What happens without a moderator: section `[moderation]`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Automatic {
    /// So many complaints about one device, or one user, take it out of matching until they are decided on; 0: never.
    pub reports: u32,
    /// Within that time.
    pub window: Duration,
}

impl Default for Automatic {
    fn default() -> Self {
        Self { reports: 0, window: Duration::from_secs(3600) }
    }
}

/// What messages need to show files. The files themselves are another's.
#[derive(Clone, Debug)]
pub struct FileSharing {
    /// Signs the addresses.
    pub links: FileLinks,
    /// How long an address is good.
    pub link_life: Duration,
    /// Rung when a message that may have shown a file is deleted.
    pub released: Arc<Notify>,
    /// How much of them stays for reports.
    pub evidence: EvidenceLimits,
}

/// Bytes of files that stay as evidence when their messages go.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// For one report.
    pub bytes_per_report: u64,
    /// For all of them.
    pub total_bytes: u64,
}

/// Who is speaking. Part of `welcome`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServerName {
    /// The product.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The node's name within its cluster.
    pub node: String,
}

/// Section `[limits]`, as told in `welcome.limits` (rule 2). Connections and HTTP requests are counted elsewhere.
#[derive(Copy, Clone, Debug, Serialize, ToSchema)]
pub struct Limits {
    /// Sockets of all clients.
    pub connections: u32,
    /// Sockets of one address.
    pub connections_per_address: u32,
    /// New guests of one address; IPv6 by /64.
    pub guests_per_minute: u32,
    /// Logins and registrations from one address; IPv6 by /64.
    pub logins_per_minute: u32,
    /// Messages on one connection in the long run.
    pub messages_per_second: u32,
    /// Messages on one connection at once.
    pub messages_burst: u32,
    /// `queue.join` of one user.
    pub queue_joins_per_minute: u32,
    /// `room.join` of one user.
    pub room_joins_per_minute: u32,
    /// Calls that one user begins, and one device.
    pub calls_per_minute: u32,
    /// `session.next` of one user.
    pub skips_per_minute: u32,
    /// `block.add` of one user.
    pub blocks_per_minute: u32,
    /// `report.submit` of one user.
    pub reports_per_minute: u32,
    /// `POST /v1/uploads` of one user.
    pub uploads_per_minute: u32,
    /// REST requests of one address.
    pub http_requests_per_minute: u32,
}

impl Limits {
    /// The budget for messages of one connection.
    pub(crate) fn messages(&self) -> Rate {
        Rate::per_second(self.messages_per_second, self.messages_burst)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_address: 64,
            guests_per_minute: 30,
            logins_per_minute: 30,
            messages_per_second: 50,
            messages_burst: 200,
            queue_joins_per_minute: 30,
            room_joins_per_minute: 30,
            calls_per_minute: 30,
            skips_per_minute: 20,
            blocks_per_minute: 30,
            reports_per_minute: 10,
            uploads_per_minute: 30,
            http_requests_per_minute: 600,
        }
    }
}

/// Which paths the peers may take: RTCIceTransportPolicy.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IcePolicy {
    /// Any.
    All,
    /// Relayed only: neither side learns the other's address.
    Relay,
}
