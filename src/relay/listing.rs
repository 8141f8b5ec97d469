//! What an operator is shown of live allocations. A bounded part at a time: whoever asks must not hold up packets.
use std::net::SocketAddr;

use crate::relay::allocation::Allocation;
use crate::relay::client::ClientTransport;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::relay::usage::EndReason;
use crate::relay::usage::Traffic;
use crate::relay::usage::user_hash;
use crate::time::Now;
use crate::time::UnixMillis;

/// Slots that are looked at for one part, some microseconds of work.
const SLOTS_MAX: usize = 1024;

/// Allocations told at once, whatever is asked for.
pub const LISTED_MAX: usize = 100;

/// Which allocations are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All from this slot on.
    From(u32),
    /// Those of a session.
    Of(Box<str>),
}

/// One live allocation at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationView {
    /// Its id on its shard.
    pub id: AllocationId,
    /// The session its credential was minted for.
    pub session: Option<Box<str>>,
    /// See [`user_hash`].
    pub user_hash: u64,
    /// The client's transport.
    pub transport: ClientTransport,
    /// Where the client is seen.
    pub client: SocketAddr,
    /// Its relayed addresses, as clients know them.
    pub relayed: Vec<SocketAddr>,
    /// When it was allocated.
    pub started: UnixMillis,
    /// When the last of its addresses expires unless it is refreshed.
    pub expires: UnixMillis,
    /// Permissions that have not expired.
    pub permissions: usize,
    /// Channels that have not expired.
    pub channels: usize,
    /// Data of the client that left for peers outside.
    pub to_peers: Traffic,
    /// Data of peers outside that went to the client.
    pub to_client: Traffic,
    /// Data of the client that went straight to other clients of this process.
    pub handed_out: Traffic,
    /// Data of other clients of this process that went straight to this client.
    pub handed_in: Traffic,
    /// Packets discarded while the allocation was known.
    pub dropped: u64,
}

/// A part of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their slots.
    pub found: Vec<AllocationView>,
    /// Where the next part begins; `None`: there is no more.
    pub next: Option<u32>,
}

impl Server {
    /// Tells what lives: at most `limit` allocations, and never more than [`LISTED_MAX`].
    pub fn list(&self, which: &Which, limit: usize, now: Now) -> Listing {
        let limit = limit.clamp(1, LISTED_MAX);
        match which {
            Which::From(first) => self.list_from(*first, limit, now),
            Which::Of(session) => {
                let ids = self.allocations.ids_of_session(session);
                let found = ids.into_iter().filter_map(|id| self.view(id, self.allocations.get(id)?, now));
                Listing { found: found.take(limit).collect(), next: None }
            }
        }
    }

    /// Frees an allocation and closes its connection; false if it has ended already. Its credential stays good.
    pub fn end_allocation(&mut self, id: AllocationId, now: Now) -> bool {
        self.end_with_stream(id, EndReason::Revoked, now)
    }

    fn list_from(&self, first: u32, limit: usize, now: Now) -> Listing {
        let mut listing = Listing::default();
        for (looked_at, (id, allocation)) in self.allocations.slots_from(first).enumerate() {
            if looked_at == SLOTS_MAX || listing.found.len() == limit {
                listing.next = Some(id.slot());
                break;
            }
            listing.found.extend(allocation.and_then(|allocation| self.view(id, allocation, now)));
        }
        listing
    }

    /// `None` for one that has expired and was not yet tidied away.
    fn view(&self, id: AllocationId, allocation: &Allocation, now: Now) -> Option<AllocationView> {
        if allocation.is_expired(now.mono) {
            return None;
        }
        let last = allocation.halves.open().map(|half| half.expires_at()).max().unwrap_or_default();
        let relayed = allocation.halves.open().filter_map(|half| self.directory.external_address(half.slot()));
        Some(AllocationView {
            id,
            session: allocation.credential.session().map(Box::from),
            user_hash: user_hash(allocation.credential.user.id()),
            transport: allocation.client.via.transport(),
            client: allocation.client.remote,
            relayed: relayed.collect(),
            started: allocation.started,
            expires: now.unix + last.saturating_since(now.mono),
            permissions: allocation.permissions.iter().filter(|one| now.mono < one.expires_at).count(),
            channels: allocation.channels.iter().filter(|one| now.mono < one.expires_at).count(),
            to_peers: allocation.outward.to_peers,
            to_client: allocation.inward.to_client,
            handed_out: allocation.outward.handed_over,
            handed_in: allocation.handed_in(),
            dropped: allocation.dropped(),
        })
    }
}
