//! What the WebSocket promises: every message with its schema, served at `/asyncapi.json`. AsyncAPI 3.0.
//!
//! The schemas are those of the types that are read and written.
mod document;
mod message;
mod pushes;
mod requests;

use std::sync::LazyLock;

/// The document as text.
static ASYNCAPI: LazyLock<String> = LazyLock::new(|| document::told(&requests::requests(), &pushes::pushes()));

/// What the WebSocket promises, as an AsyncAPI 3.0 document in JSON.
pub fn asyncapi() -> &'static str {
    &ASYNCAPI
}
