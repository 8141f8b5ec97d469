//! How fast one allocation relays one way: bytes and packets per second.
//!
//! A meter is the generic cell rate algorithm (ITU-T I.371 §A), whose state is one moment: until when what was let through is
//! paid for. A packet may pass while that lies less than [`BURST`] ahead, and moves it on by what it costs: its bytes at the
//! one rate or itself at the other, whichever is dearer.
use std::time::Duration;

use crate::time::Mono;

/// How far an allocation may run ahead of its rate, so that a key frame is no offence.
pub(super) const BURST: Duration = Duration::from_millis(250);

/// See [`BURST`].
const BURST_NANOS: u64 = BURST.as_nanos() as u64;

const SECOND_NANOS: u64 = 1_000_000_000;

/// Prices are kept in 2^-16 ns: at ten gigabits a byte costs less than one.
const FRACTION_BITS: u32 = 16;

/// What one unit costs at a rate; nothing where there is no limit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Price(u64);

impl Price {
    /// The price at so many units per second; 0 means no limit.
    pub(super) const fn at(units_per_second: u64) -> Self {
        match units_per_second {
            0 => Self(0),
            rate => Self((SECOND_NANOS << FRACTION_BITS).div_ceil(rate)),
        }
    }

    pub(super) const fn is_free(self) -> bool {
        self.0 == 0
    }

    /// What `units` cost, in nanoseconds. Even at one unit per second there is room for 2^18 of them.
    pub(super) const fn of(self, units: u64) -> u64 {
        self.0.wrapping_mul(units) >> FRACTION_BITS
    }
}

/// The rate of one direction of an allocation.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) byte: Price,
    pub(super) packet: Price,
}

/// What one direction of an allocation has used: until when it is paid for, in nanoseconds.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Meter(u64);

impl Meter {
    /// Whether a packet may pass.
    pub(super) fn has_room(&self, now: Mono) -> bool {
        self.0 <= horizon(now)
    }

    /// Charges a packet that passes. The last one may overdraw: else a rate below one packet per burst would let none through.
    pub(super) fn charge(&mut self, rate: Rate, bytes: u64, now: Mono) {
        let cost = rate.byte.of(bytes).max(rate.packet.of(1));
        self.0 = self.0.max(now.nanos()).wrapping_add(cost);
    }
}

/// The moment until which everything may be paid for at `now`. Nothing wraps for centuries.
pub(super) fn horizon(now: Mono) -> u64 {
    now.nanos().wrapping_add(BURST_NANOS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Mono {
        Mono::from_start(Duration::from_nanos(nanos))
    }

    /// Offers packets of `bytes` every `gap` nanoseconds for ten seconds; returns how many pass.
    fn passed(rate: Rate, bytes: u64, gap: u64) -> u64 {
        let mut meter = Meter::default();
        let mut passed = 0;
        for now in (0..10 * SECOND_NANOS).step_by(gap as usize).map(at) {
            if meter.has_room(now) {
                meter.charge(rate, bytes, now);
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn bytes_pass_at_their_rate_and_a_quarter_of_a_second_more() {
        let rate = Rate { byte: Price::at(1_000_000), packet: Price::at(0) };
        // Ten seconds and the burst, at a thousand packets per second.
        assert_eq!(passed(rate, 1000, 100_000), 10_250);
        assert_eq!(passed(rate, 1000, 1_100_000), 9091, "slower than the rate: all of them");
    }

    #[test]
    fn packets_pass_at_their_rate_however_short_they_are() {
        let rate = Rate { byte: Price::at(0), packet: Price::at(100) };
        assert_eq!(passed(rate, 0, 1_000_000), 1025);
    }

    #[test]
    fn without_limits_everything_passes() {
        let rate = Rate { byte: Price::at(0), packet: Price::at(0) };
        assert_eq!(passed(rate, 65_535, 10_000), 1_000_000);
    }

    #[test]
    fn a_rate_below_a_packet_per_burst_still_lets_packets_through() {
        let rate = Rate { byte: Price::at(1000), packet: Price::at(0) };
        assert_eq!(passed(rate, 1000, 1_000_000), 11);
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let rate = Rate { byte: Price::at(1_000_000), packet: Price::at(0) };
        let mut meter = Meter::default();
        for pause in [0, 3600] {
            let now = at(pause * SECOND_NANOS);
            let burst = (0..10_000).take_while(|_| {
                let passes = meter.has_room(now);
                meter.charge(rate, 1000, now);
                passes
            });
            assert_eq!(burst.count(), 251);
        }
    }

    proptest! {
        #[test]
        fn ten_gigabits_are_priced_within_a_thousandth(bytes in 1_u64..1_000_000_000) {
            let exact = bytes * 4 / 5;
            let priced = Price::at(1_250_000_000).of(bytes);
            prop_assert!(priced >= exact && priced - exact <= exact / 1000 + 1, "{priced} for {exact}");
        }
    }
}
