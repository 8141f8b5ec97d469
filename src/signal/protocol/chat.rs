//! `chat.*`: what two people write to each other.
use serde::Deserialize;
use serde::Serialize;
use uuid::Uuid;

use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::at_most_chars;
use crate::signal::protocol::fields;
use crate::store::ClientMessageId;

/// Characters of a message.
pub(crate) const TEXT_CHARS_MAX: usize = 2000;
/// Bytes of an emoji (rule 37).
const EMOJI_BYTES_MAX: usize = 32;
const MESSAGE_ID_BYTES_MAX: usize = 64;
/// A UUID with its hyphens. RFC 9562 §4.
const UUID_LEN: usize = 36;

#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ChatKind {
    Text,
    Voice,
    Image,
    File,
}

/// Takes the usual spelling of a UUID only, in any case; the library knows more of them.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() != UUID_LEN { None } else { Uuid::try_parse(text).ok() }
}

/// `chat.send`
#[derive(Debug, Serialize)]
pub(crate) struct ChatSend {
    pub(crate) cid: ClientMessageId,
    kind: ChatKind,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
}

#[derive(Deserialize)]
struct ChatSendFields {
    cid: String,
    kind: ChatKind,
    text: Option<String>,
    reply_to: Option<String>,
}

impl ChatSend {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let ChatSendFields { cid, kind, text, reply_to } = fields(data)?;
        let cid = parse_uuid(&cid).map(ClientMessageId).ok_or(Refusal::bad_request("cid must be a UUID"))?;
        check_message_id(reply_to.as_deref())?;
        let text = text.unwrap_or_default();
        at_most_chars(&text, TEXT_CHARS_MAX, "text has at most 2000 characters")?;
        match kind {
            ChatKind::Text if text.is_empty() => Err(Refusal::bad_request("a text message needs text")),
            ChatKind::Text => Ok(Self { cid, kind, text, reply_to }),
            ChatKind::Voice | ChatKind::Image | ChatKind::File => {
                Err(Refusal::new(ErrorCode::Unavailable, "this server takes no files"))
            }
        }
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
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct React {
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<String>,
    emoji: String,
    #[serde(default)]
    remove: bool,
}

impl React {
    pub(super) fn parse(data: &str) -> Result<Self, Refusal> {
        let reaction: Self = fields(data)?;
        check_message_id(reaction.mid.as_deref())?;
        if reaction.emoji.is_empty() {
            return Err(Refusal::bad_request("emoji must not be empty"));
        }
        if reaction.emoji.len() > EMOJI_BYTES_MAX {
            return Err(Refusal::too_large("emoji has at most 32 bytes"));
        }
        Ok(reaction)
    }
}

fn check_message_id(id: Option<&str>) -> Result<(), Refusal> {
    if id.is_some_and(|id| id.is_empty() || id.len() > MESSAGE_ID_BYTES_MAX) {
        return Err(Refusal::bad_request("not a mid"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

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
    fn files_are_not_offered() {
        let voice = json!({"cid": CID, "kind": "voice", "file": "f1"});
        assert_eq!(send(&voice).err(), Some(ErrorCode::Unavailable));
        assert_eq!(send(&json!({"cid": CID, "kind": "poem"})).err(), Some(ErrorCode::BadRequest));
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
}
