//! What one allocation shows to the others of this process, so that a pair meets in memory.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;

use crate::relay::client::ClientAddr;
use crate::relay::client::Family;
use crate::relay::client::ShardId;
use crate::relay::directory::RelayIp;
use crate::relay::directory::RelayedSlot;
use crate::relay::few::Few;
use crate::relay::slab::AllocationId;
use crate::stun::ChannelNumber;
use crate::time::Mono;

/// A live allocation as every shard may see it.
#[derive(Debug)]
pub struct RelayedEntry {
    /// Its relayed address in the directory.
    pub slot: RelayedSlot,
    /// The family of that address.
    pub family: Family,
    /// The shard that owns it.
    pub shard: ShardId,
    /// Its id on that shard.
    pub allocation: AllocationId,
    /// Its client.
    pub client: ClientAddr,
    /// Nothing until there is something to see.
    view: ArcSwapOption<PairView>,
    /// Which view this is, counted from zero; [`WITHDRAWN`] when nobody may find the allocation any more.
    edition: AtomicU64,
    handed_packets: AtomicU64,
    handed_bytes: AtomicU64,
}

/// The edition after the last.
const WITHDRAWN: u64 = u64::MAX;

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
    /// Permitted relay addresses and when each permission ends, at the latest with the allocation.
    pub(super) permissions: Few<(RelayIp, Mono)>,
    /// Relayed addresses with a channel: its number and when it ends.
    pub(super) channels: Few<(RelayedSlot, ChannelNumber, Mono)>,
}

/// The other side of a channel, found once, so that its packets need not look for it: holds for one edition of the other's view.
#[derive(Clone, Debug)]
pub(super) struct Shortcut {
    pub(super) entry: Arc<RelayedEntry>,
    pub(super) reach: Reach,
    edition: u64,
    until: Mono,
}

impl Shortcut {
    /// Whether looking again would find the same.
    pub(super) fn holds(&self, now: Mono) -> bool {
        now < self.until && self.entry.edition.load(Ordering::Acquire) == self.edition
    }
}

impl PairView {
    /// How data from `source` reaches this allocation's client, and until when; `None` without a live permission.
    /// RFC 8656 §11.3, §12.7.
    fn reach(&self, source: RelayedSlot, now: Mono) -> Option<(Reach, Mono)> {
        let permission = self.permissions.iter().find(|(ip, _)| *ip == source.ip());
        let until = permission.map(|(_, until)| *until).filter(|until| now < *until)?;
        let channel = self.channels.iter().find(|(peer, _, expires_at)| *peer == source && now < *expires_at);
        Some(match channel {
            Some((_, number, expires_at)) => (Reach::Channel(*number), until.min(*expires_at)),
            None => (Reach::Indication, until),
        })
    }
}

impl RelayedEntry {
    pub(super) fn new(
        slot: RelayedSlot,
        family: Family,
        shard: ShardId,
        allocation: AllocationId,
        client: ClientAddr,
    ) -> Self {
        Self {
            slot,
            family,
            shard,
            allocation,
            client,
            view: ArcSwapOption::empty(),
            edition: AtomicU64::new(0),
            handed_packets: AtomicU64::new(0),
            handed_bytes: AtomicU64::new(0),
        }
    }

    /// Publishes a new view; senders on every shard see it with their next packet. Only the shard that owns it may.
    pub(super) fn show(&self, view: PairView) {
        // Most peers are outside, and those who permit only them have nothing to show.
        self.view.store((!view.permissions.is_empty()).then(|| Arc::new(view)));
        let edition = self.edition.load(Ordering::Relaxed);
        if edition != WITHDRAWN {
            // Behind the view: whoever knows this edition has seen it.
            self.edition.store(edition + 1, Ordering::Release);
        }
    }

    /// Ends every shortcut, for good.
    pub(super) fn withdraw(&self) {
        self.edition.store(WITHDRAWN, Ordering::Release);
    }

    /// How data from `source` reaches this allocation's client; `None` without a live permission, and when it is withdrawn.
    pub(super) fn shortcut(self: Arc<Self>, source: RelayedSlot, now: Mono) -> Option<Shortcut> {
        // Before the view: it may be newer than the edition, never older.
        let edition = self.edition.load(Ordering::Acquire);
        if edition == WITHDRAWN {
            return None;
        }
        let (reach, until) = self.view.load().as_ref()?.reach(source, now)?;
        Some(Shortcut { entry: self, reach, edition, until })
    }

    /// Accounts one packet handed to this allocation's client by another shard; its own shard counts at the allocation.
    pub(super) fn count_handed(&self, bytes: u64) {
        self.handed_packets.fetch_add(1, Ordering::Relaxed);
        self.handed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Packets and bytes handed to this allocation's client by other shards so far.
    pub fn handed(&self) -> (u64, u64) {
        (self.handed_packets.load(Ordering::Relaxed), self.handed_bytes.load(Ordering::Relaxed))
    }
}
