//! What must hold for any input. Shared by the fuzz targets and by `tests/hostile_packets.rs`.
#![allow(dead_code, reason = "each target uses its own check")]

use duologue::auth::turn::TurnUsername;
use duologue::stun::AttributeType;
use duologue::stun::IntegrityKey;
use duologue::stun::Message;
use duologue::stun::Writer;
use duologue::stun::channel_data;
use duologue::stun::framing::FRAME_MAX;
use duologue::stun::framing::Framing;
use duologue::stun::framing::next_frame;

/// Reads a packet in every way and compares the answers. Returns whether it is a message or ChannelData.
pub(crate) fn packet(packet: &[u8]) -> bool {
    match (channel_data::parse(packet), Message::parse(packet)) {
        (Some(found), Err(_)) => {
            assert!(found.payload.end <= packet.len() && (0x4000..=0x7FFF).contains(&found.number));
            true
        }
        (None, Ok(found)) => {
            message(packet, &found);
            true
        }
        (None, Err(_)) => false,
        (Some(_), Ok(_)) => panic!("a packet is one thing"),
    }
}

/// Follows a stream, once as a whole and once in pieces: both give the same frames and the same end.
pub(crate) fn stream(stream: &[u8], seed: u8) {
    let whole = frames(std::iter::once(stream));
    let piece = usize::from(seed % 29) + 1;
    assert_eq!(whole, frames(stream.chunks(piece)));
    for frame in &whole.0 {
        packet(frame);
    }
}

fn message(packet: &[u8], message: &Message<'_>) {
    for (ty, value) in message.attributes() {
        let first = message.attribute(ty).expect("it is there");
        let range = message.attribute_range(ty).expect("it is there");
        assert_eq!(packet.get(range), Some(first));
        assert!(value.len() <= packet.len());
        // Asked for as everything, whatever it is.
        let _ = (message.u32(ty), message.xor_address(ty));
        assert!(message.xor_addresses(ty).count() >= 1);
        if let Some(Ok(text)) = message.text(ty) {
            let user = TurnUsername::parse(text);
            assert!(user.id.starts_with(user.session()) && text.ends_with(user.id));
        }
    }
    let required = message.attributes().filter(|(ty, _)| ty.is_required()).count();
    assert_eq!(message.unknown_required(&[]).count(), required);
    assert!(message.unknown_required(&[AttributeType::USERNAME]).count() <= required);
    let _ = message.error_code();

    let key = IntegrityKey::md5("nobody", "nowhere", "nothing");
    assert!(!message.verify_integrity(&key) && !message.verify_integrity_sha256(&key));
    rewritten(packet, message, &key);
}

/// Writes the same message again and reads it back.
fn rewritten(packet: &[u8], message: &Message<'_>, key: &IntegrityKey) {
    let mut buf = vec![0xEE; packet.len() + 64];
    let mut writer = Writer::new(&mut buf, message.class(), message.method(), message.transaction_id());
    for (ty, value) in message.attributes() {
        writer.attribute(ty, value);
    }
    let Ok(len) = writer.integrity(key).fingerprint().finish() else {
        assert!(packet.len() + 32 > FRAME_MAX, "only the largest have no room for a code");
        return;
    };
    let again = Message::parse(&buf[..len]).expect("what is written is valid");
    assert!(again.attributes().eq(message.attributes()));
    assert!(again.verify_integrity(key) && again.has_fingerprint());
}

/// How following a stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// So many bytes wait for more.
    Waiting(usize),
    Invalid,
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, End) {
    let mut found = Vec::new();
    let mut buffered = Vec::new();
    for piece in pieces {
        buffered.extend_from_slice(piece);
        loop {
            match next_frame(&buffered) {
                Framing::Frame { len, consumed } => {
                    assert!(len >= 4 && len <= consumed && consumed - len < 4 && consumed <= buffered.len());
                    found.push(buffered[..len].to_vec());
                    buffered.drain(..consumed);
                }
                Framing::Incomplete { need } => {
                    assert!(need > buffered.len() && need <= FRAME_MAX);
                    break;
                }
                Framing::Invalid => return (found, End::Invalid),
            }
        }
    }
    (found, End::Waiting(buffered.len()))
}
