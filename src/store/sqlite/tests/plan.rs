use rusqlite::Connection;

use crate::store::sqlite::account;
use crate::store::sqlite::appeal;
use crate::store::sqlite::chat;
use crate::store::sqlite::erasure;
use crate::store::sqlite::event;
use crate::store::sqlite::evidence;
use crate::store::sqlite::report;
use crate::store::sqlite::room;
use crate::store::sqlite::session;
use crate::store::sqlite::sweep;
use crate::store::sqlite::tests::Home;
use crate::store::sqlite::upload;

/// How SQLite goes about a statement, step by step.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("valid");
    let count = statement.parameter_count();
    let nulls = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, count));
    let steps = statement.query_map(nulls, |row| row.get(3)).expect("explained");
    steps.collect::<rusqlite::Result<_>>().expect("read")
}

#[test]
fn no_write_page_or_sweep_reads_a_whole_table_or_sorts() {
    let home = Home::new();
    drop(home.open().expect("made"));
    let connection = Connection::open(home.path("duologue.db")).expect("opens");
    let mut statements = vec![
        chat::APPEND,
        chat::BY_CID,
        chat::FROM,
        chat::UP_TO,
        chat::REACTIONS,
        chat::DELETE,
        chat::CONFIRM,
        session::PROGRESS,
        session::END,
        session::REMOVE_RUNNING,
        session::RESUME,
        session::MEET,
        session::REVOKE,
        sweep::OLD_CHATS,
        sweep::SOME_MESSAGES,
        sweep::OLD_IN_ROOMS,
        sweep::UNUSED_ROOMS,
        sweep::REMOVED_ROOMS,
        sweep::OLD_LOGS,
        sweep::OLD_DEEDS,
        sweep::OLD_EVENTS,
        sweep::OLD_APPEALS,
        appeal::OPEN,
        appeal::OF,
        sweep::OLD_MEETINGS,
        sweep::OLD_REPORTS,
        report::OPEN,
        report::DECIDED,
        report::NOTES,
        report::ACCURACY,
        event::AFTER,
        report::DEEDS,
        report::BY,
        report::ABOUT,
        room::KEEP_NAME,
        sweep::OLD_NAMES,
        erasure::ROOMS_LEFT,
        erasure::ABANDON_OWNED,
        erasure::TAKE_BLOCKS,
        evidence::KEEP,
        evidence::KEPT_BY,
        upload::PROMISED,
        upload::OVERDUE,
        upload::ABANDON,
        upload::ABANDON_ALL,
        account::ALTER,
        account::SETTLE_MEMBER,
        account::SETTLE_BLOCKS,
        account::BEHIND,
        account::ALTERED,
    ];
    statements.extend(sweep::OVER);
    for sql in statements {
        let steps = plan(&connection, sql);
        for step in &steps {
            let is_bounded = step.starts_with("SEARCH ") || step.contains("SUBQUERY") || step.contains(" INDEX ");
            assert!(is_bounded && !step.contains("TEMP B-TREE"), "{sql}\n{steps:#?}");
        }
    }
    // These go from what a user was called to what stands under that name.
    for sql in [erasure::SAID, erasure::TAKE_BACK, erasure::FORGET_RECEIPTS] {
        let steps = plan(&connection, sql);
        let is_of_names = |step: &str| step.starts_with("SCAN n") || step.starts_with("SCAN (subquery");
        let is_bounded = |step: &String| !step.starts_with("SCAN ") || is_of_names(step) || step.contains(" INDEX ");
        assert!(steps.iter().all(is_bounded), "{sql}\n{steps:#?}");
    }
    // These sort what they found: the members of one room, the rooms of one user, those who complain about one; or walk an
    // index in its order until they have enough.
    for sql in [
        room::MEMBERS,
        room::ROOMS_OF,
        report::AGAINST_DEVICE,
        report::AGAINST_USER,
        upload::ORPHANS,
        erasure::HEIR,
        erasure::UPLOADS_OF,
    ] {
        let steps = plan(&connection, sql);
        assert!(steps.iter().all(|step| !step.starts_with("SCAN ") || step.contains(" INDEX ")), "{sql}\n{steps:#?}");
    }
}
