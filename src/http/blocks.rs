//! Whom a user keeps away, over REST. Rule 39.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::StatusCode;
use serde_json::Value;

use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::BlockAsk;
use crate::signal::BlockTarget;

/// `GET /v1/blocks`: the ids of the blocks, the newest first.
pub(crate) async fn list(State(inner): State<Arc<Inner>>, page: PageQuery, headers: Head) -> Result<Response, Problem> {
    ask(&inner, &headers, BlockAsk::List(page::asked(page)?)).await.map(|blocks| body::reply(&blocks))
}

/// `POST /v1/blocks`: keeps a user, or the other side of a session, away for good.
pub(crate) async fn add(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let request: Value = body::read(&headers, body).await?;
    let target = BlockTarget::parse(&request.to_string())?;
    ask(&inner, &headers, BlockAsk::Add(target)).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /v1/blocks/{id}`: takes a block back.
pub(crate) async fn remove(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    headers: Head,
) -> Result<Response, Problem> {
    ask(&inner, &headers, BlockAsk::Remove(id)).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

async fn ask(inner: &Inner, headers: &Head, ask: BlockAsk) -> Result<Value, Problem> {
    let identity = auth::identity(inner, headers).await?;
    (inner.hooks.blocks)(identity.subject, ask).await
}
