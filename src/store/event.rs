//! What happened, in order, for whoever watches from outside, and how far each has been told.
use std::sync::Arc;

use uuid::Uuid;

use crate::store::StoreError;
use crate::time::UnixMillis;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name for those who are told: told twice, it is the same.
    pub id: Uuid,
    /// What it was: `session.started`.
    pub kind: Arc<str>,
    /// The session, room or user it happened to.
    pub subject: Arc<str>,
    /// When.
    pub at: UnixMillis,
    /// The rest: a JSON object.
    pub data: Arc<str>,
}

/// An event's place among all: later ones are greater, and none is given twice.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventNumber(pub u64);

/// Events, kept until everybody may be expected to have been told.
pub trait Events {
    /// Adds an event after all others; nothing where none are kept.
    ///
    /// # Errors
    ///
    /// An accident.
    fn append_event(&mut self, event: &Event) -> Result<(), StoreError>;

    /// The events behind `after`, at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn events(&self, after: EventNumber, limit: usize) -> Result<Vec<(EventNumber, Event)>, StoreError>;

    /// The number of the newest event that there ever was; zero: none.
    ///
    /// # Errors
    ///
    /// An accident.
    fn last_event(&self) -> Result<EventNumber, StoreError>;

    /// How far a sink has been told; `None`: it is new.
    ///
    /// # Errors
    ///
    /// An accident.
    fn told(&self, sink: &str) -> Result<Option<EventNumber>, StoreError>;

    /// Stores how far a sink has been told.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_told(&mut self, sink: &str, number: EventNumber) -> Result<(), StoreError>;
}
