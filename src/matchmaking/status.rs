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
    /// The word for a level.
    pub(super) const fn of_level(level: u8) -> Self {
        if level == 0 { QueueState::Searching } else { QueueState::Widening }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            QueueState::Searching => "searching",
            QueueState::Widening => "widening",
        }
    }
}

/// Leaves two significant digits of a count from 100 on: a long queue neither tells its exact length nor a new one
/// every time.
pub(super) fn rounded(count: usize) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    count / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_queues_are_told_in_two_digits() {
        let told = [0, 7, 99, 100, 119, 1_999, 200_000, usize::MAX].map(rounded);
        assert_eq!(told, [0, 7, 99, 100, 110, 1_900, 200_000, 4_200_000_000]);
    }
}
