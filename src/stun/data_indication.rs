//! The bytes before a peer's data in a Data indication. RFC 8656 §11.3.
//!
//! ```text
//! | STUN header (20)                                              |
//! | XOR-PEER-ADDRESS header (4), address (8 or 20)                |
//! | DATA header (4)                                               |
//! ```
//! The payload and [`pad_len`](super::pad_len) zero bytes follow; they are never copied here.
use std::net::SocketAddr;

use super::AttributeType;
use super::Class;
use super::HEADER_LEN;
use super::Method;
use super::TransactionId;
use super::address;
use super::header::write;
use super::pad_len;

/// Bytes before the payload for an IPv6 peer, the longer form.
pub const HEADER_MAX: usize = 48;

/// Writes everything before a payload of `payload_len` bytes from `peer`: 36 bytes for IPv4, 48 for IPv6.
///
/// `None` if the message would not fit into a STUN length field (payloads above 65,504 bytes do not fit for IPv6).
pub fn header(peer: SocketAddr, payload_len: usize, id: TransactionId, out: &mut [u8; HEADER_MAX]) -> Option<usize> {
    let mut value = [0; address::MAX_LEN];
    let value_len = address::encode(peer, id, &mut value);
    let attributes_len = 4 + value_len + 4 + payload_len.checked_add(pad_len(payload_len))?;
    let length = u16::try_from(attributes_len).ok()?;
    let data_len = u16::try_from(payload_len).ok()?;

    let (stun, rest) = out.split_first_chunk_mut::<HEADER_LEN>()?;
    write(stun, Class::Indication, Method::DATA, length, id);
    let (peer_header, rest) = rest.split_first_chunk_mut::<4>()?;
    *peer_header = attribute_header(AttributeType::XOR_PEER_ADDRESS, u16::try_from(value_len).ok()?);
    let (peer_value, rest) = rest.split_at_mut_checked(value_len)?;
    peer_value.copy_from_slice(value.get(..value_len)?);
    let (data_header, _) = rest.split_first_chunk_mut::<4>()?;
    *data_header = attribute_header(AttributeType::DATA, data_len);
    Some(HEADER_LEN + 4 + value_len + 4)
}

fn attribute_header(ty: AttributeType, len: u16) -> [u8; 4] {
    let [t0, t1] = ty.0.to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    [t0, t1, l0, l1]
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    const ID: TransactionId = TransactionId(*b"transaction1");

    fn peer(text: &str) -> SocketAddr {
        text.parse().expect("address")
    }

    #[test]
    fn the_header_takes_36_or_48_bytes_and_leaves_the_rest_alone() {
        let mut out = [0xEE; HEADER_MAX];
        assert_eq!(header(peer("192.0.2.1:9"), 5, ID, &mut out), Some(36));
        assert_eq!(out[36..], [0xEE; 12]);
        assert_eq!(header(peer("[2001:db8::1]:9"), 5, ID, &mut out), Some(48));
    }

    #[test]
    fn header_payload_and_padding_are_a_data_indication() {
        let mut out = [0; HEADER_MAX];
        for (text, payload) in [("192.0.2.1:9", &b"hello"[..]), ("[2001:db8::1]:65535", b""), ("0.0.0.0:0", b"1234")] {
            let len = header(peer(text), payload.len(), ID, &mut out).expect("fits");
            let packet = [&out[..len], payload, &[0; 3][..pad_len(payload.len())]].concat();
            let message = Message::parse(&packet).expect("valid");
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
            assert_eq!(message.transaction_id(), ID);
            assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(peer(text))));
            assert_eq!(message.attribute(AttributeType::DATA), Some(payload));
            assert_eq!(message.attributes().count(), 2);
        }
    }

    #[test]
    fn payloads_beyond_the_length_field_are_refused() {
        let mut out = [0; HEADER_MAX];
        let mut fits = |peer, payload_len| header(peer, payload_len, ID, &mut out).is_some();
        assert!(fits(peer("192.0.2.1:9"), 65_516));
        assert!(!fits(peer("192.0.2.1:9"), 65_517));
        assert!(fits(peer("[2001:db8::1]:9"), 65_504));
        assert!(!fits(peer("[2001:db8::1]:9"), 65_505));
        assert!(!fits(peer("192.0.2.1:9"), usize::MAX));
    }
}
