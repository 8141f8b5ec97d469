//! What a waiting user is told about the queue.
use std::time::Duration;

/// How a ticket stands in the queue.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether anything has been relaxed yet.
    pub state: QueueState,
    /// Older tickets of the same pool; two significant digits from 100 on.
    pub ahead: u32,
    /// Tickets of the same pool, this one included; two significant digits from 100 on.
    pub waiting: u32,
    /// The expected rest of the wait in coarse steps; `None` when unknown.
    pub eta: Option<Duration>,
    /// 0 (nothing relaxed) to 4 (recent partners allowed).
    pub level: u8,
}

/// The word for a ticket's level.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Level 0: everything asked for still counts.
    Searching,
    /// Level 1 and above.
    Widening,
}

impl QueueState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            QueueState::Searching => "searching",
            QueueState::Widening => "widening",
        }
    }
}
