//! A copy of the database while it is in use, and the way back.
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::backup::Backup;

use crate::store::sqlite::OpenError;
use crate::store::sqlite::open::Lock;
use crate::store::sqlite::open::Subject;
use crate::store::sqlite::open::beside;
use crate::store::sqlite::open::check;
use crate::store::sqlite::open::connect;
use crate::store::sqlite::open::ours;
use crate::time::UnixMillis;

/// All pages in one step: a copy of one moment, whatever is written meanwhile. Writers do not wait for it.
const PAGES_PER_STEP: i32 = i32::MAX;
/// Between two attempts, should another connection be in the way.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no copy; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Nothing is ever overwritten.
    #[error("{} exists already; name another file", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// One of the two files is not as it should be.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Copies the database at `database`, in use or not, to the new file `to`, and returns the size of the copy in bytes.
///
/// # Errors
///
/// [`BackupError`]; there is no file `to` then.
pub fn back_up(database: &Path, to: &Path) -> Result<u64, BackupError> {
    if !exists(database)? {
        return Err(BackupError::Missing { path: database.to_owned() });
    }
    if exists(to)? {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let draft = Draft::copy(database, to)?;
    let bytes = draft.put_in_place(to)?;
    Ok(bytes)
}

/// Puts a copy of the backup `from` in the place of `database`, which no server may be using. What was there is moved
/// aside; the answer is where it is now.
///
/// # Errors
///
/// [`BackupError`]; `database` stays as it was then.
pub fn restore(from: &Path, database: &Path, now: UnixMillis) -> Result<Option<PathBuf>, BackupError> {
    if !exists(from)? {
        return Err(BackupError::Missing { path: from.to_owned() });
    }
    let _lock = Lock::take(database)?;
    let draft = Draft::copy(from, database)?;
    let aside = move_aside(database, now)?;
    draft.put_in_place(database)?;
    Ok(aside)
}

/// A copy that has not got its name yet. One that is given up goes away.
struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Copies a database to a draft beside `place` and looks whether it is whole.
    fn copy(from: &Path, place: &Path) -> Result<Self, OpenError> {
        let (of_source, path) = (Subject { path: from }, beside(place, &format!(".draft.{}", std::process::id())));
        let source = connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| of_source.failed(error))?;
        check(&source, of_source)?;
        let of_draft = Subject { path: &path };
        drop(ours(&path)?);
        let draft = Self { path: path.clone() };
        let mut copy = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| of_draft.failed(error))?;
        fill(&source, &mut copy).map_err(|error| of_draft.failed(error))?;
        check(&copy, of_draft)?;
        copy.close().map_err(|(_, error)| of_draft.failed(error))?;
        Ok(draft)
    }

    /// Gives the copy its name for good, and returns its size in bytes.
    fn put_in_place(self, place: &Path) -> Result<u64, OpenError> {
        let file = File::open(&self.path).map_err(Subject { path: &self.path }.io("open"))?;
        file.sync_all().map_err(Subject { path: &self.path }.io("write"))?;
        let bytes = file.metadata().map_err(Subject { path: &self.path }.io("read"))?.len();
        fs::rename(&self.path, place).map_err(Subject { path: place }.io("write"))?;
        sync_directory(place)?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // In vain once it has its name.
        let _ = fs::remove_file(&self.path);
    }
}

fn fill(source: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    Backup::new(source, copy)?.run_to_completion(PAGES_PER_STEP, PAUSE, None)?;
    // The copy says of itself that it has a write-ahead log; one file is easier to carry away.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)).map(drop)
}

/// Renames the database and its log together: they are one.
fn move_aside(database: &Path, now: UnixMillis) -> Result<Option<PathBuf>, BackupError> {
    if !exists(database)? {
        return Ok(None);
    }
    let aside = beside(database, &format!(".replaced-{}", now.as_secs()));
    if exists(&aside)? {
        return Err(BackupError::Exists { path: aside });
    }
    for suffix in ["-wal", "-shm", ""] {
        let part = beside(database, suffix);
        if exists(&part)? {
            fs::rename(&part, beside(&aside, suffix)).map_err(Subject { path: &part }.io("move"))?;
        }
    }
    Ok(Some(aside))
}

fn exists(path: &Path) -> Result<bool, OpenError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Subject { path }.io("find")(error)),
    }
}

fn sync_directory(of: &Path) -> Result<(), OpenError> {
    let directory = of.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(Subject { path: directory }.io("write"))
}
