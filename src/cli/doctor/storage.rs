//! What must be kept: secrets, database, room on the disk.
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::OpenFlags;

use crate::config::Config;
use crate::state;
use crate::state::Room;
use crate::state::State;
use crate::state::StateError;

use super::finding::Finding;

const SECRETS: &str = "secrets";
const STORE: &str = "store";
const DISK: &str = "disk";

/// Below this, writes fail within minutes.
const FULL_BYTES: u64 = 16 * 1024 * 1024;
/// Below this, a busy day may fill the disk.
const SHORT_BYTES: u64 = 1024 * 1024 * 1024;

/// Looks at the state directory and the database. `runs`: whether a server uses them.
pub(super) fn examine(config: &Config, runs: bool, findings: &mut Vec<Finding>) {
    findings.push(secrets(config));
    findings.push(disk(DISK, &config.server.state_dir));
    match config.database() {
        Some(path) => findings.push(store(&path, runs)),
        None => findings.push(Finding::fine(STORE, "in memory, as store.path says: nothing survives a restart")),
    }
}

fn secrets(config: &Config) -> Finding {
    if !config.turn.secrets.is_empty() {
        return Finding::fine(SECRETS, format!("{} configured for TURN", config.turn.secrets.len()));
    }
    match State::existing_turn_secret(&config.server.state_dir) {
        Ok(_) => Finding::fine(SECRETS, format!("in {}", config.server.state_dir.display())),
        Err(StateError::Missing { .. }) => Finding::fine(SECRETS, "the server makes them at its first start"),
        Err(error) => {
            let told = error.to_string();
            let (told, remedy) = told.split_once("; ").unwrap_or((told.as_str(), "let only the server's user read it"));
            Finding::failed(SECRETS, told, remedy)
        }
    }
}

fn disk(check: &'static str, directory: &Path) -> Finding {
    let place = directory.display();
    let Room { bytes, takes_files } = match state::room_left(directory) {
        Ok(room) => room,
        Err(error) => return Finding::skipped(check, format!("the disk of {place} does not tell its room: {error}")),
    };
    let shown = format!("{place} has {} MiB left", bytes / (1024 * 1024));
    let remedy = "make room (old logs, old backups), give it a larger disk, or keep less: [retention] and [files]";
    if bytes < FULL_BYTES {
        return Finding::failed(check, format!("the disk is full: {shown}"), remedy);
    }
    if !takes_files {
        return Finding::failed(check, format!("the disk is full: {place} has no inodes left"), remedy);
    }
    if bytes < SHORT_BYTES {
        return Finding::warning(check, shown, remedy);
    }
    Finding::fine(check, shown)
}

fn store(path: &Path, runs: bool) -> Finding {
    let shown = path.display();
    if !path.exists() {
        return Finding::fine(STORE, format!("{shown} is made at the first start"));
    }
    let log = beside(path, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    if !runs && has_log {
        // Reading it now would make files that the server's user cannot write.
        return Finding::skipped(
            STORE,
            format!("{shown} was not closed; the server mends and checks it when it starts"),
        );
    }
    match quick_check(path, runs) {
        Ok(verdict) if verdict == "ok" => Finding::fine(STORE, format!("{shown} is whole")),
        Ok(damage) => damaged(path, &damage),
        Err(error) => damaged(path, &error.to_string()),
    }
}

fn damaged(path: &Path, detail: &str) -> Finding {
    let told = format!("{} is damaged: {detail}", path.display());
    let remedy = "stop the server, then: duologue restore BACKUP (what is there is moved aside); without a backup move the file \
                  away, which loses calls, logins and chat";
    Finding::failed(STORE, told, remedy)
}

/// Reads everything once.
fn quick_check(path: &Path, runs: bool) -> rusqlite::Result<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if runs {
        Connection::open_with_flags(path, flags)?
    } else {
        // Nobody writes, so SQLite need not make the files by which it would notice.
        let uri = format!("file:{}?immutable=1", escaped(path));
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
    };
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

/// A path as a URI wants it.
fn escaped(path: &Path) -> String {
    let text = path.display().to_string();
    text.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// When the server last wrote, by its own clock.
pub(super) fn last_written(config: &Config) -> io::Result<std::time::SystemTime> {
    let path = config.database().ok_or(io::ErrorKind::NotFound)?;
    fs::metadata(path)?.modified()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_database_with_an_odd_name_is_found_and_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("50%?#.db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").expect("written");
        drop(connection);
        assert_eq!(store(&path, false).verdict, Verdict::Ok);
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_damaged_database_is_told_with_the_way_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("duologue.db");
        fs::write(&path, "this is no database, however long it goes on like that").expect("written");
        let finding = store(&path, false);
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.remedy.is_some_and(|remedy| remedy.contains("duologue restore")));
    }
}
