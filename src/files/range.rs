//! Which part of a file is asked for. RFC 9110 §14.
use std::ops::Range;

/// Digits of a position; more are no position in any file.
const DIGITS_MAX: usize = 19;

/// Nothing of the file is asked for: 416.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file has no such part")]
pub struct RangeError;

/// Reads a `Range` header for a file of `len` bytes. `None`: the whole file, which is also the answer to units and
/// lists of parts that we do not serve (RFC 9110 §14.2).
///
/// # Errors
///
/// [`RangeError`] if the part lies outside of the file.
pub fn requested(header: &str, len: u64) -> Result<Option<Range<u64>>, RangeError> {
    let Some(set) = header.strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = set.split_once('-') else { return Ok(None) };
    match (position(first), position(last)) {
        (None, Some(suffix)) if first.is_empty() => {
            if suffix == 0 || len == 0 {
                Err(RangeError)
            } else {
                Ok(Some(len.saturating_sub(suffix)..len))
            }
        }
        (Some(first), None) if last.is_empty() => part(first, len, len),
        (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1).min(len), len),
        _ => Ok(None),
    }
}

fn part(first: u64, end: u64, len: u64) -> Result<Option<Range<u64>>, RangeError> {
    if first >= len { Err(RangeError) } else { Ok(Some(first..end)) }
}

fn position(text: &str) -> Option<u64> {
    let is_number = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(header in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}.{0,3}", len in 0..1_000_u64) {
            if let Ok(Some(part)) = requested(&header, len) {
                prop_assert!(part.start < part.end && part.end <= len, "{header} of {len}: {part:?}");
            }
        }
    }

    #[test]
    fn one_part_is_served() {
        for (header, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=9-9999999999999999999", 9..10),
        ] {
            assert_eq!(requested(header, 10), Ok(Some(part)), "{header}");
        }
    }

    #[test]
    fn what_lies_outside_is_not_satisfiable() {
        for (header, len) in
            [("bytes=10-", 10), ("bytes=10-11", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
        {
            assert_eq!(requested(header, len), Err(RangeError), "{header}");
        }
    }

    #[test]
    fn what_is_not_understood_is_the_whole_file() {
        for header in
            ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2"]
        {
            assert_eq!(requested(header, 10), Ok(None), "{header}");
        }
        assert_eq!(requested(&format!("bytes={}-", "9".repeat(20)), 10), Ok(None));
    }
}
