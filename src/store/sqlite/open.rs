//! Opening the file: one server at a time, whole, and of a schema this program knows.
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rustix::fs::FlockOperation;
use rustix::fs::flock;

use crate::store::Retention;
use crate::store::SqliteStore;
use crate::store::Store;
use crate::store::runner::Opened;
use crate::store::sqlite::migration;

/// How long a connection waits for another one, e.g. that of `duologue backup`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared: all there are, with some to spare.
const STATEMENTS_MAX: usize = 128;

/// What a connection that writes is set to, beside the journal. The cache is in KiB when negative; the log is cut back
/// to that many bytes after a burst; what is deleted is overwritten where that costs no further page.
const WRITING: &str = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -4096;
    PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;";

/// What a connection that reads is set to.
const READING: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;";

/// Why a database cannot be opened; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refuses.
    #[error("cannot {action} {}: {source}; let the server's user own it, or name another store.path", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("{} is in use by another duologue; stop that one first", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// It holds what no database holds.
    #[error(
        "{path} is damaged ({detail}); restore a backup with: duologue restore FILE\n\
         or start with an empty one after: mv {path} {path}.damaged", path = path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A later version of this program made it.
    #[error(
        "{} was written by a newer duologue (schema {found}, this one knows {known}); run that version, or restore a \
         backup of this one with: duologue restore FILE", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The server that uses it is of an earlier version of this program.
    #[error("{} is in use by an older duologue; restart the server with this version first", path.display())]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// Another program made it.
    #[error("{} is a database of another program; name another store.path", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// There is no room for it.
    #[error("there is no room on the disk for {}; free some", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("cannot open {}: {source}", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// Its words.
        source: rusqlite::Error,
    },
}

/// The file that errors are about.
#[derive(Copy, Clone, Debug)]
pub(super) struct Subject<'a> {
    pub(super) path: &'a Path,
}

impl Subject<'_> {
    pub(super) fn failed(self, source: rusqlite::Error) -> OpenError {
        let path = self.path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                OpenError::Damaged { path, detail: source.to_string() }
            }
            Some(ErrorCode::DiskFull) => OpenError::Full { path },
            Some(_) | None => OpenError::Failed { path, source },
        }
    }

    pub(super) fn io(self, action: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = self.path.to_owned();
        move |source| OpenError::Io { action, path, source }
    }
}

/// The right to change a database, held by whoever serves or restores it. The system takes it back from a process that
/// ends in any way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`: that of a file beside it.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] if another process has it.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let beside = beside(path, ".lock");
        let file = ours(&beside)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(error) => Err(Subject { path: &beside }.io("lock")(error.into())),
        }
    }
}

/// Opens the database at `path`, which is made if it is not there: a connection that writes and one that reads.
///
/// # Errors
///
/// [`OpenError`]; the file stays as it was.
pub fn open(path: &Path, retention: Retention) -> Result<Opened, OpenError> {
    let subject = Subject { path };
    let lock = Lock::take(path)?;
    ours(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| subject.failed(error))?;
    check(&connection, subject)?;
    set_up_writer(&connection).map_err(|error| subject.failed(error))?;
    migration::migrate(&mut connection, subject)?;
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| subject.failed(error))?;
    reader.execute_batch(READING).map_err(|error| subject.failed(error))?;
    Ok(Opened {
        writer: Box::new(SqliteStore { connection, retention, _lock: Some(lock) }),
        reader: Some(Box::new(SqliteStore { connection: reader, retention, _lock: None })),
    })
}

/// Opens the database at `path` beside a server that may be using it: what is written here, the server finds when it looks.
///
/// One that is not there is made, and an older one brought up to date, unless a server has it.
///
/// # Errors
///
/// [`OpenError`]; the file stays as it was.
pub fn open_beside(path: &Path, retention: Retention) -> Result<Box<dyn Store>, OpenError> {
    let subject = Subject { path };
    if path.exists() {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| subject.failed(error))?;
        if migration::version(&connection, subject)? == migration::VERSION {
            set_up_writer(&connection).map_err(|error| subject.failed(error))?;
            return Ok(Box::new(SqliteStore { connection, retention, _lock: None }));
        }
    }
    match open(path, retention) {
        Ok(opened) => Ok(opened.writer),
        Err(OpenError::InUse { path }) => Err(OpenError::Older { path }),
        Err(error) => Err(error),
    }
}

/// Opens a connection to a file that is there.
pub(super) fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection stays with one thread.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Looks whether the file is whole: everything is read once, some seconds for each gigabyte.
///
/// # Errors
///
/// [`OpenError::Damaged`], [`OpenError::Foreign`], [`OpenError::Newer`]
pub(super) fn check(connection: &Connection, subject: Subject<'_>) -> Result<(), OpenError> {
    // First whose it is: of another's file nobody wants to know more.
    migration::version(connection, subject)?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| subject.failed(error))?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: subject.path.to_owned(), detail: verdict }) }
}

/// Makes a file that only its owner can read, unless it is there.
pub(super) fn ours(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(Subject { path }.io("open"))
}

/// The path with something behind its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    // File systems without shared memory have no write-ahead log; SQLite says so by keeping the old mode.
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    connection.execute_batch(WRITING)
}
