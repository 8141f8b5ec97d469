//! What SQLite's errors mean here.
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string().into();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(text),
            Some(_) => StoreError::Failed(text),
            // A value of a kind that the schema does not let in.
            None => StoreError::Damaged(text),
        }
    }
}

/// Whether a row was refused because another has its primary key or a unique value of it.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE))
}

/// Names what an insert was refused for.
pub(super) fn taken(error: rusqlite::Error) -> StoreError {
    if is_taken(&error) { StoreError::Taken } else { error.into() }
}
