//! What is kept of a person as a whole: told to them, and taken away.
use crate::store::Alias;
use crate::store::Block;
use crate::store::Case;
use crate::store::Member;
use crate::store::RoomId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UserId;
use crate::time::UnixMillis;

/// What one step has taken away of a person, as far as others must hear of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Erased {
    /// Whether nothing is left.
    pub is_done: bool,
    /// Blocks that were the person's.
    pub blocks: Vec<Block>,
    /// Rooms that the person owned.
    pub rooms: Vec<Inherited>,
}

/// A room whose owner is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The room.
    pub room: RoomId,
    /// Whose it is now; `None`: nobody was left, and the room is removed.
    pub heir: Option<Member>,
}

/// What there is of a person beyond what other parts of a store tell, and the end of all of it.
pub trait Persons {
    /// The sessions of a user that are over and still stored, logs kept or not, behind `before`, at most `limit`, the newest
    /// first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn past_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError>;

    /// The rooms that a user belonged to, left something in and has left, with what it was called there; at most `limit`,
    /// by what it was called.
    ///
    /// # Errors
    ///
    /// An accident.
    fn rooms_left(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, Alias)>, StoreError>;

    /// The uploads of a user behind `after` that are not abandoned, at most `limit`, by name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn uploads_of(&self, owner: &UserId, after: Option<&UploadId>, limit: usize) -> Result<Vec<Upload>, StoreError>;

    /// The reports that a user has made, at most `limit`, the newest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn cases_by(&self, reporter: &UserId, limit: usize) -> Result<Vec<Case>, StoreError>;

    /// The reports about a user, at most `limit`, the newest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn cases_about(&self, reported: &UserId, limit: usize) -> Result<Vec<Case>, StoreError>;

    /// Removes a user's account, and notes that the rest is to go; `false` if that was noted before.
    ///
    /// # Errors
    ///
    /// An accident.
    fn begin_erasure(&mut self, user: &UserId, at: UnixMillis) -> Result<bool, StoreError>;

    /// Users of whom something is still to go, at most `limit`, by name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn erasures(&self, limit: usize) -> Result<Vec<UserId>, StoreError>;

    /// Takes a part of what there is of a user away, at most `rows` messages and reactions; once nothing is left the note is
    /// gone, too. To be done again and again, by whatever process, until it is done. The user is in no session that runs.
    ///
    /// What the user wrote is deleted as by the user, its files are abandoned, its rooms go to whoever has the highest role,
    /// among equals since longest. Records of sessions, reports, bans and the audit stay for their time: they name
    /// the user by its id, which leads nowhere any more.
    ///
    /// # Errors
    ///
    /// An accident.
    fn erase(&mut self, user: &UserId, rows: usize) -> Result<Erased, StoreError>;
}
