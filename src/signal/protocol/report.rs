//! `report.submit`: a complaint about the other side of a session (rules 39, 40).
use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::chat::parse_mid;
use crate::signal::protocol::fields;
use crate::signal::protocol::words;
use crate::store::MessageId;
use crate::store::SessionId;

/// Characters of a comment.
pub(crate) const COMMENT_CHARS_MAX: usize = 1000;
/// Messages that a report names.
pub(crate) const REPORTED_MESSAGES_MAX: usize = 20;
/// Bytes of the id of a session; ours are shorter.
const SESSION_BYTES_MAX: usize = 64;

/// Why somebody complains (rule 40).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportReason {
    /// Insults, threats, pestering.
    Harassment,
    /// What does not belong here.
    InappropriateContent,
    /// Advertising, fraud.
    Spam,
    /// Somebody undressed.
    Nudity,
    /// Violence shown or announced.
    Violence,
    /// Somebody who seems to be a child.
    Minor,
    /// What the comment says.
    Other,
}

impl ReportReason {
    /// Every reason.
    pub(crate) const ALL: [ReportReason; 7] = [
        ReportReason::Harassment,
        ReportReason::InappropriateContent,
        ReportReason::Spam,
        ReportReason::Nudity,
        ReportReason::Violence,
        ReportReason::Minor,
        ReportReason::Other,
    ];

    /// The word on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            ReportReason::Harassment => "harassment",
            ReportReason::InappropriateContent => "inappropriate_content",
            ReportReason::Spam => "spam",
            ReportReason::Nudity => "nudity",
            ReportReason::Violence => "violence",
            ReportReason::Minor => "minor",
            ReportReason::Other => "other",
        }
    }
}

/// A complaint, as it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSubmit {
    /// The session that both were in.
    pub(crate) session: SessionId,
    pub(crate) reason: ReportReason,
    /// In the reporter's words; may be empty.
    pub(crate) comment: Arc<str>,
    /// Messages that the reporter means most of all.
    pub(crate) mids: Vec<MessageId>,
    /// Whether the other side is also kept away for good.
    pub(crate) block: bool,
}

/// A complaint about the other side of a session.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReportSubmit)]
pub(crate) struct ReportFields {
    /// The session that both were in; `sessionId` is understood too.
    #[serde(alias = "sessionId")]
    #[schema(min_length = 1, max_length = 64)]
    session: String,
    /// Why.
    #[schema(schema_with = reasons)]
    reason: String,
    /// In the reporter's words.
    #[schema(max_length = 1000)]
    comment: Option<String>,
    /// What proves it most of all.
    evidence: Option<ReportEvidence>,
    /// Whether the other side is also kept away for good; true unless said.
    block: Option<bool>,
}

/// What a reporter points at.
#[derive(Deserialize, ToSchema)]
struct ReportEvidence {
    /// Messages of the session.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<uuid::Uuid>)]
    mids: Vec<String>,
}

fn reasons() -> Object {
    words(ReportReason::ALL.map(ReportReason::as_str))
}

impl ReportSubmit {
    /// Reads the members of the message, or of the body over REST.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn parse(data: &str) -> Result<Self, Refusal> {
        let ReportFields { session, reason, comment, evidence, block } = fields(data)?;
        if session.is_empty() {
            return Err(Refusal::bad_request("an empty id is none"));
        }
        if session.len() > SESSION_BYTES_MAX {
            return Err(Refusal::too_large("session has at most 64 bytes"));
        }
        let known = ReportReason::ALL.into_iter().find(|known| known.as_str() == reason);
        let reason = known.ok_or(Refusal::bad_request(
            "reason is harassment, inappropriate_content, spam, nudity, violence, minor or other",
        ))?;
        let comment = comment.unwrap_or_default();
        at_most_chars(&comment, COMMENT_CHARS_MAX, "comment has at most 1000 characters")?;
        let mids = evidence.map(|evidence| evidence.mids).unwrap_or_default();
        if mids.len() > REPORTED_MESSAGES_MAX {
            return Err(Refusal::bad_request("evidence.mids has at most 20 entries"));
        }
        Ok(Self {
            session: SessionId(session.into()),
            reason,
            comment: comment.into(),
            mids: mids.iter().map(|mid| parse_mid(mid)).collect::<Result<_, _>>()?,
            block: block.unwrap_or(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::signal::protocol::ErrorCode;

    const MID: &str = "0d4b5a70-3a5f-7a71-9d5c-1f1f6b6a0d11";

    fn parse(data: &Value) -> Result<ReportSubmit, ErrorCode> {
        ReportSubmit::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn rule_39_a_report_blocks_unless_it_says_otherwise() {
        let report = parse(&json!({"session": "s", "reason": "spam"})).expect("enough");
        assert!(report.block && report.mids.is_empty() && report.comment.is_empty());
        assert_eq!(report.session.as_str(), "s");
        let report = parse(&json!({"sessionId": "s", "reason": "other", "block": false})).expect("enough");
        assert!(!report.block);
    }

    #[test]
    fn rule_40_the_reasons_are_these_and_no_others() {
        for reason in ReportReason::ALL {
            let report = parse(&json!({"session": "s", "reason": reason.as_str()})).expect("is one");
            assert_eq!(report.reason, reason);
        }
        for bad in [json!({"session": "s"}), json!({"session": "s", "reason": "rude"}), json!({"reason": "spam"})] {
            assert_eq!(parse(&bad), Err(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn rule_10_counts_are_bad_requests_and_sizes_too_large() {
        let with = |more: Value| {
            let mut data = json!({"session": "s", "reason": "spam"});
            data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            parse(&data).map(|_| ())
        };
        assert_eq!(with(json!({"comment": "🦀".repeat(1000)})), Ok(()));
        assert_eq!(with(json!({"comment": "a".repeat(1001)})), Err(ErrorCode::TooLarge));
        assert_eq!(with(json!({"evidence": {"mids": vec![MID; 20]}})), Ok(()));
        assert_eq!(with(json!({"evidence": {"mids": vec![MID; 21]}})), Err(ErrorCode::BadRequest));
        assert_eq!(with(json!({"evidence": {"mids": ["7"]}})), Err(ErrorCode::BadRequest));
        assert_eq!(with(json!({"evidence": null, "block": null, "comment": null})), Ok(()));
        assert_eq!(with(json!({"session": ""})), Err(ErrorCode::BadRequest));
        assert_eq!(with(json!({"session": "s".repeat(65)})), Err(ErrorCode::TooLarge));
    }
}
