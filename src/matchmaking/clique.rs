//! People who all accept each other, found among few: depth first, in the order of preference, with bounded effort.

/// Candidates of one choice: as many as a word has bits.
pub(super) const CANDIDATES_MAX: usize = u64::BITS as usize;

/// Candidates tried in one choice, the same one counted again in other company. Each may cost up to 63 comparisons once,
/// so that a choice costs at most 2,016 of them, whatever clients ask for.
const TRIES_MAX: usize = 2048;

/// Chooses `wanted` of the first `count` candidates, in which every two accept each other; those with smaller numbers are
/// preferred, the smallest most of all. `accept` is asked at most once about a pair, the smaller number first.
///
/// `None` if there is no such choice, or none came up within the bounded effort. No more than the first 64 are looked at.
pub(super) fn choose(count: usize, wanted: usize, accept: impl Fn(usize, usize) -> bool) -> Option<Vec<usize>> {
    let count = count.min(CANDIDATES_MAX);
    let all = if count == CANDIDATES_MAX { u64::MAX } else { (1 << count) - 1 };
    let mut choice =
        Choice { count, accept, acquaintances: vec![None; count], tries_left: TRIES_MAX, chosen: Vec::new() };
    choice.grow(all, wanted).then_some(choice.chosen)
}

struct Choice<F> {
    count: usize,
    accept: F,
    /// For each candidate those behind it whom it accepts, as bits; `None` until it was asked.
    acquaintances: Vec<Option<u64>>,
    tries_left: usize,
    chosen: Vec<usize>,
}

impl<F: Fn(usize, usize) -> bool> Choice<F> {
    /// Adds as many as are wanted of `open`, all of whom accept everybody chosen.
    fn grow(&mut self, mut open: u64, wanted: usize) -> bool {
        if wanted == 0 {
            return true;
        }
        while open.count_ones() as usize >= wanted && self.tries_left > 0 {
            self.tries_left -= 1;
            let next = open.trailing_zeros() as usize;
            // Takes the lowest bit out.
            open &= open - 1;
            self.chosen.push(next);
            // The last one needs no acquaintances.
            let beside_it = if wanted == 1 { 0 } else { open & self.acquaintances_of(next) };
            if self.grow(beside_it, wanted - 1) {
                return true;
            }
            self.chosen.pop();
        }
        false
    }

    fn acquaintances_of(&mut self, of: usize) -> u64 {
        if let Some(Some(known)) = self.acquaintances.get(of) {
            return *known;
        }
        let found =
            (of + 1..self.count).filter(|other| (self.accept)(of, *other)).fold(0, |bits, other| bits | 1 << other);
        if let Some(place) = self.acquaintances.get_mut(of) {
            *place = Some(found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_preferred_ones_are_chosen_if_they_fit() {
        assert_eq!(choose(5, 3, |_, _| true), Some(vec![0, 1, 2]));
        assert_eq!(choose(5, 3, |one, other| (one, other) != (0, 1)), Some(vec![0, 2, 3]));
        assert_eq!(choose(5, 0, |_, _| false), Some(vec![]));
        assert_eq!(choose(64, 7, |_, _| true), Some((0..7).collect()));
        assert_eq!(choose(100, 1, |_, _| false), Some(vec![0]));
        assert_eq!(choose(2, 3, |_, _| true), None);
    }

    #[test]
    fn a_first_choice_that_leads_nowhere_is_given_up() {
        // 0 accepts everybody, but those are strangers to each other, except for the last three.
        let accept = |one: usize, other: usize| one == 0 || one >= 5 && other >= 5;
        assert_eq!(choose(8, 4, accept), Some(vec![0, 5, 6, 7]));
        assert_eq!(choose(8, 3, |one, other| one >= 5 && other >= 5), Some(vec![5, 6, 7]));
    }

    #[test]
    fn the_worst_crowd_costs_a_bounded_number_of_comparisons() {
        // Seven camps: nobody accepts their own camp, so that there are many groups of seven and none of eight.
        let asked = Cell::new(0);
        let accept = |one: usize, other: usize| {
            asked.set(asked.get() + 1);
            one % 7 != other % 7
        };
        assert_eq!(choose(64, 8, accept), None);
        assert!(asked.get() <= 64 * 63 / 2);
    }

    proptest! {
        #[test]
        fn a_choice_is_found_exactly_if_there_is_one(
            pairs in prop::collection::vec(any::<bool>(), 45),
            count in 0_usize..=10,
            wanted in 1_usize..=5,
        ) {
            let accept = |one: usize, other: usize| pairs[other * (other - 1) / 2 + one];
            let fits = |members: &[usize]| {
                members.iter().enumerate().all(|(at, one)| members[at + 1..].iter().all(|other| accept(*one, *other)))
            };
            let sets = (0_u32..1 << count).filter(|set| set.count_ones() as usize == wanted);
            let mut sets = sets.map(|set| (0..count).filter(|at| set & 1 << at != 0).collect::<Vec<_>>());
            let found = choose(count, wanted, accept);
            prop_assert_eq!(found.is_some(), sets.any(|members| fits(&members)));
            if let Some(found) = found {
                prop_assert!(found.len() == wanted && found.is_sorted() && fits(&found), "{:?}", found);
            }
        }
    }
}
