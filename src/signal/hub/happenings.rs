//! What is told outside: events, stored in the same group as what they tell of.
use serde_json::Value;
use uuid::Uuid;

use crate::store::Event;
use crate::time::Now;

/// Two have met: `users`, and what they have in common.
pub(super) const SESSION_STARTED: &str = "session.started";
/// How it ended, how long it was, and what each side reported of its connection.
pub(super) const SESSION_ENDED: &str = "session.ended";
/// What the relay carried for a session, which is known a moment after its end.
pub(super) const RELAY_USED: &str = "relay.used";
/// Somebody wrote: who, how much and of what kind, never what.
pub(super) const CHAT_MESSAGE: &str = "chat.message";
/// One side of a session complains about the other.
pub(super) const REPORT_SUBMITTED: &str = "report.submitted";

/// Something that happened to `subject`, to be stored.
pub(super) fn event(kind: &str, subject: &str, data: &Value, now: Now) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind: kind.into(),
        subject: subject.into(),
        at: now.unix,
        data: data.to_string().into(),
    }
}
