//! What the WebSocket promises: the official parser takes `docs/asyncapi.json`, and what really goes over the wire fits its schemas,
//! which leave nothing out.
#[path = "asyncapi/schemas.rs"]
mod schemas;
mod support;
#[path = "asyncapi/traffic.rs"]
mod traffic;

use std::collections::BTreeMap;
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

/// The schemas of what messages carry, closed, by their names in the document.
fn schemas(document: &Value) -> BTreeMap<String, Value> {
    let messages = document["components"]["messages"].as_object().expect("messages");
    messages.iter().map(|(name, message)| (name.clone(), schemas::closed(&message["payload"], document))).collect()
}

#[test]
fn every_example_fits_its_schema() {
    let document = document();
    let messages = document["components"]["messages"].as_object().expect("messages");
    let payload = |message: &Value| vec![message["examples"][0]["payload"].clone()];
    let mut examples: BTreeMap<String, Vec<Value>> =
        messages.iter().map(|(name, message)| (name.clone(), payload(message))).collect();
    let schemas = schemas(&document);
    assert_eq!(schemas::complaints(&schemas, &examples), None);
    examples.get_mut("client.ack").expect("an example")[0]["data"]["seq"] = json!("many");
    assert!(schemas::complaints(&schemas, &examples).is_some_and(|said| said.contains("client.ack")));
}

#[tokio::test]
async fn whatever_goes_over_the_wire_is_told_of_as_it_is() {
    let document = document();
    let schemas = schemas(&document);
    let record = traffic::record().await;
    let mut frames: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, said) in record.frames {
        // Those that say nothing more are told of once.
        let is_told = schemas.contains_key(&name) || !name.starts_with("server.ok.");
        frames.entry(if is_told { name } else { "server.ok".to_owned() }).or_default().extend(said);
    }
    assert_eq!(schemas::complaints(&schemas, &frames), None);
    let unseen: Vec<&String> = schemas.keys().filter(|name| !frames.contains_key(*name)).collect();
    // New credentials come after 70 % of ten minutes, at the earliest: src/signal/hub/tests/session.rs sees them.
    assert_eq!(unseen, ["server.ice.updated"], "nobody has seen these");
    for (kind, code) in &record.refusals {
        let codes = &document["components"]["messages"][format!("client.{kind}")]["x-error-codes"];
        assert!(codes.as_array().is_some_and(|codes| codes.contains(&json!(code))), "{kind} is refused with {code}");
    }

    // The judge is no rubber stamp.
    type Mistake = fn(&mut Value);
    let mistakes: [(&str, Mistake); 4] = [
        ("server.match.found", |frame| frame["data"]["surprise"] = json!(1)),
        ("server.chat.message", |frame| drop(frame.as_object_mut().expect("a frame").remove("seq"))),
        ("server.ok.hello", |frame| frame["data"]["user"]["role"] = json!("king")),
        ("client.rtc.quality", |frame| frame["data"]["score"] = json!(101)),
    ];
    for (name, make) in mistakes {
        let mut wrong = frames.clone();
        make(&mut wrong.get_mut(name).expect("it was seen")[0]);
        assert!(schemas::complaints(&schemas, &wrong).is_some_and(|said| said.contains(name)), "{name} is taken");
    }
}
