//! `session.next`, `session.end`, `session.extend`, and which session or room a message is about.
use serde::Deserialize;
use utoipa::ToSchema;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;

const REASON_CHARS_MAX: usize = 200;

/// A message that names nothing but a session.
#[derive(Debug)]
pub(crate) struct OneSession {
    pub(crate) session: String,
}

/// A session.
#[derive(Deserialize, ToSchema)]
#[schema(as = OneSession)]
pub(crate) struct OneSessionFields {
    session: String,
    /// For the client's own protocol analysis; nothing here depends on it.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

impl OneSession {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let OneSessionFields { session, reason } = fields(data)?;
        at_most_chars(&reason.unwrap_or_default(), REASON_CHARS_MAX, "reason has at most 200 characters")?;
        Ok(Self { session })
    }
}

/// Where a message goes: to a session or to a room (rule 36).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Session(String),
    Room(String),
}

/// A session or a room, not both.
#[derive(Deserialize, ToSchema)]
#[schema(as = Target)]
pub(crate) struct TargetFields {
    session: Option<String>,
    room: Option<String>,
}

impl Target {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let TargetFields { session, room } = fields(data)?;
        Self::new(session, room)
    }

    /// The one of the two that is given.
    ///
    /// # Errors
    ///
    /// `bad_request` for none or both.
    pub(crate) fn new(session: Option<String>, room: Option<String>) -> Result<Self, Refusal> {
        match (session, room) {
            (Some(session), None) => Ok(Target::Session(session)),
            (None, Some(room)) => Ok(Target::Room(room)),
            (None, None) | (Some(_), Some(_)) => Err(Refusal::bad_request("give session or room, not both")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::ErrorCode;

    #[test]
    fn rule_36_a_message_is_about_a_session_or_a_room() {
        assert_eq!(Target::parse(r#"{"session":"s"}"#), Ok(Target::Session("s".into())));
        assert_eq!(Target::parse(r#"{"room":"r","session":null}"#), Ok(Target::Room("r".into())));
        for bad in ["{}", r#"{"session":"s","room":"r"}"#, r#"{"session":1}"#] {
            assert_eq!(Target::parse(bad).map_err(|refusal| refusal.code), Err(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn rule_10_a_long_reason_is_too_large() {
        let data = |chars| serde_json::json!({"session": "s", "reason": "é".repeat(chars)}).to_string();
        assert!(OneSession::parse(&data(200)).is_ok());
        assert_eq!(OneSession::parse(&data(201)).map_err(|refusal| refusal.code).err(), Some(ErrorCode::TooLarge));
    }
}
