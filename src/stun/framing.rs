//! Where one message ends in a byte stream. RFC 8489 §6.2.2, RFC 8656 §12.5.

use super::ChannelNumber;
use super::HEADER_LEN;
use super::MAGIC_COOKIE;
use super::channel_data;
use super::pad_len;

/// Bytes of the longest frame: a STUN message with the largest length that is a multiple of four.
pub const FRAME_MAX: usize = HEADER_LEN + 0xFFFC;

/// What stands at the beginning of a stream's buffered bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No whole frame yet; it cannot be complete before the buffer holds `need` bytes.
    Incomplete {
        /// Total bytes from the beginning of the buffer, always more than it holds now.
        need: usize,
    },
    /// A whole message.
    Frame {
        /// Bytes of the message without the padding behind ChannelData.
        len: usize,
        /// Bytes to remove from the buffer, padding included.
        consumed: usize,
    },
    /// Neither STUN nor ChannelData: the stream cannot be followed any more and must be closed.
    Invalid,
}

/// Finds the first frame in the bytes of a stream.
///
/// Only what is needed to find the end is checked; the message itself is judged by its parser.
pub fn next_frame(buffered: &[u8]) -> Framing {
    let Some(&first) = buffered.first() else {
        return Framing::Incomplete { need: 4 };
    };
    match first >> 6 {
        0b00 => next_stun(buffered),
        0b01 => next_channel_data(buffered),
        _ => Framing::Invalid,
    }
}

fn next_stun(buffered: &[u8]) -> Framing {
    let Some(&[_, _, l0, l1]) = buffered.first_chunk::<4>() else {
        return Framing::Incomplete { need: HEADER_LEN };
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length % 4 != 0 {
        return Framing::Invalid;
    }
    // Check the cookie as soon as it is there: a stream of anything else must not make the reader wait for 64 KiB.
    if let Some(&[_, _, _, _, c0, c1, c2, c3]) = buffered.first_chunk::<8>()
        && u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE
    {
        return Framing::Invalid;
    }
    whole(buffered, HEADER_LEN + length, HEADER_LEN + length)
}

fn next_channel_data(buffered: &[u8]) -> Framing {
    // The first byte alone tells the range: 0x40 to 0x4F.
    if buffered.first().is_some_and(|&first| ChannelNumber::new(u16::from(first) << 8).is_none()) {
        return Framing::Invalid;
    }
    let Some(&[_, _, l0, l1]) = buffered.first_chunk::<4>() else {
        return Framing::Incomplete { need: channel_data::HEADER_LEN };
    };
    let len = channel_data::HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    whole(buffered, len, len + pad_len(len))
}

fn whole(buffered: &[u8], len: usize, consumed: usize) -> Framing {
    if buffered.len() < consumed { Framing::Incomplete { need: consumed } } else { Framing::Frame { len, consumed } }
}
