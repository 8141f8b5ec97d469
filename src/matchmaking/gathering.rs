//! The search for a group: who suits a ticket, and of those some who suit each other.
//!
//! Candidates come from the same postings as for a pair, oldest first, at most 64 legal ones in one go. Of these the choice is
//! greedy with bounded backtracking (see `clique`): those who share most with the ticket come first. So a group is found
//! if one is among 64 candidates in a row; of one spread over a longer queue each later event tries again.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::matchmaking::clique;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Slot;
use crate::matchmaking::posting::Walk;
use crate::matchmaking::search::Effort;
use crate::matchmaking::search::Kinds;
use crate::matchmaking::search::Searcher;
use crate::matchmaking::search::Ties;
use crate::matchmaking::search::agree;
use crate::matchmaking::search::wait_points;

/// What one look at the candidates of a group brought.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Those who complete the group, if they are there.
    pub(super) partners: Option<Vec<Slot>>,
    /// The first place not looked at, if there are more.
    pub(super) next: Option<Place>,
    /// Candidates looked at.
    pub(super) looked_at: usize,
}

impl Searcher<'_> {
    /// Looks for `wanted` partners who accept the ticket and each other, from place `next` on.
    pub(super) fn gather(self, kinds: Kinds, wanted: usize, next: Place, effort: Effort) -> Gathered {
        let rare = self.holders_of_rare_tags(kinds, next);
        let mut walks = self.walks(kinds, 0, next);
        walks.push(Walk::over(&rare));
        let mut heads: BinaryHeap<Reverse<(Place, usize)>> =
            walks.iter_mut().enumerate().filter_map(|(at, walk)| Some(Reverse((walk.next()?, at)))).collect();
        let ties = self.ties();
        let legal_max = effort.legal_max.min(clique::CANDIDATES_MAX);
        let mut legal: Vec<(Reverse<u32>, Place)> = Vec::new();
        let mut looked_at = 0;
        let mut rest = None;
        while let Some(&Reverse((place, _))) = heads.peek() {
            if looked_at == effort.looked_at_max || legal.len() == legal_max {
                rest = Some(place);
                break;
            }
            // A candidate stands in several postings; equal places come out one after the other.
            while let Some(mut head) = heads.peek_mut() {
                let Reverse((following, at)) = *head;
                if following != place {
                    break;
                }
                match walks.get_mut(at).and_then(Walk::next) {
                    Some(following) => *head = Reverse((following, at)),
                    None => drop(PeekMut::pop(head)),
                }
            }
            looked_at += 1;
            let Some(other) = self.slots.profile(place.slot()) else { continue };
            if self.is_legal(place.slot(), other, ties) {
                let points = self.points(other) + wait_points(self.now.saturating_since(place.moment()));
                legal.push((Reverse(points), place));
            }
        }
        // The best first, the older one of two equals.
        legal.sort_unstable();
        let slot_at = |at: usize| legal.get(at).map(|(_, place)| place.slot());
        let accept = |one, other| slot_at(one).zip(slot_at(other)).is_some_and(|(one, other)| self.suit(one, other));
        let chosen = clique::choose(legal.len(), wanted, accept);
        let partners = chosen.map(|chosen| chosen.into_iter().filter_map(slot_at).collect());
        Gathered { partners, next: rest, looked_at }
    }

    /// Whether two tickets of the pool accept each other, each at its own level: what postings settle for a pair is
    /// compared here.
    fn suit(self, one: Slot, other: Slot) -> bool {
        let (Some(one), Some(entry)) = (self.slots.get(one), self.slots.get(other)) else { return false };
        let level = one.profile.level.min(entry.profile.level);
        let (us, them) = (one.terms(), entry.terms());
        let between = Self { ticket: one, ..self };
        us.pool == them.pool
            && (level >= 1 || agree(us.tags, them.tags))
            && (level >= 2 || agree(us.region, them.region))
            && (level >= 3 || agree(us.languages, them.languages))
            && one.waiting.traits.fit(&entry.waiting.traits)
            && between.is_legal(other, entry.profile, between.ties())
    }

    fn ties(self) -> Ties {
        let us = self.ticket.profile.identity;
        Ties { blocked: self.blocks.names(us), met: self.recent.names(us.user) }
    }
}
