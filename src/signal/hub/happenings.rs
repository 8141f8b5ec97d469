//! What is told outside: events, stored in the same group as what they tell of.
use serde_json::Value;
use serde_json::json;

use crate::signal::hub::ban_book;
use crate::store::Ban;
use crate::store::Banned;
use crate::store::Event;
use crate::store::UserId;
use crate::time::Now;
use crate::time::UnixMillis;

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

/// A moderator has decided about a report of that session.
pub(super) const MODERATION_DECISION: &str = "moderation.decision";
/// Somebody is banned, muted, restricted or warned.
const BAN_ADDED: &str = "ban.added";
/// That is over before its time.
const BAN_LIFTED: &str = "ban.lifted";
/// Somebody asks for a second look at what a moderator decided.
pub(super) const APPEAL_SUBMITTED: &str = "appeal.submitted";
/// What became of that.
pub(super) const APPEAL_DECIDED: &str = "appeal.decided";
/// Somebody took a message back.
pub(super) const CHAT_DELETED: &str = "chat.deleted";
/// A refresh token came twice, so one of the two who have it is a thief: its login is over.
pub(super) const LOGIN_REUSED: &str = "login.reused";

/// Something that happened to `subject`, to be stored.
pub(super) fn event(kind: &str, subject: &str, data: &Value, now: Now) -> Event {
    Event::new(kind, subject, data, now.unix)
}

/// That a ban is stored; what it is about is the user, device or network.
pub(super) fn ban_added(ban: &Ban, now: UnixMillis) -> Event {
    Event::new(BAN_ADDED, subject(ban), &json!(ban_book::view(ban)), now)
}

/// That a ban is lifted, and by whom.
pub(super) fn ban_lifted(ban: &Ban, by: &UserId, now: UnixMillis) -> Event {
    let mut data = json!(ban_book::view(ban));
    if let Some(data) = data.as_object_mut() {
        data.insert("lifted_by".into(), json!(&*by.0));
    }
    Event::new(BAN_LIFTED, subject(ban), &data, now)
}

fn subject(ban: &Ban) -> &str {
    match &ban.banned {
        Banned::User(user) => &user.0,
        Banned::Device(device) => &device.0,
        Banned::Network(network) => network,
    }
}
