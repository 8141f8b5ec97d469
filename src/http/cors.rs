//! Cross-origin requests: the WebSocket's origins may call REST too, without credentials. Rule 42.
use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;

use crate::http::origin::Origins;
use crate::http::problem::Problem;
use crate::signal::ErrorCode;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, x-request-id");
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("idempotency-replayed, retry-after, x-request-id");
/// Seconds a browser may remember a preflight answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The answer to a preflight request, if it is one.
pub(crate) fn preflight(request: &Request<Body>, origins: &Origins) -> Option<Response> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = headers.get(header::ORIGIN)?;
    if !origins.allow(origin) {
        return Some(Problem::new(ErrorCode::Forbidden, "this origin is not allowed").into_response());
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// Lets a page of an allowed origin read the response; `origin` is the request's.
pub(crate) fn open_to(origin: Option<&HeaderValue>, origins: &Origins, response: &mut HeaderMap) {
    response.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|origin| origins.allow(origin)) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
