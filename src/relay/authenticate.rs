//! The long-term credential mechanism. RFC 8489 §9.2.4, RFC 8656 §5.
use crate::auth::nonce::NonceCheck;
use crate::relay::client::ClientAddr;
use crate::relay::credential::Credential;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::stun::AttributeType;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::time::Now;

/// Who sent a request.
#[derive(Debug)]
pub(super) enum Sender {
    /// The user who made the live allocation of this 5-tuple.
    Owner {
        /// The allocation.
        at: AllocationId,
        /// The key of the request, for the answer.
        key: IntegrityKey,
    },
    /// Any other user with a credential that verifies. Whether it is expired or revoked matters to Allocate alone.
    Other(Credential),
}

impl Sender {
    pub(super) fn key(&self) -> &IntegrityKey {
        match self {
            Sender::Owner { key, .. } => key,
            Sender::Other(credential) => &credential.key,
        }
    }
}

/// Why nobody is proved to have sent a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproved {
    /// No MESSAGE-INTEGRITY: 401 with realm and nonce.
    #[error("no credentials")]
    NoCredentials,
    /// USERNAME, REALM or NONCE is missing or too long: 400 without them.
    #[error("incomplete credentials")]
    Incomplete,
    /// Another realm, an unknown user, or a wrong key: 401 with realm and nonce.
    #[error("wrong credentials")]
    Wrong,
    /// The key is right, the nonce is not: 438 with realm and a fresh nonce.
    #[error("stale nonce")]
    StaleNonce,
}

impl Unproved {
    /// The code of the answer.
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Unproved::NoCredentials | Unproved::Wrong => ErrorCode::UNAUTHENTICATED,
            Unproved::Incomplete => ErrorCode::BAD_REQUEST,
            Unproved::StaleNonce => ErrorCode::STALE_NONCE,
        }
    }
}

impl Server {
    /// Finds out who sent a request. The checks stand in the order of RFC 8489 §9.2.4.
    pub(super) fn authenticate(&self, message: &Message<'_>, from: &ClientAddr, now: Now) -> Result<Sender, Unproved> {
        if !message.has_integrity() {
            return Err(Unproved::NoCredentials);
        }
        let username = message.text(AttributeType::USERNAME);
        let realm = message.text(AttributeType::REALM);
        let nonce = message.text(AttributeType::NONCE);
        let (Some(Ok(username)), Some(Ok(realm)), Some(Ok(nonce))) = (username, realm, nonce) else {
            return Err(Unproved::Incomplete);
        };
        if realm != self.config.verifier.realm() {
            return Err(Unproved::Wrong);
        }
        let sender = self.sender(message, username, from, now)?;
        match self.config.nonce_key.verify(nonce.as_bytes(), from.remote, now.unix.as_secs()) {
            NonceCheck::Valid => Ok(sender),
            NonceCheck::Stale => Err(Unproved::StaleNonce),
        }
    }

    fn sender(&self, message: &Message<'_>, username: &str, from: &ClientAddr, now: Now) -> Result<Sender, Unproved> {
        // The key that made the allocation also proves its owner after a change of secrets.
        if let Some((at, allocation)) = self.allocations.live(from, now.mono)
            && *allocation.credential.username == *username
        {
            let credential = &allocation.credential;
            let refused = self.config.strict_expiry && credential.is_expired(now);
            if refused || !message.verify_integrity(&credential.key) {
                return Err(Unproved::Wrong);
            }
            return Ok(Sender::Owner { at, key: credential.key.clone() });
        }
        let verifier = &self.config.verifier;
        let verified = verifier.verify(username.as_bytes(), |key| message.verify_integrity(key));
        verified.map(|verified| Sender::Other(Credential::new(username, &verified))).ok_or(Unproved::Wrong)
    }
}
