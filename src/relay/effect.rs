//! What the core asks of its shell, and what it is told in return.
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::relay::client::ClientAddr;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::client::StreamId;
use crate::relay::directory::PortWish;
use crate::relay::directory::RelayedSlot;
use crate::relay::directory::ReservationToken;
use crate::relay::ledger::OverQuota;
use crate::relay::slab::AllocationId;
use crate::relay::usage::Usage;

/// One outstanding Allocate; never used twice by one server.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenId(pub(super) u64);

/// The user as quotas know it: the TURN username without its expiry, so minting anew gains nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuotaUser {
    pub(super) id: Arc<str>,
    pub(super) session: Option<Arc<str>>,
}

impl QuotaUser {
    /// The user named `id`, of no session.
    pub fn new(id: &str) -> Self {
        Self { id: Arc::from(id), session: None }
    }

    /// The user named `id` in a session: what all sides of it hold is counted together too.
    pub fn of_session(id: &str, session: Arc<str>) -> Self {
        Self { id: Arc::from(id), session: Some(session) }
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
