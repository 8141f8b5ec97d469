//! schemathesis, which makes requests out of `/openapi.json`, good ones and bad ones: nothing that the document does not tell
//! comes back, whoever asks.
mod support;

use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use support::Server;
use support::backend;
use support::post_json;

/// The one that `make test` sets up with `tests/requirements.txt`.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/schemathesis");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/schemathesis.toml");
/// What cannot be tried in this way: the end of whoever asks or of the server, a stream without an end, and the document itself,
/// which the program leaves out of its own accord.
/// tests/authorization_matrix.rs asks for each of them.
const NOT_TRIED: [&str; 5] = ["drain", "eraseMe", "logOut", "readEvents", "showContract"];

/// Each check is on but where the configuration says why not. Requests of one operation and phase, beside those at the edges of its schema.
const EXAMPLES: &str = "3";

fn server() -> Server {
    let limits = "http_requests_per_minute = 1000000\nguests_per_minute = 1000000\n";
    Server::start(&format!("{}[limits]\n{limits}", backend::config()))
}

fn operations(server: &Server) -> usize {
    let (status, document) = server.get("/openapi.json");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    paths.values().map(|operations| operations.as_object().expect("operations").len()).sum()
}

fn tried_by(server: &Server, token: Option<&str>) {
    assert!(std::path::Path::new(PROGRAM).exists(), "{PROGRAM} is missing: make test makes it");
    let document = format!("http://{}/openapi.json", server.addr("http"));
    let home = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(PROGRAM);
    command.current_dir(home.path()).stdin(Stdio::null());
    command.args(["--config-file", CONFIG, "run", &document, "--phases", "coverage,fuzzing"]);
    command.args(["--max-examples", EXAMPLES, "--seed", "7", "--request-timeout", "30", "--continue-on-failure"]);
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
    let tried = operations(server) - NOT_TRIED.len();
    assert!(said.lines().any(|line| line.trim() == format!("Tested: {tried}")), "not all {tried} operations: {said}");
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
