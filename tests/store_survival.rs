//! The store's promise: what was committed survives `kill -9`, at whatever moment it comes.
use std::env;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use duologue::store;
use duologue::store::Alias;
use duologue::store::ClientMessageId;
use duologue::store::Content;
use duologue::store::Member;
use duologue::store::MemberRole;
use duologue::store::Message;
use duologue::store::MessageId;
use duologue::store::MessageKind;
use duologue::store::Place;
use duologue::store::Retention;
use duologue::store::Room;
use duologue::store::RoomId;
use duologue::store::Store;
use duologue::store::UserId;
use duologue::store::Window;
use duologue::time::UnixMillis;
use uuid::Uuid;

/// Names the database to the process that is going to be killed: this program, once more.
const DATABASE: &str = "DUOLOGUE_TEST_DATABASE";
/// Kills, each at another moment.
const ROUNDS: u64 = 12;
/// Messages of one group.
const GROUP: u64 = 7;

fn room() -> RoomId {
    RoomId("room".into())
}

fn message(number: u64) -> Message {
    Message {
        place: Place::Room(room()),
        mid: MessageId(Uuid::from_u128(number.into())),
        sender: Alias("somebody".into()),
        cid: ClientMessageId(Uuid::from_u128(number.into())),
        at: UnixMillis(number),
        content: Content { kind: MessageKind::Text, text: "x".repeat(300).into(), file: None, reply_to: None },
    }
}

/// The numbers of all messages.
fn numbers(store: &dyn Store) -> Vec<u64> {
    let page = store.history(&Place::Room(room()), Window { limit: usize::MAX, ..Window::default() }).expect("read");
    page.entries.iter().map(|entry| entry.at.0).collect()
}

/// Writes group after group and tells of each one that is committed; never ends by itself.
fn fill(database: &Path) -> ! {
    let mut store = store::open(database, Retention::default()).expect("whole").writer;
    let owner = Member {
        user: UserId("u".into()),
        device: None,
        alias: Alias("somebody".into()),
        role: MemberRole::Owner,
        joined: UnixMillis(1),
    };
    if store.room(&room()).expect("read").is_none() {
        let room = Room {
            id: room(),
            title: "Room".into(),
            created: UnixMillis(1),
            uninvited: UnixMillis(0),
            used: UnixMillis(1),
        };
        store.create_room(&room, &owner).expect("is new");
    }
    let mut next = numbers(&*store).last().map_or(1, |last| last + 1);
    loop {
        let group = next..next + GROUP;
        let done =
            store.group(&mut |store| group.clone().try_for_each(|n| store.append_message(&message(n)).map(drop)));
        done.expect("committed");
        next += GROUP;
        // Straight to the pipe: what the parent has read is true whatever happens here.
        writeln!(std::io::stdout(), "\ncommitted {}", next - 1).expect("the parent reads");
    }
}

#[test]
fn what_was_committed_survives_kill_9() {
    if let Some(database) = env::var_os(DATABASE) {
        fill(Path::new(&database));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("duologue.db");
    let mut survived = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "what_was_committed_survives_kill_9", "--nocapture"])
            .env(DATABASE, &database)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let told = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        let mut committed = 0;
        for (count, last) in (1..).zip(told) {
            committed = last;
            if count == 20 + round * 37 {
                child.kill().expect("SIGKILL");
            }
        }
        child.wait().expect("it has ended");
        assert!(committed > survived, "round {round} wrote something");
        // Opening checks every page.
        let found = numbers(&*store::open(&database, Retention::default()).expect("whole").writer);
        survived = found.len() as u64;
        assert!(survived >= committed, "round {round}: {survived} of {committed} messages");
        assert_eq!(survived % GROUP, 0, "round {round}: no group in part");
        assert_eq!(found, (1..=survived).collect::<Vec<_>>(), "round {round}: none missing between");
    }
}
