//! Wake-up moderation: a busy shard lets packets gather before it reads again.
//!
//! Sleeping and waking costs a shard more than relaying does, and at medium rates it would do both for nearly every
//! packet. So once packets come quickly it reads at most once an interval, as network cards do with interrupts: each
//! packet waits at most that long, trains for one destination become longer, and below the rate nothing waits.
use std::time::Duration;

use crate::time::Mono;

/// Packets that an interval must be expected to bring; fewer are not worth the wait.
const WORTH: u64 = 4;

/// How much the newest gap counts in the mean: one part of this many.
const SMOOTHING: u64 = 8;

/// What a shard knows about the rate of its packets.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// The moment of the last wake-up with packets.
    last: Mono,
    /// The mean time between packets lately, in nanoseconds.
    gap_ns: u64,
}

impl Pace {
    /// A pace of one read per `interval` at most; zero for reading whenever there is something.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Mono::default(), gap_ns: u64::MAX }
    }

    /// Tells how many packets the wake-up at `now` brought. Returns when to read next at the earliest.
    pub(super) fn on_wake_up(&mut self, packets: usize, now: Mono) -> Option<Mono> {
        if packets == 0 || self.interval.is_zero() {
            return None;
        }
        let passed = u64::try_from(now.saturating_since(self.last).as_nanos()).unwrap_or(u64::MAX);
        self.last = now;
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let gap = passed / packets as u64;
        // A pause ends the rush at once; it begins again with the packets.
        self.gap_ns = if gap >= interval || self.gap_ns >= interval {
            gap
        } else {
            self.gap_ns - self.gap_ns / SMOOTHING + gap / SMOOTHING
        };
        (self.gap_ns <= interval / WORTH).then(|| now + self.interval)
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
        assert_eq!(waits[0], None, "the first one may be the last");
        assert_eq!(waits[7], Some(micros(1160) + INTERVAL));
        assert_eq!(pace.on_wake_up(10, micros(1360)), Some(micros(1360) + INTERVAL));
    }

    #[test]
    fn few_packets_never_wait() {
        let mut pace = Pace::new(INTERVAL);
        assert!((1..1000).all(|at| pace.on_wake_up(1, micros(60 * at)).is_none()));
    }

    #[test]
    fn a_pause_ends_the_rush_at_once() {
        let mut pace = Pace::new(INTERVAL);
        for at in 1..100 {
            pace.on_wake_up(4, micros(40 * at));
        }
        assert!(pace.on_wake_up(4, micros(4000)).is_some());
        assert_eq!(pace.on_wake_up(1, micros(5000)), None);
    }

    #[test]
    fn wake_ups_without_packets_change_nothing() {
        let mut pace = Pace::new(INTERVAL);
        for at in 1..100 {
            pace.on_wake_up(4, micros(40 * at));
        }
        assert_eq!(pace.on_wake_up(0, micros(3970)), None);
        assert!(pace.on_wake_up(4, micros(4000)).is_some());
    }

    #[test]
    fn an_interval_of_zero_switches_it_off() {
        let mut pace = Pace::new(Duration::ZERO);
        assert!((1..100).all(|at| pace.on_wake_up(100, micros(at)).is_none()));
    }
}
