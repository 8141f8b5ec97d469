//! STUN as bytes, written and read by hand: the suite must not share a mistake with the codec that it judges.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha1::Sha1;
use sha2::Sha256;

/// Message types: the method with the class bits of a request. RFC 8489 §5, RFC 8656 §17.
pub const BINDING: u16 = 0x0001;
pub const ALLOCATE: u16 = 0x0003;
pub const REFRESH: u16 = 0x0004;
pub const SEND: u16 = 0x0016;
pub const DATA_INDICATION: u16 = 0x0017;
pub const CREATE_PERMISSION: u16 = 0x0008;
pub const CHANNEL_BIND: u16 = 0x0009;
/// Class bits. RFC 8489 §5.
pub const INDICATION: u16 = 0x0010;
pub const SUCCESS: u16 = 0x0100;
pub const ERROR: u16 = 0x0110;

/// Attribute types. RFC 8489 §18.3, RFC 8656 §18.
pub const CHANGE_REQUEST: u16 = 0x0003;
pub const USERNAME: u16 = 0x0006;
pub const INTEGRITY: u16 = 0x0008;
pub const ERROR_CODE: u16 = 0x0009;
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub const CHANNEL_NUMBER: u16 = 0x000C;
pub const LIFETIME: u16 = 0x000D;
pub const PEER: u16 = 0x0012;
pub const DATA: u16 = 0x0013;
pub const REALM: u16 = 0x0014;
pub const NONCE: u16 = 0x0015;
pub const RELAYED: u16 = 0x0016;
pub const FAMILY: u16 = 0x0017;
pub const EVEN_PORT: u16 = 0x0018;
pub const TRANSPORT: u16 = 0x0019;
pub const DONT_FRAGMENT: u16 = 0x001A;
pub const INTEGRITY_SHA256: u16 = 0x001C;
pub const PASSWORD_ALGORITHM: u16 = 0x001D;
pub const USERHASH: u16 = 0x001E;
pub const MAPPED: u16 = 0x0020;
pub const TOKEN: u16 = 0x0022;
pub const SECOND_FAMILY: u16 = 0x8000;
pub const ADDRESS_ERROR: u16 = 0x8001;
pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
pub const ICMP: u16 = 0x8004;
pub const SOFTWARE: u16 = 0x8022;
pub const ALTERNATE_SERVER: u16 = 0x8023;
pub const FINGERPRINT: u16 = 0x8028;

pub const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER_LEN: usize = 20;

/// A message that is being written.
#[derive(Clone, Debug)]
pub struct Packet(pub Vec<u8>);

impl Packet {
    /// A header of this type with a transaction id that no other packet of this run has.
    pub fn new(ty: u16) -> Packet {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let header = [&ty.to_be_bytes()[..], &[0, 0], &COOKIE, b"conf", &id].concat();
        Packet(header)
    }

    /// An Allocate for UDP.
    pub fn allocate() -> Packet {
        Packet::new(ALLOCATE).u32(TRANSPORT, 17 << 24)
    }

    pub fn ty(&self) -> u16 {
        u16_at(&self.0, 0)
    }

    pub fn id(&self) -> &[u8] {
        &self.0[8..HEADER_LEN]
    }

    pub fn attr(self, ty: u16, value: &[u8]) -> Packet {
        self.padded(ty, value, 0)
    }

    /// An attribute whose padding has this value in every byte.
    pub fn padded(mut self, ty: u16, value: &[u8], padding: u8) -> Packet {
        self.0.extend_from_slice(&ty.to_be_bytes());
        self.0.extend_from_slice(&len_of(value).to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), padding);
        self.with_length(0)
    }

    pub fn u32(self, ty: u16, value: u32) -> Packet {
        self.attr(ty, &value.to_be_bytes())
    }

    /// An attribute with one byte and three that are reserved, as families are written.
    pub fn byte(self, ty: u16, value: u8) -> Packet {
        self.attr(ty, &[value, 0, 0, 0])
    }

    pub fn peer(self, peer: SocketAddr) -> Packet {
        let value = xor_address(peer, self.id());
        self.attr(PEER, &value)
    }

    pub fn channel(self, number: u16) -> Packet {
        self.u32(CHANNEL_NUMBER, u32::from(number) << 16)
    }

    /// MESSAGE-INTEGRITY: the length in the header already counts it. RFC 8489 §14.5.
    pub fn sign(self, key: &[u8]) -> Packet {
        let message = self.with_length(24);
        let code = hmac_sha1(key, &message.0);
        message.attr(INTEGRITY, &code)
    }

    /// MESSAGE-INTEGRITY-SHA256 of which only the first `len` bytes are sent. RFC 8489 §14.6.
    pub fn sign_sha256(self, key: &[u8], len: usize) -> Packet {
        let message = self.with_length(4 + len.next_multiple_of(4));
        let mut code = hmac_sha256(key, &message.0).to_vec();
        code.resize(len, 0);
        message.attr(INTEGRITY_SHA256, &code)
    }

    /// RFC 8489 §14.7.
    pub fn fingerprint(self) -> Packet {
        let message = self.with_length(8);
        let code = crc32fast::hash(&message.0) ^ 0x5354_554E;
        message.u32(FINGERPRINT, code)
    }

    /// Writes the length of what is there and `more` bytes to come into the header.
    fn with_length(mut self, more: usize) -> Packet {
        let len = u16::try_from(self.0.len() - HEADER_LEN + more).expect("a message of 64 KiB at most");
        self.0[2..4].copy_from_slice(&len.to_be_bytes());
        self
    }
}

/// A message that came, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    pub ty: u16,
    pub id: Vec<u8>,
    /// Type and value, in their order.
    pub attributes: Vec<(u16, Vec<u8>)>,
    /// Where each attribute begins.
    starts: Vec<usize>,
    bytes: Vec<u8>,
}

impl Parsed {
    /// Takes a message apart.
    ///
    /// # Errors
    ///
    /// What is wrong with it: the header, an attribute that runs over, padding that is not zero, a wrong fingerprint.
    pub fn read(bytes: &[u8]) -> Result<Parsed, String> {
        if bytes.len() < HEADER_LEN || bytes[0] > 0x3F || bytes[4..8] != COOKIE {
            return Err(format!("no STUN header: {:02x?}", &bytes[..bytes.len().min(8)]));
        }
        if usize::from(u16_at(bytes, 2)) != bytes.len() - HEADER_LEN {
            return Err("the length of the header is not that of the message".to_owned());
        }
        let (mut attributes, mut starts, mut at) = (Vec::new(), Vec::new(), HEADER_LEN);
        while at < bytes.len() {
            if bytes.len() < at + 4 {
                return Err("an attribute without its header".to_owned());
            }
            let (ty, end) = (u16_at(bytes, at), at + 4 + usize::from(u16_at(bytes, at + 2)));
            let next = end.next_multiple_of(4);
            if next > bytes.len() {
                return Err(format!("attribute {ty:#06x} runs over the message"));
            }
            if bytes[end..next].iter().any(|byte| *byte != 0) {
                return Err(format!("padding of attribute {ty:#06x} is not zero"));
            }
            attributes.push((ty, bytes[at + 4..end].to_vec()));
            starts.push(at);
            at = next;
        }
        let parsed = Parsed {
            ty: u16_at(bytes, 0),
            id: bytes[8..HEADER_LEN].to_vec(),
            attributes,
            starts,
            bytes: bytes.to_vec(),
        };
        if let Some(place) = parsed.place(FINGERPRINT) {
            let code = crc32fast::hash(&bytes[..parsed.starts[place]]) ^ 0x5354_554E;
            if place + 1 != parsed.attributes.len() || parsed.attributes[place].1 != code.to_be_bytes() {
                return Err("FINGERPRINT is wrong or not the last attribute".to_owned());
            }
        }
        Ok(parsed)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    fn place(&self, ty: u16) -> Option<usize> {
        self.attributes.iter().position(|(known, _)| *known == ty)
    }

    pub fn get(&self, ty: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(known, _)| *known == ty).map(|(_, value)| &value[..])
    }

    pub fn has(&self, ty: u16) -> bool {
        self.get(ty).is_some()
    }

    pub fn types(&self) -> Vec<u16> {
        self.attributes.iter().map(|(ty, _)| *ty).collect()
    }

    pub fn u32(&self, ty: u16) -> Option<u32> {
        self.get(ty)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The error code; 0 if there is none.
    pub fn code(&self) -> u16 {
        match self.get(ERROR_CODE) {
            Some([_, _, class, number, ..]) => u16::from(class & 7) * 100 + u16::from(*number),
            _ => 0,
        }
    }

    /// All addresses of an attribute type, unmasked.
    pub fn addresses(&self, ty: u16) -> Vec<SocketAddr> {
        let values = self.attributes.iter().filter(|(known, _)| *known == ty);
        values.filter_map(|(_, value)| read_xor_address(value, &self.id)).collect()
    }

    pub fn address(&self, ty: u16) -> Option<SocketAddr> {
        self.addresses(ty).first().copied()
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this key.
    pub fn is_signed(&self, key: &[u8]) -> bool {
        self.code_before(INTEGRITY).is_some_and(|(covered, code)| code == hmac_sha1(key, &covered))
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there, whole, and made with this key.
    pub fn is_signed_sha256(&self, key: &[u8]) -> bool {
        self.code_before(INTEGRITY_SHA256).is_some_and(|(covered, code)| code == hmac_sha256(key, &covered))
    }

    /// What an integrity attribute covers, with the length in the header ending behind it; and its value.
    fn code_before(&self, ty: u16) -> Option<(Vec<u8>, &[u8])> {
        let place = self.place(ty)?;
        let code = &self.attributes[place].1[..];
        let mut covered = self.bytes[..self.starts[place]].to_vec();
        let len = u16::try_from(covered.len() - HEADER_LEN + 4 + code.len()).ok()?;
        covered[2..4].copy_from_slice(&len.to_be_bytes());
        Some((covered, code))
    }
}

/// A ChannelData message without padding. RFC 8656 §12.4.
pub fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &len_of(payload).to_be_bytes(), payload].concat()
}

pub fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn xor_address(address: SocketAddr, id: &[u8]) -> Vec<u8> {
    let mask = [&COOKIE[..], id].concat();
    let (family, ip) = match address.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let masked = |bytes: &[u8]| bytes.iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
    [vec![0, family], masked(&address.port().to_be_bytes()), masked(&ip)].concat()
}

fn read_xor_address(value: &[u8], id: &[u8]) -> Option<SocketAddr> {
    let mask = [&COOKIE[..], id].concat();
    let [_, family, rest @ ..] = value else { return None };
    let (port, ip) = rest.split_at_checked(2)?;
    let port = [port[0] ^ mask[0], port[1] ^ mask[1]];
    let ip: Vec<u8> = ip.iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match (family, ip.len()) {
        (1, 4) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        (2, 16) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(port)))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn len_of(value: &[u8]) -> u16 {
    u16::try_from(value.len()).expect("64 KiB at most")
}

/// The sample request and response of RFC 5769 §2.1 and §2.2: this reader and writer agree with the standard.
#[test]
fn the_suites_own_codec_agrees_with_the_published_vectors() {
    let id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
    let header = [&[0x00, 0x01, 0, 0][..], &COOKIE, &id].concat();
    let request = Packet(header)
        .attr(SOFTWARE, b"STUN test client")
        .u32(0x0024, 0x6e00_01ff)
        .attr(0x8029, &[0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36])
        .padded(USERNAME, b"evtj:h6vY", 0x20)
        .sign(b"VOkJxbRl1RmTxUk/WvJxBt");
    let code = [
        0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5,
        0x71, 0xa2,
    ];
    assert!(request.0.ends_with(&code), "MESSAGE-INTEGRITY");
    assert!(request.fingerprint().0.ends_with(&[0xe5, 0x7a, 0x3b, 0xcf]), "FINGERPRINT");
    let mapped = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
    let address: SocketAddr = "192.0.2.1:32853".parse().expect("an address");
    assert_eq!((read_xor_address(&mapped, &id), xor_address(address, &id)), (Some(address), mapped.to_vec()));
}
