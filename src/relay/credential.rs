//! Who a client proved to be.
use std::sync::Arc;
use std::time::Duration;

use crate::auth::turn::Claim;
use crate::auth::turn::TurnUsername;
use crate::auth::turn::Verified;
use crate::relay::effect::QuotaUser;
use crate::stun::IntegrityKey;
use crate::stun::UserHash;
use crate::time::Now;

/// A verified long-term credential. The key stays with the allocation, so later requests cost one HMAC.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) username: Arc<str>,
    pub(super) key: IntegrityKey,
    /// The username without its expiry.
    pub(super) user: QuotaUser,
}

impl Credential {
    pub(super) fn new(verified: &Verified<'_>) -> Self {
        let TurnUsername { expires_unix_secs, id } = verified.username;
        let username: Arc<str> = Arc::from(verified.sent);
        let user = match expires_unix_secs {
            Some(_) => QuotaUser::minted(Arc::clone(&username), verified.username),
            None if *id == *username => QuotaUser::named(Arc::clone(&username)),
            None => QuotaUser::new(id),
        };
        Self { username, key: verified.key.clone(), user }
    }

    /// The session it was minted for.
    pub(super) fn session(&self) -> Option<&str> {
        self.user.session()
    }

    /// Whether the claim is this credential's name, or its hash if it is a static user's.
    pub(super) fn is_claimed(&self, claim: Claim<'_>, realm: &str) -> bool {
        match claim {
            Claim::Name(sent) => *self.username == *sent,
            Claim::Hash(hash) => self.is_static() && UserHash::of(&self.username, realm) == hash,
        }
    }

    /// Whether both are one user's: the same time-limited name, or the same static user however named.
    pub(super) fn is_same_user(&self, other: &Credential) -> bool {
        self.username == other.username || (self.is_static() && other.is_static() && self.user == other.user)
    }

    fn is_static(&self) -> bool {
        !self.user.is_minted()
    }

    pub(super) fn is_expired(&self, now: Now) -> bool {
        self.expires_unix_secs().is_some_and(|expires| expires <= now.unix.as_secs())
    }

    /// When it expires, if it was minted: only requests ask, so reading the name again is cheaper than keeping what it says.
    fn expires_unix_secs(&self) -> Option<u64> {
        if self.is_static() { None } else { TurnUsername::parse(&self.username).expires_unix_secs }
    }

    /// How long it lasts; for ever if it is a static user's.
    pub(super) fn remaining(&self, now: Now) -> Duration {
        let seconds = self.expires_unix_secs().map(|expires| expires.saturating_sub(now.unix.as_secs()));
        seconds.map_or(Duration::MAX, Duration::from_secs)
    }
}
