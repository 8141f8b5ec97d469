//! What the doors did, for metrics.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::listener::door::Door;

/// How a connection left the front door.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Given to the TURN sink.
    Turn,
    /// Given to the HTTP sink.
    Http,
    /// Its address or everybody together held too many connections.
    Full,
    /// Nothing decidable within the deadline.
    Silent,
    /// The client closed before anything was decided.
    Gone,
    /// Bytes that may not begin here.
    Garbage,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// An authority checked a name of ours.
    Challenge,
}

impl Outcome {
    /// Every outcome, in the order of its discriminant.
    pub const ALL: [Outcome; 8] = [
        Outcome::Turn,
        Outcome::Http,
        Outcome::Full,
        Outcome::Silent,
        Outcome::Gone,
        Outcome::Garbage,
        Outcome::Handshake,
        Outcome::Challenge,
    ];

    /// The name used in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Outcome::Turn => "turn",
            Outcome::Http => "http",
            Outcome::Full => "full",
            Outcome::Silent => "silent",
            Outcome::Gone => "gone",
            Outcome::Garbage => "garbage",
            Outcome::Handshake => "handshake",
            Outcome::Challenge => "challenge",
        }
    }
}

/// Connections by door and outcome, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    by_door: [[AtomicU64; Outcome::ALL.len()]; Door::ALL.len()],
}

impl Counters {
    /// Connections that came in at `door` and ended as `outcome`.
    pub fn count(&self, door: Door, outcome: Outcome) -> u64 {
        self.cell(door, outcome).load(Ordering::Relaxed)
    }

    /// Every count with its labels.
    pub fn iter(&self) -> impl Iterator<Item = (Door, Outcome, u64)> {
        Door::ALL.into_iter().flat_map(move |door| {
            Outcome::ALL.into_iter().map(move |outcome| (door, outcome, self.count(door, outcome)))
        })
    }

    pub(crate) fn add(&self, door: Door, outcome: Outcome) {
        self.cell(door, outcome).fetch_add(1, Ordering::Relaxed);
    }

    fn cell(&self, door: Door, outcome: Outcome) -> &AtomicU64 {
        &self.by_door[door.index()][outcome as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_own_cell() {
        let counters = Counters::default();
        for (times, (door, outcome, _)) in Counters::default().iter().enumerate() {
            (0..times).for_each(|_| counters.add(door, outcome));
        }
        let counts: Vec<u64> = counters.iter().map(|(_, _, count)| count).collect();
        assert_eq!(counts, (0..32).collect::<Vec<u64>>());
    }
}
