use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::Event;
use crate::store::EventNumber;
use crate::store::Events;
use crate::store::MemoryStore;
use crate::store::StoreError;
use crate::time::UnixMillis;

/// Events by number.
#[derive(Clone, Debug, Default)]
pub(super) struct EventBook {
    event_by_number: BTreeMap<EventNumber, Event>,
    last: EventNumber,
    told_by_sink: BTreeMap<String, EventNumber>,
}

impl EventBook {
    /// Forgets events up to that moment, at most `limit`, and returns how many.
    pub(super) fn forget(&mut self, horizon: UnixMillis, limit: usize) -> usize {
        let is_old = |(_, event): &(&EventNumber, &Event)| event.at <= horizon;
        let old: Vec<EventNumber> = self.event_by_number.iter().filter(is_old).take(limit).map(|(at, _)| *at).collect();
        for number in &old {
            self.event_by_number.remove(number);
        }
        old.len()
    }
}

impl Events for MemoryStore {
    fn append_event(&mut self, event: &Event) -> Result<(), StoreError> {
        if self.retention.events.is_zero() {
            return Ok(());
        }
        let EventBook { event_by_number, last, .. } = &mut self.events;
        last.0 += 1;
        event_by_number.insert(*last, event.clone());
        Ok(())
    }

    fn events(&self, after: EventNumber, limit: usize) -> Result<Vec<(EventNumber, Event)>, StoreError> {
        let later = self.events.event_by_number.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(later.take(limit).map(|(number, event)| (*number, event.clone())).collect())
    }

    fn last_event(&self) -> Result<EventNumber, StoreError> {
        Ok(self.events.last)
    }

    fn told(&self, sink: &str) -> Result<Option<EventNumber>, StoreError> {
        Ok(self.events.told_by_sink.get(sink).copied())
    }

    fn put_told(&mut self, sink: &str, number: EventNumber) -> Result<(), StoreError> {
        self.events.told_by_sink.insert(sink.to_owned(), number);
        Ok(())
    }
}
