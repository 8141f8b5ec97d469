//! The engine: waiting tickets in, matches and groups out.
//!
//! Every event costs a bounded amount of work, whatever the length of the queue. A search takes the best of the first
//! 64 legal candidates, oldest first (to the millisecond). Candidates that only `want`, a block, a shared device or a
//! recent meeting rule out are looked at too, but at most 512 of them at once; then the search tries the kinds that
//! have postings of their own (see `pool`), pauses at a place and goes on later, a small share of the time, one ticket
//! after the other.
//!
//! No pair is lost by the pause: the ticket is listed before it, so whoever comes, widens, resumes or is unblocked
//! meanwhile finds it by a search of its own, and whoever was there before stands at or behind that place. A pair that
//! is legal stays apart for as long as its paused searches need: at 1 million candidates per second, all of them.
mod groups;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::Person;
use crate::matchmaking::QueueState;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::matchmaking::fold::Fold;
use crate::matchmaking::index::Index;
use crate::matchmaking::index::Key;
use crate::matchmaking::names::Names;
use crate::matchmaking::pool::Pools;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Posting;
use crate::matchmaking::posting::SLOTS_MAX;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::search::Effort;
use crate::matchmaking::status::rounded;
use crate::matchmaking::tags::Tags;
use crate::matchmaking::ties::Blocks;
use crate::matchmaking::ties::PersonKey;
use crate::matchmaking::ties::PersonKeys;
use crate::matchmaking::ties::Recent;
use crate::matchmaking::waiting::Search;
use crate::matchmaking::waiting::Slots;
use crate::time::Mono;

pub use groups::Group;

/// How the queue behaves. Section `[matchmaking]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The ascending waits after which a ticket reaches level 1 (tags dropped), 2 (any region), 3 (any language)
    /// and 4 (recent partners allowed).
    pub levels: [Duration; 4],
    /// Most tickets held, suspended ones included; at most 16,777,216.
    pub capacity: usize,
    /// For how long two who met avoid each other below level 4; zero: not at all.
    pub recent_partner_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            levels: [10, 20, 40, 60].map(Duration::from_secs),
            capacity: 200_000,
            recent_partner_pause: Duration::from_secs(3600),
        }
    }
}

/// Why a ticket was not taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The queue holds all it can: `queue_full`.
    #[error("the queue is full")]
    QueueFull,
    /// The user has a ticket already, which stays as it is: `already_queued`.
    #[error("already queued")]
    AlreadyQueued,
}

/// Two tickets that left the queue together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The one who waited longer.
    pub a: Ticket,
    /// The other one.
    pub b: Ticket,
    /// Tags both named, in the order of `a`.
    pub tags_common: Vec<Arc<str>>,
    /// The language to greet in: the first of `a` that `b` speaks too; if one of them takes any, the first of the other.
    pub language: Option<Arc<str>>,
}

/// What one search may cost at once.
pub(super) const EFFORT: Effort = Effort { legal_max: 64, looked_at_max: 512, rare_max: 8 };

/// Searches, expiries and other steps in one call of [`Engine::poll_match`].
const STEPS_PER_POLL: usize = 64;

/// Paused searches that go on in one turn, and the time between turns: at most 1 million candidates per second.
const PAUSED_PER_TURN: usize = 4;
const TURN_PAUSE: Duration = Duration::from_millis(2);
/// Entries of tickets long gone that a turn drops on its way.
const STALE_PER_TURN: usize = 256;

/// Postings that the tickets of a full queue may take on average; one of 5 tags, 1 language and 1 region takes 31.
const POSTINGS_PER_TICKET: usize = 64;
/// Lets a small queue take tickets of any shape.
const POSTINGS_MIN: usize = 8192;

/// Pairs waiting tickets. Pure: every moment comes in as a value.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    effort: Effort,
    /// The latest moment heard of.
    now: Mono,
    slots: Slots,
    slot_by_id: HashMap<TicketId, Slot, Fold>,
    slot_by_user: HashMap<PersonKey, Slot, Fold>,
    tickets_by_device: HashMap<PersonKey, Posting, Fold>,
    tags: Tags,
    /// Languages and regions.
    names: Names,
    pools: Pools,
    index: Index,
    /// Postings of all tickets, were they all at the highest level.
    postings_promised: usize,
    person_keys: PersonKeys,
    blocks: Blocks,
    recent: Recent,
    /// Tickets to be searched for, oldest event first.
    fresh: VecDeque<Slot>,
    /// The same for tickets of groups, the pauses of whose searches are over too.
    fresh_groups: VecDeque<Slot>,
    /// When each listed ticket reaches its next level.
    widenings: BTreeSet<Place>,
    /// Tickets whose search has paused. An entry may be stale; the ticket knows what it owes.
    paused: VecDeque<Slot>,
    next_turn: Mono,
    looked_at: u64,
}

impl Engine {
    /// An empty queue.
    pub fn new(settings: Settings) -> Self {
        Self::with_effort(settings, EFFORT)
    }

    /// An empty queue whose searches cost no more than that at once.
    pub(super) fn with_effort(mut settings: Settings, effort: Effort) -> Self {
        settings.capacity = settings.capacity.min(SLOTS_MAX);
        Self {
            effort,
            now: Mono::default(),
            slots: Slots::default(),
            slot_by_id: HashMap::default(),
            slot_by_user: HashMap::default(),
            tickets_by_device: HashMap::default(),
            tags: Tags::new(effort.rare_max),
            names: Names::default(),
            pools: Pools::default(),
            index: Index::default(),
            postings_promised: 0,
            person_keys: PersonKeys::default(),
            blocks: Blocks::default(),
            recent: Recent::new(settings.recent_partner_pause),
            fresh: VecDeque::new(),
            fresh_groups: VecDeque::new(),
            widenings: BTreeSet::new(),
            paused: VecDeque::new(),
            next_turn: Mono::default(),
            looked_at: 0,
            settings,
        }
    }

    /// Holds so many tickets from now on, those there are in any case, and keeps people apart for that long who have met.
    pub fn change(&mut self, capacity: usize, recent_partner_pause: Duration, now: Mono) {
        self.settings.capacity = capacity.min(SLOTS_MAX);
        self.settings.recent_partner_pause = recent_partner_pause;
        self.recent.change(recent_partner_pause, now);
    }

    /// Takes a ticket in; the search for it runs in the next [`Engine::poll_match`].
    ///
    /// # Errors
    ///
    /// [`JoinError`]; nothing has changed then.
    pub fn join(&mut self, ticket: Ticket, now: Mono) -> Result<(), JoinError> {
        let postings_max = (self.settings.capacity * POSTINGS_PER_TICKET).max(POSTINGS_MIN);
        // A second join is told so even by a full queue.
        let user = self.free_user(&ticket)?;
        if self.slots.len() >= self.settings.capacity || self.postings_promised >= postings_max {
            return Err(JoinError::QueueFull);
        }
        self.take_in(ticket, user, now)
    }

    /// Takes back a ticket whose match came to nothing, with its original `since` and whatever the capacity.
    ///
    /// # Errors
    ///
    /// [`JoinError::AlreadyQueued`] if the user has joined again meanwhile.
    pub fn give_back(&mut self, ticket: Ticket, now: Mono) -> Result<(), JoinError> {
        let user = self.free_user(&ticket)?;
        self.take_in(ticket, user, now)
    }

    /// Takes a ticket out, waiting or suspended.
    pub fn leave(&mut self, id: TicketId) -> Option<Ticket> {
        let slot = *self.slot_by_id.get(&id)?;
        self.take_out(slot)
    }

    /// Makes a ticket unmatchable while its socket is lost (rule 23); false if there is none.
    pub fn suspend(&mut self, id: TicketId) -> bool {
        let Some(&slot) = self.slot_by_id.get(&id) else { return false };
        self.unlist(slot);
        let Some(ticket) = self.slots.get_mut(slot) else { return false };
        ticket.search = Search::Done;
        if !std::mem::replace(&mut ticket.is_suspended, true)
            && let Some(pool) = self.pools.get_mut(ticket.pool)
        {
            pool.waiting -= 1;
        }
        true
    }

    /// Makes a suspended ticket matchable again, its wait counted from its `since`; false if there is none.
    pub fn resume(&mut self, id: TicketId, now: Mono) -> bool {
        self.now = self.now.max(now);
        let Some(&slot) = self.slot_by_id.get(&id) else { return false };
        let Some(ticket) = self.slots.get_mut(slot) else { return false };
        if std::mem::replace(&mut ticket.is_suspended, false) {
            if let Some(pool) = self.pools.get_mut(ticket.pool) {
                pool.waiting += 1;
            }
            self.update_level(slot);
            self.search_from_scratch(slot);
        }
        true
    }

    /// Never lets the two meet until [`Engine::unblock`]. Repeating it changes nothing.
    ///
    /// Blocks are kept whether or not anybody waits, at about 100 bytes each: the caller says which ones matter.
    pub fn block(&mut self, by: &Person, whom: &Person) {
        self.blocks.add(self.person_keys.person(by), self.person_keys.person(whom));
    }

    /// Takes back a block of the same direction.
    pub fn unblock(&mut self, by: &Person, whom: &Person) {
        let (by, whom) = (self.person_keys.person(by), self.person_keys.person(whom));
        self.blocks.remove(by, whom);
        for person in [by, whom] {
            let devices =
                self.tickets_by_device.get(&person).into_iter().flat_map(|posting| posting.walk(Place::FIRST));
            let slots: Vec<Slot> = devices.map(Place::slot).chain(self.slot_by_user.get(&person).copied()).collect();
            slots.into_iter().for_each(|slot| self.search_from_scratch(slot));
        }
    }

    /// Remembers that two users met, so that they avoid each other for a while.
    pub fn met(&mut self, a: &UserId, b: &UserId, now: Mono) {
        self.recent.add(self.person_keys.user(a), self.person_keys.user(b), now);
    }

    /// Remembers that two users met before this engine was there, so that they avoid each other for what is left of the
    /// pause. To be called before anybody joins, the meeting that is forgotten first coming first.
    pub fn met_before(&mut self, a: &UserId, b: &UserId, left: Duration, now: Mono) {
        self.recent.add_for(self.person_keys.user(a), self.person_keys.user(b), left, now);
    }

    /// Works on what is due and returns the next match of two; see [`Engine::poll_group`] for more of them.
    ///
    /// One call does a bounded amount of work. After `None` call again at [`Engine::next_deadline`], which may be now.
    pub fn poll_match(&mut self, now: Mono) -> Option<Match> {
        self.now = self.now.max(now);
        for _ in 0..STEPS_PER_POLL {
            if self.next_step().is_none_or(|due| due > self.now) {
                return None;
            }
            if let Some(found) = self.step() {
                return Some(found);
            }
        }
        None
    }

    /// When [`Engine::poll_match`] or [`Engine::poll_group`] has something to do without anything else happening.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.fresh_groups.is_empty() { self.next_step() } else { Some(self.now) }
    }

    /// When there is something to do but to search for groups.
    fn next_step(&self) -> Option<Mono> {
        let fresh = (!self.fresh.is_empty()).then_some(self.now);
        let turn = (!self.paused.is_empty()).then_some(self.next_turn);
        let widening = self.widenings.first().map(|place| place.moment());
        [fresh, turn, widening, self.recent.next_expiry()].into_iter().flatten().min()
    }

    /// How a ticket stands; `None` if it is not in the queue.
    pub fn status(&self, id: TicketId, now: Mono) -> Option<Status> {
        let slot = *self.slot_by_id.get(&id)?;
        let ticket = self.slots.get(slot)?;
        let (pool_id, level, since) = (ticket.waiting.pool, ticket.profile.level, ticket.profile.since);
        let pool = self.pools.get(pool_id)?;
        let keys = pool.kinds().flat_map(|(kind, _)| Key::everybody(pool_id, kind));
        let older = keys.filter_map(|key| self.index.posting(&key));
        let place = Place::since(since, slot);
        let reached = since + ticket.wait_of(level, &self.settings.levels)?;
        Some(Status {
            state: QueueState::of_level(level),
            ahead: rounded(older.map(|posting| posting.count_before(place)).sum()),
            waiting: rounded(pool.waiting as usize),
            eta: pool.wait_times.eta(level, now.saturating_since(reached)),
            level,
        })
    }

    /// Tickets held, suspended ones included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Candidates looked at since the start: the cost of searching.
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Searches paused at a place because too many candidates were ruled out one by one.
    pub fn paused(&self) -> usize {
        self.paused.len()
    }

    /// What is held beside settings: postings, promised postings, names, pools, users and devices.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> [usize; 6] {
        [
            self.index.len(),
            self.postings_promised,
            self.tags.len() + self.names.len(),
            self.pools.len(),
            self.slot_by_user.len(),
            self.tickets_by_device.len(),
        ]
    }
}
