//! `[auth]`: who people are.
use std::time::Duration;

use serde::Serialize;

use crate::auth::secret::Secret;

use super::duration;
use super::mask;
use super::problem::Complaint;
use super::read::Section;

/// `[auth]`: guests, accounts, tokens of our own and of a customer's backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Auth {
    /// Whether people may come without an account.
    pub guests: bool,
    /// Whether people can have an account.
    pub accounts: bool,
    /// Whether they can make it themselves.
    pub registration: bool,
    /// Shared keys (HS256) of a customer's backend that mints tokens.
    #[serde(serialize_with = "mask::list")]
    pub jwt_secrets: Vec<Secret>,
    /// Public keys of such a backend, as a JWK set; not fetched yet, so it must be empty.
    pub jwks_url: String,
    /// The `iss` such tokens must carry; empty: any.
    pub issuer: String,
    /// The `aud` such tokens must carry; empty: any.
    pub audience: String,
    /// Life of an access token.
    #[serde(serialize_with = "duration::serialize")]
    pub access_ttl: Duration,
    /// Life of a refresh token.
    #[serde(serialize_with = "duration::serialize")]
    pub refresh_ttl: Duration,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            guests: true,
            accounts: true,
            registration: true,
            jwt_secrets: Vec::new(),
            jwks_url: String::new(),
            issuer: String::new(),
            audience: String::new(),
            access_ttl: Duration::from_secs(300),
            refresh_ttl: Duration::from_secs(30 * 86_400),
        }
    }
}

impl Auth {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            guests: section.value("guests", default.guests),
            accounts: section.value("accounts", default.accounts),
            registration: section.value("registration", default.registration),
            jwt_secrets: section.secrets("jwt_secrets"),
            jwks_url: section.checked("jwks_url", default.jwks_url, |url| check_jwks_url(url)),
            issuer: section.value("issuer", default.issuer),
            audience: section.value("audience", default.audience),
            access_ttl: section.checked("access_ttl", default.access_ttl, |ttl| positive(*ttl)),
            refresh_ttl: section.checked("refresh_ttl", default.refresh_ttl, |ttl| positive(*ttl)),
        };
        section.finish();
        read
    }
}

/// The keys would be ignored, and with them every token that the operator wants to be accepted.
fn check_jwks_url(url: &str) -> Result<(), Complaint> {
    if url.is_empty() {
        return Ok(());
    }
    Err(Complaint::new("this version does not fetch public keys", "leave it empty and share a key by jwt_secrets"))
}

fn positive(ttl: Duration) -> Result<(), Complaint> {
    if ttl < Duration::from_secs(1) {
        let what = format!("a token of {} has expired when it arrives", duration::format(ttl));
        return Err(Complaint::new(what, "write at least \"1s\""));
    }
    Ok(())
}
