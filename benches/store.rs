//! The store on a disk: messages in groups of several sizes, pages of history, sessions and resumptions.
//!
//! Groups are what the runner makes of a queue: 1 when nothing waits, 256 in a burst.
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use duologue::store;
use duologue::store::Alias;
use duologue::store::ClientMessageId;
use duologue::store::Content;
use duologue::store::Ending;
use duologue::store::Message;
use duologue::store::MessageId;
use duologue::store::MessageKind;
use duologue::store::Participant;
use duologue::store::Party;
use duologue::store::Place;
use duologue::store::Progress;
use duologue::store::Resumption;
use duologue::store::Retention;
use duologue::store::Session;
use duologue::store::SessionId;
use duologue::store::Store;
use duologue::store::UserId;
use duologue::store::Window;
use duologue::store::runner::Opened;
use duologue::time::UnixMillis;
use uuid::Uuid;

/// Conversations that go on at once.
const SESSIONS: u64 = 1_000;
/// Messages in the history that pages are read from.
const HISTORY: u64 = 100_000;

/// A number that looks random: names of sessions and of messages by their senders are.
fn mixed(number: u64) -> u128 {
    u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn session_id(number: u64) -> SessionId {
    SessionId(format!("{:022x}", mixed(number) >> 40).into())
}

fn user(number: u64) -> UserId {
    UserId(format!("g_{:022x}", mixed(number) >> 40).into())
}

fn session(number: u64) -> Session {
    let side = |side: u64| Participant {
        party: Party { user: user(number * 2 + side), device: None },
        alias: Alias(format!("{:012x}", mixed(number * 2 + side) >> 80).into()),
    };
    Session {
        id: session_id(number),
        participants: [side(0), side(1)],
        started: UnixMillis(number),
        limit: None,
        details: "{\"tags\":[\"music\",\"chess\"],\"languages\":[\"en\"]}".into(),
        progress: Progress { deadline: None, neg: None, credentials_until: UnixMillis(number) },
    }
}

/// The message of that number: mids rise, cids do not, the conversations take turns.
fn message(number: u64) -> Message {
    let of = number % SESSIONS;
    Message {
        place: Place::Session(session_id(of)),
        mid: MessageId(Uuid::from_u128(u128::from(number) << 64 | mixed(number) >> 64)),
        sender: session(of).participants[usize::from(number.is_multiple_of(3))].alias.clone(),
        cid: ClientMessageId(Uuid::from_u128(mixed(number))),
        at: UnixMillis(number),
        content: Content {
            kind: MessageKind::Text,
            text: "a message of the usual length, some sixty characters of it".into(),
            file: None,
            reply_to: None,
        },
    }
}

/// A database on the disk the build is on, with the sessions in it.
fn database() -> (tempfile::TempDir, Opened) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut opened = store::open(&directory.path().join("duologue.db"), Retention::default()).expect("made");
    let started =
        opened.writer.group(&mut |store| (0..SESSIONS).try_for_each(|number| store.start_session(&session(number))));
    started.expect("committed");
    (directory, opened)
}

fn append(criterion: &mut Criterion) {
    let (_directory, mut opened) = database();
    let mut next = 0;
    let mut group = criterion.benchmark_group("append");
    for size in [1, 16, 256] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                || {
                    next += size;
                    (next - size..next).map(message).collect::<Vec<_>>()
                },
                |messages| {
                    let all = |store: &mut dyn Store| {
                        messages.iter().try_for_each(|message| store.append_message(message).map(drop))
                    };
                    opened.writer.group(&mut { all }).expect("committed");
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn history(criterion: &mut Criterion) {
    let (_directory, mut opened) = database();
    for first in (0..HISTORY).step_by(1_000) {
        let some = |store: &mut dyn Store| {
            (first..first + 1_000).try_for_each(|number| store.append_message(&message(number)).map(drop))
        };
        opened.writer.group(&mut { some }).expect("committed");
    }
    let reader = opened.reader.expect("a second connection");
    let mut group = criterion.benchmark_group("history");
    for limit in [50, 100] {
        group.bench_function(BenchmarkId::from_parameter(limit), |bencher| {
            let mut number = 0;
            bencher.iter(|| {
                number += 7;
                let place = Place::Session(session_id(number % SESSIONS));
                reader.history(&place, Window { limit, ..Window::default() }).expect("read")
            });
        });
    }
    group.finish();
}

fn sessions(criterion: &mut Criterion) {
    let (_directory, mut opened) = database();
    let mut next = SESSIONS;
    let ending = Ending { at: UnixMillis(1), reason: "ended".into(), summary: "{\"path\":\"direct\"}".into() };
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Elements(64));
    group.bench_function("start and end", |bencher| {
        bencher.iter(|| {
            let first = next;
            next += 64;
            let all = |store: &mut dyn Store| {
                (first..first + 64).try_for_each(|number| {
                    store.start_session(&session(number))?;
                    store.end_session(&session_id(number), &ending)
                })
            };
            opened.writer.group(&mut { all }).expect("committed");
        });
    });
    group.bench_function("resumption", |bencher| {
        bencher.iter(|| {
            let first = next;
            next += 64;
            let all = |store: &mut dyn Store| {
                (first..first + 64).try_for_each(|number| {
                    let user = user(number % 20_000);
                    let details = "{\"role\":\"user\",\"guest\":true,\"device\":\"d\"}".into();
                    store.put_resumption(&Resumption { user, token_hash: [7; 32], expires: None, details })
                })
            };
            opened.writer.group(&mut { all }).expect("committed");
        });
    });
    group.finish();
}

criterion_group!(benches, append, history, sessions);
criterion_main!(benches);
