//! What people who are kept out ask, and what a moderator makes of it.
use std::sync::Arc;

use serde::Deserialize;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;

/// Characters of an appeal, and of what is answered to it.
const TEXT_CHARS_MAX: usize = 2000;
/// Bytes of a ban's name; ours are far shorter.
const NAME_BYTES_MAX: usize = 64;

/// Something from somebody whose token is good, banned or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppealAsk {
    /// What is in force against oneself, and what became of one's appeals.
    Own,
    /// A second look at a ban or lesser sanction.
    Submit(AppealSubmit),
}

/// `POST /v1/appeals`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealSubmit {
    pub(crate) ban: Arc<str>,
    pub(crate) text: Arc<str>,
}

#[derive(Deserialize)]
struct SubmitFields {
    ban: String,
    text: String,
}

impl AppealSubmit {
    /// Reads the body of an appeal.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let SubmitFields { ban, text } = fields(data)?;
        if ban.is_empty() || ban.len() > NAME_BYTES_MAX {
            return Err(Refusal::bad_request("ban is an id of GET /v1/appeals"));
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::bad_request("say why it should be lifted"));
        }
        at_most_chars(text, TEXT_CHARS_MAX, "an appeal has at most 2000 characters")?;
        Ok(Self { ban: ban.into(), text: text.into() })
    }
}

/// `POST /v1/appeals/{id}/decision`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRequest {
    pub(crate) is_lifted: bool,
    /// For the user.
    pub(crate) note: Arc<str>,
}

#[derive(Deserialize)]
struct VerdictFields {
    decision: String,
    #[serde(default)]
    note: String,
}

impl VerdictRequest {
    /// Reads the body of a verdict.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let VerdictFields { decision, note } = fields(data)?;
        let is_lifted = match decision.as_str() {
            "lift" => true,
            "keep" => false,
            _ => return Err(Refusal::bad_request("decision is lift or keep")),
        };
        at_most_chars(&note, TEXT_CHARS_MAX, "a note has at most 2000 characters")?;
        Ok(Self { is_lifted, note: note.into() })
    }
}
