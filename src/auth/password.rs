//! Passwords of accounts: Argon2id, RFC 9106, kept as PHC strings.
//!
//! Working one out takes 19 MiB and some hundredths of a second of one core, so nobody does it where others wait in line.
use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::PasswordHash;
use argon2::PasswordHasher;
use argon2::PasswordVerifier;
use argon2::Version;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use unicode_normalization::UnicodeNormalization;

use crate::auth::secret::Secret;

/// Characters of a new password; NIST SP 800-63B §5.1.1.2 asks for eight at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Memory in KiB, passes, lanes: the second choice of OWASP's Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Bytes of a salt. RFC 9106 §3.1.
const SALT_LEN: usize = 16;
/// Bytes of what is worked out.
const HASH_LEN: usize = 32;

/// A password in the form in which it is worked with: OpaqueString, RFC 8265 §4.2. It does not print itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password(Secret);

/// Why a text can be no password.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It could be guessed.
    #[error("a password has at least 8 characters")]
    TooShort,
    /// Nobody types that.
    #[error("a password has at most 1024 bytes")]
    TooLong,
    /// It holds what cannot be typed.
    #[error("a password holds no control characters")]
    Control,
    /// It is the name.
    #[error("a password is not the username")]
    IsName,
    /// The hash could not be worked out: our fault.
    #[error("the password could not be worked with")]
    Failed,
}

impl Password {
    /// One that is shown to log in: only what nobody could have chosen is refused.
    ///
    /// # Errors
    ///
    /// [`PasswordError::TooLong`], [`PasswordError::Control`]
    pub fn claimed(text: String) -> Result<Self, PasswordError> {
        let text = Secret::new(text.into_bytes());
        if text.expose().len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let plain_space = |c: char| if c.is_whitespace() && !c.is_control() { ' ' } else { c };
        let typed = std::str::from_utf8(text.expose()).unwrap_or_default();
        let prepared: String = typed.chars().map(plain_space).nfc().collect();
        if prepared.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        Ok(Self(Secret::new(prepared.into_bytes())))
    }

    /// One that nobody has, to be worked out in place of what is no password at all.
    pub fn nobodys() -> Self {
        Self(Secret::new([]))
    }

    /// One that somebody of that name chooses.
    ///
    /// # Errors
    ///
    /// [`PasswordError`]
    pub fn chosen(text: String, username: &str) -> Result<Self, PasswordError> {
        let password = Self::claimed(text)?;
        let typed = std::str::from_utf8(password.0.expose()).unwrap_or_default();
        if typed.chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        if typed.to_lowercase() == username.to_lowercase() {
            return Err(PasswordError::IsName);
        }
        Ok(password)
    }

    /// Works out what is kept of it: a PHC string with a salt of its own.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Failed`] when there is no memory for it.
    pub fn hash(&self) -> Result<String, PasswordError> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).expect("the operating system has random bytes");
        let hash: PasswordHash =
            argon2().hash_password_with_salt(self.0.expose(), &salt).map_err(|_| PasswordError::Failed)?;
        Ok(hash.to_string())
    }

    /// Whether it is the one that `kept` was worked out from; as costly as [`Password::hash`].
    pub fn is(&self, kept: &str) -> bool {
        // The parameters are those it was made with.
        PasswordHash::new(kept).is_ok_and(|kept| argon2().verify_password(self.0.expose(), &kept).is_ok())
    }
}

/// What nobody's password is kept as: no password is known for it, and to find that out costs as much as with any other.
pub fn decoy() -> String {
    let mut bytes = [0; SALT_LEN + HASH_LEN];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    let (salt, hash) = bytes.split_at(SALT_LEN);
    let [salt, hash] = [salt, hash].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}")
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_LEN)).expect("our own parameters are sound");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Password, PasswordError> {
        Password::chosen(text.to_owned(), "Annabella")
    }

    #[test]
    fn what_is_kept_tells_its_parameters_and_accepts_that_password_alone() {
        let password = chosen("correct horse").expect("good");
        let (kept, again) = (password.hash().expect("hashed"), password.hash().expect("hashed"));
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(kept, again, "each has its own salt");
        assert!(password.is(&kept) && password.is(&again));
        assert!(!chosen("correct horsf").expect("good").is(&kept));
        for broken in ["", "x", "$argon2id$v=19$m=19456,t=2,p=1$", &kept[..kept.len() - 20]] {
            assert!(!password.is(broken), "{broken}");
        }
    }

    #[test]
    fn a_hash_of_the_reference_implementation_with_other_parameters_is_accepted() {
        let kept = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(chosen("password").expect("good").is(kept));
        assert!(!chosen("passwort").expect("good").is(kept));
    }

    #[test]
    fn passwords_are_compared_as_they_are_typed_not_as_they_are_composed() {
        let kept = chosen("cafe\u{301} \u{A0}noir").expect("good");
        assert_eq!(kept, chosen("caf\u{E9}  noir").expect("good"));
        assert_ne!(kept, chosen("Caf\u{E9}  noir").expect("good"));
    }

    #[test]
    fn what_can_be_guessed_or_not_be_typed_is_no_password() {
        for (text, error) in [
            ("", PasswordError::TooShort),
            ("1234567", PasswordError::TooShort),
            ("annabella", PasswordError::IsName),
            ("with\nline end", PasswordError::Control),
        ] {
            assert_eq!(chosen(text), Err(error), "{text:?}");
        }
        assert!(chosen("12345678").is_ok());
        assert!(chosen(&"x".repeat(1024)).is_ok());
        assert_eq!(chosen(&"x".repeat(1025)), Err(PasswordError::TooLong));
        assert!(Password::claimed("short".to_owned()).is_ok(), "whoever logs in may have an older one");
    }

    #[test]
    fn a_decoy_is_as_any_hash_and_no_password_fits_it() {
        let (decoy, kept) = (decoy(), chosen("correct horse").expect("good").hash().expect("hashed"));
        let parameters = |text: &str| text.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!((parameters(&decoy), decoy.len()), (parameters(&kept), kept.len()));
        assert!(PasswordHash::new(&decoy).is_ok());
        assert!(!chosen("correct horse").expect("good").is(&decoy) && !Password::nobodys().is(&decoy));
    }

    #[test]
    fn a_password_does_not_print_itself() {
        assert_eq!(format!("{:?}", chosen("correct horse")), "Ok(Password(Secret(..)))");
    }
}
