use std::collections::BTreeMap;
use std::collections::HashMap;

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
}

#[derive(Clone, Debug)]
struct StoredRoom {
    room: Room,
    member_by_user: BTreeMap<UserId, Member>,
}

impl RoomBook {
    /// Takes a room out with its members.
    fn remove(&mut self, id: &RoomId) -> bool {
        self.room_by_id.remove(id).is_some()
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

    fn remove_member(&mut self, room: &RoomId, user: &UserId) -> Result<bool, StoreError> {
        let stored = self.rooms.room_by_id.get_mut(room);
        Ok(stored.is_some_and(|stored| stored.member_by_user.remove(user).is_some()))
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
