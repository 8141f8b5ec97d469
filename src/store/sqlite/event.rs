use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;
use uuid::Uuid;

use crate::store::Event;
use crate::store::EventNumber;
use crate::store::Events;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::time_at;

const APPEND: &str = "INSERT INTO event (id, kind, subject, at, data, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const AFTER: &str = "SELECT number, id, kind, subject, at, data, cause FROM event
    WHERE number > ?1 ORDER BY number LIMIT ?2";

/// SQLite's own note of the greatest number it ever gave.
const LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";

const TOLD: &str = "SELECT number FROM event_sink WHERE name = ?1";

const PUT_TOLD: &str = "INSERT INTO event_sink (name, number) VALUES (?1, ?2)
    ON CONFLICT DO UPDATE SET number = excluded.number";

impl Events for SqliteStore {
    fn append_event(&mut self, event: &Event) -> Result<(), StoreError> {
        if self.retention.events.is_zero() {
            return Ok(());
        }
        let Event { id, kind, subject, at, data, cause } = event;
        self.execute(APPEND, params![id.as_bytes(), kind, subject, millis(*at), data, cause]).map(drop)
    }

    fn events(&self, after: EventNumber, limit: usize) -> Result<Vec<(EventNumber, Event)>, StoreError> {
        let mut statement = self.connection.prepare_cached(AFTER)?;
        let events = statement.query_map(params![signed(after), count(limit)], event_at)?;
        Ok(events.collect::<rusqlite::Result<_>>()?)
    }

    fn last_event(&self) -> Result<EventNumber, StoreError> {
        let mut statement = self.connection.prepare_cached(LAST)?;
        let last = statement.query_row([], |row| Ok(EventNumber(row.get(0)?))).optional()?;
        Ok(last.unwrap_or_default())
    }

    fn told(&self, sink: &str) -> Result<Option<EventNumber>, StoreError> {
        let mut statement = self.connection.prepare_cached(TOLD)?;
        Ok(statement.query_row(params![sink], |row| Ok(EventNumber(row.get(0)?))).optional()?)
    }

    fn put_told(&mut self, sink: &str, number: EventNumber) -> Result<(), StoreError> {
        self.execute(PUT_TOLD, params![sink, signed(number)]).map(drop)
    }
}

fn signed(number: EventNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

fn event_at(row: &Row<'_>) -> rusqlite::Result<(EventNumber, Event)> {
    let event = Event {
        id: Uuid::from_bytes(row.get(1)?),
        kind: row.get(2)?,
        subject: row.get(3)?,
        at: time_at(row, 4)?,
        data: row.get(5)?,
        cause: row.get(6)?,
    };
    Ok((EventNumber(row.get(0)?), event))
}
