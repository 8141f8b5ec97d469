//! All requests after `hello`, by their type.
use serde::Deserialize;
use utoipa::ToSchema;

use crate::matchmaking::Preferences;
use crate::matchmaking::PreferencesError;
use crate::matchmaking::RawPreferences;
use crate::signal::protocol::BlockTarget;
use crate::signal::protocol::Candidates;
use crate::signal::protocol::ChatSend;
use crate::signal::protocol::ClientToken;
use crate::signal::protocol::Delete;
use crate::signal::protocol::Description;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::History;
use crate::signal::protocol::IceRefresh;
use crate::signal::protocol::Media;
use crate::signal::protocol::OneSession;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::Quality;
use crate::signal::protocol::React;
use crate::signal::protocol::ReceiptTo;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReportSubmit;
use crate::signal::protocol::RoomJoin;
use crate::signal::protocol::RoomLeave;
use crate::signal::protocol::ToPeer;
use crate::signal::protocol::Typing;
use crate::signal::protocol::fields;

/// A well-formed request.
#[derive(Debug)]
pub(crate) enum Request {
    AuthRefresh { token: ClientToken },
    Bye,
    Ack { seq: u64 },
    QueueJoin(Box<Preferences>),
    QueueLeave,
    SessionNext(OneSession),
    SessionEnd(OneSession),
    SessionExtend(OneSession),
    Description(Box<ToPeer<Description>>),
    Candidates(Box<ToPeer<Candidates>>),
    State(Box<ToPeer<PeerState>>),
    Quality(Box<ToPeer<Quality>>),
    Media(Box<ToPeer<Media>>),
    IceRefresh(IceRefresh),
    RoomJoin(RoomJoin),
    RoomLeave(RoomLeave),
    ChatSend(Box<ToPeer<ChatSend>>),
    History(Box<ToPeer<History>>),
    Receipt(Box<ToPeer<ReceiptTo>>),
    Typing(Box<ToPeer<Typing>>),
    React(Box<ToPeer<React>>),
    Delete(Box<ToPeer<Delete>>),
    BlockAdd(Box<BlockTarget>),
    BlockRemove(Box<BlockTarget>),
    ReportSubmit(Box<ReportSubmit>),
}

/// A fresh access token of the same user.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthRefresh)]
pub(crate) struct TokenFields {
    #[schema(value_type = String)]
    token: ClientToken,
}

/// The last push that has arrived.
#[derive(Deserialize, ToSchema)]
#[schema(as = Ack)]
pub(crate) struct SeqFields {
    seq: u64,
}

impl Request {
    /// The message type.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Request::AuthRefresh { .. } => "auth.refresh",
            Request::Bye => "bye",
            Request::Ack { .. } => "ack",
            Request::QueueJoin(_) => "queue.join",
            Request::QueueLeave => "queue.leave",
            Request::SessionNext(_) => "session.next",
            Request::SessionEnd(_) => "session.end",
            Request::SessionExtend(_) => "session.extend",
            Request::Description(_) => "rtc.description",
            Request::Candidates(_) => "rtc.candidates",
            Request::State(_) => "rtc.state",
            Request::Quality(_) => "rtc.quality",
            Request::Media(_) => "media.state",
            Request::IceRefresh(_) => "ice.refresh",
            Request::RoomJoin(_) => "room.join",
            Request::RoomLeave(_) => "room.leave",
            Request::ChatSend(_) => "chat.send",
            Request::History(_) => "chat.history",
            Request::Receipt(_) => "chat.receipt",
            Request::Typing(_) => "chat.typing",
            Request::React(_) => "chat.react",
            Request::Delete(_) => "chat.delete",
            Request::BlockAdd(_) => "block.add",
            Request::BlockRemove(_) => "block.remove",
            Request::ReportSubmit(_) => "report.submit",
        }
    }

    pub(super) fn parse(kind: &str, data: &str) -> Result<Self, Refusal> {
        match kind {
            "auth.refresh" => {
                let TokenFields { token } = fields(data)?;
                Ok(Request::AuthRefresh { token })
            }
            "bye" => Ok(Request::Bye),
            "ack" => {
                let SeqFields { seq } = fields(data)?;
                Ok(Request::Ack { seq })
            }
            "queue.join" => Ok(Request::QueueJoin(Box::new(preferences(data)?))),
            "queue.leave" => Ok(Request::QueueLeave),
            "session.next" => OneSession::parse(data).map(Request::SessionNext),
            "session.end" => OneSession::parse(data).map(Request::SessionEnd),
            "session.extend" => OneSession::parse(data).map(Request::SessionExtend),
            "rtc.description" => to_peer(data, Description::parse).map(Request::Description),
            "rtc.candidates" => to_peer(data, Candidates::parse).map(Request::Candidates),
            "rtc.state" => to_peer(data, PeerState::parse).map(Request::State),
            "rtc.quality" => to_peer(data, Quality::parse).map(Request::Quality),
            "media.state" => to_peer(data, Media::parse).map(Request::Media),
            "ice.refresh" => IceRefresh::parse(data).map(Request::IceRefresh),
            "room.join" => RoomJoin::parse(data).map(Request::RoomJoin),
            "room.leave" => RoomLeave::parse(data).map(Request::RoomLeave),
            "chat.send" => to_peer(data, ChatSend::parse).map(Request::ChatSend),
            "chat.history" => to_peer(data, History::parse).map(Request::History),
            "chat.receipt" => to_peer(data, ReceiptTo::parse).map(Request::Receipt),
            "chat.typing" => to_peer(data, Typing::parse).map(Request::Typing),
            "chat.react" => to_peer(data, React::parse).map(Request::React),
            "chat.delete" => to_peer(data, Delete::parse).map(Request::Delete),
            "block.add" => block_target(data).map(Request::BlockAdd),
            "block.remove" => block_target(data).map(Request::BlockRemove),
            "report.submit" => ReportSubmit::parse(data).map(Box::new).map(Request::ReportSubmit),
            _ => Err(Refusal::new(ErrorCode::UnknownType, "no such message type")),
        }
    }
}

fn to_peer<T>(data: &str, parse: fn(&str) -> Result<T, Refusal>) -> Result<Box<ToPeer<T>>, Refusal> {
    ToPeer::parse(data, parse(data)?).map(Box::new)
}

fn block_target(data: &str) -> Result<Box<BlockTarget>, Refusal> {
    BlockTarget::parse(data).map(Box::new)
}

fn preferences(data: &str) -> Result<Preferences, Refusal> {
    let raw: RawPreferences = fields(data)?;
    Preferences::try_from(raw).map_err(|error| {
        let code = match error {
            PreferencesError::TooLong(_) => ErrorCode::TooLarge,
            PreferencesError::TooMany(_) | PreferencesError::Malformed(_) => ErrorCode::BadRequest,
        };
        Refusal { code, message: error.to_string().into(), retry_after: None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_join_distinguishes_counts_from_sizes() {
        let code = |data: &str| Request::parse("queue.join", data).map(|_| ()).map_err(|refusal| refusal.code);
        assert_eq!(code(r#"{"tags":["Music "],"languages":["en"],"media":{"audio":true}}"#), Ok(()));
        assert_eq!(code("{}"), Ok(()));
        assert_eq!(code(&format!(r#"{{"tags":["{}"]}}"#, "x".repeat(33))), Err(ErrorCode::TooLarge));
        assert_eq!(code(r#"{"tags":["1","2","3","4","5","6","7","8","9","10","11"]}"#), Err(ErrorCode::BadRequest));
        assert_eq!(code(r#"{"tag_wait_ms":60001}"#), Err(ErrorCode::BadRequest));
        assert_eq!(code(r#"{"tags":"music"}"#), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn types_that_are_not_in_the_contract_are_unknown() {
        for kind in ["report.decide", "report", ""] {
            let refused = Request::parse(kind, "{}").map(|_| ()).map_err(|refusal| refusal.code);
            assert_eq!(refused, Err(ErrorCode::UnknownType), "{kind}");
        }
    }
}
