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
    /// One that has been named before.
    pub const fn new(name: Arc<str>) -> Self {
        Self(name)
    }

    /// The name in access tokens.
    pub const fn name(&self) -> &Arc<str> {
        &self.0
    }
}

/// The first half of a refresh token. It is no part of access tokens, so only who has seen a refresh token can
/// have the family killed.
type Lookup = [u8; 16];

const LOOKUP_LEN: usize = 16;
const SECRET_LEN: usize = 32;

/// What there is to know of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The half of its refresh tokens that finds it.
    pub lookup: Lookup,
    /// The name in its access tokens.
    pub id: FamilyId,
    /// Who logged in.
    pub subject: Subject,
    /// SHA-256 of the second half of the one refresh token that is good.
    pub secret_hash: [u8; 32],
    /// Until when that token is good.
    pub expires: UnixMillis,
}

/// What must be kept for the next start, in the order it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilyChange {
    /// A family began, or its refresh token is another one now.
    Put(Family),
    /// A family is no more.
    Removed(Lookup),
    /// The access tokens of a family are refused until that moment.
    Buried(FamilyId, UnixMillis),
}

/// All families, in memory. One that has expired is forgotten in silence: whoever keeps it knows when.
#[derive(Debug, Default)]
pub(super) struct Families {
    family_by_lookup: HashMap<Lookup, Family>,
    by_expiry: BTreeSet<(UnixMillis, Lookup)>,
    buried: HashMap<FamilyId, UnixMillis>,
    changes: Vec<FamilyChange>,
    /// Guests whose family is no more: nobody can be them again.
    departed: Vec<Arc<str>>,
}

impl Families {
    /// Takes back what was kept.
    pub(super) fn restore(&mut self, family: Family) {
        self.by_expiry.insert((family.expires, family.lookup));
        if let Some(older) = self.family_by_lookup.insert(family.lookup, family.clone())
            && older.expires != family.expires
        {
            self.by_expiry.remove(&(older.expires, older.lookup));
        }
    }

    /// Takes back what was kept.
    pub(super) fn restore_buried(&mut self, family: FamilyId, until: UnixMillis) {
        self.buried.insert(family, until);
    }

    pub(super) fn take_changes(&mut self) -> Vec<FamilyChange> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn take_departed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.departed)
    }

    fn remove(&mut self, lookup: &Lookup) {
        let family = self.family_by_lookup.remove(lookup);
        self.departed.extend(family.map(|family| family.subject).filter(|who| who.guest).map(|who| who.user));
    }

    /// Starts a family and returns its first refresh token.
    pub(super) fn open(&mut self, subject: Subject, expires: UnixMillis, now: UnixMillis) -> (FamilyId, String) {
        self.forget(now);
        let lookup: Lookup = random();
        let secret: [u8; SECRET_LEN] = random();
        let id = FamilyId(URL_SAFE_NO_PAD.encode(random::<12>()).into());
        let family = Family { lookup, id: id.clone(), subject, secret_hash: Sha256::digest(secret).into(), expires };
        self.changes.push(FamilyChange::Put(family.clone()));
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
            self.remove(&lookup);
            self.changes.push(FamilyChange::Removed(lookup));
            return Err(RefreshError::Reused(id));
        }
        let next: [u8; SECRET_LEN] = random();
        family.secret_hash = Sha256::digest(next).into();
        family.expires = expires;
        self.by_expiry.insert((expires, lookup));
        self.changes.push(FamilyChange::Put(family.clone()));
        Ok((family.subject.clone(), family.id.clone(), encode(lookup, next)))
    }

    /// Refuses the access tokens of a dead family until the last of them has expired.
    pub(super) fn bury(&mut self, family: FamilyId, until: UnixMillis) {
        self.changes.push(FamilyChange::Buried(family.clone(), until));
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
            self.remove(&lookup);
            if expires > now {
                self.changes.push(FamilyChange::Removed(lookup));
            }
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
