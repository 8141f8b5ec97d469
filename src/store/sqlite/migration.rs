//! From any older schema to this one, step by step and never back.
use rusqlite::Connection;
use rusqlite::TransactionBehavior;

use crate::store::sqlite::OpenError;
use crate::store::sqlite::open::Subject;

/// `PRAGMA application_id` of our files: "Duol".
const APPLICATION_ID: i64 = 0x4475_6f6c;

/// The step that makes the schema of each version, from 1 on. A step that has been released never changes.
const STEPS: [&str; 12] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
    include_str!("migrations/0011.sql"),
    include_str!("migrations/0012.sql"),
];

/// The version this program knows: `PRAGMA user_version`.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The schema of a file that is ours, or empty, and no newer than this program: 0 for an empty one.
///
/// # Errors
///
/// [`OpenError::Foreign`], [`OpenError::Newer`]
pub(super) fn version(connection: &Connection, subject: Subject<'_>) -> Result<i64, OpenError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| subject.failed(error));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let objects = number("SELECT count(*) FROM sqlite_schema")?;
    let is_empty = (application, version, objects) == (0, 0, 0);
    if !is_empty && application != APPLICATION_ID {
        return Err(OpenError::Foreign { path: subject.path.to_owned() });
    }
    if version > VERSION {
        return Err(OpenError::Newer { path: subject.path.to_owned(), found: version, known: VERSION });
    }
    Ok(version)
}

/// Does the steps that the file lacks, each wholly or not at all.
///
/// # Errors
///
/// As [`version`], or what keeps a step from being done.
pub(super) fn migrate(connection: &mut Connection, subject: Subject<'_>) -> Result<(), OpenError> {
    let from = version(connection, subject)?;
    for (step, to) in STEPS.into_iter().zip(1..).skip_while(|(_, to)| *to <= from) {
        take(connection, step, to).map_err(|error| subject.failed(error))?;
        tracing::info!(path = %subject.path.display(), version = to, "the database has a new schema");
    }
    Ok(())
}

fn take(connection: &mut Connection, step: &str, to: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}
