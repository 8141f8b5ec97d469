//! Resume tokens: whoever holds one goes on with a connection that was lost. Rule 34.
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::auth::secret::Secret;

/// 256 bits, so that a plain hash of it tells nothing.
const SECRET_LEN: usize = 32;
/// Bytes of a user id: issuer and subject of a foreign token, with a colon between them.
const USER_LEN_MAX: usize = 257;

/// A token as its holder shows it: a secret, and the name of the user it belongs to.
///
/// The name spares an index of tokens; it is no secret of the user's own.
#[derive(Debug)]
pub struct ResumeToken {
    user: Arc<str>,
    secret: Secret,
}

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeHash([u8; 32]);

impl fmt::Debug for ResumeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeHash(..)")
    }
}

impl ResumeHash {
    /// Makes a token for `user`; its text is not kept anywhere.
    pub fn issue(user: &str) -> (String, Self) {
        let mut secret = [0; SECRET_LEN];
        getrandom::fill(&mut secret).expect("the operating system has random bytes");
        let text = URL_SAFE_NO_PAD.encode([secret.as_slice(), user.as_bytes()].concat());
        (text, Self(Sha256::digest(secret).into()))
    }

    /// One that was kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What to keep of it.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether this is the hash of that token.
    pub fn is_of(&self, token: &ResumeToken) -> bool {
        let hash: [u8; 32] = Sha256::digest(token.secret.expose()).into();
        hash.ct_eq(&self.0).into()
    }
}

impl ResumeToken {
    /// Reads what a client shows; `None` if we never wrote anything like it.
    pub fn parse(text: &str) -> Option<Self> {
        // The length is bounded before anything is decoded.
        if text.len() > (SECRET_LEN + USER_LEN_MAX).div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (secret, user) = bytes.split_at_checked(SECRET_LEN)?;
        Some(Self { user: std::str::from_utf8(user).ok()?.into(), secret: Secret::new(secret) })
    }

    /// Whose it claims to be.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_user_and_matches_its_own_hash_only() {
        let longest = "x".repeat(USER_LEN_MAX);
        for user in ["g_1", "shop:ann", longest.as_str()] {
            let ((text, hash), (other, _)) = (ResumeHash::issue(user), ResumeHash::issue(user));
            let [token, other] = [text, other].map(|text| ResumeToken::parse(&text).expect("our own"));
            assert_eq!(token.user().as_ref(), user);
            assert!(hash.is_of(&token) && !hash.is_of(&other));
        }
    }

    #[test]
    fn what_we_never_wrote_is_no_token() {
        let not_utf8 = URL_SAFE_NO_PAD.encode([0xff; SECRET_LEN + 1]);
        for text in ["", "r", "not base64!", &URL_SAFE_NO_PAD.encode([0; SECRET_LEN - 1]), &not_utf8, &"A".repeat(389)]
        {
            assert!(ResumeToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn neither_token_nor_hash_prints_itself() {
        let (text, hash) = ResumeHash::issue("g_1");
        let token = ResumeToken::parse(&text).expect("our own");
        assert_eq!(format!("{hash:?} {token:?}"), r#"ResumeHash(..) ResumeToken { user: "g_1", secret: Secret(..) }"#);
    }
}
