//! What a shard counts. Fixed arrays: nothing a client sends can make them grow.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::relay::client::ClientTransport;
use crate::relay::client::Families;
use crate::relay::drop_reason::DropReason;
use crate::relay::request_result::RequestKind;
use crate::relay::request_result::RequestResult;

/// The way of relayed data; each payload counts once, in bytes of application data.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a client to a peer outside.
    ToPeer,
    /// From a peer outside to a client.
    ToClient,
    /// From one client of this process to another, in memory.
    HandedOver,
}

impl Direction {
    /// Every direction, in the order of their counters.
    pub const ALL: [Direction; 3] = [Direction::ToPeer, Direction::ToClient, Direction::HandedOver];

    /// The stable name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Direction::ToPeer => "to_peer",
            Direction::ToClient => "to_client",
            Direction::HandedOver => "handed_over",
        }
    }
}

/// The counters of one shard: written by its core alone, read by anybody.
#[derive(Debug, Default)]
pub struct Counters {
    packets: [AtomicU64; Direction::ALL.len()],
    bytes: [AtomicU64; Direction::ALL.len()],
    dropped: [AtomicU64; DropReason::ALL.len()],
    requests: [[AtomicU64; RequestResult::ALL.len()]; RequestKind::ALL.len()],
    allocations: [[AtomicU64; Families::ALL.len()]; ClientTransport::ALL.len()],
}

impl Counters {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Relayed packets and bytes of application data by direction.
    pub fn traffic(&self) -> impl Iterator<Item = (Direction, u64, u64)> + '_ {
        Direction::ALL.into_iter().map(|direction| {
            let at = direction as usize;
            (direction, read(&self.packets[at]), read(&self.bytes[at]))
        })
    }

    /// Discarded packets by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, read(&self.dropped[reason.index()])))
    }

    /// Requests by kind and result.
    pub fn requests(&self) -> impl Iterator<Item = (RequestKind, RequestResult, u64)> + '_ {
        RequestKind::ALL.into_iter().flat_map(move |kind| {
            RequestResult::ALL
                .into_iter()
                .map(move |result| (kind, result, read(&self.requests[kind as usize][result as usize])))
        })
    }

    /// Allocations that exist now, by client transport and relayed families.
    pub fn allocations(&self) -> impl Iterator<Item = (ClientTransport, Families, u64)> + '_ {
        ClientTransport::ALL.into_iter().flat_map(move |transport| {
            Families::ALL.into_iter().map(move |families| {
                (transport, families, read(&self.allocations[transport as usize][families as usize]))
            })
        })
    }

    pub(super) fn count_relayed(&self, direction: Direction, bytes: u64) {
        add(&self.packets[direction as usize], 1);
        add(&self.bytes[direction as usize], bytes);
    }

    pub(super) fn count_dropped(&self, reason: DropReason) {
        self.count_dropped_many(reason, 1);
    }

    pub(super) fn count_dropped_many(&self, reason: DropReason, packets: u64) {
        add(&self.dropped[reason.index()], packets);
    }

    pub(super) fn count_request(&self, kind: RequestKind, result: RequestResult) {
        add(&self.requests[kind as usize][result as usize], 1);
    }

    pub(super) fn allocation_began(&self, transport: ClientTransport, families: Families) {
        add(&self.allocations[transport as usize][families as usize], 1);
    }

    pub(super) fn allocation_ended(&self, transport: ClientTransport, families: Families) {
        add(&self.allocations[transport as usize][families as usize], u64::MAX);
    }
}

/// One thread writes, so a plain load and store do; no locked instruction per packet.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_shows_under_its_own_name_only() {
        let counters = Counters::new();
        counters.count_relayed(Direction::ToClient, 100);
        counters.count_relayed(Direction::ToClient, 60);
        counters.count_dropped(DropReason::NoPermission);
        counters.count_request(RequestKind::Refresh, RequestResult::StaleNonce);
        counters.allocation_began(ClientTransport::Tls, Families::V6);
        counters.allocation_began(ClientTransport::Tls, Families::V6);
        counters.allocation_ended(ClientTransport::Tls, Families::V6);
        assert!(counters.traffic().filter(|(_, packets, _)| *packets != 0).eq([(Direction::ToClient, 2, 160)]));
        assert!(counters.dropped().filter(|(_, count)| *count != 0).eq([(DropReason::NoPermission, 1)]));
        let requests = counters.requests().filter(|(_, _, count)| *count != 0);
        assert!(requests.eq([(RequestKind::Refresh, RequestResult::StaleNonce, 1)]));
        let allocations = counters.allocations().filter(|(_, _, count)| *count != 0);
        assert!(allocations.eq([(ClientTransport::Tls, Families::V6, 1)]));
    }
}
