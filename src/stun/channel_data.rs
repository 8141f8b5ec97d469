//! ChannelData: a peer's data under a channel number. RFC 8656 §12.4.
//!
//! ```text
//! | channel number                | length of the payload         |
//! | payload, over streams padded to a multiple of four            |
//! ```
use std::ops::Range;

use super::ChannelNumber;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 4;

/// A ChannelData message found in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelData {
    /// The channel, 0x4000 to 0x7FFF; whether it is bound is not known here.
    pub number: u16,
    /// Where the payload lies in the packet; may be empty.
    pub payload: Range<usize>,
}

/// Reads a ChannelData message; bytes behind its length (padding) are not part of the payload.
///
/// `None` for everything else: another range of numbers, or a length beyond the packet.
pub fn parse(packet: &[u8]) -> Option<ChannelData> {
    let &[n0, n1, l0, l1] = packet.first_chunk::<HEADER_LEN>()?;
    let number = ChannelNumber::new(u16::from_be_bytes([n0, n1]))?.number();
    let end = HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    (end <= packet.len()).then_some(ChannelData { number, payload: HEADER_LEN..end })
}

/// The header before a payload of `len` bytes; over streams [`pad_len`](super::pad_len) zero bytes follow the payload.
pub const fn header(number: ChannelNumber, len: u16) -> [u8; HEADER_LEN] {
    let [n0, n1] = number.number().to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    [n0, n1, l0, l1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_lies_behind_its_header() {
        let found = parse(b"\x40\x01\x00\x03abc");
        assert_eq!(found, Some(ChannelData { number: 0x4001, payload: 4..7 }));
    }

    #[test]
    fn trailing_bytes_are_not_payload() {
        let found = parse(b"\x4F\xFF\x00\x03abc\xFF trailing");
        assert_eq!(found, Some(ChannelData { number: 0x4FFF, payload: 4..7 }));
    }

    #[test]
    fn an_empty_payload_is_a_message() {
        assert_eq!(parse(b"\x40\x00\x00\x00"), Some(ChannelData { number: 0x4000, payload: 4..4 }));
    }

    #[test]
    fn a_length_beyond_the_packet_is_refused() {
        assert_eq!(parse(b"\x40\x00\x00\x04abc"), None);
        assert_eq!(parse(b"\x40\x00\xFF\xFFabc"), None);
        assert_eq!(parse(b"\x40\x00\x00"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn other_ranges_are_not_channel_data() {
        for first in (0x00..=0xFF).filter(|first| first & 0xC0 != 0x40) {
            assert_eq!(parse(&[first, 0, 0, 0]), None, "{first:#04x}");
        }
    }

    #[test]
    fn a_written_header_reads_back() {
        let mut packet = header(ChannelNumber::MAX, 5).to_vec();
        packet.extend_from_slice(b"hello\0\0\0");
        assert_eq!(parse(&packet), Some(ChannelData { number: 0x7FFF, payload: 4..9 }));
    }
}
