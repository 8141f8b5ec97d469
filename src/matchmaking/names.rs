//! Languages and regions as small numbers, shared by all tickets that name them.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The number of a text while somebody holds it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(NonZeroU32);

impl Name {
    /// The bucket of tickets that take anything.
    pub(super) const ANY: Name = Name(NonZeroU32::MIN);
    /// The bucket of tickets that named something, whatever it is.
    pub(super) const NAMED: Name = Name(NonZeroU32::MIN.saturating_add(1));
    const FIRST_FREE: u32 = 3;

    /// The name at a position of the table.
    pub(super) fn at(position: usize) -> Self {
        // Capacity times names per ticket stays far below 2^32.
        Self(NonZeroU32::MIN.saturating_add(Self::FIRST_FREE - 1 + position as u32))
    }

    /// Whether this is no text but a bucket.
    pub(super) fn is_bucket(self) -> bool {
        self.number() < Self::FIRST_FREE
    }

    /// The number.
    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    /// The position in the table; out of any table for `ANY` and `NAMED`.
    pub(super) fn position(self) -> usize {
        self.number().wrapping_sub(Self::FIRST_FREE) as usize
    }
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    holders: u32,
}

/// The texts in use. A text that nobody holds any more is forgotten, so clients cannot fill this with junk.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Vec<Option<Entry>>,
    free: Vec<Name>,
    name_by_text: HashMap<Arc<str>, Name>,
}

impl Names {
    /// Returns the number of `text`, held once more.
    pub(super) fn hold(&mut self, text: &Arc<str>) -> Name {
        if let Some(&name) = self.name_by_text.get(text) {
            if let Some(entry) = self.entry_mut(name) {
                entry.holders += 1;
            }
            return name;
        }
        let entry = Some(Entry { text: text.clone(), holders: 1 });
        let name = match self.free.pop() {
            Some(name) => {
                if let Some(place) = self.entries.get_mut(name.position()) {
                    *place = entry;
                }
                name
            }
            None => {
                self.entries.push(entry);
                Name::at(self.entries.len() - 1)
            }
        };
        self.name_by_text.insert(text.clone(), name);
        name
    }

    /// Gives one hold back.
    pub(super) fn release(&mut self, name: Name) {
        let Some(entry) = self.entry_mut(name) else { return };
        entry.holders -= 1;
        if entry.holders > 0 {
            return;
        }
        if let Some(entry) = self.entries.get_mut(name.position()).and_then(Option::take) {
            self.name_by_text.remove(&entry.text);
            self.free.push(name);
        }
    }

    /// The text of a held name.
    pub(super) fn text(&self, name: Name) -> Option<&Arc<str>> {
        self.entries.get(name.position())?.as_ref().map(|entry| &entry.text)
    }

    /// Texts held, for tests of what is left behind.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.name_by_text.len()
    }

    fn entry_mut(&mut self, name: Name) -> Option<&mut Entry> {
        self.entries.get_mut(name.position())?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_name_until_the_last_holder_lets_go() {
        let mut names = Names::default();
        let (rust, chess) = (Arc::from("rust"), Arc::from("chess"));
        let name = names.hold(&rust);
        assert_eq!(names.hold(&rust), name);
        assert_ne!(names.hold(&chess), name);
        names.release(name);
        assert_eq!(names.text(name), Some(&rust));
        names.release(name);
        assert_eq!(names.text(name), None);
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn the_number_of_a_forgotten_text_is_used_again() {
        let mut names = Names::default();
        let first = names.hold(&Arc::from("a"));
        names.release(first);
        assert_eq!(names.hold(&Arc::from("b")), first);
        assert_eq!(names.entries.len(), 1);
    }
}
