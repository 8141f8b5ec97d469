//! What an event in epoll is about.
use rustix::event::epoll::EventData;

use crate::relay::StreamId;

/// A socket or queue of a shard, as 64 bits: the kind in the highest byte.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The mailbox.
    Inbox,
    /// The listener with this index.
    Listener(u8),
    /// The relay socket with this file descriptor.
    Relay(u32),
    /// The connection whose id ends with these 52 bits; the rest of the id is the shard's own.
    Stream(u64),
}

const KIND_BITS: u32 = 56;
const STREAM_BITS: u64 = (1 << 52) - 1;

impl Token {
    /// The token of a connection.
    pub(super) const fn stream(id: StreamId) -> Self {
        Token::Stream(id.0 & STREAM_BITS)
    }

    /// Returns the token as epoll keeps it.
    pub(super) const fn encode(self) -> EventData {
        let (kind, value) = match self {
            Token::Inbox => (0, 0),
            Token::Listener(index) => (1, index as u64),
            Token::Relay(fd) => (2, fd as u64),
            Token::Stream(id) => (3, id & STREAM_BITS),
        };
        EventData::new_u64(kind << KIND_BITS | value)
    }

    /// Returns the token that was encoded.
    pub(super) fn decode(data: EventData) -> Self {
        let (kind, value) = (data.u64() >> KIND_BITS, data.u64() & ((1 << KIND_BITS) - 1));
        match kind {
            0 => Token::Inbox,
            1 => Token::Listener(value as u8),
            2 => Token::Relay(value as u32),
            _ => Token::Stream(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_from_epoll() {
        let stream = Token::stream(StreamId(0xFFF0_0000_0000_0007));
        assert_eq!(stream, Token::Stream(7));
        for token in [Token::Inbox, Token::Listener(255), Token::Relay(u32::MAX), stream, Token::Stream(STREAM_BITS)] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
