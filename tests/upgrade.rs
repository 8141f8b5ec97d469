//! A newer server finds the store of an earlier one, which was ended in the middle of calls, and goes on with them.
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::require_program;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair_of_users;

/// What a server of schema 5 left, and what its clients held.
const LEFT: &str = include_str!("upgrade/killed_in_a_call.sql");
const LEFT_SCHEMA: usize = 5;
/// When that call began, by the clock of then, and when it is to end.
const BEGAN: u64 = 1_795_947_181_883;
const DEADLINE: u64 = BEGAN + 300_000;
const SESSION: &str = "vta2F6UcnRXByFE2QX8G1A";
const RESUME_TOKENS: [&str; 2] = [
    "gR1Fg2BYKKj8ymPh-AtztbVRgAyDCq8QUEhPU3xPFklnX2tfaFBBamZhczF2ODBydjZYSGhLb0E",
    "7v2Rb4GxhXunfQV5IqGmVsVHl3l0wwDlEm3k2ZSet0pnX1A4MnBHTVplQ1hxaEJRdTdrWjlHcmc",
];

/// Makes an older database of one.
const OLDER_SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upgrade/older_schema.py");
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sqlite/migrations");

/// The schema of the built program.
fn newest() -> usize {
    std::fs::read_dir(MIGRATIONS).expect("it is there").count()
}

/// Gives the database that a server has left the schema of an earlier one.
fn age(database: &Path, schema: usize) {
    let mut python = Command::new(require_program("python3", "python3"));
    let output = python.arg(OLDER_SCHEMA).arg(database).arg(schema.to_string()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// One side of a call, with what it was told before the upgrade.
struct Side {
    client: Client,
    hello: Value,
    found: Value,
}

impl Side {
    /// Comes back as one who has everything up to `last_seq`; what it is told of its session.
    async fn resume(&mut self, http: SocketAddr, last_seq: u64) -> Value {
        self.client = Client::connect(http).await;
        let resume = json!({"resume": {"token": self.hello["resume_token"], "last_seq": last_seq}});
        let hello = self.client.ask("hello", resume).await;
        assert_eq!((&hello["resumed"], &hello["user"]), (&json!(true), &self.hello["user"]), "{hello}");
        self.client.push("sync").await
    }

    async fn say(&mut self, n: usize) -> Value {
        let cid = format!("6f2b1b1e-62f5-4a53-9a52-{n:012}");
        let line = json!({"session": self.found["session"], "cid": cid, "kind": "text", "text": format!("line {n}")});
        self.client.ask("chat.send", line).await
    }

    async fn history(&mut self) -> Vec<String> {
        let page = self.client.ask("chat.history", json!({"session": self.found["session"]})).await;
        let messages = page["messages"].as_array().expect("a list");
        messages.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    }

    fn credential(&self) -> Credential {
        let server = &self.found["ice_servers"][0];
        let text = |name: &str| server[name].as_str().expect("a text").to_owned();
        Credential { username: text("username"), password: text("credential") }
    }
}

/// Two in a call, with a line that was said.
async fn call(http: SocketAddr) -> [Side; 2] {
    let (a, b) = matched_pair_of_users(http, "upgrade").await;
    let [mut a, mut b] = [a, b].map(|(client, hello, found)| Side { client, hello, found });
    a.say(1).await;
    b.client.push("chat.message").await;
    [a, b]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_across_an_upgrade_from_every_older_schema() {
    for schema in 1..newest() {
        let mut server = Server::start("");
        let [mut a, mut b] = call(server.addr("http")).await;
        let database = server.state.path().join("duologue.db");
        // By the operator's hand and by an accident, in turn.
        server.end_and_restart(schema % 2 == 0, || age(&database, schema));
        let log = server.log();
        let taken = log.split("the database has a new schema").skip(newest() + 1).count();
        assert_eq!(taken, newest() - schema, "from {schema}: {log}");

        let http = server.addr("http");
        let session = &a.resume(http, 1).await["sessions"][0];
        assert_eq!(
            (&session["session"], &session["deadline"]),
            (&a.found["session"], &a.found["deadline"]),
            "{schema}"
        );
        assert_eq!(b.resume(http, 2).await["sessions"][0]["session"], b.found["session"], "from {schema}");
        a.say(2).await;
        assert_eq!(b.client.push("chat.message").await["text"], "line 2");
        assert_eq!(b.history().await, ["line 1", "line 2"], "from {schema}");
        for side in [&a, &b] {
            assert!(TurnClient::allocate_udp(server.addr("turn-udp"), side.credential()).is_ok(), "from {schema}");
        }
        a.client.ask("session.end", json!({"session": a.found["session"]})).await;
        assert_eq!(b.client.push("session.ended").await["reason"], "ended");
    }
}

/// Puts a database in the place of another one: of the schema that was, with its rows, as if all had happened now.
fn put_back(database: &Path, now: u64) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    let mut steps: Vec<_> = std::fs::read_dir(MIGRATIONS).expect("it is there").flatten().collect();
    steps.sort_by_key(std::fs::DirEntry::file_name);
    let connection = rusqlite::Connection::open(database).expect("made");
    for step in &steps[..LEFT_SCHEMA] {
        connection.execute_batch(&std::fs::read_to_string(step.path()).expect("read")).expect("a sound step");
    }
    // A time is a whole word of 13 digits; nothing else there is.
    let is_time = |word: &str| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let shifted = |word: &str| (word.parse::<u64>().expect("digits") - BEGAN + now).to_string();
    let words = LEFT.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()).map(|word| {
        let (word, end) = word.split_at(word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric()).len());
        if is_time(word) { shifted(word) + end } else { format!("{word}{end}") }
    });
    connection.execute_batch(&words.collect::<String>()).expect("its rows");
    connection.pragma_update(None, "user_version", LEFT_SCHEMA).expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_program_left_in_a_call_is_gone_on_with() {
    let mut server = Server::start("");
    let database = server.state.path().join("duologue.db");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = u64::try_from(since.as_millis()).expect("in this age");
    server.end_and_restart(true, || put_back(&database, now));
    let http = server.addr("http");
    let mut clients = Vec::new();
    for token in RESUME_TOKENS {
        let mut client = Client::connect(http).await;
        let hello = client.ask("hello", json!({"resume": {"token": token, "last_seq": 1}})).await;
        assert_eq!(hello["resumed"], json!(true), "{hello}");
        let sync = client.push("sync").await;
        let session = &sync["sessions"][0];
        assert_eq!((&session["session"], &session["deadline"]), (&json!(SESSION), &json!(DEADLINE - BEGAN + now)));
        let page = client.ask("chat.history", json!({"session": SESSION})).await;
        let message = &page["messages"][0];
        assert_eq!((&message["text"], &message["mid"]), (&json!("line 1"), &sync["last_mid"]));
        assert_eq!(message["reactions"][0]["emoji"], "👍");
        clients.push(client);
    }
    let [a, b] = clients.as_mut_slice() else { panic!("two") };
    let cid = "6f2b1b1e-62f5-4a53-9a52-000000000002";
    a.ask("chat.send", json!({"session": SESSION, "cid": cid, "kind": "text", "text": "line 2"})).await;
    assert_eq!(b.push("chat.message").await["text"], "line 2");
    b.ask("session.end", json!({"session": SESSION})).await;
    assert_eq!(a.push("session.ended").await["reason"], "ended");
}
