//! The sequenced pushes of one resume chain (rule 12), and the latest of them for a replay (rule 35). Pure.
use std::collections::VecDeque;

use bytes::Bytes;

/// Pushes kept for a replay.
pub(crate) const MESSAGES_MAX: usize = 64;
/// Bytes of pushes kept for a replay.
pub(crate) const BYTES_MAX: usize = 64 * 1024;

/// Counts pushes from 1 without holes; while nothing is kept it holds no memory of its own.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    /// The number of the latest push.
    seq: u64,
    /// The latest pushes, oldest first: the last one is number `seq`.
    kept: VecDeque<Bytes>,
    bytes: usize,
}

impl Ring {
    /// Goes on after a push of that number, which is not kept.
    pub(crate) fn after(seq: u64) -> Self {
        Self { seq, ..Self::default() }
    }

    /// Counts a push that will never be asked for again.
    pub(crate) fn count(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Counts and keeps a push. The oldest ones make room; one that is too large alone leaves nothing to replay.
    pub(crate) fn push(&mut self, write: impl FnOnce(u64) -> Bytes) -> Bytes {
        let frame = write(self.count());
        while !self.has_room(frame.len()) && self.forget_oldest() {}
        if frame.len() <= BYTES_MAX {
            self.bytes += frame.len();
            self.kept.push_back(frame.clone());
        }
        frame
    }

    /// Whether a push of that many bytes would be kept without forgetting another.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.kept.len() < MESSAGES_MAX && self.bytes + bytes <= BYTES_MAX
    }

    /// Forgets what the client says it has.
    pub(crate) fn trim(&mut self, acked: u64) {
        while self.first_kept() <= acked && self.forget_oldest() {}
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// What a client lacks that has everything up to `last_seq`, oldest first; `None` if some of it is forgotten or
    /// was never sent: a gap (rule 34).
    pub(crate) fn replay(&self, last_seq: u64) -> Option<impl Iterator<Item = &Bytes>> {
        let first_kept = self.first_kept();
        if last_seq > self.seq || last_seq + 1 < first_kept {
            return None;
        }
        Some(self.kept.iter().skip(usize::try_from(last_seq + 1 - first_kept).ok()?))
    }

    /// The number of the oldest push kept, or of the next one.
    fn first_kept(&self) -> u64 {
        self.seq + 1 - self.kept.len() as u64
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.kept.pop_front() else { return false };
        self.bytes -= oldest.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(seq: u64, len: usize) -> Bytes {
        let mut text = format!("{seq}:").into_bytes();
        text.resize(len.max(text.len()), b'.');
        text.into()
    }

    fn replayed(ring: &Ring, last_seq: u64) -> Option<Vec<u64>> {
        let number = |frame: &Bytes| {
            let text = std::str::from_utf8(frame).expect("text");
            text.split(':').next().expect("a number").parse().expect("a number")
        };
        ring.replay(last_seq).map(|frames| frames.map(number).collect())
    }

    fn ring(lens: &[usize]) -> Ring {
        let mut ring = Ring::default();
        for len in lens {
            ring.push(|seq| frame(seq, *len));
        }
        ring
    }

    #[test]
    fn rule_35_what_came_after_is_replayed_in_order() {
        let ring = ring(&[8; 4]);
        assert_eq!(replayed(&ring, 0), Some(vec![1, 2, 3, 4]));
        assert_eq!(replayed(&ring, 3), Some(vec![4]));
        assert_eq!(replayed(&ring, 4), Some(vec![]));
        assert_eq!(replayed(&Ring::default(), 0), Some(vec![]));
    }

    #[test]
    fn rule_34_what_was_never_sent_is_a_gap() {
        assert_eq!(replayed(&ring(&[8; 4]), 5), None);
        assert_eq!(replayed(&ring(&[8; 4]), u64::MAX), None);
        assert_eq!(replayed(&Ring::default(), 1), None);
    }

    #[test]
    fn the_65th_push_and_a_byte_above_64_kib_forget_the_oldest() {
        let mut many = ring(&[8; MESSAGES_MAX]);
        assert!(!many.has_room(0));
        assert!(replayed(&many, 0).is_some());
        many.push(|seq| frame(seq, 8));
        assert_eq!((replayed(&many, 0), replayed(&many, 1).map(|seqs| seqs.len())), (None, Some(MESSAGES_MAX)));
        let mut large = ring(&[BYTES_MAX - 8]);
        assert!(large.has_room(8) && !large.has_room(9));
        large.push(|seq| frame(seq, 9));
        assert_eq!((replayed(&large, 0), replayed(&large, 1)), (None, Some(vec![2])));
    }

    #[test]
    fn a_push_too_large_to_keep_is_a_gap_and_the_next_one_is_kept() {
        let mut ring = ring(&[8, BYTES_MAX + 1]);
        assert_eq!((replayed(&ring, 1), replayed(&ring, 2)), (None, Some(vec![])));
        ring.push(|seq| frame(seq, 8));
        assert_eq!((replayed(&ring, 1), replayed(&ring, 2)), (None, Some(vec![3])));
    }

    #[test]
    fn an_ack_frees_what_it_names() {
        let mut ring = ring(&[8; 4]);
        ring.trim(2);
        assert_eq!((replayed(&ring, 1), replayed(&ring, 2)), (None, Some(vec![3, 4])));
        ring.trim(u64::MAX);
        assert_eq!((ring.kept.capacity(), ring.bytes), (0, 0));
        assert_eq!(replayed(&ring, 4), Some(vec![]));
        ring.push(|seq| frame(seq, 8));
        assert_eq!(replayed(&ring, 4), Some(vec![5]));
    }

    proptest! {
        #[test]
        fn a_replay_has_no_holes_and_a_ring_keeps_its_bounds(
            steps in prop::collection::vec((0..3usize, 0..30_000usize, 0..40u64), 1..120),
        ) {
            let (mut ring, mut sent) = (Ring::default(), 0);
            for (kind, len, back) in steps {
                if kind == 0 {
                    ring.trim(sent - back.min(sent));
                } else {
                    ring.push(|seq| frame(seq, len));
                    sent += 1;
                }
                prop_assert!(ring.kept.len() <= MESSAGES_MAX && ring.bytes <= BYTES_MAX);
                prop_assert_eq!(ring.bytes, ring.kept.iter().map(Bytes::len).sum::<usize>());
                for last_seq in 0..=sent + 1 {
                    match replayed(&ring, last_seq) {
                        Some(seqs) => prop_assert_eq!(seqs, (last_seq + 1..=sent).collect::<Vec<_>>()),
                        None => prop_assert_ne!(last_seq, sent),
                    }
                }
                prop_assert!(replayed(&ring, sent).is_some() && replayed(&ring, sent + 1).is_none());
            }
        }
    }
}
