//! All routes, and what is told of them.
use std::sync::Arc;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::middleware;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use utoipa::ToSchema;

use crate::http::accounts;
use crate::http::admin;
use crate::http::appeals;
use crate::http::auth;
use crate::http::blocks;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::edge::edge;
use crate::http::events;
use crate::http::files;
use crate::http::health;
use crate::http::idempotency::idempotency;
use crate::http::moderation;
use crate::http::pages;
use crate::http::person;
use crate::http::problem::Problem;
use crate::http::public;
use crate::http::reports;
use crate::http::rooms;
use crate::http::server::Inner;
use crate::http::upgrade;
use crate::signal;

/// A document about the server, in a form of its own.
#[derive(ToSchema)]
#[schema(as = Contract)]
struct ContractShape {}

/// What `/openapi.json` serves.
static OPENAPI: LazyLock<String> = LazyLock::new(|| table().into_parts().1.to_text());

/// Builds the router.
pub(crate) fn routes(inner: Arc<Inner>) -> Router {
    let (router, _) = table().into_parts();
    router
        .fallback(pages::page)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&inner), idempotency))
        .layer(middleware::from_fn_with_state(Arc::clone(&inner), edge))
        .with_state(inner)
}

/// All that is served beside pages. Each module brings its own operations along.
fn table() -> Table {
    let operations = [
        upgrade::routes,
        health::routes,
        auth::routes,
        accounts::routes,
        public::routes,
        rooms::routes,
        blocks::routes,
        reports::routes,
        moderation::routes,
        appeals::routes,
        admin::routes,
        person::routes,
        events::routes,
        files::routes,
        contract,
    ];
    operations.into_iter().fold(Table::new(), |table, add: fn(Table) -> Table| add(table))
}

/// What REST promises, as an OpenAPI 3.1 document in JSON.
pub fn openapi() -> &'static str {
    &OPENAPI
}

fn contract(table: Table) -> Table {
    let document = |path, id, summary| {
        let operation = Operation::new(Method::GET, path, "operation", id, summary);
        operation.gives::<ContractShape>(StatusCode::OK, "The document")
    };
    table
        .on(document("/openapi.json", "showContract", "This document"), show_contract)
        .on(document("/asyncapi.json", "showMessages", "What goes over the WebSocket, as AsyncAPI 3.0"), show_messages)
}

async fn show_contract() -> Response {
    json_document(openapi())
}

async fn show_messages() -> Response {
    json_document(signal::asyncapi())
}

fn json_document(text: &'static str) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn wrong_method() -> Response {
    Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, "this address knows other methods").into_response()
}
