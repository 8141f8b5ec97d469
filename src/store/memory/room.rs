use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::store::Alias;
use crate::store::Member;
use crate::store::MemoryStore;
use crate::store::Place;
use crate::store::Room;
use crate::store::RoomId;
use crate::store::Rooms;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Rooms with their members.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomBook {
    room_by_id: HashMap<RoomId, StoredRoom>,
    /// Who was called so in a room, and when they left.
    former: BTreeMap<(RoomId, Alias), (UserId, UnixMillis)>,
}

#[derive(Clone, Debug)]
struct StoredRoom {
    room: Room,
    member_by_user: BTreeMap<UserId, Member>,
}

impl RoomBook {
    /// Takes a room out with its members.
    fn remove(&mut self, id: &RoomId) -> bool {
        self.former.retain(|(room, _), _| room != id);
        self.room_by_id.remove(id).is_some()
    }

    /// The rooms of a user, with what it is called there.
    pub(super) fn memberships<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = (RoomId, Alias)> + use<'a> {
        let rooms = self.room_by_id.values();
        rooms.filter_map(|stored| Some((stored.room.id.clone(), stored.member_by_user.get(user)?.alias.clone())))
    }

    /// The rooms that a user has left something in, with what it was called there.
    pub(super) fn left_by<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = (RoomId, Alias)> + use<'a> {
        let former = self.former.iter().filter(move |(_, (former, _))| former == user);
        former.map(|((room, alias), _)| (room.clone(), alias.clone()))
    }

    /// Nobody asks any more who a user was.
    pub(super) fn forget_left(&mut self, user: &UserId) {
        self.former.retain(|_, (former, _)| former != user);
    }

    /// Forgets at most `limit` of those who left no later than `horizon`, and returns how many.
    pub(super) fn forget_left_by(&mut self, horizon: UnixMillis, limit: usize) -> usize {
        let old: Vec<_> = self.former.iter().filter(|(_, (_, gone))| *gone <= horizon).take(limit).collect();
        let old: Vec<_> = old.into_iter().map(|(name, _)| name.clone()).collect();
        for name in &old {
            self.former.remove(name);
        }
        old.len()
    }

    /// Takes a member out of a room.
    pub(super) fn take_member(&mut self, room: &RoomId, user: &UserId) -> Option<Member> {
        self.room_by_id.get_mut(room)?.member_by_user.remove(user)
    }

    /// Puts a member in place of the one of the same user.
    pub(super) fn replace_member(&mut self, room: &RoomId, member: &Member) {
        if let Some(stored) = self.room_by_id.get_mut(room) {
            stored.member_by_user.insert(member.user.clone(), member.clone());
        }
    }

    /// The member of the highest role, among equals the one who joined first.
    pub(super) fn heir(&self, room: &RoomId) -> Option<Member> {
        let members = self.room_by_id.get(room)?.member_by_user.values();
        let place = |member: &&Member| (Reverse(member.role), member.joined, member.user.clone());
        members.min_by_key(place).cloned()
    }

    /// A guest is one no more.
    pub(super) fn settle(&mut self, user: &UserId) {
        let members = self.room_by_id.values_mut().filter_map(|stored| stored.member_by_user.get_mut(user));
        members.for_each(|member| member.device = None);
    }

    /// At most `limit` rooms that nobody has come into since.
    pub(super) fn unused_since(&self, horizon: UnixMillis, limit: usize) -> Vec<RoomId> {
        let mut unused: Vec<&Room> =
            self.room_by_id.values().map(|stored| &stored.room).filter(|room| room.used <= horizon).collect();
        unused.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.id.cmp(&b.id)));
        unused.into_iter().take(limit).map(|room| room.id.clone()).collect()
    }
}

impl MemoryStore {
    /// Takes a room out with its members and its files; what was written in it is left to the sweeps.
    pub(super) fn close_room(&mut self, id: &RoomId) -> bool {
        let was_there = self.rooms.remove(id);
        if was_there {
            let place = Place::Room(id.clone());
            self.conversations.abandon(&place);
            self.uploads.abandon_all(&place);
        }
        was_there
    }
}

impl Rooms for MemoryStore {
    fn create_room(&mut self, room: &Room, first: &Member) -> Result<(), StoreError> {
        self.conversations.open(Place::Room(room.id.clone()))?;
        let member_by_user = BTreeMap::from([(first.user.clone(), first.clone())]);
        self.rooms.room_by_id.insert(room.id.clone(), StoredRoom { room: room.clone(), member_by_user });
        Ok(())
    }

    fn room(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        Ok(self.rooms.room_by_id.get(id).map(|stored| stored.room.clone()))
    }

    fn remove_room(&mut self, id: &RoomId) -> Result<bool, StoreError> {
        Ok(self.close_room(id))
    }

    fn put_member(&mut self, room: &RoomId, member: &Member) -> Result<(), StoreError> {
        let stored = self.rooms.room_by_id.get_mut(room).ok_or(StoreError::Unknown)?;
        let is_taken = |other: &Member| other.alias == member.alias && other.user != member.user;
        if stored.member_by_user.values().any(is_taken) {
            return Err(StoreError::Taken);
        }
        stored.member_by_user.insert(member.user.clone(), member.clone());
        Ok(())
    }

    fn remove_member(&mut self, room: &RoomId, user: &UserId, at: UnixMillis) -> Result<bool, StoreError> {
        let Some(member) = self.rooms.take_member(room, user) else { return Ok(false) };
        if self.conversations.knows(&Place::Room(room.clone()), &member.alias) {
            self.rooms.former.insert((room.clone(), member.alias), (user.clone(), at));
        }
        Ok(true)
    }

    fn void_invitations(&mut self, room: &RoomId, until: UnixMillis) -> Result<(), StoreError> {
        let stored = self.rooms.room_by_id.get_mut(room).ok_or(StoreError::Unknown)?;
        stored.room.uninvited = stored.room.uninvited.max(until);
        Ok(())
    }

    fn use_room(&mut self, room: &RoomId, at: UnixMillis) -> Result<(), StoreError> {
        let stored = self.rooms.room_by_id.get_mut(room).ok_or(StoreError::Unknown)?;
        stored.room.used = stored.room.used.max(at);
        Ok(())
    }

    fn member(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        Ok(self.rooms.room_by_id.get(room).and_then(|stored| stored.member_by_user.get(user)).cloned())
    }

    fn members(&self, room: &RoomId, limit: usize) -> Result<Vec<Member>, StoreError> {
        let Some(stored) = self.rooms.room_by_id.get(room) else { return Ok(Vec::new()) };
        let mut members: Vec<Member> = stored.member_by_user.values().cloned().collect();
        members.sort_by(|a, b| a.joined.cmp(&b.joined).then_with(|| a.user.cmp(&b.user)));
        members.truncate(limit);
        Ok(members)
    }

    fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<(Room, Member)>, StoreError> {
        let stored = self.rooms.room_by_id.values();
        let joined = stored.filter_map(|stored| Some((stored.room.clone(), stored.member_by_user.get(user)?.clone())));
        let mut joined: Vec<(Room, Member)> = joined.collect();
        joined.sort_by(|(x, a), (y, b)| b.joined.cmp(&a.joined).then_with(|| x.id.cmp(&y.id)));
        joined.truncate(limit);
        Ok(joined)
    }
}
