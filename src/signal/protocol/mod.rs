//! The messages of `duologue.v1`, one file per family. Pure: text in, checked types out, and back.
mod appeal;
mod block;
mod chat;
mod close;
mod envelope;
mod hello;
mod moderation;
mod push;
mod refusal;
mod report;
mod request;
mod room;
mod rtc;
mod session;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::schema::Object;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

pub use appeal::AppealAsk;
pub(crate) use appeal::AppealFields;
pub use appeal::AppealSubmit;
pub(crate) use appeal::VerdictFields;
pub use appeal::VerdictRequest;
pub(crate) use block::BlockFields;
pub use block::BlockTarget;
pub(crate) use chat::ChatSend;
pub(crate) use chat::ChatSendFields;
pub(crate) use chat::Delete;
pub(crate) use chat::DeleteFields;
pub(crate) use chat::HISTORY_MAX;
pub(crate) use chat::History;
pub(crate) use chat::HistoryFields;
pub(crate) use chat::React;
pub(crate) use chat::ReactFields;
pub(crate) use chat::ReceiptFields;
pub(crate) use chat::ReceiptTo;
pub(crate) use chat::TEXT_CHARS_MAX;
pub(crate) use chat::Typing;
pub use close::CloseCode;
pub(crate) use envelope::BadFrame;
pub(crate) use envelope::Body;
pub(crate) use envelope::DEPTH_MAX;
pub(crate) use envelope::Incoming;
pub(crate) use envelope::ReplyTo;
pub(crate) use hello::ClientToken;
pub(crate) use hello::Credentials;
pub(crate) use hello::Hello;
pub(crate) use hello::HelloFields;
pub(crate) use hello::Resume;
pub(crate) use hello::checked_device_id;
pub(crate) use moderation::Aim;
pub(crate) use moderation::BanFields;
pub use moderation::BanRequest;
pub(crate) use moderation::DecisionFields;
pub use moderation::DecisionRequest;
pub(crate) use moderation::checked_note;
pub(crate) use moderation::window_of;
pub(crate) use push::ErrorBody;
pub(crate) use push::PushKind;
pub(crate) use push::error;
pub(crate) use push::ok;
pub(crate) use push::push;
pub use refusal::ErrorCode;
pub use refusal::Refusal;
pub(crate) use report::COMMENT_CHARS_MAX;
pub(crate) use report::REPORTED_MESSAGES_MAX;
pub(crate) use report::ReportFields;
pub(crate) use report::ReportReason;
pub use report::ReportSubmit;
pub(crate) use request::Request;
pub(crate) use request::SeqFields;
pub(crate) use request::TokenFields;
pub(crate) use room::ROOM_NAME_CHARS_MAX;
pub(crate) use room::RoomJoin;
pub(crate) use room::RoomLeave;
pub(crate) use room::checked_room_name;
pub(crate) use rtc::CANDIDATE_BYTES_MAX;
pub(crate) use rtc::CANDIDATES_MAX;
pub(crate) use rtc::Candidates;
pub(crate) use rtc::CandidatesFields;
pub(crate) use rtc::Description;
pub(crate) use rtc::DescriptionFields;
pub(crate) use rtc::DescriptionKind;
pub(crate) use rtc::IceRefresh;
pub(crate) use rtc::IceRefreshFields;
pub(crate) use rtc::Media;
pub(crate) use rtc::Path;
pub(crate) use rtc::PeerState;
pub(crate) use rtc::Quality;
pub(crate) use rtc::RelayProtocol;
pub(crate) use rtc::SDP_BYTES_MAX;
pub(crate) use rtc::ToPeer;
pub(crate) use session::OneSession;
pub(crate) use session::OneSessionFields;
pub(crate) use session::Target;
pub(crate) use session::TargetFields;

/// Bytes of one message, fragments counted together (rule 8).
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The same before `hello` is accepted (rule 8).
pub(crate) const MESSAGE_BYTES_BEFORE_HELLO_MAX: usize = 8 * 1024;

/// The schema of a text that is one of a few words.
pub(crate) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// The same of a text that may be missing.
pub(crate) fn words_or_null<'a>(words: impl IntoIterator<Item = &'a str>) -> Object {
    let words = words.into_iter().map(Value::from).chain([Value::Null]);
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).enum_values(Some(words)).build()
}

/// Reads the data of one message. Unknown members are ignored.
fn fields<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(data).map_err(|error| {
        // The parser may quote what it was given, which can be long.
        let message: String = error.to_string().chars().take(200).collect();
        Refusal { code: ErrorCode::BadRequest, message: message.into(), retry_after: None }
    })
}

/// Refuses a text of more than `max` characters; characters are Unicode scalar values (rule 10).
fn at_most_chars(text: &str, max: usize, refused: &'static str) -> Result<(), Refusal> {
    if text.chars().count() > max { Err(Refusal::too_large(refused)) } else { Ok(()) }
}
