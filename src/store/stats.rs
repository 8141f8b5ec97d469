//! What the store counts. Written by its threads, read by whoever shows metrics.
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::store::Accident;
use crate::store::DataClass;

/// Upper bounds of the buckets of [`Stats::commits`], in seconds; one more bucket has no bound.
pub const COMMIT_BOUNDS_SECS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0, 5.0];

/// Counters; each is read on its own, so a snapshot of several may be a moment apart.
#[derive(Debug, Default)]
pub struct Stats {
    writes: AtomicU64,
    refusals: AtomicU64,
    reads: AtomicU64,
    lost: [AtomicU64; Accident::ALL.len()],
    swept: [AtomicU64; DataClass::ALL.len()],
    is_failing: AtomicBool,
    commit_buckets: [AtomicU64; COMMIT_BOUNDS_SECS.len() + 1],
    commit_micros: AtomicU64,
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

    /// Whether the last group of writes was lost.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// How long groups took from their first write to their commit: per bucket, the last one without bound.
    pub fn commits(&self) -> [u64; COMMIT_BOUNDS_SECS.len() + 1] {
        std::array::from_fn(|at| self.commit_buckets[at].load(Ordering::Relaxed))
    }

    /// The sum of all of [`Stats::commits`] in seconds.
    pub fn commit_secs(&self) -> f64 {
        self.commit_micros.load(Ordering::Relaxed) as f64 / 1e6
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
        let secs = took.as_secs_f64();
        let at = COMMIT_BOUNDS_SECS.iter().position(|bound| secs <= *bound).unwrap_or(COMMIT_BOUNDS_SECS.len());
        self.commit_buckets[at].fetch_add(1, Ordering::Relaxed);
        self.commit_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }
}
