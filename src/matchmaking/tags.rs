//! Tags as numbers, and who holds the rare ones.
//!
//! Most of the tags in the world are named by a few people at a time. Such a tag has no postings: its few holders stand beside
//! its text, and a search looks at each of them. When it is named by more it is common for as long as anybody names it, and its
//! holders are listed in the index.
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::matchmaking::names::Name;
use crate::matchmaking::posting::Slot;

/// Who holds a tag.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Holders {
    One(Slot),
    Two(Slot, Slot),
    /// More; where they stand among the crowds.
    Few(u32),
    /// So many that they are in the index.
    Common(u32),
}

/// What became of a tag that one more ticket holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its number.
    pub(super) name: Name,
    /// Those to be listed in the index from now on, if the tag has become common by this.
    pub(super) promoted: Vec<Slot>,
}

/// The tags in use. One that nobody holds any more is forgotten, so clients cannot fill this with junk.
#[derive(Debug)]
pub(super) struct Tags {
    /// A tag with more holders than this is common.
    rare_max: usize,
    /// Two columns: together they would have four bytes between them that say nothing.
    texts: Vec<Option<Arc<str>>>,
    holders: Vec<Holders>,
    free: Vec<Name>,
    crowds: Vec<Vec<Slot>>,
    free_crowds: Vec<u32>,
    /// Numbers by text; the text is in its column alone.
    names: HashTable<Name>,
    hasher: RandomState,
}

impl Tags {
    /// No tags yet.
    pub(super) fn new(rare_max: usize) -> Self {
        Self {
            rare_max,
            texts: Vec::new(),
            holders: Vec::new(),
            free: Vec::new(),
            crowds: Vec::new(),
            free_crowds: Vec::new(),
            names: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Counts a ticket among the holders of `text`.
    pub(super) fn hold(&mut self, text: &Arc<str>, slot: Slot) -> Held {
        let hash = self.hasher.hash_one(text);
        let (texts, hasher) = (&self.texts, &self.hasher);
        let text_of = |name: &Name| texts.get(name.position()).and_then(Option::as_ref);
        if let Some(&name) = self.names.find(hash, |name| text_of(name) == Some(text)) {
            return Held { name, promoted: self.add(name, slot) };
        }
        let name = self.free.pop().unwrap_or(Name::at(texts.len()));
        // Those in the table have a text.
        self.names.insert_unique(hash, name, |name| text_of(name).map_or(0, |text| hasher.hash_one(text)));
        let holders = if self.rare_max == 0 { Holders::Common(1) } else { Holders::One(slot) };
        match (self.texts.get_mut(name.position()), self.holders.get_mut(name.position())) {
            (Some(place), Some(of)) => (*place, *of) = (Some(text.clone()), holders),
            (None, _) | (_, None) => {
                reserve_one(&mut self.texts);
                reserve_one(&mut self.holders);
                self.texts.push(Some(text.clone()));
                self.holders.push(holders);
            }
        }
        Held { name, promoted: Vec::new() }
    }

    /// Counts a ticket out of the holders of a tag.
    pub(super) fn release(&mut self, name: Name, slot: Slot) {
        let Some(holders) = self.holders.get_mut(name.position()) else { return };
        *holders = match *holders {
            Holders::One(_) | Holders::Common(1) => return self.forget(name),
            Holders::Common(count) => Holders::Common(count - 1),
            Holders::Two(a, b) => Holders::One(if a == slot { b } else { a }),
            Holders::Few(crowd) => {
                let Some(slots) = self.crowds.get_mut(crowd as usize) else { return };
                slots.retain(|other| *other != slot);
                let [a, b] = slots[..] else { return };
                *slots = Vec::new();
                self.free_crowds.push(crowd);
                Holders::Two(a, b)
            }
        };
    }

    /// Whether the holders of a tag are listed in the index.
    pub(super) fn is_common(&self, name: Name) -> bool {
        matches!(self.holders.get(name.position()), Some(Holders::Common(_)))
    }

    /// Calls `each` with every holder of a rare tag, none if it is common.
    pub(super) fn for_each_holder(&self, name: Name, mut each: impl FnMut(Slot)) {
        match self.holders.get(name.position()) {
            None | Some(Holders::Common(_)) => {}
            Some(Holders::One(only)) => each(*only),
            Some(Holders::Two(a, b)) => [*a, *b].into_iter().for_each(each),
            Some(Holders::Few(crowd)) => self.crowds.get(*crowd as usize).into_iter().flatten().copied().for_each(each),
        }
    }

    /// The text of a held tag.
    pub(super) fn text(&self, name: Name) -> Option<&Arc<str>> {
        self.texts.get(name.position())?.as_ref()
    }

    /// Tags held, for tests of what is left behind.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.texts.iter().flatten().count(), self.names.len());
        let crowds = self.holders.iter().filter(|holders| matches!(holders, Holders::Few(_))).count();
        assert!(crowds <= self.crowds.len() - self.free_crowds.len() + self.free.len());
        self.names.len()
    }

    /// One more holder of a tag that has some; returns all of them if they are too many for a rare tag now.
    fn add(&mut self, name: Name, slot: Slot) -> Vec<Slot> {
        let rare_max = self.rare_max;
        let Some(holders) = self.holders.get_mut(name.position()) else { return Vec::new() };
        let (next, promoted) = match *holders {
            Holders::Common(count) => (Holders::Common(count + 1), Vec::new()),
            Holders::One(only) if rare_max < 2 => (Holders::Common(2), vec![only, slot]),
            Holders::One(only) => (Holders::Two(only, slot), Vec::new()),
            Holders::Two(a, b) if rare_max < 3 => (Holders::Common(3), vec![a, b, slot]),
            Holders::Two(a, b) => {
                let slots = vec![a, b, slot];
                let crowd = match self.free_crowds.pop() {
                    Some(crowd) => {
                        if let Some(place) = self.crowds.get_mut(crowd as usize) {
                            *place = slots;
                        }
                        crowd
                    }
                    None => {
                        self.crowds.push(slots);
                        // At most one per ticket and tag.
                        (self.crowds.len() - 1) as u32
                    }
                };
                (Holders::Few(crowd), Vec::new())
            }
            Holders::Few(crowd) => {
                let Some(slots) = self.crowds.get_mut(crowd as usize) else { return Vec::new() };
                slots.push(slot);
                if slots.len() <= rare_max {
                    return Vec::new();
                }
                self.free_crowds.push(crowd);
                // At most rare_max + 1.
                (Holders::Common(slots.len() as u32), std::mem::take(slots))
            }
        };
        *holders = next;
        promoted
    }

    fn forget(&mut self, name: Name) {
        let Some(text) = self.texts.get_mut(name.position()).and_then(Option::take) else { return };
        if let Ok(entry) = self.names.find_entry(self.hasher.hash_one(&text), |other| *other == name) {
            entry.remove();
            self.free.push(name);
        }
    }
}

/// Makes room for one more; a column with hundreds of thousands of rows must not hold as many empty ones.
fn reserve_one<T>(column: &mut Vec<T>) {
    if column.len() == column.capacity() {
        column.reserve_exact(column.len() / 8 + 16);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn holders(tags: &Tags, name: Name) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        tags.for_each_holder(name, |slot| assert!(all.insert(slot.0), "{slot:?} twice"));
        all
    }

    #[test]
    fn a_row_takes_28_bytes() {
        assert_eq!(size_of::<Option<Arc<str>>>() + size_of::<Holders>(), 28);
    }

    #[test]
    fn a_tag_becomes_common_with_one_holder_too_many_and_stays_so_until_the_last_is_gone() {
        for rare_max in [0, 1, 2, 3, 8] {
            let mut tags = Tags::new(rare_max);
            let text = Arc::from("chess");
            let mut name = None;
            for holder in 0..12 {
                let held = tags.hold(&text, Slot(holder));
                let promoted =
                    if holder as usize == rare_max && rare_max > 0 { (0..=holder).map(Slot).collect() } else { vec![] };
                assert_eq!(held.promoted, promoted, "{holder} of {rare_max}");
                assert_eq!(tags.is_common(held.name), holder as usize >= rare_max);
                assert_eq!(*name.get_or_insert(held.name), held.name);
            }
            let name = name.expect("held");
            (0..11).for_each(|holder| tags.release(name, Slot(holder)));
            assert!(tags.is_common(name));
            tags.release(name, Slot(11));
            assert_eq!((tags.text(name), tags.len()), (None, 0));
            let again = tags.hold(&text, Slot(0)).name;
            assert_eq!(tags.is_common(again), rare_max == 0);
        }
    }

    proptest! {
        #[test]
        fn every_holder_of_a_rare_tag_is_known(
            rare_max in 0_usize..6,
            steps in prop::collection::vec((0_usize..4, 0_u32..9), 1..200),
        ) {
            let texts: [Arc<str>; 4] = ["a", "b", "c", "d"].map(Arc::from);
            let mut tags = Tags::new(rare_max);
            let mut expected: BTreeMap<usize, (Name, BTreeSet<u32>, bool)> = BTreeMap::new();
            for (tag, slot) in steps {
                let holds = expected.get(&tag).is_some_and(|(_, holders, _)| holders.contains(&slot));
                if holds {
                    let (name, holders, _) = expected.get_mut(&tag).expect("is held");
                    tags.release(*name, Slot(slot));
                    holders.remove(&slot);
                    if holders.is_empty() {
                        expected.remove(&tag);
                    }
                } else {
                    let held = tags.hold(&texts[tag], Slot(slot));
                    let (name, holders, is_common) =
                        expected.entry(tag).or_insert((held.name, BTreeSet::new(), rare_max == 0));
                    prop_assert_eq!(*name, held.name);
                    holders.insert(slot);
                    let is_promoted = !*is_common && holders.len() > rare_max;
                    let promoted: BTreeSet<u32> = held.promoted.iter().map(|slot| slot.0).collect();
                    prop_assert_eq!(promoted, if is_promoted { holders.clone() } else { BTreeSet::new() });
                    *is_common |= is_promoted;
                }
                prop_assert_eq!(tags.len(), expected.len());
                for (tag, (name, all, is_common)) in &expected {
                    prop_assert_eq!(tags.text(*name), Some(&texts[*tag]));
                    prop_assert_eq!(tags.is_common(*name), *is_common);
                    prop_assert_eq!(holders(&tags, *name), if *is_common { BTreeSet::new() } else { all.clone() });
                }
            }
        }
    }
}
