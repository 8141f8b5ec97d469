//! Who a client proved to be.
use std::sync::Arc;
use std::time::Duration;

use crate::auth::turn::TurnUsername;
use crate::auth::turn::Verified;
use crate::relay::effect::QuotaUser;
use crate::stun::IntegrityKey;
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
    /// The credential with this USERNAME, as it was sent.
    pub(super) fn new(username: &str, verified: &Verified<'_>) -> Self {
        let TurnUsername { expires_unix_secs, id } = verified.username;
        let session = expires_unix_secs.is_some().then(|| verified.username.session());
        let session: Option<Arc<str>> = session.filter(|session| !session.is_empty()).map(Arc::from);
        Self {
            username: Box::from(username),
            key: verified.key.clone(),
            user: session.clone().map_or_else(|| QuotaUser::new(id), |session| QuotaUser::of_session(id, session)),
            expires_unix_secs,
            session,
        }
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
