//! A newer server finds the store of an earlier one, which was ended in the middle of calls, and goes on with them.
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::require_program;
use support::turn::Credential;
use support::turn::TurnClient;
use support::ws::Client;
use support::ws::matched_pair_of_users;

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
        assert_eq!((&session["session"], &session["deadline"]), (&a.found["session"], &a.found["deadline"]), "{schema}");
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
