//! Where one message ends in a byte stream. RFC 8489 §6.2.2, RFC 8656 §12.5.

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
    let Some(&[_, _, l0, l1]) = buffered.first_chunk::<4>() else {
        return Framing::Incomplete { need: channel_data::HEADER_LEN };
    };
    let len = channel_data::HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    whole(buffered, len, len + pad_len(len))
}

fn whole(buffered: &[u8], len: usize, consumed: usize) -> Framing {
    if buffered.len() < consumed { Framing::Incomplete { need: consumed } } else { Framing::Frame { len, consumed } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_BINDING: &[u8; 20] = b"\0\x01\0\0\x21\x12\xA4\x42transaction1";

    #[test]
    fn a_stun_message_is_a_frame_once_it_is_whole() {
        let mut message = EMPTY_BINDING.to_vec();
        message[3] = 8;
        message.extend_from_slice(b"\x80\x22\0\x04abcd and what follows");
        assert_eq!(next_frame(&message), Framing::Frame { len: 28, consumed: 28 });
        for len in 4..28 {
            assert_eq!(next_frame(&message[..len]), Framing::Incomplete { need: 28 }, "{len} bytes");
        }
        for len in 1..4 {
            assert_eq!(next_frame(&message[..len]), Framing::Incomplete { need: 20 }, "{len} bytes");
        }
        assert_eq!(next_frame(b""), Framing::Incomplete { need: 4 });
    }

    #[test]
    fn channel_data_is_a_frame_once_its_padding_is_there() {
        let padded = b"\x40\x00\x00\x05hello\0\0\0\x40";
        assert_eq!(next_frame(padded), Framing::Frame { len: 9, consumed: 12 });
        for len in 4..12 {
            assert_eq!(next_frame(&padded[..len]), Framing::Incomplete { need: 12 }, "{len} bytes");
        }
        for len in 1..4 {
            assert_eq!(next_frame(&padded[..len]), Framing::Incomplete { need: 4 }, "{len} bytes");
        }
    }

    #[test]
    fn channel_data_may_be_empty() {
        assert_eq!(next_frame(b"\x4F\xFF\0\0"), Framing::Frame { len: 4, consumed: 4 });
    }

    #[test]
    fn the_longest_channel_data_is_framed() {
        let mut frame = b"\x40\x00\xFF\xFF".to_vec();
        assert_eq!(next_frame(&frame), Framing::Incomplete { need: 65_540 });
        frame.resize(65_540, 0);
        assert_eq!(next_frame(&frame[..65_539]), Framing::Incomplete { need: 65_540 });
        assert_eq!(next_frame(&frame), Framing::Frame { len: 65_539, consumed: 65_540 });
    }

    #[test]
    fn the_longest_stun_message_is_framed() {
        let mut frame = EMPTY_BINDING.to_vec();
        frame[2..4].copy_from_slice(&[0xFF, 0xFC]);
        assert_eq!(next_frame(&frame), Framing::Incomplete { need: FRAME_MAX });
        frame.resize(FRAME_MAX, 0);
        assert_eq!(next_frame(&frame), Framing::Frame { len: FRAME_MAX, consumed: FRAME_MAX });
    }

    #[test]
    fn streams_of_something_else_are_given_up_at_once() {
        for first in 0x80..=0xFF_u8 {
            assert_eq!(next_frame(&[first]), Framing::Invalid, "{first:#04x}");
        }
        assert_eq!(next_frame(b"\0\x01\0\x01"), Framing::Invalid, "length not a multiple of four");
        assert_eq!(next_frame(b"\0\x01\0\x08\x21\x12\xA4\x43"), Framing::Invalid, "wrong cookie");
        // A TLS record on a plain port.
        assert_eq!(next_frame(b"\x16\x03\x01\x02\x00\x01\x00\x01"), Framing::Invalid);
    }
}
