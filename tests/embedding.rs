//! What docs/EMBEDDING.md shows is run as it stands there: its tokens let their users in.
mod support;

use std::process::Command;

use support::Server;
use support::http;

const DOCUMENT: &str = include_str!("../docs/EMBEDDING.md");
/// As `openssl rand -hex 32` prints it.
const KEY: &str = "6b1f0a3c9d5e47828e21c4b7a09f3d6512e8f7a46c0b9d3e5f1a2b4c6d8e0f71";

/// The one block of that language with `mark` in it.
fn block(language: &str, mark: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let blocks = DOCUMENT.split(&begin).skip(1).filter_map(|rest| rest.split("```").next());
    let found: Vec<&str> = blocks.filter(|block| block.contains(mark)).collect();
    assert_eq!(found.len(), 1, "one {language} block of the document has {mark}");
    found[0]
}

/// What a program of the document prints, without the line's end.
fn output(command: &mut Command) -> String {
    let output = command.env("KEY", KEY).output().unwrap_or_else(|error| panic!("{command:?}: {error}: make set-up"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

fn verify(server: &Server, token: &str) -> http::Reply {
    let bearer = format!("authorization: Bearer {token}");
    http::request(server.addr("http"), "GET /v1/auth/verify", &[&bearer], b"")
}

#[test]
fn the_tokens_of_the_document_let_their_users_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let key_file = directory.path().join("backend.key");
    std::fs::write(&key_file, format!("{KEY}\n")).expect("write the key");
    let settings = block("toml", "jwt_secrets_file");
    let settings = settings.replace("/etc/duologue/backend.key", key_file.to_str().expect("a path"));
    let server = Server::start(&settings);

    let script = block("js", "callToken(user");
    let call = "console.log(callToken({ id: 'ann', device: 'd1' }, process.env.KEY))";
    let by_node = output(Command::new("node").args(["--input-type=module", "-e", &format!("{script}\n{call}")]));
    let script = block("python", "def call_token");
    let call = "import os; print(call_token('ben', os.environ['KEY'].encode()))";
    let by_python = output(Command::new("python3").args(["-c", &format!("{script}\n{call}")]));

    for (token, user) in [(&by_node, "shop:ann"), (&by_python, "shop:ben")] {
        let reply = verify(&server, token);
        assert_eq!((reply.status, reply.json()["user"]["id"].as_str()), (200, Some(user)));
        let forged = format!("{}x", &token[..token.len() - 1]);
        assert_eq!(verify(&server, &forged).problem(401), "unauthorized");
    }
    let guest = http::request(
        server.addr("http"),
        "POST /v1/auth/guest",
        &["content-type: application/json"],
        br#"{"device_id":"d"}"#,
    );
    assert_eq!(guest.problem(403), "forbidden", "guests = false");
}
