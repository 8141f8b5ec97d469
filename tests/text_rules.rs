//! The operator's rules about what people say, against the built program: everywhere a stranger would read it, and over a reload.
mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::eventually;
use support::http;
use support::ws::matched_pair_of_users;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const RULES: &str = r#"
[[rule]]
id = "mask"
words = ["damn"]
action = "mask"

[[rule]]
id = "flag"
pattern = 'pass\s*word'
action = "flag"

[[rule]]
id = "refuse"
words = ["cheat"]
action = "refuse"

[[rule]]
id = "mute"
words = ["spam"]
action = "mute"
mute_for = "1h"
kinds = ["chat"]
"#;

struct Rules {
    _directory: TempDir,
    path: PathBuf,
}

impl Rules {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("rules.toml");
        std::fs::write(&path, text).expect("write the rules");
        Self { _directory: directory, path }
    }

    fn config(&self) -> String {
        format!("{}[moderation]\ntext_rules_file = {:?}\n", backend::config(), self.path)
    }
}

fn rest(server: &Server, line: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
    let bearer = format!("authorization: Bearer {token}");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut headers = Vec::new();
    if !token.is_empty() {
        headers.push(bearer.as_str());
    }
    if !body.is_empty() {
        headers.push("content-type: application/json");
    }
    let reply = http::request(server.addr("http"), line, &headers, body.as_bytes());
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

fn words(session: &Value, number: u32, text: &str) -> Value {
    let cid = format!("6f2b1b1e-62f5-4a53-9a52-{number:012x}");
    json!({"session": session, "cid": cid, "kind": "text", "text": text})
}

#[tokio::test]
async fn rules_hold_wherever_strangers_read_and_a_reload_exchanges_them() {
    let rules = Rules::new(RULES);
    let server = Server::start(&rules.config());
    let ((mut a, a_user, found), (mut b, ..)) = matched_pair_of_users(server.addr("http"), "rules").await;
    let (session, token) = (&found["session"], a_user["access_token"].as_str().expect("a token"));
    a.ask("chat.send", words(session, 1, "Damn, my pass  word")).await;
    assert_eq!(b.push("chat.message").await["text"], "****, my pass  word");
    assert_eq!(a.refused("chat.send", words(session, 2, "CHEAT")).await, "forbidden");

    let moderator = backend::token("mo", "moderator");
    let open = || rest(&server, "GET /v1/reports", &moderator, None).1["reports"].as_array().map_or(0, Vec::len);
    assert!(eventually(PATIENCE, || open() == 1), "what is flagged comes before moderators");
    let (_, page) = rest(&server, "GET /v1/reports", &moderator, None);
    let id = page["reports"][0]["report"].as_str().expect("a name");
    let (status, shown) = rest(&server, &format!("GET /v1/reports/{id}"), &moderator, None);
    assert_eq!((status, &shown["evidence"]["flagged"]["text"]), (200, &json!("Damn, my pass  word")));

    let named = |name: &str| json!({"name": name});
    let (status, problem) = rest(&server, "POST /v1/rooms", token, Some(&named("for cheat")));
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    assert_eq!(rest(&server, "POST /v1/rooms", token, Some(&named("for spam"))).0, 201, "that rule is about chat");
    let form = json!({"username": "cheat", "password": "a long enough password"});
    let (status, problem) = rest(&server, "POST /v1/auth/register", "", Some(&form));
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let wish = json!({"session": session, "kind": "file", "name": "how to cheat.txt", "size": 4});
    let (status, problem) = rest(&server, "POST /v1/uploads", token, Some(&wish));
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let met = |action: &str| server.metric("duologue_text_rules_met_total", &format!("action=\"{action}\""));
    assert_eq!(["mask", "flag", "refuse", "mute"].map(met), [1.0, 1.0, 4.0, 0.0]);

    // A file with a mistake changes nothing, and the log says where it is.
    let broken = RULES.replace("\"mask\"\nwords", "\"mask\"\nword");
    std::fs::write(&rules.path, broken).expect("write the rules");
    server.signal("HUP");
    let told = "rules.toml:4: rule \"mask\".word: unknown key; did you mean words?";
    assert!(eventually(PATIENCE, || server.log().contains(told)), "{}", server.log());
    a.ask("chat.send", words(session, 3, "damn")).await;
    assert_eq!(b.push("chat.message").await["text"], "****");

    std::fs::write(&rules.path, RULES.replace("damn", "darn")).expect("write the rules");
    server.signal("HUP");
    assert!(eventually(PATIENCE, || server.log().contains("reloaded")), "{}", server.log());
    a.ask("chat.send", words(session, 4, "damn, darn")).await;
    assert_eq!(b.push("chat.message").await["text"], "damn, ****");

    assert_eq!(a.refused("chat.send", words(session, 5, "spam")).await, "forbidden");
    assert_eq!(a.push("moderation.notice").await["action"], "mute");
    assert_eq!(a.refused("chat.send", words(session, 6, "hello")).await, "forbidden");
    let (_, audit) = rest(&server, "GET /v1/admin/audit", &backend::token("ada", "admin"), None);
    assert_eq!(audit["deeds"][0]["details"]["because"], json!({"rule": "mute"}), "{audit}");
}

#[test]
fn mistakes_in_a_file_of_rules_are_told_by_check_config_and_keep_the_server_from_starting() {
    let rules = Rules::new("[[rule]]\nid = \"links\"\npattern = 'https?://('\naction = \"refuse\"\n");
    let config = rules.path.with_file_name("duologue.toml");
    std::fs::write(&config, rules.config()).expect("write the configuration");
    for command in ["check-config", "serve"] {
        let output = Command::new(env!("CARGO_BIN_EXE_duologue"))
            .arg(command)
            .arg("--config")
            .arg(&config)
            .output()
            .expect("runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {told}");
        assert!(told.contains("rules.toml:1: rule \"links\".pattern: unclosed group; "), "{command}: {told}");
    }
    std::fs::write(&rules.path, RULES).expect("write the rules");
    let output = Command::new(env!("CARGO_BIN_EXE_duologue"))
        .arg("check-config")
        .arg("--config")
        .arg(&config)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("text_rules_file"));
}
