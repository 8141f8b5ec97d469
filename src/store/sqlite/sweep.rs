use rusqlite::params;

use crate::store::DataClass;
use crate::store::Retention;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::Upkeep;
use crate::store::retention::horizon;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::time::UnixMillis;

pub(super) const OLD_CHATS: &str =
    "SELECT id FROM session WHERE is_chat_swept = 0 AND ended <= ?1 ORDER BY ended LIMIT ?2";

pub(super) const SOME_MESSAGES: &str = "DELETE FROM message WHERE conversation = ?1 AND mid IN
    (SELECT mid FROM message WHERE conversation = ?1 ORDER BY mid LIMIT ?2)";

pub(super) const OLD_IN_ROOMS: &str = "DELETE FROM message WHERE (conversation, mid) IN
    (SELECT conversation, mid FROM message WHERE is_in_room = 1 AND at <= ?1 ORDER BY at LIMIT ?2)";

pub(super) const OLD_NAMES: &str = "DELETE FROM former_member WHERE (conversation, alias) IN
    (SELECT conversation, alias FROM former_member WHERE gone <= ?1 ORDER BY gone LIMIT ?2)";

pub(super) const UNUSED_ROOMS: &str = "SELECT id FROM room WHERE used <= ?1 ORDER BY used LIMIT ?2";

pub(super) const REMOVED_ROOMS: &str = "SELECT id FROM conversation WHERE kind = 2 ORDER BY id LIMIT ?1";

pub(super) const OLD_LOGS: &str = "DELETE FROM conversation WHERE id IN
    (SELECT id FROM session WHERE is_chat_swept = 1 AND ended <= ?1 ORDER BY ended LIMIT ?2)";

pub(super) const OLD_DEEDS: &str =
    "DELETE FROM deed WHERE number IN (SELECT number FROM deed WHERE at <= ?1 ORDER BY at LIMIT ?2)";

pub(super) const OLD_REPORTS: &str = "DELETE FROM report WHERE id IN
    (SELECT id FROM report WHERE decided <= ?1 AND is_held = 0 ORDER BY decided LIMIT ?2)";
pub(super) const OLD_APPEALS: &str =
    "DELETE FROM appeal WHERE id IN (SELECT id FROM appeal WHERE judged <= ?1 ORDER BY judged LIMIT ?2)";

pub(super) const OLD_EVENTS: &str =
    "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE at <= ?1 ORDER BY at LIMIT ?2)";

pub(super) const OLD_MEETINGS: &str = "DELETE FROM meeting WHERE (a_user, b_user) IN
    (SELECT a_user, b_user FROM meeting WHERE at <= ?1 ORDER BY at LIMIT ?2)";

/// What says itself until when it counts.
pub(super) const OVER: [&str; 5] = [
    "DELETE FROM resumption WHERE user IN (SELECT user FROM resumption WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    "DELETE FROM revocation WHERE name IN (SELECT name FROM revocation WHERE until <= ?1 ORDER BY until LIMIT ?2)",
    "DELETE FROM family WHERE lookup IN (SELECT lookup FROM family WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    "DELETE FROM buried_family WHERE id IN (SELECT id FROM buried_family WHERE until <= ?1 ORDER BY until LIMIT ?2)",
    "DELETE FROM ban WHERE id IN (SELECT id FROM ban WHERE until <= ?1 ORDER BY until LIMIT ?2)",
];

/// More than the free space of a page that is in use.
const PROBE: &str = "INSERT INTO probe (bytes) VALUES (zeroblob(16384))";

impl Upkeep for SqliteStore {
    fn sweep(&mut self, class: DataClass, now: UnixMillis, rows: usize) -> Result<usize, StoreError> {
        let old = |kept| millis(horizon(now, kept));
        match class {
            DataClass::SessionChat => {
                self.whole(|store| store.sweep_session_chat(old(store.retention.session_chat), rows))
            }
            DataClass::RoomChat => self.whole(|store| {
                let closed = store.close_unused_rooms(old(store.retention.unused_rooms), rows)?;
                Ok(closed + store.sweep_room_chat(old(store.retention.room_chat), rows - closed)?)
            }),
            DataClass::Logs => self.execute(OLD_LOGS, params![old(self.retention.logs), count(rows)]),
            DataClass::Audit => self.execute(OLD_DEEDS, params![old(self.retention.audit), count(rows)]),
            DataClass::Reports => self.whole(|store| {
                let horizon = old(store.retention.reports);
                let swept = store.execute(OLD_REPORTS, params![horizon, count(rows)])?;
                Ok(swept + store.execute(OLD_APPEALS, params![horizon, count(rows - swept)])?)
            }),
            DataClass::Events => self.execute(OLD_EVENTS, params![old(self.retention.events), count(rows)]),
            DataClass::Expired => self.whole(|store| {
                let mut swept = store.execute(OLD_MEETINGS, params![old(store.retention.meetings), count(rows)])?;
                for sql in OVER {
                    swept += store.execute(sql, params![millis(now), count(rows - swept)])?;
                }
                Ok(swept)
            }),
        }
    }

    fn keep_for(&mut self, retention: Retention) {
        self.retention = retention;
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        self.whole(|store| {
            store.execute(PROBE, [])?;
            store.execute("DELETE FROM probe", []).map(drop)
        })
    }
}

impl SqliteStore {
    fn sweep_session_chat(&self, horizon: i64, rows: usize) -> Result<usize, StoreError> {
        let mut swept = 0;
        for session in self.numbers(OLD_CHATS, params![horizon, count(rows)])? {
            swept += self.execute(SOME_MESSAGES, params![session, count(rows - swept)])?;
            if swept == rows {
                break;
            }
            self.execute("DELETE FROM receipt WHERE conversation = ?1", params![session])?;
            swept += self.execute("UPDATE session SET is_chat_swept = 1 WHERE id = ?1", params![session])?;
        }
        Ok(swept)
    }

    fn close_unused_rooms(&self, horizon: i64, rows: usize) -> Result<usize, StoreError> {
        let unused = self.numbers(UNUSED_ROOMS, params![horizon, count(rows)])?;
        unused.iter().try_for_each(|room| self.close_room(*room))?;
        Ok(unused.len())
    }

    fn sweep_room_chat(&self, horizon: i64, rows: usize) -> Result<usize, StoreError> {
        let mut swept = self.execute(OLD_IN_ROOMS, params![horizon, count(rows)])?;
        // No message of theirs is younger.
        swept += self.execute(OLD_NAMES, params![horizon, count(rows - swept)])?;
        for room in self.numbers(REMOVED_ROOMS, params![count(rows - swept)])? {
            swept += self.execute(SOME_MESSAGES, params![room, count(rows - swept)])?;
            if swept == rows {
                break;
            }
            swept += self.execute("DELETE FROM conversation WHERE id = ?1", params![room])?;
        }
        Ok(swept)
    }

    fn numbers(&self, sql: &'static str, params: impl rusqlite::Params) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let numbers = statement.query_map(params, |row| row.get(0))?;
        Ok(numbers.collect::<rusqlite::Result<_>>()?)
    }
}
