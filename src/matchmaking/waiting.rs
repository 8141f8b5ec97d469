//! A ticket inside the engine, and all of them by slot.
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::GroupSize;
use crate::matchmaking::index::LEVEL_MAX;
use crate::matchmaking::index::Terms;
use crate::matchmaking::pool::PoolId;
use crate::matchmaking::pool::Traits;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::SLOTS_MAX;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::profile::Profile;
use crate::matchmaking::ticket::DeviceId;
use crate::matchmaking::ticket::TicketId;
use crate::matchmaking::ticket::UserId;
use crate::time::Mono;

/// The search a ticket still owes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Nothing: every partner there is has been looked at.
    Done,
    /// The postings of `from_level` and above, from `next` on.
    Owed {
        /// The lowest level whose postings have not been read.
        from_level: u8,
        /// The first place not looked at.
        next: Place,
    },
}

impl Search {
    /// All postings of a level and above.
    pub(super) fn from_level(from_level: u8) -> Self {
        Search::Owed { from_level, next: Place::FIRST }
    }
}

/// What only the ticket's own events read.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: TicketId,
    pub(super) user: UserId,
    pub(super) device: Option<DeviceId>,
    pub(super) traits: Arc<Traits>,
    /// In milliseconds: half the size of a `Duration`, of which there is one per ticket.
    pub(super) tag_wait_ms: Option<u32>,
    pub(super) search: Search,
    pub(super) pool: PoolId,
    /// The pool's.
    pub(super) size: GroupSize,
    /// Whether the postings know it.
    pub(super) is_listed: bool,
    /// Whether it stands in the line of paused searches.
    pub(super) is_paused: bool,
    pub(super) is_suspended: bool,
}

impl Waiting {
    /// The wait that the ticket asked for instead of the first one of the settings.
    pub(super) fn tag_wait(&self) -> Option<Duration> {
        self.tag_wait_ms.map(u64::from).map(Duration::from_millis)
    }
}

/// A ticket inside the engine.
#[derive(Copy, Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) waiting: &'a Waiting,
    pub(super) profile: &'a Profile,
}

impl<'a> Entry<'a> {
    pub(super) fn terms(self) -> Terms<'a> {
        self.profile.terms(self.waiting.pool)
    }

    /// The wait after which the ticket reaches `level`; `None` above the highest.
    ///
    /// A `tag_wait` beyond the wait of a higher level holds that one back too: levels are reached in order.
    pub(super) fn wait_of(self, level: u8, waits: &[Duration; LEVEL_MAX as usize]) -> Option<Duration> {
        let Some(above_first) = level.checked_sub(1) else { return Some(Duration::ZERO) };
        let wait = *waits.get(usize::from(above_first))?;
        Some(match self.waiting.tag_wait() {
            Some(tag_wait) if above_first == 0 => tag_wait,
            Some(tag_wait) => wait.max(tag_wait),
            None => wait,
        })
    }

    /// The level at `now`; never below the one reached already.
    pub(super) fn level_at(self, now: Mono, waits: &[Duration; LEVEL_MAX as usize]) -> u8 {
        let waited = now.saturating_since(self.profile.since);
        let mut level = self.profile.level;
        while self.wait_of(level + 1, waits).is_some_and(|wait| waited >= wait) {
            level += 1;
        }
        level
    }
}

/// The tickets held, by slot.
#[derive(Debug, Default)]
pub(super) struct Slots {
    waiting: Vec<Option<Waiting>>,
    /// A slot without a ticket keeps the profile of its last one; no posting leads there.
    profiles: Vec<Profile>,
    free: Vec<Slot>,
}

impl Slots {
    /// Whether one more fits.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.waiting.len() < SLOTS_MAX
    }

    /// The slot that the next ticket gets.
    pub(super) fn next_slot(&self) -> Slot {
        // At most SLOTS_MAX.
        self.free.last().copied().unwrap_or(Slot(self.waiting.len() as u32))
    }

    pub(super) fn insert(&mut self, waiting: Waiting, profile: Profile) -> Slot {
        if let Some(slot) = self.free.pop()
            && let (Some(place), Some(old)) =
                (self.waiting.get_mut(slot.0 as usize), self.profiles.get_mut(slot.0 as usize))
        {
            *place = Some(waiting);
            *old = profile;
            return slot;
        }
        self.waiting.push(Some(waiting));
        self.profiles.push(profile);
        // At most SLOTS_MAX.
        Slot((self.waiting.len() - 1) as u32)
    }

    /// Takes a ticket out; its profile can be read until the slot is used again.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Waiting> {
        let waiting = self.waiting.get_mut(slot.0 as usize)?.take();
        if waiting.is_some() {
            self.free.push(slot);
        }
        waiting
    }

    pub(super) fn get(&self, slot: Slot) -> Option<Entry<'_>> {
        Some(Entry { waiting: self.waiting.get(slot.0 as usize)?.as_ref()?, profile: self.profile(slot)? })
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Waiting> {
        self.waiting.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn profile(&self, slot: Slot) -> Option<&Profile> {
        self.profiles.get(slot.0 as usize)
    }

    /// Raises the level of a ticket.
    pub(super) fn set_level(&mut self, slot: Slot, level: u8) {
        if let Some(profile) = self.profiles.get_mut(slot.0 as usize) {
            profile.level = level;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() - self.free.len()
    }
}
