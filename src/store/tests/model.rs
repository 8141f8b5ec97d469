//! SQLite against memory: the same operations, the same answers, the same content, whatever kills happen in between.
use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::open;
use crate::store::tests::directory;
use crate::store::tests::dump::dump;
use crate::store::tests::operation::Operation;
use crate::store::tests::operation::operations;
use crate::store::tests::operation::people;
use crate::store::tests::operation::places;

/// How the operations of one group end.
#[derive(Copy, Clone, Debug)]
enum End {
    Commit,
    /// The process is killed after the commit.
    CommitThenKill,
    /// The process is killed before it.
    Kill,
}

fn retentions() -> impl Strategy<Value = Retention> {
    let kept = || prop_oneof![3 => Just(Duration::from_millis(150)), 1 => Just(Duration::ZERO)];
    let all = (kept(), kept(), kept(), kept(), kept(), kept(), kept(), kept());
    all.prop_map(|(session_chat, room_chat, unused_rooms, logs, audit, reports, events, meetings)| Retention {
        session_chat,
        room_chat,
        unused_rooms,
        logs,
        audit,
        reports,
        events,
        meetings,
    })
}

fn groups() -> impl Strategy<Value = Vec<(Vec<Operation>, End)>> {
    let end = prop_oneof![2 => Just(End::Commit), 1 => Just(End::CommitThenKill), 1 => Just(End::Kill)];
    prop::collection::vec((operations(), end), 1..6)
}

/// What a killed process leaves behind: the file and its log, not the memory that its connections shared.
fn remains(of: &TempDir) -> TempDir {
    let copy = directory();
    for name in ["duologue.db", "duologue.db-wal"] {
        if of.path().join(name).exists() {
            fs::copy(of.path().join(name), copy.path().join(name)).expect("copied");
        }
    }
    copy
}

fn reopen(home: &TempDir, retention: Retention) -> Box<dyn Store> {
    open(&home.path().join("duologue.db"), retention).expect("whole").writer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_say_and_keep_the_same(retention in retentions(), groups in groups()) {
        let mut home = directory();
        let mut sqlite = reopen(&home, retention);
        let mut memory = MemoryStore::new(retention);
        for (operations, end) in groups {
            let mut after = memory.clone();
            let mut killed = None;
            let outcome = sqlite.group(&mut |store| {
                for operation in &operations {
                    assert_eq!(operation.run(store), operation.run(&mut after), "{operation:?}");
                }
                if matches!(end, End::Kill) {
                    killed = Some(remains(&home));
                    return Err(StoreError::Stopped);
                }
                Ok(())
            });
            match end {
                End::Commit | End::CommitThenKill => {
                    prop_assert_eq!(outcome, Ok(()));
                    memory = after;
                }
                End::Kill => {
                    prop_assert_eq!(outcome, Err(StoreError::Stopped));
                    let expected = dump(&memory, &places(), &people());
                    prop_assert_eq!(dump(&*sqlite, &places(), &people()), expected, "a group is undone as a whole");
                }
            }
            if matches!(end, End::CommitThenKill) {
                killed = Some(remains(&home));
            }
            if let Some(remains) = killed {
                sqlite = reopen(&remains, retention);
                home = remains;
            }
            prop_assert_eq!(dump(&*sqlite, &places(), &people()), dump(&memory, &places(), &people()));
        }
    }
}
