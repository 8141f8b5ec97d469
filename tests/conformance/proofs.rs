//! Looks the tests up that statements name as their proof.
use std::path::Path;

use crate::statement::Proof;
use crate::statement::Statement;

/// What is wrong with the proofs of these statements.
pub fn missing(statements: &[&Statement]) -> Vec<String> {
    let mut missing = Vec::new();
    for statement in statements {
        if matches!(statement.proof, Proof::Told) && statement.also.is_empty() {
            missing.push(format!("{}: nothing shows it", statement.number));
        }
        for proof in statement.also {
            if !is_test(proof) {
                missing.push(format!("{}: no such test: {proof}", statement.number));
            }
        }
    }
    missing
}

/// `path::name`: whether the file has a function of that name which is marked as a test.
fn is_test(proof: &str) -> bool {
    let Some((file, name)) = proof.split_once("::") else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let Ok(source) = std::fs::read_to_string(path) else { return false };
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    // Attributes stand between the end of what is before and the function.
    let before = source[..at].rsplit_once("\n\n").map_or(&source[..at], |(_, head)| head);
    before.contains("#[test]") || before.contains("#[tokio::test")
}

#[test]
fn a_proof_that_is_no_test_is_missing() {
    assert!(is_test("tests/conformance/proofs.rs::a_proof_that_is_no_test_is_missing"));
    assert!(!is_test("tests/conformance/proofs.rs::is_test"));
    assert!(!is_test("tests/conformance/proofs.rs::nothing"));
    assert!(!is_test("tests/conformance/nowhere.rs::is_test"));
}
