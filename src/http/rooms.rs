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
use hyper::StatusCode;
use hyper::header;
use serde::Deserialize;
use serde_json::Value;

use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::page;
use crate::http::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::ErrorCode;
use crate::signal::RoomAsk;

type Shared = State<Arc<Inner>>;
type Room = Result<Path<String>, PathRejection>;
type RoomAndMember = Result<Path<(String, String)>, PathRejection>;

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Role {
    role: String,
}

#[derive(Default, Deserialize)]
struct Life {
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Part {
    before: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
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
