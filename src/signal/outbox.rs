//! What waits to be sent on one connection: bounded, and coalesced where only the latest counts.
use std::collections::VecDeque;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use bytes::Bytes;

use crate::signal::id::Alias;

/// Bytes held for one connection.
pub(crate) const BYTES_MAX: usize = 256 * 1024;
/// Frames held for one connection.
pub(crate) const FRAMES_MAX: usize = 256;

/// How a frame may be treated while it waits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Never dropped; no room for it closes the connection.
    Kept,
    /// Takes the place of an older frame of the same topic and source.
    Latest(Topic, Source),
}

impl Class {
    /// The same for news from that source alone.
    pub(crate) fn from(self, source: Source) -> Self {
        match self {
            Class::Kept => Class::Kept,
            Class::Latest(topic, _) => Class::Latest(topic, source),
        }
    }
}

/// The kinds of news of which only the latest counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    QueueStatus,
    PeerState,
    PeerQuality,
    PeerMedia,
    Typing,
}

/// Whom news is about. It is a hash of the name, as no two are taken for each other by chance.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source(u64);

impl Source {
    /// There is only one.
    pub(crate) const ANY: Source = Source(0);

    /// Somebody in a session or room.
    pub(crate) fn of(alias: &Alias) -> Self {
        let mut hasher = DefaultHasher::new();
        alias.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The queue is over its bounds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Frames on their way to one client, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<(Class, Bytes)>,
    bytes: usize,
}

impl Outbox {
    /// Appends a frame. News replaces the older one of its topic and moves to the end, so that it can never
    /// overtake what was sent before it.
    ///
    /// # Errors
    ///
    /// [`Full`] if the frame does not fit; it is not queued then.
    pub(crate) fn push(&mut self, class: Class, frame: Bytes) -> Result<(), Full> {
        if let Class::Latest(..) = class
            && let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == class)
            && let Some((_, older)) = self.waiting.remove(at)
        {
            self.bytes -= older.len();
        }
        if self.waiting.len() == FRAMES_MAX || self.bytes + frame.len() > BYTES_MAX {
            return Err(Full);
        }
        self.bytes += frame.len();
        self.waiting.push_back((class, frame));
        Ok(())
    }

    /// Takes the oldest frame.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let (_, frame) = self.waiting.pop_front()?;
        self.bytes -= frame.len();
        if self.waiting.is_empty() {
            // An idle connection holds no memory for a burst it once had.
            self.waiting = VecDeque::new();
        }
        Some(frame)
    }

    /// Forgets everything and frees the memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn drain(outbox: &mut Outbox) -> Vec<Bytes> {
        std::iter::from_fn(|| outbox.pop()).collect()
    }

    #[test]
    fn kept_frames_leave_in_order() {
        let mut outbox = Outbox::default();
        for text in ["1", "2", "3"] {
            assert_eq!(outbox.push(Class::Kept, frame(text)), Ok(()));
        }
        assert_eq!(drain(&mut outbox), [frame("1"), frame("2"), frame("3")]);
    }

    #[test]
    fn news_of_one_topic_is_kept_once_and_behind_what_came_before_it() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(Class::Latest(Topic::Typing, Source::ANY), frame("on")), Ok(()));
        assert_eq!(outbox.push(Class::Latest(Topic::PeerMedia, Source::ANY), frame("mute")), Ok(()));
        assert_eq!(outbox.push(Class::Kept, frame("message")), Ok(()));
        assert_eq!(outbox.push(Class::Latest(Topic::Typing, Source::ANY), frame("off")), Ok(()));
        assert_eq!(drain(&mut outbox), [frame("mute"), frame("message"), frame("off")]);
    }

    #[test]
    fn the_257th_frame_does_not_fit() {
        let mut outbox = Outbox::default();
        for _ in 0..FRAMES_MAX {
            assert_eq!(outbox.push(Class::Kept, frame("x")), Ok(()));
        }
        assert_eq!(outbox.push(Class::Kept, frame("x")), Err(Full));
        assert_eq!(drain(&mut outbox).len(), FRAMES_MAX);
    }

    #[test]
    fn a_byte_above_256_kib_does_not_fit() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(Class::Kept, Bytes::from(vec![0; BYTES_MAX - 1])), Ok(()));
        assert_eq!(outbox.push(Class::Kept, frame("ab")), Err(Full));
        assert_eq!(outbox.push(Class::Kept, frame("a")), Ok(()));
    }

    #[test]
    fn replaced_news_gives_its_bytes_back() {
        let mut outbox = Outbox::default();
        for _ in 0..10 {
            let news = Bytes::from(vec![0; BYTES_MAX]);
            assert_eq!(outbox.push(Class::Latest(Topic::PeerState, Source::ANY), news), Ok(()));
        }
        outbox.clear();
        assert_eq!(outbox.push(Class::Kept, Bytes::from(vec![0; BYTES_MAX])), Ok(()));
    }

    #[test]
    fn news_of_one_person_does_not_replace_that_of_another() {
        let mut outbox = Outbox::default();
        let [ann, bob] = [Alias::random(), Alias::random()].map(|alias| Source::of(&alias));
        for (source, text) in [(ann, "ann on"), (bob, "bob on"), (ann, "ann off")] {
            let class = Class::Latest(Topic::Typing, Source::ANY).from(source);
            assert_eq!(outbox.push(class, frame(text)), Ok(()));
        }
        assert_eq!(drain(&mut outbox), [frame("bob on"), frame("ann off")]);
    }
}
