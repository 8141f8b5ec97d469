//! Keys and codes of the MESSAGE-INTEGRITY attributes. RFC 8489 §9.2.2, §14.5, §14.6.
use std::fmt;
use std::ops::RangeInclusive;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use md5::Digest;
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;

use super::PasswordAlgorithm;

/// Bytes of a MESSAGE-INTEGRITY value. RFC 8489 §14.5.
pub(super) const SHA1_LEN: usize = 20;
/// Bytes of an untruncated MESSAGE-INTEGRITY-SHA256 value. RFC 8489 §14.6.
pub(super) const SHA256_LEN: usize = 32;

/// Shortest and longest MESSAGE-INTEGRITY-SHA256 value, in bytes, truncated ones included. RFC 8489 §14.6.
pub(super) const SHA256_LENS: RangeInclusive<usize> = 16..=SHA256_LEN;

/// Which of the two integrity attributes protects a message. RFC 8489 §14.5, §14.6.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum IntegrityKind {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// The key of a long-term credential, named after the password algorithm that made it. RFC 8489 §9.2.2.
///
/// The algorithm of the key and that of the code are chosen apart: a client may use an MD5 key with
/// MESSAGE-INTEGRITY-SHA256.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum IntegrityKey {
    /// MD5(username ":" realm ":" password). RFC 8489 §18.5.1.1.
    Md5([u8; 16]),
    /// SHA-256(username ":" realm ":" password). RFC 8489 §18.5.1.2.
    Sha256([u8; 32]),
}

impl IntegrityKey {
    /// Makes the key of the default algorithm. The texts must already be in OpaqueString form.
    pub fn md5(username: &str, realm: &str, password: impl AsRef<[u8]>) -> Self {
        Self::Md5(digest::<Md5>(username, realm, password.as_ref()).into())
    }

    /// Makes the key of the SHA-256 algorithm. The texts must already be in OpaqueString form.
    pub fn sha256(username: &str, realm: &str, password: impl AsRef<[u8]>) -> Self {
        Self::Sha256(digest::<Sha256>(username, realm, password.as_ref()).into())
    }

    /// The algorithm that made this key.
    pub const fn algorithm(&self) -> PasswordAlgorithm {
        match self {
            IntegrityKey::Md5(_) => PasswordAlgorithm::Md5,
            IntegrityKey::Sha256(_) => PasswordAlgorithm::Sha256,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            IntegrityKey::Md5(bytes) => bytes,
            IntegrityKey::Sha256(bytes) => bytes,
        }
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("IntegrityKey(..)")
    }
}

fn digest<D: Digest>(username: &str, realm: &str, password: &[u8]) -> md5::digest::Output<D> {
    D::new()
        .chain_update(username)
        .chain_update(":")
        .chain_update(realm)
        .chain_update(":")
        .chain_update(password)
        .finalize()
}

/// HMAC-SHA1 over `header` and `rest`.
pub(super) fn hmac_sha1(key: &[u8], header: &[u8], rest: &[u8]) -> [u8; SHA1_LEN] {
    let mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(header).chain_update(rest).finalize().into_bytes().into()
}

/// HMAC-SHA256 over `header` and `rest`.
pub(super) fn hmac_sha256(key: &[u8], header: &[u8], rest: &[u8]) -> [u8; SHA256_LEN] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(header).chain_update(rest).finalize().into_bytes().into()
}
