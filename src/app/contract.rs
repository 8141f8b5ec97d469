//! What the server promises to clients, as documents.
use crate::http;
use crate::signal;

/// What REST promises: OpenAPI 3.1 in JSON, the same that `/openapi.json` serves.
pub fn openapi() -> &'static str {
    http::openapi()
}

/// What the WebSocket promises: AsyncAPI 3.0 in JSON, the same that `/asyncapi.json` serves.
pub fn asyncapi() -> &'static str {
    signal::asyncapi()
}
