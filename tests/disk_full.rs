//! The disk fills up under the built program: calls and chat go on, it says what it loses, and it mends by itself.
mod support;

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::disk::Disk;
use support::eventually;
use support::http::Reply;
use support::http::request;
use support::http::request_as;
use support::post_json;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair;
use support::ws::matched_pair_of_users;

/// However busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that are said while nothing can be stored.
const LOST: usize = 5;
/// Bytes of the picture that no room is left for: more than any rest of a page.
const FILE_BYTES: usize = 200_000;

/// One side of a call.
struct Side {
    client: Client,
    token: String,
    refresh_token: Value,
    session: Value,
    turn: TurnClient,
}

impl Side {
    fn new(server: &Server, (client, user, found): (Client, Value, Value)) -> Side {
        let ice = &found["ice_servers"][0];
        let text = |name: &str| ice[name].as_str().expect("a text").to_owned();
        let credential = Credential { username: text("username"), password: text("credential") };
        Side {
            client,
            token: user["access_token"].as_str().expect("a token").to_owned(),
            refresh_token: user["refresh_token"].clone(),
            session: found["session"].clone(),
            turn: TurnClient::allocate_udp(server.addr("turn-udp"), credential).expect("allocates"),
        }
    }

    fn about(&self, mut data: Value) -> Value {
        data["session"] = self.session.clone();
        data
    }

    async fn say(&mut self, n: usize) -> Value {
        let cid = format!("6f2b1b1e-62f5-4a53-9a52-{n:012}");
        let message = self.about(json!({"cid": cid, "kind": "text", "text": format!("line {n}")}));
        self.client.ask("chat.send", message).await
    }

    async fn hears(&mut self, n: usize) {
        assert_eq!(self.client.push("chat.message").await["text"], format!("line {n}"));
    }

    /// The texts of the history, the oldest first, and what it says is lost.
    async fn history(&mut self) -> (Vec<String>, Option<Value>) {
        let page = self.client.ask("chat.history", json!({"session": self.session})).await;
        let messages = page["messages"].as_array().expect("a list");
        let texts = messages.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect();
        (texts, page.get("lost").cloned())
    }

    /// Asks for an address to put a file at.
    fn ask_upload(&self, server: &Server) -> Reply {
        let wish = self.about(json!({"kind": "file", "name": "notes.txt", "size": FILE_BYTES}));
        request_as(server.addr("http"), "POST /v1/uploads", &self.token, Some(&wish))
    }
}

/// Puts a file at the address that was given.
fn put(server: &Server, asked: &Reply) -> Reply {
    let url = asked.json()["url"].as_str().expect("a URL").to_owned();
    request(server.addr("http"), &format!("PUT {url}"), &[], &[b'x'; FILE_BYTES])
}

/// Both relay to each other.
fn relay(a: &mut Side, b: &mut Side, payload: &[u8]) {
    a.turn.send_to(b.turn.relayed(), payload);
    assert_eq!(b.turn.receive(), Some((a.turn.relayed(), payload.to_vec())));
    b.turn.send_to(a.turn.relayed(), payload);
    assert_eq!(a.turn.receive(), Some((b.turn.relayed(), payload.to_vec())));
}

fn lost(server: &Server) -> f64 {
    server.metric("duologue_store_lost_total", "accident=\"full\"")
}

/// The files below a directory.
fn files_below(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("read").path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_chat_go_on_and_what_is_lost_is_told() {
    let (server, disk) = Disk::under(|_| String::new());
    let http = server.addr("http");
    let (a, b) = matched_pair_of_users(http, "disk").await;
    let (mut a, mut b) = (Side::new(&server, a), Side::new(&server, b));
    a.turn.create_permission(b.turn.relayed()).expect("permitted");
    b.turn.create_permission(a.turn.relayed()).expect("permitted");
    let kept = a.say(0).await["mid"].clone();
    b.hears(0).await;
    let promised = a.ask_upload(&server);
    assert_eq!(promised.status, 201, "{promised:?}");
    assert_eq!(server.get("/health/ready").0, 200);
    assert_eq!(a.history().await.1, None, "nothing is lost");

    disk.fill();
    let mut sent_at = Vec::new();
    for n in 1..=LOST {
        sent_at.push(a.say(n).await["ts"].clone());
        b.hears(n).await;
        relay(&mut a, &mut b, format!("media {n}").as_bytes());
    }
    assert_eq!(a.turn.refresh(600), Ok(()));
    // What is worth nothing unless it is kept is refused, with the code that says to try again.
    let react = b.about(json!({"mid": kept, "emoji": "👍"}));
    assert_eq!(b.client.refused("chat.react", react).await, "unavailable");
    assert_eq!(a.ask_upload(&server).problem(503), "unavailable");
    assert_eq!(put(&server, &promised).problem(503), "unavailable");
    assert!(eventually(PATIENCE, || files_below(&disk.path("uploads")) == 0), "nothing is left of the file");
    let (status, tokens) = post_json(http, "/v1/auth/refresh", &json!({"refresh_token": a.refresh_token}));
    assert_eq!(status, 200, "nobody is sent away: {tokens}");
    let lost_lines = json!({"count": LOST, "first_ts": sent_at[0], "last_ts": sent_at[LOST - 1]});
    let (lines, told) = a.history().await;
    assert_eq!(lines, ["line 0"], "what is kept can be read");
    assert_eq!(told, Some(lost_lines.clone()), "and what is not is told");
    // Others come, meet and part.
    let ((mut c, found), (mut d, _)) = matched_pair(http, "latecomers").await;
    c.ask("session.end", json!({"session": found["session"]})).await;
    assert_eq!(d.push("session.ended").await["reason"], "ended");

    assert_eq!(server.get("/health").0, 200);
    let (status, body) = server.get("/health/ready");
    assert_eq!((status, body.contains("\"check\":\"store\"")), (503, true), "{body}");
    assert_eq!(server.metric("duologue_store_failing", ""), 1.0);
    assert!(lost(&server) >= LOST as f64, "{}", lost(&server));

    disk.free();
    assert!(eventually(PATIENCE, || server.get("/health/ready").0 == 200), "{}", server.get("/health/ready").1);
    assert_eq!(server.metric("duologue_store_failing", ""), 0.0);
    a.say(LOST + 1).await;
    b.hears(LOST + 1).await;
    let (lines, told) = b.history().await;
    assert_eq!(lines, ["line 0", "line 6"], "what was lost stays lost, what comes is kept");
    assert_eq!(told, Some(lost_lines), "the history goes on to say what it lacks");
    relay(&mut a, &mut b, b"media again");
    assert_eq!(put(&server, &promised).status, 200, "the promise still holds");
    assert_eq!(a.ask_upload(&server).status, 201);
    let (status, tokens) = post_json(http, "/v1/auth/refresh", &json!({"refresh_token": tokens["refresh_token"]}));
    assert_eq!(status, 200, "who came meanwhile is known: {tokens}");

    let log = server.log();
    assert_eq!(log.matches("what is to be remembered is lost from here on; calls go on").count(), 1, "{log}");
    let told = log.lines().find(|line| line.contains("the store writes again")).expect("the end is told");
    assert!(told.contains(&format!("message: {LOST}")), "{told}");
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_no_core_busy_and_floods_no_log() {
    let (server, disk) = Disk::under(|_| String::new());
    disk.fill();
    let (mut guest, _) = Client::guest(server.addr("http"), "a guest").await;
    let told = "what is to be remembered is lost from here on";
    assert!(eventually(PATIENCE, || server.log().contains(told)), "the login is lost");
    let (begun, cpu, lines, failed) = (Instant::now(), server.cpu_time(), server.log().lines().count(), lost(&server));
    // By itself it only tries, every two seconds, whether it can write again.
    while lost(&server) < failed + 3.0 {
        assert!(begun.elapsed() < PATIENCE, "it goes on trying");
        // Each look costs the program something.
        std::thread::park_timeout(Duration::from_millis(200));
    }
    let (took, worked) = (begun.elapsed(), server.cpu_time() - cpu);
    assert!(worked * 2 < took, "{worked:?} of work in {took:?} is no waiting");
    let log = server.log();
    let news: Vec<&str> = log.lines().skip(lines).filter(|line| !line.contains("request answered")).collect();
    assert_eq!(news, Vec::<&str>::new(), "a failure that goes on is no news");
    guest.ask("ack", json!({"seq": 0})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_full_disk_does_not_take_come_later_each_as_a_whole_line() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (server, disk) = Disk::under(|place| {
        let database = elsewhere.path().join("duologue.db");
        format!("[events]\nfile = \"{place}/events.jsonl\"\n[store]\npath = {database:?}\n")
    });
    let mut sessions = vec![meet_and_part(&server, "one").await];
    assert!(eventually(PATIENCE, || told(&disk, &sessions[0]) == STORY), "{:?}", told(&disk, &sessions[0]));
    disk.fill();
    let failures = || server.metric("duologue_events_failures_total", "sink=\"file\"");
    // The last page of the file may have room for some more.
    for round in 0.. {
        sessions.push(meet_and_part(&server, &format!("round {round}")).await);
        let last = sessions.last().expect("pushed");
        assert!(eventually(PATIENCE, || failures() >= 1.0 || told(&disk, last) == STORY), "{}", server.log());
        if failures() >= 1.0 {
            break;
        }
    }
    assert_eq!(server.get("/health/ready").0, 200, "the database is on another disk");
    disk.free();
    for session in &sessions {
        assert!(eventually(PATIENCE, || told(&disk, session) == STORY), "{session}: {:?}", told(&disk, session));
    }
    // They are in the file before they are noted as told.
    let waiting = || server.metric("duologue_events_waiting", "sink=\"file\"");
    assert!(eventually(PATIENCE, || waiting() == 0.0), "{} wait", waiting());
}

/// What is told of each session.
const STORY: [&str; 3] = ["relay.used", "session.ended", "session.started"];

async fn meet_and_part(server: &Server, tag: &str) -> Value {
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), tag).await;
    a.ask("session.end", json!({"session": found["session"]})).await;
    b.push("session.ended").await;
    found["session"].clone()
}

/// The kinds of the events about a session that the file has, by their names. Each line that has an end is whole; the last
/// one may be on its way.
fn told(disk: &Disk, session: &Value) -> Vec<String> {
    let text = std::fs::read_to_string(disk.path("events.jsonl")).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let events = lines.map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
    let of_session = events.filter(|event| event["subject"] == *session);
    let mut kinds: Vec<_> = of_session.map(|event| event["type"].as_str().expect("a kind").to_owned()).collect();
    kinds.sort();
    kinds
}
