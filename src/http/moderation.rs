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
use hyper::Method;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::schema::Object;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::schema::Schema;

use crate::auth::token::Subject;
use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::BanFields;
use crate::signal::BanRequest;
use crate::signal::DecisionFields;
use crate::signal::DecisionRequest;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;
use crate::signal::view::BanView;
use crate::signal::view::BansView;
use crate::signal::view::DeedsView;
use crate::signal::view::NoteView;
use crate::signal::view::ReportView;
use crate::signal::view::ReportsView;
use crate::signal::view::WholeReportView;
use crate::signal::words;

pub(crate) type Shared = State<Arc<Inner>>;
pub(crate) type Named = Result<Path<String>, PathRejection>;

#[derive(Deserialize, IntoParams)]
pub(crate) struct ReportPage {
    /// Which; all unless said.
    #[param(schema_with = states, required = false)]
    state: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false, pattern = r"^(o\.[0-9]{1,2}|d)\.[0-9]{1,15}\.[!-~]+$")]
    after: Option<String>,
    /// Reports, at most; 20 unless said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct BanPage {
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// Bans, at most; 20 unless said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct AuditPage {
    /// The `next` of the page before, as in other lists; `before` is its older name.
    #[serde(alias = "after")]
    #[param(nullable = false, format = "uint64")]
    before: Option<u64>,
    /// Deeds, at most; 20 unless said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// What a moderator has to say of a report.
#[derive(Deserialize, ToSchema)]
#[schema(as = NoteRequest)]
struct Remark {
    #[schema(min_length = 1, max_length = 2000, pattern = "[!-~]")]
    text: String,
}

/// A decision that names its report.
struct NamedDecision;

impl PartialSchema for NamedDecision {
    fn schema() -> RefOr<Schema> {
        let report = ObjectBuilder::new().property("reportId", String::schema()).required("reportId");
        AllOfBuilder::new().item(DecisionFields::schema()).item(report).into()
    }
}

impl ToSchema for NamedDecision {}

fn states() -> Object {
    words(["open", "decided", "all"])
}

pub(super) fn routes(table: Table) -> Table {
    const REPORT: &str = "/v1/reports/{id}";
    const CLAIM: &str = "/v1/reports/{id}/claim";
    const HOLD: &str = "/v1/reports/{id}/hold";
    let operation = |method, path, id, summary| Operation::new(method, path, "moderation", id, summary);
    let by_staff = |method, path, id, summary| operation(method, path, id, summary).by(Who::Staff);
    let on_report = |method, path, id, summary| {
        by_staff(method, path, id, summary).refuses(ErrorCode::NotFound, "there is no such report")
    };
    let on_open = |operation: Operation| {
        operation
            .refuses(ErrorCode::Forbidden, "one is part of this report")
            .refuses(ErrorCode::Conflict, "the report is decided, or another moderator works on it")
    };
    let decision = |operation: Operation| {
        on_open(operation)
            .gives::<ReportView>(StatusCode::OK, "The report; what follows is in force")
            .refuses(ErrorCode::Conflict, "no device or no address is known of whom it is about")
    };
    table
        .on(
            by_staff(Method::GET, "/v1/reports", "listReports", "Reports, the open ones first")
                .also_at(&["/reports"])
                .asks::<ReportPage>()
                .gives::<ReportsView>(StatusCode::OK, "A page of them"),
            reports,
        )
        .on(
            on_report(Method::GET, REPORT, "showReport", "A report with what proves it, and notes")
                .about("That it was looked at goes into the audit.")
                .gives::<WholeReportView>(StatusCode::OK, "The report"),
            report,
        )
        .on(
            on_open(on_report(
                Method::POST,
                CLAIM,
                "claimReport",
                "To work on a report, so that others leave it alone",
            ))
            .gives::<ReportView>(StatusCode::OK, "The report"),
            claim,
        )
        .on(
            on_open(on_report(Method::DELETE, CLAIM, "releaseReport", "To leave a report to others again"))
                .gives::<ReportView>(StatusCode::OK, "The report"),
            release,
        )
        .on(
            on_report(Method::POST, "/v1/reports/{id}/notes", "noteReport", "A remark for other moderators")
                .takes::<Remark>()
                .gives::<NoteView>(StatusCode::CREATED, "The note")
                .refuses(ErrorCode::Conflict, "there are as many notes as there can be"),
            note,
        )
        .on(
            on_report(Method::PUT, HOLD, "holdReport", "Keeps a report whatever its age")
                .gives::<ReportView>(StatusCode::OK, "The report"),
            hold,
        )
        .on(
            operation(Method::DELETE, HOLD, "unholdReport", "Ends a legal hold")
                .by(Who::Admin)
                .gives::<ReportView>(StatusCode::OK, "The report")
                .refuses(ErrorCode::NotFound, "there is no such report"),
            unhold,
        )
        .on(
            decision(on_report(Method::POST, "/v1/reports/{id}/decision", "decideReport", "What becomes of a report"))
                .takes::<DecisionFields>(),
            decide,
        )
        .on(
            decision(on_report(Method::POST, "/reports/moderate", "moderateReport", "What becomes of a report"))
                .about("The same as `POST /v1/reports/{id}/decision` with the report in the body.")
                .takes::<NamedDecision>(),
            moderate,
        )
        .on(
            by_staff(Method::GET, "/v1/bans", "listBans", "Bans and lesser sanctions in force, the newest first")
                .asks::<BanPage>()
                .gives::<BansView>(StatusCode::OK, "A page of them")
                .refuses(ErrorCode::NotFound, "the ban that `after` names is gone"),
            bans,
        )
        .on(
            by_staff(Method::POST, "/v1/bans", "addBan", "A new ban or lesser sanction")
                .takes::<BanFields>()
                .gives::<BanView>(StatusCode::CREATED, "It is in force, on live sessions and the relay too")
                .refuses(ErrorCode::Forbidden, "only an admin bans an admin")
                .refuses(ErrorCode::Conflict, "there are as many bans as there can be"),
            ban,
        )
        .on(
            by_staff(Method::DELETE, "/v1/bans/{id}", "liftBan", "The end of a ban")
                .gives_nothing(StatusCode::NO_CONTENT, "It is lifted")
                .refuses(ErrorCode::NotFound, "there is no such ban"),
            lift,
        )
        .on(
            operation(Method::GET, "/v1/admin/audit", "listDeeds", "What moderators and admins did, the last first")
                .by(Who::Admin)
                .asks::<AuditPage>()
                .gives::<DeedsView>(StatusCode::OK, "A page of it"),
            audit,
        )
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
