//! Single access tokens, for an operator's own tests.
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde::Serialize;

use crate::auth::secret::Secret;
use crate::auth::token::ISSUER;
use crate::auth::token::Role;
use crate::time::UnixMillis;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub user: String,
    /// What that user may do.
    pub role: Role,
    /// The device.
    pub device: Option<String>,
    /// The pool in matchmaking.
    pub age_band: Option<String>,
    /// The `iss` of a backend's token.
    pub issuer: Option<String>,
    /// The `aud` of a backend's token.
    pub audience: Option<String>,
    /// Until when it is good; to the second.
    pub expires: UnixMillis,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_band: Option<&'a str>,
}

/// A token as a customer's backend makes it with that shared key.
pub fn of_backend(key: &Secret, grant: &Grant, now: UnixMillis) -> String {
    sign(key, grant, grant.issuer.as_deref(), now)
}

/// A token of our own, without a login that could be ended.
pub fn of_our_own(key: &Secret, grant: &Grant, now: UnixMillis) -> String {
    sign(key, grant, Some(ISSUER), now)
}

fn sign(key: &Secret, grant: &Grant, issuer: Option<&str>, now: UnixMillis) -> String {
    let claims = Claims {
        sub: &grant.user,
        exp: grant.expires.as_secs(),
        iat: now.as_secs(),
        iss: issuer,
        aud: grant.audience.as_deref(),
        role: grant.role,
        device: grant.device.as_deref(),
        age_band: grant.age_band.as_deref(),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(key.expose()))
        .expect("HMAC signing with a key of its own family does not fail")
}
