//! Lengths of time as people write them: `250ms`, `30s`, `1h30m`, `30d`.
use std::time::Duration;

use serde::Serializer;

use super::problem::Complaint;

/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Parses numbers with units, each unit at most once and in falling order; `0s` is zero.
///
/// # Errors
///
/// A [`Complaint`] that shows the spelling.
pub(super) fn parse(text: &str) -> Result<Duration, Complaint> {
    let complaint = || {
        let fix = "write a number with its unit: 250ms, 30s, 5m, 1h, 1h30m or 30d";
        Complaint::new(format!("{text:?} is not a length of time"), fix)
    };
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(complaint());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(complaint)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| complaint())?;
        let (_, millis) = units.find(|(name, _)| *name == unit).ok_or_else(complaint)?;
        let millis = u64::try_from(*millis).ok().and_then(|millis| number.checked_mul(millis));
        total = millis.and_then(|millis| total.checked_add(millis)).ok_or_else(complaint)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// The shortest spelling that [`parse`] reads back; parts below a millisecond are cut.
pub(super) fn format(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (name, millis) in UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{name}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format(*duration))
}

pub(super) fn serialize_optional<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format(duration.unwrap_or_default()))
}

pub(super) fn serialize_list<S: Serializer>(durations: &[Duration], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(durations.iter().map(|duration| format(*duration)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        let cases = [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            (" 2m5s ", 125_000),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_number_without_unit_and_other_slips_are_refused() {
        for text in [
            "",
            "30",
            "s",
            "-5s",
            "1.5h",
            "5 m",
            "5m5m",
            "5s1m",
            "5min",
            "5s5",
            "99999999999999999999d",
            "999999999999999d",
        ] {
            let complaint = parse(text).expect_err(text);
            assert!(complaint.fix.contains("30s"), "{text}: {}", complaint.fix);
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for millis in [0, 1, 999, 1000, 60_000, 61_001, 5_400_000, 2_592_000_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
        assert_eq!(format(Duration::from_secs(5400)), "1h30m");
    }
}
