//! What admins see of the whole node, and what they do to it, over REST.
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::hooks::Pending;
use crate::http::moderation::Named;
use crate::http::moderation::Shared;
use crate::http::moderation::ask;
use crate::http::moderation::name;
use crate::http::moderation::part;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::AccountChanges;
use crate::signal::AccountSearch;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;

/// Lists live allocations.
pub type AllocationsHook = Arc<dyn Fn(AllocationQuery) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Ends the allocation of that name.
pub type EndAllocationHook = Arc<dyn Fn(String) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Tells the configuration in force, secrets masked.
pub type ConfigHook = Arc<dyn Fn() -> Value + Send + Sync>;
/// Tells what was measured in the last hour, after that moment (Unix milliseconds).
pub type SeriesHook = Arc<dyn Fn(u64) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Begins to drain the node; what is said of that.
pub type DrainHook = Arc<dyn Fn() -> Result<Value, Problem> + Send + Sync>;

/// What stands behind those routes of admins that are not signaling's.
#[derive(Clone)]
pub struct AdminHooks {
    /// Behind `/v1/admin/allocations`.
    pub allocations: AllocationsHook,
    /// Behind `/v1/admin/allocations/{id}/end`.
    pub end_allocation: EndAllocationHook,
    /// Behind `/v1/admin/config`.
    pub config: ConfigHook,
    /// Behind `/v1/admin/series`.
    pub series: SeriesHook,
    /// Behind `/v1/admin/drain`.
    pub drain: DrainHook,
}

impl fmt::Debug for AdminHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminHooks").finish_non_exhaustive()
    }
}

/// Which allocations are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AllocationQuery {
    /// Only those of this session, all at once.
    pub session: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// Allocations, at most.
    pub limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct SessionPage {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct QueuePage {
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct UserPage {
    q: Option<String>,
    role: Option<String>,
    disabled: Option<bool>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct SeriesPage {
    after: Option<u64>,
}

#[derive(Deserialize)]
struct UserChanges {
    role: Option<String>,
    disabled: Option<bool>,
}

/// Why something is done, for the audit.
#[derive(Default, Deserialize)]
struct Why {
    reason: Option<String>,
}

/// `GET /v1/admin/sessions`: live sessions, the newest first.
pub(crate) async fn sessions(
    state: Shared,
    page: Result<Query<SessionPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let SessionPage { after, limit } = part(page, "give after and limit, or nothing")?;
    ask(&state, by, ModerationAsk::Calls { after, limit }).await
}

/// `POST /v1/admin/sessions/{id}/end`: both sides are told, the relay lets go. The body may be missing.
pub(crate) async fn end_session(state: Shared, id: Named, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let session = name(id)?;
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let Why { reason } = if has_body { body::read(&headers, body).await? } else { Why::default() };
    ask(&state, by, ModerationAsk::EndCall { session, reason }).await
}

/// `GET /v1/admin/rooms`: those with somebody in them, in the order of their names.
pub(crate) async fn rooms(
    state: Shared,
    page: Result<Query<SessionPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let SessionPage { after, limit } = part(page, "give after and limit, or nothing")?;
    ask(&state, by, ModerationAsk::OpenRooms { after, limit }).await
}

/// `POST /v1/admin/rooms/{id}/clear`: everybody is put out; members may come back. The body may be missing.
pub(crate) async fn clear_room(state: Shared, id: Named, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let room = name(id)?;
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let Why { reason } = if has_body { body::read(&headers, body).await? } else { Why::default() };
    ask(&state, by, ModerationAsk::ClearRoom { room, reason }).await
}

/// `GET /v1/admin/queue`: who waits for a partner, who came first first.
pub(crate) async fn queue(
    state: Shared,
    page: Result<Query<QueuePage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let QueuePage { after, limit } = part(page, "give after and limit, or nothing")?;
    ask(&state, by, ModerationAsk::Waiting { after, limit }).await
}

/// `GET /v1/admin/allocations`: what the relay holds.
pub(crate) async fn allocations(
    state: Shared,
    page: Result<Query<AllocationQuery>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    admin(&state, &headers).await?;
    let query = part(page, "give session, after and limit, or nothing")?;
    let told = (hooks(&state)?.allocations)(query).await?;
    Ok(body::reply(&told))
}

/// `POST /v1/admin/allocations/{id}/end`: its address and connection are closed; the client may ask for another.
pub(crate) async fn end_allocation(state: Shared, id: Named, headers: Head) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let id = name(id)?;
    let details = (hooks(&state)?.end_allocation)(id.clone()).await?;
    ask(&state, by, ModerationAsk::Done { action: "allocation.end", subject: id, details }).await
}

/// `GET /v1/admin/users`: accounts in the order of their names.
pub(crate) async fn users(
    state: Shared,
    page: Result<Query<UserPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let UserPage { q, role, disabled, after, limit } =
        part(page, "give q, role, disabled (true or false), after and limit, or nothing")?;
    let search = AccountSearch { after, text: q, role, disabled };
    ask(&state, by, ModerationAsk::Accounts { search, limit }).await
}

/// `PATCH /v1/admin/users/{id}`: another role, or whether it may log in; its logins end at once.
pub(crate) async fn alter_user(state: Shared, id: Named, headers: Head, body: Body) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    let user = name(id)?;
    let UserChanges { role, disabled } = body::read(&headers, body).await?;
    ask(&state, by, ModerationAsk::AlterAccount { user, changes: AccountChanges { role, disabled } }).await
}

/// `GET /v1/admin/config`: the configuration in force, secrets masked.
pub(crate) async fn config(state: Shared, headers: Head) -> Result<Response, Problem> {
    admin(&state, &headers).await?;
    Ok(body::reply(&(hooks(&state)?.config)()))
}

/// `GET /v1/admin/series`: what was measured in the last hour.
pub(crate) async fn series(
    state: Shared,
    page: Result<Query<SeriesPage>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    admin(&state, &headers).await?;
    let SeriesPage { after } = part(page, "after is a moment in Unix milliseconds")?;
    let told = (hooks(&state)?.series)(after.unwrap_or_default()).await?;
    Ok(body::reply(&told))
}

/// `POST /v1/admin/drain`: as SIGTERM does, so the process ends when everybody has gone or the grace is over.
pub(crate) async fn drain(state: Shared, headers: Head) -> Result<Response, Problem> {
    let by = admin(&state, &headers).await?;
    if state.is_draining() {
        return Err(Problem::new(ErrorCode::Conflict, "this node drains already"));
    }
    // Kept first: a process that ends writes no audit.
    let done = ModerationAsk::Done { action: "node.drain", subject: "node".to_owned(), details: json!({}) };
    let kept = ask(&state, by, done).await;
    let told = (hooks(&state)?.drain)()?;
    kept?;
    let mut response = body::reply(&told);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Whoever asks, if it is an admin.
async fn admin(inner: &Inner, headers: &Head) -> Result<Subject, Problem> {
    let subject = auth::identity(inner, headers).await?.subject;
    if subject.role != Role::Admin {
        return Err(Problem::new(ErrorCode::Forbidden, "your role does not give this right"));
    }
    Ok(subject)
}

fn hooks(inner: &Inner) -> Result<&AdminHooks, Problem> {
    inner.hooks.admin.as_ref().ok_or(Problem::new(ErrorCode::NotFound, "this is not told here"))
}
