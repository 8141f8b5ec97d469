//! Why a request is refused: the stable codes of `error` replies.
use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde::Serializer;

/// The stable string of an error.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Malformed, out of range, or over a count.
    BadRequest,
    /// No such message type.
    UnknownType,
    /// No, wrong or expired identity.
    Unauthorized,
    /// Known identity, but not allowed.
    Forbidden,
    /// Kept out by a moderator.
    Banned,
    /// No such thing.
    NotFound,
    /// Does not fit the present state.
    Conflict,
    /// Over a size.
    TooLarge,
    /// Over a budget; `retry_after_ms` says when it fits again.
    RateLimited,
    /// The session is not one's own, unknown or over; which of these is not told (rule 26).
    NotInSession,
    /// The other side is away and has no room for more until it is back (rule 28).
    PeerUnreachable,
    /// The queue holds all it can.
    QueueFull,
    /// There is a ticket already.
    AlreadyQueued,
    /// Not offered now.
    Unavailable,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [ErrorCode; 14] = [
        ErrorCode::BadRequest,
        ErrorCode::UnknownType,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::Banned,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::TooLarge,
        ErrorCode::RateLimited,
        ErrorCode::NotInSession,
        ErrorCode::PeerUnreachable,
        ErrorCode::QueueFull,
        ErrorCode::AlreadyQueued,
        ErrorCode::Unavailable,
    ];

    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::UnknownType => "unknown_type",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::Banned => "banned",
            ErrorCode::NotFound => "not_found",
            ErrorCode::Conflict => "conflict",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::NotInSession => "not_in_session",
            ErrorCode::PeerUnreachable => "peer_unreachable",
            ErrorCode::QueueFull => "queue_full",
            ErrorCode::AlreadyQueued => "already_queued",
            ErrorCode::Unavailable => "unavailable",
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        match self {
            ErrorCode::RateLimited | ErrorCode::PeerUnreachable | ErrorCode::QueueFull | ErrorCode::Unavailable => true,
            ErrorCode::BadRequest
            | ErrorCode::UnknownType
            | ErrorCode::Unauthorized
            | ErrorCode::Forbidden
            | ErrorCode::Banned
            | ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::TooLarge
            | ErrorCode::NotInSession
            | ErrorCode::AlreadyQueued => false,
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An `error` reply: the code, a sentence for the developer, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// A sentence for the developer; clients must not depend on it.
    pub message: Cow<'static, str>,
    /// When the same request fits the budget again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a fixed sentence.
    pub const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), retry_after: None }
    }

    /// `bad_request`: malformed, out of range, or over a count (rule 10).
    pub const fn bad_request(message: &'static str) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// `too_large`: over a size (rule 10).
    pub const fn too_large(message: &'static str) -> Self {
        Self::new(ErrorCode::TooLarge, message)
    }

    /// `rate_limited`, with the time after which the request fits (rule 2).
    pub const fn rate_limited(message: &'static str, retry_after: Duration) -> Self {
        Self { code: ErrorCode::RateLimited, message: Cow::Borrowed(message), retry_after: Some(retry_after) }
    }

    /// `not_found` for a message.
    pub const fn no_such_message() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such message")
    }

    /// `not_found` for a room.
    pub const fn no_such_room() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such room")
    }

    /// `forbidden` for those who do not belong to a room.
    pub const fn no_member() -> Self {
        Self::new(ErrorCode::Forbidden, "you are no member of this room")
    }

    /// `not_in_session` for a room (rule 26).
    pub const fn not_in_room() -> Self {
        Self::new(ErrorCode::NotInSession, "you are in no room of that id")
    }

    /// `not_in_session` (rule 26).
    pub const fn not_in_session() -> Self {
        Self::new(ErrorCode::NotInSession, "you are in no session of that id")
    }
}
