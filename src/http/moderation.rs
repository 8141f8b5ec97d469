//! What moderators and admins do, over REST: reports, bans, the audit. Rules 18, 39 and 40.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::extract::rejection::QueryRejection;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::token::Subject;
use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::BanRequest;
use crate::signal::DecisionRequest;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;

pub(crate) type Shared = State<Arc<Inner>>;
pub(crate) type Named = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
pub(crate) struct ReportPage {
    state: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct BanPage {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct AuditPage {
    /// The `next` of the page before, as in other lists; `before` is its older name.
    #[serde(alias = "after")]
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Remark {
    text: String,
}

/// `GET /v1/reports`: the open ones first.
pub(crate) async fn reports(
    State(inner): Shared,
    page: Result<Query<ReportPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let ReportPage { state, after, limit } = part(page, "give state, after and limit, or nothing")?;
    ask(&inner, by, ModerationAsk::Reports { state, after, limit }).await
}

/// `GET /v1/reports/{id}`: with what proves it, and notes.
pub(crate) async fn report(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Report { report: name(id)? }).await
}

/// `POST /v1/reports/{id}/claim`
pub(crate) async fn claim(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Claim { report: name(id)? }).await
}

/// `DELETE /v1/reports/{id}/claim`
pub(crate) async fn release(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Release { report: name(id)? }).await
}

/// `POST /v1/reports/{id}/notes`
pub(crate) async fn note(State(inner): Shared, id: Named, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let report = name(id)?;
    let Remark { text } = body::read(&headers, body).await?;
    ask(&inner, by, ModerationAsk::Note { report, text }).await.map(created)
}

/// `PUT /v1/reports/{id}/hold`: keeps it whatever its age.
pub(crate) async fn hold(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Hold { report: name(id)?, is_held: true }).await
}

/// `DELETE /v1/reports/{id}/hold`
pub(crate) async fn unhold(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Hold { report: name(id)?, is_held: false }).await
}

/// `POST /v1/reports/{id}/decision`
pub(crate) async fn decide(State(inner): Shared, id: Named, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let report = name(id)?;
    let request: Value = body::read(&headers, body).await?;
    let decision = DecisionRequest::parse(&request.to_string())?;
    ask(&inner, by, ModerationAsk::Decide { report, decision }).await
}

/// `POST /reports/moderate`: the same with the report in the body (rule 18).
pub(crate) async fn moderate(State(inner): Shared, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let request: Value = body::read(&headers, body).await?;
    let report = ["reportId", "report"].into_iter().find_map(|name| request.get(name)?.as_str());
    let report = report.ok_or(Problem::new(ErrorCode::BadRequest, "reportId is missing"))?.to_owned();
    let decision = DecisionRequest::parse(&request.to_string())?;
    ask(&inner, by, ModerationAsk::Decide { report, decision }).await
}

/// `GET /v1/bans`: those in force, the newest first.
pub(crate) async fn bans(
    State(inner): Shared,
    page: Result<Query<BanPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let BanPage { after, limit } = part(page, "give after and limit, or nothing")?;
    ask(&inner, by, ModerationAsk::Bans { after, limit }).await
}

/// `POST /v1/bans`
pub(crate) async fn ban(State(inner): Shared, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let request: Value = body::read(&headers, body).await?;
    let ban = BanRequest::parse(&request.to_string())?;
    ask(&inner, by, ModerationAsk::Ban(ban)).await.map(created)
}

/// `DELETE /v1/bans/{id}`
pub(crate) async fn lift(State(inner): Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    ask(&inner, by, ModerationAsk::Lift { ban: name(id)? }).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/admin/audit`: what moderators and admins did, the last first.
pub(crate) async fn audit(
    State(inner): Shared,
    page: Result<Query<AuditPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = staff(&inner, &headers).await?;
    let AuditPage { before, limit } = part(page, "give before and limit, or nothing")?;
    ask(&inner, by, ModerationAsk::Audit { before, limit }).await
}

/// Whoever asks, if it has any rights over others. Which of them is the hub's to say.
pub(crate) async fn staff(inner: &Inner, headers: &Head) -> Result<Subject, Problem> {
    let subject = auth::identity(inner, headers).await?.subject;
    if !subject.role.is_staff() {
        return Err(Problem::new(ErrorCode::Forbidden, "your role does not give this right"));
    }
    Ok(subject)
}

pub(crate) async fn ask(inner: &Inner, by: Subject, ask: ModerationAsk) -> Result<Response, Problem> {
    (inner.hooks.moderation)(by, ask).await.map(|told| body::reply(&told))
}

pub(crate) fn name(path: Named) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|_| Problem::new(ErrorCode::BadRequest, "the path is not UTF-8"))
}

pub(crate) fn part<T>(page: Result<Query<T>, QueryRejection>, expected: &'static str) -> Result<T, Problem> {
    page.map(|Query(part)| part).map_err(|_| Problem::new(ErrorCode::BadRequest, expected))
}

fn created(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    response
}
