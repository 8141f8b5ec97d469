//! The client's half of RFC 6455: masked text out, whole frames in.
use std::io;
use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Control;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

/// A mask must be there; nobody has to be surprised by this one. RFC 6455 §5.3.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x96, 0x0f];

/// What the server sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Text(String),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    Pong,
    /// 1005 where no code was given. RFC 6455 §7.1.5.
    Close(u16),
}

/// Writes a text message.
pub(super) fn text(message: &str) -> Vec<u8> {
    masked(OpCode::Data(Data::Text), message.as_bytes())
}

/// Writes the answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(OpCode::Control(Control::Pong), payload)
}

fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final: true, opcode, mask: Some(MASK), ..FrameHeader::default() };
    let mut frame = Vec::with_capacity(payload.len() + 14);
    header.format(payload.len() as u64, &mut frame).expect("a growing buffer takes any header");
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Takes the first frame off the front of what was read, if it is complete. This server sends no fragments.
///
/// # Errors
///
/// What no server may send, or this one does not.
pub(super) fn take(unread: &[u8]) -> io::Result<Option<(Frame, usize)>> {
    let mut cursor = Cursor::new(unread);
    let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(io::Error::other)? else { return Ok(None) };
    let start = usize::try_from(cursor.position()).map_err(io::Error::other)?;
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len)).ok_or(io::ErrorKind::InvalidData)?;
    if header.mask.is_some() || !header.is_final {
        return Err(io::Error::other("the server sent a masked frame or a fragment"));
    }
    let Some(payload) = unread.get(start..end) else { return Ok(None) };
    let frame = match header.opcode {
        OpCode::Data(Data::Text) => Frame::Text(String::from_utf8(payload.to_vec()).map_err(io::Error::other)?),
        OpCode::Control(Control::Ping) => Frame::Ping(payload.to_vec()),
        OpCode::Control(Control::Pong) => Frame::Pong,
        OpCode::Control(Control::Close) => {
            Frame::Close(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)))
        }
        OpCode::Data(Data::Binary | Data::Continue | Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            return Err(io::Error::other("the server sent no text frame"));
        }
    };
    Ok(Some((frame, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_masked_with_the_shortest_header() {
        for (len, header_len) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let frame = text(&"x".repeat(len));
            assert_eq!(frame.len(), header_len + len);
            assert_eq!(frame[0], 0x81);
            assert_eq!(frame[1] & 0x80, 0x80);
            let payload = &frame[header_len..];
            assert!(payload.iter().zip(MASK.iter().cycle()).all(|(byte, mask)| byte ^ mask == b'x'));
        }
    }

    #[test]
    fn frames_are_taken_one_by_one_when_they_are_complete() {
        let bytes = b"\x81\x02hi\x89\x01p\x88\x02\x11\x30\x88\x00";
        let frames = [
            (4, Frame::Text("hi".to_owned())),
            (7, Frame::Ping(b"p".to_vec())),
            (11, Frame::Close(4400)),
            (13, Frame::Close(1005)),
        ];
        let mut at = 0;
        for (end, frame) in frames {
            for short in at..end {
                assert_eq!(take(&bytes[at..short]).expect("sound"), None);
            }
            assert_eq!(take(&bytes[at..]).expect("sound"), Some((frame, end - at)));
            at = end;
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_refused() {
        for bytes in [&b"\x81\x80\0\0\0\0"[..], b"\x01\x02hi", b"\x82\x00", b"\x83\x00", b"\x81\x01\xff"] {
            assert!(take(bytes).is_err(), "{bytes:?}");
        }
    }
}
