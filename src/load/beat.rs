//! The beat of an open loop: what is due when, whatever the server does meanwhile.
use crate::measure::Histogram;

/// Moments at an even distance. What was due and could not be done is done late, and timed from when it was due: a server
/// that stands still cannot keep the load from being counted.
pub(super) struct Beat {
    first: u64,
    interval: f64,
    taken: u64,
    /// How late the load itself was.
    lateness: Histogram,
}

impl Beat {
    /// `per_second` moments from `first` on, in nanoseconds.
    pub(super) fn new(per_second: f64, first: u64) -> Self {
        Self { first, interval: 1e9 / per_second, taken: 0, lateness: Histogram::new() }
    }

    /// The moments taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The next moment.
    pub(super) fn next(&self) -> u64 {
        self.first + (self.taken as f64 * self.interval) as u64
    }

    /// Takes the next moment, if it has come.
    pub(super) fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.taken += 1;
        self.lateness.record(now - due);
        Some(due)
    }

    pub(super) fn lateness(&self) -> &Histogram {
        &self.lateness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_keeps_the_moment_when_it_was_due() {
        let mut beat = Beat::new(1000.0, 5_000_000);
        assert_eq!(beat.take(4_999_999), None);
        let taken: Vec<u64> = std::iter::from_fn(|| beat.take(7_500_000)).collect();
        assert_eq!(taken, [5_000_000, 6_000_000, 7_000_000]);
        assert_eq!((beat.taken(), beat.next()), (3, 8_000_000));
        assert_eq!(beat.lateness().max(), 2_500_000);
    }
}
