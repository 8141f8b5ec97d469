use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::params;

use crate::store::Alias;
use crate::store::Ending;
use crate::store::LiveSession;
use crate::store::Meeting;
use crate::store::Participant;
use crate::store::Place;
use crate::store::Progress;
use crate::store::Resumption;
use crate::store::Revocation;
use crate::store::Session;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::Sessions;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::value::SESSION;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::optional_mid_at;
use crate::store::sqlite::value::optional_millis;
use crate::store::sqlite::value::optional_time_at;
use crate::store::sqlite::value::party_at;
use crate::store::sqlite::value::time_at;
use crate::time::UnixMillis;

/// The columns of [`record_at`].
const RECORD: &str = "c.name, s.a_user, s.a_device, s.a_alias, s.b_user, s.b_device, s.b_alias, s.started, s.limit_ms,
    s.details, s.deadline, s.neg, s.credentials_until, s.ended, s.reason, s.summary";

/// How many they are.
const RECORD_COLUMNS: usize = 16;

const START: &str = "INSERT INTO session (id, a_user, a_device, a_alias, b_user, b_device, b_alias, started, limit_ms,
    details, deadline, neg, credentials_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

pub(super) const PROGRESS: &str = "UPDATE session SET deadline = ?2, neg = ?3, credentials_until = ?4
    WHERE id = (SELECT id FROM conversation WHERE name = ?1 AND kind = 0) AND ended IS NULL";

pub(super) const END: &str = "UPDATE session SET ended = ?2, reason = ?3, summary = ?4
    WHERE id = (SELECT id FROM conversation WHERE name = ?1 AND kind = 0) AND ended IS NULL";

pub(super) const SUMMARIZE: &str = "UPDATE session SET summary = ?2
    WHERE id = (SELECT id FROM conversation WHERE name = ?1 AND kind = 0) AND ended IS NOT NULL";

pub(super) const REMOVE_RUNNING: &str =
    "DELETE FROM conversation WHERE id = (SELECT s.id FROM conversation c JOIN session s USING (id)
    WHERE c.name = ?1 AND s.ended IS NULL)";

pub(super) const MEET: &str = "INSERT INTO meeting (a_user, b_user, at) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET at = excluded.at";

pub(super) const RESUME: &str = "INSERT INTO resumption (user, token_hash, expires, details) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET token_hash = excluded.token_hash, expires = excluded.expires, details = excluded.details";

pub(super) const REVOKE: &str = "INSERT INTO revocation (name, until) VALUES (?1, ?2)
    ON CONFLICT DO UPDATE SET until = excluded.until";

impl SqliteStore {
    /// Makes a conversation and returns its number.
    pub(super) fn open_conversation(&self, place: &Place, kind: i64) -> Result<i64, StoreError> {
        let mut insert = self.connection.prepare_cached("INSERT INTO conversation (name, kind) VALUES (?1, ?2)")?;
        insert.insert(params![place.as_str(), kind]).map_err(taken)
    }
}

impl SqliteStore {
    /// The sessions of a user that are over, whether logs are kept or not.
    pub(super) fn sessions_over(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let (started, number) = match before {
            None => (i64::MAX, i64::MAX),
            // One that is gone was the first of its moment.
            Some(before) => {
                let number = self.conversation(&Place::Session(before.id.clone()))?;
                (millis(before.started), number.unwrap_or(0))
            }
        };
        // Each half is read in its own index from the newest on, so a page costs a page.
        let [as_a, as_b] = ["a_user", "b_user"].map(|side| {
            format!(
                "SELECT * FROM (SELECT {RECORD}, s.id AS number FROM session s JOIN conversation c USING (id)
                WHERE s.{side} = ?1 AND (s.started, s.id) < (?2, ?3) AND s.ended IS NOT NULL
                ORDER BY s.started DESC, s.id DESC LIMIT ?4)"
            )
        });
        let sql = format!("{as_a} UNION {as_b} ORDER BY started DESC, number DESC LIMIT ?4");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let records = statement.query_map(params![user.0, started, number, count(limit)], record_at)?;
        Ok(records.collect::<rusqlite::Result<_>>()?)
    }
}

impl Sessions for SqliteStore {
    fn start_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.whole(|store| {
            let number = store.open_conversation(&Place::Session(session.id.clone()), SESSION)?;
            let [a, b] = &session.participants;
            let limit_ms = session.limit.map(|limit| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
            let inserted = store.execute(
                START,
                params![
                    number,
                    a.party.user.0,
                    a.party.device.as_ref().map(|device| &device.0),
                    a.alias.0,
                    b.party.user.0,
                    b.party.device.as_ref().map(|device| &device.0),
                    b.alias.0,
                    millis(session.started),
                    limit_ms,
                    session.details,
                    optional_millis(session.progress.deadline),
                    session.progress.neg,
                    millis(session.progress.credentials_until),
                ],
            );
            inserted.map(drop)
        })
    }

    fn progress_session(&mut self, id: &SessionId, progress: &Progress) -> Result<(), StoreError> {
        let Progress { deadline, neg, credentials_until } = *progress;
        let changed =
            self.execute(PROGRESS, params![id.0, optional_millis(deadline), neg, millis(credentials_until)])?;
        if changed == 0 { Err(StoreError::Unknown) } else { Ok(()) }
    }

    fn end_session(&mut self, id: &SessionId, ending: &Ending) -> Result<(), StoreError> {
        let (keeps_logs, keeps_chat) = (!self.retention.logs.is_zero(), !self.retention.session_chat.is_zero());
        let changed = if keeps_logs || keeps_chat {
            let summary = if keeps_logs { &*ending.summary } else { "" };
            self.execute(END, params![id.0, millis(ending.at), ending.reason, summary])?
        } else {
            self.execute(REMOVE_RUNNING, params![id.0])?
        };
        if changed == 0 { Err(StoreError::Unknown) } else { Ok(()) }
    }

    fn summarize_session(&mut self, id: &SessionId, summary: &Arc<str>) -> Result<(), StoreError> {
        if !self.retention.logs.is_zero() {
            self.execute(SUMMARIZE, params![id.0, summary])?;
        }
        Ok(())
    }

    fn each_live_session(&self, visit: &mut dyn FnMut(LiveSession)) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {RECORD}, (SELECT max(mid) FROM message WHERE conversation = s.id)
            FROM session s JOIN conversation c USING (id) WHERE s.ended IS NULL ORDER BY s.id"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let SessionRecord { session, .. } = record_at(row)?;
            visit(LiveSession { session, last_mid: optional_mid_at(row, RECORD_COLUMNS)? });
        }
        Ok(())
    }

    fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let sql = format!("SELECT {RECORD} FROM conversation c JOIN session s USING (id) WHERE c.name = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(record_at).transpose()?)
    }

    fn ended_sessions(
        &self,
        user: &UserId,
        before: Option<&SessionPlace>,
        limit: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        if self.retention.logs.is_zero() {
            return Ok(Vec::new());
        }
        self.sessions_over(user, before, limit)
    }

    fn put_meeting(&mut self, meeting: &Meeting) -> Result<(), StoreError> {
        if self.retention.meetings.is_zero() {
            return Ok(());
        }
        let [a, b] = &meeting.users;
        self.execute(MEET, params![a.min(b).0, a.max(b).0, millis(meeting.at)]).map(drop)
    }

    fn each_meeting(&self, since: UnixMillis, visit: &mut dyn FnMut(Meeting)) -> Result<(), StoreError> {
        let sql = "SELECT a_user, b_user, at FROM meeting WHERE at > ?1 ORDER BY at";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![millis(since)])?;
        while let Some(row) = rows.next()? {
            visit(Meeting { users: [UserId(row.get(0)?), UserId(row.get(1)?)], at: time_at(row, 2)? });
        }
        Ok(())
    }

    fn put_revocation(&mut self, revocation: &Revocation) -> Result<(), StoreError> {
        self.execute(REVOKE, params![revocation.name.0, millis(revocation.until)]).map(drop)
    }

    fn each_revocation(&self, visit: &mut dyn FnMut(Revocation)) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT name, until FROM revocation ORDER BY name")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(Revocation { name: SessionId(row.get(0)?), until: time_at(row, 1)? });
        }
        Ok(())
    }

    fn put_resumption(&mut self, resumption: &Resumption) -> Result<(), StoreError> {
        let Resumption { user, token_hash, expires, details } = resumption;
        self.execute(RESUME, params![user.0, token_hash, optional_millis(*expires), details]).map(drop)
    }

    fn remove_resumption(&mut self, user: &UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM resumption WHERE user = ?1", params![user.0]).map(drop)
    }

    fn each_resumption(&self, visit: &mut dyn FnMut(Resumption)) -> Result<(), StoreError> {
        let sql = "SELECT user, token_hash, expires, details FROM resumption ORDER BY user";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(Resumption {
                user: UserId(row.get(0)?),
                token_hash: row.get(1)?,
                expires: optional_time_at(row, 2)?,
                details: row.get(3)?,
            });
        }
        Ok(())
    }
}

fn record_at(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    let side = |first| {
        Ok::<_, rusqlite::Error>(Participant { party: party_at(row, first)?, alias: Alias(row.get(first + 2)?) })
    };
    let session = Session {
        id: SessionId(row.get(0)?),
        participants: [side(1)?, side(4)?],
        started: time_at(row, 7)?,
        limit: row.get::<_, Option<u64>>(8)?.map(Duration::from_millis),
        details: row.get(9)?,
        progress: Progress {
            deadline: optional_time_at(row, 10)?,
            neg: row.get(11)?,
            credentials_until: time_at(row, 12)?,
        },
    };
    let ending = match optional_time_at(row, 13)? {
        None => None,
        Some(at) => Some(Ending { at, reason: row.get(14)?, summary: row.get(15)? }),
    };
    Ok(SessionRecord { session, ending })
}
