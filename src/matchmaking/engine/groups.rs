//! Groups of more than two: the same tickets and rules, another search.
//!
//! A group is complete the moment the last two of its members accept each other, and one of these two has had an event
//! then: it joined, widened, came back, was unblocked. So each such event searches for a group around its ticket, from the
//! oldest candidate on. Searches for pairs do not wait for these.
use std::sync::Arc;

use crate::matchmaking::Ticket;
use crate::matchmaking::engine::Engine;
use crate::matchmaking::names::Name;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::search::Kinds;
use crate::matchmaking::search::Searcher;
use crate::matchmaking::waiting::Search;
use crate::time::Mono;

/// Searches in one call of [`Engine::poll_group`]; one of them costs up to a tenth of a millisecond.
const SEARCHES_PER_POLL: usize = 4;

/// Three or more tickets that left the queue together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whoever waited longest comes first.
    pub tickets: Vec<Ticket>,
    /// Tags all of them named, in the order of the first.
    pub tags_common: Vec<Arc<str>>,
    /// The language to greet in: the first of the oldest ticket with any that everybody with any speaks.
    pub language: Option<Arc<str>>,
}

impl Engine {
    /// Searches for groups as far as that is due, and returns the next one.
    ///
    /// One call does a bounded amount of work. Call it after [`Engine::poll_match`], which finds out what is due.
    pub fn poll_group(&mut self, now: Mono) -> Option<Group> {
        self.now = self.now.max(now);
        for _ in 0..SEARCHES_PER_POLL {
            let slot = self.fresh_groups.pop_front()?;
            if let Some(found) = self.search_group(slot) {
                return Some(found);
            }
        }
        None
    }

    /// Goes on with the search for a group that a ticket owes.
    fn search_group(&mut self, slot: Slot) -> Option<Group> {
        let ticket = self.slots.get(slot)?;
        let Search::Owed { next, .. } = ticket.waiting.search else { return None };
        let size = ticket.waiting.size;
        // The slot may be another ticket's by now.
        if size.is_pair() {
            return None;
        }
        let searcher = Searcher {
            index: &self.index,
            tags: &self.tags,
            slots: &self.slots,
            pools: &self.pools,
            blocks: &self.blocks,
            recent: &self.recent,
            ticket,
            now: self.now,
        };
        let wanted = size.people() - 1;
        let mut gathered = searcher.gather(Kinds::All, wanted, next, self.effort);
        if gathered.partners.is_none() && gathered.next.is_some() && next == Place::FIRST {
            // As for a pair: a crowd that suits nobody must not stand between those who suit each other.
            let beyond = searcher.gather(Kinds::Numbered, wanted, next, self.effort);
            gathered.looked_at += beyond.looked_at;
            gathered.partners = beyond.partners;
        }
        self.looked_at += gathered.looked_at as u64;
        if let Some(partners) = gathered.partners {
            return self.commit_group(std::iter::once(slot).chain(partners).collect());
        }
        let ticket = self.slots.get_mut(slot)?;
        ticket.search = gathered.next.map_or(Search::Done, |next| Search::Owed { from_level: 0, next });
        if ticket.search != Search::Done && !std::mem::replace(&mut ticket.is_paused, true) {
            self.paused.push_back(slot);
        }
        if !std::mem::replace(&mut ticket.is_listed, true) {
            self.list(slot, 0);
        }
        None
    }

    /// Takes the tickets of a group out together.
    fn commit_group(&mut self, mut slots: Vec<Slot>) -> Option<Group> {
        slots
            .sort_unstable_by_key(|slot| self.slots.get(*slot).map(|ticket| (ticket.profile.since, ticket.waiting.id)));
        let terms: Vec<_> = slots.iter().filter_map(|slot| Some(self.slots.get(*slot)?.terms())).collect();
        let (first, others) = terms.split_first()?;
        let is_named_by_all = |tag: &&Name| others.iter().all(|terms| terms.tags.contains(tag));
        let tags: Vec<Name> = first.tags.iter().filter(is_named_by_all).copied().collect();
        let mut speakers = terms.iter().map(|terms| terms.languages).filter(|languages| !languages.is_empty());
        let language = speakers.next().and_then(|ours| {
            ours.iter().find(|name| speakers.clone().all(|languages| languages.contains(name))).copied()
        });
        let tags_common = tags.iter().filter_map(|tag| self.tags.text(*tag)).cloned().collect();
        let language = language.and_then(|name| self.names.text(name)).cloned();
        slots.iter().for_each(|slot| self.note_wait(*slot));
        let tickets = slots.iter().filter_map(|slot| self.take_out(*slot)).collect();
        Some(Group { tickets, tags_common, language })
    }
}
