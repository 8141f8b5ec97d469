//! When to look at which allocation. Frees memory and ports; the data path compares expiries itself.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::relay::slab::AllocationId;
use crate::time::Mono;

/// Moments in order. Entries are never removed early: a stale one is skipped when it comes up.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Mono, AllocationId)>>,
}

impl Deadlines {
    pub(super) fn push(&mut self, at: Mono, id: AllocationId) {
        self.heap.push(Reverse((at, id)));
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next entry that is due.
    pub(super) fn pop_due(&mut self, now: Mono) -> Option<(Mono, AllocationId)> {
        let Reverse(due) = *self.heap.peek()?;
        if now < due.0 {
            return None;
        }
        self.heap.pop();
        Some(due)
    }

    /// Drops stale entries once they are the majority, so that nobody can make the heap grow by refreshing.
    pub(super) fn tidy(&mut self, live: usize, is_current: impl Fn(Mono, AllocationId) -> bool) {
        if self.heap.len() > 2 * live + 64 {
            self.heap.retain(|Reverse((at, id))| is_current(*at, *id));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}
