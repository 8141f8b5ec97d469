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

/// Families of one account; beyond it the one that expires first ends.
const FAMILIES_PER_ACCOUNT_MAX: usize = 32;

/// Which logins of a user end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logins {
    /// One.
    Of(FamilyId),
    /// All there are.
    All,
    /// Those of an account as it was before that revision.
    Before(u64),
}

impl Logins {
    fn include(&self, family: &Family) -> bool {
        match self {
            Logins::Of(id) => family.id == *id,
            Logins::All => true,
            Logins::Before(revision) => family.account.is_some_and(|account| account < *revision),
        }
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
    /// The revision of the account that logged in; `None`: a guest, which has none.
    pub account: Option<u64>,
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
    by_user: BTreeSet<(Arc<str>, Lookup)>,
    buried: HashMap<FamilyId, UnixMillis>,
    changes: Vec<FamilyChange>,
    /// Guests whose family is no more: nobody can be them again.
    departed: Vec<Arc<str>>,
}

impl Families {
    /// Takes back what was kept.
    pub(super) fn restore(&mut self, family: Family) {
        self.by_expiry.insert((family.expires, family.lookup));
        self.by_user.insert((family.subject.user.clone(), family.lookup));
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

    /// Until when the refresh tokens of a user are good; the last of them.
    pub(super) fn last_expiry(&self, user: &Arc<str>) -> Option<UnixMillis> {
        let lookups = self.lookups_of(user).into_iter();
        lookups.filter_map(|lookup| self.family_by_lookup.get(&lookup)).map(|family| family.expires).max()
    }

    /// The families of a user.
    pub(super) fn of_user<'a>(&'a self, user: &Arc<str>) -> impl Iterator<Item = &'a Family> + use<'a> {
        self.lookups_of(user).into_iter().filter_map(|lookup| self.family_by_lookup.get(&lookup))
    }

    /// Those who have logged in on a device. All families are looked through.
    pub(super) fn users_of_device(&self, device: &str) -> Vec<Arc<str>> {
        let families = self.family_by_lookup.values();
        let on_device = families.filter(|family| family.subject.device.as_deref() == Some(device));
        on_device.map(|family| family.subject.user.clone()).collect()
    }

    pub(super) fn take_changes(&mut self) -> Vec<FamilyChange> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn take_departed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.departed)
    }

    fn remove(&mut self, lookup: &Lookup) {
        let Some(Family { subject, .. }) = self.family_by_lookup.remove(lookup) else { return };
        self.by_user.remove(&(subject.user.clone(), *lookup));
        if subject.guest {
            self.departed.push(subject.user);
        }
    }

    /// Starts a family, of a guest or of that revision of an account, and returns its first refresh token.
    pub(super) fn open(
        &mut self,
        subject: Subject,
        account: Option<u64>,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> (FamilyId, String) {
        self.forget(now);
        let lookup: Lookup = random();
        let secret: [u8; SECRET_LEN] = random();
        let id = FamilyId(URL_SAFE_NO_PAD.encode(random::<12>()).into());
        let secret_hash = Sha256::digest(secret).into();
        let family = Family { lookup, id: id.clone(), subject, secret_hash, expires, account };
        self.changes.push(FamilyChange::Put(family.clone()));
        self.by_user.insert((family.subject.user.clone(), lookup));
        self.family_by_lookup.insert(lookup, family);
        self.by_expiry.insert((expires, lookup));
        (id, encode(lookup, secret))
    }

    pub(super) fn owner_of(&self, token: &str) -> Option<Arc<str>> {
        let (lookup, _) = decode(token)?;
        self.family_by_lookup.get(&lookup).map(|family| family.subject.user.clone())
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

    /// Ends families of a user and returns which.
    pub(super) fn end(&mut self, user: &Arc<str>, which: &Logins) -> Vec<FamilyId> {
        let mut ended = Vec::new();
        for lookup in self.lookups_of(user) {
            let Some(family) = self.family_by_lookup.get(&lookup).filter(|family| which.include(family)) else {
                continue;
            };
            ended.push(family.id.clone());
            self.by_expiry.remove(&(family.expires, lookup));
            self.remove(&lookup);
            self.changes.push(FamilyChange::Removed(lookup));
        }
        ended
    }

    /// Makes the family of a guest one of that revision of an account, and returns its next refresh token; `None` if it is dead.
    pub(super) fn settle(
        &mut self,
        id: &FamilyId,
        subject: &Subject,
        account: u64,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Option<String> {
        self.forget(now);
        let lookups = self.lookups_of(&subject.user);
        let is_it = |lookup: &Lookup| self.family_by_lookup.get(lookup).is_some_and(|family| family.id == *id);
        let lookup = lookups.into_iter().find(is_it)?;
        let family = self.family_by_lookup.get_mut(&lookup)?;
        self.by_expiry.remove(&(family.expires, lookup));
        let next: [u8; SECRET_LEN] = random();
        *family = Family {
            subject: subject.clone(),
            secret_hash: Sha256::digest(next).into(),
            expires,
            account: Some(account),
            ..family.clone()
        };
        self.by_expiry.insert((expires, lookup));
        self.changes.push(FamilyChange::Put(family.clone()));
        Some(encode(lookup, next))
    }

    /// The family of an account that must end for another to begin.
    pub(super) fn supernumerary(&self, user: &Arc<str>) -> Option<FamilyId> {
        let lookups = self.lookups_of(user);
        if lookups.len() < FAMILIES_PER_ACCOUNT_MAX {
            return None;
        }
        let families = lookups.iter().filter_map(|lookup| self.family_by_lookup.get(lookup));
        families.min_by_key(|family| family.expires).map(|family| family.id.clone())
    }

    fn lookups_of(&self, user: &Arc<str>) -> Vec<Lookup> {
        let all = (user.clone(), Lookup::default())..=(user.clone(), [u8::MAX; LOOKUP_LEN]);
        self.by_user.range(all).map(|(_, lookup)| *lookup).collect()
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
