//! What people who are kept out ask, and what a moderator makes of it.
use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;
use crate::signal::protocol::words;

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

/// A second look is asked for.
#[derive(Deserialize, ToSchema)]
#[schema(as = AppealSubmit)]
pub(crate) struct AppealFields {
    /// An id of `GET /v1/appeals`.
    #[schema(min_length = 1, max_length = 64)]
    ban: String,
    /// Why.
    #[schema(min_length = 1, max_length = 2000, pattern = "[!-~]")]
    text: String,
}

impl AppealSubmit {
    /// Reads the body of an appeal.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let AppealFields { ban, text } = fields(data)?;
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

/// What becomes of an appeal.
#[derive(Deserialize, ToSchema)]
#[schema(as = Verdict)]
pub(crate) struct VerdictFields {
    #[schema(schema_with = verdicts)]
    decision: String,
    /// For the user.
    #[schema(max_length = 2000)]
    #[serde(default)]
    note: String,
}

fn verdicts() -> Object {
    words(["lift", "keep"])
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
