//! What waits to be written to one TCP or TLS client: bounded in bytes and in time.
use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Mono;

/// Media packets are not taken beyond this many waiting bytes.
pub(super) const MEDIA_LIMIT: usize = 256 * 1024;

/// STUN messages are not taken beyond this many waiting bytes; the connection is closed instead.
const REPLY_LIMIT: usize = MEDIA_LIMIT + 64 * 1024;

/// A reader that is this far behind gets the present instead of the past.
pub(super) const MEDIA_AGE: Duration = Duration::from_millis(500);

/// Memory that an idle connection may keep for its next packets, in bytes.
const KEPT_CAPACITY: usize = 4 * 1024;

/// What a frame is to its reader.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Application data: may be dropped as a whole, like a datagram.
    Media,
    /// An answer: TCP clients do not ask again, so it is never dropped.
    Reply,
}

/// What became of a frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// It waits.
    Taken,
    /// It is media, and there is no room.
    Dropped,
    /// It is an answer, and there is no room: the client reads nothing, and the connection is of no use.
    Stuck,
}

#[derive(Copy, Clone, Debug)]
struct Frame {
    len: usize,
    kind: Kind,
    since: Mono,
}

/// The frames that wait, back to back.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Bytes at the front that are already written.
    written: usize,
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that are already written.
    first_written: usize,
}

impl Output {
    /// Appends a frame made of `parts` and the zeroes that make its length a multiple of 4 (RFC 8656 §12.5).
    ///
    /// Returns its fate and how many older media frames gave way.
    pub(super) fn push(&mut self, parts: [&[u8]; 2], kind: Kind, now: Mono) -> (Push, usize) {
        let shed = self.shed_stale(now);
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let padded = len.next_multiple_of(4);
        let limit = match kind {
            Kind::Media => MEDIA_LIMIT,
            Kind::Reply => REPLY_LIMIT,
        };
        if self.waiting().len() + padded > limit {
            let fate = match kind {
                Kind::Media => Push::Dropped,
                Kind::Reply => Push::Stuck,
            };
            return (fate, shed);
        }
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.resize(self.bytes.len() + padded - len, 0);
        self.frames.push_back(Frame { len: padded, kind, since: now });
        (Push::Taken, shed)
    }

    /// Returns the bytes to write next.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Returns what is left of the frame to write next; empty if nothing waits.
    pub(super) fn first_frame(&self) -> &[u8] {
        let left = self.frames.front().map_or(0, |first| first.len - self.first_written);
        &self.waiting()[..left]
    }

    /// Forgets the first `len` bytes, which were written.
    pub(super) fn advance(&mut self, len: usize) {
        self.written += len;
        self.first_written += len;
        while let Some(first) = self.frames.front()
            && self.first_written >= first.len
        {
            self.first_written -= first.len;
            self.frames.pop_front();
        }
        if self.frames.is_empty() {
            self.bytes.clear();
            self.written = 0;
        } else if self.written >= MEDIA_LIMIT / 4 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Gives memory back that only a rush of packets needs.
    pub(super) fn shrink(&mut self) {
        if self.frames.is_empty() {
            self.bytes.shrink_to(KEPT_CAPACITY);
            self.frames.shrink_to(KEPT_CAPACITY / size_of::<Frame>());
        }
    }

    /// Drops all media that nobody began to write, if the oldest of it is too old; returns how many frames.
    fn shed_stale(&mut self, now: Mono) -> usize {
        let begun = usize::from(self.first_written > 0);
        let oldest = self.frames.iter().skip(begun).find(|frame| frame.kind == Kind::Media);
        if oldest.is_none_or(|frame| now.saturating_since(frame.since) <= MEDIA_AGE) {
            return 0;
        }
        let mut kept = Vec::new();
        let mut at = self.written;
        let before = self.frames.len();
        let mut place = 0;
        self.frames.retain(|frame| {
            let unwritten = if place == 0 { frame.len - self.first_written } else { frame.len };
            let keep = place < begun || frame.kind == Kind::Reply;
            if keep {
                kept.extend_from_slice(&self.bytes[at..at + unwritten]);
            }
            at += unwritten;
            place += 1;
            keep
        });
        self.bytes = kept;
        self.written = 0;
        before - self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn frames_are_padded_and_leave_in_order() {
        let mut output = Output::default();
        assert_eq!(output.push([b"ab", b"cde"], Kind::Media, at(0)), (Push::Taken, 0));
        assert_eq!(output.push([b"", b"four"], Kind::Reply, at(0)), (Push::Taken, 0));
        assert_eq!(output.waiting(), b"abcde\0\0\0four");
        output.advance(6);
        assert_eq!(output.waiting(), b"\0\0four");
        output.advance(6);
        assert!(output.waiting().is_empty() && output.bytes.is_empty());
    }

    #[test]
    fn a_full_output_drops_whole_media_and_still_takes_answers() {
        let mut output = Output::default();
        let frame = [0x55; MEDIA_LIMIT / 4];
        for _ in 0..4 {
            assert_eq!(output.push([&frame, b""], Kind::Media, at(0)).0, Push::Taken);
        }
        assert_eq!(output.push([b"late", b""], Kind::Media, at(0)), (Push::Dropped, 0));
        assert_eq!(output.push([b"answer  ", b""], Kind::Reply, at(0)), (Push::Taken, 0));
        assert!(output.waiting().ends_with(b"\x55answer  "));
    }

    #[test]
    fn memory_stays_between_writes_and_goes_when_it_is_asked_for() {
        let mut output = Output::default();
        for _ in 0..2 {
            output.push([&[0x55; 64 * 1024], b""], Kind::Media, at(0));
            output.advance(64 * 1024);
            assert!(output.bytes.capacity() >= 64 * 1024);
        }
        output.shrink();
        assert!(output.bytes.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn answers_beyond_all_room_are_stuck() {
        let mut output = Output::default();
        let answer = [1; 1024];
        let taken = (0..).take_while(|_| output.push([&answer, b""], Kind::Reply, at(0)).0 == Push::Taken).count();
        assert_eq!(taken, REPLY_LIMIT / 1024);
        assert_eq!(output.push([&answer, b""], Kind::Reply, at(0)).0, Push::Stuck);
    }

    #[test]
    fn stale_media_gives_way_but_a_begun_frame_and_answers_stay() {
        let mut output = Output::default();
        for frame in [b"old1", b"old2"] {
            output.push([frame, b""], Kind::Media, at(0));
        }
        output.push([b"answ", b""], Kind::Reply, at(1));
        output.push([b"old3", b""], Kind::Media, at(400));
        output.advance(1);
        assert_eq!(output.push([b"new1", b""], Kind::Media, at(500)), (Push::Taken, 0));
        assert_eq!(output.push([b"new2", b""], Kind::Media, at(501)), (Push::Taken, 3));
        assert_eq!(output.waiting(), b"ld1answnew2");
        output.advance(3);
        assert_eq!(output.waiting(), b"answnew2");
        output.advance(8);
        assert!(output.frames.is_empty());
    }

    #[test]
    fn an_answer_that_waits_does_not_make_media_behind_it_immortal() {
        let mut output = Output::default();
        output.push([b"answ", b""], Kind::Reply, at(0));
        output.push([b"old1", b""], Kind::Media, at(0));
        assert_eq!(output.push([b"new1", b""], Kind::Media, at(501)), (Push::Taken, 1));
        assert_eq!(output.waiting(), b"answnew1");
    }
}
