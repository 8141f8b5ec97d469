//! The document: all operations, and what they have in common.
use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use utoipa::PartialSchema;
use utoipa::ToSchema;

use crate::http::contract::Operation;
use crate::http::problem::ProblemBody;

const ABOUT: &str = "Everything a 1:1 video chat needs from its server: identity, ICE servers, rooms, files, reports, \
    moderation. Calls, chat and matching go over the WebSocket at `/ws`, which `/asyncapi.json` tells of.\n\n\
    Errors are `application/problem+json` (RFC 9457) with a stable `code`. Times are Unix milliseconds, durations end in \
    `_ms`. Unknown members of a body are ignored. A plain listener beside a public one with TLS answers every path but \
    `/ws`, `/health` and `/metrics` with 308 to `https`.";

/// An OpenAPI document that grows.
pub(crate) struct Document {
    paths: BTreeMap<&'static str, Map<String, Value>>,
    schemas: BTreeMap<String, Value>,
}

impl Document {
    pub(super) fn new() -> Self {
        let mut document = Self { paths: BTreeMap::new(), schemas: BTreeMap::new() };
        let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
        ProblemBody::schemas(&mut schemas);
        for (name, schema) in schemas {
            document.name(name, json!(schema));
        }
        document
    }

    pub(super) fn add(&mut self, operation: &Operation) {
        for path in operation.paths() {
            let method = operation.method().as_str().to_ascii_lowercase();
            self.paths.entry(path).or_default().insert(method, operation.told_at(path));
        }
        for (name, schema) in operation.schemas() {
            self.name(name.clone(), json!(schema));
        }
    }

    /// As text, whose lines a reader and a comparison can follow.
    pub(crate) fn to_text(&self) -> String {
        let told = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Duologue",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            },
            "tags": [
                {"name": "identity", "description": "Who one is: guests, accounts, tokens"},
                {"name": "calls", "description": "What a call needs"},
                {"name": "rooms", "description": "Named places for several"},
                {"name": "files", "description": "Files of chat messages"},
                {"name": "people", "description": "Blocks and complaints"},
                {"name": "moderation", "description": "What moderators and admins do"},
                {"name": "operation", "description": "What those who run the server ask"},
            ],
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "headers": {
                    "x-request-id": {
                        "description": "The request's own id if it is harmless in logs, else a new one",
                        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
                    },
                    "retry-after": {
                        "description": "Seconds until the same request may succeed; missing where nobody knows",
                        "schema": {"type": "integer", "minimum": 0},
                    },
                    "www-authenticate": {"description": "RFC 6750", "schema": {"type": "string"}},
                },
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An access token: of `/v1/auth/*`, of a `hello`, or of the customer's own backend",
                    },
                },
            },
        });
        let mut text = serde_json::to_string_pretty(&told).unwrap_or_default();
        text.push('\n');
        text
    }

    fn name(&mut self, name: String, schema: Value) {
        debug_assert!(self.schemas.get(&name).is_none_or(|known| *known == schema), "two schemas are named {name}");
        self.schemas.insert(name, schema);
    }
}
