//! What the WebSocket promises: the official parser takes `docs/asyncapi.json`.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use serde_json::json;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn document() -> Value {
    let text = fs::read_to_string(format!("{ROOT}/docs/asyncapi.json")).expect("the document");
    serde_json::from_str(&text).expect("JSON")
}

/// What the official parser says of each document: its `version`, how many `payloads` it has, `complaints`.
fn judged(documents: &[Value]) -> Vec<Value> {
    assert!(
        PathBuf::from(ROOT).join("tests/asyncapi/node_modules/@asyncapi/parser").exists(),
        "@asyncapi/parser is missing: make test installs it"
    );
    let place = tempfile::tempdir().expect("a directory");
    let paths: Vec<PathBuf> = (0..documents.len()).map(|at| place.path().join(format!("{at}.json"))).collect();
    for (path, document) in paths.iter().zip(documents) {
        fs::write(path, document.to_string()).expect("written");
    }
    let output = Command::new("node").arg(format!("{ROOT}/tests/asyncapi/check.js")).args(&paths).output();
    let output = output.expect("node runs: make test installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said.len(), documents.len());
    said
}

#[test]
fn the_official_parser_takes_the_document_and_none_with_a_mistake_in_it() {
    type Mistake = fn(&mut Value);
    let mistakes: [(&str, Mistake); 5] = [
        ("an operation that nobody does", |document| document["operations"]["client.hello"]["action"] = json!("shout")),
        ("a message that is not there", |document| {
            document["operations"]["client.hello"]["messages"][0]["$ref"] = json!("#/channels/socket/messages/none");
        }),
        ("a channel without messages of an operation", |document| {
            document["channels"]["socket"]["messages"].as_object_mut().expect("messages").remove("server.sync");
        }),
        ("no version", |document| drop(document["info"].as_object_mut().expect("info").remove("version"))),
        ("a schema of no type", |document| document["components"]["schemas"]["Typing"]["type"] = json!("thing")),
    ];
    let right = document();
    let mut documents = vec![right.clone()];
    documents.extend(mistakes.iter().map(|(_, make)| {
        let mut wrong = right.clone();
        make(&mut wrong);
        assert_ne!(wrong, right);
        wrong
    }));
    let said = judged(&documents);
    let payloads = right["components"]["messages"].as_object().expect("messages").len();
    assert_eq!(said[0], json!({"version": "3.0.0", "payloads": payloads, "complaints": []}));
    for ((mistake, _), said) in mistakes.iter().zip(&said[1..]) {
        assert_ne!(said["complaints"], json!([]), "{mistake} is taken");
    }
}
