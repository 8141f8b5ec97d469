//! A webhook's receiver that is down for long, with a kill of the server in the middle: afterwards it gets every event of what
//! people were told is done, once, and of each session in order. `make webhook-outage MINUTES=5` takes that long in earnest.
mod support;

use std::collections::HashSet;
use std::env;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::eventually;
use support::receiver::Posted;
use support::receiver::Receiver;
use support::ws::Client;
use support::ws::matched_pair;
use tokio::time::sleep_until;
use uuid::Uuid;

/// Seconds of the outage, where it is to be another than in the usual tests.
const SECONDS: &str = "DUOLOGUE_OUTAGE_SECONDS";
const SECONDS_USUAL: u64 = 6;
/// Pauses between attempts grow to a minute; all is there soon after.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two calls.
const INTERVAL: Duration = Duration::from_millis(500);

/// A call and what its two sides were told of it.
struct Call {
    a: Client,
    b: Client,
    session: String,
    mids: Vec<String>,
}

impl Call {
    async fn begin(server: &Server, tag: &str) -> Self {
        let ((a, found), (b, _)) = matched_pair(server.addr("http"), tag).await;
        let session = found["session"].as_str().expect("an id").to_owned();
        Self { a, b, session, mids: Vec::new() }
    }

    async fn write(&mut self, side_a: bool) {
        let message =
            json!({"session": self.session, "cid": Uuid::now_v7().to_string(), "kind": "text", "text": "hello"});
        let side = if side_a { &mut self.a } else { &mut self.b };
        let told = side.ask("chat.send", message).await;
        self.mids.push(told["mid"].as_str().expect("a name").to_owned());
    }

    /// Ends it; both sides are told so.
    async fn end(mut self) -> (String, Vec<String>) {
        self.b.ask("session.end", json!({"session": self.session})).await;
        self.a.push("session.ended").await;
        (self.session, self.mids)
    }
}

/// Checks that the events of one call are all there, each once, in the order in which they happened.
fn check_story(events: &[Value], session: &str, mids: &[String]) {
    let of_session: Vec<&Value> = events.iter().filter(|event| event["subject"] == session).collect();
    let kinds: Vec<&str> = of_session.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let mut story = vec!["session.started"];
    story.extend(mids.iter().map(|_| "chat.message"));
    story.extend(["session.ended", "relay.used"]);
    assert_eq!(kinds, story, "{session}");
    let told: Vec<&str> =
        of_session[1..=mids.len()].iter().map(|event| event["data"]["mid"].as_str().expect("a name")).collect();
    assert_eq!(told, mids.iter().collect::<Vec<_>>(), "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_a_receiver_gets_every_event_once_and_in_order() {
    let seconds = env::var(SECONDS).map_or(SECONDS_USUAL, |text| text.parse().expect("a number of seconds"));
    let outage = Duration::from_secs(seconds);
    let receiver = Receiver::start();
    let mut server = Server::start(&format!("{}[limits]\nexempt = [\"127.0.0.0/8\"]\n", receiver.settings()));
    let began = Instant::now();
    let mut calls = Vec::new();
    let mut is_killed = false;
    while began.elapsed() < outage {
        let mut call = Call::begin(&server, &format!("call-{}", calls.len())).await;
        for side_a in [true, false, true] {
            call.write(side_a).await;
        }
        if is_killed || began.elapsed() < outage / 2 {
            calls.push(call.end().await);
        } else {
            // In the middle of a call, the moment after a message was acknowledged. Nobody comes back to it.
            server.crash_and_restart();
            is_killed = true;
            calls.push((call.session, call.mids));
        }
        sleep_until((began + INTERVAL * u32::try_from(calls.len()).expect("few")).into()).await;
    }
    assert!(is_killed && receiver.taken().is_empty() && receiver.refused() > 0);
    let refused = receiver.refused();
    receiver.come_up();
    let up = Instant::now();
    let expected: usize = calls.iter().map(|(_, mids)| mids.len() + 3).sum();
    let waiting = |server: &Server| server.metric("duologue_events_waiting", "sink=\"webhook\"");
    assert!(
        eventually(PATIENCE, || receiver.taken().len() >= expected && waiting(&server) == 0.0),
        "{} of {expected} events came",
        receiver.taken().len()
    );
    let posted = receiver.taken();
    posted.iter().for_each(Posted::is_genuine);
    let events: Vec<Value> = posted.iter().map(Posted::event).collect();
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    assert_eq!((ids.len(), events.len()), (expected, expected), "each is told once");
    calls.iter().for_each(|(session, mids)| check_story(&events, session, mids));
    let first = posted[0].at.duration_since(up);
    let all = posted[expected - 1].at.duration_since(up);
    println!(
        "down for {} s, {refused} attempts refused, one kill -9; {} calls, {expected} events: all arrived once and in order, \
         the first {:.1} s and the last {:.1} s after the receiver was back",
        outage.as_secs(),
        calls.len(),
        first.as_secs_f64(),
        all.as_secs_f64(),
    );
}
