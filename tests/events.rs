//! What is told outside, against the built program: a webhook that is out of reach, a file, the stream for admins.
mod support;

use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use support::Server;
use support::eventually;
use support::http::request;
use support::ws::matched_pair;

const KEY: &str = "a key that only these tests and their server know";
const SECRET: &str = "what the receiver knows too";
/// How long an event may be on its way, pauses after failures included.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request, as it came.
#[derive(Clone, Debug)]
struct Posted {
    header_by_name: HashMap<String, String>,
    body: String,
}

impl Posted {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Checks the signature and the names of Standard Webhooks.
    fn is_genuine(&self) {
        let header = |name: &str| self.header_by_name[name].as_str();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), self.body).as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), signature);
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(self.event()["id"], header("webhook-id"));
    }
}

/// A server of the operator's that can be told to refuse.
struct Receiver {
    addr: SocketAddr,
    is_up: Arc<AtomicBool>,
    refused: Arc<Mutex<usize>>,
    taken: Arc<Mutex<Vec<Posted>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let receiver = Self { addr, is_up: Arc::default(), refused: Arc::default(), taken: Arc::default() };
        let (is_up, refused, taken) = (receiver.is_up.clone(), receiver.refused.clone(), receiver.taken.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (is_up, refused, taken) = (is_up.clone(), refused.clone(), taken.clone());
                thread::spawn(move || {
                    let mut writer = stream.try_clone().expect("a second handle");
                    let mut reader = BufReader::new(stream);
                    while let Some(posted) = read_request(&mut reader) {
                        let status = if is_up.load(Ordering::SeqCst) {
                            taken.lock().expect("lock").push(posted);
                            "204 No Content"
                        } else {
                            *refused.lock().expect("lock") += 1;
                            "503 Service Unavailable"
                        };
                        let _ = write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                    }
                });
            }
        });
        receiver
    }

    fn settings(&self) -> String {
        format!("[events]\nwebhook_url = \"http://{}/events\"\nwebhook_secret = \"{SECRET}\"\n", self.addr)
    }

    fn taken(&self) -> Vec<Posted> {
        self.taken.lock().expect("lock").clone()
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut header_by_name = HashMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
    assert_eq!(line.trim_end(), "POST /events HTTP/1.1");
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        header_by_name.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; header_by_name["content-length"].parse().expect("a length")];
    reader.read_exact(&mut body).ok()?;
    Some(Posted { header_by_name, body: String::from_utf8(body).expect("text") })
}

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

fn token(role: &str) -> String {
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 600;
    let claims = json!({"sub": "ann", "exp": exp, "role": role});
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(KEY.as_bytes()))
        .expect("signs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_out_of_reach_gets_every_event_once_and_in_order() {
    let receiver = Receiver::start();
    let mut server = Server::start(&receiver.settings());
    let mut sessions = vec![talk(&server, "one").await];
    assert!(eventually(PATIENCE, || waiting(&server) == "5" && *receiver.refused.lock().expect("lock") > 0));
    server.crash_and_restart();
    sessions.push(talk(&server, "two").await);
    assert_eq!(receiver.taken().len(), 0);
    receiver.is_up.store(true, Ordering::SeqCst);
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
    let settings = format!("[events]\nfile = \"{}\"\n[auth]\njwt_secrets = [\"{KEY}\"]\n", file.display());
    let server = Server::start(&settings);
    let http = server.addr("http");

    let mut stream = TcpStream::connect(http).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let bearer = format!("authorization: Bearer {}", token("admin"));
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
    let server = Server::start(&format!("[auth]\njwt_secrets = [\"{KEY}\"]\n"));
    let get = |line: &str, headers: &[&str]| request(server.addr("http"), line, headers, b"");
    assert_eq!(get("GET /v1/events", &[]).problem(401), "unauthorized");
    for role in ["user", "moderator"] {
        let bearer = format!("authorization: Bearer {}", token(role));
        assert_eq!(get("GET /v1/events", &[&bearer]).problem(403), "forbidden");
    }
    let bearer = format!("authorization: Bearer {}", token("admin"));
    assert_eq!(get("GET /v1/events?after=soon", &[&bearer]).problem(400), "bad_request");
    assert_eq!(get("GET /v1/events", &[&bearer, "last-event-id: x"]).problem(400), "bad_request");
}
