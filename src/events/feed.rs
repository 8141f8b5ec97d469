//! The events for those who come and read them themselves.
use crate::store::Event;
use crate::store::EventNumber;
use crate::store::StoreError;
use crate::store::runner::Handle;

/// Reads what the store has of events.
#[derive(Clone, Debug)]
pub struct Feed {
    store: Handle,
}

impl Feed {
    /// Reads from that store.
    pub fn new(store: Handle) -> Self {
        Self { store }
    }

    /// The number of the newest event; zero: there never was one.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn last(&self) -> Result<EventNumber, StoreError> {
        self.store.read(|store| store.last_event()).await
    }

    /// The events behind `after`, at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn after(&self, after: EventNumber, limit: usize) -> Result<Vec<(EventNumber, Event)>, StoreError> {
        self.store.read(move |store| store.events(after, limit)).await
    }
}
