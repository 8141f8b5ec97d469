//! Rooms over REST. Rule 38.
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
use hyper::header;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::RoomAsk;
use crate::signal::view::HistoryView;
use crate::signal::view::InvitationView;
use crate::signal::view::MemberView;
use crate::signal::view::MembersView;
use crate::signal::view::RoomView;
use crate::signal::view::RoomsView;
use crate::signal::words;

type Shared = State<Arc<Inner>>;
type Room = Result<Path<String>, PathRejection>;
type RoomAndMember = Result<Path<(String, String)>, PathRejection>;

/// A new room.
#[derive(Deserialize, ToSchema)]
#[schema(as = RoomRequest)]
struct Named {
    /// For people; one line.
    #[schema(min_length = 1, max_length = 80, pattern = "^[ -~]*[!-~][ -~]*$")]
    name: String,
}

/// Another role for a member.
#[derive(Deserialize, ToSchema)]
#[schema(as = RoleRequest)]
struct Role {
    #[schema(schema_with = grantable)]
    role: String,
}

fn grantable() -> Object {
    words(["member", "moderator"])
}

/// How long an invitation is good.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = InvitationRequest)]
struct Life {
    /// Milliseconds; a day unless said.
    #[schema(minimum = 1, maximum = 2592000000u64)]
    ttl_ms: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
pub(crate) struct Part {
    /// Only what was sent before that `mid`.
    #[param(value_type = String, format = "uuid", required = false)]
    before: Option<String>,
    /// Only what was sent after that `mid`.
    #[param(value_type = String, format = "uuid", required = false)]
    after: Option<String>,
    /// Messages, at most; 50 unless said.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

const NO_ROOM: &str = "there is no such room";
const NO_MEMBER: &str = "one does not belong to this room";

pub(super) fn routes(table: Table) -> Table {
    const ROOM: &str = "/v1/rooms/{id}";
    const MEMBER: &str = "/v1/rooms/{id}/members/{peer}";
    let operation = |method, path, id, summary| Operation::new(method, path, "rooms", id, summary).by(Who::User);
    let in_room = |method, path, id, summary| {
        operation(method, path, id, summary)
            .refuses(ErrorCode::NotFound, NO_ROOM)
            .refuses(ErrorCode::Forbidden, NO_MEMBER)
    };
    table
        .on(
            operation(Method::POST, "/v1/rooms", "createRoom", "A new, private room")
                .takes::<Named>()
                .gives::<RoomView>(StatusCode::CREATED, "One owns it")
                .refuses(ErrorCode::Forbidden, "the operator has rules against such a name")
                .refuses(ErrorCode::Conflict, "one belongs to as many rooms as one can"),
            create,
        )
        .on(
            operation(Method::GET, "/v1/rooms", "listRooms", "One's own rooms")
                .asks::<page::Part>()
                .gives::<RoomsView>(StatusCode::OK, "The rooms"),
            list,
        )
        .on(in_room(Method::GET, ROOM, "showRoom", "A room").gives::<RoomView>(StatusCode::OK, "The room"), show)
        .on(
            in_room(Method::DELETE, ROOM, "removeRoom", "Puts everybody out and ends a room")
                .gives_nothing(StatusCode::NO_CONTENT, "The room is gone")
                .refuses(ErrorCode::Forbidden, "only its owner removes a room"),
            remove,
        )
        .on(
            in_room(Method::GET, "/v1/rooms/{id}/members", "listMembers", "Who belongs to a room")
                .asks::<page::Part>()
                .gives::<MembersView>(StatusCode::OK, "The members"),
            members,
        )
        .on(
            in_room(Method::PATCH, MEMBER, "appointMember", "Another role for a member")
                .takes::<Role>()
                .gives::<MemberView>(StatusCode::OK, "The member")
                .refuses(ErrorCode::NotFound, "nobody of that name belongs to the room")
                .refuses(ErrorCode::Forbidden, "only the owner gives roles")
                .refuses(ErrorCode::Conflict, "an owner stays the owner"),
            appoint,
        )
        .on(
            in_room(Method::DELETE, MEMBER, "dismissMember", "Puts somebody out, or oneself")
                .gives_nothing(StatusCode::NO_CONTENT, "The membership is over")
                .refuses(ErrorCode::NotFound, "nobody of that name belongs to the room")
                .refuses(ErrorCode::Forbidden, "only a higher role puts somebody out")
                .refuses(ErrorCode::Conflict, "an owner removes the room instead"),
            dismiss,
        )
        .on(
            in_room(Method::GET, "/v1/rooms/{id}/messages", "listMessages", "What was written in a room")
                .asks::<Part>()
                .gives::<HistoryView>(StatusCode::OK, "A part of it, the oldest message first"),
            messages,
        )
        .on(
            in_room(Method::POST, "/v1/rooms/{id}/invites", "invite", "A ticket that makes its holder a member")
                .may_take::<Life>()
                .gives::<InvitationView>(StatusCode::CREATED, "The ticket"),
            invite,
        )
}

/// `POST /v1/rooms`: a new, private room.
pub(crate) async fn create(State(inner): Shared, headers: Head, body: Body) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let Named { name } = body::read(&headers, body).await?;
    ask(&inner, user, RoomAsk::Create { name }).await.map(created)
}

/// `GET /v1/rooms`: one's own rooms.
pub(crate) async fn list(State(inner): Shared, page: PageQuery, headers: Head) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    ask(&inner, user, RoomAsk::List(page::asked(page)?)).await.map(|rooms| body::reply(&rooms))
}

/// `GET /v1/rooms/{id}`
pub(crate) async fn show(State(inner): Shared, room: Room, headers: Head) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let room = place(room)?;
    ask(&inner, user, RoomAsk::Show { room }).await.map(|room| body::reply(&room))
}

/// `DELETE /v1/rooms/{id}`: puts everybody out.
pub(crate) async fn remove(State(inner): Shared, room: Room, headers: Head) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let room = place(room)?;
    ask(&inner, user, RoomAsk::Remove { room }).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/rooms/{id}/members`
pub(crate) async fn members(
    State(inner): Shared,
    room: Room,
    page: PageQuery,
    headers: Head,
) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let (room, page) = (place(room)?, page::asked(page)?);
    ask(&inner, user, RoomAsk::Members { room, page }).await.map(|members| body::reply(&members))
}

/// `PATCH /v1/rooms/{id}/members/{peer}`: another role.
pub(crate) async fn appoint(
    State(inner): Shared,
    path: RoomAndMember,
    headers: Head,
    body: Body,
) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let (room, member) = place(path)?;
    let Role { role } = body::read(&headers, body).await?;
    ask(&inner, user, RoomAsk::Appoint { room, member, role }).await.map(|member| body::reply(&member))
}

/// `DELETE /v1/rooms/{id}/members/{peer}`: puts somebody out, or oneself.
pub(crate) async fn dismiss(State(inner): Shared, path: RoomAndMember, headers: Head) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let (room, member) = place(path)?;
    ask(&inner, user, RoomAsk::Dismiss { room, member }).await.map(|_| StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/rooms/{id}/messages`: like `chat.history`.
pub(crate) async fn messages(
    State(inner): Shared,
    room: Room,
    part: Result<Query<Part>, QueryRejection>,
    headers: Head,
) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let room = place(room)?;
    let unreadable = |_| Problem::new(ErrorCode::BadRequest, "give before, after and limit, or nothing");
    let Query(Part { before, after, limit }) = part.map_err(unreadable)?;
    ask(&inner, user, RoomAsk::Messages { room, before, after, limit }).await.map(|page| body::reply(&page))
}

/// `POST /v1/rooms/{id}/invites`: a ticket. The body may be missing.
pub(crate) async fn invite(State(inner): Shared, room: Room, headers: Head, body: Body) -> Result<Response, Problem> {
    let user = user(&inner, &headers).await?;
    let room = place(room)?;
    let has_body = headers.contains_key(header::CONTENT_TYPE);
    let Life { ttl_ms } = if has_body { body::read(&headers, body).await? } else { Life::default() };
    ask(&inner, user, RoomAsk::Invite { room, ttl_ms }).await.map(created)
}

async fn user(inner: &Inner, headers: &Head) -> Result<Arc<str>, Problem> {
    auth::identity(inner, headers).await.map(|identity| identity.subject.user)
}

async fn ask(inner: &Inner, user: Arc<str>, ask: RoomAsk) -> Result<Value, Problem> {
    (inner.hooks.rooms)(user, ask).await
}

fn place<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(names)| names).map_err(|_| Problem::new(ErrorCode::BadRequest, "the path is not UTF-8"))
}

fn created(thing: Value) -> Response {
    let mut response = body::reply(&thing);
    *response.status_mut() = StatusCode::CREATED;
    response
}
