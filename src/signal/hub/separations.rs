//! Who is kept from whom: all blocks there are, as hashes of about 30 bytes, so that a look needs no store. The engine has
//! a copy of its own and hears of each change a moment later.
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::hash::RandomState;

use crate::matchmaking::DeviceId;
use crate::matchmaking::Person;
use crate::matchmaking::UserId;
use crate::store::Block;
use crate::store::Party;

/// Every pair of persons that a block separates.
#[derive(Debug, Default)]
pub(super) struct Separations {
    /// Keyed, so that nobody can aim at a collision.
    state: RandomState,
    by_and_whom: HashSet<(u64, u64)>,
}

impl Separations {
    /// Adds a block; one that is there already changes nothing.
    pub(super) fn add(&mut self, block: &Block) {
        for (by, whom) in pairs(block) {
            self.by_and_whom.insert(self.key(&by, &whom));
        }
    }

    /// Takes back what no block holds any more.
    pub(super) fn remove(&mut self, by: &Person, whom: &Person) {
        self.by_and_whom.remove(&self.key(by, whom));
    }

    /// Whether a block stands between two, in either direction.
    pub(super) fn separates(&self, a: &Party, b: &Party) -> bool {
        if self.is_empty() {
            return false;
        }
        let (a, b) = (persons(a), persons(b));
        a.iter().any(|a| {
            b.iter().any(|b| [self.key(a, b), self.key(b, a)].iter().any(|key| self.by_and_whom.contains(key)))
        })
    }

    /// Whether nobody blocks anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.by_and_whom.is_empty()
    }

    fn key(&self, by: &Person, whom: &Person) -> (u64, u64) {
        (self.state.hash_one(by), self.state.hash_one(whom))
    }
}

/// What somebody is blocked by: the user, of a guest also the device.
fn persons(party: &Party) -> Vec<Person> {
    let device = party.device.as_ref().map(|device| Person::Device(DeviceId(device.0.clone())));
    std::iter::once(Person::User(UserId(party.user.0.clone()))).chain(device).collect()
}

/// A block as the engine knows it: each name of the one against each of the other.
pub(super) fn pairs(block: &Block) -> Vec<(Person, Person)> {
    let of_whom = persons(&block.whom);
    let pair = |by: Person| of_whom.clone().into_iter().map(move |whom| (by.clone(), whom));
    persons(&block.owner).into_iter().flat_map(pair).collect()
}
