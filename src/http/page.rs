//! Which part of a list a request asks for: `?after=` the `next` of the page before, `?limit=` 1 to 100.
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::signal::ErrorCode;
use crate::signal::PageAsk;

/// The query of a list.
#[derive(Deserialize)]
pub(crate) struct Part {
    after: Option<String>,
    limit: Option<usize>,
}

/// As a handler takes it.
pub(crate) type PageQuery = Result<Query<Part>, QueryRejection>;

/// Reads it.
///
/// # Errors
///
/// `bad_request`
pub(crate) fn asked(query: PageQuery) -> Result<PageAsk, Problem> {
    let unreadable = |_| Problem::new(ErrorCode::BadRequest, "give after and limit, or nothing");
    let Query(Part { after, limit }) = query.map_err(unreadable)?;
    Ok(PageAsk { after, limit })
}
