//! The receive arena: where packets stay from their arrival until the answers of the wake-up have left.
use std::ops::Range;

use crate::stun::framing::FRAME_MAX;

/// Bytes read from a stream in one call.
pub(super) const READ_LEN: usize = 16 * 1024;

/// The longest TLS record with its header. RFC 8446 §5.2.
const RECORD_MAX: usize = 5 + 16_384 + 256;

/// Bytes of one slot: any UDP datagram fits, and so does an unfinished frame of a stream together with all that one
/// read can add to it (the read itself and the unfinished TLS record before it).
pub(super) const SLOT_LEN: usize = FRAME_MAX + READ_LEN + RECORD_MAX;

/// Slots are not a multiple of a page apart: their beginnings would all compete for the same few cache sets.
const SLOT_STRIDE: usize = SLOT_LEN.next_multiple_of(4096) + 5 * 64;

/// Slots of an arena. The memory behind them is touched only as far as packets reach.
pub(super) const SLOTS: usize = 192;

/// A fixed number of slots, handed out from the first to the last and given back all at once.
pub(super) struct Arena {
    memory: Box<[u8]>,
    used: usize,
}

impl Arena {
    /// Reserves the memory; the thread that touches it first decides where it lies.
    pub(super) fn new() -> Self {
        Self { memory: vec![0; SLOTS * SLOT_STRIDE].into_boxed_slice(), used: 0 }
    }

    /// Returns the number of slots that are free.
    pub(super) fn free(&self) -> usize {
        SLOTS - self.used
    }

    /// Lends the next `count` free slots, each [`Arena::STRIDE`] long, for the kernel to fill.
    pub(super) fn vacant(&mut self, count: usize) -> &mut [u8] {
        let first = self.used * SLOT_STRIDE;
        let count = count.min(self.free());
        &mut self.memory[first..first + count * SLOT_STRIDE]
    }

    /// Distance of two slots in bytes.
    pub(super) const STRIDE: usize = SLOT_STRIDE;

    /// Keeps the next free slot until [`Arena::clear`] and returns where it begins.
    pub(super) fn keep(&mut self) -> usize {
        let at = self.used * SLOT_STRIDE;
        self.used += 1;
        at
    }

    /// Returns bytes of kept slots.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.memory[range]
    }

    /// Overwrites bytes of kept slots.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Gives all slots back.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_slots_do_not_overlap_and_come_back_together() {
        let mut arena = Arena::new();
        arena.vacant(2)[Arena::STRIDE] = 7;
        let (first, second) = (arena.keep(), arena.keep());
        assert!(second - first >= SLOT_LEN);
        assert_eq!(arena.bytes(second..second + 1), [7]);
        assert_eq!(arena.free(), SLOTS - 2);
        arena.clear();
        assert_eq!((arena.free(), arena.keep()), (SLOTS, first));
    }

    #[test]
    fn no_more_is_lent_than_there_is() {
        let mut arena = Arena::new();
        for _ in 1..SLOTS {
            arena.keep();
        }
        assert_eq!(arena.vacant(8).len(), Arena::STRIDE);
        arena.keep();
        assert!(arena.vacant(8).is_empty());
    }
}
