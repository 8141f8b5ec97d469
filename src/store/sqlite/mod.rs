//! The store in one SQLite file.
//!
//! A write-ahead log with `synchronous = NORMAL`: a group that was committed survives the end of the process in any
//! way, `kill -9` included. When the machine loses power the last groups may be missing, as far back as the last
//! checkpoint; the file stays whole.
mod account;
mod appeal;
mod backup;
mod chat;
mod erasure;
mod event;
mod evidence;
mod failure;
mod migration;
mod open;
mod person;
mod report;
mod room;
mod session;
mod sweep;
mod upload;
mod value;

use rusqlite::Connection;
use rusqlite::Params;

use crate::store::Retention;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Work;

pub use backup::BackupError;
pub use backup::back_up;
pub use backup::restore;
use open::Lock;
pub use open::OpenError;
pub use open::open;
pub use open::open_beside;

/// One connection to the file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    retention: Retention,
    /// Held by the connection that writes.
    _lock: Option<Lock>,
}

impl SqliteStore {
    /// Runs a statement, prepared once, and returns how many rows it changed.
    fn execute(&self, sql: &'static str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Does several statements wholly or not at all, also within a group.
    fn whole<T>(&self, work: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.execute("SAVEPOINT whole", [])?;
        let outcome = work(self);
        if outcome.is_err() {
            // After an accident SQLite may have undone all of the group already; then there is no such savepoint.
            let _ = self.execute("ROLLBACK TO whole", []);
            let _ = self.execute("RELEASE whole", []);
            return outcome;
        }
        self.execute("RELEASE whole", [])?;
        outcome
    }
}

impl Store for SqliteStore {
    fn group(&mut self, work: &mut Work<'_>) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE", [])?;
        let mut outcome = work(self);
        if outcome.is_ok() {
            outcome = self.execute("COMMIT", []).map(drop);
        }
        if outcome.is_err() && !self.connection.is_autocommit() {
            // What fails here has undone the group already.
            let _ = self.execute("ROLLBACK", []);
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
