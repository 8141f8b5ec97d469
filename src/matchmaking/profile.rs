//! The part of a ticket that a search reads of every candidate: one cache line.
use crate::matchmaking::index::Terms;
use crate::matchmaking::names::Name;
use crate::matchmaking::pool::KindNumber;
use crate::matchmaking::pool::PoolId;
use crate::matchmaking::ties::Identity;
use crate::time::Mono;

/// Tags and languages that fit beside the rest.
const INLINE_MAX: usize = 7;

/// What a candidate is judged by.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Profile {
    pub(super) since: Mono,
    pub(super) identity: Identity,
    names: List,
    pub(super) region: Option<Name>,
    tag_count: u8,
    language_count: u8,
    pub(super) kind: KindNumber,
    pub(super) level: u8,
}

/// Tags, then languages. The box is for the few who name many.
#[derive(Debug)]
enum List {
    Inline([Name; INLINE_MAX]),
    Boxed(Box<[Name]>),
}

impl Profile {
    /// A profile at level 0.
    pub(super) fn new(since: Mono, identity: Identity, kind: KindNumber, terms: Terms<'_>) -> Self {
        let mut inline = [Name::ANY; INLINE_MAX];
        let named = || terms.tags.iter().chain(terms.languages).copied();
        let names = if named().count() <= INLINE_MAX {
            inline.iter_mut().zip(named()).for_each(|(place, name)| *place = name);
            List::Inline(inline)
        } else {
            List::Boxed(named().collect())
        };
        Self {
            since,
            identity,
            names,
            region: terms.region.first().copied(),
            // Far below 256: the parser of preferences sees to it.
            tag_count: terms.tags.len() as u8,
            language_count: terms.languages.len() as u8,
            kind,
            level: 0,
        }
    }

    /// Tags in the order given; none means any.
    pub(super) fn tags(&self) -> &[Name] {
        self.names().get(..usize::from(self.tag_count)).unwrap_or_default()
    }

    /// Languages in the order given; none means any.
    pub(super) fn languages(&self) -> &[Name] {
        let first = usize::from(self.tag_count);
        self.names().get(first..first + usize::from(self.language_count)).unwrap_or_default()
    }

    /// What the ticket asks for, `pool` being the ticket's.
    pub(super) fn terms(&self, pool: PoolId) -> Terms<'_> {
        Terms { pool, tags: self.tags(), languages: self.languages(), region: self.region.as_slice() }
    }

    fn names(&self) -> &[Name] {
        match &self.names {
            List::Inline(names) => names,
            List::Boxed(names) => names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_fills_one_cache_line() {
        assert_eq!(size_of::<Profile>(), 64);
    }
}
