//! What admins see of the whole node, and what they do to it, over REST.
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::hooks::Pending;
use crate::http::moderation::Named;
use crate::http::moderation::Shared;
use crate::http::moderation::ask;
use crate::http::moderation::name;
use crate::http::moderation::part;
use crate::http::node_view::AllocationsView;
use crate::http::node_view::ConfigView;
use crate::http::node_view::DrainView;
use crate::http::node_view::SeriesView;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::AccountChanges;
use crate::signal::AccountSearch;
use crate::signal::ErrorCode;
use crate::signal::ModerationAsk;
use crate::signal::view::live::AccountView;
use crate::signal::view::live::AccountsView;
use crate::signal::view::live::DoneView;
use crate::signal::view::live::LiveSessionsView;
use crate::signal::view::live::OpenRoomsView;
use crate::signal::view::live::QueueView;
use crate::signal::words;
use crate::signal::words_or_null;

/// Lists live allocations.
pub type AllocationsHook = Arc<dyn Fn(AllocationQuery) -> Pending<Result<AllocationsView, Problem>> + Send + Sync>;
/// Ends the allocation of that name.
pub type EndAllocationHook = Arc<dyn Fn(String) -> Pending<Result<(), Problem>> + Send + Sync>;
/// Tells the configuration in force, secrets masked.
pub type ConfigHook = Arc<dyn Fn() -> ConfigView + Send + Sync>;
/// Tells what was measured in the last hour, after that moment (Unix milliseconds).
pub type SeriesHook = Arc<dyn Fn(u64) -> Pending<Result<SeriesView, Problem>> + Send + Sync>;
/// Begins to drain the node; what is said of that.
pub type DrainHook = Arc<dyn Fn() -> Result<DrainView, Problem> + Send + Sync>;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
pub struct AllocationQuery {
    /// Only those of this session, all at once.
    #[param(nullable = false)]
    pub session: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false, pattern = "^[0-9]{1,2}-[0-9]{1,9}$")]
    pub after: Option<String>,
    /// Allocations, at most.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    pub limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct SessionPage {
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// Entries, at most.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct QueuePage {
    /// The `next` of the page before.
    #[param(nullable = false, format = "uint64")]
    after: Option<u64>,
    /// Entries, at most.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct UserPage {
    /// A part of the name.
    #[param(nullable = false)]
    q: Option<String>,
    /// Only of that role.
    #[param(schema_with = roles, required = false)]
    role: Option<String>,
    /// Only those that may not log in, or only those that may.
    #[param(nullable = false)]
    disabled: Option<bool>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// Entries, at most.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct SeriesPage {
    /// Only what was measured after that moment.
    #[param(nullable = false, format = "uint64")]
    after: Option<u64>,
}

/// What is altered of an account: at least one of the two.
#[derive(Deserialize, ToSchema)]
struct UserChanges {
    #[schema(schema_with = roles_or_null)]
    role: Option<String>,
    /// Whether it may not log in.
    disabled: Option<bool>,
}

fn roles() -> Object {
    words(Role::ALL.map(Role::as_str))
}

fn roles_or_null() -> Object {
    words_or_null(Role::ALL.map(Role::as_str))
}

/// Why something is done, for the audit.
#[derive(Default, Deserialize, ToSchema)]
struct Why {
    reason: Option<String>,
}

pub(super) fn routes(table: Table) -> Table {
    const PAGE: &str = "A page of them";
    let operation = |method, path, id, summary| {
        let operation = Operation::new(method, path, "operation", id, summary).by(Who::Admin);
        operation.refuses(ErrorCode::NotFound, "there is no such thing, or this is not told here")
    };
    let get = |path, id, summary| operation(Method::GET, path, id, summary);
    table
        .on(
            get("/v1/admin/sessions", "listLiveSessions", "Live sessions, the newest first")
                .asks::<SessionPage>()
                .gives::<LiveSessionsView>(StatusCode::OK, PAGE),
            sessions,
        )
        .on(
            operation(Method::POST, "/v1/admin/sessions/{id}/end", "endSession", "Ends a session; the relay lets go")
                .may_take::<Why>()
                .gives::<DoneView>(StatusCode::OK, "It is over"),
            end_session,
        )
        .on(
            get("/v1/admin/rooms", "listOpenRooms", "Rooms with somebody in them")
                .asks::<SessionPage>()
                .gives::<OpenRoomsView>(StatusCode::OK, PAGE),
            rooms,
        )
        .on(
            operation(Method::POST, "/v1/admin/rooms/{id}/clear", "clearRoom", "Puts everybody out of a room")
                .about("Members may come back.")
                .may_take::<Why>()
                .gives::<DoneView>(StatusCode::OK, "Nobody is there any more"),
            clear_room,
        )
        .on(
            get("/v1/admin/queue", "listQueue", "Who waits for a partner, who came first first")
                .asks::<QueuePage>()
                .gives::<QueueView>(StatusCode::OK, PAGE),
            queue,
        )
        .on(
            get("/v1/admin/allocations", "listAllocations", "What the relay holds")
                .asks::<AllocationQuery>()
                .gives::<AllocationsView>(StatusCode::OK, PAGE),
            allocations,
        )
        .on(
            operation(Method::POST, "/v1/admin/allocations/{id}/end", "endAllocation", "Ends an allocation")
                .about("The client may ask for another.")
                .gives::<DoneView>(StatusCode::OK, "Its address and connection are closed"),
            end_allocation,
        )
        .on(
            get("/v1/admin/users", "listUsers", "Accounts in the order of their names")
                .asks::<UserPage>()
                .gives::<AccountsView>(StatusCode::OK, PAGE),
            users,
        )
        .on(
            operation(Method::PATCH, "/v1/admin/users/{id}", "alterUser", "Another role, or whether it may log in")
                .takes::<UserChanges>()
                .gives::<AccountView>(StatusCode::OK, "The account; its logins are over")
                .refuses(ErrorCode::Conflict, "nobody alters themselves"),
            alter_user,
        )
        .on(
            get("/v1/admin/config", "showConfig", "The configuration in force, secrets masked")
                .gives::<ConfigView>(StatusCode::OK, "The configuration"),
            config,
        )
        .on(
            get("/v1/admin/series", "showSeries", "What was measured in the last hour")
                .asks::<SeriesPage>()
                .gives::<SeriesView>(StatusCode::OK, "The measurements"),
            series,
        )
        .on(
            operation(Method::POST, "/v1/admin/drain", "drain", "Begins to drain the node, as SIGTERM does")
                .gives::<DrainView>(StatusCode::ACCEPTED, "The process ends when everybody has gone")
                .refuses(ErrorCode::Conflict, "it drains already"),
            drain,
        )
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
    let reason = why(&headers, body).await?;
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
    let reason = why(&headers, body).await?;
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
    (hooks(&state)?.end_allocation)(id.clone()).await?;
    ask(&state, by, ModerationAsk::Done { action: "allocation.end", subject: id, details: json!({}) }).await
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

/// The reason that was given; the body may be missing.
async fn why(headers: &Head, body: Body) -> Result<Option<String>, Problem> {
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let Why { reason } = if has_body { body::read(headers, body).await? } else { Why::default() };
    Ok(reason)
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
