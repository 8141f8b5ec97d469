use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::sqlite::OpenError;
use crate::store::sqlite::migration::VERSION;
use crate::store::sqlite::tests::Home;
use crate::store::sqlite::tests::numbers;

fn refusal(home: &Home) -> OpenError {
    home.open().map(drop).expect_err("refused")
}

#[test]
fn what_was_stored_is_there_when_it_is_opened_again() {
    let (home, opened) = Home::with_messages(3);
    drop(opened);
    let opened = home.open().expect("whole");
    assert_eq!(numbers(&*opened.writer), [1, 2, 3]);
    assert_eq!(numbers(&*opened.reader.expect("a second connection")), [1, 2, 3]);
}

#[test]
fn the_second_connection_sees_what_is_committed_and_writes_nothing() {
    let (_home, mut opened) = Home::with_messages(1);
    let mut reader = opened.reader.take().expect("a second connection");
    let outcome = opened.writer.group(&mut |store| {
        store.append_message(&super::said(2))?;
        assert_eq!(numbers(&*reader), [1]);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(numbers(&*reader), [1, 2]);
    assert!(matches!(reader.append_message(&super::said(3)), Err(StoreError::Failed(_))));
}

#[test]
fn only_the_owner_can_read_what_is_made() {
    let (home, _opened) = Home::with_messages(1);
    let entries = fs::read_dir(home.directory.path()).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut found: Vec<(String, u32)> = entries
        .map(|entry| {
            let mode = entry.metadata().expect("it exists").permissions().mode() & 0o777;
            (entry.file_name().to_string_lossy().into_owned(), mode)
        })
        .collect();
    found.sort();
    let names = ["duologue.db", "duologue.db-shm", "duologue.db-wal", "duologue.db.lock"];
    assert_eq!(found, names.map(|name| (name.to_owned(), 0o600)));
}

#[test]
fn one_server_at_a_time() {
    let home = Home::new();
    let first = home.open().expect("made");
    let told = refusal(&home).to_string();
    assert!(told.ends_with("duologue.db is in use by another duologue; stop that one first"), "{told}");
    drop(first);
    home.open().expect("free again");
}

#[test]
fn somebody_else_can_write_beside_the_server_and_is_read_by_it() {
    let (home, opened) = Home::with_messages(1);
    let path = home.path("duologue.db");
    let beside = crate::store::open_beside(&path, crate::store::Retention::default());
    beside.expect("current").append_message(&super::said(2)).expect("stored");
    assert_eq!(numbers(&*opened.reader.expect("a second connection")), [1, 2]);
    drop(opened.writer);
    // One that is not there is made; one that is older, with nobody using it, is brought up to date.
    let raw = Connection::open(home.path("older.db")).expect("opens");
    raw.execute_batch(include_str!("../migrations/0001.sql")).expect("made");
    raw.pragma_update(None, "user_version", 1).expect("is set");
    drop(raw);
    for name in ["new.db", "older.db"] {
        let beside = crate::store::open_beside(&home.path(name), crate::store::Retention::default());
        assert_eq!(beside.expect("made").accounts("", 1), Ok(Vec::new()), "{name}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (home, opened) = Home::with_messages(1);
    drop(opened);
    let path = home.path("duologue.db");
    let raw = Connection::open(&path).expect("opens");
    raw.pragma_update(None, "user_version", VERSION + 1).expect("is set");
    drop(raw);
    let before = fs::read(&path).expect("readable");
    let told = refusal(&home).to_string();
    let expected = format!("was written by a newer duologue (schema {}, this one knows {VERSION})", VERSION + 1);
    assert!(told.contains(&expected), "{told}");
    assert!(told.contains("duologue restore FILE"), "{told}");
    assert!(fs::read(&path).expect("readable") == before);
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date_with_what_it_holds() {
    let home = Home::new();
    let path = home.path("duologue.db");
    let raw = Connection::open(&path).expect("opens");
    raw.execute_batch(include_str!("../migrations/0001.sql")).expect("made");
    raw.execute_batch("INSERT INTO upload VALUES ('f', 's', 0, 'ann', 2, 'image/png', 7, NULL, 1, 5)").expect("stored");
    raw.pragma_update(None, "user_version", 1).expect("is set");
    drop(raw);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    let opened = home.open().expect("brought up to date");
    let upload = opened.writer.upload(&UploadId("f".into())).expect("read").expect("kept");
    assert_eq!((upload.state, &*upload.name, upload.bytes), (UploadState::Complete, "", 7));
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let home = Home::new();
    let raw = Connection::open(home.path("duologue.db")).expect("opens");
    raw.execute_batch("CREATE TABLE bookmarks (url TEXT)").expect("made");
    drop(raw);
    let told = refusal(&home).to_string();
    assert!(told.ends_with("is a database of another program; name another store.path"), "{told}");
    let raw = Connection::open(home.path("duologue.db")).expect("opens");
    assert_eq!(raw.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)), Ok(1));
}

#[test]
fn a_damaged_file_is_told_with_its_name_and_the_ways_out() {
    let (home, opened) = Home::with_messages(2_000);
    drop(opened);
    let path = home.path("duologue.db");
    let whole = fs::read(&path).expect("readable");
    let mut inside = whole.clone();
    // One page in the middle: the header stays good.
    let middle = whole.len() / 2 / 4096 * 4096;
    inside[middle..middle + 4096].fill(0xa5);
    let half = whole[..whole.len() / 2].to_vec();
    for damage in [inside, half, b"this is no database, it is a letter to a friend".to_vec()] {
        fs::write(&path, &damage).expect("writable");
        let told = refusal(&home).to_string();
        let shown = path.display();
        assert!(told.starts_with(&format!("{shown} is damaged (")), "{told}");
        assert!(told.contains("restore a backup with: duologue restore FILE\n"), "{told}");
        assert!(told.ends_with(&format!("start with an empty one after: mv {shown} {shown}.damaged")), "{told}");
        assert!(fs::read(&path).expect("readable") == damage, "nothing is repaired unasked");
    }
    fs::rename(&path, home.path("duologue.db.damaged")).expect("moved");
    let opened = home.open().expect("made anew");
    opened.writer.each_live_session(&mut |_| panic!("it is empty")).expect("read");
}

#[test]
fn damage_while_it_is_in_use_is_an_accident_of_whoever_meets_it() {
    let (home, opened) = Home::with_messages(2_000);
    drop(opened);
    let opened = home.open().expect("whole");
    let file = fs::OpenOptions::new().write(true).open(home.path("duologue.db")).expect("writable");
    let length = file.metadata().expect("it exists").len();
    file.write_all_at(&vec![0xa5; (length - 4096) as usize], 4096).expect("written");
    let reader = opened.reader.expect("a second connection");
    assert!(matches!(reader.last_message(&super::place()), Err(StoreError::Damaged(_))));
}

#[test]
fn a_file_that_cannot_be_made_is_told() {
    let home = Home::new();
    let told = crate::store::open(&home.path("nowhere/duologue.db"), crate::store::Retention::default());
    let told = told.map(drop).expect_err("refused").to_string();
    assert!(told.starts_with("cannot open ") && told.ends_with("or name another store.path"), "{told}");
}
