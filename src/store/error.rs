//! What can go wrong with a store that is open.
use std::sync::Arc;

/// Why something was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room for more.
    #[error("the disk is full")]
    Full,
    /// The file holds what no database holds.
    #[error("the database is damaged: {0}")]
    Damaged(Arc<str>),
    /// The operating system or another process is in the way.
    #[error("the database cannot be used: {0}")]
    Failed(Arc<str>),
    /// The session, room or message that it is about is not there.
    #[error("nothing of that name is stored")]
    Unknown,
    /// Something of that name is stored already.
    #[error("that name is taken")]
    Taken,
    /// The process is about to end.
    #[error("the store has stopped")]
    Stopped,
}

/// Why a write was lost, as a word for metrics and logs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Accident {
    /// [`StoreError::Full`]
    Full,
    /// [`StoreError::Damaged`]
    Damaged,
    /// [`StoreError::Failed`]
    Failed,
}

impl Accident {
    /// Every accident.
    pub const ALL: [Accident; 3] = [Accident::Full, Accident::Damaged, Accident::Failed];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Accident::Full => "full",
            Accident::Damaged => "damaged",
            Accident::Failed => "failed",
        }
    }
}

impl StoreError {
    /// A word for it.
    pub const fn kind(&self) -> &'static str {
        match self {
            StoreError::Full => Accident::Full.as_str(),
            StoreError::Damaged(_) => Accident::Damaged.as_str(),
            StoreError::Failed(_) => Accident::Failed.as_str(),
            StoreError::Unknown => "unknown",
            StoreError::Taken => "taken",
            StoreError::Stopped => "stopped",
        }
    }

    /// The accident, if it is one: the whole group of writes is lost then. Otherwise only this write was refused.
    pub const fn accident(&self) -> Option<Accident> {
        match self {
            StoreError::Full => Some(Accident::Full),
            StoreError::Damaged(_) => Some(Accident::Damaged),
            StoreError::Failed(_) => Some(Accident::Failed),
            StoreError::Unknown | StoreError::Taken | StoreError::Stopped => None,
        }
    }
}
