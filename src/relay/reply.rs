//! Answers to requests. RFC 8489 §6.3, RFC 8656 §5.
use std::net::SocketAddr;

use crate::auth::nonce::Nonce;
use crate::relay::unknown_attributes::UnknownAttributes;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::IntegrityKind;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::Overflow;
use crate::stun::PasswordAlgorithm;
use crate::stun::TransactionId;
use crate::stun::Writer;

/// A reply buffer of this size, in bytes, holds every answer.
pub const REPLY_MAX: usize = 1280;

/// How many types an UNKNOWN-ATTRIBUTES lists at most: what is left beside header (20), ERROR-CODE (28), its own header (4),
/// MESSAGE-INTEGRITY-SHA256 (36) and FINGERPRINT (8). Each takes two bytes here and four in the request.
pub(super) const UNKNOWN_MAX: usize = (REPLY_MAX - 96) / 2;

/// What an answer repeats of its request.
#[derive(Copy, Clone, Debug)]
pub(super) struct Echo {
    method: Method,
    pub(super) transaction: TransactionId,
    fingerprint: bool,
    integrity: IntegrityKind,
}

impl Echo {
    pub(super) fn of(message: &Message<'_>) -> Self {
        Self {
            method: message.method(),
            transaction: message.transaction_id(),
            fingerprint: message.has_fingerprint(),
            integrity: integrity(message),
        }
    }

    /// Begins a success.
    pub(super) fn success<'b>(&self, reply: &'b mut [u8]) -> Writer<'b> {
        Writer::new(reply, Class::Success, self.method, self.transaction)
    }

    /// Writes an error.
    pub(super) fn error(
        &self,
        reply: &mut [u8],
        code: ErrorCode,
        key: Option<&IntegrityKey>,
    ) -> Result<usize, Overflow> {
        let mut writer = Writer::new(reply, Class::Error, self.method, self.transaction);
        writer.error_code(code);
        self.finish(writer, key)
    }

    /// Writes 300: an error that names another server. RFC 8489 §10.
    pub(super) fn alternate(
        &self,
        reply: &mut [u8],
        server: SocketAddr,
        key: &IntegrityKey,
    ) -> Result<usize, Overflow> {
        let mut writer = Writer::new(reply, Class::Error, self.method, self.transaction);
        writer.error_code(ErrorCode::TRY_ALTERNATE).plain_address(AttributeType::ALTERNATE_SERVER, server);
        self.finish(writer, Some(key))
    }

    /// Writes 401 or 438: an error that brings realm, nonce and algorithms, and no integrity. RFC 8489 §9.2.4.
    pub(super) fn challenge(
        &self,
        reply: &mut [u8],
        code: ErrorCode,
        realm: &str,
        nonce: &Nonce,
    ) -> Result<usize, Overflow> {
        let mut writer = Writer::new(reply, Class::Error, self.method, self.transaction);
        writer.error_code(code);
        writer.attribute(AttributeType::REALM, realm.as_bytes());
        writer.attribute(AttributeType::NONCE, nonce.as_bytes());
        writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::OFFERED);
        self.finish(writer, None)
    }

    /// Writes 420 with the attributes of `message` that are required and not in `known`. RFC 8489 §6.3.1.
    pub(super) fn unknown(
        &self,
        reply: &mut [u8],
        message: &Message<'_>,
        known: &[AttributeType],
        key: Option<&IntegrityKey>,
    ) -> Result<usize, Overflow> {
        let mut unknown = UnknownAttributes::default();
        message.unknown_required(known).for_each(|ty| unknown.insert(ty));
        let mut writer = Writer::new(reply, Class::Error, self.method, self.transaction);
        writer.error_code(ErrorCode::UNKNOWN_ATTRIBUTE).unknown_attributes(unknown.types());
        self.finish(writer, key)
    }

    /// Ends an answer: integrity if the request proved a key, fingerprint if it had one.
    pub(super) fn finish(&self, mut writer: Writer<'_>, key: Option<&IntegrityKey>) -> Result<usize, Overflow> {
        if let Some(key) = key {
            writer.sign(self.integrity, key);
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        writer.finish()
    }
}

/// The integrity of the answer: that of the request. RFC 8489 §9.2.4.
///
/// Who signs in both ways and names no algorithm is a client of RFC 5389 as well, and reads MESSAGE-INTEGRITY.
fn integrity(message: &Message<'_>) -> IntegrityKind {
    let is_both = message.has_integrity() && message.has_integrity_sha256();
    let names_algorithm = message.attribute(AttributeType::PASSWORD_ALGORITHM).is_some();
    match message.integrity() {
        Some(Ok(IntegrityKind::Sha256)) if names_algorithm || !is_both => IntegrityKind::Sha256,
        Some(_) | None => IntegrityKind::Sha1,
    }
}
