//! What one allocation shows to the others of this process, so that a pair meets in memory.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;

use crate::relay::client::ClientAddr;
use crate::relay::client::ShardId;
use crate::relay::directory::RelayIp;
use crate::relay::directory::RelayedSlot;
use crate::relay::slab::AllocationId;
use crate::stun::ChannelNumber;
use crate::time::Mono;

/// A live allocation as every shard may see it.
#[derive(Debug)]
pub struct RelayedEntry {
    /// Its relayed address in the directory.
    pub slot: RelayedSlot,
    /// Its relayed address as clients and peers know it.
    pub relayed: SocketAddr,
    /// The shard that owns it.
    pub shard: ShardId,
    /// Its id on that shard.
    pub allocation: AllocationId,
    /// Its client.
    pub client: ClientAddr,
    view: ArcSwap<PairView>,
    handed_packets: AtomicU64,
    handed_bytes: AtomicU64,
}

/// How a hand-over reaches the client of the receiving allocation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// As ChannelData on this channel.
    Channel(ChannelNumber),
    /// As a Data indication.
    Indication,
}

/// The permissions and channels of an allocation that concern relayed addresses of this process, as of their last change.
#[derive(Debug)]
pub(super) struct PairView {
    /// When the allocation ends.
    pub(super) expires_at: Mono,
    /// Permitted relay addresses and when each permission ends.
    pub(super) permissions: Vec<(RelayIp, Mono)>,
    /// Relayed addresses with a channel: its number and when it ends.
    pub(super) channels: Vec<(RelayedSlot, ChannelNumber, Mono)>,
}

impl PairView {
    /// The view of an allocation without permissions.
    pub(super) const fn empty(expires_at: Mono) -> Self {
        Self { expires_at, permissions: Vec::new(), channels: Vec::new() }
    }

    /// How data from `source` reaches this allocation's client; `None` without a live permission. RFC 8656 §11.3, §12.7.
    pub(super) fn reach(&self, source: RelayedSlot, now: Mono) -> Option<Reach> {
        if self.expires_at <= now {
            return None;
        }
        self.permissions.iter().find(|(ip, expires_at)| *ip == source.ip() && now < *expires_at)?;
        let channel = self.channels.iter().find(|(peer, _, expires_at)| *peer == source && now < *expires_at);
        Some(channel.map_or(Reach::Indication, |(_, number, _)| Reach::Channel(*number)))
    }
}

impl RelayedEntry {
    pub(super) fn new(
        slot: RelayedSlot,
        relayed: SocketAddr,
        shard: ShardId,
        allocation: AllocationId,
        client: ClientAddr,
        view: PairView,
    ) -> Self {
        Self {
            slot,
            relayed,
            shard,
            allocation,
            client,
            view: ArcSwap::from_pointee(view),
            handed_packets: AtomicU64::new(0),
            handed_bytes: AtomicU64::new(0),
        }
    }

    /// Publishes a new view; senders on every shard see it with their next packet.
    pub(super) fn show(&self, view: PairView) {
        self.view.store(Arc::new(view));
    }

    pub(super) fn reach(&self, source: RelayedSlot, now: Mono) -> Option<Reach> {
        self.view.load().reach(source, now)
    }

    /// Accounts one packet handed to this allocation's client by whichever shard.
    pub(super) fn count_handed(&self, bytes: u64) {
        self.handed_packets.fetch_add(1, Ordering::Relaxed);
        self.handed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Packets and bytes handed to this allocation's client so far.
    pub fn handed(&self) -> (u64, u64) {
        (self.handed_packets.load(Ordering::Relaxed), self.handed_bytes.load(Ordering::Relaxed))
    }
}
