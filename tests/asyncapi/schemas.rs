//! Judges JSON by the schemas of a document, closed: what they do not name is a mistake, too.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The one that `make test` sets up with `tests/requirements.txt`.
const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/check-jsonschema");

/// A schema with everything that it refers to in it, in which no object may have members that nothing tells of.
///
/// Whatever stands in an `allOf` stays open: its members are one object, which is closed as a whole.
pub(super) fn closed(schema: &Value, document: &Value) -> Value {
    inlined(schema, document, true)
}

fn inlined(schema: &Value, document: &Value, closes: bool) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let place = reference.strip_prefix('#').expect("a reference within the document");
        let target = document.pointer(place).unwrap_or_else(|| panic!("{reference} is not there"));
        return inlined(target, document, closes);
    }
    let Some(members) = schema.as_object() else { return schema.clone() };
    let mut told = Map::new();
    for (name, value) in members {
        let value = match (name.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let each = properties.iter().map(|(name, schema)| (name.clone(), inlined(schema, document, true)));
                Value::Object(each.collect())
            }
            ("items", schema) => inlined(schema, document, true),
            ("allOf", Value::Array(parts)) => parts.iter().map(|part| inlined(part, document, false)).collect(),
            ("oneOf", Value::Array(parts)) => parts.iter().map(|part| inlined(part, document, closes)).collect(),
            // Of no meaning to the judge.
            ("default" | "description", _) => continue,
            ("$defs" | "anyOf" | "if" | "not" | "patternProperties" | "prefixItems", _) => {
                panic!("{name} is not expected")
            }
            _ => value.clone(),
        };
        told.insert(name.clone(), value);
    }
    let is_object = told.get("type") == Some(&json!("object")) || told.contains_key("allOf");
    if closes && is_object && !told.contains_key("additionalProperties") {
        told.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(told)
}

/// What is wrong with samples, by what they are samples of; nothing if all fit their schemas.
pub(super) fn complaints(schemas: &BTreeMap<String, Value>, samples: &BTreeMap<String, Vec<Value>>) -> Option<String> {
    assert!(Path::new(JUDGE).exists(), "{JUDGE} is missing: make test makes it");
    let lists: Map<String, Value> =
        schemas.iter().map(|(name, schema)| (name.clone(), json!({"type": "array", "items": schema}))).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": lists,
        "additionalProperties": false,
    });
    let place = tempfile::tempdir().expect("a directory");
    let (judging, judged) = (place.path().join("schema.json"), place.path().join("samples.json"));
    fs::write(&judging, schema.to_string()).expect("written");
    fs::write(&judged, json!(samples).to_string()).expect("written");
    let output = Command::new(JUDGE).arg("--schemafile").arg(&judging).arg(&judged).output().expect("run the judge");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    match output.status.code() {
        Some(0) => None,
        Some(1) if said.contains("Schema validation errors") => Some(said),
        _ => panic!("not judged: {said}"),
    }
}
