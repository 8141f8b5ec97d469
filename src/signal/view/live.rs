//! What admins see of what goes on: calls, rooms, the queue, accounts.
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::Role;
use crate::matchmaking::QueueState;
use crate::signal::call_report::CallState;
use crate::signal::protocol::Media;
use crate::signal::protocol::words;
use crate::signal::protocol::words_or_null;
use crate::store::AccountRole;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::time::UnixMillis;

/// It is done; there is nothing to tell.
#[derive(Serialize, ToSchema)]
#[schema(as = Done)]
pub(crate) struct DoneView {}

/// Somebody, as far as the node knows.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonView<'a> {
    pub(crate) user: &'a str,
    /// Null of somebody who has no login now.
    #[schema(schema_with = roles_or_null, required = true)]
    pub(crate) role: Option<&'static str>,
    /// Whether it has no account; null of somebody who has no login now.
    #[schema(required = true)]
    pub(crate) guest: Option<bool>,
    #[schema(schema_with = presences)]
    pub(crate) presence: &'static str,
}

/// One side of a live session, and how the call goes for it.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSide)]
pub(crate) struct LiveSideView<'a> {
    #[serde(flatten)]
    pub(crate) person: PersonView<'a>,
    #[serde(flatten)]
    pub(crate) call: CallState,
}

/// A live session.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSession)]
pub(crate) struct LiveSessionView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    pub(crate) started_at: UnixMillis,
    /// Null: there is no limit.
    #[schema(required = true)]
    pub(crate) deadline: Option<UnixMillis>,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags_common: &'a [Arc<str>],
    #[schema(required = true)]
    pub(crate) language: Option<&'a str>,
    #[schema(min_items = 2, max_items = 2)]
    pub(crate) sides: Vec<LiveSideView<'a>>,
}

/// A page of live sessions, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSessions)]
pub(crate) struct LiveSessionsView<'a> {
    pub(crate) sessions: Vec<LiveSessionView<'a>>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<String>,
    /// On all pages.
    pub(crate) total: usize,
}

/// Somebody in a room.
#[derive(Serialize, ToSchema)]
#[schema(as = Occupant)]
pub(crate) struct OccupantView<'a> {
    #[serde(flatten)]
    pub(crate) person: PersonView<'a>,
    /// Null until it was told.
    #[schema(required = true)]
    pub(crate) media: Option<Media>,
}

/// What makes a room the meeting of a group.
#[derive(Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct GroupView<'a> {
    /// How many met.
    pub(crate) size: usize,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags_common: &'a [Arc<str>],
    #[schema(required = true)]
    pub(crate) language: Option<&'a str>,
    /// Null: when the last one leaves.
    #[schema(required = true)]
    pub(crate) deadline: Option<UnixMillis>,
}

/// A room with somebody in it.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenRoom)]
pub(crate) struct OpenRoomView<'a> {
    #[schema(value_type = String)]
    pub(crate) room: &'a RoomId,
    pub(crate) name: &'a str,
    /// Null of a room that is kept.
    #[schema(required = true)]
    pub(crate) group: Option<GroupView<'a>>,
    pub(crate) people: Vec<OccupantView<'a>>,
}

/// A page of rooms with somebody in them, in the order of their names.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenRooms)]
pub(crate) struct OpenRoomsView<'a> {
    pub(crate) rooms: Vec<OpenRoomView<'a>>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<&'a str>,
    /// On all pages.
    pub(crate) total: usize,
}

/// Somebody who waits for a partner.
#[derive(Serialize, ToSchema)]
#[schema(as = Waiting)]
pub(crate) struct WaitingView<'a> {
    pub(crate) user: &'a str,
    pub(crate) since: UnixMillis,
    /// Null: the search has hardly begun.
    #[schema(schema_with = queue_states_or_null, required = true)]
    pub(crate) state: Option<&'static str>,
    /// 0 (nothing relaxed) to 4 (recent partners allowed).
    #[schema(maximum = 4, required = true)]
    pub(crate) level: Option<u8>,
    pub(crate) mode: &'a str,
    /// How many are to meet.
    pub(crate) size: usize,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags: &'a [Arc<str>],
    #[schema(value_type = Vec<String>)]
    pub(crate) languages: &'a [Arc<str>],
    #[schema(required = true)]
    pub(crate) region: Option<&'a str>,
    /// Whether the connection is lost and waited for.
    pub(crate) lost: bool,
}

/// A page of those who wait, who came first first.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub(crate) struct QueueView<'a> {
    pub(crate) waiting: Vec<WaitingView<'a>>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<u64>,
    /// On all pages.
    pub(crate) total: usize,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView<'a> {
    pub(crate) id: &'a str,
    pub(crate) username: &'a str,
    #[schema(schema_with = roles)]
    pub(crate) role: &'static str,
    /// Whether it may not log in.
    pub(crate) disabled: bool,
    pub(crate) created_at: UnixMillis,
    /// Whether it has a WebSocket here.
    pub(crate) online: bool,
    /// When it last got a token; null: not since the oldest login that is remembered.
    #[schema(required = true)]
    pub(crate) last_seen_at: Option<UnixMillis>,
}

/// A page of accounts, in the order of their names.
#[derive(Serialize, ToSchema)]
#[schema(as = Accounts)]
pub(crate) struct AccountsView<'a> {
    pub(crate) users: Vec<AccountView<'a>>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<String>,
}

fn roles() -> Object {
    words(AccountRole::ALL.map(AccountRole::as_str))
}

fn roles_or_null() -> Object {
    words_or_null(Role::ALL.map(Role::as_str))
}

fn presences() -> Object {
    words(["online", "lost", "away"])
}

fn queue_states_or_null() -> Object {
    words_or_null([QueueState::Searching, QueueState::Widening].map(QueueState::as_str))
}
