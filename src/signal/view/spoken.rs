//! What passes from one to others, as they are told it.
use serde::Serialize;
use utoipa::ToSchema;

use crate::signal::view::FileView;
use crate::signal::view::message_kinds;
use crate::signal::view::push::WhereView;
use crate::store::Alias;
use crate::store::ClientMessageId;
use crate::store::Content;
use crate::store::MessageId;
use crate::time::UnixMillis;

/// Where something is said, and by whom.
#[derive(Serialize, ToSchema)]
#[schema(as = Sender)]
#[allow(dead_code, reason = "the shape of what the hub writes around what is passed on")]
pub(crate) struct SenderShape<'a> {
    #[serde(flatten)]
    place: WhereView<'a>,
    /// Filled in by the server.
    #[schema(value_type = String)]
    from: &'a Alias,
}

/// A message as it comes.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatMessage)]
pub(crate) struct MessageView<'a> {
    /// Sorts as text in the order of sending.
    #[schema(value_type = uuid::Uuid)]
    pub(crate) mid: MessageId,
    pub(crate) ts: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = uuid::Uuid, required = false)]
    pub(crate) cid: Option<ClientMessageId>,
    #[schema(schema_with = message_kinds)]
    pub(crate) kind: &'static str,
    pub(crate) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) file: Option<FileView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = uuid::Uuid, required = false)]
    pub(crate) reply_to: Option<MessageId>,
}

impl<'a> MessageView<'a> {
    pub(crate) fn new(mid: MessageId, ts: UnixMillis, content: &'a Content) -> Self {
        let Content { kind, text, reply_to, .. } = content;
        Self { mid, ts, cid: None, kind: kind.as_str(), text, file: None, reply_to: *reply_to }
    }
}
