//! The published test vectors: RFC 5769 (all four) and RFC 8489 §B.1. Each verifies and is rebuilt byte for byte.
use std::net::SocketAddr;

use super::super::AttributeType;
use super::super::Class;
use super::super::IntegrityKey;
use super::super::Message;
use super::super::Method;
use super::super::TransactionId;
use super::super::UserHash;
use super::super::Writer;

/// The short-term password of RFC 5769 §2.1 to §2.3.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId = TransactionId(*b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
const LONG_TERM_ID: TransactionId = TransactionId(*b"\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e");
/// The username of RFC 5769 §2.4.
const LONG_TERM_USER: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";

/// RFC 5769 §2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae
    802200105354554e207465737420636c69656e74 002400046e0001ff 80290008932ff9b151263b36
    000600096576746a3a68367659202020 000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf";

/// RFC 5769 §2.2.
const IPV4_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220 002000080001a147e112a643
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96";

/// RFC 5769 §2.3.
const IPV6_RESPONSE: &str = "010100482112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220 002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014a382954e4be67bf11784c97c8292c275bfe3ed41 80280004c8fb0b4c";

/// RFC 5769 §2.4.
const LONG_TERM_REQUEST: &str = "000100602112a44278ad3433c6ad72c029da412e
    00060012e3839ee38388e383aae38383e382afe382b90000
    0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341
    0014000b6578616d706c652e6f726700 00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

/// RFC 8489 §B.1, with PASSWORD-ALGORITHM as its erratum has it.
const SHA256_REQUEST: &str = "000100902112a44278ad3433c6ad72c029da412e
    001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
    001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341000000
    0014000b6578616d706c652e6f726700 001d000400020000
    001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

#[test]
fn the_sample_request_is_understood() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).expect("valid");
    assert_eq!((message.class(), message.method(), message.transaction_id()), (Class::Request, Method::BINDING, ID));
    assert_eq!(message.text(AttributeType::SOFTWARE), Some(Ok("STUN test client")));
    assert_eq!(message.text(AttributeType::USERNAME), Some(Ok("evtj:h6vY")));
    assert_eq!(message.u32(PRIORITY), Some(Ok(0x6e00_01ff)));
    assert!(message.has_integrity() && message.has_fingerprint() && !message.has_integrity_sha256());
    assert!(message.verify_sha1(PASSWORD));
    assert!(!message.verify_sha1(b"VOkJxbRl1RmTxUk/WvJxBT"));
    let known = [AttributeType::USERNAME, AttributeType::SOFTWARE];
    assert_eq!(message.unknown_required(&known).collect::<Vec<_>>(), [PRIORITY]);
}

#[test]
fn the_sample_request_is_rebuilt() {
    let mut buf = [0; 256];
    let len = Writer::new(&mut buf, Class::Request, Method::BINDING, ID)
        .attribute(AttributeType::SOFTWARE, b"STUN test client")
        .u32(PRIORITY, 0x6e00_01ff)
        .attribute(ICE_CONTROLLED, b"\x93\x2f\xf9\xb1\x51\x26\x3b\x36")
        .attribute_padded(AttributeType::USERNAME, b"evtj:h6vY", b' ')
        .integrity_sha1(PASSWORD)
        .fingerprint()
        .finish()
        .expect("fits");
    assert_eq!(&buf[..len], bytes(REQUEST));
}

#[test]
fn the_sample_responses_are_understood() {
    for (text, expected) in
        [(IPV4_RESPONSE, "192.0.2.1:32853"), (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let bytes = bytes(text);
        let message = Message::parse(&bytes).expect("valid");
        assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
        assert_eq!(message.text(AttributeType::SOFTWARE), Some(Ok("test vector")));
        assert_eq!(message.xor_address(AttributeType::XOR_MAPPED_ADDRESS), Some(Ok(address(expected))));
        assert!(message.has_fingerprint());
        assert!(message.verify_sha1(PASSWORD));
    }
}

#[test]
fn the_sample_responses_are_rebuilt() {
    for (text, mapped) in
        [(IPV4_RESPONSE, "192.0.2.1:32853"), (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let mut buf = [0; 256];
        let len = Writer::new(&mut buf, Class::Success, Method::BINDING, ID)
            .attribute_padded(AttributeType::SOFTWARE, b"test vector", b' ')
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, address(mapped))
            .integrity_sha1(PASSWORD)
            .fingerprint()
            .finish()
            .expect("fits");
        assert_eq!(&buf[..len], bytes(text));
    }
}

#[test]
fn the_sample_request_with_long_term_credentials_is_understood() {
    let bytes = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&bytes).expect("valid");
    assert_eq!(message.text(AttributeType::USERNAME), Some(Ok(LONG_TERM_USER)));
    assert_eq!(message.text(AttributeType::NONCE), Some(Ok("f//499k954d6OL34oL9FSTvy64sA")));
    assert_eq!(message.text(AttributeType::REALM), Some(Ok("example.org")));
    assert!(!message.has_fingerprint());
    assert!(message.verify_integrity(&IntegrityKey::md5(LONG_TERM_USER, "example.org", "TheMatrIX")));
    assert!(!message.verify_integrity(&IntegrityKey::md5(LONG_TERM_USER, "example.com", "TheMatrIX")));
}

#[test]
fn the_sample_request_with_long_term_credentials_is_rebuilt() {
    let mut buf = [0xEE; 256];
    let len = Writer::new(&mut buf, Class::Request, Method::BINDING, LONG_TERM_ID)
        .attribute(AttributeType::USERNAME, LONG_TERM_USER.as_bytes())
        .attribute(AttributeType::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, b"example.org")
        .integrity(&IntegrityKey::md5(LONG_TERM_USER, "example.org", "TheMatrIX"))
        .finish()
        .expect("fits");
    assert_eq!(&buf[..len], bytes(LONG_TERM_REQUEST));
}

#[test]
fn the_sample_request_with_sha256_is_understood_and_rebuilt() {
    let bytes = bytes(SHA256_REQUEST);
    let key = IntegrityKey::sha256(LONG_TERM_USER, "example.org", "TheMatrIX");
    let message = Message::parse(&bytes).expect("valid");
    assert!(message.has_integrity_sha256() && !message.has_integrity());
    let hash = UserHash::of(LONG_TERM_USER, "example.org");
    assert_eq!(message.attribute(AttributeType::USERHASH), Some(&hash.as_bytes()[..]));
    assert!(message.verify_integrity_sha256(&key));
    assert!(!message.verify_integrity(&key));

    let mut buf = [0xEE; 256];
    let attribute = |ty| message.attribute(ty).expect("present");
    let len = Writer::new(&mut buf, Class::Request, Method::BINDING, LONG_TERM_ID)
        .attribute(AttributeType::USERHASH, attribute(AttributeType::USERHASH))
        .attribute(AttributeType::NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, b"example.org")
        .attribute(AttributeType::PASSWORD_ALGORITHM, &[0, 2, 0, 0])
        .integrity_sha256(&key)
        .finish()
        .expect("fits");
    assert_eq!(&buf[..len], bytes);
}

/// RFC 8445 §16.1.
const PRIORITY: AttributeType = AttributeType(0x0024);
/// RFC 8445 §16.1.
const ICE_CONTROLLED: AttributeType = AttributeType(0x8029);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits")).collect()
}
