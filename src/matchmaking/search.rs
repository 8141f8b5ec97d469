//! The search for a partner: postings merged oldest first, the best of the first legal candidates.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::time::Duration;

use crate::matchmaking::index::Index;
use crate::matchmaking::index::LEVEL_MAX;
use crate::matchmaking::index::Side;
use crate::matchmaking::names::Name;
use crate::matchmaking::pool::KindNumber;
use crate::matchmaking::pool::Pools;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::posting::Walk;
use crate::matchmaking::profile::Profile;
use crate::matchmaking::tags::Tags;
use crate::matchmaking::ties::Blocks;
use crate::matchmaking::ties::Recent;
use crate::matchmaking::waiting::Entry;
use crate::matchmaking::waiting::Slots;
use crate::time::Mono;

/// What one search may cost.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// Legal candidates after which the best is taken.
    pub(super) legal_max: usize,
    /// Candidates, legal or not, after which the search pauses.
    pub(super) looked_at_max: usize,
    /// Holders of a rare tag: they are looked at in any case, before everybody else.
    pub(super) rare_max: usize,
}

/// How a search ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The best partner.
    Partner(Slot),
    /// No partner in any posting.
    Nobody,
    /// No partner before this place; the rest is still to be looked at.
    Paused(Place),
}

/// Whose postings a search reads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Everybody's.
    All,
    /// Those of numbered kinds, where next to nobody is ruled out.
    Numbered,
}

/// One search: a ticket and everything it reads.
#[derive(Copy, Clone, Debug)]
pub(super) struct Searcher<'a> {
    pub(super) index: &'a Index,
    pub(super) tags: &'a Tags,
    pub(super) slots: &'a Slots,
    pub(super) pools: &'a Pools,
    pub(super) blocks: &'a Blocks,
    pub(super) recent: &'a Recent,
    pub(super) ticket: Entry<'a>,
    pub(super) now: Mono,
}

/// Points for each common tag, up to three.
const TAG_POINTS: u32 = 7;
const TAGS_COUNTED: usize = 3;
/// Points for a language in common; half of them when one side takes any.
const LANGUAGE_POINTS: u32 = 15;
/// Points for the same region; half of them when one side takes any.
const REGION_POINTS: u32 = 20;
/// Points for the candidate's wait: one for every 3 s.
const WAIT_POINTS_MAX: u64 = 20;
const SECONDS_PER_WAIT_POINT: u64 = 3;

impl<'a> Searcher<'a> {
    /// Looks at candidates of the postings of `from_level` and above, from place `next` on.
    ///
    /// Returns what it found and how many candidates it looked at.
    pub(super) fn run(self, kinds: Kinds, from_level: u8, next: Place, effort: Effort) -> (Found, usize) {
        let rare = if from_level == 0 { self.holders_of_rare_tags(kinds, next) } else { Vec::new() };
        let mut walks = self.walks(kinds, from_level, next);
        walks.push(Walk::over(&rare));
        let mut heads: BinaryHeap<Reverse<(Place, usize)>> =
            walks.iter_mut().enumerate().filter_map(|(at, walk)| Some(Reverse((walk.next()?, at)))).collect();
        let us = self.ticket.profile.identity;
        let ties = Ties { blocked: self.blocks.names(us), met: self.recent.names(us.user) };
        let points_max = self.points_max(TAGS_COUNTED);
        let (mut legal, mut looked_at) = (0, 0);
        let mut best: Option<Candidate> = None;
        while let Some(&Reverse((place, _))) = heads.peek() {
            // A candidate stands in several postings; equal places come out one after the other.
            let mut listings = 0;
            while let Some(mut head) = heads.peek_mut() {
                let Reverse((next, at)) = *head;
                if next != place {
                    break;
                }
                listings += 1;
                match walks.get_mut(at).and_then(Walk::next) {
                    Some(following) => *head = Reverse((following, at)),
                    None => drop(PeekMut::pop(head)),
                }
            }
            if looked_at == effort.looked_at_max && best.is_none() {
                return (Found::Paused(place), looked_at);
            }
            if looked_at == effort.looked_at_max || legal == effort.legal_max {
                break;
            }
            let waited = wait_points(self.now.saturating_since(place.moment()));
            // Waits only get shorter from here on, and older ones win ties.
            if best.is_some_and(|best| best.points >= points_max + waited) {
                break;
            }
            looked_at += 1;
            // Who cannot win is not worth a cache miss, and counts as legal unread.
            let reachable = self.points_max(self.tags_max(listings)) + waited;
            if best.is_some_and(|best| best.points >= reachable) {
                legal += 1;
                continue;
            }
            let Some(other) = self.slots.profile(place.slot()) else { continue };
            if !self.is_legal(place.slot(), other, ties) {
                continue;
            }
            legal += 1;
            let points = self.points(other) + waited;
            let candidate = Candidate { points, since: Reverse(other.since), slot: place.slot() };
            if best.is_none_or(|best| (best.points, best.since) < (candidate.points, candidate.since)) {
                best = Some(candidate);
            }
        }
        (best.map_or(Found::Nobody, |best| Found::Partner(best.slot)), looked_at)
    }

    /// The postings of every kind that fits the ticket.
    pub(super) fn walks(self, kinds: Kinds, from_level: u8, next: Place) -> Vec<Walk<'a>> {
        let mut walks = Vec::new();
        for (kind, traits) in self.pools.get(self.ticket.waiting.pool).into_iter().flat_map(|pool| pool.kinds()) {
            let fits = traits.map_or(kinds == Kinds::All, |traits| traits.fit(&self.ticket.waiting.traits));
            if !fits {
                continue;
            }
            for level in from_level..=self.ticket.profile.level {
                self.ticket.terms().for_each_key(self.tags, Side::Sought, kind, level, |key| {
                    walks.extend(self.index.posting(&key).map(|posting| posting.walk(next)));
                });
            }
        }
        walks
    }

    /// Listed tickets from place `next` on that would stand in a posting of level 0 with us if our rare tags had any, once for
    /// each tag.
    pub(super) fn holders_of_rare_tags(self, kinds: Kinds, next: Place) -> Vec<Place> {
        let mut places = Vec::new();
        for tag in self.ticket.terms().tags {
            self.tags.for_each_holder(*tag, |slot| {
                if let Some(other) = self.slots.get(slot).filter(|other| self.meets_at_level_0(kinds, *other)) {
                    places.push(Place::since(other.profile.since, slot));
                }
            });
        }
        places.retain(|place| *place >= next);
        places.sort_unstable();
        places
    }

    fn meets_at_level_0(self, kinds: Kinds, other: Entry<'_>) -> bool {
        let (us, them) = (self.ticket.terms(), other.terms());
        let is_of_kinds = kinds == Kinds::All || other.profile.kind != KindNumber::MIXED;
        other.waiting.is_listed
            && other.waiting.pool == us.pool
            && is_of_kinds
            && agree(us.languages, them.languages)
            && agree(us.region, them.region)
            && self.ticket.waiting.traits.fit(&other.waiting.traits)
    }

    /// Whether the two may meet, mode, age band, tags, languages and region being settled by the posting.
    pub(super) fn is_legal(self, slot: Slot, other: &Profile, ties: Ties) -> bool {
        let profile = self.ticket.profile;
        let (us, them) = (profile.identity, other.identity);
        let is_same_person = us.user == them.user || (us.device.is_some() && us.device == them.device);
        let is_blocked = ties.blocked && self.blocks.separate(us, them);
        let met = ties.met && profile.level.min(other.level) < LEVEL_MAX && self.recent.contains(us.user, them.user);
        // The traits of a numbered kind were compared once, for all of its tickets.
        let fits = other.kind != KindNumber::MIXED || self.fits(slot);
        fits && !(is_same_person || is_blocked || met)
    }

    fn fits(self, slot: Slot) -> bool {
        self.slots.get(slot).is_some_and(|other| self.ticket.waiting.traits.fit(&other.waiting.traits))
    }

    /// The points of a candidate before its wait counts.
    pub(super) fn points(self, other: &Profile) -> u32 {
        let us = self.ticket.terms();
        let them = other.terms(us.pool);
        let tags = us.tags.iter().filter(|tag| them.tags.contains(tag)).count().min(TAGS_COUNTED);
        // At most TAGS_COUNTED.
        TAG_POINTS * tags as u32
            + shared(us.languages, them.languages, LANGUAGE_POINTS)
            + shared(us.region, them.region, REGION_POINTS)
    }

    /// The most that a candidate with so many common tags can have before its wait counts.
    fn points_max(self, tags: usize) -> u32 {
        let us = self.ticket.terms();
        let halved = |asked: &[Name], points: u32| if asked.is_empty() { points / 2 } else { points };
        // At most TAGS_COUNTED.
        TAG_POINTS * tags.min(us.tags.len()).min(TAGS_COUNTED) as u32
            + halved(us.languages, LANGUAGE_POINTS)
            + halved(us.region, REGION_POINTS)
    }

    /// The most common tags that a candidate in so many postings can have.
    ///
    /// A level 0 search reads tag postings only, so each common tag is one listing at least. At higher levels a common
    /// tag may go without a listing of its own.
    fn tags_max(self, listings: usize) -> usize {
        if self.ticket.profile.level == 0 { listings } else { TAGS_COUNTED }
    }
}

pub(super) fn wait_points(waited: Duration) -> u32 {
    // At most WAIT_POINTS_MAX.
    (waited.as_secs() / SECONDS_PER_WAIT_POINT).min(WAIT_POINTS_MAX) as u32
}

/// Whether the ties of a ticket need a look at all.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ties {
    pub(super) blocked: bool,
    pub(super) met: bool,
}

#[derive(Copy, Clone, Debug)]
struct Candidate {
    points: u32,
    /// The older one wins a tie.
    since: Reverse<Mono>,
    slot: Slot,
}

/// Whether one takes anything or both name something in common.
pub(super) fn agree(ours: &[Name], theirs: &[Name]) -> bool {
    ours.is_empty() || theirs.is_empty() || ours.iter().any(|name| theirs.contains(name))
}

fn shared(ours: &[Name], theirs: &[Name], points: u32) -> u32 {
    if ours.is_empty() || theirs.is_empty() {
        return points / 2;
    }
    if ours.iter().any(|name| theirs.contains(name)) { points } else { 0 }
}
