//! Names of things: connections, and how those are made that are stored.
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::Serializer;
use uuid::Builder;

use crate::matchmaking;
use crate::store;
pub(crate) use crate::store::Alias;
pub(crate) use crate::store::MessageId;
pub(crate) use crate::store::RoomId;
pub use crate::store::SessionId;
use crate::time::UnixMillis;

/// One WebSocket of this process; never used twice.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}", self.0)
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl SessionId {
    /// A new one: 128 random bits as base64url, so it never holds the `.` and `:` of TURN usernames (rule 25).
    pub(crate) fn random() -> Self {
        Self(random_text::<16>().into())
    }
}

impl RoomId {
    /// A new one, made like a session's.
    pub(crate) fn random() -> Self {
        Self(random_text::<16>().into())
    }
}

impl Alias {
    /// A new one, worth nothing outside of its session or room.
    pub(crate) fn random() -> Self {
        Self(random_text::<9>().into())
    }
}

impl From<&matchmaking::UserId> for store::UserId {
    fn from(user: &matchmaking::UserId) -> Self {
        Self(user.0.clone())
    }
}

impl From<&matchmaking::DeviceId> for store::DeviceId {
    fn from(device: &matchmaking::DeviceId) -> Self {
        Self(device.0.clone())
    }
}

/// A side of a session. `A` waited longer: it is the impolite one and starts the negotiation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::A, Side::B];

    pub(crate) const fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// The same as a word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }

    /// The letter in TURN usernames (rule 25).
    pub(crate) const fn letter(self) -> char {
        match self {
            Side::A => 'a',
            Side::B => 'b',
        }
    }
}

/// Makes message ids, which sort as strings in send order (rule 36): UUIDv7 whose first random bits are a counter
/// within the millisecond. RFC 9562 §6.2, method 1.
#[derive(Debug, Default)]
pub(crate) struct MessageIds {
    last: UnixMillis,
    in_this_milli: u16,
}

impl MessageIds {
    /// Counter values of one millisecond: the twelve bits of `rand_a`.
    const PER_MILLI: u16 = 1 << 12;

    /// Makes every further id greater than one that was made before this process was there.
    pub(crate) fn follow(&mut self, earlier: Option<MessageId>) {
        let Some(MessageId(earlier)) = earlier else { return };
        let (millis, rest) = (earlier.as_u128() >> 80, (earlier.as_u128() >> 64) as u16);
        let at = (UnixMillis(millis as u64), rest & (Self::PER_MILLI - 1));
        (self.last, self.in_this_milli) = at.max((self.last, self.in_this_milli));
    }

    /// The next id, greater than every one before it even if the wall clock steps back.
    pub(crate) fn next(&mut self, now: UnixMillis) -> MessageId {
        if now > self.last {
            self.last = now;
            self.in_this_milli = 0;
        } else {
            self.in_this_milli += 1;
            if self.in_this_milli == Self::PER_MILLI {
                self.last = UnixMillis(self.last.0 + 1);
                self.in_this_milli = 0;
            }
        }
        let mut bytes = random_bytes::<10>();
        bytes[..2].copy_from_slice(&self.in_this_milli.to_be_bytes());
        MessageId(Builder::from_unix_timestamp_millis(self.last.0, &bytes).into_uuid())
    }
}

/// Random bytes of the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

/// As many random bytes as base64url.
pub(crate) fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<N>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_sort_as_strings_within_a_millisecond_and_when_the_clock_steps_back() {
        let mut ids = MessageIds::default();
        let mut texts = Vec::new();
        for at in [1_000, 1_000, 1_000, 1_001, 900, 900, 1_002] {
            texts.push(ids.next(UnixMillis(at)).0.to_string());
        }
        for _ in 0..10_000 {
            texts.push(ids.next(UnixMillis(1_002)).0.to_string());
        }
        assert!(texts.is_sorted());
        texts.dedup();
        assert_eq!(texts.len(), 10_007);
    }

    #[test]
    fn message_ids_follow_those_of_a_process_before_although_the_clock_steps_back() {
        let mut before = MessageIds::default();
        let last = (0..300).map(|_| before.next(UnixMillis(5_000))).last().expect("some");
        let mut ids = MessageIds::default();
        ids.follow(Some(last));
        ids.follow(Some(MessageIds::default().next(UnixMillis(4_000))));
        ids.follow(None);
        assert!(ids.next(UnixMillis(4_999)) > last);
    }

    #[test]
    fn session_ids_fit_into_turn_usernames() {
        let id = SessionId::random();
        assert_eq!(id.as_str().len(), 22);
        assert!(id.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    }
}
