//! A sorted list of tickets, oldest first, that grows at its young end and shrinks anywhere.
use std::time::Duration;

use crate::time::Mono;

/// A waiting ticket's place in the slab of the engine.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(pub(super) u32);

/// A moment and a ticket in one sortable word.
///
/// ```text
///  63                                    24 23                    0
/// +----------------------------------------+-----------------------+
/// |        milliseconds (34 years)         |         slot          |
/// +----------------------------------------+-----------------------+
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

const SLOT_BITS: u32 = 24;
const MILLIS_MAX: u64 = (1 << (64 - SLOT_BITS)) - 1;
/// Slots that fit into a place.
pub(super) const SLOTS_MAX: usize = 1 << SLOT_BITS;

impl Place {
    /// Before every ticket.
    pub(super) const FIRST: Place = Place(0);

    /// The place of a ticket that waits since `moment`.
    pub(super) fn since(moment: Mono, slot: Slot) -> Self {
        Self::at(moment.since_start().as_millis(), slot)
    }

    /// The place of a ticket that is due at `moment`, rounded up so that it is never early.
    pub(super) fn due(moment: Mono, slot: Slot) -> Self {
        Self::at(moment.since_start().as_nanos().div_ceil(1_000_000), slot)
    }

    fn at(millis: u128, slot: Slot) -> Self {
        let millis = u64::try_from(millis).map_or(MILLIS_MAX, |millis| millis.min(MILLIS_MAX));
        Self(millis << SLOT_BITS | u64::from(slot.0))
    }

    /// The moment, in whole milliseconds.
    pub(super) fn moment(self) -> Mono {
        Mono::from_start(Duration::from_millis(self.0 >> SLOT_BITS))
    }

    /// The ticket.
    pub(super) fn slot(self) -> Slot {
        // The mask leaves 24 bits.
        Slot((self.0 & (SLOTS_MAX as u64 - 1)) as u32)
    }
}

/// Places per chunk: a removal in the middle moves at most 2 KiB.
const CHUNK_MAX: usize = 256;

/// Places in ascending order. One place costs nothing on the heap: most tags in the world are rare.
#[derive(Debug)]
pub(super) enum Posting {
    /// A single place.
    One(Place),
    /// Up to a chunk of places.
    Few(Vec<Place>),
    /// More than a chunk; boxed to keep the small ones small.
    Many(Box<Chunks>),
}

impl Posting {
    /// Adds a place; false if it is there already.
    pub(super) fn insert(&mut self, place: Place) -> bool {
        match self {
            Posting::One(only) => {
                if *only == place {
                    return false;
                }
                let (first, second) = if *only < place { (*only, place) } else { (place, *only) };
                *self = Posting::Few(vec![first, second]);
                true
            }
            Posting::Few(places) => {
                let Err(at) = search(places, place) else { return false };
                if places.len() == CHUNK_MAX {
                    let mut chunks = Chunks { chunks: vec![std::mem::take(places)] };
                    chunks.insert(place);
                    *self = Posting::Many(Box::new(chunks));
                } else {
                    places.insert(at, place);
                }
                true
            }
            Posting::Many(chunks) => chunks.insert(place),
        }
    }

    /// Takes a place out; true if the posting is empty then and must be dropped.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        match self {
            Posting::One(only) => *only == place,
            Posting::Few(places) => {
                if let Ok(at) = search(places, place) {
                    places.remove(at);
                    if places.len() * 4 < places.capacity() {
                        places.shrink_to(places.len() * 2);
                    }
                }
                places.is_empty()
            }
            Posting::Many(chunks) => {
                chunks.remove(place);
                if let [only] = chunks.chunks.as_mut_slice() {
                    *self = Posting::Few(std::mem::take(only));
                }
                false
            }
        }
    }

    /// The places from `first` on, oldest first.
    pub(super) fn walk(&self, first: Place) -> Walk<'_> {
        let (chunk, rest): (&[Place], &[Vec<Place>]) = match self {
            Posting::One(only) => (std::slice::from_ref(only), &[]),
            Posting::Few(places) => (places, &[]),
            Posting::Many(chunks) => chunks.from(first),
        };
        let at = chunk.partition_point(|place| *place < first);
        Walk { chunk: chunk.get(at..).unwrap_or_default().iter(), rest: rest.iter() }
    }

    /// How many places come before `place`.
    pub(super) fn count_before(&self, place: Place) -> usize {
        match self {
            Posting::One(only) => usize::from(*only < place),
            Posting::Few(places) => places.partition_point(|other| *other < place),
            Posting::Many(chunks) => chunks.count_before(place),
        }
    }
}

/// Where a place is or belongs. Newcomers belong at the end, which is looked at first.
fn search(places: &[Place], place: Place) -> Result<usize, usize> {
    if places.last() < Some(&place) {
        return Err(places.len());
    }
    places.binary_search(&place)
}

/// Non-empty chunks of places, each wholly before the next one.
#[derive(Debug)]
pub(super) struct Chunks {
    chunks: Vec<Vec<Place>>,
}

impl Chunks {
    fn insert(&mut self, place: Place) -> bool {
        let chunk_at = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(chunk_at) else { return false };
        let Err(at) = search(chunk, place) else { return false };
        if chunk.len() < CHUNK_MAX {
            chunk.insert(at, place);
        } else if at == chunk.len() {
            // Chunks that grow in age order stay full.
            self.chunks.insert(chunk_at + 1, vec![place]);
        } else {
            let middle = chunk.len() / 2;
            let mut young = chunk.split_off(middle);
            if at <= middle {
                chunk.insert(at, place)
            } else {
                young.insert(at - middle, place)
            }
            self.chunks.insert(chunk_at + 1, young);
        }
        true
    }

    fn remove(&mut self, place: Place) {
        let chunk_at = self.chunk_of(place);
        let Some(chunk) = self.chunks.get_mut(chunk_at) else { return };
        if let Ok(at) = search(chunk, place) {
            chunk.remove(at);
            if chunk.len() < CHUNK_MAX / 2 {
                self.merge(chunk_at);
            }
        }
    }

    /// The chunk that a place is in or belongs into.
    fn chunk_of(&self, place: Place) -> usize {
        if self.chunks.last().is_some_and(|chunk| chunk.first() <= Some(&place)) {
            return self.chunks.len() - 1;
        }
        self.chunks.partition_point(|chunk| chunk.first() <= Some(&place)).saturating_sub(1)
    }

    /// Drops an empty chunk, or joins a small one with a neighbour when both fit well into one.
    fn merge(&mut self, chunk_at: usize) {
        let length = |at: usize| self.chunks.get(at).map_or(CHUNK_MAX, Vec::len);
        let fits = |at: usize| length(at) + length(at + 1) <= CHUNK_MAX * 3 / 4;
        if length(chunk_at) == 0 {
            self.chunks.remove(chunk_at);
            return;
        }
        let left = match chunk_at.checked_sub(1) {
            Some(before) if fits(before) => before,
            Some(_) | None if fits(chunk_at) => chunk_at,
            Some(_) | None => return,
        };
        let right = self.chunks.remove(left + 1);
        if let Some(chunk) = self.chunks.get_mut(left) {
            chunk.extend_from_slice(&right);
        }
    }

    /// The first chunk that reaches `first`, and those behind it.
    fn from(&self, first: Place) -> (&[Place], &[Vec<Place>]) {
        let at = self.chunks.partition_point(|chunk| chunk.last() < Some(&first));
        match self.chunks.get(at..).and_then(<[_]>::split_first) {
            Some((chunk, rest)) => (chunk, rest),
            None => (&[], &[]),
        }
    }

    fn count_before(&self, place: Place) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.last() < Some(&place));
        let whole: usize = self.chunks.iter().take(at).map(Vec::len).sum();
        whole + self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|other| *other < place))
    }
}

/// Walks a posting from old to young.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    chunk: std::slice::Iter<'a, Place>,
    rest: std::slice::Iter<'a, Vec<Place>>,
}

impl<'a> Walk<'a> {
    /// Walks places that are in ascending order.
    pub(super) fn over(places: &'a [Place]) -> Self {
        Self { chunk: places.iter(), rest: [].iter() }
    }
}

impl Iterator for Walk<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        loop {
            if let Some(place) = self.chunk.next() {
                return Some(*place);
            }
            self.chunk = self.rest.next()?.iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_says_when_and_who() {
        let place = Place::since(Mono::from_start(Duration::from_micros(7_900)), Slot(42));
        assert_eq!((place.moment(), place.slot()), (Mono::from_start(Duration::from_millis(7)), Slot(42)));
        let due = Place::due(Mono::from_start(Duration::from_micros(7_100)), Slot(42));
        assert_eq!(due.moment(), Mono::from_start(Duration::from_millis(8)));
    }

    #[test]
    fn a_moment_beyond_reach_stays_sortable() {
        let place = Place::since(Mono::from_start(Duration::from_secs(u64::MAX >> 30)), Slot(3));
        assert_eq!(place.slot(), Slot(3));
        assert!(Place::since(Mono::default(), Slot(9)) < place);
    }

    #[test]
    fn places_in_age_order_fill_their_chunks() {
        let mut posting = Posting::One(Place(0));
        (1..1024).for_each(|place| assert!(posting.insert(Place(place))));
        let Posting::Many(chunks) = &posting else { panic!("1024 places in one chunk") };
        assert_eq!(chunks.chunks.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 256, 256]);
    }

    proptest! {
        #[test]
        fn a_posting_is_a_sorted_set(steps in prop::collection::vec((any::<bool>(), 0_u64..700), 1..2500), from in 0_u64..700) {
            let mut posting = Posting::One(Place(1000));
            let mut expected = BTreeSet::from([Place(1000)]);
            for (add, place) in steps {
                let place = Place(place);
                if add {
                    prop_assert_eq!(posting.insert(place), expected.insert(place));
                } else {
                    expected.remove(&place);
                    prop_assert!(!posting.remove(place));
                }
            }
            let from = Place(from);
            prop_assert!(posting.walk(from).eq(expected.range(from..).copied()));
            prop_assert_eq!(posting.count_before(from), expected.range(..from).count());
            for place in expected {
                prop_assert_eq!(posting.remove(place), place == Place(1000));
            }
        }
    }
}
