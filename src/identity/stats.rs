//! What becomes of those who show a password.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// What became of one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password was right.
    Right,
    /// Name or password was wrong.
    Wrong,
    /// Too many came from there, or were wrong before.
    Limited,
    /// Too many passwords were being worked on.
    Busy,
}

impl Proof {
    /// Everything that can become of one.
    pub const ALL: [Proof; 4] = [Proof::Right, Proof::Wrong, Proof::Limited, Proof::Busy];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Proof::Right => "right",
            Proof::Wrong => "wrong",
            Proof::Limited => "limited",
            Proof::Busy => "busy",
        }
    }
}

/// Counters; each is read on its own.
#[derive(Debug, Default)]
pub struct Stats {
    counts: [AtomicU64; Proof::ALL.len()],
}

impl Stats {
    /// How many it became of so far.
    pub fn count(&self, proof: Proof) -> u64 {
        self.counts[proof as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add_one(&self, proof: Proof) {
        self.counts[proof as usize].fetch_add(1, Ordering::Relaxed);
    }
}
