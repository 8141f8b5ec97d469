//! Passes: what somebody who is kept out gets to appeal, once the tokens are lost.
//!
//! They are signed with keys of their own, so that whatever verifies access tokens takes none of them.
use std::fmt;
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
use sha2::Digest;
use sha2::Sha256;

use crate::auth::secret::Secret;
use crate::auth::token::Claims;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::auth::token::TokenError;
use crate::auth::token::Tokens;
use crate::auth::token::decode;
use crate::auth::token::valid_until;
use crate::time::UnixMillis;

/// Says what those keys are made for.
const KEY_PURPOSE: &[u8] = b"duologue appeal pass key 1";
/// Says what is made of a device's name.
const DEVICE_PURPOSE: &[u8] = b"duologue device that appeals 1";
/// Names of devices as whom somebody appeals begin with it, and have no colon.
const DEVICE_PREFIX: &str = "d_";
/// Long enough to write a letter; shorter than what anybody would keep.
const LIFE: Duration = Duration::from_secs(1800);

/// Whether a user is nobody but the device that was shown to be one's own.
pub(crate) fn is_device_name(user: &str) -> bool {
    user.starts_with(DEVICE_PREFIX) && !user.contains(':')
}

/// Good for appeals and for nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct AppealPass {
    /// The token.
    pub token: String,
    /// Its life.
    pub expires_in: Duration,
}

impl fmt::Debug for AppealPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppealPass").finish_non_exhaustive()
    }
}

/// The keys of passes; the one that signs first.
pub(super) struct AppealKeys {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
}

impl AppealKeys {
    pub(super) fn new(secret: &Secret, old: &[Secret]) -> Self {
        let derived = |secret: &Secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
            Secret::new(mac.chain_update(KEY_PURPOSE).finalize().into_bytes().to_vec())
        };
        let verifying = std::iter::once(secret).chain(old).map(derived);
        Self {
            signing: EncodingKey::from_secret(derived(secret).expose()),
            verifying: verifying.map(|key| DecodingKey::from_secret(key.expose())).collect(),
        }
    }
}

impl Subject {
    /// Whoever knows what a device calls itself, without being any of its users.
    ///
    /// It appeals by a name of its own: somebody who has found the name out uses up nobody else's appeal.
    pub fn of_device(device: &str) -> Self {
        let name = Sha256::new().chain_update(DEVICE_PURPOSE).chain_update(device).finalize();
        Self {
            user: format!("{DEVICE_PREFIX}{}", URL_SAFE_NO_PAD.encode(&name[..16])).into(),
            role: Role::User,
            guest: true,
            device: Some(device.into()),
            age_band: None,
        }
    }
}

impl Tokens {
    /// Makes a pass for somebody who has shown to be that.
    pub fn issue_pass(&self, subject: &Subject, now: UnixMillis) -> AppealPass {
        let claims = Claims::of(subject, (now + LIFE).as_secs(), now);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.appeal_keys.signing)
            .expect("HMAC signing with a key of its own family does not fail");
        AppealPass { token, expires_in: LIFE }
    }

    /// Who appeals: by an access token or a pass.
    ///
    /// # Errors
    ///
    /// [`TokenError`]
    pub fn verify_for_appeal(&self, token: &str, now: UnixMillis) -> Result<Subject, TokenError> {
        let keys = &self.appeal_keys.verifying;
        let Some(claims) = keys.iter().find_map(|key| decode(token, key, Algorithm::HS256)) else {
            return self.verify(token, now).map(|identity| identity.subject);
        };
        valid_until(&claims, now)?;
        Ok(Subject {
            user: claims.sub.into(),
            role: Role::from_claim(claims.role.as_deref()),
            guest: claims.guest,
            device: claims.device.map(Into::into),
            age_band: None,
        })
    }
}
