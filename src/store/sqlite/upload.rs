use rusqlite::Row;
use rusqlite::params;

use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Uploads;
use crate::store::UserId;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::kind_of;
use crate::store::sqlite::value::message_kind_at;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::time_at;
use crate::time::UnixMillis;

const PUT: &str = "INSERT INTO upload (id, place, is_in_room, owner, kind, mime, bytes, sha256, is_complete, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET place = excluded.place,
    is_in_room = excluded.is_in_room, owner = excluded.owner, kind = excluded.kind, mime = excluded.mime,
    bytes = excluded.bytes, sha256 = excluded.sha256, is_complete = excluded.is_complete, at = excluded.at";

const BY_ID: &str = "SELECT id, place, is_in_room, owner, kind, mime, bytes, sha256, is_complete, at
    FROM upload WHERE id = ?1";

pub(super) const ORPHANS: &str = "SELECT id FROM upload WHERE at < ?1
    AND NOT EXISTS (SELECT 1 FROM message WHERE file = upload.id) ORDER BY at, id LIMIT ?2";

impl Uploads for SqliteStore {
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        let Upload { id, place, owner, kind, mime, bytes, sha256, is_complete, at } = upload;
        let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
        let put = params![
            id.0,
            place.as_str(),
            kind_of(place),
            owner.0,
            *kind as i64,
            mime,
            bytes,
            sha256,
            is_complete,
            millis(*at)
        ];
        self.execute(PUT, put).map(drop)
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(upload_at).transpose()?)
    }

    fn uploaded_bytes(&self, owner: &UserId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(bytes), 0) FROM upload WHERE owner = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row(params![owner.0], |row| row.get(0))?)
    }

    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let mut statement = self.connection.prepare_cached(ORPHANS)?;
        let orphans = statement.query_map(params![millis(before), count(limit)], |row| Ok(UploadId(row.get(0)?)))?;
        Ok(orphans.collect::<rusqlite::Result<_>>()?)
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError> {
        self.execute("DELETE FROM upload WHERE id = ?1", params![id.0]).map(drop)
    }
}

fn upload_at(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let (name, is_in_room) = (row.get(1)?, row.get(2)?);
    Ok(Upload {
        id: UploadId(row.get(0)?),
        place: if is_in_room { Place::Room(RoomId(name)) } else { Place::Session(SessionId(name)) },
        owner: UserId(row.get(3)?),
        kind: message_kind_at(row, 4)?,
        mime: row.get(5)?,
        bytes: row.get(6)?,
        sha256: row.get(7)?,
        is_complete: row.get(8)?,
        at: time_at(row, 9)?,
    })
}
