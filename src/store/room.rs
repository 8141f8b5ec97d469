//! Rooms and who belongs to them.
use std::sync::Arc;

use crate::store::Alias;
use crate::store::DeviceId;
use crate::store::RoomId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// A named place for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name in messages.
    pub id: RoomId,
    /// Its name for people.
    pub title: Arc<str>,
    /// When it was made.
    pub created: UnixMillis,
    /// Invitations made until then are void.
    pub uninvited: UnixMillis,
    /// When somebody last came in; one that nobody uses goes with the sweeps.
    pub used: UnixMillis,
}

/// What a member may do in a room.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberRole {
    /// Take part.
    Member,
    /// Keep order.
    Moderator,
    /// Everything.
    Owner,
}

impl MemberRole {
    /// Every role.
    pub const ALL: [MemberRole; 3] = [MemberRole::Member, MemberRole::Moderator, MemberRole::Owner];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            MemberRole::Member => "member",
            MemberRole::Moderator => "moderator",
            MemberRole::Owner => "owner",
        }
    }
}

/// Somebody who belongs to a room, present or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The device, of guests.
    pub device: Option<DeviceId>,
    /// What the others call them.
    pub alias: Alias,
    /// What they may do.
    pub role: MemberRole,
    /// Since when.
    pub joined: UnixMillis,
}

/// Rooms and members.
pub trait Rooms {
    /// Stores a new room and its first member.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name that is stored already.
    fn create_room(&mut self, room: &Room, first: &Member) -> Result<(), StoreError>;

    /// The room of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn room(&self, id: &RoomId) -> Result<Option<Room>, StoreError>;

    /// Removes a room with its members and abandons its uploads; what was written in it goes with the next sweeps.
    /// `false`: there was none.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_room(&mut self, id: &RoomId) -> Result<bool, StoreError>;

    /// Stores a member in place of the entry of the same user.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such a room, [`StoreError::Taken`] if another member has that alias.
    fn put_member(&mut self, room: &RoomId, member: &Member) -> Result<(), StoreError>;

    /// Removes a member; `false` if there is none. What it was called is kept for [`Persons`](crate::store::Persons) for as long
    /// as what it has left there.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_member(&mut self, room: &RoomId, user: &UserId, at: UnixMillis) -> Result<bool, StoreError>;

    /// Voids the invitations that were made until that moment; it never goes back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such a room.
    fn void_invitations(&mut self, room: &RoomId, until: UnixMillis) -> Result<(), StoreError>;

    /// Notes that somebody came into a room; the moment never goes back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such a room.
    fn use_room(&mut self, room: &RoomId, at: UnixMillis) -> Result<(), StoreError>;

    /// The member of a room who is that user.
    ///
    /// # Errors
    ///
    /// An accident.
    fn member(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError>;

    /// The members of a room, at most `limit`, by when they joined.
    ///
    /// # Errors
    ///
    /// An accident.
    fn members(&self, room: &RoomId, limit: usize) -> Result<Vec<Member>, StoreError>;

    /// The rooms of a user, at most `limit`, the one joined last first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<(Room, Member)>, StoreError>;
}
