//! A received STUN message: checked once, then read in place. RFC 8489 §5, §14.
use std::net::SocketAddr;
use std::ops::Range;

use subtle::ConstantTimeEq;

use super::AttributeError;
use super::AttributeType;
use super::Class;
use super::ErrorCode;
use super::HEADER_LEN;
use super::IntegrityKey;
use super::IntegrityKind;
use super::MAGIC_COOKIE;
use super::Method;
use super::TransactionId;
use super::address;
use super::fingerprint;
use super::header::split_type;
use super::integrity::SHA1_LEN;
use super::integrity::SHA256_LEN;
use super::integrity::SHA256_LENS;
use super::integrity::hmac_sha1;
use super::integrity::hmac_sha256;
use super::pad_len;

/// Why bytes are not a STUN message; such a packet is dropped without a reply.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Fewer bytes than a header.
    #[error("shorter than a STUN header")]
    TooShort,
    /// The two top bits are not zero.
    #[error("not a STUN message type")]
    NotStun,
    /// The magic cookie is wrong.
    #[error("wrong magic cookie")]
    Cookie,
    /// The length is not a multiple of four or not that of the packet.
    #[error("wrong message length")]
    Length,
    /// An attribute runs past the end of the message.
    #[error("attribute runs past the message")]
    Attribute,
    /// FINGERPRINT is not the last attribute, or not the checksum of the message.
    #[error("wrong fingerprint")]
    Fingerprint,
}

/// A STUN message in a received packet.
///
/// The integrity attributes and FINGERPRINT are asked for by name ([`has_integrity`](Self::has_integrity) and so on);
/// all other getters see only the attributes before the first of them. RFC 8489 §14.5, §14.6.
#[derive(Copy, Clone, Debug)]
pub struct Message<'a> {
    /// The whole message.
    bytes: &'a [u8],
    class: Class,
    method: Method,
    id: TransactionId,
    /// Where the attributes end that may be acted upon.
    visible_end: usize,
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
    /// Where MESSAGE-INTEGRITY-SHA256 begins.
    integrity_sha256_at: Option<usize>,
    has_fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `packet` exactly.
    ///
    /// # Errors
    ///
    /// Any deviation from RFC 8489 §5 and §14 makes the packet unusable; see [`ParseError`].
    pub fn parse(packet: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let Some((header, attributes)) = packet.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::TooShort);
        };
        let &[t0, t1, l0, l1, c0, c1, c2, c3, ref id @ ..] = header;
        if t0 & 0xC0 != 0 {
            return Err(ParseError::NotStun);
        }
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::Cookie);
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length % 4 != 0 || length != attributes.len() {
            return Err(ParseError::Length);
        }
        let (class, method) = split_type(u16::from_be_bytes([t0, t1]));
        let mut message = Message {
            bytes: packet,
            class,
            method,
            id: TransactionId(*id),
            visible_end: packet.len(),
            integrity_at: None,
            integrity_sha256_at: None,
            has_fingerprint: false,
        };
        message.check_attributes()?;
        Ok(message)
    }

    /// Walks over all attributes once: they lie inside, and the closing ones are remembered.
    fn check_attributes(&mut self) -> Result<(), ParseError> {
        let mut at = HEADER_LEN;
        while at < self.bytes.len() {
            let Some(attribute) = attribute_at(self.bytes, at) else {
                return Err(ParseError::Attribute);
            };
            match attribute.ty {
                // The order is MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT; what stands elsewhere is ignored.
                AttributeType::MESSAGE_INTEGRITY
                    if self.integrity_at.is_none() && self.integrity_sha256_at.is_none() =>
                {
                    self.integrity_at = Some(at);
                    self.visible_end = self.visible_end.min(at);
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if self.integrity_sha256_at.is_none() => {
                    self.integrity_sha256_at = Some(at);
                    self.visible_end = self.visible_end.min(at);
                }
                AttributeType::FINGERPRINT => {
                    if attribute.next != self.bytes.len() || !self.is_fingerprint(at, attribute.value) {
                        return Err(ParseError::Fingerprint);
                    }
                    self.has_fingerprint = true;
                    self.visible_end = self.visible_end.min(at);
                }
                _ => {}
            }
            at = attribute.next;
        }
        Ok(())
    }

    fn is_fingerprint(&self, at: usize, value: Range<usize>) -> bool {
        let (Some(before), Some(value)) = (self.bytes.get(..at), self.bytes.get(value)) else {
            return false;
        };
        value == fingerprint::value(before).to_be_bytes()
    }

    /// The class: request, indication, success or error.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The transaction id.
    pub fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The visible attributes in their order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes.get(..self.visible_end).unwrap_or_default(), at: HEADER_LEN }
    }

    /// The value of the first attribute of this type.
    pub fn attribute(&self, ty: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find_map(|(found, value)| (found == ty).then_some(value))
    }

    /// Where the value of the first attribute of this type lies in the packet.
    pub fn attribute_range(&self, ty: AttributeType) -> Option<Range<usize>> {
        let mut at = HEADER_LEN;
        while at < self.visible_end {
            let attribute = attribute_at(self.bytes, at)?;
            if attribute.ty == ty {
                return Some(attribute.value);
            }
            at = attribute.next;
        }
        None
    }

    /// The first attribute of this type as a 32-bit number (LIFETIME; REQUESTED-TRANSPORT has its protocol on top).
    pub fn u32(&self, ty: AttributeType) -> Option<Result<u32, AttributeError>> {
        let value = self.attribute(ty)?;
        Some(<[u8; 4]>::try_from(value).map(u32::from_be_bytes).map_err(|_| AttributeError::Length))
    }

    /// The first attribute of this type as text (USERNAME, REALM, NONCE, SOFTWARE), inside its length limit.
    pub fn text(&self, ty: AttributeType) -> Option<Result<&'a str, AttributeError>> {
        let value = self.attribute(ty)?;
        if value.len() > ty.text_limit_bytes() {
            return Some(Err(AttributeError::Length));
        }
        let Ok(text) = std::str::from_utf8(value) else {
            return Some(Err(AttributeError::Utf8));
        };
        let is_short = ty.text_limit_chars().is_none_or(|limit| text.chars().count() < limit);
        Some(if is_short { Ok(text) } else { Err(AttributeError::Length) })
    }

    /// The first attribute of this type as an XOR-obfuscated address.
    pub fn xor_address(&self, ty: AttributeType) -> Option<Result<SocketAddr, AttributeError>> {
        self.xor_addresses(ty).next()
    }

    /// All attributes of this type as XOR-obfuscated addresses; XOR-PEER-ADDRESS may repeat. RFC 8656 §10.1.
    pub fn xor_addresses(
        &self,
        ty: AttributeType,
    ) -> impl Iterator<Item = Result<SocketAddr, AttributeError>> + use<'a> {
        let id = self.id;
        self.attributes().filter(move |(found, _)| *found == ty).map(move |(_, value)| address::decode(value, id))
    }

    /// The first attribute of this type as a plain address, the form of ALTERNATE-SERVER. RFC 8489 §14.15.
    pub fn plain_address(&self, ty: AttributeType) -> Option<Result<SocketAddr, AttributeError>> {
        self.attribute(ty).map(address::decode_plain)
    }

    /// The ERROR-CODE, if there is a readable one.
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::from_bytes(*self.attribute(AttributeType::ERROR_CODE)?.first_chunk()?)
    }

    /// The visible comprehension-required attributes that are not in `known`, as often as they stand there.
    pub fn unknown_required<'k>(
        &self,
        known: &'k [AttributeType],
    ) -> impl Iterator<Item = AttributeType> + use<'a, 'k> {
        self.attributes().map(|(ty, _)| ty).filter(|ty| ty.is_required() && !known.contains(ty))
    }

    /// Whether there is a MESSAGE-INTEGRITY attribute, right or wrong.
    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether there is a MESSAGE-INTEGRITY-SHA256 attribute, right or wrong.
    pub fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256_at.is_some()
    }

    /// Whether there is a FINGERPRINT attribute; if so it is right.
    pub fn has_fingerprint(&self) -> bool {
        self.has_fingerprint
    }

    /// The integrity attribute that counts: MESSAGE-INTEGRITY-SHA256 if there are both. RFC 8489 §9.2.4.
    ///
    /// One that is truncated is well-formed (RFC 8489 §14.6), yet [`verify`](Self::verify) never accepts it.
    pub fn integrity(&self) -> Option<Result<IntegrityKind, AttributeError>> {
        let (kind, at) = match (self.integrity_sha256_at, self.integrity_at) {
            (Some(at), _) => (IntegrityKind::Sha256, at),
            (None, Some(at)) => (IntegrityKind::Sha1, at),
            (None, None) => return None,
        };
        let len = attribute_at(self.bytes, at)?.value.len();
        let is_sound = match kind {
            IntegrityKind::Sha1 => len == SHA1_LEN,
            IntegrityKind::Sha256 => SHA256_LENS.contains(&len) && len.is_multiple_of(4),
        };
        Some(if is_sound { Ok(kind) } else { Err(AttributeError::Length) })
    }

    /// Whether the integrity attribute that counts was made with this key; constant time in the value.
    pub fn verify(&self, key: &IntegrityKey) -> bool {
        match self.integrity() {
            Some(Ok(IntegrityKind::Sha1)) => self.verify_integrity(key),
            Some(Ok(IntegrityKind::Sha256)) => self.verify_integrity_sha256(key),
            Some(Err(_)) | None => false,
        }
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this key; constant time in the value. RFC 8489 §14.5.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        self.verify_sha1(key.as_bytes())
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there, untruncated, and made with this key; constant time. RFC 8489 §14.6.
    pub fn verify_integrity_sha256(&self, key: &IntegrityKey) -> bool {
        let Some((header, rest, value)) = self.protected::<SHA256_LEN>(self.integrity_sha256_at) else {
            return false;
        };
        hmac_sha256(key.as_bytes(), &header, rest).ct_eq(value).into()
    }

    pub(super) fn verify_sha1(&self, key: &[u8]) -> bool {
        let Some((header, rest, value)) = self.protected::<SHA1_LEN>(self.integrity_at) else {
            return false;
        };
        hmac_sha1(key, &header, rest).ct_eq(value).into()
    }

    /// What the integrity attribute at `at` covers, and its value of `LEN` bytes: the first four bytes of the header
    /// with the length as if the message ended with this attribute, then everything up to it.
    fn protected<const LEN: usize>(&self, at: Option<usize>) -> Option<([u8; 4], &'a [u8], &'a [u8; LEN])> {
        let at = at?;
        let attribute = attribute_at(self.bytes, at)?;
        let value = <&[u8; LEN]>::try_from(self.bytes.get(attribute.value)?).ok()?;
        let [l0, l1] = u16::try_from(attribute.next.checked_sub(HEADER_LEN)?).ok()?.to_be_bytes();
        let &[t0, t1, _, _] = self.bytes.first_chunk::<4>()?;
        Some(([t0, t1, l0, l1], self.bytes.get(4..at)?, value))
    }
}

/// The visible attributes of a [`Message`]: type and value.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttributeType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let attribute = attribute_at(self.bytes, self.at)?;
        self.at = attribute.next;
        Some((attribute.ty, self.bytes.get(attribute.value)?))
    }
}

/// One attribute's place in a message.
struct Place {
    ty: AttributeType,
    value: Range<usize>,
    /// Where the next attribute begins: behind the padding.
    next: usize,
}

/// The attribute that begins at `at`, if it lies wholly inside `bytes`. RFC 8489 §14.
fn attribute_at(bytes: &[u8], at: usize) -> Option<Place> {
    let &[t0, t1, l0, l1] = bytes.get(at..)?.first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let start = at + 4;
    let next = start + len + pad_len(len);
    let ty = AttributeType(u16::from_be_bytes([t0, t1]));
    (next <= bytes.len()).then_some(Place { ty, value: start..start + len, next })
}
