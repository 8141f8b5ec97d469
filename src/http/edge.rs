//! What every request passes, whatever route it has: id, client address, budget, CORS, safe headers.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Request;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use tokio::time::Instant;
use tracing::debug;

use crate::http::client_address;
use crate::http::cors;
use crate::http::problem::Problem;
use crate::http::request_id;
use crate::http::request_id::X_REQUEST_ID;
use crate::http::server::Arrival;
use crate::http::server::Inner;
use crate::signal::ErrorCode;

/// Which devices a page may use. W3C Permissions Policy.
pub(crate) const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// For what is no page: should a browser show it after all, nothing in it runs and nobody frames it.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Wraps all routes.
pub(crate) async fn edge(State(inner): State<Arc<Inner>>, mut request: Request<Body>, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match admit(&inner, &mut request) {
        Ok(()) => match cors::preflight(&request, &inner.origins) {
            Some(response) => response,
            None => next.run(request).await,
        },
        Err(response) => *response,
    };
    cors::open_to(origin.as_ref(), &inner.origins, response.headers_mut());
    harden(response.headers_mut());
    debug!(request = ?id, %method, path, status = response.status().as_u16(), "request answered");
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Finds out who asks, and whether they may now.
fn admit(inner: &Inner, request: &mut Request<Body>) -> Result<(), Box<Response>> {
    let Some(arrival) = request.extensions().get::<Arrival>().copied() else {
        return Err(Box::new(Problem::internal("a request without a connection").into_response()));
    };
    let client = client_address::client(arrival.remote, request.headers(), &inner.trusted_proxies);
    request.extensions_mut().insert(client);
    // Whoever watches the node must not be told that it is ill because it asked too often.
    if !is_for_watchers(request.uri().path()) {
        inner.requests.take(client.ip, Instant::now()).map_err(|wait| {
            Box::new(Problem::rate_limited("too many requests from this address", wait).into_response())
        })?;
    }
    if arrival.https_only && !arrival.secure && !is_for_programs(request.uri().path()) {
        return Err(Box::new(to_https(inner, arrival.local.port(), request)));
    }
    Ok(())
}

fn is_for_watchers(path: &str) -> bool {
    matches!(path, "/health" | "/health/ready" | "/metrics")
}

/// Programs know what they connect to and follow no redirect; pages are sent to where cameras work.
fn is_for_programs(path: &str) -> bool {
    path == "/ws" || path.starts_with("/.well-known/acme-challenge/") || is_for_watchers(path)
}

/// Sends a client that forgot TLS to the same place with it; the host is ours, never the request's.
fn to_https(inner: &Inner, port: u16, request: &Request<Body>) -> Response {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    match HeaderValue::from_str(&format!("https://{}{port}{target}", inner.url_host)) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => Problem::new(ErrorCode::BadRequest, "use https").into_response(),
    }
}

fn harden(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(DATA_POLICY);
}
