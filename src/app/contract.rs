//! What the server promises to clients, as documents.
use crate::http;

/// What REST promises: OpenAPI 3.1 in JSON, the same that `/openapi.json` serves.
pub fn openapi() -> &'static str {
    http::openapi()
}
