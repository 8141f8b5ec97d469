//! Who must not meet: blocks for good, recent partners for a while.
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::matchmaking::fold::Fold;
use crate::matchmaking::ticket::DeviceId;
use crate::matchmaking::ticket::Person;
use crate::matchmaking::ticket::UserId;
use crate::time::Mono;

/// Pairs of recent partners remembered; the oldest are forgotten first. About 100 bytes each.
const RECENT_MAX: usize = 500_000;

/// A user or device as a keyed hash: clients cannot aim at a collision, and by chance one in a million people has
/// odds of 1 in 30 million.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PersonKey(NonZeroU64);

impl PersonKey {
    fn of(hash: u64) -> Self {
        // The lowest bit is given away, so that "no device" costs no bytes.
        Self(NonZeroU64::MIN | hash)
    }
}

/// Makes the keys of one engine.
#[derive(Debug, Default)]
pub(super) struct PersonKeys {
    state: RandomState,
}

impl PersonKeys {
    /// The key of a user.
    pub(super) fn user(&self, user: &UserId) -> PersonKey {
        PersonKey::of(self.state.hash_one((0_u8, &user.0)))
    }

    /// The key of a device.
    pub(super) fn device(&self, device: &DeviceId) -> PersonKey {
        PersonKey::of(self.state.hash_one((1_u8, &device.0)))
    }

    /// The key of either.
    pub(super) fn person(&self, person: &Person) -> PersonKey {
        match person {
            Person::User(user) => self.user(user),
            Person::Device(device) => self.device(device),
        }
    }
}

/// The keys a ticket answers to.
#[derive(Copy, Clone, Debug)]
pub(super) struct Identity {
    /// Its user.
    pub(super) user: PersonKey,
    /// Its device.
    pub(super) device: Option<PersonKey>,
}

impl Identity {
    fn keys(self) -> impl Iterator<Item = PersonKey> + Clone {
        [Some(self.user), self.device].into_iter().flatten()
    }
}

/// How many pairs name a person; most people are in none, and that is quickly seen.
#[derive(Debug, Default)]
struct Degrees {
    pairs_by_person: HashMap<PersonKey, u32, Fold>,
}

impl Degrees {
    fn add(&mut self, person: PersonKey) {
        *self.pairs_by_person.entry(person).or_default() += 1;
    }

    fn remove(&mut self, person: PersonKey) {
        if let Some(pairs) = self.pairs_by_person.get_mut(&person) {
            *pairs -= 1;
            if *pairs == 0 {
                self.pairs_by_person.remove(&person);
            }
        }
    }

    fn names(&self, person: PersonKey) -> bool {
        self.pairs_by_person.contains_key(&person)
    }
}

/// Blocks, each by one person against another; either direction keeps two apart.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    by_and_whom: HashSet<(PersonKey, PersonKey), Fold>,
    degrees: Degrees,
}

impl Blocks {
    /// Adds a block.
    pub(super) fn add(&mut self, by: PersonKey, whom: PersonKey) {
        if self.by_and_whom.insert((by, whom)) {
            self.degrees.add(by);
            self.degrees.add(whom);
        }
    }

    /// Takes a block back.
    pub(super) fn remove(&mut self, by: PersonKey, whom: PersonKey) {
        if self.by_and_whom.remove(&(by, whom)) {
            self.degrees.remove(by);
            self.degrees.remove(whom);
        }
    }

    /// Whether any block names this person.
    pub(super) fn names(&self, person: Identity) -> bool {
        person.keys().any(|key| self.degrees.names(key))
    }

    /// Whether a block stands between the two.
    pub(super) fn separate(&self, a: Identity, b: Identity) -> bool {
        a.keys().any(|a| b.keys().any(|b| self.by_and_whom.contains(&(a, b)) || self.by_and_whom.contains(&(b, a))))
    }
}

/// Two users, smaller key first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Pair(PersonKey, PersonKey);

impl Pair {
    fn of(a: PersonKey, b: PersonKey) -> Self {
        if a <= b { Self(a, b) } else { Self(b, a) }
    }
}

/// Pairs that met a while ago.
#[derive(Debug)]
pub(super) struct Recent {
    pause: Duration,
    until_by_pair: HashMap<Pair, Mono, Fold>,
    expiries: VecDeque<(Mono, Pair)>,
    degrees: Degrees,
}

impl Recent {
    /// Nobody has met yet.
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, until_by_pair: HashMap::default(), expiries: VecDeque::new(), degrees: Degrees::default() }
    }

    /// Goes by another pause from now on; what is left of earlier ones is at most that long.
    pub(super) fn change(&mut self, pause: Duration, now: Mono) {
        self.pause = pause;
        let latest = now + pause;
        // Whoever stood before another still does.
        for (until, _) in &mut self.expiries {
            *until = (*until).min(latest);
        }
        for until in self.until_by_pair.values_mut() {
            *until = (*until).min(latest);
        }
    }

    /// Two users have met.
    pub(super) fn add(&mut self, a: PersonKey, b: PersonKey, now: Mono) {
        self.add_for(a, b, self.pause, now);
    }

    /// Two users met a while ago, of which so much is left. No earlier one may be forgotten later.
    pub(super) fn add_for(&mut self, a: PersonKey, b: PersonKey, left: Duration, now: Mono) {
        let left = left.min(self.pause);
        if left.is_zero() || a == b {
            return;
        }
        let (pair, until) = (Pair::of(a, b), now + left);
        if self.until_by_pair.insert(pair, until).is_none() {
            self.degrees.add(pair.0);
            self.degrees.add(pair.1);
        }
        self.expiries.push_back((until, pair));
    }

    /// Forgets the next pair whose time is over, or that is one too many, and returns it: its users may be partners
    /// again.
    pub(super) fn poll_expired(&mut self, now: Mono) -> Option<(PersonKey, PersonKey)> {
        while let Some(&(until, pair)) = self.expiries.front()
            && (until <= now || self.is_overfull())
        {
            self.expiries.pop_front();
            if self.forget(until, pair) {
                return Some((pair.0, pair.1));
            }
        }
        None
    }

    /// When [`Recent::poll_expired`] has something to return.
    pub(super) fn next_expiry(&self) -> Option<Mono> {
        let (until, _) = self.expiries.front()?;
        Some(if self.is_overfull() { Mono::default() } else { *until })
    }

    /// Whether this user met anybody lately.
    pub(super) fn names(&self, user: PersonKey) -> bool {
        self.degrees.names(user)
    }

    /// Whether the two met lately.
    pub(super) fn contains(&self, a: PersonKey, b: PersonKey) -> bool {
        self.until_by_pair.contains_key(&Pair::of(a, b))
    }

    fn is_overfull(&self) -> bool {
        self.expiries.len() > RECENT_MAX
    }

    /// False if the pair has met again since.
    fn forget(&mut self, until: Mono, pair: Pair) -> bool {
        if self.until_by_pair.get(&pair) != Some(&until) {
            return false;
        }
        self.until_by_pair.remove(&pair);
        self.degrees.remove(pair.0);
        self.degrees.remove(pair.1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_block_holds_until_each_side_has_taken_its_own_back() {
        let mut blocks = Blocks::default();
        let [a, b] = [1, 3].map(|key| Identity { user: PersonKey::of(key), device: None });
        blocks.add(a.user, b.user);
        blocks.add(a.user, b.user);
        blocks.add(b.user, a.user);
        blocks.remove(a.user, b.user);
        assert!(blocks.separate(a, b) && blocks.separate(b, a));
        blocks.remove(b.user, a.user);
        assert!(!blocks.separate(a, b) && !blocks.names(a) && !blocks.names(b));
    }

    #[test]
    fn a_blocked_device_is_kept_apart_under_a_new_user() {
        let mut blocks = Blocks::default();
        let me = Identity { user: PersonKey::of(1), device: None };
        let guest = Identity { user: PersonKey::of(3), device: Some(PersonKey::of(5)) };
        blocks.add(me.user, PersonKey::of(5));
        assert!(blocks.separate(me, guest) && blocks.names(guest));
    }

    #[test]
    fn recent_partners_are_forgotten_after_the_pause_of_their_last_meeting() {
        let mut recent = Recent::new(HOUR);
        let (a, b) = (PersonKey::of(1), PersonKey::of(3));
        recent.add(a, b, at(0));
        recent.add(b, a, at(60));
        assert_eq!(recent.poll_expired(at(3600)), None);
        assert!(recent.contains(b, a));
        assert_eq!(recent.poll_expired(at(3660)), Some((a, b)));
        assert!(!recent.contains(a, b) && !recent.names(a) && recent.next_expiry().is_none());
    }

    #[test]
    fn a_shorter_pause_holds_for_those_who_have_met_too() {
        let mut recent = Recent::new(HOUR);
        let [a, b, c] = [1, 3, 5].map(PersonKey::of);
        recent.add(a, b, at(0));
        recent.change(HOUR / 2, at(60));
        recent.add(a, c, at(61));
        assert_eq!(recent.poll_expired(at(60 + 1799)), None);
        assert_eq!(recent.poll_expired(at(60 + 1800)), Some((a, b)));
        assert_eq!(recent.poll_expired(at(60 + 1800)), None);
        assert_eq!(recent.poll_expired(at(61 + 1800)), Some((a, c)));
        recent.add(a, b, at(5000));
        recent.change(Duration::ZERO, at(5001));
        assert_eq!(recent.poll_expired(at(5001)), Some((a, b)));
    }

    #[test]
    fn of_a_meeting_before_the_start_only_what_is_left_of_the_pause_counts() {
        let mut recent = Recent::new(HOUR);
        let (a, b) = (PersonKey::of(1), PersonKey::of(3));
        recent.add_for(a, b, Duration::from_secs(60), at(0));
        assert!(recent.contains(a, b));
        assert_eq!(recent.poll_expired(at(59)), None);
        assert_eq!(recent.poll_expired(at(60)), Some((a, b)));
        recent.add_for(a, b, Duration::ZERO, at(60));
        recent.add_for(a, b, 2 * HOUR, at(60));
        assert_eq!(recent.next_expiry(), Some(at(3660)), "never longer than the pause");
    }

    #[test]
    fn without_a_pause_nobody_is_remembered() {
        let mut recent = Recent::new(Duration::ZERO);
        recent.add(PersonKey::of(1), PersonKey::of(3), at(0));
        assert!(!recent.names(PersonKey::of(1)));
    }
}
