//! Public keys of a customer's backend: JWK sets, RFC 7517.
//!
//! Each key verifies one algorithm, which its own type says: no token can choose another. Shared keys are in no set that can
//! be fetched, so those that are in one all the same are no keys.
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::KeyAlgorithm;
use jsonwebtoken::jwk::KeyOperations;
use jsonwebtoken::jwk::PublicKeyUse;
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a set.
pub const KEY_SET_BYTES_MAX: usize = 262_144;
/// Keys of a set that are looked at.
const KEYS_MAX: usize = 64;
/// Keys tried for a token that names none.
const TRIED_MAX: usize = 4;

/// Why a document is no set of keys.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is too long, or no JSON object with a list of keys.
    #[error("this is no JWK set")]
    NotASet,
    /// No key in it verifies RS256, ES256 or EdDSA (Ed25519).
    #[error("this JWK set has no key for RS256, ES256 or EdDSA")]
    NoKey,
}

/// The keys that are good now.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

struct PublicKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set; keys that are of no use here are passed over. RFC 7517 §5.
    ///
    /// # Errors
    ///
    /// [`KeySetError`]
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::NotASet);
        }
        let Document { keys } = serde_json::from_slice(document).map_err(|_| KeySetError::NotASet)?;
        let keys: Vec<PublicKey> = keys.into_iter().take(KEYS_MAX).filter_map(PublicKey::read).collect();
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self { keys }) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token with that header.
    fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a PublicKey> {
        let of_algorithm = self.keys.iter().filter(|key| key.algorithm == header.alg);
        let is_named = |key: &&PublicKey| header.kid.is_none() || key.id == header.kid;
        of_algorithm.filter(is_named).take(TRIED_MAX)
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let Jwk { common, .. } = &jwk;
        let is_for_it = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|named| *named == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|named| named.contains(&KeyOperations::Verify));
        if !(is_for_it && is_for_signatures && verifies) {
            return None;
        }
        Some(Self { id: common.key_id.clone(), algorithm, key: DecodingKey::from_jwk(&jwk).ok()? })
    }
}

/// The keys, as whoever fetches them renews them. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ForeignKeys {
    set: Arc<ArcSwap<KeySet>>,
}

impl ForeignKeys {
    /// Verifies with another set from now on, whichever clone is asked.
    pub fn renew(&self, set: KeySet) {
        self.set.store(Arc::new(set));
    }

    /// Whether a token is signed with a public key that is not known here: a newer set may have it.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return false };
        is_asymmetric(header.alg) && self.set.load().candidates(&header).next().is_none()
    }

    /// What `verify` makes of the first key that it accepts.
    pub(super) fn find_map<T>(&self, header: &Header, verify: impl Fn(&DecodingKey) -> Option<T>) -> Option<T> {
        self.set.load().candidates(header).find_map(|key| verify(&key.key))
    }
}

/// Whether it is one of those that keys of a set verify.
pub(super) fn is_asymmetric(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA)
}

#[cfg(test)]
mod tests;
