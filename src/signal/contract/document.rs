//! The document: the channel, all messages, and who sends them.
use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::signal::contract::message::Data;
use crate::signal::contract::message::NamedSchema;
use crate::signal::contract::message::Push;
use crate::signal::contract::message::Request;
use crate::signal::contract::message::reference;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorBody;
use crate::signal::protocol::ErrorCode;
use crate::signal::view::live::DoneView;

const ABOUT: &str = "Calls, chat, rooms and matching go over one WebSocket; everything else is REST, which `/openapi.json` tells \
    of.\n\nOne JSON object per text frame. A request with an `id` gets exactly one reply, `ok` or `error`, before the pushes that it \
    causes; without one a refusal is not told, except to `hello`. Unknown members are ignored. `seq` counts the pushes that are \
    never dropped. Times are Unix milliseconds, durations end in `_ms`.\n\nAsyncAPI speaks from the side of the server: it *receives* \
    what clients say and *sends* the rest.";
const CHANNEL: &str = "The subprotocol `duologue.v1` has to be asked for. The `Origin` of a page has to be one that is allowed; a client \
    without one sends an Authorization header. Tokens never stand in the URL. Frames have at most 65,536 bytes, 8,192 before `hello`, \
    and a depth of 16. The server pings every 25 s and closes after 10 s of silence.";
/// The greatest integer that every JSON implementation keeps exact.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Writes the document, whose lines a reader and a comparison can follow.
pub(super) fn told(requests: &[Request], pushes: &[Push]) -> String {
    let mut document = Document::default();
    for request in requests {
        document.add_request(request);
    }
    for push in pushes {
        document.add_push(push);
    }
    document.add_error();
    let mut text = serde_json::to_string_pretty(&document.whole()).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Default)]
struct Document {
    messages: Map<String, Value>,
    operations: Map<String, Value>,
    schemas: BTreeMap<String, Value>,
}

impl Document {
    fn add_request(&mut self, request: &Request) {
        let Request { kind, summary, about, data, ok, .. } = request;
        self.name(&data.schemas);
        let id = json!({"type": "integer", "minimum": 0, "maximum": EXACT_MAX, "description": "Repeated by the reply as `re`"});
        let payload = json!({
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"const": kind}, "id": id, "data": data.schema},
        });
        let example = json!({"type": kind, "id": 7, "data": read(&data.example)});
        let mut message = message(kind, summary, payload, example);
        if !about.is_empty() {
            message["description"] = json!(about);
        }
        message["correlationId"] = json!({"location": "$message.payload#/id"});
        message["x-error-codes"] = request.codes().collect();
        let key = format!("client.{kind}");
        self.messages.insert(key.clone(), message);
        let reply = match ok {
            Some(ok) => self.add_ok(kind, ok),
            None => self.add_bare_ok(),
        };
        let operation = json!({
            "action": "receive",
            "summary": summary,
            "channel": {"$ref": "#/channels/socket"},
            "messages": [of_channel(&key)],
            "reply": {"channel": {"$ref": "#/channels/socket"}, "messages": [of_channel(&reply), of_channel("server.error")]},
        });
        self.operations.insert(key, operation);
    }

    fn add_ok(&mut self, kind: &str, ok: &Data) -> String {
        self.name(&ok.schemas);
        let key = format!("server.ok.{kind}");
        let told = reply("ok", &format!("The ok of `{kind}`"), "data", &ok.schema, &read(&ok.example));
        self.messages.insert(key.clone(), told);
        key
    }

    fn add_bare_ok(&mut self) -> String {
        let mut schemas = Vec::new();
        let schema = reference::<DoneView>(&mut schemas);
        self.name(&schemas);
        let key = "server.ok".to_owned();
        self.messages.insert(key.clone(), reply("ok", "An ok that says nothing more", "data", &schema, &json!({})));
        key
    }

    fn add_error(&mut self) {
        let mut schemas = Vec::new();
        let schema = reference::<ErrorBody<'_>>(&mut schemas);
        self.name(&schemas);
        let example =
            json!({"code": "rate_limited", "message": "too many messages", "retryable": true, "retry_after_ms": 900});
        let told = reply("error", "A request is refused", "error", &schema, &example);
        self.messages.insert("server.error".to_owned(), told);
    }

    fn add_push(&mut self, push: &Push) {
        let Push { kind, summary, data } = push;
        self.name(&data.schemas);
        let (kind, is_sequenced) = (kind.as_str(), kind.is_sequenced());
        let mut properties = json!({
            "type": {"const": kind},
            "ts": {"type": "integer", "minimum": 0, "description": "When it was said"},
            "data": data.schema,
        });
        let mut required = vec!["type", "ts", "data"];
        let mut example = json!({"type": kind, "ts": 1_763_630_000_123_u64, "data": read(&data.example)});
        if is_sequenced {
            properties["seq"] = json!({"type": "integer", "minimum": 1, "description": "Counts without holes"});
            required.push("seq");
            example["seq"] = json!(12);
        }
        let payload = json!({"type": "object", "required": required, "properties": properties});
        let key = format!("server.{kind}");
        self.messages.insert(key.clone(), message(kind, summary, payload, example));
        let operation = json!({
            "action": "send",
            "summary": summary,
            "channel": {"$ref": "#/channels/socket"},
            "messages": [of_channel(&key)],
        });
        self.operations.insert(key, operation);
    }

    fn name(&mut self, schemas: &[NamedSchema]) {
        for (name, schema) in schemas {
            let schema = json!(schema);
            debug_assert!(self.schemas.get(name).is_none_or(|known| *known == schema), "two schemas are named {name}");
            self.schemas.insert(name.clone(), schema);
        }
    }

    fn whole(self) -> Value {
        let of_channel =
            self.messages.keys().map(|key| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")})));
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Duologue",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": {"name": "MIT OR Apache-2.0"},
            },
            "defaultContentType": "application/json",
            "servers": {
                "node": {
                    "host": "{host}",
                    "protocol": "wss",
                    "description": "A node; `ws` without TLS",
                    "variables": {"host": {"default": "localhost", "description": "Its name, and its port if that is not 443"}},
                    "security": [{"$ref": "#/components/securitySchemes/bearer"}],
                },
            },
            "channels": {
                "socket": {
                    "address": "/ws",
                    "title": "duologue.v1",
                    "description": CHANNEL,
                    "messages": Value::Object(of_channel.collect()),
                    "bindings": {"ws": {"method": "GET", "headers": handshake(), "bindingVersion": "0.1.0"}},
                    "x-subprotocol": "duologue.v1",
                    "x-close-codes": CloseCode::ALL.map(close_code),
                    "x-error-codes": ErrorCode::ALL.map(|code| json!({"code": code.as_str(), "retryable": code.is_retryable()})),
                },
            },
            "operations": self.operations,
            "components": {
                "messages": self.messages,
                "schemas": self.schemas,
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An access token in the upgrade's Authorization header; `hello` may bring it instead",
                    },
                },
            },
        })
    }
}

fn message(name: &str, summary: &str, payload: Value, example: Value) -> Value {
    json!({
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "payload": payload,
        "examples": [{"payload": example}],
    })
}

fn reply(kind: &str, summary: &str, member: &str, schema: &Value, example: &Value) -> Value {
    let re = json!({"type": "integer", "minimum": 0, "maximum": EXACT_MAX, "description": "The `id` of the request, if it had one"});
    let payload = json!({
        "type": "object",
        "required": ["type", member],
        "properties": {"type": {"const": kind}, "re": re, member: schema},
    });
    let mut told = message(kind, summary, payload, json!({"type": kind, "re": 7, member: example}));
    told["correlationId"] = json!({"location": "$message.payload#/re"});
    told
}

fn of_channel(key: &str) -> Value {
    json!({"$ref": format!("#/channels/socket/messages/{key}")})
}

fn handshake() -> Value {
    json!({
        "type": "object",
        "required": ["Sec-WebSocket-Protocol"],
        "properties": {
            "Sec-WebSocket-Protocol": {"type": "string", "description": "`duologue.v1`, perhaps among others"},
            "Origin": {"type": "string", "description": "Of a page; compared by scheme, host and port"},
            "Authorization": {"type": "string", "pattern": "^[Bb]earer "},
        },
    })
}

fn close_code(code: CloseCode) -> Value {
    json!({"code": code.as_u16(), "reason": code.reason(), "terminal": code.is_terminal()})
}

fn read(example: &str) -> Value {
    serde_json::from_str(example).expect("examples are JSON, which a test reads")
}
