use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::store::BackupError;
use crate::store::Retention;
use crate::store::open;
use crate::store::sqlite::OpenError;
use crate::store::sqlite::back_up;
use crate::store::sqlite::restore;
use crate::store::sqlite::tests::Home;
use crate::store::sqlite::tests::numbers;
use crate::store::sqlite::tests::said;
use crate::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_763_630_000_000);

#[test]
fn a_backup_of_a_running_server_is_one_moment_of_it() {
    let (home, mut opened) = Home::with_messages(50);
    let (database, copy) = (home.path("duologue.db"), home.path("copy.db"));
    let writer = thread::spawn(move || {
        for number in 51..=2_000 {
            opened.writer.append_message(&said(number)).expect("stored");
        }
    });
    back_up(&database, &copy).expect("copied");
    writer.join().expect("nothing is in its way");
    assert_eq!(fs::metadata(&copy).expect("it exists").permissions().mode() & 0o777, 0o600);
    let copied = numbers(&*open(&copy, Retention::default()).expect("whole").writer);
    assert!(copied.len() >= 50);
    assert_eq!(copied, (1..=copied.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_backup_holds_what_a_killed_server_left_in_its_log() {
    let (home, opened) = Home::with_messages(5);
    // Neither closed nor written back: as after a kill.
    let (killed, copy) = (home.path("killed.db"), home.path("copy.db"));
    for suffix in ["", "-wal"] {
        fs::copy(home.path(&format!("duologue.db{suffix}")), home.path(&format!("killed.db{suffix}"))).expect("copied");
    }
    drop(opened);
    back_up(&killed, &copy).expect("copied");
    assert!(!home.path("copy.db-wal").exists());
    assert_eq!(numbers(&*open(&copy, Retention::default()).expect("whole").writer), [1, 2, 3, 4, 5]);
}

#[test]
fn nothing_is_overwritten_and_nothing_copied_from_nowhere() {
    let (home, _opened) = Home::with_messages(1);
    let other = home.path("letter");
    fs::write(&other, "dear friend").expect("writable");
    assert!(matches!(back_up(&home.path("duologue.db"), &other), Err(BackupError::Exists { .. })));
    assert_eq!(fs::read_to_string(&other).expect("readable"), "dear friend");
    assert!(matches!(back_up(&home.path("none.db"), &home.path("copy.db")), Err(BackupError::Missing { .. })));
    assert!(matches!(restore(&home.path("none.db"), &home.path("new.db"), NOW), Err(BackupError::Missing { .. })));
}

#[test]
fn a_restored_backup_takes_the_place_of_what_was_there_and_that_is_kept() {
    let (home, mut opened) = Home::with_messages(3);
    let (database, copy) = (home.path("duologue.db"), home.path("copy.db"));
    back_up(&database, &copy).expect("copied");
    opened.writer.append_message(&said(4)).expect("stored");
    assert!(matches!(restore(&copy, &database, NOW), Err(BackupError::Open(OpenError::InUse { .. }))));
    drop(opened);
    let aside = restore(&copy, &database, NOW).expect("restored").expect("there was one");
    assert_eq!(aside, home.path("duologue.db.replaced-1763630000"));
    let opened = home.open().expect("whole");
    assert_eq!(numbers(&*opened.writer), [1, 2, 3]);
    assert_eq!(numbers(&*open(&aside, Retention::default()).expect("whole").writer), [1, 2, 3, 4]);
    assert!(copy.exists(), "a backup is used more than once");
}

#[test]
fn a_damaged_database_is_replaced_by_its_backup() {
    let (home, opened) = Home::with_messages(3);
    let (database, copy) = (home.path("duologue.db"), home.path("copy.db"));
    back_up(&database, &copy).expect("copied");
    drop(opened);
    fs::write(&database, "no database any more").expect("writable");
    restore(&copy, &database, NOW).expect("restored");
    assert_eq!(numbers(&*home.open().expect("whole").writer), [1, 2, 3]);
}

#[test]
fn a_backup_can_be_restored_where_there_is_nothing() {
    let (home, opened) = Home::with_messages(3);
    let copy = home.path("copy.db");
    back_up(&home.path("duologue.db"), &copy).expect("copied");
    drop(opened);
    let elsewhere = Home::new();
    assert_eq!(restore(&copy, &elsewhere.path("duologue.db"), NOW).expect("restored"), None);
    assert_eq!(numbers(&*elsewhere.open().expect("whole").writer), [1, 2, 3]);
}

#[test]
fn what_is_no_backup_is_not_restored_and_leaves_everything_as_it_was() {
    let (home, opened) = Home::with_messages(3);
    drop(opened);
    let letter = home.path("letter");
    fs::write(&letter, "dear friend").expect("writable");
    let told = restore(&letter, &home.path("duologue.db"), NOW).expect_err("refused").to_string();
    assert!(told.starts_with(&format!("{} is damaged (", letter.display())), "{told}");
    let mut names: Vec<String> = fs::read_dir(home.directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["duologue.db", "duologue.db.lock", "letter"]);
    assert_eq!(numbers(&*home.open().expect("whole").writer), [1, 2, 3]);
}
