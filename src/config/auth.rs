//! `[auth]`: who people are.
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::Serializer;

use crate::auth::proof_of_work::BITS_MAX;
use crate::auth::secret::Secret;

use super::duration;
use super::mask;
use super::problem::Complaint;
use super::read::Section;

/// Hosts that nobody else answers for.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// `[auth]`: guests, accounts, tokens of our own and of a customer's backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Auth {
    /// Whether people may come without an account.
    pub guests: bool,
    /// A service of the operator that judges guests; empty: everybody may come.
    pub guest_check_url: String,
    /// Signs what it is asked.
    #[serde(serialize_with = "mask::one")]
    pub guest_check_secret: Option<Secret>,
    /// Zeros that a guest has to find before it may come, bits; 0: none.
    pub guest_proof_of_work_bits: u16,
    /// Whether people can have an account.
    pub accounts: bool,
    /// Whether they can make it themselves.
    pub registration: bool,
    /// Shared keys (HS256) of a customer's backend that mints tokens.
    #[serde(serialize_with = "mask::list")]
    pub jwt_secrets: Vec<Secret>,
    /// Where the public keys of such a backend are, as a JWK set; empty: nowhere.
    pub jwks_url: String,
    /// The file they are in.
    #[serde(serialize_with = "path_or_empty")]
    pub jwks_file: Option<PathBuf>,
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
            guest_check_url: String::new(),
            guest_check_secret: None,
            guest_proof_of_work_bits: 0,
            accounts: true,
            registration: true,
            jwt_secrets: Vec::new(),
            jwks_url: String::new(),
            jwks_file: None,
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
            guest_check_url: section
                .checked("guest_check_url", default.guest_check_url, |url| check_url(url, "answers")),
            guest_check_secret: section.secret("guest_check_secret"),
            guest_proof_of_work_bits: section.checked(
                "guest_proof_of_work_bits",
                default.guest_proof_of_work_bits,
                |bits| work(*bits),
            ),
            accounts: section.value("accounts", default.accounts),
            registration: section.value("registration", default.registration),
            jwt_secrets: section.secrets("jwt_secrets"),
            jwks_url: section.checked("jwks_url", default.jwks_url, |url| check_url(url, "keys")),
            jwks_file: section.value("jwks_file", default.jwks_file),
            issuer: section.value("issuer", default.issuer),
            audience: section.value("audience", default.audience),
            access_ttl: section.checked("access_ttl", default.access_ttl, |ttl| positive(*ttl)),
            refresh_ttl: section.checked("refresh_ttl", default.refresh_ttl, |ttl| positive(*ttl)),
        };
        section.finish();
        read
    }

    /// Whether public keys of a backend are believed.
    pub fn has_public_keys(&self) -> bool {
        !self.jwks_url.is_empty() || self.jwks_file.is_some()
    }
}

/// Whoever can put answers in place of others can be anybody here.
fn check_url(url: &str, what_comes: &str) -> Result<(), Complaint> {
    let host = |scheme: &str| url.strip_prefix(scheme).map(|rest| rest.split('/').next().unwrap_or_default());
    let is_loopback = |host: &str| {
        LOOPBACK_HOSTS
            .iter()
            .any(|loopback| host.strip_prefix(loopback).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
    };
    // What stands before an @ is no host.
    let is_odd = url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@');
    match (host("https://"), host("http://")) {
        _ if url.is_empty() => Ok(()),
        (Some(host), _) if !host.is_empty() && !is_odd => Ok(()),
        (_, Some(host)) if is_loopback(host) && !is_odd => Ok(()),
        _ => {
            let what = format!("{what_comes} from {url:?} could be anybody's");
            Err(Complaint::new(what, "write an address that begins with https://, or with http://localhost"))
        }
    }
}

pub(super) fn path_or_empty<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.clone().unwrap_or_default().serialize(to)
}

fn work(bits: u16) -> Result<(), Complaint> {
    if bits <= u16::from(BITS_MAX) {
        return Ok(());
    }
    let what = format!("{bits} bits are more work than any browser does in two minutes");
    Err(Complaint::new(what, format!("write a number from 0 to {BITS_MAX}, best below 21")))
}

fn positive(ttl: Duration) -> Result<(), Complaint> {
    if ttl < Duration::from_secs(1) {
        let what = format!("a token of {} has expired when it arrives", duration::format(ttl));
        return Err(Complaint::new(what, "write at least \"1s\""));
    }
    Ok(())
}
