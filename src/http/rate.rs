//! Requests per address and minute.
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::time::Instant;

use crate::admission::AddressKey;
use crate::admission::lies_in;

/// Addresses remembered at once; about 3 MB.
const ADDRESSES_MAX: usize = 65_536;
/// Budgets of all others, while so many are at work.
const SHARED: usize = 4096;
/// Between two looks for addresses whose budget is whole: going through all takes time, which no flood can ask for again and
/// again.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// A budget that refills evenly: a whole minute's requests may come at once, then one every `interval`.
///
/// Of each address one moment is kept: when its budget will be whole again. Where there are too many addresses, those that
/// come then share budgets with each other.
#[derive(Debug)]
pub(crate) struct Requests {
    pace: ArcSwap<Pace>,
    budget: Duration,
    known: Mutex<Known>,
    /// Nobody can choose with whom they share.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    whole_at_by_address: HashMap<AddressKey, Instant>,
    /// Empty until it is needed.
    shared: Vec<Option<Instant>>,
    sweep_from: Option<Instant>,
}

/// How many requests, and of whom they are not counted.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    exempt: Vec<IpNet>,
}

impl Pace {
    fn new(per_minute: u32, exempt: Vec<IpNet>) -> Self {
        Self { interval: Duration::from_secs(60) / per_minute.max(1), exempt }
    }
}

impl Requests {
    pub(crate) fn new(per_minute: u32, exempt: Vec<IpNet>) -> Self {
        let pace = ArcSwap::from_pointee(Pace::new(per_minute, exempt));
        Self { pace, budget: Duration::from_secs(60), known: Mutex::default(), hasher: RandomState::new() }
    }

    /// Goes by another pace from now on; what is used is used.
    pub(crate) fn change(&self, per_minute: u32, exempt: Vec<IpNet>) {
        self.pace.store(Arc::new(Pace::new(per_minute, exempt)));
    }

    /// Takes one request of `ip`'s budget.
    ///
    /// # Errors
    ///
    /// The time until one fits again.
    pub(crate) fn take(&self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        let pace = self.pace.load();
        if lies_in(ip, &pace.exempt) {
            return Ok(());
        }
        let key = AddressKey::from(ip);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.make_room(&key, now);
        let before = known.whole_at(&key, &self.hasher);
        let whole_at = before.unwrap_or(now).max(now) + pace.interval;
        let used = whole_at - now;
        if used > self.budget {
            return Err(used - self.budget);
        }
        known.set_whole_at(key, &self.hasher, whole_at);
        Ok(())
    }
}

impl Known {
    /// Forgets addresses whose budget is whole, if another one could not be remembered otherwise.
    fn make_room(&mut self, key: &AddressKey, now: Instant) {
        let is_due = self.sweep_from.is_none_or(|from| now >= from);
        if is_due && self.shares(key) {
            self.whole_at_by_address.retain(|_, whole_at| *whole_at > now);
            self.sweep_from = Some(now + SWEEP_PAUSE);
        }
    }

    /// Whether there is no room to remember an address.
    fn shares(&self, key: &AddressKey) -> bool {
        self.whole_at_by_address.len() >= ADDRESSES_MAX && !self.whole_at_by_address.contains_key(key)
    }

    fn whole_at(&self, key: &AddressKey, hasher: &RandomState) -> Option<Instant> {
        match self.shares(key) {
            true => self.shared.get(slot(key, hasher)).copied().flatten(),
            false => self.whole_at_by_address.get(key).copied(),
        }
    }

    fn set_whole_at(&mut self, key: AddressKey, hasher: &RandomState, whole_at: Instant) {
        if !self.shares(&key) {
            self.whole_at_by_address.insert(key, whole_at);
            return;
        }
        self.shared.resize(SHARED, None);
        if let Some(shared) = self.shared.get_mut(slot(&key, hasher)) {
            *shared = Some(whole_at);
        }
    }
}

fn slot(key: &AddressKey, hasher: &RandomState) -> usize {
    usize::try_from(hasher.hash_one(key)).unwrap_or_default() % SHARED
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(last: u32) -> IpAddr {
        Ipv4Addr::from_bits(0xC000_0200 + last).into()
    }

    #[test]
    fn a_minutes_budget_fits_at_once_and_refills_evenly() {
        let (requests, now) = (Requests::new(60, Vec::new()), Instant::now());
        assert!((0..60).all(|_| requests.take(ip(1), now).is_ok()));
        assert_eq!(requests.take(ip(1), now), Err(Duration::from_secs(1)));
        assert_eq!(requests.take(ip(2), now), Ok(()));
        let later = now + Duration::from_secs(1);
        assert_eq!(requests.take(ip(1), later), Ok(()));
        assert_eq!(requests.take(ip(1), later), Err(Duration::from_secs(1)));
    }

    #[test]
    fn another_pace_counts_for_what_comes_then() {
        let (requests, now) = (Requests::new(1, Vec::new()), Instant::now());
        assert_eq!(requests.take(ip(1), now), Ok(()));
        assert_eq!(requests.take(ip(1), now), Err(Duration::from_secs(60)));
        requests.change(60, Vec::new());
        assert_eq!(requests.take(ip(1), now + Duration::from_secs(1)), Ok(()));
        requests.change(1, vec!["192.0.2.0/24".parse().expect("a network")]);
        assert_eq!(requests.take(ip(1), now), Ok(()));
    }

    #[test]
    fn refused_requests_cost_nothing() {
        let (requests, now) = (Requests::new(1, Vec::new()), Instant::now());
        assert_eq!(requests.take(ip(1), now), Ok(()));
        assert!((0..100).all(|_| requests.take(ip(1), now) == Err(Duration::from_secs(60))));
        assert_eq!(requests.take(ip(1), now + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn the_exempt_have_no_budget() {
        let exempt = vec!["192.0.2.0/24".parse().expect("a network")];
        let (requests, now) = (Requests::new(1, exempt), Instant::now());
        assert!((0..10).all(|_| requests.take(ip(1), now).is_ok()));
    }

    #[test]
    fn memory_is_bounded_and_freed_for_new_addresses() {
        let (requests, now) = (Requests::new(60, Vec::new()), Instant::now());
        let addresses = u32::try_from(ADDRESSES_MAX).expect("fits") + 10;
        assert!((0..addresses).all(|last| requests.take(ip(last), now).is_ok()));
        assert_eq!(requests.known.lock().expect("lock").whole_at_by_address.len(), ADDRESSES_MAX);
        assert_eq!(requests.take(ip(addresses), now + Duration::from_secs(2)), Ok(()));
        assert_eq!(requests.known.lock().expect("lock").whole_at_by_address.len(), 1);
    }

    #[test]
    fn a_flood_of_addresses_shares_budgets_and_leaves_those_who_were_there_theirs() {
        let (requests, now) = (Requests::new(2, Vec::new()), Instant::now());
        let addresses = u32::try_from(ADDRESSES_MAX + 40 * SHARED).expect("fits");
        let refused = (0..addresses).filter(|last| requests.take(ip(*last), now).is_err()).count();
        assert_eq!(refused, 38 * SHARED, "each shared budget is used up");
        let known = |last| requests.take(ip(last), now);
        assert_eq!((known(0), known(0)), (Ok(()), Err(Duration::from_secs(30))));
        assert!(known(addresses).is_err());
        assert_eq!(requests.known.lock().expect("lock").shared.len(), SHARED);
    }
}
