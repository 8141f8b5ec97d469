//! A service that judges messages, against the built program: what it is asked, how it is asked again, and what its answers do.
mod support;

use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http;
use support::receiver::Posted;
use support::ws::matched_pair;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "what the classifier knows too";

/// Answers by what a message says: `delete`, `mute`, `broken`, `wrong`; anything else is allowed. Whatever says `again` is
/// refused the first time.
struct Judge {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Judge {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { addr, asked }
    }

    fn settings(&self) -> String {
        format!(
            "{}[moderation]\nclassifier_url = \"http://{}/judge\"\nclassifier_secret = \"{SECRET}\"\n",
            backend::config(),
            self.addr
        )
    }

    fn asked(&self, text: &str) -> usize {
        self.asked.lock().expect("lock").iter().filter(|question| question["text"] == text).count()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Value>>) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    while let Some(question) = read_question(&mut reader) {
        let text = question["text"].as_str().expect("text").to_owned();
        let times = {
            let mut seen = seen.lock().expect("lock");
            seen.push(question);
            seen.iter().filter(|question| question["text"] == *text).count()
        };
        let (status, body) = match text.as_str() {
            "again, delete" if times == 1 => ("503 Service Unavailable", String::new()),
            "delete" | "again, delete" => ("200 OK", json!({"action": "delete", "reasons": ["spam"]}).to_string()),
            "mute" => ("200 OK", json!({"action": "mute", "duration_ms": 3_600_000, "delete": true}).to_string()),
            "broken" => ("500 Internal Server Error", String::new()),
            "wrong" => ("200 OK", json!({"action": "execute"}).to_string()),
            _ => ("204 No Content", String::new()),
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads one question, and checks who asks.
fn read_question(reader: &mut BufReader<TcpStream>) -> Option<Value> {
    let posted = Posted::read(reader, "POST /judge HTTP/1.1")?;
    posted.is_signed_by(SECRET);
    let question = posted.event();
    Some(question)
}

fn words(session: &Value, number: u32, text: &str) -> Value {
    let cid = format!("6f2b1b1e-62f5-4a53-9a52-{number:012x}");
    json!({"session": session, "cid": cid, "kind": "text", "text": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_judged_behind_their_back_and_what_the_answers_want_happens() {
    let judge = Judge::start();
    let server = Server::start(&judge.settings());
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "judged").await;
    let session = &found["session"];
    let judged = |outcome: &str| server.metric("duologue_classifier_total", &format!("outcome=\"{outcome}\""));

    let sent = a.ask("chat.send", words(session, 1, "hello")).await;
    assert_eq!(b.push("chat.message").await["mid"], sent["mid"]);
    assert!(eventually(PATIENCE, || judged("allowed") == 1.0));
    let first = judge.asked.lock().expect("lock")[0].clone();
    assert_eq!((&first["type"], &first["place"]), (&json!("message"), &json!({"session": session})));
    assert_eq!((&first["id"], &first["kind"], &first["text"]), (&sent["mid"], &json!("text"), &json!("hello")));
    assert!(first["user"].is_string() && first["at"].is_u64());

    let sent = a.ask("chat.send", words(session, 2, "again, delete")).await;
    b.push("chat.message").await;
    for side in [&mut a, &mut b] {
        assert_eq!(side.push("chat.deleted").await["mid"], sent["mid"]);
    }
    assert_eq!(judge.asked("again, delete"), 2);

    // No answer, and one that makes no sense: the messages stay.
    for (number, text) in [(3, "broken"), (4, "wrong")] {
        a.ask("chat.send", words(session, number, text)).await;
        b.push("chat.message").await;
    }
    assert!(eventually(PATIENCE, || judged("failed") == 2.0));
    assert_eq!((judge.asked("broken"), judge.asked("wrong")), (3, 1));

    let sent = a.ask("chat.send", words(session, 5, "mute")).await;
    b.push("chat.message").await;
    assert_eq!(b.push("chat.deleted").await["mid"], sent["mid"]);
    assert_eq!(a.push("moderation.notice").await["action"], "mute");
    assert_eq!(a.refused("chat.send", words(session, 6, "hello")).await, "forbidden");
    assert!(eventually(PATIENCE, || judged("acted") == 2.0));

    let bearer = format!("authorization: Bearer {}", backend::token("ada", "admin"));
    let reply = http::request(server.addr("http"), "GET /v1/admin/audit", &[&bearer], b"");
    let audit: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let deeds = audit["deeds"].as_array().expect("a list");
    let actions: Vec<&str> = deeds.iter().map(|deed| deed["action"].as_str().expect("a word")).collect();
    assert_eq!(actions.iter().filter(|action| **action == "message.delete").count(), 2);
    assert_eq!(actions.iter().filter(|action| **action == "ban.add").count(), 1);
    assert!(deeds.iter().all(|deed| deed["by"] == "classifier"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_classifier_that_is_out_of_reach() {
    // Bound and never accepted from: whoever connects waits for an answer that does not come.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = deaf.local_addr().expect("bound");
    let server = Server::start(&format!(
        "[moderation]\nclassifier_url = \"http://{addr}/judge\"\nclassifier_secret = \"{SECRET}\"\n"
    ));
    let ((mut a, found), (mut b, _)) = matched_pair(server.addr("http"), "deaf").await;
    for number in 0..40 {
        a.ask("chat.send", words(&found["session"], number, "hello")).await;
        b.push("chat.message").await;
    }
    assert_eq!(server.metric("duologue_classifier_total", "outcome=\"allowed\""), 0.0);
}
