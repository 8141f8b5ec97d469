//! Who can be found under what: one posting per combination that makes a pair acceptable.
//!
//! A pair is acceptable when it meets what the *lower* of its two levels asks for. So a ticket of level L lists itself
//! under its combinations of every level up to L, and a search of a ticket of level L reads the postings of every
//! level up to L: what it finds under level k is at level k or above and meets k, so the pair meets min(L, other).
//! Nothing found this way has a wrong mode, age band, tag, language or region.
//!
//! In each dimension a ticket that takes anything lists itself under [`Name::ANY`] alone, all others under what they
//! name and under [`Name::NAMED`]. The former read both of these buckets, the latter what they name and `ANY`. Rare tags are
//! not listed: `tags` knows who holds them.
use std::collections::HashMap;
use std::hash::Hash;
use std::hash::Hasher;

use crate::matchmaking::fold::Fold;
use crate::matchmaking::names::Name;
use crate::matchmaking::pool::KindNumber;
use crate::matchmaking::pool::PoolId;
use crate::matchmaking::posting::Place;
use crate::matchmaking::posting::Posting;
use crate::matchmaking::tags::Tags;

/// The highest level: recent partners are allowed.
pub(super) const LEVEL_MAX: u8 = 4;

/// What a posting's tickets have in common.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pool: PoolId,
    tag: Name,
    language: Name,
    region: Name,
    kind: KindNumber,
    level: u8,
}

impl Hash for Key {
    /// Packs the fields into three words: this is hashed two dozen times per ticket.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.pool.0) << 32 | u64::from(self.tag.number()));
        state.write_u64(u64::from(self.language.number()) << 32 | u64::from(self.region.number()));
        state.write_u64(u64::from(self.kind.0) << 8 | u64::from(self.level));
    }
}

impl Key {
    /// Keys under which everybody of one kind in a pool is listed once.
    pub(super) fn everybody(pool: PoolId, kind: KindNumber) -> impl Iterator<Item = Self> {
        let buckets = [Name::ANY, Name::NAMED];
        let keys = move |tag, language| buckets.map(|region| Self { pool, tag, language, region, kind, level: 0 });
        buckets.into_iter().flat_map(move |tag| buckets.into_iter().flat_map(move |language| keys(tag, language)))
    }
}

/// What a ticket asks for, by dimension; an empty one takes anything.
#[derive(Copy, Clone, Debug)]
pub(super) struct Terms<'a> {
    pub(super) pool: PoolId,
    pub(super) tags: &'a [Name],
    pub(super) languages: &'a [Name],
    pub(super) region: &'a [Name],
}

/// The two ways to use a key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// To be found.
    Own,
    /// To find.
    Sought,
}

impl Side {
    /// The names of one dimension; `asked` is what the level leaves of the ticket's wishes.
    fn names(self, asked: Option<&[Name]>) -> impl Iterator<Item = Name> + Clone {
        let named = asked.unwrap_or_default();
        let buckets: &[Name] = match (self, asked) {
            // Dropped at this level: one bucket for all.
            (Side::Own | Side::Sought, None) => &[Name::ANY],
            (Side::Own, Some([])) | (Side::Sought, Some([_, ..])) => &[Name::ANY],
            (Side::Own, Some([_, ..])) => &[Name::NAMED],
            (Side::Sought, Some([])) => &[Name::ANY, Name::NAMED],
        };
        named.iter().chain(buckets).copied()
    }
}

impl Terms<'_> {
    /// Calls `each` with every key of `level` that a ticket is listed under, or reads.
    pub(super) fn for_each_key(self, tags: &Tags, side: Side, kind: KindNumber, level: u8, mut each: impl FnMut(Key)) {
        let is_listed = |tag: &Name| tag.is_bucket() || tags.is_common(*tag);
        let tags = side.names((level < 1).then_some(self.tags)).filter(is_listed);
        let regions = side.names((level < 2).then_some(self.region));
        for language in side.names((level < 3).then_some(self.languages)) {
            for region in regions.clone() {
                for tag in tags.clone() {
                    each(Key { pool: self.pool, tag, language, region, kind, level });
                }
            }
        }
    }

    /// Postings of a ticket at the highest level, were none of its tags rare.
    pub(super) fn postings_max(self) -> usize {
        let listed = |named: &[Name]| if named.is_empty() { 1 } else { named.len() + 1 };
        let (tags, languages, region) = (listed(self.tags), listed(self.languages), listed(self.region));
        tags * languages * region + languages * region + languages + 2
    }
}

/// All postings.
#[derive(Debug, Default)]
pub(super) struct Index {
    posting_by_key: HashMap<Key, Posting, Fold>,
}

impl Index {
    /// Lists a ticket under its keys of one level.
    pub(super) fn add(&mut self, tags: &Tags, terms: Terms<'_>, kind: KindNumber, level: u8, place: Place) {
        terms.for_each_key(tags, Side::Own, kind, level, |key| {
            self.posting_by_key
                .entry(key)
                .and_modify(|posting| {
                    posting.insert(place);
                })
                .or_insert(Posting::One(place));
        });
    }

    /// Takes a ticket off its keys of one level.
    pub(super) fn remove(&mut self, tags: &Tags, terms: Terms<'_>, kind: KindNumber, level: u8, place: Place) {
        terms.for_each_key(tags, Side::Own, kind, level, |key| {
            if self.posting_by_key.get_mut(&key).is_some_and(|posting| posting.remove(place)) {
                self.posting_by_key.remove(&key);
            }
        });
    }

    /// The tickets under a key.
    pub(super) fn posting(&self, key: &Key) -> Option<&Posting> {
        self.posting_by_key.get(key)
    }

    /// Postings held, for tests of what is left behind.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.posting_by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::slice::from_ref;

    use super::*;
    use crate::matchmaking::posting::Slot;

    /// Two tags, two languages, two regions.
    fn named() -> [Name; 6] {
        [0, 1, 2, 3, 4, 5].map(Name::at)
    }

    fn terms<'a>(tags: &'a [Name], languages: &'a [Name], region: &'a [Name]) -> Terms<'a> {
        Terms { pool: PoolId(0), tags, languages, region }
    }

    fn keys(terms: Terms<'_>, side: Side, level: u8) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut tags = Tags::new(0);
        (0..6).for_each(|slot| drop(tags.hold(&slot.to_string().into(), Slot(slot))));
        terms.for_each_key(&tags, side, KindNumber::MIXED, level, |key| keys.push(key));
        keys
    }

    fn meet(a: Terms<'_>, b: Terms<'_>, level: u8) -> bool {
        let own = keys(b, Side::Own, level);
        keys(a, Side::Sought, level).iter().any(|key| own.contains(key))
    }

    #[test]
    fn every_key_is_listed_once_and_counted() {
        let [a, b, english, _, europe, _] = named();
        for terms in [terms(&[a, b], &[english], &[europe]), terms(&[], &[], &[]), terms(&[a], &[], &[europe])] {
            let all: Vec<Key> = (0..=LEVEL_MAX).flat_map(|level| keys(terms, Side::Own, level)).collect();
            assert_eq!(all.len(), terms.postings_max());
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn everybody_is_counted_once() {
        let [a, b, english, _, europe, _] = named();
        for terms in [terms(&[a, b], &[english], &[europe]), terms(&[], &[], &[]), terms(&[a], &[], &[europe])] {
            let own = keys(terms, Side::Own, 0);
            let listed = Key::everybody(PoolId(0), KindNumber::MIXED).filter(|key| own.contains(key)).count();
            assert_eq!(listed, 1);
        }
    }

    #[test]
    fn a_dimension_counts_until_its_level() {
        let [a, b, english, turkish, europe, america] = named();
        let here = terms(from_ref(&a), from_ref(&english), from_ref(&europe));
        let tag = terms(from_ref(&b), from_ref(&english), from_ref(&europe));
        let region = terms(from_ref(&a), from_ref(&english), from_ref(&america));
        let language = terms(from_ref(&a), from_ref(&turkish), from_ref(&europe));
        for (other, first_level) in [(here, 0), (tag, 1), (region, 2), (language, 3)] {
            for level in 0..=LEVEL_MAX {
                assert_eq!(meet(here, other, level), level >= first_level, "{other:?} at {level}");
            }
        }
    }

    #[test]
    fn a_wildcard_meets_everybody_from_both_sides() {
        let anybody = terms(&[], &[], &[]);
        let [a, _, english, _, europe, _] = named();
        let picky = terms(from_ref(&a), from_ref(&english), from_ref(&europe));
        assert!(meet(anybody, picky, 0) && meet(picky, anybody, 0) && meet(anybody, anybody, 0));
    }
}
