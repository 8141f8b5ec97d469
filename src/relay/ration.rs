//! How many answers a network gets to questions that nobody proved to have asked.
//!
//! The source of a datagram is easily forged, and then the answer hits somebody who never asked. So such answers are few
//! per network, whatever is asked.
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::relay::network::Network;
use crate::time::Mono;

/// Networks with a ration of their own. More of them share; the keyed hash lets nobody choose with whom.
const SLOTS: usize = 65_536;

/// What may come at once, in seconds' worth.
const BURST_SECS: u64 = 3;

const SECOND_NANOS: u64 = 1_000_000_000;

/// The rations of all networks, shared by all shards. Each slot holds until when its answers are paid for, in nanoseconds.
#[derive(Debug)]
pub(super) struct Ration {
    key: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Default for Ration {
    fn default() -> Self {
        Self { key: RandomState::new(), slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Ration {
    /// Takes one answer from the ration of the network around `ip`; returns whether there was one left.
    pub(super) fn take(&self, ip: IpAddr, per_second: u32, now: Mono) -> bool {
        let cost = SECOND_NANOS / u64::from(per_second.max(1));
        let now = now.nanos();
        let horizon = (now + BURST_SECS * SECOND_NANOS).saturating_sub(cost);
        let slot = self.key.hash_one(Network::around(ip)) as usize % SLOTS;
        let Some(slot) = self.slots.get(slot) else { return false };
        let taken = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid_until| {
            let paid_until = paid_until.max(now);
            (paid_until <= horizon).then(|| paid_until + cost)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn taken(ration: &Ration, ip: &str, now: Mono) -> usize {
        let ip = ip.parse().unwrap();
        (0..10_000).take_while(|_| ration.take(ip, 200, now)).count()
    }

    #[test]
    fn a_network_gets_three_seconds_worth_at_once_and_then_its_rate() {
        let ration = Ration::default();
        assert_eq!(taken(&ration, "192.0.2.1", at(5000)), 600);
        assert_eq!(taken(&ration, "192.0.2.1", at(5100)), 20);
        assert_eq!(taken(&ration, "192.0.2.1", at(65_000)), 600, "a pause earns no more than the burst");
    }

    #[test]
    fn the_addresses_of_a_network_share_and_others_do_not() {
        let ration = Ration::default();
        assert_eq!(taken(&ration, "192.0.2.1", at(0)), 600);
        assert_eq!(taken(&ration, "192.0.2.200", at(0)), 0);
        assert_eq!(taken(&ration, "192.0.3.1", at(0)), 600);
        assert_eq!(taken(&ration, "2a00:1:2:3456::1", at(0)), 600);
        assert_eq!(taken(&ration, "2a00:1:2:34ff:9::1", at(0)), 0);
        assert_eq!(taken(&ration, "2a00:1:2:3556::1", at(0)), 600);
    }

    #[test]
    fn no_flood_of_networks_takes_more_memory() {
        let ration = Ration::default();
        let slots = ration.slots.len();
        for network in 0..200_000_u32 {
            ration.take(IpAddr::V4((network << 8).into()), 200, at(0));
        }
        assert_eq!((ration.slots.len(), size_of_val(&*ration.slots)), (slots, 512 * 1024));
    }

    #[test]
    fn threads_that_ask_at_once_share_one_ration() {
        let ration = Ration::default();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&ration, "192.0.2.1", at(1000)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 600);
    }
}
