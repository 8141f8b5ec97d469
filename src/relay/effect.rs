//! What the core asks of its shell, and what it is told in return.
use std::hash::Hash;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::auth::turn::TurnUsername;
use crate::relay::client::ClientAddr;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::client::StreamId;
use crate::relay::directory::PortWish;
use crate::relay::directory::RelayedSlot;
use crate::relay::directory::ReservationToken;
use crate::relay::ledger::OverQuota;
use crate::relay::request_result::RequestKind;
use crate::relay::request_result::RequestResult;
use crate::relay::slab::AllocationId;
use crate::relay::usage::Usage;

/// One outstanding Allocate; never used twice by one server.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenId(pub(super) u64);

/// The user as quotas know it: the TURN username without its expiry, so minting anew gains nothing.
///
/// One text serves for username, id and session, because there are as many of these as there are allocations:
///
/// ```text
/// 1767225600:s1.a
///            |--| id
///            || session
/// ```
#[derive(Clone, Debug)]
pub struct QuotaUser {
    text: Arc<str>,
    id_at: u16,
    session_len: u16,
}

impl QuotaUser {
    /// The user named `id`, of no session.
    pub fn new(id: &str) -> Self {
        Self::named(Arc::from(id))
    }

    /// The user with this name, of no session.
    pub(super) const fn named(text: Arc<str>) -> Self {
        Self { text, id_at: 0, session_len: 0 }
    }

    /// The user named `id`, in the session that the name begins with: what all sides of it hold is counted together too.
    pub fn of_session(id: &str) -> Self {
        Self::minted(Arc::from(id), TurnUsername { expires_unix_secs: None, id })
    }

    /// The user of a minted username, which ends with the id.
    pub(super) fn minted(text: Arc<str>, username: TurnUsername<'_>) -> Self {
        // A USERNAME is shorter than 509 bytes. RFC 8489 §14.3.
        let narrow = |len| u16::try_from(len).unwrap_or(u16::MAX);
        let id_at = narrow(text.len().saturating_sub(username.id.len()));
        Self { text, id_at, session_len: narrow(username.session().len()) }
    }

    /// The username without its expiry.
    pub(super) fn id(&self) -> &str {
        self.text.get(usize::from(self.id_at)..).unwrap_or_default()
    }

    /// Whether the name begins with an expiry.
    pub(super) const fn is_minted(&self) -> bool {
        self.id_at > 0
    }

    /// The session that the credential was minted for.
    pub fn session(&self) -> Option<&str> {
        self.id().get(..usize::from(self.session_len)).filter(|session| !session.is_empty())
    }
}

impl PartialEq for QuotaUser {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.session_len == other.session_len
    }
}

impl Eq for QuotaUser {}

impl Hash for QuotaUser {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

/// Something the shell must do. Effects come in the order in which they must happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Charge the ledger, claim a relayed address in the directory, open its socket (`ports` mode), and call
    /// [`Server::handle_opened`](crate::relay::Server::handle_opened).
    Open {
        /// Names the request in `handle_opened`.
        request: OpenId,
        /// A relayed address of each of these families; one of both is better than none.
        families: Families,
        /// Which port will do.
        port: PortWish,
        /// The server's address that the client came to: a relayed address on it is better than on another.
        near: IpAddr,
        /// Who is charged.
        user: QuotaUser,
        /// The address that is charged.
        client_ip: IpAddr,
    },
    /// Peers may send to a relayed address of this family from now on; what was sent before is nobody's. Comes with each
    /// permission.
    Hear {
        /// The allocation.
        at: AllocationId,
        /// The family of the address.
        family: Family,
    },
    /// A relayed address of an allocation is gone: close its socket, then release the slot and refund its charge.
    ///
    /// The directory no longer finds the address when this comes out. With its last address the allocation is gone too.
    Close {
        /// The allocation.
        at: AllocationId,
        /// The family of the address.
        family: Family,
        /// The address.
        relayed: RelayedSlot,
    },
    /// Close this client connection.
    CloseStream {
        /// The connection.
        stream: StreamId,
    },
    /// The record of an allocation that ended.
    Ended(Usage),
    /// A request of somebody proved was answered. Comes only where [`Config::is_traced`](crate::relay::Config::is_traced).
    Answered {
        /// What was asked.
        kind: RequestKind,
        /// How it was answered.
        result: RequestResult,
        /// Who asked.
        user: QuotaUser,
    },
    /// Somebody in this network was wrong about passwords so often that nobody listens for a while. At most one a second.
    Barred {
        /// An IPv4 /24 or an IPv6 /56.
        network: IpNet,
    },
}

/// What was opened for an [`Effect::Open`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The claimed relayed address; the IPv4 one if there are two.
    pub relayed: RelayedSlot,
    /// What became of the other family.
    pub beside: Beside,
    /// The next-higher port, kept for a later Allocate, if [`PortWish::EvenAndNext`] was asked for.
    pub reserved: Option<ReservationToken>,
}

/// The second address of an Allocate that may ask for both families.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Only one family was asked for.
    Nothing,
    /// The claimed IPv6 address.
    Relayed(RelayedSlot),
    /// There is none of the other family; ADDRESS-ERROR-CODE says why.
    Refused(OpenError),
}

/// Why nothing was opened.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no relay address of the family: 440.
    #[error("no relay address of this family")]
    FamilyNotOffered,
    /// No port left, or none that fits the wish: 508.
    #[error("no relay port is free")]
    NoPort,
    /// The token is unknown, expired or used: 508.
    #[error("the reservation is not known")]
    NoReservation,
    /// The operating system refused the socket: 508.
    #[error("the relay socket could not be opened")]
    Socket,
    /// A quota is used up: 486, or 508 if it is the server's own.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
}

/// The answer to an Allocate whose relay socket was asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where `reply[..len]` goes.
    pub to: ClientAddr,
    /// The length of the answer in bytes; 0 if there is nothing to send.
    pub len: usize,
    /// The new allocation. `None`: whatever was opened must be closed, released and refunded.
    pub at: Option<AllocationId>,
}
