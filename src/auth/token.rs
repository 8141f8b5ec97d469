//! Who a client is: access tokens (JWT, RFC 7519) of our own and of a customer's backend, and our refresh tokens.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Number;
use sha2::Sha256;

use crate::auth::foreign_keys;
use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::secret::Secret;
use crate::time::UnixMillis;

mod appeal;
mod family;
pub mod mint;

use appeal::AppealKeys;
pub use appeal::AppealPass;
pub(crate) use appeal::is_device_name;
use family::Families;
pub use family::Family;
pub use family::FamilyChange;
pub use family::FamilyId;
pub use family::Logins;
pub use mint::Grant;

/// Names of those who came as guests begin with it and have no colon, which names of users of a backend have.
const GUEST_PREFIX: &str = "g_";

/// Whether a user came as a guest, by its name alone; it may have registered since.
pub(crate) fn is_guest_name(user: &str) -> bool {
    user.starts_with(GUEST_PREFIX) && !user.contains(':')
}

/// The `iss` of our own tokens. Their user ids have no prefix.
const ISSUER: &str = "duologue";
/// Says what the name of a key is made for, so that it tells nothing about the key.
const KEY_ID_PURPOSE: &[u8] = b"duologue token key id 1";
/// Bytes of such a name.
const KEY_ID_LEN: usize = 9;
/// The prefix of users whose foreign token has no `iss`.
const NAMELESS_ISSUER: &str = "external";
/// Bytes of `iss`, `sub`, `device` and `age_band` in foreign tokens.
const CLAIM_BYTES_MAX: usize = 128;
/// Beyond this no JSON implementation keeps milliseconds exact.
const EXPIRY_MAX: UnixMillis = UnixMillis((1 << 53) - 1);

/// What a user may do beyond calling others.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing more.
    User,
    /// Decide about reports.
    Moderator,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::User, Role::Moderator, Role::Admin];

    /// The word in tokens and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Moderator => "moderator",
            Role::Admin => "admin",
        }
    }

    /// Whether it gives rights over others.
    pub const fn is_staff(self) -> bool {
        match self {
            Role::User => false,
            Role::Moderator | Role::Admin => true,
        }
    }

    /// Unknown words, which a customer's backend may use for its own ends, give no rights.
    fn from_claim(role: Option<&str>) -> Self {
        match role {
            Some("moderator") => Role::Moderator,
            Some("admin") => Role::Admin,
            Some(_) | None => Role::User,
        }
    }
}

/// Who somebody is, independent of any one token. Its JSON is kept, so names and meanings of its members stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The user; foreign ids are prefixed by their issuer and a colon, which our own never contain.
    pub user: Arc<str>,
    /// What the user may do.
    pub role: Role,
    /// Made by a guest hello, not registered anywhere.
    pub guest: bool,
    /// The key for exclusion, limits and bans (rule 1).
    pub device: Option<Arc<str>>,
    /// The pool in matchmaking, if an issuer vouches for it.
    pub age_band: Option<Arc<str>>,
}

/// What a valid access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub subject: Subject,
    /// When the token stops to be valid.
    pub expires: UnixMillis,
    /// The chain of refreshes the token comes from; foreign tokens have none.
    pub family: Option<FamilyId>,
}

/// A fresh pair of tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// What the access token says.
    pub identity: Identity,
    /// The access token.
    pub access_token: String,
    /// The refresh token: good once.
    pub refresh_token: String,
    /// The life of the access token.
    pub expires_in: Duration,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Why an access token is refused: `unauthorized`, HTTP 401.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No JWT, wrong algorithm, unknown key, or claims missing.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its family was revoked (rule 17).
    #[error("the token was revoked")]
    Revoked,
}

/// Why a refresh token is refused: HTTP 401.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// Unknown, expired or revoked.
    #[error("the refresh token is not valid")]
    Invalid,
    /// Used before. The whole family is dead now; its live sockets must go too (rule 17).
    #[error("the refresh token was used before")]
    Reused(FamilyId),
}

/// What [`Tokens`] is made of.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// Signs our own access tokens.
    pub secret: Secret,
    /// Signed them before; what they signed is good until it expires.
    pub old_secrets: Vec<Secret>,
    /// HS256 keys of a customer's backend: `auth.jwt_secrets`.
    pub foreign_secrets: Vec<Secret>,
    /// Public keys of such a backend: `auth.jwks_url`, `auth.jwks_file`.
    pub foreign_keys: ForeignKeys,
    /// The `iss` that its tokens must carry: `auth.issuer`; `None`: any, or none.
    pub foreign_issuer: Option<String>,
    /// The `aud` that its tokens must name: `auth.audience`; `None`: any, or none.
    pub foreign_audience: Option<String>,
    /// The life of an access token.
    pub access_ttl: Duration,
    /// The life of a refresh token.
    pub refresh_ttl: Duration,
}

/// Issues and verifies tokens.
pub struct Tokens {
    signing: EncodingKey,
    /// The one that signs first.
    own: Vec<OwnKey>,
    appeal_keys: AppealKeys,
    foreign: Vec<DecodingKey>,
    foreign_keys: ForeignKeys,
    foreign_issuer: Option<String>,
    foreign_audience: Option<String>,
    access_ttl: Duration,
    /// The longest life that any access token of ours may have been given.
    access_ttl_max: Duration,
    refresh_ttl: Duration,
    families: Families,
}

/// A key of ours by the name that our tokens give it: `kid`. RFC 7515 §4.1.4.
struct OwnKey {
    id: String,
    key: DecodingKey,
}

impl OwnKey {
    fn new(secret: &Secret) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
        let id = mac.chain_update(KEY_ID_PURPOSE).finalize().into_bytes();
        Self { id: URL_SAFE_NO_PAD.encode(&id[..KEY_ID_LEN]), key: DecodingKey::from_secret(secret.expose()) }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("foreign", &self.foreign.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Knows no family until they are restored.
    pub fn new(settings: &TokenSettings) -> Self {
        Self {
            signing: EncodingKey::from_secret(settings.secret.expose()),
            own: std::iter::once(&settings.secret).chain(&settings.old_secrets).map(OwnKey::new).collect(),
            appeal_keys: AppealKeys::new(&settings.secret, &settings.old_secrets),
            foreign: settings.foreign_secrets.iter().map(|key| DecodingKey::from_secret(key.expose())).collect(),
            foreign_keys: settings.foreign_keys.clone(),
            foreign_issuer: settings.foreign_issuer.clone(),
            foreign_audience: settings.foreign_audience.clone(),
            access_ttl: settings.access_ttl,
            access_ttl_max: settings.access_ttl,
            refresh_ttl: settings.refresh_ttl,
            families: Families::default(),
        }
    }

    /// Goes by what these settings say of a backend's tokens, and of the lives of ours, from now on. Our own keys stay.
    pub fn change(&mut self, settings: &TokenSettings) {
        self.foreign = settings.foreign_secrets.iter().map(|key| DecodingKey::from_secret(key.expose())).collect();
        self.foreign_issuer.clone_from(&settings.foreign_issuer);
        self.foreign_audience.clone_from(&settings.foreign_audience);
        self.access_ttl = settings.access_ttl;
        self.access_ttl_max = self.access_ttl_max.max(settings.access_ttl);
        self.refresh_ttl = settings.refresh_ttl;
    }

    /// Takes a family back that was kept when it last changed.
    pub fn restore(&mut self, family: Family) {
        self.families.restore(family);
    }

    /// Takes a dead family back, whose access tokens are refused until that moment.
    pub fn restore_buried(&mut self, family: FamilyId, until: UnixMillis) {
        self.families.restore_buried(family, until);
    }

    /// Whether the family is dead.
    pub fn is_buried(&self, family: &FamilyId) -> bool {
        self.families.is_buried(family)
    }

    /// Takes what has changed since the last call and must be kept.
    pub fn take_changes(&mut self) -> Vec<FamilyChange> {
        self.families.take_changes()
    }

    /// Takes the guests whose login has ended since the last call: each has one, and nobody can be them again.
    pub fn take_departed(&mut self) -> Vec<Arc<str>> {
        self.families.take_departed()
    }

    /// Makes a new user and its first tokens (rule 1). `device` is checked by the caller.
    pub fn issue_guest(&mut self, device: &str, now: UnixMillis) -> Issued {
        let subject = Subject {
            user: format!("{GUEST_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<16>())).into(),
            role: Role::User,
            guest: true,
            device: Some(device.into()),
            age_band: None,
        };
        let (family, refresh_token) = self.families.open(subject.clone(), None, now + self.refresh_ttl, now);
        self.issued(subject, family, refresh_token, now)
    }

    /// Makes the first tokens of a login of that revision of an account. One login too many ends another.
    pub fn issue_login(&mut self, subject: Subject, revision: u64, now: UnixMillis) -> Issued {
        if let Some(family) = self.families.supernumerary(&subject.user) {
            self.end_logins(&subject.user, &Logins::Of(family), now);
        }
        let (family, refresh_token) = self.families.open(subject.clone(), Some(revision), now + self.refresh_ttl, now);
        self.issued(subject, family, refresh_token, now)
    }

    /// Makes the login of a guest one of that revision of an account, with the same user; `None` if it is over.
    pub fn settle_guest(
        &mut self,
        family: &FamilyId,
        subject: Subject,
        revision: u64,
        now: UnixMillis,
    ) -> Option<Issued> {
        let refresh_token = self.families.settle(family, &subject, revision, now + self.refresh_ttl, now)?;
        Some(self.issued(subject, family.clone(), refresh_token, now))
    }

    /// When a user last logged in or was given new tokens; `None` without a login that lasts.
    pub fn last_issued(&self, user: &Arc<str>) -> Option<UnixMillis> {
        let expires = self.families.last_expiry(user)?;
        Some(UnixMillis(expires.0.saturating_sub(self.refresh_ttl.as_millis() as u64)))
    }

    /// The logins of a user.
    pub fn logins(&self, user: &Arc<str>) -> impl Iterator<Item = &Family> {
        self.families.of_user(user)
    }

    /// Those who have logged in on a device, each as often as it has.
    pub fn users_of_device(&self, device: &str) -> Vec<Arc<str>> {
        self.families.users_of_device(device)
    }

    /// Ends logins of a user: none of their tokens is good any more. Their live sockets must go too (rule 17).
    pub fn end_logins(&mut self, user: &Arc<str>, which: &Logins, now: UnixMillis) {
        let mut ended = self.families.end(user, which);
        if let Logins::Of(family) = which
            && ended.is_empty()
        {
            // Forgotten, but an access token of it may be good.
            ended.push(family.clone());
        }
        for family in ended {
            // Access tokens of the family live at most that long.
            self.families.bury(family, now + self.access_ttl_max);
        }
    }

    /// Whose login a refresh token is of, whether it is good or was used before; `None`: of none that lives.
    pub fn owner_of(&self, refresh_token: &str) -> Option<Arc<str>> {
        self.families.owner_of(refresh_token)
    }

    /// Gives a new pair for a refresh token, which is used up by that.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]; after `Reused` every token of the family is refused.
    pub fn refresh(&mut self, refresh_token: &str, now: UnixMillis) -> Result<Issued, RefreshError> {
        let renewed = self.families.rotate(refresh_token, now + self.refresh_ttl, now);
        match renewed {
            Ok((subject, family, refresh_token)) => Ok(self.issued(subject, family, refresh_token, now)),
            Err(error) => {
                if let RefreshError::Reused(family) = &error {
                    // Access tokens of the family live at most that long.
                    self.families.bury(family.clone(), now + self.access_ttl_max);
                }
                Err(error)
            }
        }
    }

    /// Verifies an access token, our own or a foreign one.
    ///
    /// # Errors
    ///
    /// [`TokenError`]
    pub fn verify(&self, access_token: &str, now: UnixMillis) -> Result<Identity, TokenError> {
        let header = jsonwebtoken::decode_header(access_token).map_err(|_| TokenError::Invalid)?;
        // Extensions that must be understood are not understood here. RFC 7515 §4.1.11.
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let claims = if foreign_keys::is_asymmetric(header.alg) {
            self.foreign_keys.find_map(&header, |key| decode(access_token, key, header.alg))
        } else {
            if let Some(claims) = self.own_claims(access_token, &header) {
                return self.own_identity(claims, now);
            }
            self.foreign.iter().find_map(|key| decode(access_token, key, Algorithm::HS256))
        };
        let claims = claims.filter(|claims| self.is_meant_for_us(claims)).ok_or(TokenError::Invalid)?;
        foreign_identity(claims, now)
    }

    /// Whether a foreign token comes from whom, and is for whom, the operator says. RFC 7519 §4.1.1, §4.1.3.
    fn is_meant_for_us(&self, claims: &Claims) -> bool {
        let by_issuer = self.foreign_issuer.is_none() || self.foreign_issuer == claims.iss;
        let to_audience = self.foreign_audience.as_ref().is_none_or(|audience| match &claims.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Several(several)) => several.contains(audience),
        });
        by_issuer && to_audience
    }

    /// What a token says that one of our own keys has signed.
    fn own_claims(&self, token: &str, header: &Header) -> Option<Claims> {
        let named = self.own.iter().find(|own| header.kid.as_ref() == Some(&own.id));
        match named {
            Some(own) => decode(token, &own.key, Algorithm::HS256),
            // Those of earlier versions name none.
            None => self.own.iter().find_map(|own| decode(token, &own.key, Algorithm::HS256)),
        }
    }

    fn own_identity(&self, claims: Claims, now: UnixMillis) -> Result<Identity, TokenError> {
        let expires = valid_until(&claims, now)?;
        let family = claims.fam.map(|name| FamilyId::new(name.into()));
        if family.as_ref().is_some_and(|family| self.families.is_buried(family)) {
            return Err(TokenError::Revoked);
        }
        let subject = Subject {
            user: claims.sub.into(),
            role: Role::from_claim(claims.role.as_deref()),
            guest: claims.guest,
            device: claims.device.map(Into::into),
            age_band: claims.age_band.map(Into::into),
        };
        Ok(Identity { subject, expires, family })
    }

    fn issued(&self, subject: Subject, family: FamilyId, refresh_token: String, now: UnixMillis) -> Issued {
        let expires_secs = (now + self.access_ttl).as_secs();
        let claims = Claims {
            age_band: subject.age_band.as_deref().map(str::to_owned),
            fam: Some(family.name().to_string()),
            ..Claims::of(&subject, expires_secs, now)
        };
        let key_id = self.own.first().map(|own| own.id.clone());
        let header = Header { kid: key_id, ..Header::new(Algorithm::HS256) };
        let access_token = jsonwebtoken::encode(&header, &claims, &self.signing)
            .expect("HMAC signing with a key of its own family does not fail");
        let identity = Identity { subject, expires: UnixMillis(expires_secs * 1000), family: Some(family) };
        Issued { identity, access_token, refresh_token, expires_in: self.access_ttl }
    }
}

/// Verifies the signature by that one algorithm, whatever the token names.
fn decode(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    // Times are checked against the moment given, not against a clock of the library.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
}

/// RFC 7519 §4.1 and our own.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// Ours have none.
    #[serde(default, skip_serializing)]
    aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_band: Option<String>,
    #[serde(default)]
    guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fam: Option<String>,
}

impl Claims {
    /// What this process says of somebody.
    fn of(subject: &Subject, expires_secs: u64, now: UnixMillis) -> Self {
        Self {
            sub: subject.user.to_string(),
            exp: expires_secs.into(),
            iat: Some(now.as_secs().into()),
            nbf: None,
            iss: Some(ISSUER.to_owned()),
            aud: None,
            role: Some(subject.role.as_str().to_owned()),
            device: subject.device.as_deref().map(str::to_owned),
            age_band: None,
            guest: subject.guest,
            fam: None,
        }
    }
}

/// One receiver or several. RFC 7519 §4.1.3.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The expiry, if the token is valid at this moment.
fn valid_until(claims: &Claims, now: UnixMillis) -> Result<UnixMillis, TokenError> {
    let expires = numeric_date(&claims.exp).ok_or(TokenError::Invalid)?.min(EXPIRY_MAX);
    if let Some(not_before) = &claims.nbf
        && numeric_date(not_before).is_none_or(|not_before| now < not_before)
    {
        return Err(TokenError::Invalid);
    }
    if expires <= now { Err(TokenError::Expired) } else { Ok(expires) }
}

/// Seconds since 1970 with or without a fraction. RFC 7519 §2.
fn numeric_date(number: &Number) -> Option<UnixMillis> {
    if let Some(secs) = number.as_u64() {
        return Some(UnixMillis(secs.saturating_mul(1000)));
    }
    let secs = number.as_f64().filter(|secs| secs.is_finite() && *secs >= 0.0)?;
    // A cast from a float saturates.
    Some(UnixMillis((secs * 1000.0) as u64))
}

fn foreign_identity(claims: Claims, now: UnixMillis) -> Result<Identity, TokenError> {
    let expires = valid_until(&claims, now)?;
    let issuer = claims.iss.as_deref().unwrap_or(NAMELESS_ISSUER);
    let texts = [Some(claims.sub.as_str()), Some(issuer), claims.device.as_deref(), claims.age_band.as_deref()];
    if texts.into_iter().flatten().any(|text| text.is_empty() || text.len() > CLAIM_BYTES_MAX) {
        return Err(TokenError::Invalid);
    }
    let subject = Subject {
        user: format!("{issuer}:{}", claims.sub).into(),
        role: Role::from_claim(claims.role.as_deref()),
        guest: false,
        device: claims.device.map(Into::into),
        age_band: claims.age_band.map(Into::into),
    };
    Ok(Identity { subject, expires, family: None })
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

#[cfg(test)]
mod tests;
