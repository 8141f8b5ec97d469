//! `chat.*`: what people write to each other.
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use uuid::Uuid;

use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;
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

#[derive(Deserialize)]
struct ChatSendFields {
    cid: String,
    kind: String,
    text: Option<String>,
    file: Option<Arc<str>>,
    reply_to: Option<String>,
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

#[derive(Deserialize)]
struct HistoryFields {
    before: Option<String>,
    after: Option<String>,
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

#[derive(Deserialize)]
struct ReceiptFields {
    delivered_to: Option<String>,
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

/// `chat.typing`
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Typing {
    on: bool,
}

impl Typing {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        fields(data)
    }
}

/// `chat.react`; without `mid` a reaction to the call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct React {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mid: Option<MessageId>,
    pub(crate) emoji: Arc<str>,
    pub(crate) remove: bool,
}

#[derive(Deserialize)]
struct ReactFields {
    mid: Option<String>,
    emoji: Arc<str>,
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
#[derive(Copy, Clone, Debug, Serialize)]
pub(crate) struct Delete {
    pub(crate) mid: MessageId,
}

#[derive(Deserialize)]
struct DeleteFields {
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
