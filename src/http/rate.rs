//! Requests per address and minute.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use crate::admission::AddressKey;
use crate::admission::lies_in;

/// Addresses remembered at once; about 3 MB.
const ADDRESSES_MAX: usize = 65_536;

/// A budget that refills evenly: a whole minute's requests may come at once, then one every `interval`.
///
/// Of each address one moment is kept: when its budget will be whole again.
#[derive(Debug)]
pub(crate) struct Requests {
    interval: Duration,
    budget: Duration,
    exempt: Vec<IpNet>,
    whole_at_by_address: Mutex<HashMap<AddressKey, Instant>>,
}

impl Requests {
    pub(crate) fn new(per_minute: u32, exempt: Vec<IpNet>) -> Self {
        let budget = Duration::from_secs(60);
        let interval = budget / per_minute.max(1);
        Self { interval, budget, exempt, whole_at_by_address: Mutex::default() }
    }

    /// Takes one request of `ip`'s budget.
    ///
    /// # Errors
    ///
    /// The time until one fits again.
    pub(crate) fn take(&self, ip: IpAddr, now: Instant) -> Result<(), Duration> {
        if lies_in(ip, &self.exempt) {
            return Ok(());
        }
        let key = AddressKey::from(ip);
        let mut whole_at_by_address = self.whole_at_by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let whole_at = whole_at_by_address.get(&key).copied().unwrap_or(now).max(now) + self.interval;
        let used = whole_at - now;
        if used > self.budget {
            return Err(used - self.budget);
        }
        if whole_at_by_address.len() >= ADDRESSES_MAX && !whole_at_by_address.contains_key(&key) {
            whole_at_by_address.retain(|_, whole_at| *whole_at > now);
            if whole_at_by_address.len() >= ADDRESSES_MAX {
                // So many addresses at work at once are no matter of one address: let it pass, keep what is known.
                return Ok(());
            }
        }
        whole_at_by_address.insert(key, whole_at);
        Ok(())
    }
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
        assert_eq!(requests.whole_at_by_address.lock().expect("lock").len(), ADDRESSES_MAX);
        assert_eq!(requests.take(ip(addresses), now + Duration::from_secs(2)), Ok(()));
        assert_eq!(requests.whole_at_by_address.lock().expect("lock").len(), 1);
    }
}
