//! The relayed addresses of one allocation: one, or one of each family (a dual allocation). RFC 8656 §7.2, §8.1.
use std::sync::Arc;

use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::directory::RelayedSlot;
use crate::relay::pair_view::RelayedEntry;
use crate::time::Mono;

/// One relayed address. It is refreshed, deleted and expires by itself.
#[derive(Debug)]
pub(super) struct Half {
    /// What other shards see of it; also says which relayed address it is.
    pub(super) entry: Arc<RelayedEntry>,
    /// The moment zero once it was given back. The entry stays: a retransmitted Allocate is told of it, and so is the record.
    expires_at: Mono,
}

impl Half {
    pub(super) const fn new(entry: Arc<RelayedEntry>, expires_at: Mono) -> Self {
        Self { entry, expires_at }
    }

    pub(super) fn slot(&self) -> RelayedSlot {
        self.entry.slot
    }

    pub(super) fn family(&self) -> Family {
        self.entry.family
    }

    pub(super) const fn expires_at(&self) -> Mono {
        self.expires_at
    }

    pub(super) fn is_live(&self, now: Mono) -> bool {
        now < self.expires_at
    }

    /// Whether its port still has to be given back, expired or not.
    fn is_open(&self) -> bool {
        self.expires_at != Mono::default()
    }
}

/// One or two [`Half`]s, indexed by family.
#[derive(Debug, Default)]
pub(super) struct Halves {
    half_by_family: [Option<Half>; Family::ALL.len()],
}

impl Halves {
    /// Puts a half in its place.
    pub(super) fn insert(&mut self, half: Half) {
        let family = half.family();
        self.half_by_family[family as usize] = Some(half);
    }

    /// The unexpired half of a family.
    pub(super) fn live(&self, family: Family, now: Mono) -> Option<&Half> {
        self.half_by_family[family as usize].as_ref().filter(|half| half.is_live(now))
    }

    /// The slot of a family, if there ever was one.
    pub(super) fn slot(&self, family: Family) -> Option<RelayedSlot> {
        self.half_by_family[family as usize].as_ref().map(Half::slot)
    }

    /// Whether any half is unexpired.
    pub(super) fn are_live(&self, now: Mono) -> bool {
        self.iter().any(|half| half.is_live(now))
    }

    /// Every half there ever was, IPv4 first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Half> {
        self.half_by_family.iter().flatten()
    }

    /// The halves that were not given back yet.
    pub(super) fn open(&self) -> impl Iterator<Item = &Half> {
        self.iter().filter(|half| half.is_open())
    }

    /// The families there ever were.
    pub(super) fn families(&self) -> Option<Families> {
        Families::of(self.iter().map(Half::family))
    }

    /// The families that were not given back yet.
    pub(super) fn open_families(&self) -> Option<Families> {
        Families::of(self.open().map(Half::family))
    }

    /// When the first of the halves expires; the moment zero if none is open.
    pub(super) fn next_expiry(&self) -> Mono {
        self.open().map(Half::expires_at).min().unwrap_or_default()
    }

    /// Gives the live halves of these families another expiry.
    pub(super) fn set_expiry(&mut self, families: Families, expires_at: Mono, now: Mono) {
        for family in families.iter() {
            if let Some(half) = self.half_by_family[family as usize].as_mut().filter(|half| half.is_live(now)) {
                half.expires_at = expires_at;
            }
        }
    }

    /// The family of an open half that has expired.
    pub(super) fn expired(&self, now: Mono) -> Option<Family> {
        self.open().find(|half| !half.is_live(now)).map(Half::family)
    }

    /// Marks a half as given back and returns its slot, if it was open.
    pub(super) fn close(&mut self, family: Family) -> Option<RelayedSlot> {
        let half = self.half_by_family[family as usize].as_mut().filter(|half| half.is_open())?;
        half.expires_at = Mono::default();
        Some(half.slot())
    }
}
