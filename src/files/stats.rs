//! What the files' room counts.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Counters and a level; each is read on its own.
#[derive(Debug, Default)]
pub struct Stats {
    received: AtomicU64,
    refused: AtomicU64,
    bytes_received: AtomicU64,
    bytes_given: AtomicU64,
    removed: AtomicU64,
    bytes_kept: AtomicU64,
    bytes_promised: AtomicU64,
}

impl Stats {
    /// Files that arrived whole.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Files that broke off or were refused while they arrived.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes of files that arrived whole.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received.load(Ordering::Relaxed)
    }

    /// Bytes of files given to readers.
    pub fn bytes_given(&self) -> u64 {
        self.bytes_given.load(Ordering::Relaxed)
    }

    /// Files removed: with their message, or because no message shows them.
    pub fn removed(&self) -> u64 {
        self.removed.load(Ordering::Relaxed)
    }

    /// Bytes that are kept or promised now.
    pub fn bytes_kept(&self) -> u64 {
        self.bytes_kept.load(Ordering::Relaxed)
    }

    /// Bytes that are promised and have not arrived.
    pub(super) fn bytes_promised(&self) -> u64 {
        self.bytes_promised.load(Ordering::Relaxed)
    }

    pub(super) fn count_received(&self, bytes: u64) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_given(&self, bytes: u64) {
        self.bytes_given.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_removed(&self, bytes: u64, has_arrived: bool) {
        self.removed.fetch_add(1, Ordering::Relaxed);
        lessen(&self.bytes_kept, bytes);
        if !has_arrived {
            lessen(&self.bytes_promised, bytes);
        }
    }

    /// Promises room for a file, unless more than `total` would be kept then.
    pub(super) fn promise(&self, bytes: u64, total: u64) -> bool {
        let more = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= total);
        let is_promised = self.bytes_kept.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if is_promised {
            self.bytes_promised.fetch_add(bytes, Ordering::Relaxed);
        }
        is_promised
    }

    /// Takes a promise back.
    pub(super) fn give_back(&self, bytes: u64) {
        lessen(&self.bytes_kept, bytes);
        lessen(&self.bytes_promised, bytes);
    }

    /// A promise is kept.
    pub(super) fn fulfil(&self, bytes: u64) {
        lessen(&self.bytes_promised, bytes);
    }
}

fn lessen(level: &AtomicU64, bytes: u64) {
    level.update(Ordering::Relaxed, Ordering::Relaxed, |level| level.saturating_sub(bytes));
}
