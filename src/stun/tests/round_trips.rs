//! Whatever is written reads back the same, and streams give the same frames however they are cut.
use std::net::IpAddr;
use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::AttributeType;
use super::super::ChannelNumber;
use super::super::Class;
use super::super::ErrorCode;
use super::super::IntegrityKey;
use super::super::Message;
use super::super::Method;
use super::super::TransactionId;
use super::super::Writer;
use super::super::channel_data;
use super::super::data_indication;
use super::super::framing::Framing;
use super::super::framing::next_frame;
use super::super::pad_len;

proptest! {
    #[test]
    fn any_message_reads_back_as_it_was_written(message in plan()) {
        let bytes = message.write();
        let parsed = Message::parse(&bytes).expect("valid");
        prop_assert_eq!((parsed.class(), parsed.method(), parsed.transaction_id()), message.header);
        let attributes: Vec<_> = parsed.attributes().map(|(ty, value)| (ty, value.to_vec())).collect();
        prop_assert_eq!(&attributes, &message.attributes);
        for (ty, _) in &message.attributes {
            let first = message.attributes.iter().find(|(other, _)| other == ty).map(|(_, value)| value.as_slice());
            prop_assert_eq!(parsed.attribute(*ty), first);
            prop_assert_eq!(parsed.attribute_range(*ty).and_then(|range| bytes.get(range)), first);
        }
        prop_assert_eq!(parsed.has_integrity(), message.sha1.is_some());
        prop_assert_eq!(parsed.has_integrity_sha256(), message.sha256.is_some());
        prop_assert_eq!(parsed.has_fingerprint(), message.fingerprint);
        let other = IntegrityKey::md5("nobody", "realm", "secret");
        prop_assert!(message.sha1.as_ref().is_none_or(|key| parsed.verify_integrity(key)));
        prop_assert!(message.sha256.as_ref().is_none_or(|key| parsed.verify_integrity_sha256(key)));
        prop_assert!(!parsed.verify_integrity(&other));
        prop_assert!(!parsed.verify_integrity_sha256(&other));
    }

    #[test]
    fn changing_any_bit_before_the_code_breaks_it(message in plan(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let key = IntegrityKey::Sha256([9; 32]);
        let message = Plan { sha1: Some(key.clone()), sha256: Some(key.clone()), fingerprint: false, ..message };
        let mut bytes = message.write();
        let covered = bytes.len() - 24 - 36;
        let at = at.index(covered);
        bytes[at] ^= 1_u8 << bit;
        // Most changes still parse; what parses must not verify.
        if let Ok(parsed) = Message::parse(&bytes) {
            prop_assert!(!parsed.verify_integrity(&key));
            prop_assert!(!parsed.verify_integrity_sha256(&key));
        }
    }

    #[test]
    fn changing_any_bit_breaks_the_fingerprint(message in plan(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let message = Plan { fingerprint: true, ..message };
        let mut bytes = message.write();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        // A changed attribute type can hide the fingerprint, and only that.
        prop_assert!(Message::parse(&bytes).map_or(true, |parsed| !parsed.has_fingerprint()));
    }

    #[test]
    fn any_address_survives_its_attribute(addresses in vec(address(), 0..5), id in id()) {
        let mut buf = [0; 256];
        let mut writer = Writer::new(&mut buf, Class::Request, Method::CREATE_PERMISSION, id);
        for address in &addresses {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *address);
        }
        let len = writer.finish().expect("fits");
        let message = Message::parse(&buf[..len]).expect("valid");
        let read: Result<Vec<_>, _> = message.xor_addresses(AttributeType::XOR_PEER_ADDRESS).collect();
        prop_assert_eq!(read, Ok(addresses));
    }

    #[test]
    fn any_error_code_survives_its_attribute(number in 300_u16..700, id in id()) {
        let code = ErrorCode::new(number).expect("in range");
        let mut buf = [0; 128];
        let len = Writer::new(&mut buf, Class::Error, Method::ALLOCATE, id).error_code(code).finish().expect("fits");
        prop_assert_eq!(Message::parse(&buf[..len]).expect("valid").error_code(), Some(code));
    }

    #[test]
    fn a_data_indication_in_place_is_the_one_a_writer_makes(peer in address(), payload in vec(any::<u8>(), 0..1600), id in id()) {
        let mut head = [0xEE; data_indication::HEADER_MAX];
        let len = data_indication::header(peer, payload.len(), id, &mut head).expect("fits");
        let mut in_place = head[..len].to_vec();
        in_place.extend_from_slice(&payload);
        in_place.resize(in_place.len() + pad_len(payload.len()), 0);

        let mut buf = [0; 2048];
        let len = Writer::new(&mut buf, Class::Indication, Method::DATA, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, &payload)
            .finish()
            .expect("fits");
        prop_assert_eq!(in_place, &buf[..len]);
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_is_cut(frames in vec(frame(), 0..12), cuts in vec(1_usize..700, 1..40)) {
        let stream: Vec<u8> = frames.iter().flat_map(Frame::padded).collect();
        let mut buffered = Vec::new();
        let mut found = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (segment, later) = rest.split_at(cut.min(rest.len()));
            buffered.extend_from_slice(segment);
            rest = later;
            loop {
                match next_frame(&buffered) {
                    Framing::Frame { len, consumed } => {
                        found.push(buffered[..len].to_vec());
                        buffered.drain(..consumed);
                    }
                    Framing::Incomplete { need } => {
                        prop_assert!(need > buffered.len());
                        break;
                    }
                    Framing::Invalid => return Err(TestCaseError::fail("a good stream is followed")),
                }
            }
        }
        prop_assert!(buffered.is_empty());
        prop_assert_eq!(found, frames.iter().map(|frame| frame.bytes.clone()).collect::<Vec<_>>());
    }
}

/// What to write.
#[derive(Clone, Debug)]
struct Plan {
    header: (Class, Method, TransactionId),
    attributes: Vec<(AttributeType, Vec<u8>)>,
    sha1: Option<IntegrityKey>,
    sha256: Option<IntegrityKey>,
    fingerprint: bool,
}

impl Plan {
    fn write(&self) -> Vec<u8> {
        let mut buf = vec![0xEE; 4096];
        let (class, method, id) = self.header;
        let mut writer = Writer::new(&mut buf, class, method, id);
        for (ty, value) in &self.attributes {
            writer.attribute(*ty, value);
        }
        if let Some(key) = &self.sha1 {
            writer.integrity(key);
        }
        if let Some(key) = &self.sha256 {
            writer.integrity_sha256(key);
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().expect("fits");
        buf.truncate(len);
        buf
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let header = (class(), (0_u16..0x1000).prop_map(|number| Method::new(number).expect("12 bits")), id());
    let ordinary = |ty: &AttributeType| {
        ![AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT]
            .contains(ty)
    };
    // Few types, so that duplicates happen, and all types.
    let ty = prop_oneof![0_u16..0x30, any::<u16>()].prop_map(AttributeType).prop_filter("ordinary", ordinary);
    let attributes = vec((ty, vec(any::<u8>(), 0..70)), 0..12);
    (header, attributes, option::of(key()), option::of(key()), any::<bool>()).prop_map(
        |(header, attributes, sha1, sha256, fingerprint)| Plan { header, attributes, sha1, sha256, fingerprint },
    )
}

/// One message of a stream.
#[derive(Clone, Debug)]
struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn padded(&self) -> Vec<u8> {
        let mut padded = self.bytes.clone();
        padded.resize(padded.len() + pad_len(padded.len()), 0);
        padded
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    let channel = (ChannelNumber::MIN.number()..=ChannelNumber::MAX.number(), vec(any::<u8>(), 0..600)).prop_map(
        |(number, payload)| {
            let number = ChannelNumber::new(number).expect("in range");
            let len = u16::try_from(payload.len()).expect("short");
            Frame { bytes: [channel_data::header(number, len).as_slice(), &payload].concat() }
        },
    );
    prop_oneof![channel, plan().prop_map(|plan| Frame { bytes: plan.write() })]
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Request), Just(Class::Indication), Just(Class::Success), Just(Class::Error)]
}

fn id() -> impl Strategy<Value = TransactionId> {
    any::<[u8; 12]>().prop_map(TransactionId)
}

fn key() -> impl Strategy<Value = IntegrityKey> {
    prop_oneof![any::<[u8; 16]>().prop_map(IntegrityKey::Md5), any::<[u8; 32]>().prop_map(IntegrityKey::Sha256)]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}
