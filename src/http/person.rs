//! What is kept about whoever asks, over REST.
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::PersonAsk;

/// `GET /v1/history/sessions`: one's own sessions that are over, the newest first.
pub(crate) async fn sessions(
    State(inner): State<Arc<Inner>>,
    page: PageQuery,
    headers: Head,
) -> Result<Response, Problem> {
    let identity = auth::identity(&inner, &headers).await?;
    let ask = PersonAsk::Sessions(page::asked(page)?);
    (inner.hooks.person)(identity.subject, ask).await.map(|told| body::reply(&told))
}
