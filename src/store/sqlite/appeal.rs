use std::sync::Arc;

use rusqlite::Row;
use rusqlite::params;

use crate::store::Appeal;
use crate::store::AppealId;
use crate::store::AppealPlace;
use crate::store::Appeals;
use crate::store::BanId;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::Verdict;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::optional_time_at;
use crate::store::sqlite::value::time_at;
use crate::time::UnixMillis;

const ADD: &str = "INSERT INTO appeal (id, user, decision, bans, text, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (user, decision) DO NOTHING";

const BY_ID: &str =
    "SELECT id, user, decision, bans, text, at, judged, judge, is_lifted, note FROM appeal WHERE id = ?1";

pub(super) const OPEN: &str = "SELECT id, user, decision, bans, text, at, judged, judge, is_lifted, note FROM appeal
    WHERE judged IS NULL AND (at, id) > (?1, ?2) ORDER BY at, id LIMIT ?3";

pub(super) const OF: &str = "SELECT id, user, decision, bans, text, at, judged, judge, is_lifted, note FROM appeal
    WHERE user = ?1 LIMIT ?2";

const JUDGE: &str = "UPDATE appeal SET judged = ?2, judge = ?3, is_lifted = ?4, note = ?5
    WHERE id = ?1 AND judged IS NULL";

impl Appeals for SqliteStore {
    fn add_appeal(&mut self, appeal: &Appeal) -> Result<bool, StoreError> {
        let Appeal { id, user, decision, bans, text, at, verdict: _ } = appeal;
        let names: Vec<&str> = bans.iter().map(|ban| &*ban.0).collect();
        let names = serde_json::to_string(&names).expect("texts make a list");
        let mut insert = self.connection.prepare_cached(ADD)?;
        let added = insert.execute(params![id.0, user.0, decision, names, text, millis(*at)]);
        Ok(added.map_err(taken)? > 0)
    }

    fn appeal(&self, id: &AppealId) -> Result<Option<Appeal>, StoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(appeal_at).transpose()?)
    }

    fn open_appeals(&self, after: Option<&AppealPlace>, limit: usize) -> Result<Vec<Appeal>, StoreError> {
        let (at, id) = after.map_or((UnixMillis(0), ""), |after| (after.at, &*after.id.0));
        let mut statement = self.connection.prepare_cached(OPEN)?;
        let open = statement.query_map(params![millis(at), id, count(limit)], appeal_at)?;
        Ok(open.collect::<rusqlite::Result<_>>()?)
    }

    fn appeals_of(&self, user: &UserId, limit: usize) -> Result<Vec<Appeal>, StoreError> {
        let mut statement = self.connection.prepare_cached(OF)?;
        let own = statement.query_map(params![user.0, count(limit)], appeal_at)?;
        Ok(own.collect::<rusqlite::Result<_>>()?)
    }

    fn judge_appeal(&mut self, id: &AppealId, verdict: &Verdict) -> Result<bool, StoreError> {
        let Verdict { by, at, is_lifted, note } = verdict;
        Ok(self.execute(JUDGE, params![id.0, millis(*at), by.0, is_lifted, note])? > 0)
    }
}

fn appeal_at(row: &Row<'_>) -> rusqlite::Result<Appeal> {
    let bans: String = row.get(3)?;
    // Our own words; should they be damaged there is nothing to lift.
    let bans: Vec<Arc<str>> = serde_json::from_str(&bans).unwrap_or_default();
    let verdict = match optional_time_at(row, 6)? {
        None => None,
        Some(at) => Some(Verdict { by: UserId(row.get(7)?), at, is_lifted: row.get(8)?, note: row.get(9)? }),
    };
    Ok(Appeal {
        id: AppealId(row.get(0)?),
        user: UserId(row.get(1)?),
        decision: row.get(2)?,
        bans: bans.into_iter().map(BanId).collect(),
        text: row.get(4)?,
        at: time_at(row, 5)?,
        verdict,
    })
}
