//! How our values stand in columns.
use rusqlite::Row;
use rusqlite::types::FromSqlError;
use uuid::Uuid;

use crate::store::DeviceId;
use crate::store::MessageId;
use crate::store::MessageKind;
use crate::store::Party;
use crate::store::Place;
use crate::store::UploadState;
use crate::store::UserId;
use crate::time::UnixMillis;

/// A number of `conversation.kind`.
pub(super) const SESSION: i64 = 0;
/// A number of `conversation.kind`, and what `is_in_room` is then.
pub(super) const ROOM: i64 = 1;
/// A number of `conversation.kind`.
pub(super) const REMOVED_ROOM: i64 = 2;

/// The kind of a place.
pub(super) fn kind_of(place: &Place) -> i64 {
    match place {
        Place::Session(_) => SESSION,
        Place::Room(_) => ROOM,
    }
}

/// Moments beyond SQLite's integers are as good as never.
pub(super) fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// See [`millis`].
pub(super) fn optional_millis(at: Option<UnixMillis>) -> Option<i64> {
    at.map(millis)
}

/// A count for LIMIT.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The moment in a column.
pub(super) fn time_at(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    Ok(UnixMillis(row.get(column)?))
}

/// The moment in a column that may be empty.
pub(super) fn optional_time_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<u64>>(column)?.map(UnixMillis))
}

/// A message's name as bytes, which compare as it does.
pub(super) fn mid_bytes(mid: &MessageId) -> &[u8] {
    mid.0.as_bytes()
}

/// The message's name in a column.
pub(super) fn mid_at(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    Ok(MessageId(Uuid::from_bytes(row.get(column)?)))
}

/// The message's name in a column that may be empty.
pub(super) fn optional_mid_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<MessageId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|bytes| MessageId(Uuid::from_bytes(bytes))))
}

/// The kind of message in a column.
pub(super) fn message_kind_at(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageKind> {
    one_of(&MessageKind::ALL, row.get(column)?)
}

/// How far an upload has come, in a column.
pub(super) fn upload_state_at(row: &Row<'_>, column: usize) -> rusqlite::Result<UploadState> {
    one_of(&UploadState::ALL, row.get(column)?)
}

/// A user and a device in two columns that follow each other.
pub(super) fn party_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Party> {
    Ok(Party { user: UserId(row.get(column)?), device: row.get::<_, Option<_>>(column + 1)?.map(DeviceId) })
}

/// What stands at that place of a list.
pub(super) fn one_of<T: Copy>(all: &[T], number: i64) -> rusqlite::Result<T> {
    let found = usize::try_from(number).ok().and_then(|at| all.get(at)).copied();
    found.ok_or_else(|| FromSqlError::OutOfRange(number).into())
}
