use std::sync::Arc;

use rusqlite::OptionalExtension;
use rusqlite::Params;
use rusqlite::params;

use crate::store::Alias;
use crate::store::Block;
use crate::store::Case;
use crate::store::Erased;
use crate::store::Inherited;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Persons;
use crate::store::RoomId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UserId;
use crate::store::sqlite::person::block_at;
use crate::store::sqlite::report;
use crate::store::sqlite::room::member_at;
use crate::store::sqlite::upload;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::time::UnixMillis;

/// Where the user `?1` has been, with what it was called there.
macro_rules! names {
    () => {
        "(SELECT id AS place, a_alias AS alias FROM session WHERE a_user = ?1 AND ended IS NOT NULL
        UNION ALL SELECT id, b_alias FROM session WHERE b_user = ?1 AND ended IS NOT NULL
        UNION ALL SELECT room, alias FROM member WHERE user = ?1
        UNION ALL SELECT conversation, alias FROM former_member WHERE user = ?1)"
    };
}

pub(super) const SAID: &str = concat!(
    "SELECT m.conversation, m.mid, m.file FROM ",
    names!(),
    " n CROSS JOIN message m ON m.conversation = n.place AND m.sender = n.alias WHERE m.kind IS NOT NULL LIMIT ?2"
);

pub(super) const TAKE_BACK: &str = concat!(
    "DELETE FROM reaction WHERE (conversation, mid, member, emoji) IN
    (SELECT r.conversation, r.mid, r.member, r.emoji FROM ",
    names!(),
    " n CROSS JOIN reaction r ON r.conversation = n.place AND r.member = n.alias LIMIT ?2)"
);

pub(super) const FORGET_RECEIPTS: &str =
    concat!("DELETE FROM receipt WHERE (conversation, member) IN (SELECT place, alias FROM ", names!(), ")");

pub(super) const ROOMS_LEFT: &str =
    "SELECT c.name, f.alias FROM former_member f JOIN conversation c ON c.id = f.conversation
    WHERE f.user = ?1 AND c.kind = 1 ORDER BY f.alias LIMIT ?2";

pub(super) const UPLOADS_OF: &str = "SELECT id, place, is_in_room, owner, kind, name, mime, bytes, sha256, state, at
    FROM upload WHERE owner = ?1 AND state <> 2 AND id > ?2 ORDER BY id LIMIT ?3";

pub(super) const ABANDON_OWNED: &str = "UPDATE upload SET state = 2 WHERE owner = ?1 AND state <> 2";

pub(super) const HEIR: &str = "SELECT user, alias, role, joined, device FROM member WHERE room = ?1
    ORDER BY role DESC, joined, user LIMIT 1";

pub(super) const TAKE_BLOCKS: &str =
    "DELETE FROM block WHERE owner_user = ?1 RETURNING id, owner_user, owner_device, user, device, at";

const KEEP_REVISION: &str = "UPDATE erased_revision SET number = max(number,
    coalesce((SELECT revision FROM account WHERE id = ?1), 0)) WHERE id = 0";

impl SqliteStore {
    /// Deletes messages of a user as the user would, at most `limit`, and returns how many.
    fn unsay(&self, user: &UserId, limit: usize) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(SAID)?;
        let said = statement.query_map(params![user.0, count(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?, row.get::<_, Option<Arc<str>>>(2)?))
        })?;
        let said: Vec<_> = said.collect::<rusqlite::Result<_>>()?;
        for (conversation, mid, file) in &said {
            self.empty_message(*conversation, mid, file.as_deref())?;
        }
        Ok(said.len())
    }

    /// Gives what a user owns to somebody else and ends its memberships.
    fn bequeath(&self, user: &UserId) -> Result<Vec<Inherited>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT m.room, c.name, m.role FROM member m JOIN conversation c ON c.id = m.room WHERE m.user = ?1",
        )?;
        let joined = statement.query_map(params![user.0], |row| {
            Ok((row.get::<_, i64>(0)?, RoomId(row.get(1)?), row.get::<_, i64>(2)?))
        })?;
        let joined: Vec<_> = joined.collect::<rusqlite::Result<_>>()?;
        let mut inherited = Vec::new();
        for (number, room, role) in joined {
            self.execute("DELETE FROM member WHERE room = ?1 AND user = ?2", params![number, user.0])?;
            if role != MemberRole::Owner as i64 {
                continue;
            }
            let heir = self.connection.prepare_cached(HEIR)?.query_row(params![number], member_at).optional()?;
            let heir = heir.map(|heir| Member { role: MemberRole::Owner, ..heir });
            match &heir {
                Some(heir) => self.insert_member(number, heir)?,
                None => self.close_room(number)?,
            }
            inherited.push(Inherited { room, heir });
        }
        self.execute("DELETE FROM former_member WHERE user = ?1", params![user.0])?;
        Ok(inherited)
    }

    fn take_blocks(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        let mut statement = self.connection.prepare_cached(TAKE_BLOCKS)?;
        let taken = statement.query_map(params![user.0], block_at)?;
        Ok(taken.collect::<rusqlite::Result<_>>()?)
    }

    fn cases(&self, sql: &'static str, params: impl Params) -> Result<Vec<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let cases = statement.query_map(params, report::case_at)?;
        Ok(cases.collect::<rusqlite::Result<_>>()?)
    }
}

impl Persons for SqliteStore {
    fn past_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        self.sessions_over(user, before, limit)
    }

    fn rooms_left(&self, user: &UserId, limit: usize) -> Result<Vec<(RoomId, Alias)>, StoreError> {
        let mut statement = self.connection.prepare_cached(ROOMS_LEFT)?;
        let left =
            statement.query_map(params![user.0, count(limit)], |row| Ok((RoomId(row.get(0)?), Alias(row.get(1)?))))?;
        Ok(left.collect::<rusqlite::Result<_>>()?)
    }

    fn uploads_of(&self, owner: &UserId, after: Option<&UploadId>, limit: usize) -> Result<Vec<Upload>, StoreError> {
        let mut statement = self.connection.prepare_cached(UPLOADS_OF)?;
        let after = after.map_or("", |after| &after.0);
        let uploads = statement.query_map(params![owner.0, after, count(limit)], upload::upload_at)?;
        Ok(uploads.collect::<rusqlite::Result<_>>()?)
    }

    fn cases_by(&self, reporter: &UserId, limit: usize) -> Result<Vec<Case>, StoreError> {
        self.cases(report::BY, params![reporter.0, count(limit)])
    }

    fn cases_about(&self, reported: &UserId, limit: usize) -> Result<Vec<Case>, StoreError> {
        self.cases(report::ABOUT, params![reported.0, count(limit)])
    }

    fn begin_erasure(&mut self, user: &UserId, at: UnixMillis) -> Result<bool, StoreError> {
        self.whole(|store| {
            store.execute(KEEP_REVISION, params![user.0])?;
            store.execute("DELETE FROM account WHERE id = ?1", params![user.0])?;
            let sql = "INSERT INTO erasure (user, begun) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            Ok(store.execute(sql, params![user.0, millis(at)])? > 0)
        })
    }

    fn erasures(&self, limit: usize) -> Result<Vec<UserId>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT user FROM erasure ORDER BY user LIMIT ?1")?;
        let users = statement.query_map(params![count(limit)], |row| Ok(UserId(row.get(0)?)))?;
        Ok(users.collect::<rusqlite::Result<_>>()?)
    }

    fn erase(&mut self, user: &UserId, rows: usize) -> Result<Erased, StoreError> {
        self.whole(|store| {
            let said = store.unsay(user, rows)?;
            let taken_back = store.execute(TAKE_BACK, params![user.0, count(rows - said)])?;
            if said + taken_back >= rows {
                return Ok(Erased::default());
            }
            store.execute(FORGET_RECEIPTS, params![user.0])?;
            store.execute(ABANDON_OWNED, params![user.0])?;
            let (blocks, rooms) = (store.take_blocks(user)?, store.bequeath(user)?);
            store.execute("DELETE FROM resumption WHERE user = ?1", params![user.0])?;
            store.execute("DELETE FROM erasure WHERE user = ?1", params![user.0])?;
            Ok(Erased { is_done: true, blocks, rooms })
        })
    }
}
