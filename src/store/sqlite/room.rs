use rusqlite::Row;
use rusqlite::params;

use crate::store::Alias;
use crate::store::DeviceId;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Place;
use crate::store::Room;
use crate::store::RoomId;
use crate::store::Rooms;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::upload::ABANDON_ALL;
use crate::store::sqlite::value::REMOVED_ROOM;
use crate::store::sqlite::value::ROOM;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::one_of;
use crate::store::sqlite::value::time_at;
use crate::time::UnixMillis;

const PUT_MEMBER: &str = "INSERT INTO member (room, user, alias, role, joined, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (room, user) DO UPDATE SET alias = excluded.alias, role = excluded.role, joined = excluded.joined,
    device = excluded.device";

/// Of who has left something behind.
pub(super) const KEEP_NAME: &str = "INSERT INTO former_member (conversation, alias, user, gone)
    SELECT room, alias, user, ?3 FROM member m WHERE room = ?1 AND user = ?2 AND (
        EXISTS (SELECT 1 FROM message WHERE conversation = m.room AND sender = m.alias)
        OR EXISTS (SELECT 1 FROM reaction WHERE conversation = m.room AND member = m.alias)
        OR EXISTS (SELECT 1 FROM receipt WHERE conversation = m.room AND member = m.alias))
    ON CONFLICT DO UPDATE SET user = excluded.user, gone = excluded.gone";

const ROOM_BY_NAME: &str = "SELECT c.name, r.title, r.created, r.uninvited, r.used
    FROM conversation c JOIN room r USING (id) WHERE c.name = ?1";

const MEMBER: &str = "SELECT user, alias, role, joined, device FROM member WHERE room = ?1 AND user = ?2";

pub(super) const MEMBERS: &str =
    "SELECT user, alias, role, joined, device FROM member WHERE room = ?1 ORDER BY joined, user LIMIT ?2";

pub(super) const ROOMS_OF: &str =
    "SELECT m.user, m.alias, m.role, m.joined, m.device, c.name, r.title, r.created, r.uninvited, r.used
    FROM member m JOIN room r ON r.id = m.room JOIN conversation c ON c.id = r.id
    WHERE m.user = ?1 ORDER BY m.joined DESC, c.name LIMIT ?2";

impl SqliteStore {
    fn room_number(&self, id: &RoomId) -> Result<Option<i64>, StoreError> {
        self.conversation(&Place::Room(id.clone()))
    }

    /// Takes a room out with its members and its files; what was written in it is left to the sweeps.
    pub(super) fn close_room(&self, number: i64) -> Result<(), StoreError> {
        self.execute(ABANDON_ALL, params![number])?;
        self.execute("DELETE FROM room WHERE id = ?1", params![number])?;
        self.execute("UPDATE conversation SET kind = ?2 WHERE id = ?1", params![number, REMOVED_ROOM]).map(drop)
    }

    pub(super) fn insert_member(&self, room: i64, member: &Member) -> Result<(), StoreError> {
        let Member { user, device, alias, role, joined } = member;
        let device = device.as_ref().map(|device| &device.0);
        let mut insert = self.connection.prepare_cached(PUT_MEMBER)?;
        insert.execute(params![room, user.0, alias.0, *role as i64, millis(*joined), device]).map_err(taken).map(drop)
    }
}

impl Rooms for SqliteStore {
    fn create_room(&mut self, room: &Room, first: &Member) -> Result<(), StoreError> {
        self.whole(|store| {
            let number = store.open_conversation(&Place::Room(room.id.clone()), ROOM)?;
            let Room { title, created, uninvited, used, .. } = room;
            let sql = "INSERT INTO room (id, title, created, uninvited, used) VALUES (?1, ?2, ?3, ?4, ?5)";
            store.execute(sql, params![number, title, millis(*created), millis(*uninvited), millis(*used)])?;
            store.insert_member(number, first)
        })
    }

    fn room(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        let mut statement = self.connection.prepare_cached(ROOM_BY_NAME)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(|row| room_at(row, 0)).transpose()?)
    }

    fn remove_room(&mut self, id: &RoomId) -> Result<bool, StoreError> {
        self.whole(|store| {
            let Some(number) = store.room_number(id)? else { return Ok(false) };
            store.close_room(number).map(|()| true)
        })
    }

    fn put_member(&mut self, room: &RoomId, member: &Member) -> Result<(), StoreError> {
        let number = self.room_number(room)?.ok_or(StoreError::Unknown)?;
        self.insert_member(number, member)
    }

    fn remove_member(&mut self, room: &RoomId, user: &UserId, at: UnixMillis) -> Result<bool, StoreError> {
        let Some(number) = self.room_number(room)? else { return Ok(false) };
        self.whole(|store| {
            store.execute(KEEP_NAME, params![number, user.0, millis(at)])?;
            Ok(store.execute("DELETE FROM member WHERE room = ?1 AND user = ?2", params![number, user.0])? > 0)
        })
    }

    fn void_invitations(&mut self, room: &RoomId, until: UnixMillis) -> Result<(), StoreError> {
        let number = self.room_number(room)?.ok_or(StoreError::Unknown)?;
        let sql = "UPDATE room SET uninvited = MAX(uninvited, ?2) WHERE id = ?1";
        self.execute(sql, params![number, millis(until)]).map(drop)
    }

    fn use_room(&mut self, room: &RoomId, at: UnixMillis) -> Result<(), StoreError> {
        let number = self.room_number(room)?.ok_or(StoreError::Unknown)?;
        self.execute("UPDATE room SET used = MAX(used, ?2) WHERE id = ?1", params![number, millis(at)]).map(drop)
    }

    fn member(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        let Some(number) = self.room_number(room)? else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(MEMBER)?;
        let mut rows = statement.query(params![number, user.0])?;
        Ok(rows.next()?.map(member_at).transpose()?)
    }

    fn members(&self, room: &RoomId, limit: usize) -> Result<Vec<Member>, StoreError> {
        let Some(number) = self.room_number(room)? else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(MEMBERS)?;
        let members = statement.query_map(params![number, count(limit)], member_at)?;
        Ok(members.collect::<rusqlite::Result<_>>()?)
    }

    fn rooms_of(&self, user: &UserId, limit: usize) -> Result<Vec<(Room, Member)>, StoreError> {
        let mut statement = self.connection.prepare_cached(ROOMS_OF)?;
        let rooms =
            statement.query_map(params![user.0, count(limit)], |row| Ok((room_at(row, 5)?, member_at(row)?)))?;
        Ok(rooms.collect::<rusqlite::Result<_>>()?)
    }
}

fn room_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Room> {
    Ok(Room {
        id: RoomId(row.get(first)?),
        title: row.get(first + 1)?,
        created: time_at(row, first + 2)?,
        uninvited: time_at(row, first + 3)?,
        used: time_at(row, first + 4)?,
    })
}

pub(super) fn member_at(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        user: UserId(row.get(0)?),
        alias: Alias(row.get(1)?),
        role: one_of(&MemberRole::ALL, row.get(2)?)?,
        joined: time_at(row, 3)?,
        device: row.get::<_, Option<_>>(4)?.map(DeviceId),
    })
}
