//! Complaints over REST. Rules 39 and 40.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use serde_json::Value;

use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::ReportFields;
use crate::signal::ReportSubmit;
use crate::signal::view::ReportTakenView;

pub(super) fn routes(table: Table) -> Table {
    table.on(
        Operation::new(
            Method::POST,
            "/v1/reports",
            "people",
            "submitReport",
            "Complains about the other side of a session",
        )
        .about("What proves it is frozen. The session ends if it is live and `block` is not false.")
        .also_at(&["/reports"])
        .by(Who::User)
        .takes::<ReportFields>()
        .gives::<ReportTakenView>(StatusCode::CREATED, "The report is taken")
        .refuses(ErrorCode::NotInSession, "the session is not one's own, unknown or long over")
        .refuses(ErrorCode::Conflict, "one has reported this session before")
        .refuses(ErrorCode::RateLimited, "too many reports"),
        submit,
    )
}

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
