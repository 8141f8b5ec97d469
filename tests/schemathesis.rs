//! schemathesis, which makes requests out of `/openapi.json`, good ones and bad ones: nothing that the document does not tell
//! comes back, whoever asks.
mod support;

use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::caller::Call;
use support::http::request_as;
use support::post_json;
use support::ws::matched_pair_of_users;

/// The one that `make test` sets up with `tests/requirements.txt`.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/schemathesis");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/schemathesis.toml");
/// What cannot be tried in this way: the end of whoever asks or of the server, a stream without an end, and the document itself,
/// which the program leaves out of its own accord.
/// tests/authorization_matrix.rs asks for each of them.
const NOT_TRIED: [&str; 5] = ["drain", "eraseMe", "logOut", "readEvents", "showContract"];

/// Each check is on but where the configuration says why not. Requests of one operation and phase, beside those at the edges of its schema.
const EXAMPLES: &str = "3";

/// Walks from answer to answer: each begins with what a few operations tell, and takes their names to others.
const WALKS: &str = "150";

fn config() -> String {
    let limits = "http_requests_per_minute = 1000000\nguests_per_minute = 1000000\n";
    format!("{}[limits]\n{limits}", backend::config())
}

fn server() -> Server {
    Server::start(&config())
}

fn operations(server: &Server) -> usize {
    let (status, document) = server.get("/openapi.json");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    paths.values().map(|operations| operations.as_object().expect("operations").len()).sum()
}

fn tried_by(server: &Server, token: Option<&str>) {
    let said = try_by(server, token, &["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES]);
    let tried = operations(server) - NOT_TRIED.len();
    assert!(said.lines().any(|line| line.trim() == format!("Tested: {tried}")), "not all {tried} operations: {said}");
}

/// Runs it and returns what it said; that it has found nothing is asserted.
fn try_by(server: &Server, token: Option<&str>, how: &[&str]) -> String {
    assert!(std::path::Path::new(PROGRAM).exists(), "{PROGRAM} is missing: make test makes it");
    let document = format!("http://{}/openapi.json", server.addr("http"));
    let home = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(PROGRAM);
    command.current_dir(home.path()).stdin(Stdio::null());
    command.args(["--config-file", CONFIG, "run", &document]).args(how);
    command.args(["--seed", "7", "--request-timeout", "30", "--continue-on-failure"]);
    command.args(["--no-color", "--warnings", "off"]);
    for name in NOT_TRIED {
        command.args(["--exclude-operation-id", name]);
    }
    let header = token.map(|token| format!("Authorization: Bearer {token}"));
    if let Some(header) = &header {
        command.args(["--header", header]);
    }
    let output = command.output().expect("run schemathesis");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

/// A server on which something has happened: a call with a file and an open report, one whose report led to a ban and an appeal,
/// an account.
async fn lived_in() -> Call {
    let mut call = Call::start(&config()).await;
    let http = call.http();
    call.show("file", "a.bin", b"what was sent", 1).await;
    let complain = |session: &Value| json!({"session": session, "reason": "spam", "block": false});
    call.b.client.ask("report.submit", complain(&call.session)).await;
    let ((mut a, _, found), (_b, banned, _)) = matched_pair_of_users(http, "another").await;
    let report = a.ask("report.submit", complain(&found["session"])).await;
    let line = format!("POST /v1/reports/{}/decision", report["report"].as_str().expect("a name"));
    let decision = json!({"decision": "accept", "action": "ban"});
    let decided = request_as(http, &line, &backend::token("mo", "moderator"), Some(&decision));
    assert_eq!(decided.status, 200, "{decided:?}");
    let banned = banned["access_token"].as_str().expect("a token");
    let own = request_as(http, "GET /v1/appeals", banned, None).json();
    let plea = json!({"ban": own["sanctions"][0]["ban"], "text": "I was only joking"});
    assert_eq!(request_as(http, "POST /v1/appeals", banned, Some(&plea)).status, 201);
    let form = json!({"username": "ann", "password": "correct horse"});
    assert_eq!(post_json(http, "/v1/auth/register", &form).0, 201);
    call
}

/// What one answer names the next request asks for, in any order that schemathesis thinks of, and in the end everything that is
/// named works or is refused as the document says.
fn walked_by(server: &Server, token: &str, least: usize) {
    let said = try_by(server, Some(token), &["--phases", "stateful", "--max-examples", WALKS]);
    let links = said.lines().find_map(|line| line.trim().strip_prefix("API Links:"));
    let covered = links.and_then(|links| links.split_whitespace().next()?.parse::<usize>().ok());
    assert!(covered.is_some_and(|covered| covered >= least), "at least {least} ways from one to the other: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_answer_to_answer_as_an_admin() {
    let call = lived_in().await;
    walked_by(&call.server, &backend::token("admin", "admin"), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_answer_to_answer_as_a_moderator() {
    let call = lived_in().await;
    walked_by(&call.server, &backend::token("moderator", "moderator"), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_answer_to_answer_as_a_guest() {
    let call = lived_in().await;
    walked_by(&call.server, &call.a.token, 6);
}

#[test]
fn without_a_token() {
    tried_by(&server(), None);
}

#[test]
fn as_a_guest() {
    let server = server();
    let (status, told) = post_json(server.addr("http"), "/v1/auth/guest", &json!({"device_id": "d"}));
    assert_eq!(status, 200, "{told}");
    tried_by(&server, told["access_token"].as_str());
}

#[test]
fn as_a_user() {
    tried_by(&server(), Some(&backend::token("user", "user")));
}

#[test]
fn as_a_moderator() {
    tried_by(&server(), Some(&backend::token("moderator", "moderator")));
}

#[test]
fn as_an_admin() {
    tried_by(&server(), Some(&backend::token("admin", "admin")));
}
