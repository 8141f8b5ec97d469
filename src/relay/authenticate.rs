//! The long-term credential mechanism. RFC 8489 §9.2.4, RFC 8656 §5.
use crate::auth::nonce::NonceCheck;
use crate::auth::turn::Claim;
use crate::relay::client::ClientAddr;
use crate::relay::credential::Credential;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::stun::AttributeType;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::PasswordAlgorithm;
use crate::stun::UserHash;
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
    /// No integrity attribute: 401 with realm and nonce.
    #[error("no credentials")]
    NoCredentials,
    /// The user's name or hash, REALM or NONCE is missing or malformed, or the algorithms are not as offered: 400 without
    /// realm and nonce.
    #[error("malformed credentials")]
    Malformed,
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
            Unproved::Malformed => ErrorCode::BAD_REQUEST,
            Unproved::StaleNonce => ErrorCode::STALE_NONCE,
        }
    }
}

impl Server {
    /// Finds out who sent a request. The checks stand in the order of RFC 8489 §9.2.4.
    pub(super) fn authenticate(&self, message: &Message<'_>, from: &ClientAddr, now: Now) -> Result<Sender, Unproved> {
        match message.integrity() {
            None => return Err(Unproved::NoCredentials),
            Some(Err(_)) => return Err(Unproved::Malformed),
            Some(Ok(_)) => {}
        }
        let claim = claim(message)?;
        let realm = message.text(AttributeType::REALM);
        let nonce = message.text(AttributeType::NONCE);
        let (Some(Ok(realm)), Some(Ok(nonce))) = (realm, nonce) else {
            return Err(Unproved::Malformed);
        };
        let algorithm = algorithm(message)?;
        if realm != self.config.verifier.realm() {
            return Err(Unproved::Wrong);
        }
        let sender = self.sender(message, claim, algorithm, from, now)?;
        match self.config.nonce_key.verify(nonce.as_bytes(), from.remote, now.unix.as_secs()) {
            NonceCheck::Valid => Ok(sender),
            NonceCheck::Stale => Err(Unproved::StaleNonce),
        }
    }

    fn sender(
        &self,
        message: &Message<'_>,
        claim: Claim<'_>,
        algorithm: PasswordAlgorithm,
        from: &ClientAddr,
        now: Now,
    ) -> Result<Sender, Unproved> {
        let verifier = &self.config.verifier;
        let live = self.allocations.live(from, now.mono);
        // The key that made the allocation also proves its owner after a change of secrets.
        if let Some((at, allocation)) = live
            && allocation.credential.key.algorithm() == algorithm
            && allocation.credential.is_claimed(claim, verifier.realm())
        {
            let credential = &allocation.credential;
            return if message.verify(&credential.key) {
                self.owner(at, credential, credential.key.clone(), now)
            } else {
                Err(Unproved::Wrong)
            };
        }
        let verified = verifier.verify(claim, algorithm, |key| message.verify(key)).ok_or(Unproved::Wrong)?;
        let credential = Credential::new(&verified);
        match live {
            // Its owner under the other algorithm, or the other name.
            Some((at, allocation)) if allocation.credential.is_same_user(&credential) => {
                self.owner(at, &allocation.credential, credential.key, now)
            }
            Some(_) | None => Ok(Sender::Other(credential)),
        }
    }

    /// The owner of an allocation, who has proved to know this key.
    fn owner(
        &self,
        at: AllocationId,
        credential: &Credential,
        key: IntegrityKey,
        now: Now,
    ) -> Result<Sender, Unproved> {
        let is_refused = self.config.strict_expiry && credential.is_expired(now);
        if is_refused { Err(Unproved::Wrong) } else { Ok(Sender::Owner { at, key }) }
    }
}

/// Who the sender says to be: a name or a hash, never both.
fn claim<'a>(message: &Message<'a>) -> Result<Claim<'a>, Unproved> {
    match (message.text(AttributeType::USERNAME), message.attribute(AttributeType::USERHASH)) {
        (Some(Ok(name)), None) => Ok(Claim::Name(name)),
        (None, Some(hash)) => UserHash::from_bytes(hash).map(Claim::Hash).ok_or(Unproved::Malformed),
        (Some(Ok(_)), Some(_)) | (Some(Err(_)), _) | (None, None) => Err(Unproved::Malformed),
    }
}

/// The algorithm of the sender's key.
///
/// The check does not depend on the NONCE, though RFC 8489 §9.2.4 ties it to the features there: all our nonces have the
/// bit, and any other is refused in the end.
fn algorithm(message: &Message<'_>) -> Result<PasswordAlgorithm, Unproved> {
    let offered = message.attribute(AttributeType::PASSWORD_ALGORITHMS);
    match (offered, message.attribute(AttributeType::PASSWORD_ALGORITHM)) {
        (None, None) => Ok(PasswordAlgorithm::Md5),
        (Some(offered), Some(chosen)) if offered == PasswordAlgorithm::OFFERED => {
            PasswordAlgorithm::from_bytes(chosen).ok_or(Unproved::Malformed)
        }
        (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => Err(Unproved::Malformed),
    }
}
