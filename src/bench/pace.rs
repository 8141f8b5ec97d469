//! When the next packets are due.
use std::time::Duration;

/// Packets that were not sent in time are made up for this long; older ones are given up, and counted.
const PATIENCE_NANOS: f64 = 2_000_000.0;

/// How often the rate follows what is delivered, when it does.
const FOLLOW_NANOS: u64 = 20_000_000;

/// Where the search for the maximum begins, in packets per second.
const FIRST_RATE: f64 = 20_000.0;

/// How much more than was delivered is sent while the maximum is looked for.
const GROWTH: f64 = 1.25;

/// And while it is measured: a slight overload, which shows what gets through without drowning the server.
const OVERLOAD: f64 = 1.03;

/// Beyond this share of the packets the server is taken to be at its limit.
const ENOUGH: f64 = 0.985;

/// How far one step may lower the rate: an interval in which the machine stood still says little.
const LARGEST_FALL: f64 = 0.8;

/// More than any machine sends.
const RATE_MAX: f64 = 20_000_000.0;

/// How much is sent.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Pace {
    /// So many packets per second, evenly.
    Fixed(f64),
    /// A little more than gets through.
    Max,
}

/// Hands out packets in time.
pub(super) struct Pacer {
    pace: Pace,
    /// Packets per second.
    rate: f64,
    /// Packets that are due.
    due: f64,
    /// Packets that were due and given up.
    given_up: f64,
    last: u64,
    followed: u64,
    sent: u64,
    delivered: u64,
    /// What is delivered per second, averaged over a few steps.
    smoothed: f64,
    /// The most that was asked for and delivered in one step, per second.
    best: f64,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        let rate = match pace {
            Pace::Fixed(rate) => rate,
            Pace::Max => FIRST_RATE,
        };
        let (due, given_up, smoothed, best) = (0.0, 0.0, 0.0, 0.0);
        Self { pace, rate, due, given_up, last: 0, followed: 0, sent: 0, delivered: 0, smoothed, best }
    }

    /// Begins to count at this moment.
    pub(super) fn begin(&mut self, now: u64) {
        (self.last, self.followed) = (now, now);
    }

    /// Returns how many packets are due at this moment, in nanoseconds.
    pub(super) fn due(&mut self, now: u64) -> usize {
        self.due += self.rate * now.saturating_sub(self.last) as f64 / 1e9;
        self.last = now;
        let most = (self.rate * PATIENCE_NANOS / 1e9).max(1.0);
        if self.due > most {
            self.given_up += self.due - most;
            self.due = most;
        }
        self.due as usize
    }

    /// Takes notice of packets that were sent, also of more than were due: a burst is not cut.
    pub(super) fn on_sent(&mut self, packets: usize) {
        self.due -= packets as f64;
    }

    /// Follows the server, if that is the pace: `sent` and `delivered` packets so far.
    pub(super) fn follow(&mut self, now: u64, sent: u64, delivered: u64, is_measuring: bool) {
        let passed = now.saturating_sub(self.followed);
        if self.pace != Pace::Max || passed < FOLLOW_NANOS {
            return;
        }
        let of_late = |count: u64, before: u64| count.saturating_sub(before) as f64;
        let (new, through) = (of_late(sent, self.sent), of_late(delivered, self.delivered));
        (self.followed, self.sent, self.delivered) = (now, sent, delivered);
        let rate = through * 1e9 / passed as f64;
        self.smoothed = (self.smoothed + rate) / 2.0;
        self.best = self.best.max(rate.min(self.rate));
        // After a stall, which is not the server's limit, the way back is short.
        let is_near = is_measuring && self.rate * GROWTH > self.best;
        let factor = if is_near { OVERLOAD } else { GROWTH };
        self.rate = if through >= new * ENOUGH {
            // As far as the server is concerned there could be more; whether this machine can send more is another matter.
            (self.rate * factor).min(RATE_MAX)
        } else {
            (self.smoothed.max(rate) * factor).max(self.rate * LARGEST_FALL).max(FIRST_RATE)
        };
    }

    /// Returns the packets that should have been sent and were not, since the last call.
    pub(super) fn take_given_up(&mut self) -> f64 {
        std::mem::take(&mut self.given_up)
    }

    /// Returns how long nothing is due.
    pub(super) fn idle(&self) -> Duration {
        Duration::from_nanos(((1.0 - self.due).max(0.0) / self.rate * 1e9) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_fixed_rate_is_kept_and_what_is_late_is_made_up_for() {
        let mut pacer = Pacer::new(Pace::Fixed(10_000.0));
        assert_eq!(pacer.due(MS / 20), 0);
        assert_eq!(pacer.due(MS), 10);
        pacer.on_sent(10);
        assert_eq!(pacer.due(MS), 0);
        assert_eq!(pacer.due(2 * MS), 10);
        pacer.on_sent(6);
        assert_eq!(pacer.due(3 * MS), 14);
        assert_eq!(pacer.take_given_up(), 0.0);
    }

    #[test]
    fn a_burst_beyond_what_is_due_delays_the_next() {
        let mut pacer = Pacer::new(Pace::Fixed(10_000.0));
        assert_eq!(pacer.due(MS), 10);
        pacer.on_sent(16);
        assert_eq!(pacer.due(MS + MS / 2), 0);
        assert_eq!(pacer.due(2 * MS), 4);
    }

    #[test]
    fn what_is_too_late_is_given_up_and_counted() {
        let mut pacer = Pacer::new(Pace::Fixed(10_000.0));
        assert_eq!(pacer.due(10 * MS), 20);
        assert_eq!(pacer.take_given_up().round(), 80.0);
        assert_eq!(pacer.take_given_up(), 0.0);
    }

    /// Follows a server that lets `capacity` packets per second through, behind a generator that sends at most `most`.
    fn followed(capacity: f64, most: f64) -> Pacer {
        let mut pacer = Pacer::new(Pace::Max);
        let (mut sent, mut delivered) = (0.0, 0.0);
        for step in 1..=200 {
            let rate = pacer.rate.min(most);
            sent += rate * 0.02;
            delivered += rate.min(capacity) * 0.02;
            pacer.follow(step * 20 * MS, sent as u64, delivered as u64, step > 100);
        }
        pacer
    }

    #[test]
    fn the_maximum_is_found_and_kept_slightly_exceeded() {
        let pacer = followed(200_000.0, f64::MAX);
        assert!((1.0..1.07).contains(&(pacer.rate / 200_000.0)), "{}", pacer.rate);
    }

    #[test]
    fn a_generator_that_is_too_slow_is_not_taken_for_the_maximum() {
        let pacer = followed(200_000.0, 100_000.0);
        assert!(pacer.rate > 200_000.0, "{}", pacer.rate);
    }

    #[test]
    fn a_pause_of_the_server_lowers_the_rate_slowly() {
        let mut pacer = Pacer::new(Pace::Max);
        pacer.rate = 100_000.0;
        pacer.follow(20 * MS, 2000, 0, true);
        assert_eq!(pacer.rate, 80_000.0);
    }

    #[test]
    fn the_maximum_is_soon_found_again_after_a_stall() {
        let mut pacer = followed(200_000.0, f64::MAX);
        let (mut sent, mut delivered) = (pacer.sent, pacer.delivered);
        for step in 201..=220 {
            sent += (pacer.rate * 0.02) as u64;
            pacer.follow(step * 20 * MS, sent, delivered, true);
        }
        assert_eq!(pacer.rate, FIRST_RATE);
        for step in 221..=240 {
            sent += (pacer.rate * 0.02) as u64;
            delivered += (pacer.rate.min(200_000.0) * 0.02) as u64;
            pacer.follow(step * 20 * MS, sent, delivered, true);
        }
        assert!((190_000.0..214_000.0).contains(&pacer.rate), "{}", pacer.rate);
    }
}
