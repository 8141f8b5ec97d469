//! Refresh tokens: each is good once, and using one twice kills all that came from the same login.
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::auth::token::RefreshError;
use crate::auth::token::Subject;
use crate::auth::token::random;
use crate::time::UnixMillis;

/// Families held at most; beyond it the one that expires first is forgotten, and must log in again.
const FAMILIES_MAX: usize = 200_000;

/// Everything that came from one login of one device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FamilyId(Arc<str>);

impl FamilyId {
    pub(super) fn from_claim(claim: String) -> Self {
        Self(claim.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first half of a refresh token. It is no part of access tokens, so only who has seen a refresh token can
/// have the family killed.
type Lookup = [u8; 16];

const LOOKUP_LEN: usize = 16;
const SECRET_LEN: usize = 32;

#[derive(Debug)]
struct Family {
    id: FamilyId,
    subject: Subject,
    /// SHA-256 of the second half of the one refresh token that is good.
    secret_hash: [u8; 32],
    expires: UnixMillis,
}

/// All families, in memory.
#[derive(Debug, Default)]
pub(super) struct Families {
    family_by_lookup: HashMap<Lookup, Family>,
    by_expiry: BTreeSet<(UnixMillis, Lookup)>,
    buried: HashMap<FamilyId, UnixMillis>,
}

impl Families {
    /// Starts a family and returns its first refresh token.
    pub(super) fn open(&mut self, subject: Subject, expires: UnixMillis, now: UnixMillis) -> (FamilyId, String) {
        self.forget(now);
        let lookup: Lookup = random();
        let secret: [u8; SECRET_LEN] = random();
        let id = FamilyId(URL_SAFE_NO_PAD.encode(random::<12>()).into());
        let family = Family { id: id.clone(), subject, secret_hash: Sha256::digest(secret).into(), expires };
        self.family_by_lookup.insert(lookup, family);
        self.by_expiry.insert((expires, lookup));
        (id, encode(lookup, secret))
    }

    /// Uses a refresh token up and returns the next one.
    pub(super) fn rotate(
        &mut self,
        token: &str,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<(Subject, FamilyId, String), RefreshError> {
        self.forget(now);
        let (lookup, secret) = decode(token).ok_or(RefreshError::Invalid)?;
        let family = self.family_by_lookup.get_mut(&lookup).ok_or(RefreshError::Invalid)?;
        self.by_expiry.remove(&(family.expires, lookup));
        let hash: [u8; 32] = Sha256::digest(secret).into();
        if !bool::from(hash.ct_eq(&family.secret_hash)) {
            let id = family.id.clone();
            self.family_by_lookup.remove(&lookup);
            return Err(RefreshError::Reused(id));
        }
        let next: [u8; SECRET_LEN] = random();
        family.secret_hash = Sha256::digest(next).into();
        family.expires = expires;
        self.by_expiry.insert((expires, lookup));
        Ok((family.subject.clone(), family.id.clone(), encode(lookup, next)))
    }

    /// Refuses the access tokens of a dead family until the last of them has expired.
    pub(super) fn bury(&mut self, family: FamilyId, until: UnixMillis) {
        self.buried.insert(family, until);
    }

    pub(super) fn is_buried(&self, family: &FamilyId) -> bool {
        self.buried.contains_key(family)
    }

    fn forget(&mut self, now: UnixMillis) {
        while let Some((expires, lookup)) = self.by_expiry.first().copied()
            && (expires <= now || self.by_expiry.len() >= FAMILIES_MAX)
        {
            self.by_expiry.remove(&(expires, lookup));
            self.family_by_lookup.remove(&lookup);
        }
        self.buried.retain(|_, until| *until > now);
    }
}

fn encode(lookup: Lookup, secret: [u8; SECRET_LEN]) -> String {
    let mut bytes = [0; LOOKUP_LEN + SECRET_LEN];
    bytes[..LOOKUP_LEN].copy_from_slice(&lookup);
    bytes[LOOKUP_LEN..].copy_from_slice(&secret);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(token: &str) -> Option<(Lookup, [u8; SECRET_LEN])> {
    // The length is bounded before anything is decoded.
    if token.len() != (LOOKUP_LEN + SECRET_LEN) * 4 / 3 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    Some((*bytes.first_chunk()?, *bytes.last_chunk()?))
}
