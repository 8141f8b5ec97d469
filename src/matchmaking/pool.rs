//! Pools: mode, age band and size of group, never crossed. Within a pool tickets of equal `attrs` and `want` form a kind.
use std::collections::HashMap;
use std::sync::Arc;

use crate::matchmaking::Attributes;
use crate::matchmaking::GroupSize;
use crate::matchmaking::Preferences;
use crate::matchmaking::Want;
use crate::matchmaking::eta::WaitTimes;
use crate::matchmaking::ticket::AgeBand;

/// Names a pool while it has tickets.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolId(pub(super) u32);

/// Kinds with postings of their own, per pool.
const KINDS_MAX: usize = 16;

/// Pools whose wait times are remembered after the last ticket has left.
const EMPTY_POOLS_MAX: usize = 256;

/// A kind within its pool.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KindNumber(pub(super) u8);

impl KindNumber {
    /// Tickets that found all numbers taken; each of them is looked at one by one.
    pub(super) const MIXED: KindNumber = KindNumber(0);
    /// Kept for those who say and want nothing: no crowd of odd kinds can take their number.
    const PLAIN: KindNumber = KindNumber(1);
}

/// What a user is and what the partner must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) attributes: Arc<Attributes>,
    pub(super) want: Arc<Want>,
}

impl Traits {
    fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.want.values_by_key.is_empty()
    }

    /// Whether each satisfies the other. Rule 22.
    pub(super) fn fit(&self, other: &Traits) -> bool {
        self.want.accepts(&other.attributes) && other.want.accepts(&self.attributes)
    }
}

#[derive(Debug)]
struct Kind {
    traits: Arc<Traits>,
    holders: u32,
}

/// One mode, age band and size of group.
#[derive(Debug)]
pub(super) struct Pool {
    /// The kind of call.
    pub(super) mode: Arc<str>,
    /// The age band.
    pub(super) age_band: AgeBand,
    /// How many are to meet.
    pub(super) size: GroupSize,
    /// Tickets that can be matched.
    pub(super) waiting: u32,
    /// How long waits turned out to be.
    pub(super) wait_times: WaitTimes,
    holders: u32,
    kinds: [Option<Kind>; KINDS_MAX],
    mixed: u32,
}

impl Pool {
    /// Counts a ticket into its kind.
    pub(super) fn hold_kind(&mut self, preferences: &Preferences) -> (KindNumber, Arc<Traits>) {
        let traits = Traits { attributes: preferences.attributes.clone(), want: preferences.want.clone() };
        for (number, kind) in (1..).zip(&mut self.kinds) {
            if let Some(kind) = kind
                && *kind.traits == traits
            {
                kind.holders += 1;
                return (KindNumber(number), kind.traits.clone());
            }
        }
        let is_plain = traits.is_empty();
        let traits = Arc::new(traits);
        for (number, kind) in (1..).map(KindNumber).zip(&mut self.kinds) {
            if kind.is_none() && (number == KindNumber::PLAIN) == is_plain {
                *kind = Some(Kind { traits: traits.clone(), holders: 1 });
                return (number, traits);
            }
        }
        self.mixed += 1;
        (KindNumber::MIXED, traits)
    }

    /// Counts a ticket out of its kind.
    pub(super) fn release_kind(&mut self, number: KindNumber) {
        let Some(position) = usize::from(number.0).checked_sub(1) else {
            self.mixed -= 1;
            return;
        };
        let Some(kind) = self.kinds.get_mut(position) else { return };
        if let Some(held) = kind {
            held.holders -= 1;
            if held.holders == 0 {
                *kind = None;
            }
        }
    }

    /// The kinds in use; `None` for the traits of the mixed one.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (KindNumber, Option<&Traits>)> {
        let mixed = (self.mixed > 0).then_some((KindNumber::MIXED, None));
        let numbered = (1..).zip(&self.kinds);
        mixed.into_iter().chain(
            numbered.filter_map(|(number, kind)| kind.as_ref().map(|kind| (KindNumber(number), Some(&*kind.traits)))),
        )
    }
}

/// The pools that have tickets, and a few that had.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pools: Vec<Option<Pool>>,
    free: Vec<PoolId>,
    empty: usize,
    id_by_name: HashMap<(Arc<str>, AgeBand, GroupSize), PoolId>,
}

impl Pools {
    /// Counts a ticket into the pool of that mode, age band and size.
    pub(super) fn hold(&mut self, mode: &Arc<str>, age_band: &AgeBand, size: GroupSize) -> PoolId {
        let name = (mode.clone(), age_band.clone(), size);
        if let Some(&id) = self.id_by_name.get(&name) {
            if let Some(pool) = self.get_mut(id) {
                pool.holders += 1;
                if pool.holders == 1 {
                    self.empty -= 1;
                }
            }
            return id;
        }
        let pool = Some(Pool {
            mode: mode.clone(),
            age_band: age_band.clone(),
            size,
            waiting: 0,
            wait_times: WaitTimes::default(),
            holders: 1,
            kinds: Default::default(),
            mixed: 0,
        });
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.pools.get_mut(id.0 as usize) {
                    *place = pool;
                }
                id
            }
            None => {
                self.pools.push(pool);
                // At most one per ticket.
                PoolId((self.pools.len() - 1) as u32)
            }
        };
        self.id_by_name.insert(name, id);
        id
    }

    /// Counts a ticket out of its pool.
    pub(super) fn release(&mut self, id: PoolId) {
        let Some(pool) = self.get_mut(id) else { return };
        pool.holders -= 1;
        if pool.holders > 0 {
            return;
        }
        // A quiet pool is empty after every match; it should know its waits at the next one all the same.
        let is_worth_keeping = pool.wait_times.is_known();
        if is_worth_keeping && self.empty < EMPTY_POOLS_MAX {
            self.empty += 1;
            return;
        }
        if let Some(pool) = self.pools.get_mut(id.0 as usize).and_then(Option::take) {
            self.id_by_name.remove(&(pool.mode, pool.age_band, pool.size));
            self.free.push(id);
        }
    }

    /// The pool of a held id.
    pub(super) fn get(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(id.0 as usize)?.as_ref()
    }

    /// The pool of a held id, to change it.
    pub(super) fn get_mut(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(id.0 as usize)?.as_mut()
    }

    /// Pools remembered, for tests of what is left behind.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.id_by_name.len()
    }
}
