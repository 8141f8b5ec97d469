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
