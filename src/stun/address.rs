//! Addresses: XOR-MAPPED-, XOR-PEER-, XOR-RELAYED-ADDRESS, and ALTERNATE-SERVER, which is plain. RFC 8489 §14.1, §14.2.
//!
//! ```text
//! | 0             | family        | port ^ top 16 bits of cookie  |
//! | address ^ (cookie, then transaction id for IPv6)              |
//! ```
//! A plain address has the same form without the XOR.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use super::AttributeError;
use super::MAGIC_COOKIE;
use super::TransactionId;

/// Bytes of the longest value: an IPv6 address.
pub(super) const MAX_LEN: usize = 20;

/// RFC 8489 §14.1.
const FAMILY_IPV4: u8 = 1;
/// RFC 8489 §14.1.
const FAMILY_IPV6: u8 = 2;

/// The mask of a plain address.
const NO_MASK: [u8; 16] = [0; 16];

/// Writes the value for `address` and returns its length: 8 bytes for IPv4, 20 for IPv6.
pub(super) fn encode(address: SocketAddr, id: TransactionId, out: &mut [u8; MAX_LEN]) -> usize {
    encode_with(mask(id), address, out)
}

/// Writes the plain value for `address` and returns its length: 8 bytes for IPv4, 20 for IPv6.
pub(super) fn encode_plain(address: SocketAddr, out: &mut [u8; MAX_LEN]) -> usize {
    encode_with(NO_MASK, address, out)
}

/// Reads the value of an address attribute of a message with transaction id `id`.
///
/// # Errors
///
/// [`AttributeError::Family`] for an unknown family, [`AttributeError::Length`] for a length that does not fit it.
pub(super) fn decode(value: &[u8], id: TransactionId) -> Result<SocketAddr, AttributeError> {
    decode_with(mask(id), value)
}

/// Reads a plain address; fails like [`decode`].
pub(super) fn decode_plain(value: &[u8]) -> Result<SocketAddr, AttributeError> {
    decode_with(NO_MASK, value)
}

fn encode_with(mask: [u8; 16], address: SocketAddr, out: &mut [u8; MAX_LEN]) -> usize {
    let [m0, m1, m2, m3, ..] = mask;
    let [p0, p1] = (address.port() ^ u16::from_be_bytes([m0, m1])).to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = (u32::from(ip) ^ u32::from_be_bytes([m0, m1, m2, m3])).to_be_bytes();
            let (value, _) = out.split_at_mut(8);
            value.copy_from_slice(&[0, FAMILY_IPV4, p0, p1, a, b, c, d]);
            8
        }
        IpAddr::V6(ip) => {
            let (head, rest) = out.split_at_mut(4);
            head.copy_from_slice(&[0, FAMILY_IPV6, p0, p1]);
            rest.copy_from_slice(&(u128::from(ip) ^ u128::from_be_bytes(mask)).to_be_bytes());
            20
        }
    }
}

fn decode_with(mask: [u8; 16], value: &[u8]) -> Result<SocketAddr, AttributeError> {
    let Some((&[_, family, p0, p1], rest)) = value.split_first_chunk::<4>() else {
        return Err(AttributeError::Length);
    };
    let [m0, m1, m2, m3, ..] = mask;
    let port = u16::from_be_bytes([p0, p1]) ^ u16::from_be_bytes([m0, m1]);
    let ip = match family {
        FAMILY_IPV4 => {
            let bytes = <[u8; 4]>::try_from(rest).map_err(|_| AttributeError::Length)?;
            IpAddr::V4(Ipv4Addr::from(u32::from_be_bytes(bytes) ^ u32::from_be_bytes([m0, m1, m2, m3])))
        }
        FAMILY_IPV6 => {
            let bytes = <[u8; 16]>::try_from(rest).map_err(|_| AttributeError::Length)?;
            IpAddr::V6(Ipv6Addr::from(u128::from_be_bytes(bytes) ^ u128::from_be_bytes(mask)))
        }
        _ => return Err(AttributeError::Family),
    };
    Ok(SocketAddr::new(ip, port))
}

/// What an address is XORed with: cookie and transaction id, from the front as far as it is long.
fn mask(id: TransactionId) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (cookie, rest) = bytes.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    rest.copy_from_slice(&id.0);
    bytes
}
