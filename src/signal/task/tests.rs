use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::signal::EndReason;
use crate::signal::call_report::CallReport;

/// A log that stays in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("is not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

fn ended() -> Ended {
    let mut relayed = CallReport::default();
    relayed.path = Some(Path::Relay);
    Ended {
        session: SessionId::random(),
        reason: EndReason::Skipped,
        duration: Duration::from_millis(1_234),
        reports: [relayed, CallReport::default()],
        credentials_until: UnixMillis(600_000),
    }
}

fn logged(ended: &Ended, relayed: Option<Relayed>) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    tracing::subscriber::with_default(subscriber, || log_ended(ended, relayed));
    let bytes = log.0.lock().expect("is not poisoned").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_line_of_an_ended_session_says_what_was_relayed() {
    let relayed = Relayed {
        allocations: 2,
        packets_to_peer: 11,
        bytes_to_peer: 1_100,
        packets_to_client: 7,
        bytes_to_client: 700,
        packets_handed_over: 5,
        bytes_handed_over: 500,
    };
    let ended = ended();
    let line = logged(&ended, Some(relayed));
    for part in [
        "INFO",
        "session ended",
        &format!("session={}", ended.session),
        "reason=\"skipped\"",
        "duration_ms=1234",
        "path_a=\"relay\"",
        "path_b=\"unknown\"",
        "allocations=2",
        "packets_to_peer=11",
        "bytes_to_peer=1100",
        "packets_to_client=7",
        "bytes_to_client=700",
        "packets_handed_over=5",
        "bytes_handed_over=500",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(logged(&ended, None).contains("relayed=\"unknown\""));
}

fn task(relay: mpsc::Sender<RelayCommand>) -> (Task, mpsc::Receiver<runner::Command>) {
    let (commands, engine) = mpsc::channel(8);
    let (returns_out, returns) = mpsc::channel(8);
    let opened = store::runner::Opened::in_memory(store::Retention::default());
    let task = Task {
        hub: Hub::new(crate::signal::hub::tests::settings(), Arc::default()),
        clock: Clock::start(),
        inbox: mpsc::channel(1).1,
        matchmaking: runner::Link { commands, events: mpsc::channel(1).1 },
        relay,
        store: store::runner::start(opened).expect("threads").0,
        returns_out,
        returns,
        line: Line { say: mpsc::channel(1).0, hear: mpsc::channel(1).1 },
        commands: VecDeque::new(),
        words: VecDeque::new(),
        jobs: VecDeque::new(),
        revocations: VecDeque::new(),
        endings: FuturesUnordered::new(),
        drained: Vec::new(),
    };
    (task, engine)
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_finds_no_room_is_kept_in_order() {
    let (relay, mut revocations) = mpsc::channel(1);
    let (mut task, _engine) = task(relay);
    let sessions: Vec<SessionId> = (0..3)
        .map(|_| {
            let ended = ended();
            let session = ended.session.clone();
            task.end_session(ended);
            session
        })
        .collect();
    let mut told = Vec::new();
    for _ in 0..3 {
        task.carry_out();
        let RelayCommand::Revoke { session, until, .. } = revocations.try_recv().expect("one fits");
        assert_eq!(until, UnixMillis(600_000));
        assert!(revocations.try_recv().is_err());
        told.push(session);
    }
    assert_eq!(told, sessions);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_answer_delays_the_line_by_5_s_at_most() {
    let (relay, _revocations) = mpsc::channel(1);
    let (mut task, _engine) = task(relay);
    task.end_session(ended());
    let before = Instant::now();
    let (_, relayed) = task.endings.next().await.expect("a session has ended");
    assert_eq!(relayed, None);
    assert!(before.elapsed() <= Duration::from_secs(6), "{:?}", before.elapsed());
}
