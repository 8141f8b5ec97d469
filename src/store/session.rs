//! Sessions while they run and after, what brings a lost socket back to them, and who met whom.
use std::sync::Arc;
use std::time::Duration;

use crate::store::Alias;
use crate::store::DeviceId;
use crate::store::MessageId;
use crate::store::SessionId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Somebody: a user, and for guests also the device (rule 39).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    /// The user.
    pub user: UserId,
    /// The device, if one is known.
    pub device: Option<DeviceId>,
}

/// One side of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Who it is.
    pub party: Party,
    /// What the other side calls it.
    pub alias: Alias,
}

/// A session at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Side A, who waited longer, and side B.
    pub participants: [Participant; 2],
    /// When it began.
    pub started: UnixMillis,
    /// By how much the deadline moves when both ask for more time.
    pub limit: Option<Duration>,
    /// What signaling needs to go on with it after a restart, in signaling's own words.
    pub details: Arc<str>,
    /// How far it has come.
    pub progress: Progress,
}

/// What changes while a session runs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When it ends by itself.
    pub deadline: Option<UnixMillis>,
    /// The last `neg` seen (rule 28).
    pub neg: Option<i64>,
    /// Until when any credential of it is good.
    pub credentials_until: UnixMillis,
}

/// A session that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The session as far as it has come.
    pub session: Session,
    /// The last message stored of it.
    pub last_mid: Option<MessageId>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: UnixMillis,
    /// Why, as on the wire.
    pub reason: Arc<str>,
    /// Paths, quality, traffic: JSON of signaling.
    pub summary: Arc<str>,
}

/// A session that runs or ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session as far as it has come.
    pub session: Session,
    /// Its end, if it has ended.
    pub ending: Option<Ending>,
}

/// A place among the sessions of a user: later ones are greater.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlace {
    /// When it began.
    pub started: UnixMillis,
    /// Its name; of several that began in one moment the one stored later is greater.
    pub id: SessionId,
}

/// Two users who met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// In any order.
    pub users: [UserId; 2],
    /// When they met last.
    pub at: UnixMillis,
}

/// What lets a lost socket come back (rule 34); at most one per user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Who may come back.
    pub user: UserId,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// Until when; `None` while the socket is open.
    pub expires: Option<UnixMillis>,
    /// What signaling must know of the lost connection, in its own words.
    pub details: Arc<str>,
}

/// TURN credentials that the relay must refuse although their time is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What they are bound to: a session, or what somebody used in a room.
    pub name: SessionId,
    /// When the last of them has expired.
    pub until: UnixMillis,
}

/// Sessions, resumptions, meetings and revocations.
pub trait Sessions {
    /// Stores a session that begins.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name that is stored already.
    fn start_session(&mut self, session: &Session) -> Result<(), StoreError>;

    /// Stores how far a session has come.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if none of that name runs.
    fn progress_session(&mut self, id: &SessionId, progress: &Progress) -> Result<(), StoreError>;

    /// Makes a running session an ended one. Where neither logs nor session chat are kept, it is gone at once; where
    /// only chat is, it stays for that, without its summary.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] if none of that name runs.
    fn end_session(&mut self, id: &SessionId, ending: &Ending) -> Result<(), StoreError>;

    /// Gives an ended session another summary. One that is gone, or of which no log is kept, stays as it is.
    ///
    /// # Errors
    ///
    /// An accident.
    fn summarize_session(&mut self, id: &SessionId, summary: &Arc<str>) -> Result<(), StoreError>;

    /// Shows every running session, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_live_session(&self, visit: &mut dyn FnMut(LiveSession)) -> Result<(), StoreError>;

    /// The session of that name, running or ended.
    ///
    /// # Errors
    ///
    /// An accident.
    fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// The ended sessions of a user behind `before`, at most `limit`, the newest first; none where logs are not kept.
    ///
    /// # Errors
    ///
    /// An accident.
    fn ended_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError>;

    /// Stores that two have met; a later meeting replaces an earlier one.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError>;

    /// Shows every meeting after `since`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_meeting(&self, since: UnixMillis, visit: &mut dyn FnMut(Meeting)) -> Result<(), StoreError>;

    /// Stores a revocation in place of one of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_revocation(&mut self, revocation: &Revocation) -> Result<(), StoreError>;

    /// Shows every revocation, also those that are over.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_revocation(&self, visit: &mut dyn FnMut(Revocation)) -> Result<(), StoreError>;

    /// Stores a resumption in place of the user's last one.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_resumption(&mut self, resumption: &Resumption) -> Result<(), StoreError>;

    /// Forgets the user's resumption, if there is one.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_resumption(&mut self, user: &UserId) -> Result<(), StoreError>;

    /// Shows every resumption, by user.
    ///
    /// # Errors
    ///
    /// An accident; some may have been shown before it.
    fn each_resumption(&self, visit: &mut dyn FnMut(Resumption)) -> Result<(), StoreError>;
}
