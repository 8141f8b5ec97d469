//! A ticket inside the engine: what the search reads, in as few bytes as it takes.
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::index::LEVEL_MAX;
use crate::matchmaking::index::Terms;
use crate::matchmaking::names::Name;
use crate::matchmaking::pool::KindNumber;
use crate::matchmaking::pool::PoolId;
use crate::matchmaking::pool::Traits;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::SLOTS_MAX;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::ticket::DeviceId;
use crate::matchmaking::ticket::TicketId;
use crate::matchmaking::ticket::UserId;
use crate::matchmaking::ties::Identity;
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

/// A ticket inside the engine.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: TicketId,
    pub(super) since: Mono,
    pub(super) user: UserId,
    pub(super) device: Option<DeviceId>,
    pub(super) identity: Identity,
    pub(super) traits: Arc<Traits>,
    pub(super) tag_wait: Option<Duration>,
    pub(super) search: Search,
    pub(super) pool: PoolId,
    /// Tags, then languages.
    pub(super) names: Box<[Name]>,
    pub(super) tag_count: u8,
    pub(super) region: Option<Name>,
    pub(super) kind: KindNumber,
    pub(super) level: u8,
    /// Whether the postings know it.
    pub(super) is_listed: bool,
    /// Whether it stands in the line of paused searches.
    pub(super) is_paused: bool,
    pub(super) is_suspended: bool,
}

impl Waiting {
    pub(super) fn tags(&self) -> &[Name] {
        self.names.get(..usize::from(self.tag_count)).unwrap_or_default()
    }

    pub(super) fn languages(&self) -> &[Name] {
        self.names.get(usize::from(self.tag_count)..).unwrap_or_default()
    }

    pub(super) fn terms(&self) -> Terms<'_> {
        Terms { pool: self.pool, tags: self.tags(), languages: self.languages(), region: self.region.as_slice() }
    }

    /// The wait after which the ticket reaches `level`; `None` above the highest.
    ///
    /// A `tag_wait` beyond the wait of a higher level holds that one back too: levels are reached in order.
    pub(super) fn wait_of(&self, level: u8, waits: &[Duration; LEVEL_MAX as usize]) -> Option<Duration> {
        let Some(above_first) = level.checked_sub(1) else { return Some(Duration::ZERO) };
        let wait = *waits.get(usize::from(above_first))?;
        Some(match self.tag_wait {
            Some(tag_wait) if above_first == 0 => tag_wait,
            Some(tag_wait) => wait.max(tag_wait),
            None => wait,
        })
    }

    /// The level at `now`; never below the one reached already.
    pub(super) fn level_at(&self, now: Mono, waits: &[Duration; LEVEL_MAX as usize]) -> u8 {
        let waited = now.saturating_since(self.since);
        let mut level = self.level;
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
    free: Vec<Slot>,
}

impl Slots {
    /// Whether one more fits.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.waiting.len() < SLOTS_MAX
    }

    pub(super) fn insert(&mut self, waiting: Waiting) -> Slot {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.waiting.get_mut(slot.0 as usize)
        {
            *place = Some(waiting);
            return slot;
        }
        self.waiting.push(Some(waiting));
        // At most SLOTS_MAX.
        Slot((self.waiting.len() - 1) as u32)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Waiting> {
        let waiting = self.waiting.get_mut(slot.0 as usize)?.take();
        if waiting.is_some() {
            self.free.push(slot);
        }
        waiting
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Waiting> {
        self.waiting.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Waiting> {
        self.waiting.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() - self.free.len()
    }
}
