//! A ticket: one user waiting for a partner.
use std::sync::Arc;

use crate::matchmaking::Preferences;
use crate::time::Mono;

/// Names a ticket; never used twice in the life of the process.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u64);

/// A user as the token names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub Arc<str>);

/// The device a guest claims to be; a key for exclusion only (rule 1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub Arc<str>);

/// The age band set by the server, from the token only; a client never chooses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgeBand(pub Arc<str>);

impl AgeBand {
    /// The band of everybody whose age nobody vouches for: guests among them (rule 22).
    pub fn unknown() -> Self {
        Self(Arc::from("unknown"))
    }
}

/// One end of a block: a user, or for guests also their device (rule 39).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// Everybody who is this user.
    User(UserId),
    /// Everybody on this device.
    Device(DeviceId),
}

/// One user waiting for a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The name of this ticket.
    pub id: TicketId,
    /// Who waits; at most one ticket each.
    pub user: UserId,
    /// The user's device, if known; two tickets of one device are never matched.
    pub device: Option<DeviceId>,
    /// The pool beside the mode; never crossed.
    pub age_band: AgeBand,
    /// What the user asked for.
    pub preferences: Preferences,
    /// Since when the user waits; kept when the ticket is given back.
    pub since: Mono,
}
