//! Wake-up moderation: a busy shard lets packets gather before it reads again.
//!
//! Sleeping and waking costs a shard more than relaying does, and at medium rates it would do both for nearly every
//! packet. So once packets come quickly it reads at most once an interval, as network cards do with interrupts: each
//! packet waits at most that long, trains for one destination become longer, and below the rate nothing waits. A shard whose
//! time goes into connections waits longer, up to [`STRETCH`] intervals.
use std::time::Duration;

use crate::time::Mono;

/// Packets that an interval must be expected to bring; fewer are not worth the wait.
const WORTH: u64 = 4;

/// How much the newest gap counts in the mean: one part of this many.
const SMOOTHING: u32 = 8;

/// How long a shard that serves connections waits at most, in intervals.
const STRETCH: u32 = 10;

/// What a shard knows about the rate of its packets.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// The moment of the last wake-up with packets.
    last: Mono,
    /// The mean time between packets lately, in nanoseconds.
    gap_ns: u64,
    /// How long wake-ups took lately, in the mean.
    took: Duration,
}

impl Pace {
    /// A pace of one read per `interval` at most; zero for reading whenever there is something.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Mono::default(), gap_ns: u64::MAX, took: Duration::ZERO }
    }

    /// Tells how many packets the wake-up at `now` brought. Returns whether to let more gather before the next.
    pub(super) fn on_wake_up(&mut self, packets: usize, now: Mono) -> bool {
        if packets == 0 || self.interval.is_zero() {
            return false;
        }
        let passed = u64::try_from(now.saturating_since(self.last).as_nanos()).unwrap_or(u64::MAX);
        self.last = now;
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let gap = passed / packets as u64;
        // A pause ends the rush at once; it begins again with the packets.
        self.gap_ns = if gap >= interval || self.gap_ns >= interval {
            gap
        } else {
            self.gap_ns - self.gap_ns / u64::from(SMOOTHING) + gap / u64::from(SMOOTHING)
        };
        self.gap_ns <= interval / WORTH
    }

    /// Returns when to read again at the earliest, after a wake-up that began and ended then.
    ///
    /// What a connection costs are the calls, here and at its other end, and hardly the frames. So a shard that needs more
    /// than half of its time `for_streams` lets several frames gather for each call, and gets time back.
    pub(super) fn next_read(&mut self, began: Mono, ended: Mono, for_streams: bool) -> Mono {
        // More than the longest wait answers is a stall, of the machine perhaps: what it left behind is done at once.
        let took = ended.saturating_since(began).min(self.interval * STRETCH / 2);
        self.took = self.took - self.took / SMOOTHING + took / SMOOTHING;
        if !for_streams {
            return began + self.interval;
        }
        began + (self.took * 2).clamp(self.interval, self.interval * STRETCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_micros(200);

    fn micros(at: u64) -> Mono {
        Mono::from_start(Duration::from_micros(at))
    }

    #[test]
    fn packets_that_come_quickly_make_a_shard_wait_for_more() {
        let mut pace = Pace::new(INTERVAL);
        let waits: Vec<_> = (1..=8).map(|at| pace.on_wake_up(1, micros(1000 + 20 * at))).collect();
        assert!(!waits[0], "the first one may be the last");
        assert!(waits[7]);
        assert!(pace.on_wake_up(10, micros(1360)));
        assert_eq!(pace.next_read(micros(1360), micros(1500), false), micros(1360) + INTERVAL);
    }

    #[test]
    fn few_packets_never_wait() {
        let mut pace = Pace::new(INTERVAL);
        assert!((1..1000).all(|at| !pace.on_wake_up(1, micros(60 * at))));
    }

    #[test]
    fn a_pause_ends_the_rush_at_once() {
        let mut pace = Pace::new(INTERVAL);
        for at in 1..100 {
            pace.on_wake_up(4, micros(40 * at));
        }
        assert!(pace.on_wake_up(4, micros(4000)));
        assert!(!pace.on_wake_up(1, micros(5000)));
    }

    #[test]
    fn wake_ups_without_packets_change_nothing() {
        let mut pace = Pace::new(INTERVAL);
        for at in 1..100 {
            pace.on_wake_up(4, micros(40 * at));
        }
        assert!(!pace.on_wake_up(0, micros(3970)));
        assert!(pace.on_wake_up(4, micros(4000)));
    }

    #[test]
    fn an_interval_of_zero_switches_it_off() {
        let mut pace = Pace::new(Duration::ZERO);
        assert!((1..100).all(|at| !pace.on_wake_up(100, micros(at))));
    }

    /// What a shard adds to the interval if each of its wake-ups takes that long.
    fn stretched(took: Duration, for_streams: bool) -> Duration {
        let mut pace = Pace::new(INTERVAL);
        let next = (0..200).map(|_| pace.next_read(micros(1000), micros(1000) + took, for_streams)).last();
        next.expect("a moment").saturating_since(micros(1000) + INTERVAL)
    }

    #[test]
    fn a_shard_whose_time_goes_into_connections_waits_longer() {
        let took = |micros| stretched(Duration::from_micros(micros), true).as_micros();
        assert_eq!(took(95), 0, "there is time left");
        assert!((195..=200).contains(&took(200)), "{}", took(200));
        assert_eq!(took(5000), 1800, "but not for ever");
        assert_eq!(stretched(Duration::from_micros(200), false), Duration::ZERO, "datagrams gain nothing by it");
    }

    #[test]
    fn one_long_wake_up_is_no_reason_to_wait() {
        let mut pace = Pace::new(INTERVAL);
        assert_eq!(pace.next_read(micros(0), micros(700), true), micros(0) + INTERVAL);
    }

    #[test]
    fn a_stall_of_the_machine_is_soon_forgotten() {
        let mut pace = Pace::new(INTERVAL);
        let after = pace.next_read(micros(0), micros(15_000), true);
        assert!(after <= micros(0) + INTERVAL * 2, "{after:?}");
    }
}
