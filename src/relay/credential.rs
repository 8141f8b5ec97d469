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
    pub(super) username: Box<str>,
    pub(super) key: IntegrityKey,
    /// The username without its expiry.
    pub(super) user: QuotaUser,
    /// When it expires, in Unix seconds, if it was minted.
    pub(super) expires_unix_secs: Option<u64>,
    /// The session it was minted for.
    pub(super) session: Option<Arc<str>>,
}

impl Credential {
    pub(super) fn new(verified: &Verified<'_>) -> Self {
        let TurnUsername { expires_unix_secs, id } = verified.username;
        let session = expires_unix_secs.is_some().then(|| verified.username.session());
        let session: Option<Arc<str>> = session.filter(|session| !session.is_empty()).map(Arc::from);
        Self {
            username: Box::from(verified.sent),
            key: verified.key.clone(),
            user: session.clone().map_or_else(|| QuotaUser::new(id), |session| QuotaUser::of_session(id, session)),
            expires_unix_secs,
            session,
        }
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
        self.expires_unix_secs.is_none()
    }

    pub(super) fn is_expired(&self, now: Now) -> bool {
        self.expires_unix_secs.is_some_and(|expires| expires <= now.unix.as_secs())
    }

    /// How long it lasts; for ever if it is a static user's.
    pub(super) fn remaining(&self, now: Now) -> Duration {
        let seconds = self.expires_unix_secs.map(|expires| expires.saturating_sub(now.unix.as_secs()));
        seconds.map_or(Duration::MAX, Duration::from_secs)
    }
}
