//! `chat.*`: what people write to each other.
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;
use uuid::Uuid;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;
use crate::signal::protocol::words;
use crate::store::ClientMessageId;
use crate::store::Content;
use crate::store::MessageId;
use crate::store::MessageKind;
use crate::store::Receipt;
use crate::store::UploadId;
use crate::store::Window;

/// Characters of a message.
pub(crate) const TEXT_CHARS_MAX: usize = 2000;
/// Messages of one answer to `chat.history`.
pub(crate) const HISTORY_MAX: usize = 100;
/// The same where the client does not say (rule 37).
const HISTORY_DEFAULT: usize = 50;
/// Bytes of an emoji (rule 37).
const EMOJI_BYTES_MAX: usize = 32;
/// Bytes of the id of an upload; ours are shorter.
const UPLOAD_BYTES_MAX: usize = 64;
/// A UUID with its hyphens. RFC 9562 §4.
const UUID_LEN: usize = 36;

/// `chat.send`
#[derive(Debug)]
pub(crate) struct ChatSend {
    pub(crate) cid: ClientMessageId,
    pub(crate) content: Content,
}

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatSend)]
pub(crate) struct ChatSendFields {
    /// The client's own name of it: sent again with it, it is the same message.
    #[schema(value_type = uuid::Uuid)]
    cid: String,
    #[schema(schema_with = kinds)]
    kind: String,
    /// Needed with `text`.
    #[schema(max_length = 2000)]
    text: Option<String>,
    /// The id of an upload; needed with every other kind.
    #[schema(value_type = Option<String>, max_length = 64)]
    file: Option<Arc<str>>,
    /// The `mid` of another message.
    #[schema(value_type = Option<uuid::Uuid>)]
    reply_to: Option<String>,
}

fn kinds() -> Object {
    words(MessageKind::ALL.map(MessageKind::as_str))
}

impl ChatSend {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let ChatSendFields { cid, kind, text, file, reply_to } = fields(data)?;
        let cid = parse_uuid(&cid).map(ClientMessageId).ok_or(Refusal::bad_request("cid must be a UUID"))?;
        let kind = MessageKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = kind.ok_or(Refusal::bad_request("kind is text, voice, image or file"))?;
        let text = text.unwrap_or_default();
        at_most_chars(&text, TEXT_CHARS_MAX, "text has at most 2000 characters")?;
        let reply_to = reply_to.map(|mid| parse_mid(&mid)).transpose()?;
        if file.as_ref().is_some_and(|file| file.len() > UPLOAD_BYTES_MAX) {
            return Err(Refusal::too_large("file has at most 64 bytes"));
        }
        match (kind, &file) {
            (MessageKind::Text, Some(_)) => Err(Refusal::bad_request("a text message has no file")),
            (MessageKind::Text, None) if text.is_empty() => Err(Refusal::bad_request("a text message needs text")),
            (MessageKind::Voice | MessageKind::Image | MessageKind::File, None) => {
                Err(Refusal::bad_request("file is the id of an upload"))
            }
            (MessageKind::Text, None) | (MessageKind::Voice | MessageKind::Image | MessageKind::File, Some(_)) => {
                Ok(Self { cid, content: Content { kind, text: text.into(), file: file.map(UploadId), reply_to } })
            }
        }
    }
}

/// `chat.history`
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) window: Window,
}

/// A part of a history.
#[derive(Deserialize, ToSchema)]
#[schema(as = HistoryAsk)]
pub(crate) struct HistoryFields {
    /// Only what is older than that message.
    #[schema(value_type = Option<uuid::Uuid>)]
    before: Option<String>,
    /// Only what is younger than that message.
    #[schema(value_type = Option<uuid::Uuid>)]
    after: Option<String>,
    /// Messages, at most; 50 unless said.
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

impl History {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let HistoryFields { before, after, limit } = fields(data)?;
        Self::new(before, after, limit)
    }

    /// A part of a history, by what its asker says.
    ///
    /// # Errors
    ///
    /// `bad_request` for a limit out of range and for what is no `mid`.
    pub(crate) fn new(before: Option<String>, after: Option<String>, limit: Option<usize>) -> Result<Self, Refusal> {
        let limit = limit.unwrap_or(HISTORY_DEFAULT);
        if !(1..=HISTORY_MAX).contains(&limit) {
            return Err(Refusal::bad_request("limit is a number from 1 to 100"));
        }
        let before = before.map(|mid| parse_mid(&mid)).transpose()?;
        let after = after.map(|mid| parse_mid(&mid)).transpose()?;
        Ok(Self { window: Window { before, after, limit } })
    }
}

/// `chat.receipt`
#[derive(Debug)]
pub(crate) struct ReceiptTo {
    pub(crate) receipt: Receipt,
}

/// How far one has got: one of the two at least.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReceiptTo)]
pub(crate) struct ReceiptFields {
    #[schema(value_type = Option<uuid::Uuid>)]
    delivered_to: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    read_to: Option<String>,
}

impl ReceiptTo {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let ReceiptFields { delivered_to, read_to } = fields(data)?;
        if delivered_to.is_none() && read_to.is_none() {
            return Err(Refusal::bad_request("give delivered_to or read_to"));
        }
        let delivered_to = delivered_to.map(|mid| parse_mid(&mid)).transpose()?;
        let read_to = read_to.map(|mid| parse_mid(&mid)).transpose()?;
        Ok(Self { receipt: Receipt { delivered_to, read_to } })
    }
}

/// Whether somebody writes.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Typing {
    on: bool,
}

impl Typing {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        fields(data)
    }
}

/// `chat.react`; without `mid` a reaction to the call.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReactionPassedOn)]
pub(crate) struct React {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = uuid::Uuid, required = false)]
    pub(crate) mid: Option<MessageId>,
    #[schema(value_type = String)]
    pub(crate) emoji: Arc<str>,
    pub(crate) remove: bool,
}

/// A reaction to a message or to the call.
#[derive(Deserialize, ToSchema)]
#[schema(as = React)]
pub(crate) struct ReactFields {
    /// Missing: to the call.
    #[schema(value_type = Option<uuid::Uuid>)]
    mid: Option<String>,
    /// At most 32 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 32)]
    emoji: Arc<str>,
    /// To take it back.
    #[serde(default)]
    remove: bool,
}

impl React {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let ReactFields { mid, emoji, remove } = fields(data)?;
        let mid = mid.map(|mid| parse_mid(&mid)).transpose()?;
        if emoji.is_empty() {
            return Err(Refusal::bad_request("emoji must not be empty"));
        }
        if emoji.len() > EMOJI_BYTES_MAX {
            return Err(Refusal::too_large("emoji has at most 32 bytes"));
        }
        Ok(Self { mid, emoji, remove })
    }
}

/// `chat.delete`
#[derive(Copy, Clone, Debug, Serialize, ToSchema)]
#[schema(as = DeletionPassedOn)]
pub(crate) struct Delete {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) mid: MessageId,
}

/// A message of one's own to be deleted.
#[derive(Deserialize, ToSchema)]
#[schema(as = Delete)]
pub(crate) struct DeleteFields {
    #[schema(value_type = uuid::Uuid)]
    mid: String,
}

impl Delete {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let DeleteFields { mid } = fields(data)?;
        Ok(Self { mid: parse_mid(&mid)? })
    }
}

pub(super) fn parse_mid(text: &str) -> Result<MessageId, Refusal> {
    parse_uuid(text).map(MessageId).ok_or(Refusal::bad_request("not a mid"))
}

/// Takes the usual spelling of a UUID only, in any case; the library knows more of them.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() != UUID_LEN { None } else { Uuid::try_parse(text).ok() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::signal::protocol::ErrorCode;

    const CID: &str = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";

    fn send(data: &Value) -> Result<ChatSend, ErrorCode> {
        ChatSend::parse(&data.to_string()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn rule_36_a_cid_is_a_uuid_in_its_usual_spelling() {
        let with = |cid: &str| send(&json!({"cid": cid, "kind": "text", "text": "hi"})).map(|message| message.cid);
        assert_eq!(with(CID), with(&CID.to_uppercase()));
        assert!(with(CID).is_ok());
        for bad in ["", "7", &CID.replace('-', ""), &format!("{{{CID}}}"), &CID.replace('a', "g")] {
            assert_eq!(with(bad), Err(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn rule_10_text_is_counted_in_characters() {
        let text = |text: &str| send(&json!({"cid": CID, "kind": "text", "text": text})).map(|_| ());
        assert_eq!(text(&"🦀".repeat(2000)), Ok(()));
        assert_eq!(text(&"a".repeat(2001)), Err(ErrorCode::TooLarge));
        assert_eq!(text(""), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn a_message_of_words_has_none_and_any_other_has_one_file() {
        let file = |data: &Value| send(data).map(|message| message.content.file.map(|file| file.0.to_string()));
        for kind in ["voice", "image", "file"] {
            assert_eq!(file(&json!({"cid": CID, "kind": kind, "file": "f1"})), Ok(Some("f1".into())), "{kind}");
            assert_eq!(file(&json!({"cid": CID, "kind": kind, "text": "look"})), Err(ErrorCode::BadRequest), "{kind}");
        }
        assert_eq!(file(&json!({"cid": CID, "kind": "text", "text": "a", "file": "f1"})), Err(ErrorCode::BadRequest));
        assert_eq!(file(&json!({"cid": CID, "kind": "file", "file": "x".repeat(65)})), Err(ErrorCode::TooLarge));
        assert_eq!(file(&json!({"cid": CID, "kind": "file", "file": {"id": "f1"}})), Err(ErrorCode::BadRequest));
        assert_eq!(file(&json!({"cid": CID, "kind": "poem"})), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn rule_37_an_emoji_has_1_to_32_bytes() {
        let react = |emoji: &str| {
            let data = json!({"session": "s", "emoji": emoji}).to_string();
            React::parse(&data).map(|_| ()).map_err(|refusal| refusal.code)
        };
        assert_eq!(react("👍"), Ok(()));
        assert_eq!(react(&"👍".repeat(8)), Ok(()));
        assert_eq!(react(&"👍".repeat(9)), Err(ErrorCode::TooLarge));
        assert_eq!(react(""), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn rule_37_a_page_of_history_has_1_to_100_messages() {
        let limit =
            |data: &str| History::parse(data).map(|history| history.window.limit).map_err(|refusal| refusal.code);
        assert_eq!(limit("{}"), Ok(50));
        assert_eq!(limit(r#"{"limit":100}"#), Ok(100));
        for bad in [r#"{"limit":0}"#, r#"{"limit":101}"#, r#"{"limit":-1}"#, r#"{"before":"7"}"#, r#"{"after":5}"#] {
            assert_eq!(limit(bad), Err(ErrorCode::BadRequest), "{bad}");
        }
    }

    #[test]
    fn a_receipt_says_how_far_something_has_got() {
        let parse = |data: &Value| ReceiptTo::parse(&data.to_string()).map_err(|refusal| refusal.code);
        assert!(parse(&json!({"read_to": CID})).is_ok_and(|read| read.receipt.read_to.is_some()));
        assert!(parse(&json!({"read_to": CID, "delivered_to": CID})).is_ok());
        for bad in [json!({}), json!({"read_to": null}), json!({"read_to": "x"}), json!({"delivered_to": 5})] {
            assert_eq!(parse(&bad).err(), Some(ErrorCode::BadRequest), "{bad}");
        }
    }
}
