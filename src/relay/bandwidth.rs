//! How fast the whole process relays, and the one place where a packet is weighed.
//!
//! Shards borrow from the common budget by slices, so most packets touch no memory that another shard writes.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::relay::config::Limits;
use crate::relay::defences::Defences;
use crate::relay::meter::Meter;
use crate::relay::meter::Price;
use crate::relay::meter::Rate;
use crate::relay::meter::horizon;
use crate::time::Mono;

/// A shard borrows for this part of a second at once.
const SLICES_PER_SECOND: u64 = 1024;

/// The least that is borrowed, in bytes: a few packets.
const SLICE_MIN: u64 = 4096;

/// The bandwidth of all shards together: until when what they borrowed is paid for, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Budget {
    paid_until: AtomicU64,
}

impl Budget {
    /// Lends what costs so many nanoseconds, unless the budget is overdrawn.
    fn lend(&self, cost: u64, now: Mono) -> bool {
        let (now, horizon) = (now.nanos(), horizon(now));
        let lent = self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid_until| {
            (paid_until <= horizon).then(|| paid_until.max(now).saturating_add(cost))
        });
        lent.is_ok()
    }
}

/// Weighs the packets of one shard.
#[derive(Debug)]
pub(super) struct Scales {
    defences: Arc<Defences>,
    rate: Rate,
    total: Price,
    /// Bytes to borrow at once.
    slice: u64,
    /// Bytes borrowed and not used.
    credit: u64,
}

impl Scales {
    pub(super) fn new(defences: Arc<Defences>, limits: &Limits) -> Self {
        Self {
            defences,
            rate: Rate { byte: Price::at(limits.bytes_per_second), packet: Price::at(limits.packets_per_second) },
            total: Price::at(limits.total_bytes_per_second),
            slice: (limits.total_bytes_per_second / SLICES_PER_SECOND).max(SLICE_MIN),
            credit: 0,
        }
    }

    /// Charges a packet to one direction of its allocation and to the whole; returns whether it may pass. One that may not
    /// costs nothing.
    #[must_use]
    pub(super) fn admit(&mut self, meter: &mut Meter, bytes: u64, now: Mono) -> bool {
        if !meter.has_room(now) || (self.credit < bytes && !self.borrow(bytes, now)) {
            return false;
        }
        self.credit -= bytes;
        meter.charge(self.rate, bytes, now);
        true
    }

    #[cold]
    fn borrow(&mut self, bytes: u64, now: Mono) -> bool {
        if self.total.is_free() {
            self.credit = u64::MAX;
            return true;
        }
        let slice = self.slice.max(bytes);
        let is_lent = self.defences.budget.lend(self.total.of(slice), now);
        if is_lent {
            self.credit += slice;
        }
        is_lent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MEGABYTE: u64 = 1_000_000;

    /// Lets two shards relay as much as they may for two seconds; returns the bytes of each.
    fn relayed(total_bytes_per_second: u64, bytes: u64) -> [u64; 2] {
        let defences = Arc::new(Defences::default());
        let limits = Limits { bytes_per_second: 0, packets_per_second: 0, total_bytes_per_second, ..Limits::default() };
        let mut shards = [(); 2].map(|()| Scales::new(Arc::clone(&defences), &limits));
        let mut relayed = [0; 2];
        for tick in 0..20_000 {
            let now = Mono::from_start(Duration::from_secs(1) + Duration::from_micros(100) * tick);
            for (shard, relayed) in shards.iter_mut().zip(&mut relayed) {
                if shard.admit(&mut Meter::default(), bytes, now) {
                    *relayed += bytes;
                }
            }
        }
        relayed
    }

    #[test]
    fn the_shards_share_one_budget() {
        let [a, b] = relayed(MEGABYTE, 1000);
        // Two seconds, the burst, and a slice for each.
        let expected = 2 * MEGABYTE + MEGABYTE / 4;
        assert!((expected - 10_000..expected + 10_000).contains(&(a + b)), "{a} and {b}");
    }

    #[test]
    fn packets_longer_than_a_slice_pass_too() {
        let [a, b] = relayed(MEGABYTE, 60_000);
        assert!((2 * MEGABYTE..2 * MEGABYTE + MEGABYTE / 2).contains(&(a + b)), "{a} and {b}");
    }

    #[test]
    fn without_a_total_nothing_is_borrowed() {
        assert_eq!(relayed(0, 60_000), [20_000 * 60_000; 2]);
    }

    #[test]
    fn a_packet_over_the_total_costs_its_allocation_nothing() {
        let defences = Arc::new(Defences::default());
        let limits = Limits { bytes_per_second: MEGABYTE, total_bytes_per_second: 1000, ..Limits::default() };
        let mut scales = Scales::new(defences, &limits);
        let (mut greedy, mut modest) = (Meter::default(), Meter::default());
        let now = Mono::from_start(Duration::from_secs(1));
        assert!((0..1000).any(|_| !scales.admit(&mut greedy, 1000, now)));
        assert!((0..1000).all(|_| !scales.admit(&mut modest, 1000, now)));
        assert!(modest.has_room(now));
        assert!(scales.admit(&mut modest, 1000, now + Duration::from_secs(60)));
    }
}
