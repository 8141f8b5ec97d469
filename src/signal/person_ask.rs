//! What somebody asks over REST of what is kept about them.
use serde_json::Value;

use crate::signal::page::PageAsk;
use crate::signal::protocol::Refusal;

/// Something about oneself, from a user whose token is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAsk {
    /// One's own sessions that are over, the newest first.
    Sessions(PageAsk),
}

/// Where the answer goes; called once, by the hub, and must not wait.
pub(crate) type PersonAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;
