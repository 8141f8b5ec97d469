//! What is asked about rooms over REST.
use serde_json::Value;

use crate::signal::page::PageAsk;
use crate::signal::protocol::Refusal;

/// Something about rooms, from a user whose token is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAsk {
    /// A new room, whose owner the asker becomes.
    Create {
        /// Its name for people.
        name: String,
    },
    /// The asker's own rooms, the one joined last first.
    List(PageAsk),
    /// One room.
    Show {
        /// Which.
        room: String,
    },
    /// The end of a room.
    Remove {
        /// Which.
        room: String,
    },
    /// Who belongs to a room, by when they joined.
    Members {
        /// Which.
        room: String,
        /// Which part of them.
        page: PageAsk,
    },
    /// Another role for a member.
    Appoint {
        /// Where.
        room: String,
        /// What the others call them.
        member: String,
        /// The word for the role.
        role: String,
    },
    /// The end of a membership: one's own, or somebody is put out.
    Dismiss {
        /// Where.
        room: String,
        /// What the others call them.
        member: String,
    },
    /// A part of the history.
    Messages {
        /// Where.
        room: String,
        /// Only what was sent before that `mid`.
        before: Option<String>,
        /// Only what was sent after that `mid`.
        after: Option<String>,
        /// Messages, at most.
        limit: Option<usize>,
    },
    /// A ticket that makes its holder a member.
    Invite {
        /// Where to.
        room: String,
        /// How long it is good, in milliseconds.
        ttl_ms: Option<u64>,
    },
}

/// Where the answer goes; called once, by the hub, and must not wait.
pub(crate) type RoomAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;
