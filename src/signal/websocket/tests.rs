use std::task::Waker;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A masked frame with the shortest length. RFC 6455 §5.2.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len());
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    frame
}

/// The header of a masked frame, the mask included.
fn header(first: u8, len: usize) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..=125 => header.push(0x80 | len as u8),
        126..=65_535 => {
            header.push(0x80 | 126);
            header.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    header.extend_from_slice(&[0x37, 0xfa, 0x21, 0x3d]);
    header
}

/// Reads until the first fault, which the end of the input is at the latest.
fn read(limit: usize, mut input: &[u8]) -> (Vec<Received>, Fault) {
    let (mut reader, mut received) = (Reader::default(), Vec::new());
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match reader.poll_received(&mut input, limit, &mut context) {
            Poll::Ready(Ok(one)) => received.push(one),
            Poll::Ready(Err(fault)) => return (received, fault),
            Poll::Pending => panic!("a slice never waits"),
        }
    }
}

fn fault(input: &[u8]) -> Fault {
    read(LIMIT, input).1
}

fn text(text: &'static str) -> Received {
    Received::Text(Utf8Bytes::from_static(text))
}

#[test]
fn the_example_of_rfc_6455_section_5_7_is_read() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(LIMIT, &hello), (vec![text("Hello")], Fault::Lost));
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let mut input = frame(TEXT, "H\u{e9}".as_bytes().split_at(2).0);
    input.extend(frame(FIN | PING, b"?"));
    input.extend(frame(CONTINUATION, "\u{e9}".as_bytes().split_at(1).1));
    input.extend(frame(FIN | PONG, b""));
    input.extend(frame(FIN | CONTINUATION, b"!"));
    input.extend(frame(FIN | TEXT, b"next"));
    let expected = vec![
        Received::Fragment,
        Received::Ping(Bytes::from_static(b"?")),
        Received::Fragment,
        Received::Pong,
        text("H\u{e9}!"),
        text("next"),
    ];
    assert_eq!(read(LIMIT, &input), (expected, Fault::Lost));
}

#[test]
fn rule_8_a_message_of_the_limit_is_read_and_one_byte_more_is_refused_on_its_header() {
    for limit in [125, 8_192, 65_536] {
        let (received, _) = read(limit, &frame(FIN | TEXT, &vec![b'x'; limit]));
        assert_eq!(received.len(), 1);
        assert_eq!(read(limit, &header(FIN | TEXT, limit + 1)), (vec![], Fault::TooBig));
    }
}

#[test]
fn rule_8_fragments_are_counted_together_and_refused_on_the_header_of_the_last() {
    let mut input = frame(TEXT, &[b'x'; LIMIT - 10]);
    input.extend(header(FIN | CONTINUATION, 11));
    assert_eq!(read(LIMIT, &input), (vec![Received::Fragment], Fault::TooBig));
    let mut input = frame(TEXT, &[b'x'; LIMIT - 10]);
    input.extend(frame(FIN | CONTINUATION, &[b'x'; 10]));
    assert_eq!(read(LIMIT, &input).0.len(), 2);
}

#[test]
fn a_length_beyond_all_memory_is_too_big() {
    for len in [u64::MAX, 1 << 63, 1 << 40] {
        let mut input = vec![FIN | TEXT, 0x80 | 127];
        input.extend_from_slice(&len.to_be_bytes());
        input.extend_from_slice(&[0; 4]);
        assert_eq!(fault(&input), Fault::TooBig);
    }
}

#[test]
fn rule_6_binary_and_invalid_utf_8_are_no_text() {
    assert_eq!(fault(&header(FIN | BINARY, 5)), Fault::NotText);
    assert_eq!(fault(&header(BINARY, 5)), Fault::NotText);
    assert_eq!(fault(&frame(FIN | TEXT, &[0xff])), Fault::NotText);
    assert_eq!(fault(&frame(FIN | TEXT, &[0xed, 0xa0, 0x80])), Fault::NotText);
    let mut cut_in_the_middle = frame(TEXT, &[0xc3]);
    cut_in_the_middle.extend(frame(FIN | CONTINUATION, b""));
    assert_eq!(fault(&cut_in_the_middle), Fault::NotText);
}

#[test]
fn rule_6_breaches_of_rfc_6455_are_found() {
    let not_masked = vec![FIN | TEXT, 1, b'x'];
    assert_eq!(fault(&not_masked), Fault::Breach);
    for reserved_bit in [0x40, 0x20, 0x10] {
        assert_eq!(fault(&frame(FIN | reserved_bit | TEXT, b"x")), Fault::Breach);
    }
    for reserved_opcode in [0x3, 0x7, 0xB, 0xF] {
        assert_eq!(fault(&frame(FIN | reserved_opcode, b"x")), Fault::Breach);
    }
    assert_eq!(fault(&frame(PING, b"fragmented")), Fault::Breach);
    assert_eq!(fault(&header(FIN | PING, 126)), Fault::Breach);
    assert_eq!(fault(&frame(FIN | CONTINUATION, b"of nothing")), Fault::Breach);
    let mut two_at_once = frame(TEXT, b"a");
    two_at_once.extend(frame(FIN | TEXT, b"b"));
    assert_eq!(fault(&two_at_once), Fault::Breach);
    let mut long_form_of_a_short_length = vec![FIN | TEXT, 0x80 | 126, 0, 1, 0, 0, 0, 0];
    long_form_of_a_short_length.push(b'x');
    assert_eq!(fault(&long_form_of_a_short_length), Fault::Breach);
}

#[test]
fn close_frames_carry_a_code_that_may_be_sent_or_none() {
    let close = |payload: &[u8]| read(LIMIT, &frame(FIN | CLOSE, payload));
    assert_eq!(close(b"").0, [Received::Close(None)]);
    assert_eq!(close(&[0x03, 0xe8]).0, [Received::Close(Some(1000))]);
    assert_eq!(close(&[0x0f, 0xa0, b'x']).0, [Received::Close(Some(4000))]);
    for bad in [&[0x03][..], &[0x03, 0xed], &[0x03, 0xee], &[0x00, 0x01], &[0xff, 0xff], &[0x03, 0xe8, 0xff]] {
        assert_eq!(close(bad), (vec![], Fault::Breach), "{bad:?}");
    }
}

#[test]
fn nothing_is_kept_for_an_idle_socket() {
    let input = frame(FIN | TEXT, &[b'x'; 500]);
    let mut reader = Reader::default();
    let received = reader.poll_received(&mut &input[..], LIMIT, &mut Context::from_waker(Waker::noop()));
    assert!(matches!(received, Poll::Ready(Ok(Received::Text(_)))));
    assert_eq!(reader.buffer.capacity(), 0);
}

#[test]
fn written_frames_are_not_masked_and_have_the_shortest_length() {
    let mut writer = Writer::default();
    writer.text(b"Hello");
    writer.ping();
    writer.pong(b"?");
    writer.close(Some(4413), "big");
    writer.close(None, "ignored");
    writer.text(&[b'x'; 126]);
    let mut socket: Vec<u8> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(writer.poll_written(&mut socket, &mut context), Poll::Ready(Ok(())));
    let mut expected = vec![0x81, 5];
    expected.extend_from_slice(b"Hello");
    expected.extend_from_slice(&[0x89, 0, 0x8A, 1, b'?', 0x88, 5, 0x11, 0x3d]);
    expected.extend_from_slice(b"big");
    expected.extend_from_slice(&[0x88, 0, 0x81, 126, 0, 126]);
    expected.extend_from_slice(&[b'x'; 126]);
    assert_eq!(socket, expected);
    assert!(writer.is_empty());
}

/// Hands out its pieces one by one, like a network.
struct Pieces(Vec<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if !self.0.is_empty() {
            buffer.put_slice(&self.0.remove(0));
        }
        Poll::Ready(Ok(()))
    }
}

fn read_pieces(mut pieces: Pieces) -> (Vec<Received>, Fault) {
    let (mut reader, mut received) = (Reader::default(), Vec::new());
    loop {
        match reader.poll_received(&mut pieces, LIMIT, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(one)) => received.push(one),
            Poll::Ready(Err(fault)) => return (received, fault),
            Poll::Pending => panic!("the pieces never wait"),
        }
    }
}

fn cut(input: &[u8], sizes: &[usize]) -> Pieces {
    let (mut rest, mut pieces) = (input, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(*size));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    Pieces(pieces)
}

proptest! {
    #[test]
    fn messages_survive_any_fragments_and_any_pieces(
        messages in prop::collection::vec(("\\PC{0,80}", 1usize..30), 0..6),
        sizes in prop::collection::vec(1usize..60, 1..8),
    ) {
        let mut input = Vec::new();
        for (message, fragment) in &messages {
            let mut fragments: Vec<&[u8]> = message.as_bytes().chunks(*fragment).collect();
            let last = fragments.pop().unwrap_or_default();
            let firsts = fragments.len();
            for (at, part) in fragments.into_iter().enumerate() {
                input.extend(frame(if at == 0 { TEXT } else { CONTINUATION }, part));
            }
            input.extend(frame(FIN | if firsts == 0 { TEXT } else { CONTINUATION }, last));
        }
        let (received, fault) = read_pieces(cut(&input, &sizes));
        let texts: Vec<String> = received
            .into_iter()
            .filter_map(|received| match received {
                Received::Text(text) => Some(text.to_string()),
                Received::Fragment | Received::Ping(_) | Received::Pong | Received::Close(_) => None,
            })
            .collect();
        prop_assert_eq!(texts, messages.into_iter().map(|(message, _)| message).collect::<Vec<_>>());
        prop_assert_eq!(fault, Fault::Lost);
    }

    #[test]
    fn whatever_comes_is_judged_the_same_in_any_pieces(
        input in prop::collection::vec(any::<u8>(), 0..200),
        sizes in prop::collection::vec(1usize..20, 1..6),
    ) {
        prop_assert_eq!(read_pieces(cut(&input, &sizes)), read(LIMIT, &input));
    }
}
