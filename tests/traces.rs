//! Spans for a collector of OpenTelemetry, against the built program: what they are and hang below, and that a collector that is
//! away, slow or unwilling harms nobody.
mod support;

use std::time::Duration;

use serde_json::json;
use support::Server;
use support::collector::Collector;
use support::collector::Mood;
use support::collector::Told;
use support::eventually;
use support::http::request;
use support::receiver::Receiver;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::matched_pair;

/// How long a span may be on its way, pauses after failures included.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a stop may take, with a grace of two seconds and what the collector may take.
const STOP: Duration = Duration::from_secs(30);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// More requests than spans can wait.
const MANY: usize = 10_000;

fn guest(server: &Server, headers: &[&str]) -> u16 {
    let body = json!({"device_id": "a device of these tests"}).to_string();
    let headers = [&["content-type: application/json"], headers].concat();
    request(server.addr("http"), "POST /v1/auth/guest", &headers, body.as_bytes()).status
}

/// Waits for the first span of that name.
fn first(collector: &Collector, name: &str) -> Told {
    assert!(eventually(PATIENCE, || !collector.named(name).is_empty()), "no {name} in {:#?}", collector.spans());
    collector.named(name).remove(0)
}

fn lost(server: &Server, result: &str) -> f64 {
    server.metric("duologue_telemetry_spans_total", &format!("result=\"{result}\""))
}

/// Makes more spans than can wait: an allocation that is refreshed again and again.
fn flood(server: &Server) {
    let mut client =
        TurnClient::allocate_udp(server.addr("turn-udp"), Credential::for_session("flood.a")).expect("an allocation");
    for _ in 0..MANY {
        client.refresh(600).expect("refreshed");
    }
}

#[test]
fn a_request_goes_on_with_the_trace_of_a_caller_that_is_named() {
    let collector = Collector::start(Mood::Taking);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "authorization: Bearer for the collector\nx-tenant: seven\n").expect("written");
    let settings = format!("{}otlp_headers_file = \"{}\"\n", collector.settings(), secret.path().display());
    let server = Server::start(&settings);
    let from = format!("traceparent: 00-{TRACE}-{PARENT}-01");
    assert_eq!(guest(&server, &[&from, "x-request-id: the-caller-s-own"]), 200);

    let span = first(&collector, "POST /v1/auth/guest");
    assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, PARENT));
    let attributes = ["http.request.method", "http.route", "http.response.status_code", "duologue.request_id"];
    let told = attributes.map(|key| span.attribute(key).to_owned());
    assert_eq!(told, ["POST", "/v1/auth/guest", "200", "the-caller-s-own"]);
    // What it had stored, and when that had survived.
    let below = |parent: &Told| collector.spans().into_iter().find(|span| span.parent == parent.id);
    assert!(eventually(PATIENCE, || below(&span).is_some()));
    let write = below(&span).expect("seen");
    assert!(write.name.starts_with("store ") && write.trace == TRACE, "{write:?}");
    assert!(eventually(PATIENCE, || below(&write).is_some()));
    let commit = below(&write).expect("seen");
    assert_eq!((commit.name.as_str(), commit.nanoseconds <= write.nanoseconds), ("store commit", true));

    // A trace that its caller does not keep is not kept here.
    assert_eq!(guest(&server, &[&format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-00")]), 200);
    assert_eq!(guest(&server, &["traceparent: 00-nonsense-01"]), 200);
    assert_eq!(request(server.addr("http"), "GET /nowhere/at/all", &[], b"").status, 404);
    let stray = first(&collector, "GET");
    assert_eq!((stray.attribute("http.route"), stray.parent.as_str()), ("", ""));
    assert!(collector.spans().iter().all(|span| span.parent != "00f067aa0ba902b7"));
    let guests = collector.named("POST /v1/auth/guest");
    assert_eq!(guests.iter().map(|span| span.parent.as_str()).collect::<Vec<_>>(), [PARENT, ""]);

    assert_eq!(collector.header("authorization"), "Bearer for the collector");
    assert_eq!(collector.header("x-tenant"), "seven");
    assert_eq!((collector.process("service.name"), collector.process("service.instance.id")).0, "duologue");
    assert!(!server.log().contains("for the collector"));
}

#[test]
fn a_stranger_s_trace_means_nothing() {
    let collector = Collector::start(Mood::Taking);
    let server = Server::start(&format!("{}parents_from = [\"192.0.2.0/24\"]\n", collector.settings()));
    assert_eq!(guest(&server, &[&format!("traceparent: 00-{TRACE}-{PARENT}-01")]), 200);
    let span = first(&collector, "POST /v1/auth/guest");
    assert_eq!(span.parent, "");
    assert_ne!(span.trace, TRACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_hangs_below_the_request_that_made_it_and_the_webhook_below_the_match() {
    let (collector, receiver) = (Collector::start(Mood::Taking), Receiver::start());
    receiver.come_up();
    let server = Server::start(&(collector.settings() + &receiver.settings()));
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "traces").await;
    let session = found["session"].as_str().expect("an id");
    let credential = Credential::for_session(&format!("{session}.a"));
    let allocation = TurnClient::allocate_udp(server.addr("turn-udp"), credential).expect("an allocation");
    let text =
        json!({"session": session, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000001", "kind": "text", "text": "hush"});
    a.ask("chat.send", text).await;
    b.push("chat.message").await;
    assert_eq!(a.refused("session.end", json!({"session": "another"})).await, "not_in_session");

    let found = first(&collector, "match");
    assert_eq!(found.attribute("duologue.session.id"), session);
    assert_eq!(found.attribute("duologue.match.size"), "2");
    let joins = collector.named("queue.join");
    let (earlier, later) = (&joins[0], &joins[1]);
    assert_eq!((&found.parent, &found.trace, &found.links), (&later.id, &later.trace, &vec![earlier.id.clone()]));
    let written = first(&collector, "chat.send");
    assert_eq!((written.attribute("duologue.session.id"), written.has_failed), (session, false));
    let refused = first(&collector, "session.end");
    assert_eq!((refused.attribute("error.type"), refused.has_failed), ("not_in_session", true));
    let allocated = first(&collector, "turn allocate");
    assert_eq!((allocated.attribute("duologue.turn.result"), allocated.parent.as_str()), ("success", ""));
    assert_eq!(allocated.attribute("duologue.session.id"), session);

    assert!(eventually(PATIENCE, || collector.named("webhook").len() >= 2), "{:#?}", collector.spans());
    let started = collector.named("webhook").into_iter().find(|span| span.trace == found.trace).expect("of the match");
    assert_eq!((&started.parent, started.attribute("duologue.event.type")), (&found.id, "session.started"));
    assert_eq!(started.attribute("http.response.status_code"), "204");
    let posted = receiver.taken().into_iter().find(|posted| posted.event()["type"] == "session.started");
    let header = posted.expect("taken").header("traceparent").to_owned();
    assert_eq!(header, format!("00-{}-{}-01", started.trace, started.id));

    for span in collector.spans() {
        for (key, value) in &span.attribute_by_key {
            let is_open = ["127.0.0.1", "::1", "hush", "device-a", "eyJ"].iter().any(|word| value.contains(word));
            assert!(!is_open, "{}: {key} = {value}", span.name);
        }
    }
    drop(allocation);
}

#[test]
fn a_busy_collector_harms_nobody_and_gets_what_could_wait() {
    let collector = Collector::start(Mood::Busy);
    let mut server = Server::start(&collector.settings());
    flood(&server);
    assert!(eventually(PATIENCE, || lost(&server, "dropped") > 0.0), "more than can wait");
    assert!(server.metric("duologue_telemetry_failures_total", "") > 0.0);
    assert_eq!((lost(&server, "exported"), collector.spans().len()), (0.0, 0));
    assert_eq!(server.get("/health/ready").0, 200);
    collector.change(Mood::Taking);
    assert!(eventually(PATIENCE, || lost(&server, "exported") > 0.0));
    let told = || lost(&server, "exported") + lost(&server, "dropped");
    // The first request of each allocation is nobody's yet.
    assert!(eventually(PATIENCE, || told() >= MANY as f64), "{} of {MANY}", told());
    server.signal("TERM");
    assert_eq!(server.wait_exit(STOP), Some(0));
}

#[test]
fn a_silent_collector_delays_neither_calls_nor_the_end() {
    let collector = Collector::start(Mood::Silent);
    let mut server = Server::start(&collector.settings());
    flood(&server);
    assert!(eventually(PATIENCE, || lost(&server, "dropped") > 0.0), "more than can wait");
    assert_eq!(guest(&server, &[]), 200);
    server.signal("TERM");
    assert_eq!(server.wait_exit(STOP), Some(0));
    assert!(server.log().contains("what it was not told of is lost"), "{}", server.log());
}

#[test]
fn what_waits_is_told_at_the_end_and_what_is_refused_is_counted() {
    let collector = Collector::start(Mood::Refusing);
    let mut server = Server::start(&collector.settings());
    assert_eq!(guest(&server, &[]), 200);
    assert!(eventually(PATIENCE, || lost(&server, "refused") > 0.0));
    collector.change(Mood::Taking);
    assert_eq!(request(server.addr("http"), "GET /v1/stats", &[], b"").status, 200);
    server.signal("TERM");
    assert_eq!(server.wait_exit(STOP), Some(0));
    assert_eq!(collector.named("GET /v1/stats").len(), 1);
}

#[test]
fn without_a_collector_there_are_no_spans() {
    let receiver = Receiver::start();
    receiver.come_up();
    let server = Server::start(&receiver.settings());
    assert_eq!(guest(&server, &[&format!("traceparent: 00-{TRACE}-{PARENT}-01")]), 200);
    assert_eq!(lost(&server, "exported") + lost(&server, "dropped") + lost(&server, "refused"), 0.0);
}
