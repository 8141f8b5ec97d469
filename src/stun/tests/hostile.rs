//! Unusual, broken and hostile messages, built byte by byte.
use super::super::AttributeError;
use super::super::AttributeType;
use super::super::Class;
use super::super::IntegrityKey;
use super::super::Message;
use super::super::Method;
use super::super::ParseError;
use super::super::fingerprint;
use super::super::integrity::hmac_sha1;
use super::super::integrity::hmac_sha256;

const BINDING_REQUEST: u16 = 0x0001;
const MI: u16 = 0x0008;
const MI_SHA256: u16 = 0x001C;
const FINGERPRINT: u16 = 0x8028;
const KEY: IntegrityKey = IntegrityKey::Md5([7; 16]);

/// A message in the making, without any of the writer's care.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl Raw {
    fn new(message_type: u16) -> Raw {
        let mut bytes = message_type.to_be_bytes().to_vec();
        bytes.extend_from_slice(b"\0\0\x21\x12\xA4\x42transaction1");
        Raw(bytes)
    }

    fn with(mut self, ty: u16, value: &[u8]) -> Raw {
        self.0.extend_from_slice(&ty.to_be_bytes());
        self.0.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.lengthen(0)
    }

    /// Sets the header's length to what is there and `more`.
    fn lengthen(mut self, more: usize) -> Raw {
        let length = u16::try_from(self.0.len() - 20 + more).expect("short");
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    fn integrity(self) -> Raw {
        let before = self.lengthen(24);
        let code = hmac_sha1(KEY.as_bytes(), &before.0, &[]);
        before.with(MI, &code)
    }

    fn integrity_sha256(self) -> Raw {
        let before = self.lengthen(36);
        let code = hmac_sha256(KEY.as_bytes(), &before.0, &[]);
        before.with(MI_SHA256, &code)
    }

    fn fingerprint(self) -> Raw {
        let before = self.lengthen(8);
        let value = fingerprint::value(&before.0);
        before.with(FINGERPRINT, &value.to_be_bytes())
    }

    fn parse(&self) -> Message<'_> {
        Message::parse(&self.0).expect("valid")
    }

    fn error(&self) -> ParseError {
        Message::parse(&self.0).expect_err("invalid")
    }
}

#[test]
fn the_shortest_message_is_a_header() {
    let raw = Raw::new(BINDING_REQUEST);
    let message = raw.parse();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.attributes().count(), 0);
    for len in 0..20 {
        assert_eq!(Message::parse(&raw.0[..len]).expect_err("short"), ParseError::TooShort, "{len} bytes");
    }
}

#[test]
fn messages_with_top_bits_are_refused() {
    for top in [0x4000, 0x8000, 0xC000] {
        assert_eq!(Raw::new(top | BINDING_REQUEST).error(), ParseError::NotStun);
    }
}

#[test]
fn messages_without_the_cookie_are_refused() {
    for at in 4..8 {
        let mut raw = Raw::new(BINDING_REQUEST);
        raw.0[at] ^= 1;
        assert_eq!(raw.error(), ParseError::Cookie);
    }
}

#[test]
fn lengths_that_are_not_those_of_the_packet_are_refused() {
    for length in [1_u16, 2, 3, 4, 12, 16, 0xFFFC, 0xFFFF] {
        let mut raw = Raw::new(BINDING_REQUEST).with(0x8022, b"abcd");
        raw.0[2..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(raw.error(), ParseError::Length, "{length}");
    }
    let mut longer = Raw::new(BINDING_REQUEST);
    longer.0.push(0);
    assert_eq!(longer.error(), ParseError::Length);
    let mut ragged = Raw::new(BINDING_REQUEST).with(0x8022, b"abcd");
    ragged.0.truncate(26);
    ragged.0[3] = 6;
    assert_eq!(ragged.error(), ParseError::Length);
}

#[test]
fn attributes_beyond_the_message_are_refused() {
    for len in [5_u16, 8, 9, 0x7FFF, 0xFFFC, 0xFFFF] {
        let mut raw = Raw::new(BINDING_REQUEST).with(0x0006, b"").with(0x8022, b"abcd");
        raw.0[26..28].copy_from_slice(&len.to_be_bytes());
        assert_eq!(raw.error(), ParseError::Attribute, "{len}");
    }
    let mut hidden = Raw::new(BINDING_REQUEST).integrity().with(0x8022, b"abcd");
    hidden.0[46..48].copy_from_slice(&8_u16.to_be_bytes());
    assert_eq!(hidden.error(), ParseError::Attribute, "after the integrity attribute too");
}

#[test]
fn padding_may_hold_anything() {
    let mut raw = Raw::new(BINDING_REQUEST).with(0x0006, b"a").with(0x0014, b"realm");
    for at in [25, 26, 27, 37, 38, 39] {
        raw.0[at] = 0xFF;
    }
    let message = raw.parse();
    assert_eq!(message.attribute(AttributeType::USERNAME), Some(&b"a"[..]));
    assert_eq!(message.attribute(AttributeType::REALM), Some(&b"realm"[..]));
}

#[test]
fn unknown_methods_are_parsed() {
    let raw = Raw::new(0x3EEF);
    assert_eq!((raw.parse().class(), raw.parse().method().number()), (Class::Request, 0xFFF));
}

#[test]
fn required_attributes_that_are_unknown_are_listed_in_order() {
    let raw = Raw::new(BINDING_REQUEST)
        .with(0x7FFF, b"")
        .with(0x0006, b"user")
        .with(0x8000, b"")
        .with(0xFF05, b"vendor")
        .with(0x0003, b"\0\0\0\0")
        .integrity()
        .with(0x0099, b"invisible")
        .fingerprint();
    let unknown: Vec<_> = raw.parse().unknown_required(&[AttributeType::USERNAME]).collect();
    assert_eq!(unknown, [AttributeType(0x7FFF), AttributeType(0x0003)]);
}

#[test]
fn the_first_of_two_equal_attributes_wins() {
    let raw = Raw::new(BINDING_REQUEST).with(0x000D, &[0, 0, 2, 0x58]).with(0x000D, &[0, 0, 0, 0]);
    assert_eq!(raw.parse().u32(AttributeType::LIFETIME), Some(Ok(600)));
    assert_eq!(raw.parse().attribute_range(AttributeType::LIFETIME), Some(24..28));
}

#[test]
fn attributes_after_the_integrity_are_invisible() {
    let raw = Raw::new(BINDING_REQUEST)
        .with(0x000D, &[0, 0, 2, 0x58])
        .integrity()
        .with(0x0013, b"data")
        .with(0x0012, b"\0\x01\0\0\0\0\0\0")
        .with(MI, &[0; 20])
        .fingerprint();
    let message = raw.parse();
    assert!(message.verify_integrity(&KEY), "the code covers what stands before it only");
    assert!(message.has_fingerprint());
    assert_eq!(message.attributes().count(), 1);
    assert_eq!(message.attribute(AttributeType::DATA), None);
    assert_eq!(message.attribute_range(AttributeType::DATA), None);
    assert_eq!(message.xor_addresses(AttributeType::XOR_PEER_ADDRESS).count(), 0);
}

#[test]
fn both_integrity_attributes_are_verified_apart() {
    let raw = Raw::new(BINDING_REQUEST).with(0x0006, b"user").integrity().integrity_sha256().fingerprint();
    let message = raw.parse();
    assert!(message.verify_integrity(&KEY) && message.verify_integrity_sha256(&KEY));
    let mut broken = Raw::new(BINDING_REQUEST).with(0x0006, b"user").integrity();
    broken.0[28] ^= 1;
    let broken = broken.integrity_sha256();
    assert!(!broken.parse().verify_integrity(&KEY));
    assert!(broken.parse().verify_integrity_sha256(&KEY));
}

#[test]
fn message_integrity_behind_the_sha256_one_is_ignored() {
    let raw = Raw::new(BINDING_REQUEST).integrity_sha256().integrity();
    let message = raw.parse();
    assert!(!message.has_integrity());
    assert!(!message.verify_integrity(&KEY));
    assert!(message.verify_integrity_sha256(&KEY));
}

#[test]
fn integrity_values_of_another_length_do_not_verify() {
    let sha1_before = Raw::new(BINDING_REQUEST).lengthen(24);
    let sha1 = hmac_sha1(KEY.as_bytes(), &sha1_before.0, &[]);
    let sha256_before = Raw::new(BINDING_REQUEST).lengthen(36);
    let sha256 = hmac_sha256(KEY.as_bytes(), &sha256_before.0, &[]);
    for len in 0..40 {
        let raw = Raw::new(BINDING_REQUEST).with(MI, &[&sha1[..], &[0; 20]].concat()[..len]);
        assert!(raw.parse().has_integrity());
        assert_eq!(raw.parse().verify_integrity(&KEY), len == 20, "{len} bytes");
    }
    for len in 0_usize..40 {
        // A truncated code is right as far as it goes, and still refused. RFC 8489 §14.6.
        let length = 4 + len.next_multiple_of(4);
        let truncated = hmac_sha256(KEY.as_bytes(), &Raw::new(BINDING_REQUEST).lengthen(length).0, &[]);
        let value = if len == 32 { sha256 } else { truncated };
        let raw = Raw::new(BINDING_REQUEST).with(MI_SHA256, &[&value[..], &[0; 8]].concat()[..len]);
        assert!(raw.parse().has_integrity_sha256());
        assert_eq!(raw.parse().verify_integrity_sha256(&KEY), len == 32, "{len} bytes");
    }
}

#[test]
fn a_message_without_integrity_never_verifies() {
    let raw = Raw::new(BINDING_REQUEST).with(0x0006, b"user").fingerprint();
    assert!(!raw.parse().has_integrity() && !raw.parse().has_integrity_sha256());
    assert!(!raw.parse().verify_integrity(&KEY) && !raw.parse().verify_integrity_sha256(&KEY));
}

#[test]
fn a_fingerprint_must_be_last_and_right() {
    assert!(Raw::new(BINDING_REQUEST).fingerprint().parse().has_fingerprint());
    let not_last = Raw::new(BINDING_REQUEST).fingerprint().with(0x8022, b"abcd");
    assert_eq!(not_last.error(), ParseError::Fingerprint);
    let before = Raw::new(BINDING_REQUEST).lengthen(16);
    let value = fingerprint::value(&before.0).to_be_bytes();
    let right_but_not_last = before.with(FINGERPRINT, &value).with(0x8022, b"abcd");
    assert_eq!(right_but_not_last.error(), ParseError::Fingerprint);
    let twice = Raw::new(BINDING_REQUEST).fingerprint().fingerprint();
    assert_eq!(twice.error(), ParseError::Fingerprint);
    let wrong = Raw::new(BINDING_REQUEST).with(FINGERPRINT, &[0; 4]);
    assert_eq!(wrong.error(), ParseError::Fingerprint);
    for len in [0, 1, 3, 5, 8] {
        let odd = Raw::new(BINDING_REQUEST).with(FINGERPRINT, &[0; 8][..len]);
        assert_eq!(odd.error(), ParseError::Fingerprint, "{len} bytes");
    }
}

#[test]
fn numbers_of_another_length_are_refused() {
    for len in [0, 1, 2, 3, 5, 8] {
        let raw = Raw::new(BINDING_REQUEST).with(0x000D, &[1; 8][..len]);
        assert_eq!(raw.parse().u32(AttributeType::LIFETIME), Some(Err(AttributeError::Length)), "{len} bytes");
    }
    assert_eq!(Raw::new(BINDING_REQUEST).parse().u32(AttributeType::LIFETIME), None);
}

#[test]
fn addresses_of_another_family_or_length_are_refused() {
    let read = |value: &[u8]| {
        Raw::new(BINDING_REQUEST).with(0x0012, value).parse().xor_address(AttributeType::XOR_PEER_ADDRESS)
    };
    for family in [0, 3, 4, 0x11, 0xFF] {
        assert_eq!(read(&[0, family, 0, 0, 1, 2, 3, 4]), Some(Err(AttributeError::Family)), "family {family}");
    }
    for len in (0..24).filter(|len| *len != 8) {
        assert_eq!(
            read(&[&[0, 1][..], &[0; 22]].concat()[..len]),
            Some(Err(AttributeError::Length)),
            "IPv4 in {len} bytes"
        );
    }
    for len in (0..24).filter(|len| *len != 20) {
        assert_eq!(
            read(&[&[0, 2][..], &[0; 22]].concat()[..len]),
            Some(Err(AttributeError::Length)),
            "IPv6 in {len} bytes"
        );
    }
    assert!(read(&[0xFF, 1, 0, 0, 1, 2, 3, 4]).is_some_and(|read| read.is_ok()), "the first byte is reserved");
}

#[test]
fn texts_have_a_limit_and_are_utf_8() {
    let read = |ty: AttributeType, value: &[u8]| {
        Raw::new(BINDING_REQUEST).with(ty.0, value).parse().text(ty).map(|text| text.map(str::len))
    };
    assert_eq!(read(AttributeType::USERNAME, &[b'a'; 508]), Some(Ok(508)));
    assert_eq!(read(AttributeType::USERNAME, &[b'a'; 509]), Some(Err(AttributeError::Length)));
    for ty in [AttributeType::REALM, AttributeType::NONCE, AttributeType::SOFTWARE] {
        assert_eq!(read(ty, &[b'a'; 127]), Some(Ok(127)));
        assert_eq!(read(ty, &[b'a'; 128]), Some(Err(AttributeError::Length)));
        assert_eq!(read(ty, "\u{1F642}".repeat(127).as_bytes()), Some(Ok(508)));
        assert_eq!(read(ty, &[b'a'; 764]), Some(Err(AttributeError::Length)));
    }
    assert_eq!(read(AttributeType::REALM, b"\xC3\x28"), Some(Err(AttributeError::Utf8)));
    assert_eq!(read(AttributeType::REALM, b""), Some(Ok(0)));
}

#[test]
fn error_codes_that_cannot_be_read_are_none() {
    for value in [&b""[..], &[0, 0, 4], &[0, 0, 4, 100], &[0, 0, 2, 99], &[0, 0, 7, 0]] {
        assert_eq!(Raw::new(0x0111).with(0x0009, value).parse().error_code(), None, "{value:?}");
    }
}

#[test]
fn the_largest_message_is_parsed() {
    let raw = Raw::new(0x0016).with(0x0013, &vec![1; 65_528]);
    assert_eq!(raw.0.len(), 65_552);
    assert_eq!(raw.parse().attribute_range(AttributeType::DATA), Some(24..65_552));
}

#[test]
fn integrity_at_the_very_end_of_the_largest_message_is_verified() {
    let raw = Raw::new(BINDING_REQUEST).with(0x0013, &vec![1; 65_504]).integrity();
    assert_eq!(raw.0.len(), 65_552);
    assert!(raw.parse().verify_integrity(&KEY));
}

#[test]
fn a_message_of_empty_attributes_only_is_walked_to_its_end() {
    let mut raw = Raw::new(BINDING_REQUEST);
    raw.0.resize(20 + 0xFFFC, 0);
    let raw = raw.lengthen(0);
    assert_eq!(raw.parse().attributes().count(), 0xFFFC / 4);
    assert_eq!(raw.parse().attribute(AttributeType::USERNAME), None);
}
