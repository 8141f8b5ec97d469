//! Names of accounts: as they are shown, and as they are compared. After RFC 8265 §3.3 (UsernameCaseMapped).
use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a name.
pub const USERNAME_CHARS_MIN: usize = 2;
/// See [`USERNAME_CHARS_MIN`].
pub const USERNAME_CHARS_MAX: usize = 64;

/// What a name may hold beside letters, digits and marks: enough for an address of e-mail.
const SIGNS: [char; 5] = ['.', '-', '_', '@', '+'];

/// A name that an account can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    shown: Arc<str>,
    folded: Arc<str>,
}

/// Why a text is no name.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Too short or too long.
    #[error("a username has 2 to 64 characters")]
    Length,
    /// A character that is none of those allowed.
    #[error("a username is made of letters, digits and . - _ @ +, and begins with a letter or digit")]
    Character,
}

impl Username {
    /// Checks a name and finds the form in which it is compared.
    ///
    /// Width, case and composition make no difference; nor do characters that only look different by their font.
    ///
    /// # Errors
    ///
    /// [`UsernameError`]
    pub fn new(text: &str) -> Result<Self, UsernameError> {
        // Bounded before anything is computed; composition makes nothing longer than this.
        if text.len() > 4 * USERNAME_CHARS_MAX * 2 {
            return Err(UsernameError::Length);
        }
        let shown: String = text.nfc().collect();
        let folded = fold(&shown);
        for form in [&shown, &folded] {
            let chars = form.chars().count();
            if !(USERNAME_CHARS_MIN..=USERNAME_CHARS_MAX).contains(&chars) {
                return Err(UsernameError::Length);
            }
            let is_allowed = |c: char| c.is_alphanumeric() || is_combining_mark(c) || SIGNS.contains(&c);
            if !form.chars().all(is_allowed) || !form.starts_with(char::is_alphanumeric) {
                return Err(UsernameError::Character);
            }
        }
        Ok(Self { shown: shown.into(), folded: folded.into() })
    }

    /// As its owner writes it.
    pub fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// As it is compared.
    pub fn folded(&self) -> &Arc<str> {
        &self.folded
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Folding what is folded changes nothing: what lower case makes of one character may be composed anew, so it is done until
/// it stays, which is once or twice.
fn fold(text: &str) -> String {
    let mut folded: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    for _ in 0..4 {
        let again: String = folded.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Result<String, UsernameError> {
        Username::new(text).map(|name| name.folded().to_string())
    }

    #[test]
    fn width_case_and_composition_make_no_difference() {
        for text in ["ren\u{E9}", "Rene\u{301}", "REN\u{C9}", "\u{FF32}en\u{E9}", "\u{211D}en\u{E9}"] {
            assert_eq!(folded(text), Ok("ren\u{E9}".to_owned()), "{text}");
        }
        assert_ne!(folded("rene"), folded("ren\u{E9}"));
    }

    #[test]
    fn a_name_is_shown_as_it_was_written() {
        let name = Username::new("Rene\u{301}-D").expect("a name");
        assert_eq!((&**name.shown(), name.to_string().as_str()), ("Ren\u{E9}-D", "Ren\u{E9}-D"));
    }

    #[test]
    fn names_of_every_script_and_addresses_are_names() {
        for text in ["ann", "a1", "анна", "あん", "अनिल\u{94D}", "ann.b+c@example.org", "x_y"] {
            assert!(Username::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_could_pass_for_another_is_none() {
        for text in ["", "a", &"a".repeat(65), &"a".repeat(100_000)] {
            assert_eq!(folded(text), Err(UsernameError::Length), "{} bytes", text.len());
        }
        for text in
            ["a b", " ann", "ann ", "a:b", "a/b", "a\nb", "-ann", "@ann", "ann\u{200B}", "\u{202E}ann", "\u{301}ann"]
        {
            assert_eq!(folded(text), Err(UsernameError::Character), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_folded_name_is_its_own_folded_form(text in "\\PC{2,40}") {
            if let Ok(name) = Username::new(&text) {
                prop_assert_eq!(folded(name.folded()), Ok(name.folded().to_string()));
                prop_assert_eq!(folded(name.shown()), Ok(name.folded().to_string()));
            }
        }
    }
}
