//! The head of a request: its headers, and where it comes from.
use std::ops::Deref;

use axum::extract::FromRequestParts;
use hyper::HeaderMap;
use hyper::http::request::Parts;

use crate::http::client_address::Client;
use crate::http::problem::Problem;

/// What is known of a request before its body is read.
#[derive(Debug)]
pub(crate) struct Head {
    /// Who sends it, as far as trusted proxies tell.
    pub(crate) client: Client,
    headers: HeaderMap,
}

impl Deref for Head {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.headers
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Head {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Client>().copied();
        let client = client.ok_or_else(|| Problem::internal("a request without an address"))?;
        Ok(Self { client, headers: parts.headers.clone() })
    }
}
