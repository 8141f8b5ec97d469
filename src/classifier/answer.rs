//! What the operator's service answers.
//!
//! ```text
//! {"action": "allow|flag|delete|mute|restrict", "delete": true, "duration_ms": 600000, "reasons": ["spam"]}
//! ```
//! Nothing at all is `allow`. A mute and a restriction have an end.
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::signal::Consequence;
use crate::signal::Judgment;

/// The longest mute or restriction: a year. For longer there are moderators.
const LIFE_MAX: Duration = Duration::from_secs(365 * 86_400);
/// Reasons of one answer, and characters of one.
const REASONS_MAX: usize = 10;
const REASON_CHARS_MAX: usize = 200;

#[derive(Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    delete: bool,
    duration_ms: Option<u64>,
    #[serde(default)]
    reasons: Vec<String>,
}

/// Reads an answer.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn parse(body: &[u8]) -> Result<Judgment, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Judgment { deletes: false, consequence: Consequence::None, reasons: Vec::new() });
    }
    let Answer { action, delete, duration_ms, reasons } =
        serde_json::from_slice(body).map_err(|error| format!("the answer makes no sense: {error}"))?;
    if reasons.len() > REASONS_MAX || reasons.iter().any(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(format!("an answer has at most {REASONS_MAX} reasons of {REASON_CHARS_MAX} characters"));
    }
    let life = || match duration_ms.map(Duration::from_millis) {
        Some(life) if !life.is_zero() && life <= LIFE_MAX => Ok(life),
        Some(_) | None => Err(format!("{action} needs a duration_ms of at most a year")),
    };
    let consequence = match action.as_str() {
        "allow" | "delete" => Consequence::None,
        "flag" => Consequence::Flag,
        "mute" => Consequence::Mute(life()?),
        "restrict" => Consequence::Restrict(life()?),
        _ => return Err("action is allow, flag, delete, mute or restrict".into()),
    };
    let deletes = delete || action == "delete";
    Ok(Judgment { deletes, consequence, reasons: reasons.into_iter().map(Arc::from).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(bool, Consequence), String> {
        parse(text.as_bytes()).map(|judgment| (judgment.deletes, judgment.consequence))
    }

    #[test]
    fn every_action_is_read_and_nothing_allows() {
        let minute = Duration::from_secs(60);
        for (text, expected) in [
            ("", (false, Consequence::None)),
            (" \n", (false, Consequence::None)),
            (r#"{"action": "allow"}"#, (false, Consequence::None)),
            (r#"{"action": "delete"}"#, (true, Consequence::None)),
            (r#"{"action": "flag", "delete": true, "score": 0.9}"#, (true, Consequence::Flag)),
            (r#"{"action": "mute", "duration_ms": 60000}"#, (false, Consequence::Mute(minute))),
            (r#"{"action": "restrict", "duration_ms": 60000, "delete": true}"#, (true, Consequence::Restrict(minute))),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        let judgment = parse(br#"{"action": "flag", "reasons": ["spam", "links"]}"#).expect("good");
        assert_eq!(judgment.reasons, [Arc::<str>::from("spam"), Arc::from("links")]);
    }

    #[test]
    fn an_answer_that_cannot_be_carried_out_is_none() {
        let long = format!(r#"{{"action": "flag", "reasons": ["{}"]}}"#, "x".repeat(201));
        for text in [
            "yes",
            "[]",
            "{}",
            r#"{"action": "ban"}"#,
            r#"{"action": "mute"}"#,
            r#"{"action": "mute", "duration_ms": 0}"#,
            r#"{"action": "mute", "duration_ms": -5}"#,
            r#"{"action": "restrict", "duration_ms": 99999999999999}"#,
            r#"{"action": "flag", "reasons": "spam"}"#,
            &long,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
