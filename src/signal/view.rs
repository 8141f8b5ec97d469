//! What is told over REST: these shapes are what is written and what `/openapi.json` tells.
pub(crate) mod appeal;
pub(crate) mod live;
pub(crate) mod own;
pub(crate) mod push;
pub(crate) mod spoken;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::auth::file_link::FileAccess;
use crate::signal::ice::IceServer;
use crate::signal::protocol::ReportReason;
use crate::signal::protocol::words;
use crate::signal::settings::FileSharing;
use crate::store::Alias;
use crate::store::MemberRole;
use crate::store::MessageId;
use crate::store::MessageKind;
use crate::store::Receipt;
use crate::store::RoomId;
use crate::store::Sanction;
use crate::store::SessionId;
use crate::store::Upload;
use crate::time::UnixMillis;

/// What a call may go over.
#[derive(Serialize, ToSchema)]
#[schema(as = IceServers)]
pub(crate) struct IceServersView<'a> {
    pub(crate) ice_servers: &'a [IceServer],
    /// When the credential stops to be good for new allocations.
    pub(crate) expires_at: UnixMillis,
}

/// A room as one of its members sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Room)]
pub(crate) struct RoomView<'a> {
    /// The room.
    #[schema(value_type = String)]
    pub(crate) id: &'a RoomId,
    /// The same, as messages call it.
    #[schema(value_type = String)]
    pub(crate) room: &'a RoomId,
    /// Its name for people.
    pub(crate) name: &'a str,
    pub(crate) created_at: UnixMillis,
    /// What one is called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: &'a Alias,
    /// One's own role.
    #[schema(schema_with = member_roles)]
    pub(crate) role: &'static str,
    pub(crate) joined_at: UnixMillis,
    /// How many are there now.
    pub(crate) present: usize,
}

/// One's own rooms.
#[derive(Serialize, ToSchema)]
#[schema(as = Rooms)]
pub(crate) struct RoomsView<'a> {
    pub(crate) rooms: Vec<RoomView<'a>>,
    /// The `after` of the next page.
    pub(crate) next: Option<String>,
}

/// Somebody who belongs to a room.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView<'a> {
    /// What they are called there.
    #[schema(value_type = String)]
    pub(crate) peer: &'a Alias,
    #[schema(schema_with = member_roles)]
    pub(crate) role: &'static str,
    pub(crate) joined_at: UnixMillis,
    /// Whether they are there now.
    pub(crate) present: bool,
}

/// Who belongs to a room.
#[derive(Serialize, ToSchema)]
#[schema(as = Members)]
pub(crate) struct MembersView<'a> {
    /// What one is called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: &'a Alias,
    pub(crate) members: Vec<MemberView<'a>>,
    /// The `after` of the next page.
    pub(crate) next: Option<String>,
}

/// What makes its holder a member.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationView {
    /// For `room.join`.
    pub(crate) ticket: String,
    pub(crate) expires_at: UnixMillis,
}

/// A file as a message shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileView<'a> {
    id: &'a str,
    name: &'a str,
    /// Bytes.
    size: u64,
    #[serde(rename = "type")]
    mime: &'a str,
    /// Where it is got; signed.
    url: String,
    expires_at: UnixMillis,
}

impl<'a> FileView<'a> {
    /// With an address that is good from now on.
    pub(crate) fn new(upload: &'a Upload, sharing: &FileSharing, now: UnixMillis) -> Self {
        let expires_at = now + sharing.link_life;
        Self {
            id: &upload.id.0,
            name: &upload.name,
            size: upload.bytes,
            mime: &upload.mime,
            url: sharing.links.url(FileAccess::Get, &upload.id.0, expires_at),
            expires_at,
        }
    }
}

/// How far a member has got.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptOf<'a> {
    #[schema(value_type = String)]
    pub(crate) from: &'a Alias,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    pub(crate) delivered_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    pub(crate) read_to: Option<MessageId>,
}

/// How far somebody has got: the last message that reached them, and the last that they read.
#[derive(Serialize, ToSchema)]
#[schema(as = Watermarks)]
pub(crate) struct ReceiptView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    delivered_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    read_to: Option<MessageId>,
}

impl From<Receipt> for ReceiptView {
    fn from(Receipt { delivered_to, read_to }: Receipt) -> Self {
        Self { delivered_to, read_to }
    }
}

/// A reaction to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Reaction)]
pub(crate) struct ReactionView<'a> {
    #[schema(value_type = String)]
    pub(crate) from: &'a Alias,
    pub(crate) emoji: &'a str,
}

/// A message of a history. Of a deleted one only its place in the order is left.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = HistoryMessage)]
pub(crate) struct EntryView<'a> {
    /// Sorts as text in the order of sending.
    #[schema(value_type = String, format = "uuid", required = true)]
    pub(crate) mid: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) deleted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) ts: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) from: Option<&'a Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = message_kinds)]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) file: Option<FileView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid", required = false)]
    pub(crate) reply_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) reactions: Vec<ReactionView<'a>>,
}

/// A part of a history, the oldest message first.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub(crate) struct HistoryView<'a> {
    /// What one is called there.
    #[serde(rename = "self")]
    #[schema(value_type = String)]
    pub(crate) own: &'a Alias,
    pub(crate) messages: Vec<EntryView<'a>>,
    /// Whether there are more in that direction.
    pub(crate) more: bool,
    /// Where to go on: the `mid` that the next page stops before or begins behind.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(crate) next: Option<MessageId>,
    pub(crate) receipts: Vec<ReceiptOf<'a>>,
    /// Only if anything is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) lost: Option<LossView>,
}

/// What a whole history lacks: messages that were passed on while the store could not write, since the server began.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryLoss)]
pub(crate) struct LossView {
    #[schema(minimum = 1)]
    pub(crate) count: u64,
    /// When the first of them was sent.
    pub(crate) first_ts: UnixMillis,
    /// When the last of them was sent.
    pub(crate) last_ts: UnixMillis,
}

/// Somebody kept away; who it is is not told.
#[derive(Serialize, ToSchema)]
#[schema(as = Block)]
pub(crate) struct BlockView<'a> {
    /// For `DELETE /v1/blocks/{id}`.
    pub(crate) id: &'a str,
    pub(crate) at: UnixMillis,
}

/// One's own blocks, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Blocks)]
pub(crate) struct BlocksView<'a> {
    pub(crate) blocks: Vec<BlockView<'a>>,
    /// The `after` of the next page.
    pub(crate) next: Option<String>,
}

/// A report that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportTaken)]
pub(crate) struct ReportTakenView<'a> {
    pub(crate) report: &'a str,
}

/// Who works on a report.
#[derive(Serialize, ToSchema)]
#[schema(as = Claim)]
pub(crate) struct ClaimView<'a> {
    pub(crate) by: &'a str,
    pub(crate) at: UnixMillis,
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionTaken)]
pub(crate) struct DecisionView<'a> {
    /// `accept` or `reject`.
    pub(crate) decision: &'static str,
    pub(crate) by: &'a str,
    pub(crate) at: UnixMillis,
    /// What follows from it.
    #[serde(flatten)]
    #[schema(value_type = FollowsShape)]
    pub(crate) follows: Value,
}

/// What follows from a report that is accepted.
#[derive(ToSchema)]
#[schema(as = Follows)]
#[allow(dead_code, reason = "the shape of what is stored with a decision")]
struct FollowsShape {
    action: Option<String>,
    target: Option<String>,
    until: Option<UnixMillis>,
    /// The bans made of it.
    bans: Option<Vec<String>>,
}

/// A report without its evidence.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub(crate) struct ReportView<'a> {
    pub(crate) report: &'a str,
    /// `open` or `decided`.
    pub(crate) state: &'static str,
    #[schema(value_type = String)]
    pub(crate) session: &'a SessionId,
    #[schema(schema_with = reasons)]
    pub(crate) reason: &'a str,
    pub(crate) comment: &'a str,
    pub(crate) at: UnixMillis,
    /// The lower, the more urgent.
    pub(crate) rank: u8,
    pub(crate) reporter: &'a str,
    pub(crate) reported: &'a str,
    pub(crate) device: Option<&'a str>,
    pub(crate) claim: Option<ClaimView<'a>>,
    /// Whether it is kept whatever its age.
    pub(crate) held: bool,
    pub(crate) decision: Option<DecisionView<'a>>,
}

/// A remark of a moderator.
#[derive(Serialize, ToSchema)]
#[schema(as = Note)]
pub(crate) struct NoteView<'a> {
    pub(crate) by: &'a str,
    pub(crate) at: UnixMillis,
    pub(crate) text: &'a str,
}

/// A report with everything.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportWithEvidence)]
pub(crate) struct WholeReportView<'a> {
    #[serde(flatten)]
    pub(crate) head: ReportView<'a>,
    /// What was frozen: the last messages of both sides, the facts of their session, how the call went.
    #[schema(value_type = Option<Object>)]
    pub(crate) evidence: Value,
    pub(crate) notes: Vec<NoteView<'a>>,
}

/// A page of reports, the open ones first.
#[derive(Serialize, ToSchema)]
#[schema(as = Reports)]
pub(crate) struct ReportsView<'a> {
    pub(crate) reports: Vec<ReportView<'a>>,
    /// The `after` of the next page.
    pub(crate) next: Option<String>,
}

/// A ban or a lesser sanction; it has one of `user`, `device`, `network`.
#[derive(Serialize, ToSchema)]
#[schema(as = Ban)]
pub(crate) struct BanView<'a> {
    pub(crate) id: &'a str,
    #[schema(schema_with = sanctions)]
    pub(crate) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) network: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) by: &'a str,
    pub(crate) at: UnixMillis,
    /// The report it is made of.
    pub(crate) report: Option<&'a str>,
    /// Its end; null: for good.
    pub(crate) until: Option<UnixMillis>,
}

/// A page of what is in force, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Bans)]
pub(crate) struct BansView<'a> {
    pub(crate) bans: Vec<BanView<'a>>,
    /// The `after` of the next page.
    pub(crate) next: Option<&'a str>,
}

/// Something that somebody with rights did.
#[derive(Serialize, ToSchema)]
#[schema(as = Deed)]
pub(crate) struct DeedView<'a> {
    pub(crate) number: u64,
    pub(crate) at: UnixMillis,
    pub(crate) by: &'a str,
    pub(crate) action: &'a str,
    /// What it was done to.
    pub(crate) subject: &'a str,
    /// More of it.
    #[schema(value_type = Option<Object>)]
    pub(crate) details: Value,
}

/// A page of deeds, the last first.
#[derive(Serialize, ToSchema)]
#[schema(as = Deeds)]
pub(crate) struct DeedsView<'a> {
    pub(crate) deeds: Vec<DeedView<'a>>,
    /// The `before` of the next page.
    pub(crate) next: Option<u64>,
}

fn member_roles() -> Object {
    words(MemberRole::ALL.map(MemberRole::as_str))
}

fn message_kinds() -> Object {
    words(MessageKind::ALL.map(MessageKind::as_str))
}

fn sanctions() -> Object {
    words(Sanction::ALL.map(Sanction::as_str))
}

fn reasons() -> Object {
    words(ReportReason::ALL.map(ReportReason::as_str))
}
