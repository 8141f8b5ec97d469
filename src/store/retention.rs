//! How long what is kept.
use std::time::Duration;

use crate::store::Place;
use crate::store::StoreError;
use crate::time::UnixMillis;

const DAY: Duration = Duration::from_secs(86_400);

/// How long each class of data is kept; zero: it is never stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What was written in a session, after the session's end.
    pub session_chat: Duration,
    /// What was written in a room.
    pub room_chat: Duration,
    /// Rooms that nobody comes into any more.
    pub unused_rooms: Duration,
    /// Ended sessions, after their end.
    pub logs: Duration,
    /// What people with rights did.
    pub audit: Duration,
    /// Reports with their evidence, once they are decided on; a legal hold keeps them longer.
    pub reports: Duration,
    /// What happened, for whoever watches from outside.
    pub events: Duration,
    /// Who met whom: `matchmaking.recent_partner_pause`.
    pub meetings: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            session_chat: DAY,
            room_chat: 90 * DAY,
            unused_rooms: 90 * DAY,
            logs: 10 * DAY,
            audit: 365 * DAY,
            reports: 180 * DAY,
            events: 7 * DAY,
            meetings: Duration::from_secs(3600),
        }
    }
}

impl Retention {
    /// Whether what is written in this place is stored.
    pub fn keeps_chat(&self, place: &Place) -> bool {
        match place {
            Place::Session(_) => !self.session_chat.is_zero(),
            Place::Room(_) => !self.room_chat.is_zero(),
        }
    }
}

/// The last moment whose data of an age of `kept` is old enough to go.
pub(super) fn horizon(now: UnixMillis, kept: Duration) -> UnixMillis {
    let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now.0.saturating_sub(kept))
}

/// What a sweep takes away.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum DataClass {
    /// Chat of ended sessions.
    SessionChat,
    /// Chat of rooms, also of those that were removed, and rooms that nobody uses.
    RoomChat,
    /// Ended sessions whose chat is gone.
    Logs,
    /// The audit.
    Audit,
    /// Reports that are decided.
    Reports,
    /// What happened.
    Events,
    /// What has an expiry of its own: meetings, resumptions, logins, bans.
    Expired,
}

impl DataClass {
    /// Every class, chat before the sessions it belongs to.
    pub const ALL: [DataClass; 7] = [
        DataClass::SessionChat,
        DataClass::RoomChat,
        DataClass::Logs,
        DataClass::Audit,
        DataClass::Reports,
        DataClass::Events,
        DataClass::Expired,
    ];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            DataClass::SessionChat => "session_chat",
            DataClass::RoomChat => "room_chat",
            DataClass::Logs => "logs",
            DataClass::Audit => "audit",
            DataClass::Reports => "reports",
            DataClass::Events => "events",
            DataClass::Expired => "expired",
        }
    }
}

/// What nobody asks for but time.
pub trait Upkeep {
    /// Takes away at most `rows` rows of a class that have been kept long enough, and returns how many. Zero: nothing
    /// is left to do now.
    ///
    /// # Errors
    ///
    /// An accident.
    fn sweep(&mut self, class: DataClass, now: UnixMillis, rows: usize) -> Result<usize, StoreError>;

    /// Keeps things that long from now on, also what is kept already.
    fn keep_for(&mut self, retention: Retention);

    /// Finds out whether something of some size can be written.
    ///
    /// # Errors
    ///
    /// The accident that would also befall a write.
    fn probe(&mut self) -> Result<(), StoreError>;
}
