//! What people are told of what is kept about them: past sessions, and the document that they take along.
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::token::Role;
use crate::signal::call_report::routes_or_null;
use crate::signal::protocol::Path;
use crate::signal::protocol::ReportReason;
use crate::signal::protocol::words;
use crate::signal::protocol::words_or_null;
use crate::signal::session::EndReason;
use crate::signal::settings::FileSharing;
use crate::signal::view::BlockView;
use crate::signal::view::FileView;
use crate::signal::view::ReceiptView;
use crate::signal::view::appeal::AppealView;
use crate::signal::view::member_roles;
use crate::signal::view::message_kinds;
use crate::signal::view::sanctions;
use crate::store::AccountRole;
use crate::store::Alias;
use crate::store::MessageId;
use crate::store::Place;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::Upload;
use crate::store::UploadState;
use crate::time::UnixMillis;

/// A session as one of the two sees it afterwards; the other one is an alias. What nobody told is null.
#[derive(Serialize, ToSchema)]
#[schema(as = PastSession)]
pub(crate) struct PastSessionView {
    #[schema(value_type = String)]
    pub(crate) session: SessionId,
    /// What one was called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: Alias,
    /// What the other was called.
    #[schema(value_type = String)]
    pub(crate) peer: Alias,
    pub(crate) started_at: UnixMillis,
    /// Null while it goes on, which only an export tells of.
    #[schema(required = true)]
    pub(crate) ended_at: Option<UnixMillis>,
    #[schema(required = true)]
    pub(crate) duration_ms: Option<u64>,
    #[schema(schema_with = end_reasons_or_null, required = true)]
    pub(crate) reason: Option<Arc<str>>,
    #[schema(schema_with = paths_or_null, required = true)]
    pub(crate) path: Option<&'static str>,
    /// The path more finely.
    #[schema(schema_with = routes_or_null, required = true)]
    pub(crate) route: Option<String>,
    #[schema(required = true)]
    pub(crate) setup_ms: Option<u64>,
    /// Of the quality that one told of.
    #[schema(minimum = 0, maximum = 100, required = true)]
    pub(crate) score_mean: Option<f64>,
    #[schema(value_type = Vec<String>)]
    pub(crate) tags_common: Vec<Arc<str>>,
    #[schema(value_type = Option<String>, required = true)]
    pub(crate) language: Option<Arc<str>>,
}

/// A page of past sessions, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = PastSessions)]
pub(crate) struct PastSessionsView {
    pub(crate) sessions: Vec<PastSessionView>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<String>,
}

/// Whose export it is.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedUser)]
pub(crate) struct ExportedUser<'a> {
    pub(crate) id: &'a str,
    #[schema(schema_with = roles)]
    pub(crate) role: &'static str,
    pub(crate) guest: bool,
    #[schema(required = true)]
    pub(crate) device: Option<&'a str>,
    #[schema(required = true)]
    pub(crate) age_band: Option<&'a str>,
}

/// An account as its user may know it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedAccount<'a> {
    pub(crate) username: &'a str,
    #[schema(schema_with = account_roles)]
    pub(crate) role: &'static str,
    pub(crate) disabled: bool,
    pub(crate) created_at: UnixMillis,
}

/// A login of a device.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedLogin<'a> {
    #[schema(required = true)]
    pub(crate) device: Option<&'a str>,
    pub(crate) expires_at: UnixMillis,
    pub(crate) guest: bool,
}

/// A ban or lesser sanction in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedSanction<'a> {
    #[schema(schema_with = sanctions)]
    pub(crate) action: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) at: UnixMillis,
    /// Its end; null: for good.
    #[schema(required = true)]
    pub(crate) until: Option<UnixMillis>,
}

/// A report as its reporter knows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedReport<'a> {
    pub(crate) report: &'a str,
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    #[schema(schema_with = reasons)]
    pub(crate) reason: &'a str,
    pub(crate) comment: &'a str,
    pub(crate) at: UnixMillis,
    #[schema(schema_with = decisions_or_null, required = true)]
    pub(crate) decision: Option<&'static str>,
    #[schema(required = true)]
    pub(crate) decided_at: Option<UnixMillis>,
}

/// A decision as the one it holds against may know it: neither who complained nor who decided.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedDecision<'a> {
    #[schema(schema_with = reasons)]
    pub(crate) reason: &'a str,
    pub(crate) decided_at: UnixMillis,
    #[schema(value_type = Option<String>, required = true)]
    pub(crate) action: Value,
    #[schema(value_type = Option<UnixMillis>, required = true)]
    pub(crate) until: Value,
}

/// What comes once in an export.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportHead<'a> {
    /// Always `duologue.export`.
    pub(crate) format: &'static str,
    /// Of the form: other numbers, other members.
    pub(crate) version: u32,
    pub(crate) exported_at: UnixMillis,
    pub(crate) user: ExportedUser<'a>,
    /// Null of guests, and of users of a backend.
    #[schema(required = true)]
    pub(crate) account: Option<ExportedAccount<'a>>,
    pub(crate) logins: Vec<ExportedLogin<'a>>,
    /// In force against the user.
    pub(crate) sanctions: Vec<ExportedSanction<'a>>,
    pub(crate) blocks: Vec<BlockView<'a>>,
    /// Made by the user.
    pub(crate) reports: Vec<ExportedReport<'a>>,
    /// About the user.
    pub(crate) decisions: Vec<ExportedDecision<'a>>,
    /// Made by the user.
    pub(crate) appeals: Vec<AppealView<'a>>,
}

/// A file that the user sent, or began to.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedUpload<'a> {
    id: &'a str,
    name: &'a str,
    /// Bytes.
    size: u64,
    #[serde(rename = "type")]
    mime: &'a str,
    /// Where it is got; signed. Missing where there is nothing to get.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<UnixMillis>,
    /// It has a session or a room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    room: Option<&'a str>,
    #[schema(schema_with = message_kinds)]
    kind: &'static str,
    at: UnixMillis,
    /// Whether all of it has come.
    complete: bool,
}

impl<'a> ExportedUpload<'a> {
    /// With an address that is good from now on, if there is anything to get.
    pub(crate) fn new(upload: &'a Upload, sharing: Option<&FileSharing>, now: UnixMillis) -> Self {
        let complete = upload.state == UploadState::Complete;
        let shown = sharing.filter(|_| complete).map(|sharing| FileView::new(upload, sharing, now));
        let (url, expires_at) = shown.map(|shown| (shown.url, shown.expires_at)).unzip();
        let (session, room) = match &upload.place {
            Place::Session(session) => (Some(session.as_str()), None),
            Place::Room(room) => (None, Some(room.as_str())),
        };
        Self {
            id: &upload.id.0,
            name: &upload.name,
            size: upload.bytes,
            mime: &upload.mime,
            url,
            expires_at,
            session,
            room,
            kind: upload.kind.as_str(),
            at: upload.at,
            complete,
        }
    }
}

/// A message of the user, or one that it reacted to, of which nothing but that is told.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedMessage<'a> {
    #[schema(value_type = String, format = "uuid")]
    pub(crate) mid: MessageId,
    pub(crate) ts: UnixMillis,
    /// Whether the user wrote it.
    pub(crate) own: bool,
    /// Of the user.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub(crate) reactions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = message_kinds, required = false)]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    pub(crate) reply_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) file: Option<ExportedUpload<'a>>,
}

/// A session of the user, without what was said there.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedSession {
    #[serde(flatten)]
    pub(crate) session: PastSessionView,
    /// How far the user has got.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) receipt: Option<ReceiptView>,
}

/// A room of the user, without what was said there; of one that it has left less is known.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedRoom {
    #[schema(value_type = String)]
    pub(crate) room: RoomId,
    /// Null of one that is gone.
    #[schema(value_type = Option<String>, required = true)]
    pub(crate) name: Option<Arc<str>>,
    /// What the user is called there.
    #[serde(rename = "self", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) own: Option<Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = member_roles, required = false)]
    pub(crate) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) joined_at: Option<UnixMillis>,
    /// True of one that the user has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) left: Option<bool>,
    /// How far the user has got.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) receipt: Option<ReceiptView>,
}

/// Entries of one list of an export, as `http` is told them to write them into the document.
#[derive(Serialize)]
pub(crate) struct ExportedEntries<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// A session with what the user said there.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedSessionWithChat)]
#[allow(dead_code, reason = "the shape of what is written in parts")]
struct SessionShape<'a> {
    #[serde(flatten)]
    session: ExportedSession,
    chat: Vec<ExportedMessage<'a>>,
}

/// A room with what the user said there.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedRoomWithChat)]
#[allow(dead_code, reason = "the shape of what is written in parts")]
struct RoomShape<'a> {
    #[serde(flatten)]
    room: ExportedRoom,
    chat: Vec<ExportedMessage<'a>>,
}

/// All that is kept about a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
#[allow(dead_code, reason = "the shape of what is written in parts and never in memory at once")]
pub(crate) struct ExportShape<'a> {
    #[serde(flatten)]
    head: ExportHead<'a>,
    uploads: Vec<ExportedUpload<'a>>,
    sessions: Vec<SessionShape<'a>>,
    rooms: Vec<RoomShape<'a>>,
}

fn end_reasons_or_null() -> Object {
    words_or_null(EndReason::ALL.map(EndReason::as_str))
}

fn paths_or_null() -> Object {
    words_or_null([Path::Direct, Path::Relay].map(Path::as_str))
}

fn decisions_or_null() -> Object {
    words_or_null(["accept", "reject"])
}

fn reasons() -> Object {
    words(ReportReason::ALL.map(ReportReason::as_str))
}

fn roles() -> Object {
    words(Role::ALL.map(Role::as_str))
}

fn account_roles() -> Object {
    words(AccountRole::ALL.map(AccountRole::as_str))
}
