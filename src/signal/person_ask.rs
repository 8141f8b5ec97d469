//! What somebody asks over REST of what is kept about them.
use serde_json::Value;

use crate::signal::page::PageAsk;
use crate::signal::protocol::Refusal;
use crate::store::MessageId;
use crate::store::Place;

/// Something about oneself, from a user whose token is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAsk {
    /// One's own sessions that are over, the newest first.
    Sessions(PageAsk),
    /// A part of all that is kept: `{entries, next}`, the head as it is.
    Export(ExportPart),
}

/// A part of all that is kept about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportPart {
    /// What comes once.
    Head,
    /// Files.
    Uploads {
        /// The `next` of the part before.
        after: Option<String>,
    },
    /// Sessions, the newest first.
    Sessions {
        /// The `next` of the part before.
        after: Option<String>,
    },
    /// Rooms.
    Rooms,
    /// What somebody wrote and made of what others wrote in one place.
    Chat {
        /// Where.
        place: Place,
        /// The `next` of the part before.
        after: Option<MessageId>,
    },
}

/// Where the answer goes; called once, by the hub, and must not wait.
pub(crate) type PersonAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;
