//! What people call their files. A name is shown and offered when a file is saved; no path is ever made of it.
use crate::signal::Refusal;

/// Bytes of a name: what file systems take.
const NAME_BYTES_MAX: usize = 255;

/// Refuses what is no name of a file.
///
/// # Errors
///
/// `too_large` over 255 bytes; `bad_request` if it is empty, is a path, or shows itself as another name.
pub(super) fn check(name: &str) -> Result<(), Refusal> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::too_large("a file name has at most 255 bytes"));
    }
    if name.trim().is_empty() || name == "." || name == ".." {
        return Err(Refusal::bad_request("a file needs a name"));
    }
    if name.contains(['/', '\\']) {
        return Err(Refusal::bad_request("a file name holds no path"));
    }
    if name.chars().any(|c| c.is_control() || turns_text(c)) {
        return Err(Refusal::bad_request("a file name holds no control characters"));
    }
    Ok(())
}

/// Whether a character changes the direction of text: "gpj.exe" can look like "exe.jpg". Unicode TR 36 §3.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::ErrorCode;

    #[test]
    fn names_are_what_file_systems_take() {
        for name in ["a", "a cat.webp", "übung №7 (final).tar.gz", ".profile", "..a", &"x".repeat(255)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&"é".repeat(128)).map_err(|refusal| refusal.code), Err(ErrorCode::TooLarge));
    }

    #[test]
    fn paths_and_disguises_are_no_names() {
        for name in ["", " ", ".", "..", "../x", "a/b", "C:\\x", "a\0b", "a\nb", "invoice\u{202e}gpj.exe"] {
            assert_eq!(check(name).map_err(|refusal| refusal.code), Err(ErrorCode::BadRequest), "{name:?}");
        }
    }
}
