//! What a courier counts.
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Counters and a level of one sink; each is read on its own.
#[derive(Debug, Default)]
pub struct SinkStats {
    is_used: AtomicBool,
    told: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
}

impl SinkStats {
    /// Whether there is such a sink now.
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Events that were taken.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// Attempts that were not.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Events that wait, as of the courier's last look.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn set_used(&self, is_used: bool) {
        self.is_used.store(is_used, Ordering::Relaxed);
    }

    pub(super) fn count_told(&self, events: u64) {
        self.told.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_waiting(&self, events: u64) {
        self.waiting.store(events, Ordering::Relaxed);
    }
}
