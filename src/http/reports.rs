//! Complaints over REST. Rules 39 and 40.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use serde_json::Value;

use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ReportSubmit;

/// `POST /v1/reports`: like `report.submit`.
pub(crate) async fn submit(State(inner): State<Arc<Inner>>, headers: Head, body: Body) -> Result<Response, Problem> {
    let identity = auth::identity(&inner, &headers).await?;
    let request: Value = body::read(&headers, body).await?;
    let report = ReportSubmit::parse(&request.to_string())?;
    let told = (inner.hooks.report)(identity.subject, report).await?;
    let mut response = body::reply(&told);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
