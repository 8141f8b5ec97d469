//! What is promised to clients: the documents in `docs/` are those that the program serves.
mod support;

use std::process::Command;

use serde_json::Value;
use support::Server;
use support::http;

fn printed(document: &str) -> String {
    let program = env!("CARGO_BIN_EXE_duologue");
    let output = Command::new(program).args(["contract", document]).output().expect("run the program");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn assert_kept(document: &str) {
    let path = format!("{}/docs/{document}.json", env!("CARGO_MANIFEST_DIR"));
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed(document), "{path} is old: cargo run -- contract {document} > docs/{document}.json");
}

#[test]
fn the_openapi_document_is_that_of_the_code() {
    assert_kept("openapi");
}

#[test]
fn the_asyncapi_document_is_that_of_the_code() {
    assert_kept("asyncapi");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_tells_what_it_answers() {
    let document: Value = serde_json::from_str(&printed("openapi")).expect("JSON");
    let mut names = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let statuses: Vec<&String> = operation["responses"].as_object().expect("responses").keys().collect();
            assert!(statuses.iter().any(|status| status.as_str() < "400"), "{method} {path}: {statuses:?}");
            names.push(operation["operationId"].as_str().expect("a name"));
            let needs_token = operation["security"] == serde_json::json!([{"bearer": []}]);
            assert_eq!(
                needs_token,
                statuses.iter().any(|status| *status == "401") && operation["x-roles"][0] != "none"
            );
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two operations of one name");
    assert!(count > 60, "only {count} operations");
}

#[test]
fn the_documents_are_served_to_everybody() {
    let server = Server::start("");
    for document in ["openapi", "asyncapi"] {
        let reply = http::request(server.addr("http"), &format!("GET /{document}.json"), &[], b"");
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        assert_eq!(String::from_utf8(reply.body).expect("UTF-8"), printed(document));
    }
}

#[test]
fn the_page_that_shows_them_runs_nothing_but_its_own_files() {
    let server = Server::start("");
    let page = http::request(server.addr("http"), "GET /docs", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let text = String::from_utf8(page.body).expect("UTF-8");
    for forbidden in ["style=", "onclick=", "http://", "https://"] {
        assert!(!text.contains(forbidden), "it has {forbidden}");
    }
}
