//! Writes a STUN message into the caller's buffer. RFC 8489 §5, §14.
use std::net::SocketAddr;

use super::AttributeType;
use super::Class;
use super::ErrorCode;
use super::HEADER_LEN;
use super::IntegrityKey;
use super::IntegrityKind;
use super::Method;
use super::TransactionId;
use super::address;
use super::fingerprint;
use super::header;
use super::integrity::hmac_sha1;
use super::integrity::hmac_sha256;
use super::pad_len;

/// The message did not fit into the buffer or into a STUN length field.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("STUN message does not fit")]
pub struct Overflow;

/// A message in the making.
///
/// Running out of room is remembered and told by [`finish`](Self::finish); nothing is written after that.
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut [u8],
    id: TransactionId,
    /// Bytes written so far.
    len: usize,
    overflow: bool,
}

impl<'b> Writer<'b> {
    /// Begins a message at the start of `buf`.
    pub fn new(buf: &'b mut [u8], class: Class, method: Method, id: TransactionId) -> Self {
        let Some(out) = buf.first_chunk_mut::<HEADER_LEN>() else {
            return Self { buf, id, len: 0, overflow: true };
        };
        header::write(out, class, method, 0, id);
        Self { buf, id, len: HEADER_LEN, overflow: false }
    }

    /// Appends an attribute; padding is always zero.
    pub fn attribute(&mut self, ty: AttributeType, value: &[u8]) -> &mut Self {
        self.attribute_padded(ty, value, 0)
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, ty: AttributeType, value: u32) -> &mut Self {
        self.attribute(ty, &value.to_be_bytes())
    }

    /// Appends an XOR-obfuscated address. RFC 8489 §14.2.
    pub fn xor_address(&mut self, ty: AttributeType, address: SocketAddr) -> &mut Self {
        let mut value = [0; address::MAX_LEN];
        let len = address::encode(address, self.id, &mut value);
        self.attribute(ty, value.get(..len).unwrap_or_default())
    }

    /// Appends a plain address, which is the form of ALTERNATE-SERVER. RFC 8489 §14.1, §14.15.
    pub fn plain_address(&mut self, ty: AttributeType, address: SocketAddr) -> &mut Self {
        let mut value = [0; address::MAX_LEN];
        let len = address::encode_plain(address, &mut value);
        self.attribute(ty, value.get(..len).unwrap_or_default())
    }

    /// Appends ERROR-CODE with the default reason. RFC 8489 §14.8.
    pub fn error_code(&mut self, code: ErrorCode) -> &mut Self {
        self.attribute_parts(AttributeType::ERROR_CODE, [&code.to_bytes(), code.reason().as_bytes()], 0)
    }

    /// Appends ADDRESS-ERROR-CODE with the default reason: like ERROR-CODE, but the first byte is the family.
    /// RFC 8656 §18.12.
    pub fn address_error_code(&mut self, family: u8, code: ErrorCode) -> &mut Self {
        let [_, reserved, hundreds, rest] = code.to_bytes();
        let head = [family, reserved, hundreds, rest];
        self.attribute_parts(AttributeType::ADDRESS_ERROR_CODE, [&head, code.reason().as_bytes()], 0)
    }

    /// Appends UNKNOWN-ATTRIBUTES. RFC 8489 §14.13.
    pub fn unknown_attributes(&mut self, types: &[AttributeType]) -> &mut Self {
        let Some(body) = self.reserve(AttributeType::UNKNOWN_ATTRIBUTES, types.len().saturating_mul(2), 0) else {
            return self;
        };
        for (out, ty) in body.chunks_exact_mut(2).zip(types) {
            out.copy_from_slice(&ty.0.to_be_bytes());
        }
        self
    }

    /// Appends the integrity attribute of this kind.
    pub fn sign(&mut self, kind: IntegrityKind, key: &IntegrityKey) -> &mut Self {
        match kind {
            IntegrityKind::Sha1 => self.integrity(key),
            IntegrityKind::Sha256 => self.integrity_sha256(key),
        }
    }

    /// Appends MESSAGE-INTEGRITY over everything so far. RFC 8489 §14.5.
    pub fn integrity(&mut self, key: &IntegrityKey) -> &mut Self {
        self.integrity_sha1(key.as_bytes())
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over everything so far. RFC 8489 §14.6.
    pub fn integrity_sha256(&mut self, key: &IntegrityKey) -> &mut Self {
        self.closing(AttributeType::MESSAGE_INTEGRITY_SHA256, |before| hmac_sha256(key.as_bytes(), before, &[]))
    }

    /// Appends FINGERPRINT; nothing may follow. RFC 8489 §14.7.
    pub fn fingerprint(&mut self) -> &mut Self {
        self.closing(AttributeType::FINGERPRINT, |before| fingerprint::value(before).to_be_bytes())
    }

    /// Ends the message and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`Overflow`] if something did not fit; the buffer then holds no message.
    pub fn finish(&mut self) -> Result<usize, Overflow> {
        self.set_length(self.len);
        if self.overflow { Err(Overflow) } else { Ok(self.len) }
    }

    pub(super) fn integrity_sha1(&mut self, key: &[u8]) -> &mut Self {
        self.closing(AttributeType::MESSAGE_INTEGRITY, |before| hmac_sha1(key, before, &[]))
    }

    /// Appends an attribute whose padding is `pad`; other than zero only to rebuild the messages of RFC 5769.
    pub(super) fn attribute_padded(&mut self, ty: AttributeType, value: &[u8], pad: u8) -> &mut Self {
        self.attribute_parts(ty, [value, &[]], pad)
    }

    fn attribute_parts(&mut self, ty: AttributeType, [first, second]: [&[u8]; 2], pad: u8) -> &mut Self {
        if let Some(body) = self.reserve(ty, first.len() + second.len(), pad) {
            let (front, back) = body.split_at_mut(first.len());
            front.copy_from_slice(first);
            back.copy_from_slice(second);
        }
        self
    }

    /// Appends an attribute whose value is made from all bytes before it, the length field counting it.
    fn closing<const LEN: usize>(&mut self, ty: AttributeType, value: impl FnOnce(&[u8]) -> [u8; LEN]) -> &mut Self {
        let before_len = self.len;
        self.set_length(before_len + 4 + LEN);
        if let Some(before) = self.buf.get(..before_len) {
            let value = value(before);
            self.attribute(ty, &value);
        }
        self
    }

    /// Writes header and padding of an attribute and returns the place of its value.
    fn reserve(&mut self, ty: AttributeType, len: usize, pad: u8) -> Option<&mut [u8]> {
        if self.overflow {
            return None;
        }
        self.overflow = true;
        let wire_len = u16::try_from(len).ok()?;
        let padded = len + pad_len(len);
        let end = self.len + 4 + padded;
        let place = self.buf.get_mut(self.len..end)?;
        let (head, rest) = place.split_first_chunk_mut::<4>()?;
        let [t0, t1] = ty.0.to_be_bytes();
        let [l0, l1] = wire_len.to_be_bytes();
        *head = [t0, t1, l0, l1];
        let (body, padding) = rest.split_at_mut_checked(len)?;
        padding.fill(pad);
        self.len = end;
        self.overflow = false;
        Some(body)
    }

    /// Sets the header's length for a message that ends at `end`.
    fn set_length(&mut self, end: usize) {
        let length = end.checked_sub(HEADER_LEN).and_then(|length| u16::try_from(length).ok());
        match (length, self.buf.get_mut(2..4)) {
            (Some(length), Some(out)) => out.copy_from_slice(&length.to_be_bytes()),
            _ => self.overflow = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    const ID: TransactionId = TransactionId(*b"transaction1");

    #[test]
    fn a_written_message_reads_back() {
        let mut buf = [0xEE; 256];
        let key = IntegrityKey::md5("user", "realm", "pass");
        let peer: SocketAddr = "[2001:db8::1]:4000".parse().expect("address");
        let len = Writer::new(&mut buf, Class::Error, Method::ALLOCATE, ID)
            .error_code(ErrorCode::STALE_NONCE)
            .u32(AttributeType::LIFETIME, 600)
            .unknown_attributes(&[AttributeType(0x7777), AttributeType(0x1234), AttributeType(1)])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::REALM, b"realm")
            .integrity(&key)
            .integrity_sha256(&key)
            .fingerprint()
            .finish()
            .expect("fits");
        let message = Message::parse(&buf[..len]).expect("valid");
        assert_eq!((message.class(), message.method(), message.transaction_id()), (Class::Error, Method::ALLOCATE, ID));
        assert_eq!(message.error_code(), Some(ErrorCode::STALE_NONCE));
        assert_eq!(message.u32(AttributeType::LIFETIME), Some(Ok(600)));
        assert_eq!(message.attribute(AttributeType::UNKNOWN_ATTRIBUTES), Some(&b"\x77\x77\x12\x34\x00\x01"[..]));
        assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(peer)));
        assert_eq!(message.text(AttributeType::REALM), Some(Ok("realm")));
        assert!(message.verify_integrity(&key));
        assert!(message.verify_integrity_sha256(&key));
        assert!(message.has_fingerprint());
        let other = IntegrityKey::md5("user", "realm", "Pass");
        assert!(!message.verify_integrity(&other));
        assert!(!message.verify_integrity_sha256(&other));
    }

    #[test]
    fn an_alternate_server_is_a_plain_address() {
        for (text, value) in [
            ("192.0.2.7:3478", &b"\0\x01\x0D\x96\xC0\0\x02\x07"[..]),
            ("[2001:db8::7]:443", b"\0\x02\x01\xBB\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x07"),
        ] {
            let address: SocketAddr = text.parse().expect("address");
            let mut buf = [0xEE; 128];
            let len = Writer::new(&mut buf, Class::Error, Method::ALLOCATE, ID)
                .error_code(ErrorCode::TRY_ALTERNATE)
                .plain_address(AttributeType::ALTERNATE_SERVER, address)
                .finish()
                .expect("fits");
            let message = Message::parse(&buf[..len]).expect("valid");
            assert_eq!(message.attribute(AttributeType::ALTERNATE_SERVER), Some(value), "{text}");
            assert_eq!(message.plain_address(AttributeType::ALTERNATE_SERVER), Some(Ok(address)));
        }
    }

    #[test]
    fn padding_is_zero_whatever_the_buffer_held() {
        let mut buf = [0xEE; 64];
        let len = Writer::new(&mut buf, Class::Request, Method::BINDING, ID)
            .attribute(AttributeType::SOFTWARE, b"abcde")
            .finish()
            .expect("fits");
        assert_eq!(&buf[HEADER_LEN..len], b"\x80\x22\x00\x05abcde\0\0\0");
    }

    #[test]
    fn every_buffer_that_is_too_small_overflows() {
        let write = |buf: &mut [u8]| {
            Writer::new(buf, Class::Error, Method::ALLOCATE, ID)
                .error_code(ErrorCode::UNAUTHENTICATED)
                .attribute(AttributeType::NONCE, b"nonce")
                .unknown_attributes(&[AttributeType(1)])
                .integrity(&IntegrityKey::Md5([7; 16]))
                .fingerprint()
                .finish()
        };
        let len = write(&mut [0; 256]).expect("fits");
        assert_eq!(write(&mut vec![0; len]), Ok(len));
        for short in 0..len {
            assert_eq!(write(&mut vec![0; short]), Err(Overflow), "{short} bytes");
        }
    }

    #[test]
    fn a_value_beyond_the_length_fields_overflows() {
        let mut buf = vec![0; 200_000];
        let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, ID);
        assert_eq!(writer.attribute(AttributeType::DATA, &[0; 65_536]).finish(), Err(Overflow));
        let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, ID);
        assert_eq!(writer.attribute(AttributeType::DATA, &[0; 65_528]).finish(), Ok(65_552));
        assert_eq!(writer.attribute(AttributeType::SOFTWARE, b"").finish(), Err(Overflow));
        let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, ID);
        assert_eq!(writer.attribute(AttributeType::DATA, &[0; 65_532]).finish(), Err(Overflow));
    }
}
