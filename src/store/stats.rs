//! What the store counts. Written by its threads, read by whoever shows metrics.
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::histogram::Distribution;
use crate::histogram::Histogram;
use crate::store::Accident;
use crate::store::DataClass;

/// Upper bounds of the buckets of [`Stats::commits`], in seconds.
const COMMIT_BOUNDS_SECS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0, 5.0];

/// Counters; each is read on its own, so a snapshot of several may be a moment apart.
#[derive(Debug)]
pub struct Stats {
    writes: AtomicU64,
    refusals: AtomicU64,
    reads: AtomicU64,
    lost: [AtomicU64; Accident::ALL.len()],
    swept: [AtomicU64; DataClass::ALL.len()],
    is_failing: AtomicBool,
    commits: Histogram,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            writes: AtomicU64::default(),
            refusals: AtomicU64::default(),
            reads: AtomicU64::default(),
            lost: Default::default(),
            swept: Default::default(),
            is_failing: AtomicBool::default(),
            commits: Histogram::new(&COMMIT_BOUNDS_SECS),
        }
    }
}

impl Stats {
    /// Writes that were stored.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Writes that made no sense: of something that is not there, or is there already.
    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Questions that were answered.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Writes and reads that came to nothing by that accident.
    pub fn lost(&self, accident: Accident) -> u64 {
        self.lost[accident as usize].load(Ordering::Relaxed)
    }

    /// Rows of that class whose time was over.
    pub fn swept(&self, class: DataClass) -> u64 {
        self.swept[class as usize].load(Ordering::Relaxed)
    }

    /// Whether writes are lost: from the first group that is until a probe survives.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// How long groups took from their first write to their commit, in seconds.
    pub fn commits(&self) -> Distribution {
        self.commits.read()
    }

    pub(super) fn count_read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_swept(&self, class: DataClass, rows: usize) {
        self.swept[class as usize].fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, accident: Accident, count: u64) {
        self.lost[accident as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_group(&self, stored: u64, refused: u64, took: Duration) {
        self.writes.fetch_add(stored, Ordering::Relaxed);
        self.refusals.fetch_add(refused, Ordering::Relaxed);
        self.commits.observe(took.as_secs_f64());
    }

    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }
}
