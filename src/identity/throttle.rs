//! Budgets of whoever guesses, in fixed memory.
use std::hash::BuildHasher;
use std::hash::Hash;
use std::hash::RandomState;
use std::time::Duration;

use crate::time::Mono;

/// Budgets of one table. Two names may share one; nobody can choose which, as the table's key is random.
const SLOTS: usize = 1 << 15;

/// A budget for each of any number of names: `capacity` at once, then one each `interval`.
///
/// A name has a slot in each of two tables, and what it has used is the lesser of the two: only who shares both with others
/// pays for them. There is nothing to forget, so nobody gets a fresh budget by making others come in between. 512 KiB.
#[derive(Debug)]
pub(super) struct Throttle {
    interval: Duration,
    whole: Duration,
    /// When the budget is whole again.
    whole_at: [Box<[Mono]>; 2],
    hashers: [RandomState; 2],
}

impl Throttle {
    pub(super) fn new(capacity: u32, interval: Duration) -> Self {
        Self {
            interval,
            whole: interval * capacity,
            whole_at: [(); 2].map(|()| vec![Mono::default(); SLOTS].into()),
            hashers: [(); 2].map(|()| RandomState::new()),
        }
    }

    /// Goes by another budget from now on; what is used is used.
    pub(super) fn change(&mut self, capacity: u32, interval: Duration) {
        self.interval = interval;
        self.whole = interval * capacity;
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// The time until there is one; nothing is taken then.
    pub(super) fn take(&mut self, name: &impl Hash, now: Mono) -> Result<(), Duration> {
        let used = self.used(name, now) + self.interval;
        if used > self.whole {
            return Err(used - self.whole);
        }
        for slot in self.slots(name) {
            *slot = (*slot).max(now + used);
        }
        Ok(())
    }

    /// Gives one back that was taken.
    pub(super) fn give_back(&mut self, name: &impl Hash, now: Mono) {
        let used = self.used(name, now).saturating_sub(self.interval);
        for slot in self.slots(name) {
            *slot = (*slot).min(now + used);
        }
    }

    fn used(&mut self, name: &impl Hash, now: Mono) -> Duration {
        self.slots(name).map(|slot| slot.saturating_since(now)).into_iter().min().unwrap_or_default()
    }

    fn slots(&mut self, name: &impl Hash) -> [&mut Mono; 2] {
        let [first, second] = &self.hashers;
        // The modulus is below the length of both.
        let [first, second] = [first, second].map(|hasher| hasher.hash_one(name) as usize % SLOTS);
        let [left, right] = &mut self.whole_at;
        [&mut left[first], &mut right[second]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(1000 + secs))
    }

    #[test]
    fn a_budget_is_there_at_once_and_comes_back_one_by_one() {
        let mut throttle = Throttle::new(3, 10 * SECOND);
        assert!((0..3).all(|_| throttle.take(&"ann", at(0)).is_ok()));
        assert_eq!(throttle.take(&"ann", at(0)), Err(10 * SECOND));
        assert_eq!(throttle.take(&"ann", at(4)), Err(6 * SECOND));
        assert_eq!(throttle.take(&"bob", at(4)), Ok(()));
        assert_eq!(throttle.take(&"ann", at(10)), Ok(()));
        assert_eq!(throttle.take(&"ann", at(10)), Err(10 * SECOND));
        assert!((0..3).all(|_| throttle.take(&"ann", at(100)).is_ok()));
        assert_eq!(throttle.take(&"ann", at(100)), Err(10 * SECOND));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut throttle = Throttle::new(2, 10 * SECOND);
        for _ in 0..20 {
            throttle.take(&"ann", at(0)).expect("there");
            throttle.give_back(&"ann", at(0));
        }
        assert!((0..2).all(|_| throttle.take(&"ann", at(0)).is_ok()));
        assert!(throttle.take(&"ann", at(0)).is_err());
        throttle.give_back(&"ann", at(3));
        assert_eq!(throttle.take(&"ann", at(3)), Ok(()));
    }

    #[test]
    fn crowds_of_others_refill_no_budget_and_rarely_take_from_one() {
        let mut throttle = Throttle::new(2, 10 * SECOND);
        assert!((0..2).all(|_| throttle.take(&"ann", at(0)).is_ok()));
        let refused = (0..2_000_u32).filter(|other| throttle.take(other, at(0)).is_err()).count();
        assert!(refused < 100, "{refused} of 2000 pay for others");
        assert!(throttle.take(&"ann", at(0)).is_err());
    }
}
