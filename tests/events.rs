//! What is told outside, against the built program: a webhook that is out of reach, a file, the stream for admins.
mod support;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http::request;
use support::receiver::Posted;
use support::receiver::Receiver;
use support::ws::matched_pair;

/// How long an event may be on its way, pauses after failures included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two meet, one of them writes, the other one ends it; the session.
async fn talk(server: &Server, tag: &str) -> String {
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), tag).await;
    let session = found["session"].clone();
    let text =
        json!({"session": session, "cid": "6f2b1b1e-62f5-4a53-9a52-000000000001", "kind": "text", "text": "a secret"});
    a.ask("chat.send", text).await;
    b.push("chat.message").await;
    b.ask("session.end", json!({"session": session})).await;
    a.push("session.ended").await;
    a.ask("report.submit", json!({"session": session, "reason": "spam"})).await;
    session.as_str().expect("an id").to_owned()
}

/// What happens in the course of [`talk`]: the relay's word and the report after the end, whichever is first.
const STORY: [&str; 5] = ["session.started", "chat.message", "session.ended", "relay.used", "report.submitted"];

fn told_of<'a>(events: &'a [Value], session: &str) -> Vec<&'a str> {
    let of_session = events.iter().filter(|event| event["subject"] == session);
    let mut kinds: Vec<&str> = of_session.map(|event| event["type"].as_str().expect("a type")).collect();
    if let Some(after) = kinds.get_mut(3..) {
        after.sort_unstable();
    }
    kinds
}

/// Events that the webhook has not taken.
fn waiting(server: &Server) -> String {
    let (_, metrics) = support::http_get(server.addr("http"), "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("duologue_events_waiting{sink=\"webhook\"} "));
    line.expect("the metric").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_out_of_reach_gets_every_event_once_and_in_order() {
    let receiver = Receiver::start();
    let mut server = Server::start(&receiver.settings());
    let mut sessions = vec![talk(&server, "one").await];
    assert!(eventually(PATIENCE, || waiting(&server) == "5" && receiver.refused() > 0));
    server.crash_and_restart();
    sessions.push(talk(&server, "two").await);
    assert_eq!(receiver.taken().len(), 0);
    receiver.come_up();
    sessions.push(talk(&server, "three").await);
    assert!(eventually(PATIENCE, || receiver.taken().len() >= 3 * STORY.len() && waiting(&server) == "0"));

    let posted = receiver.taken();
    posted.iter().for_each(Posted::is_genuine);
    let events: Vec<Value> = posted.iter().map(Posted::event).collect();
    assert!(posted.iter().all(|posted| !posted.body.contains("a secret")), "{events:#?}");
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), events.len()), (3 * STORY.len(), 3 * STORY.len()), "{events:#?}");
    for session in &sessions {
        assert_eq!(told_of(&events, session), STORY);
    }
    let started = &events[0]["data"];
    assert_eq!((started["users"].as_array().map(Vec::len), &started["tags_common"]), (Some(2), &json!(["one"])));
    assert_eq!((&events[1]["data"]["kind"], &events[1]["data"]["characters"]), (&json!("text"), &json!(8)));
    assert_eq!(events[2]["data"]["reason"], "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_a_line_for_each_event_and_admins_read_along() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("events.jsonl");
    let settings = format!("[events]\nfile = \"{}\"\n{}", file.display(), backend::config());
    let server = Server::start(&settings);
    let http = server.addr("http");

    let mut stream = TcpStream::connect(http).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let bearer = format!("authorization: Bearer {}", backend::token("ann", "admin"));
    write!(stream, "GET /v1/events HTTP/1.1\r\nhost: {http}\r\n{bearer}\r\n\r\n").expect("send");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("the stream goes on"));
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains(" 200 ") && head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");

    let session = talk(&server, "tea").await;
    let mut read = Vec::new();
    while read.len() < STORY.len() {
        let line = lines.next().expect("a line");
        if let Some(data) = line.strip_prefix("data: ") {
            read.push(serde_json::from_str::<Value>(data).expect("JSON"));
        }
    }
    assert_eq!(told_of(&read, &session), STORY);

    let in_file = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    assert!(eventually(PATIENCE, || in_file().len() >= STORY.len()));
    assert_eq!(in_file(), read);
}

#[test]
fn the_stream_is_for_admins_and_goes_on_where_one_says() {
    let server = Server::start(&backend::config());
    let get = |line: &str, headers: &[&str]| request(server.addr("http"), line, headers, b"");
    assert_eq!(get("GET /v1/events", &[]).problem(401), "unauthorized");
    for role in ["user", "moderator"] {
        let bearer = format!("authorization: Bearer {}", backend::token("ann", role));
        assert_eq!(get("GET /v1/events", &[&bearer]).problem(403), "forbidden");
    }
    let bearer = format!("authorization: Bearer {}", backend::token("ann", "admin"));
    assert_eq!(get("GET /v1/events?after=soon", &[&bearer]).problem(400), "bad_request");
    assert_eq!(get("GET /v1/events", &[&bearer, "last-event-id: x"]).problem(400), "bad_request");
}
