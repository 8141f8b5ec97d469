//! What every request passes, whatever route it has: id, client address, budget, CORS, safe headers.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use tokio::time::Instant;
use tracing::debug;

use crate::admission::lies_in;
use crate::http::client_address;
use crate::http::client_address::Client;
use crate::http::cors;
use crate::http::problem::Problem;
use crate::http::request_id;
use crate::http::request_id::X_REQUEST_ID;
use crate::http::server::Arrival;
use crate::http::server::Inner;
use crate::http::server::Rules;
use crate::signal::ErrorCode;
use crate::trace;
use crate::trace::Cause;
use crate::trace::Span;

/// Which devices a page may use. W3C Permissions Policy.
pub(crate) const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// For what is no page: should a browser show it after all, nothing in it runs and nobody frames it.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Wraps all routes.
pub(crate) async fn edge(State(inner): State<Arc<Inner>>, mut request: Request<Body>, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (rules, begun) = (inner.rules(), Instant::now());
    let admitted = admit(&inner, &rules, &mut request);
    let span = if trace::is_on() { span(&rules, &request, &id) } else { Span::default() };
    let mut response = match admitted {
        Ok(()) => match cors::preflight(&request, &rules.origins) {
            Some(response) => response,
            None => span.follow(next.run(request)).await,
        },
        Err(response) => *response,
    };
    span.set("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.fail("server_error");
    }
    drop(span);
    inner.stats.count(response.status(), begun.elapsed());
    cors::open_to(origin.as_ref(), &rules.origins, response.headers_mut());
    harden(response.headers_mut());
    debug!(request = ?id, %method, path, status = response.status().as_u16(), "request answered");
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The span of a request; those who watch the node have none. The path is told as its route: in it may stand ids and signatures.
fn span(rules: &Rules, request: &Request<Body>, id: &HeaderValue) -> Span {
    if is_for_watchers(request.uri().path()) {
        return Span::default();
    }
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let client = request.extensions().get::<Client>();
    let cause = match (header(trace::TRACEPARENT), client) {
        (Some(parent), Some(client)) if lies_in(client.ip, &rules.parents_from) => {
            Cause::from_headers(parent, header(trace::TRACESTATE).unwrap_or_default())
        }
        (Some(_) | None, Some(_) | None) => Cause::default(),
    };
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = Span::of_request(name, &cause);
    span.set("http.request.method", method);
    span.set("http.route", route.unwrap_or_default().to_owned());
    span.set("duologue.request_id", id.to_str().unwrap_or_default().to_owned());
    span
}

/// A method of which there are few: clients make up others.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method == *known).unwrap_or("_OTHER")
}

/// Finds out who asks, and whether they may now.
fn admit(inner: &Inner, rules: &Rules, request: &mut Request<Body>) -> Result<(), Box<Response>> {
    let Some(arrival) = request.extensions().get::<Arrival>().copied() else {
        return Err(Box::new(Problem::internal("a request without a connection").into_response()));
    };
    let client = client_address::client(arrival.remote, request.headers(), &rules.trusted_proxies);
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
