use rusqlite::Row;
use rusqlite::params;

use crate::store::Evidence;
use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Uploads;
use crate::store::Usage;
use crate::store::UserId;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::kind_of;
use crate::store::sqlite::value::message_kind_at;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::time_at;
use crate::store::sqlite::value::upload_state_at;
use crate::time::UnixMillis;

const PUT: &str = "INSERT INTO upload (id, place, is_in_room, owner, kind, name, mime, bytes, sha256, state, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO UPDATE SET place = excluded.place,
    is_in_room = excluded.is_in_room, owner = excluded.owner, kind = excluded.kind, name = excluded.name,
    mime = excluded.mime, bytes = excluded.bytes, sha256 = excluded.sha256, state = excluded.state, at = excluded.at";

const BY_ID: &str = "SELECT id, place, is_in_room, owner, kind, name, mime, bytes, sha256, state, at
    FROM upload WHERE id = ?1";

pub(super) const ORPHANS: &str = "SELECT id, at FROM upload
    WHERE state = 2 AND NOT EXISTS (SELECT 1 FROM evidence_file WHERE file = upload.id)
    UNION SELECT id, at FROM upload WHERE at < ?1 AND state <> 2 AND NOT EXISTS (SELECT 1 FROM message WHERE file = upload.id)
    ORDER BY at, id LIMIT ?2";

const OWNED: &str = "SELECT count(*), coalesce(sum(bytes), 0) FROM upload WHERE owner = ?1
    AND NOT (state = 2 AND EXISTS (SELECT 1 FROM evidence_file WHERE file = upload.id))";

pub(super) const PROMISED: &str =
    "SELECT count(*), coalesce(sum(bytes), 0) FROM upload WHERE owner = ?1 AND sha256 IS NULL";

pub(super) const OVERDUE: &str = "SELECT id FROM upload WHERE state = 0 AND at < ?1 ORDER BY at, id LIMIT ?2";

pub(super) const ABANDON: &str = "UPDATE upload SET state = 2
    WHERE id = ?1 AND (state = 2 OR NOT EXISTS (SELECT 1 FROM message WHERE file = ?1))";

pub(super) const ABANDON_ALL: &str = "UPDATE upload SET state = 2
    WHERE is_in_room = 1 AND place = (SELECT name FROM conversation WHERE id = ?1)";

impl Uploads for SqliteStore {
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        let Upload { id, place, owner, kind, name, mime, bytes, sha256, state, at } = upload;
        let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
        let put = params![
            id.0,
            place.as_str(),
            kind_of(place),
            owner.0,
            *kind as i64,
            name,
            mime,
            bytes,
            sha256,
            *state as i64,
            millis(*at)
        ];
        self.execute(PUT, put).map(drop)
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(upload_at).transpose()?)
    }

    fn uploaded(&self, owner: Option<&UserId>) -> Result<Usage, StoreError> {
        let all = "SELECT count(*), coalesce(sum(bytes), 0) FROM upload";
        self.usage(all, OWNED, owner)
    }

    fn promised(&self, owner: Option<&UserId>) -> Result<Usage, StoreError> {
        let all = "SELECT count(*), coalesce(sum(bytes), 0) FROM upload WHERE sha256 IS NULL";
        self.usage(all, PROMISED, owner)
    }

    fn overdue(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let mut statement = self.connection.prepare_cached(OVERDUE)?;
        let overdue = statement.query_map(params![millis(before), count(limit)], |row| Ok(UploadId(row.get(0)?)))?;
        Ok(overdue.collect::<rusqlite::Result<_>>()?)
    }

    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let mut statement = self.connection.prepare_cached(ORPHANS)?;
        let orphans = statement.query_map(params![millis(before), count(limit)], |row| Ok(UploadId(row.get(0)?)))?;
        Ok(orphans.collect::<rusqlite::Result<_>>()?)
    }

    fn abandon_upload(&mut self, id: &UploadId) -> Result<bool, StoreError> {
        Ok(self.execute(ABANDON, params![id.0])? > 0 && !self.is_kept(id)?)
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError> {
        self.execute("DELETE FROM upload WHERE id = ?1", params![id.0]).map(drop)
    }
}

impl SqliteStore {
    fn usage(&self, all: &'static str, owned: &'static str, owner: Option<&UserId>) -> Result<Usage, StoreError> {
        let usage_at = |row: &Row<'_>| Ok(Usage { files: row.get(0)?, bytes: row.get(1)? });
        let usage = match owner {
            None => self.connection.prepare_cached(all)?.query_row([], usage_at),
            Some(owner) => self.connection.prepare_cached(owned)?.query_row(params![owner.0], usage_at),
        };
        Ok(usage?)
    }
}

pub(super) fn upload_at(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let (name, is_in_room) = (row.get(1)?, row.get(2)?);
    Ok(Upload {
        id: UploadId(row.get(0)?),
        place: if is_in_room { Place::Room(RoomId(name)) } else { Place::Session(SessionId(name)) },
        owner: UserId(row.get(3)?),
        kind: message_kind_at(row, 4)?,
        name: row.get(5)?,
        mime: row.get(6)?,
        bytes: row.get(7)?,
        sha256: row.get(8)?,
        state: upload_state_at(row, 9)?,
        at: time_at(row, 10)?,
    })
}
