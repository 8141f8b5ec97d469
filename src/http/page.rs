//! Which part of a list a request asks for: `?after=` the `next` of the page before, `?limit=` 1 to 100.
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::problem::Problem;
use crate::signal::ErrorCode;
use crate::signal::PageAsk;

/// The query of a list.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Part {
    /// The `next` of the page before.
    #[param(nullable = false, pattern = r"^[0-9]{1,15}\..*$")]
    after: Option<String>,
    /// Entries, at most; 100 unless said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
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
