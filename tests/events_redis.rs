//! Events in a stream of a real Redis that comes late, is killed and refuses; the server is killed too.
mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use duologue::auth::secret::Secret;
use duologue::events::Sink;
use duologue::events::courier;
use duologue::store::Event;
use duologue::store::EventNumber;
use duologue::store::Retention;
use duologue::store::runner;
use duologue::store::runner::Opened;
use duologue::time::UnixMillis;
use redis::Commands;
use redis::streams::StreamRangeReply;
use serde_json::json;
use support::Server;
use support::eventually;
use support::ports;
use support::require_program;
use support::ws::matched_pair;
use tokio_util::sync::CancellationToken;

/// How long an event may be on its way, pauses after failures included.
const PATIENCE: Duration = Duration::from_secs(60);
const STREAM: &str = "calls";
/// Of each session; what the relay did is told after the others.
const STORY: [&str; 4] = ["session.started", "chat.message", "session.ended", "relay.used"];

/// A Redis that keeps what it has over a kill.
struct Redis {
    process: Child,
    url: String,
}

impl Redis {
    fn start(address: SocketAddr, directory: &Path) -> Self {
        let mut command = Command::new(require_program("redis-server", "redis-server"));
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "open sesame"]);
        command.arg("--dir").arg(directory);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Redis starts");
        let redis = Self { process, url: format!("redis://:open%20sesame@{address}/0") };
        assert!(eventually(PATIENCE, || redis.connection().is_some()), "Redis answers");
        redis
    }

    fn connection(&self) -> Option<redis::Connection> {
        let client = redis::Client::open(self.url.as_str()).expect("an address");
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5)).ok()?;
        redis::cmd("PING").exec(&mut connection).ok()?;
        Some(connection)
    }

    /// The fields of each entry.
    fn entries(&self) -> Vec<(String, String, String)> {
        let mut connection = self.connection().expect("Redis answers");
        let all: StreamRangeReply = connection.xrange_all(STREAM).expect("is a stream");
        let field = |entry: &redis::streams::StreamId, name: &str| entry.get::<String>(name).expect("is there");
        all.ids.iter().map(|entry| (field(entry, "id"), field(entry, "type"), field(entry, "subject"))).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two meet, one of them writes, the other one ends it; the session.
async fn talk(server: &Server, tag: &str) -> String {
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), tag).await;
    let session = found["session"].clone();
    let cid = "6f2b1b1e-62f5-4a53-9a52-000000000001";
    a.ask("chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "hello"})).await;
    b.ask("session.end", json!({"session": session})).await;
    session.as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_every_event_once_and_in_order_whoever_is_killed() {
    let port = SocketAddr::from(([127, 0, 0, 1], ports::fixed()));
    let directory = tempfile::tempdir().expect("a directory");
    let settings = format!(
        "[events]\nredis_url = \"redis://:open%20sesame@{port}/0\"\nredis_stream = \"{STREAM}\"\nredis_max_len = 5000\n"
    );
    let mut server = Server::start(&settings);
    let failures = |server: &Server| server.metric("duologue_events_failures_total", "sink=\"redis\"");
    let waiting = |server: &Server| server.metric("duologue_events_waiting", "sink=\"redis\"");
    let mut sessions = vec![talk(&server, "before").await];
    let all = |sessions: usize| (sessions * STORY.len()) as f64;
    assert!(eventually(PATIENCE, || failures(&server) > 0.0 && waiting(&server) == all(1)), "nobody is there yet");
    server.crash_and_restart();
    let redis = Redis::start(port, directory.path());
    sessions.push(talk(&server, "there").await);
    assert!(eventually(PATIENCE, || redis.entries().len() == 2 * STORY.len()));
    assert!(eventually(PATIENCE, || waiting(&server) == 0.0));
    drop(redis);
    sessions.push(talk(&server, "gone").await);
    assert!(eventually(PATIENCE, || failures(&server) > 0.0 && waiting(&server) == all(1)));
    server.crash_and_restart();
    let redis = Redis::start(port, directory.path());
    sessions.push(talk(&server, "back").await);
    assert!(eventually(PATIENCE, || redis.entries().len() >= 4 * STORY.len() && waiting(&server) == 0.0));

    let entries = redis.entries();
    let ids: HashSet<&String> = entries.iter().map(|(id, ..)| id).collect();
    assert_eq!((ids.len(), entries.len()), (4 * STORY.len(), 4 * STORY.len()), "{entries:#?}");
    for session in &sessions {
        let kinds: Vec<&str> =
            entries.iter().filter(|(.., subject)| subject == session).map(|(_, kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, STORY, "{session}");
    }
    assert!(!server.log().contains("sesame"), "the password is nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_before_a_kill_and_not_noted_is_not_added_again() {
    let port = SocketAddr::from(([127, 0, 0, 1], ports::fixed()));
    let directory = tempfile::tempdir().expect("a directory");
    let redis = Redis::start(port, directory.path());
    let (store, threads) = runner::start(Opened::in_memory(Retention::default())).expect("threads");
    let add = async |subject: &'static str| {
        let event = Event::new("session.started", subject, &json!({}), UnixMillis(1));
        store.write("event", move |store| store.append_event(&event)).await.expect("stored");
    };
    let forget = async || store.write("mark", |store| store.put_told("redis", EventNumber(0))).await.expect("stored");
    let run = || {
        let url = Secret::new(redis.url.clone().into_bytes());
        let sink = Sink::redis(&url, STREAM.into(), 5000).expect("an address");
        tokio::spawn(courier::run(store.clone(), sink, Arc::default(), CancellationToken::new()))
    };
    let subjects = || -> Vec<String> { redis.entries().into_iter().map(|(.., subject)| subject).collect() };
    add("one").await;
    add("two").await;
    forget().await;
    let first = run();
    assert!(eventually(PATIENCE, || subjects().len() == 2));
    first.abort();
    assert!(first.await.is_err_and(|end| end.is_cancelled()));
    forget().await;
    add("three").await;
    let second = run();
    assert!(eventually(PATIENCE, || subjects().len() >= 3));
    assert_eq!(subjects(), ["one", "two", "three"]);
    second.abort();
    drop(store);
    threads.stop(PATIENCE).await;
}
