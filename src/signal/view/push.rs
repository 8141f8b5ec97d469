//! What is told over the WebSocket beyond what messages themselves say: these shapes are what is written and what
//! `/asyncapi.json` tells.
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::Role;
use crate::matchmaking::QueueState;
use crate::signal::ice::IceServer;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::CANDIDATE_BYTES_MAX;
use crate::signal::protocol::CANDIDATES_MAX;
use crate::signal::protocol::COMMENT_CHARS_MAX;
use crate::signal::protocol::DEPTH_MAX;
use crate::signal::protocol::HISTORY_MAX;
use crate::signal::protocol::MESSAGE_BYTES_BEFORE_HELLO_MAX;
use crate::signal::protocol::MESSAGE_BYTES_MAX;
use crate::signal::protocol::Media;
use crate::signal::protocol::REPORTED_MESSAGES_MAX;
use crate::signal::protocol::ROOM_NAME_CHARS_MAX;
use crate::signal::protocol::SDP_BYTES_MAX;
use crate::signal::protocol::TEXT_CHARS_MAX;
use crate::signal::protocol::words;
use crate::signal::room::OCCUPANTS_MAX;
use crate::signal::session::EndReason;
use crate::signal::settings::IcePolicy;
use crate::signal::settings::Limits;
use crate::signal::settings::ServerName;
use crate::signal::view::member_roles;
use crate::signal::view::sanctions;
use crate::store::Alias;
use crate::store::MessageId;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::time::UnixMillis;

/// Sizes and counts that do not depend on the configuration.
#[derive(Serialize, ToSchema)]
#[schema(as = Sizes)]
pub(crate) struct SizesView {
    pub(crate) message_bytes: usize,
    pub(crate) message_bytes_before_hello: usize,
    pub(crate) json_depth: usize,
    pub(crate) sdp_bytes: usize,
    pub(crate) candidates: usize,
    pub(crate) candidate_bytes: usize,
    pub(crate) chat_chars: usize,
    pub(crate) history_messages: usize,
    pub(crate) report_chars: usize,
    pub(crate) report_messages: usize,
    pub(crate) room_occupants: usize,
    pub(crate) room_name_chars: usize,
}

impl Default for SizesView {
    fn default() -> Self {
        Self {
            message_bytes: MESSAGE_BYTES_MAX,
            message_bytes_before_hello: MESSAGE_BYTES_BEFORE_HELLO_MAX,
            json_depth: DEPTH_MAX,
            sdp_bytes: SDP_BYTES_MAX,
            candidates: CANDIDATES_MAX,
            candidate_bytes: CANDIDATE_BYTES_MAX,
            chat_chars: TEXT_CHARS_MAX,
            history_messages: HISTORY_MAX,
            report_chars: COMMENT_CHARS_MAX,
            report_messages: REPORTED_MESSAGES_MAX,
            room_occupants: OCCUPANTS_MAX,
            room_name_chars: ROOM_NAME_CHARS_MAX,
        }
    }
}

/// Limits in force.
#[derive(Serialize, ToSchema)]
#[schema(as = AllLimits)]
pub(crate) struct LimitsView {
    #[serde(flatten)]
    pub(crate) budgets: Limits,
    #[serde(flatten)]
    pub(crate) sizes: SizesView,
}

/// Who speaks, and what it does and allows.
#[derive(Serialize, ToSchema)]
#[schema(as = Welcome)]
pub(crate) struct WelcomeView {
    pub(crate) server: ServerName,
    /// What this node really does: `resume`, `rooms`, `chat`, `files`, `accounts`, `guest_work`.
    pub(crate) features: Vec<&'static str>,
    pub(crate) limits: LimitsView,
    /// The server's clock.
    pub(crate) time: UnixMillis,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView<'a> {
    pub(crate) id: &'a str,
    #[schema(schema_with = roles)]
    pub(crate) role: &'static str,
    /// Whether it has no account.
    pub(crate) guest: bool,
}

/// Tokens of a new guest.
#[derive(Serialize, ToSchema)]
#[schema(as = GuestTokens)]
pub(crate) struct GuestTokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// What the ok of `hello` says of an earlier connection, and to a new guest.
#[derive(Serialize)]
pub(crate) struct Greeting {
    pub(crate) resumed: bool,
    pub(crate) gap: bool,
    #[serde(flatten)]
    pub(crate) tokens: Option<GuestTokens>,
}

/// One is in.
#[derive(Serialize, ToSchema)]
#[schema(as = HelloOk)]
pub(crate) struct HelloOk<'a> {
    /// For logs.
    #[schema(value_type = String)]
    pub(crate) connection: ConnectionId,
    pub(crate) user: UserView<'a>,
    /// Null where nothing can be resumed. Good once.
    #[schema(required = true)]
    pub(crate) resume_token: Option<String>,
    pub(crate) resume_window_ms: u64,
    /// Between two pings of the server.
    pub(crate) heartbeat_ms: u64,
    pub(crate) auth_expires_at: UnixMillis,
    #[serde(flatten)]
    #[schema(value_type = GreetingShape)]
    pub(crate) greeting: Greeting,
}

#[derive(ToSchema)]
#[schema(as = Greeting)]
#[allow(dead_code, reason = "a flattened option has no schema of its own")]
struct GreetingShape {
    /// Whether an earlier connection goes on.
    resumed: bool,
    /// Whether something is lost: `sync` follows.
    gap: bool,
    /// Of new guests.
    #[schema(nullable = false)]
    access_token: Option<String>,
    /// Of new guests.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
}

/// Until when one is known.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthRefreshed)]
pub(crate) struct AuthRefreshedView {
    pub(crate) auth_expires_at: UnixMillis,
}

/// The access token ends soon.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthExpiring)]
pub(crate) struct AuthExpiringView {
    pub(crate) at: UnixMillis,
}

/// The node goes away.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerDrain)]
pub(crate) struct ServerDrainView {
    /// Every socket closes with 1012 within that time.
    pub(crate) within_ms: u64,
    pub(crate) reason: &'static str,
}

/// How a ticket stands: `queue.status` and the ok of `queue.join` (rule 19).
#[derive(Serialize, ToSchema)]
#[schema(as = QueueStatus)]
pub(crate) struct QueueStatus {
    #[schema(schema_with = queue_states)]
    pub(crate) state: &'static str,
    /// Older tickets of the same kind; two significant digits from 100 on.
    pub(crate) ahead: u32,
    /// All tickets of the same kind; two significant digits from 100 on.
    pub(crate) waiting: u32,
    /// Null: unknown.
    #[schema(required = true)]
    pub(crate) eta_ms: Option<u64>,
    /// 0 (nothing relaxed) to 4 (recent partners allowed).
    #[schema(maximum = 4)]
    pub(crate) level: u8,
    pub(crate) since: UnixMillis,
}

/// Whether one waited.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueLeft)]
pub(crate) struct QueueLeftView {
    pub(crate) left: bool,
}

/// Credentials and how to use them.
#[derive(Serialize, ToSchema)]
#[schema(as = IceGrant)]
pub(crate) struct GrantView {
    pub(crate) ice_servers: Vec<IceServer>,
    pub(crate) ice_policy: IcePolicy,
    /// When the credential stops to be good for new allocations.
    pub(crate) ice_expires_at: UnixMillis,
    pub(crate) server_time: UnixMillis,
}

/// The other side of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Partner)]
pub(crate) struct PartnerView<'a> {
    #[schema(value_type = String)]
    pub(crate) id: &'a Alias,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags_common: &'a [Arc<str>],
    /// The one to greet in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) language: Option<&'a str>,
}

/// A session as one side sees it: the common part of `match.found` and `sync` (rule 24).
#[derive(Serialize, ToSchema)]
#[schema(as = OwnSession)]
pub(crate) struct OwnSessionView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    /// What one is called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: &'a Alias,
    pub(crate) peer: PartnerView<'a>,
    /// One's own.
    #[schema(schema_with = call_roles)]
    pub(crate) role: &'static str,
    /// Whether one makes the first offer: the impolite side.
    pub(crate) initiator: bool,
    /// Null: there is no limit.
    #[schema(required = true)]
    pub(crate) deadline: Option<UnixMillis>,
}

/// Somebody in a room, as another one there sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Present)]
pub(crate) struct PresentView<'a> {
    #[schema(value_type = String)]
    pub(crate) peer: &'a Alias,
    #[schema(schema_with = member_roles)]
    pub(crate) role: &'static str,
    /// As last told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) media: Option<Media>,
    /// The last one between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) neg: Option<i64>,
    /// Lost, and waited for until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) until: Option<UnixMillis>,
    /// In a group: whether one makes the first offer to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) initiator: Option<bool>,
}

/// What a room of a group says beyond others.
#[derive(Serialize)]
pub(crate) struct OwnGroupView {
    pub(crate) size: usize,
    pub(crate) deadline: Option<UnixMillis>,
}

#[derive(ToSchema)]
#[schema(as = OwnGroup)]
#[allow(dead_code, reason = "a flattened option has no schema of its own")]
struct OwnGroupShape {
    /// Of a group: how many met.
    #[schema(nullable = false)]
    size: Option<usize>,
    /// Of a group; null: when the last one leaves.
    deadline: Option<UnixMillis>,
}

/// A room as one who is there sees it: the common part of the ok of `room.join`, `match.found` and `sync`.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnRoom)]
pub(crate) struct OwnRoomView<'a> {
    #[schema(value_type = String)]
    pub(crate) room: &'a RoomId,
    pub(crate) name: &'a str,
    /// What one is called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: &'a Alias,
    /// One's own.
    #[schema(schema_with = member_roles)]
    pub(crate) role: &'static str,
    /// In the order in which they came.
    pub(crate) members: Vec<PresentView<'a>>,
    /// The last message.
    #[schema(value_type = Option<String>, format = "uuid", required = true)]
    pub(crate) last_mid: Option<MessageId>,
    #[serde(flatten)]
    #[schema(value_type = OwnGroupShape)]
    pub(crate) group: Option<OwnGroupView>,
}

/// One is in a room.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomJoined)]
pub(crate) struct RoomJoinedView<'a> {
    #[serde(flatten)]
    pub(crate) room: OwnRoomView<'a>,
    #[serde(flatten)]
    pub(crate) grant: GrantView,
}

/// A partner is found.
#[derive(Serialize, ToSchema)]
#[schema(as = PairMatched)]
pub(crate) struct PairMatchedView<'a> {
    #[serde(flatten)]
    pub(crate) session: OwnSessionView<'a>,
    pub(crate) waited_ms: u64,
    #[serde(flatten)]
    pub(crate) grant: GrantView,
}

/// A group is found.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupMatched)]
pub(crate) struct GroupMatchedView<'a> {
    #[serde(flatten)]
    pub(crate) room: OwnRoomView<'a>,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags_common: &'a [Arc<str>],
    /// The one to greet in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) language: Option<&'a str>,
    pub(crate) waited_ms: u64,
    #[serde(flatten)]
    pub(crate) grant: GrantView,
}

/// A session that goes on.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncedSession)]
pub(crate) struct SyncedSessionView<'a> {
    #[serde(flatten)]
    pub(crate) session: OwnSessionView<'a>,
    /// The last one.
    #[schema(required = true)]
    pub(crate) neg: Option<i64>,
}

/// What a client without memory needs to go on.
#[derive(Serialize, ToSchema)]
#[schema(as = Sync)]
pub(crate) struct SyncView<'a> {
    /// Of one who waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) queue: Option<QueueStatus>,
    #[schema(max_items = 1)]
    pub(crate) sessions: Vec<SyncedSessionView<'a>>,
    pub(crate) rooms: Vec<OwnRoomView<'a>>,
    /// The last message of the session.
    #[schema(value_type = Option<String>, format = "uuid", required = true)]
    pub(crate) last_mid: Option<MessageId>,
}

/// Somebody has come into a room.
#[derive(Serialize, ToSchema)]
#[schema(as = PeerJoined)]
pub(crate) struct PeerJoinedView<'a> {
    #[schema(value_type = String)]
    pub(crate) room: &'a RoomId,
    #[schema(value_type = String)]
    pub(crate) peer: &'a Alias,
    #[schema(schema_with = member_roles)]
    pub(crate) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) media: Option<Media>,
}

/// Where something happens: it has one of the two.
#[derive(Serialize, ToSchema)]
#[schema(as = Where)]
pub(crate) struct WhereView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) session: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) room: Option<&'a RoomId>,
}

impl<'a> WhereView<'a> {
    pub(crate) fn in_session(session: &'a SessionId) -> Self {
        Self { session: Some(session), room: None }
    }

    pub(crate) fn in_room(room: &'a RoomId) -> Self {
        Self { session: None, room: Some(room) }
    }
}

/// Somebody has left, or is lost.
#[derive(Serialize, ToSchema)]
#[schema(as = PeerLeft)]
pub(crate) struct PeerLeftView<'a> {
    #[serde(flatten)]
    pub(crate) place: WhereView<'a>,
    #[schema(value_type = String)]
    pub(crate) peer: &'a Alias,
    #[schema(schema_with = partings)]
    pub(crate) reason: &'static str,
    /// Whether it is waited for.
    pub(crate) can_reconnect: bool,
    /// For how long it is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) until: Option<UnixMillis>,
}

/// Somebody lost is back.
#[derive(Serialize, ToSchema)]
#[schema(as = PeerResumed)]
pub(crate) struct PeerResumedView<'a> {
    #[serde(flatten)]
    pub(crate) place: WhereView<'a>,
    #[schema(value_type = String)]
    pub(crate) peer: &'a Alias,
}

/// New credentials.
#[derive(Serialize, ToSchema)]
#[schema(as = IceUpdated)]
pub(crate) struct IceUpdatedView<'a> {
    #[serde(flatten)]
    pub(crate) place: WhereView<'a>,
    pub(crate) ice_servers: &'a [IceServer],
    pub(crate) expires_at: UnixMillis,
}

/// The other side wants a session to go on.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionExtend)]
pub(crate) struct SessionExtendView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    #[schema(value_type = String)]
    pub(crate) from: &'a Alias,
}

/// Whether the other side has to agree yet.
#[derive(Serialize, ToSchema)]
#[schema(as = ExtensionAsked)]
pub(crate) struct ExtensionAskedView {
    pub(crate) pending: bool,
}

/// Both sides want a session to go on.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionExtended)]
pub(crate) struct SessionExtendedView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    #[schema(required = true)]
    pub(crate) deadline: Option<UnixMillis>,
}

/// A session ends soon.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionWarning)]
pub(crate) struct SessionWarningView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    pub(crate) remaining_ms: u64,
}

/// A session is over.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionEnded)]
pub(crate) struct SessionEndedView<'a> {
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    #[schema(schema_with = end_reasons)]
    pub(crate) reason: EndReason,
    pub(crate) duration_ms: u64,
}

/// What a moderator has decided about one.
#[derive(Serialize, ToSchema)]
#[schema(as = ModerationNotice)]
pub(crate) struct ModerationNoticeView<'a> {
    #[schema(schema_with = sanctions)]
    pub(crate) action: &'static str,
    pub(crate) reason: &'a str,
    /// Missing: for good, or nothing to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) until: Option<UnixMillis>,
}

/// Why somebody is not in a room, or away from a session.
pub(crate) const PARTINGS: [&str; 5] = ["left", "lost", "timeout", "kicked", "limit"];

fn partings() -> Object {
    words(PARTINGS)
}

fn roles() -> Object {
    words(Role::ALL.map(Role::as_str))
}

fn queue_states() -> Object {
    words([QueueState::Searching, QueueState::Widening].map(QueueState::as_str))
}

fn call_roles() -> Object {
    words(["polite", "impolite"])
}

fn end_reasons() -> Object {
    words(EndReason::ALL.map(EndReason::as_str))
}
