use crate::store::MessageId;
use crate::store::Retention;
use crate::store::StoreError;
use crate::store::runner;
use crate::store::runner::Opened;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::open::Lock;
use crate::store::sqlite::open::connect;
use crate::store::sqlite::tests::Home;
use crate::store::sqlite::tests::numbers;
use crate::store::sqlite::tests::said;

/// A long text, so that a few messages fill a page.
fn long(number: u64) -> crate::store::Message {
    let mut message = said(number);
    message.content.text = "x".repeat(1_000).into();
    message
}

/// The store of a database that may not grow by more than some pages.
fn tight(home: &Home, spare_pages: i64) -> SqliteStore {
    let path = home.path("duologue.db");
    let lock = Lock::take(&path).expect("nobody else");
    let connection = connect(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).expect("opens");
    connection.execute_batch("PRAGMA foreign_keys = ON").expect("set");
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("counted");
    widen(&connection, pages + spare_pages);
    SqliteStore { connection, retention: Retention::default(), _lock: Some(lock) }
}

fn widen(connection: &rusqlite::Connection, pages: i64) {
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0)).expect("set");
}

#[test]
fn on_a_full_disk_a_group_is_lost_as_a_whole_and_what_was_there_stays() {
    use crate::store::Chat;
    use crate::store::Store;
    use crate::store::Upkeep;

    let (home, opened) = Home::with_messages(3);
    drop(opened);
    let mut store = tight(&home, 4);
    let outcome =
        store.group(&mut |store| (4..100).try_for_each(|number| store.append_message(&long(number)).map(drop)));
    assert_eq!(outcome, Err(StoreError::Full));
    assert_eq!(numbers(&store), [1, 2, 3]);
    while store.append_message(&long(store.last_message(&super::place()).expect("read").map_or(4, next))).is_ok() {}
    assert_eq!(store.probe(), Err(StoreError::Full));
    let kept = numbers(&store);
    widen(&store.connection, 1_000_000);
    assert_eq!(store.probe(), Ok(()));
    assert_eq!(store.append_message(&long(500)), Ok(crate::store::Appended::New));
    assert_eq!(numbers(&store), [kept, vec![500]].concat());
    let verdict: String = store.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(verdict, "ok");
}

fn next(mid: MessageId) -> u64 {
    u64::try_from(mid.0.as_u128()).expect("a number of ours") + 1
}

#[tokio::test]
async fn a_probe_finds_out_that_there_is_room_again() {
    use crate::store::Store;

    let (home, opened) = Home::with_messages(800);
    drop(opened);
    let opened = Opened { writer: Box::new(tight(&home, 0)), reader: None };
    let (handle, threads) = runner::start(opened).expect("threads");
    let fill = |store: &mut dyn Store| (801..900).try_for_each(|number| store.append_message(&long(number)).map(drop));
    assert_eq!(handle.write("message", fill).await, Err(StoreError::Full));
    assert!(handle.stats().is_failing());
    assert_eq!(handle.write("probe", |store| store.probe()).await, Err(StoreError::Full));
    assert!(handle.stats().is_failing());
    // A sweep frees pages of the file: what was written in the session, and the session.
    let freed = handle.write("sweep", |store| {
        store.end_session(&crate::store::SessionId("s".into()), &crate::store::tests::session::ending(1))?;
        (0..9).try_for_each(|_| {
            store.sweep(crate::store::DataClass::SessionChat, crate::time::UnixMillis(u64::MAX), 99).map(drop)
        })
    });
    assert_eq!(freed.await, Ok(()));
    assert_eq!(handle.write("probe", |store| store.probe()).await, Ok(()));
    assert!(!handle.stats().is_failing());
    threads.stop(std::time::Duration::from_secs(20)).await;
}
