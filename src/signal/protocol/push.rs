//! What the server sends: replies and pushes.
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::outbox::Class;
use crate::signal::outbox::Source;
use crate::signal::outbox::Topic;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::words;
use crate::time::UnixMillis;

/// The types of pushes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum PushKind {
    Welcome,
    Sync,
    AuthExpiring,
    ServerDrain,
    QueueStatus,
    MatchFound,
    Description,
    Candidates,
    PeerState,
    PeerQuality,
    PeerMedia,
    PeerJoined,
    PeerLeft,
    PeerResumed,
    IceUpdated,
    SessionExtend,
    SessionExtended,
    SessionWarning,
    SessionEnded,
    ChatMessage,
    ChatReceipt,
    ChatTyping,
    ChatReaction,
    ChatDeleted,
    ModerationNotice,
}

impl PushKind {
    /// Every type, in the order in which they are told of.
    pub(crate) const ALL: [PushKind; 25] = [
        PushKind::Welcome,
        PushKind::Sync,
        PushKind::AuthExpiring,
        PushKind::ServerDrain,
        PushKind::QueueStatus,
        PushKind::MatchFound,
        PushKind::Description,
        PushKind::Candidates,
        PushKind::PeerState,
        PushKind::PeerQuality,
        PushKind::PeerMedia,
        PushKind::PeerJoined,
        PushKind::PeerLeft,
        PushKind::PeerResumed,
        PushKind::IceUpdated,
        PushKind::SessionExtend,
        PushKind::SessionExtended,
        PushKind::SessionWarning,
        PushKind::SessionEnded,
        PushKind::ChatMessage,
        PushKind::ChatReceipt,
        PushKind::ChatTyping,
        PushKind::ChatReaction,
        PushKind::ChatDeleted,
        PushKind::ModerationNotice,
    ];

    /// The type on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            PushKind::Welcome => "welcome",
            PushKind::Sync => "sync",
            PushKind::AuthExpiring => "auth.expiring",
            PushKind::ServerDrain => "server.drain",
            PushKind::QueueStatus => "queue.status",
            PushKind::MatchFound => "match.found",
            PushKind::Description => "rtc.description",
            PushKind::Candidates => "rtc.candidates",
            PushKind::PeerState => "peer.state",
            PushKind::PeerQuality => "peer.quality",
            PushKind::PeerMedia => "peer.media",
            PushKind::PeerJoined => "peer.joined",
            PushKind::PeerLeft => "peer.left",
            PushKind::PeerResumed => "peer.resumed",
            PushKind::IceUpdated => "ice.updated",
            PushKind::SessionExtend => "session.extend",
            PushKind::SessionExtended => "session.extended",
            PushKind::SessionWarning => "session.warning",
            PushKind::SessionEnded => "session.ended",
            PushKind::ChatMessage => "chat.message",
            PushKind::ChatReceipt => "chat.receipt",
            PushKind::ChatTyping => "chat.typing",
            PushKind::ChatReaction => "chat.reaction",
            PushKind::ChatDeleted => "chat.deleted",
            PushKind::ModerationNotice => "moderation.notice",
        }
    }

    /// Whether `seq` counts it (rule 12).
    pub(crate) const fn is_sequenced(self) -> bool {
        match self {
            PushKind::MatchFound
            | PushKind::Description
            | PushKind::Candidates
            | PushKind::PeerJoined
            | PushKind::PeerLeft
            | PushKind::PeerResumed
            | PushKind::IceUpdated
            | PushKind::SessionExtend
            | PushKind::SessionExtended
            | PushKind::SessionWarning
            | PushKind::SessionEnded
            | PushKind::ChatMessage
            | PushKind::ChatReceipt
            | PushKind::ChatReaction
            | PushKind::ChatDeleted
            | PushKind::ModerationNotice => true,
            PushKind::Welcome
            | PushKind::Sync
            | PushKind::AuthExpiring
            | PushKind::ServerDrain
            | PushKind::QueueStatus
            | PushKind::PeerState
            | PushKind::PeerQuality
            | PushKind::PeerMedia
            | PushKind::ChatTyping => false,
        }
    }

    /// How it may be treated while it waits to be sent.
    pub(crate) const fn class(self) -> Class {
        match self {
            PushKind::QueueStatus => Class::Latest(Topic::QueueStatus, Source::ANY),
            PushKind::PeerState => Class::Latest(Topic::PeerState, Source::ANY),
            PushKind::PeerQuality => Class::Latest(Topic::PeerQuality, Source::ANY),
            PushKind::PeerMedia => Class::Latest(Topic::PeerMedia, Source::ANY),
            PushKind::ChatTyping => Class::Latest(Topic::Typing, Source::ANY),
            PushKind::Welcome
            | PushKind::Sync
            | PushKind::AuthExpiring
            | PushKind::ServerDrain
            | PushKind::MatchFound
            | PushKind::Description
            | PushKind::Candidates
            | PushKind::PeerJoined
            | PushKind::PeerLeft
            | PushKind::PeerResumed
            | PushKind::IceUpdated
            | PushKind::SessionExtend
            | PushKind::SessionExtended
            | PushKind::SessionWarning
            | PushKind::SessionEnded
            | PushKind::ChatMessage
            | PushKind::ChatReceipt
            | PushKind::ChatReaction
            | PushKind::ChatDeleted
            | PushKind::ModerationNotice => Class::Kept,
        }
    }
}

#[derive(Serialize)]
struct Push<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    ts: UnixMillis,
    data: &'a T,
}

/// Writes a push; `seq` is given for the sequenced kinds.
pub(crate) fn push(kind: PushKind, seq: Option<u64>, ts: UnixMillis, data: &impl Serialize) -> Bytes {
    write(&Push { kind: kind.as_str(), seq, ts, data })
}

#[derive(Serialize)]
struct Ok<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    re: Option<u64>,
    data: &'a T,
}

/// Writes an `ok` reply.
pub(crate) fn ok(re: Option<u64>, data: &impl Serialize) -> Bytes {
    write(&Ok { kind: "ok", re, data })
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    re: Option<u64>,
    error: ErrorBody<'a>,
}

/// Why a request is refused.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody<'a> {
    #[schema(schema_with = codes)]
    code: ErrorCode,
    /// A sentence for the developer; programs must not depend on it.
    message: &'a str,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// When it fits the budget again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
}

fn codes() -> Object {
    words(ErrorCode::ALL.map(ErrorCode::as_str))
}

/// Writes an `error` reply.
pub(crate) fn error(re: Option<u64>, refusal: &Refusal) -> Bytes {
    // Rounded up: a client that waits exactly that long must succeed.
    let retry_after_ms =
        refusal.retry_after.map(|wait| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
    write(&Error {
        kind: "error",
        re,
        error: ErrorBody {
            code: refusal.code,
            message: &refusal.message,
            retryable: refusal.code.is_retryable(),
            retry_after_ms,
        },
    })
}

fn write(message: &impl Serialize) -> Bytes {
    serde_json::to_vec(message).expect("our own messages have string keys and no failing parts").into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn text(frame: &Bytes) -> &str {
        std::str::from_utf8(frame).expect("JSON is UTF-8")
    }

    #[test]
    fn replies_name_their_request_if_it_has_a_name() {
        assert_eq!(text(&ok(Some(7), &json!({"left": true}))), r#"{"type":"ok","re":7,"data":{"left":true}}"#);
        assert_eq!(text(&ok(None, &json!({}))), r#"{"type":"ok","data":{}}"#);
    }

    #[test]
    fn errors_say_whether_and_when_to_retry() {
        let refusal = Refusal::rate_limited("slow down", Duration::from_micros(899_001));
        assert_eq!(
            text(&error(Some(7), &refusal)),
            r#"{"type":"error","re":7,"error":{"code":"rate_limited","message":"slow down","retryable":true,"retry_after_ms":900}}"#
        );
        assert_eq!(
            text(&error(None, &Refusal::bad_request("no"))),
            r#"{"type":"error","error":{"code":"bad_request","message":"no","retryable":false}}"#
        );
    }

    #[test]
    fn rule_12_pushes_carry_ts_and_sequenced_ones_seq() {
        let data = json!({"at": 5});
        assert_eq!(
            text(&push(PushKind::AuthExpiring, None, UnixMillis(9), &data)),
            r#"{"type":"auth.expiring","ts":9,"data":{"at":5}}"#
        );
        assert_eq!(
            text(&push(PushKind::SessionEnded, Some(3), UnixMillis(9), &data)),
            r#"{"type":"session.ended","seq":3,"ts":9,"data":{"at":5}}"#
        );
    }
}
