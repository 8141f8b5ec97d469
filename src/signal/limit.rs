//! Budgets: token buckets, per connection, user and address, and the count of refusals (rule 2).
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::hash::Hash;
use std::hash::RandomState;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::time::Mono;

/// A budget that refills evenly: `capacity` at once, `per_second` in the long run.
#[derive(Copy, Clone, Debug)]
pub(crate) struct TokenBucket {
    /// When the bucket is full again. The level follows from it, so no refill ever has to run.
    full_at: Mono,
}

/// The size of a [`TokenBucket`]; one rate serves many buckets.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Rate {
    interval: Duration,
    capacity: u32,
}

impl Rate {
    /// `per_second` in the long run, `burst` at once; zero is taken as one.
    pub(crate) fn per_second(per_second: u32, burst: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), capacity: burst.max(1) }
    }

    /// `per_minute` in the long run and at once; zero is taken as one.
    pub(crate) fn per_minute(per_minute: u32) -> Self {
        Self { interval: Duration::from_secs(60) / per_minute.max(1), capacity: per_minute.max(1) }
    }

    /// The time in which one token comes back.
    pub(crate) fn interval(self) -> Duration {
        self.interval
    }

    fn whole(self) -> Duration {
        self.interval * self.capacity
    }
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) const FULL: Self = Self { full_at: Mono::from_start(Duration::ZERO) };

    /// Takes one token.
    ///
    /// # Errors
    ///
    /// The time after which there is one; nothing is taken then.
    pub(crate) fn take(&mut self, rate: Rate, now: Mono) -> Result<(), Duration> {
        self.take_several(rate, 1, now)
    }

    /// Takes several tokens; what costs more than the bucket holds takes a full one.
    ///
    /// # Errors
    ///
    /// The time after which there are so many; nothing is taken then.
    pub(crate) fn take_several(&mut self, rate: Rate, tokens: u32, now: Mono) -> Result<(), Duration> {
        let missing = self.full_at.saturating_since(now) + rate.interval * tokens.min(rate.capacity);
        if missing > rate.whole() {
            return Err(missing - rate.whole());
        }
        self.full_at = now + missing;
        Ok(())
    }

    /// From when on nothing is missing, so that a new bucket would be the same.
    pub(crate) fn full_at(&self) -> Mono {
        self.full_at
    }
}

/// Refused requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    recent: VecDeque<Mono>,
}

impl Refusals {
    /// More refusals than this within [`Refusals::WINDOW`] close the connection (rule 2).
    const MAX: usize = 100;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Counts one; true if that is one too many.
    pub(crate) fn count(&mut self, now: Mono) -> bool {
        while self.recent.front().is_some_and(|at| now.saturating_since(*at) >= Self::WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.recent.len() > Self::MAX
    }
}

/// Budgets by address: IPv4 whole, IPv6 by /64, which is what one customer of a network gets.
#[derive(Debug)]
pub(crate) struct AddressBuckets {
    exempt: Vec<IpNet>,
    buckets: Buckets<u128>,
}

/// Budgets of one rate, by whatever they are of, in bounded memory.
///
/// When [`Buckets::KEYS_MAX`] are in use at once, whoever comes then shares a budget with some of the others who do: a flood
/// of names slows down itself, and takes nothing from those who were there before it.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    bucket_by_key: HashMap<K, TokenBucket>,
    sweep_above: usize,
    /// Going through all takes time, which no flood can ask for again and again.
    sweep_from: Mono,
    /// Empty until it is needed.
    shared: Vec<TokenBucket>,
    /// Nobody can choose with whom they share.
    hasher: RandomState,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Full buckets are forgotten when there are more than this, or twice as many as are in use.
    const SWEEP_ABOVE: usize = 1024;
    /// Names that have a budget of their own at once.
    const KEYS_MAX: usize = 1 << 17;
    /// Budgets of all others.
    const SHARED: usize = 1 << 12;
    /// Between two looks for those that are full.
    const SWEEP_PAUSE: Duration = Duration::from_secs(1);

    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket_by_key: HashMap::new(),
            sweep_above: Self::SWEEP_ABOVE,
            sweep_from: Mono::default(),
            shared: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    /// Goes by another rate from now on; what is used is used.
    pub(crate) fn change(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Takes one token; see [`TokenBucket::take`].
    pub(crate) fn take(&mut self, key: K, now: Mono) -> Result<(), Duration> {
        if self.bucket_by_key.len() > self.sweep_above && now >= self.sweep_from {
            self.sweep_from = now + Self::SWEEP_PAUSE;
            self.bucket_by_key.retain(|_, bucket| bucket.full_at() > now);
            self.sweep_above = Self::SWEEP_ABOVE.max(2 * self.bucket_by_key.len()).min(Self::KEYS_MAX - 1);
        }
        if self.bucket_by_key.len() >= Self::KEYS_MAX && !self.bucket_by_key.contains_key(&key) {
            self.shared.resize(Self::SHARED, TokenBucket::FULL);
            let slot = self.slot(&key);
            return self.shared.get_mut(slot).map_or(Ok(()), |bucket| bucket.take(self.rate, now));
        }
        self.bucket_by_key.entry(key).or_insert(TokenBucket::FULL).take(self.rate, now)
    }

    fn slot(&self, key: &K) -> usize {
        usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % Self::SHARED
    }

    /// Whether there is a token, which stays.
    ///
    /// # Errors
    ///
    /// The time after which there is one.
    pub(crate) fn check(&self, key: &K, now: Mono) -> Result<(), Duration> {
        let own = self.bucket_by_key.get(key);
        let mut copy = own.or_else(|| self.shared.get(self.slot(key))).copied().unwrap_or(TokenBucket::FULL);
        copy.take(self.rate, now)
    }
}

impl AddressBuckets {
    pub(crate) fn new(rate: Rate, exempt: Vec<IpNet>) -> Self {
        Self { exempt, buckets: Buckets::new(rate) }
    }

    /// Goes by another rate, and other exceptions, from now on.
    pub(crate) fn change(&mut self, rate: Rate, exempt: Vec<IpNet>) {
        self.exempt = exempt;
        self.buckets.change(rate);
    }

    /// Takes one token of `ip`; see [`TokenBucket::take`].
    pub(crate) fn take(&mut self, ip: IpAddr, now: Mono) -> Result<(), Duration> {
        let ip = ip.to_canonical();
        if self.exempt.iter().any(|net| net.contains(&ip)) {
            return Ok(());
        }
        self.buckets.take(prefix(ip), now)
    }
}

fn prefix(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_bucket_gives_its_burst_then_one_token_per_interval() {
        let rate = Rate::per_second(50, 200);
        let mut bucket = TokenBucket::FULL;
        for _ in 0..200 {
            assert_eq!(bucket.take(rate, at(5_000)), Ok(()));
        }
        assert_eq!(bucket.take(rate, at(5_000)), Err(Duration::from_millis(20)));
        assert_eq!(bucket.take(rate, at(5_015)), Err(Duration::from_millis(5)));
        assert_eq!(bucket.take(rate, at(5_020)), Ok(()));
        assert_eq!(bucket.take(rate, at(5_020)), Err(Duration::from_millis(20)));
    }

    #[test]
    fn what_costs_several_tokens_takes_them_at_once_and_never_more_than_there_can_be() {
        let (rate, mut bucket) = (Rate::per_second(10, 4), TokenBucket::FULL);
        assert_eq!(bucket.take_several(rate, 3, at(0)), Ok(()));
        assert_eq!(bucket.take_several(rate, 2, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(rate, at(0)), Ok(()), "a refusal takes nothing");
        assert_eq!(bucket.take_several(rate, 100, at(399)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take_several(rate, 100, at(400)), Ok(()));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let rate = Rate::per_minute(2);
        let mut bucket = TokenBucket::FULL;
        assert_eq!(bucket.take(rate, at(0)), Ok(()));
        let much_later = at(3_600_000);
        assert_eq!(bucket.take(rate, much_later), Ok(()));
        assert_eq!(bucket.take(rate, much_later), Ok(()));
        assert_eq!(bucket.take(rate, much_later), Err(Duration::from_secs(30)));
    }

    #[test]
    fn the_101st_refusal_within_ten_seconds_is_too_many() {
        let mut refusals = Refusals::default();
        for n in 0..100 {
            assert!(!refusals.count(at(n)));
        }
        assert!(refusals.count(at(9_999)));
        let mut refusals = Refusals::default();
        for n in 0..100 {
            assert!(!refusals.count(at(n * 101)));
        }
        assert!(!refusals.count(at(10_100)));
    }

    #[test]
    fn addresses_of_one_ipv6_prefix_share_a_budget_and_exempt_ones_have_none() {
        let exempt = vec!["10.0.0.0/8".parse().expect("a network")];
        let mut buckets = AddressBuckets::new(Rate::per_minute(1), exempt);
        let mut take = |ip: &str| buckets.take(ip.parse().expect("an address"), at(0)).is_ok();
        assert!(take("2001:db8::1"));
        assert!(!take("2001:db8::2"));
        assert!(take("2001:db8:0:1::1"));
        assert!(take("192.0.2.1"));
        assert!(!take("::ffff:192.0.2.1"));
        assert!(take("10.1.1.1"));
        assert!(take("10.1.1.1"));
    }

    #[test]
    fn a_flood_of_names_shares_budgets_and_leaves_those_who_were_there_theirs() {
        let mut buckets = Buckets::new(Rate::per_minute(2));
        assert_eq!(buckets.take(0, at(0)), Ok(()));
        for name in 1..=300_000_u32 {
            let _ = buckets.take(name, at(0));
        }
        assert_eq!(buckets.bucket_by_key.len(), Buckets::<u32>::KEYS_MAX);
        assert_eq!(buckets.shared.len(), Buckets::<u32>::SHARED);
        assert_eq!(buckets.take(0, at(0)), Ok(()), "its own second one");
        assert_eq!(buckets.check(&0, at(0)), Err(Duration::from_secs(30)));
        let newcomer = 400_000;
        assert!(
            buckets.check(&newcomer, at(0)).is_err() && buckets.take(newcomer, at(0)).is_err(),
            "far too many came"
        );
        assert_eq!(buckets.take(newcomer, at(60_000)), Ok(()), "the flood is over");
        assert_eq!(buckets.bucket_by_key.len(), 1);
    }

    #[test]
    fn forgotten_addresses_were_full() {
        let mut buckets = AddressBuckets::new(Rate::per_minute(1), Vec::new());
        for n in 0..5_000u32 {
            assert!(buckets.take(IpAddr::V4(n.into()), at(u64::from(n) * 60_000)).is_ok());
        }
        assert!(buckets.buckets.bucket_by_key.len() <= Buckets::<u128>::SWEEP_ABOVE + 1);
    }
}
