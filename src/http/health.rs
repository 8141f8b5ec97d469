//! What outside tools ask: alive, ready, numbers.
use std::sync::Arc;

use axum::extract::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::http::body;
use crate::http::client_address::Client;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::moderation::Named;
use crate::http::moderation::name;
use crate::http::problem::Problem;
use crate::http::server::Arrival;
use crate::http::server::Inner;
use crate::signal::ErrorCode;

/// That all is well.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

pub(super) fn routes(table: Table) -> Table {
    let get = |path, id, summary| Operation::new(Method::GET, path, "operation", id, summary).unlimited();
    table
        .on(
            get("/health", "showHealth", "Answers while the process lives").gives::<Health>(StatusCode::OK, "It lives"),
            alive,
        )
        .on(
            get("/health/ready", "showReadiness", "Whether new clients should come here")
                .gives::<Health>(StatusCode::OK, "They should")
                .refuses(ErrorCode::Unavailable, "they should not; `check` names what fails"),
            ready,
        )
        .on(
            get("/metrics", "showMetrics", "The numbers of this node, for Prometheus")
                .gives_content(
                    StatusCode::OK,
                    "The samples",
                    &["application/openmetrics-text; version=1.0.0; charset=utf-8"],
                    json!({}),
                )
                .refuses(ErrorCode::NotFound, "they are served on another listener"),
            metrics,
        )
        .on(
            Operation::new(
                Method::GET,
                "/.well-known/acme-challenge/{token}",
                "operation",
                "showCertificateChallenge",
                "That the name is the server's own, for the authority that gives its certificate",
            )
            .gives_content(StatusCode::OK, "The answer to the challenge", &["application/octet-stream"], json!({}))
            .refuses(ErrorCode::NotFound, "there is no such challenge"),
            acme_challenge,
        )
}

/// `GET /health`: answers while the process lives.
pub(crate) async fn alive() -> Response {
    body::reply(&Health { status: "ok" })
}

/// `GET /health/ready`: whether new clients should come here.
pub(crate) async fn ready(State(inner): State<Arc<Inner>>) -> Response {
    if inner.is_draining() {
        return Problem::not_ready("draining").into_response();
    }
    match (inner.hooks.ready)() {
        Ok(()) => body::reply(&Health { status: "ok" }),
        Err(check) => Problem::not_ready(check).into_response(),
    }
}

/// `GET /.well-known/acme-challenge/{token}`: what an authority asks to check a name of ours. RFC 8555 §8.3.
pub(crate) async fn acme_challenge(State(inner): State<Arc<Inner>>, token: Named) -> Response {
    let Ok(token) = name(token) else {
        return Problem::new(ErrorCode::BadRequest, "the path is not UTF-8").into_response();
    };
    match inner.hooks.challenge.as_ref().and_then(|answer| answer(&token)) {
        Some(answer) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], answer).into_response()
        }
        None => Problem::new(ErrorCode::NotFound, "no authority is expected to ask for that").into_response(),
    }
}

/// `GET /metrics`, where it is served; elsewhere it does not exist.
///
/// What a proxy passes on comes from outside, whatever listener it arrives at.
pub(crate) async fn metrics(
    State(inner): State<Arc<Inner>>,
    Extension(arrival): Extension<Arrival>,
    Extension(client): Extension<Client>,
) -> Response {
    if !arrival.metrics || client.forwarded {
        return Problem::new(ErrorCode::NotFound, "metrics are not served here").into_response();
    }
    let page = (inner.hooks.metrics)();
    let mut response = page.text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
