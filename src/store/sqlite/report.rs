use rusqlite::Row;
use rusqlite::params;

use crate::store::Case;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Reports;
use crate::store::SessionId;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::sqlite::failure::taken;
use crate::store::sqlite::value::count;
use crate::store::sqlite::value::millis;
use crate::store::sqlite::value::optional_time_at;
use crate::store::sqlite::value::party_at;
use crate::store::sqlite::value::time_at;

const ADD: &str =
    "INSERT INTO report (id, session, reporter, reported_user, reported_device, reason, comment, evidence,
    at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (session, reporter) DO NOTHING";

const BY_ID: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, decided,
    moderator, is_accepted, action FROM report WHERE id = ?1";

pub(super) const OPEN: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, decided,
    moderator, is_accepted, action FROM report WHERE decided IS NULL ORDER BY at, id LIMIT ?1";

const DECIDE: &str = "UPDATE report SET decided = ?2, moderator = ?3, is_accepted = ?4, action = ?5
    WHERE id = ?1 AND decided IS NULL";

const APPEND_DEED: &str = "INSERT INTO deed (at, actor, action, subject, details) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const DEEDS: &str = "SELECT number, at, actor, action, subject, details FROM deed
    WHERE number < ?1 ORDER BY number DESC LIMIT ?2";

impl Reports for SqliteStore {
    fn add_report(&mut self, report: &Report) -> Result<bool, StoreError> {
        let Report { id, session, reporter, reported, reason, comment, evidence, at } = report;
        let device = reported.device.as_ref().map(|device| &device.0);
        let mut insert = self.connection.prepare_cached(ADD)?;
        let added = insert.execute(params![
            id.0,
            session.0,
            reporter.0,
            reported.user.0,
            device,
            reason,
            comment,
            evidence,
            millis(*at)
        ]);
        Ok(added.map_err(taken)? > 0)
    }

    fn case(&self, id: &ReportId) -> Result<Option<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(case_at).transpose()?)
    }

    fn open_cases(&self, limit: usize) -> Result<Vec<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(OPEN)?;
        let cases = statement.query_map(params![count(limit)], case_at)?;
        Ok(cases.collect::<rusqlite::Result<_>>()?)
    }

    fn decide(&mut self, id: &ReportId, decision: &Decision) -> Result<bool, StoreError> {
        let Decision { by, at, is_accepted, action } = decision;
        Ok(self.execute(DECIDE, params![id.0, millis(*at), by.0, is_accepted, action])? > 0)
    }

    fn append_deed(&mut self, deed: &Deed) -> Result<(), StoreError> {
        if self.retention.audit.is_zero() {
            return Ok(());
        }
        let Deed { at, by, action, subject, details } = deed;
        self.execute(APPEND_DEED, params![millis(*at), by.0, action, subject, details]).map(drop)
    }

    fn deeds(&self, before: Option<DeedNumber>, limit: usize) -> Result<Vec<(DeedNumber, Deed)>, StoreError> {
        let before = before.map_or(i64::MAX, |number| i64::try_from(number.0).unwrap_or(i64::MAX));
        let mut statement = self.connection.prepare_cached(DEEDS)?;
        let deeds = statement.query_map(params![before, count(limit)], deed_at)?;
        Ok(deeds.collect::<rusqlite::Result<_>>()?)
    }
}

fn case_at(row: &Row<'_>) -> rusqlite::Result<Case> {
    let report = Report {
        id: ReportId(row.get(0)?),
        session: SessionId(row.get(1)?),
        reporter: UserId(row.get(2)?),
        reported: party_at(row, 3)?,
        reason: row.get(5)?,
        comment: row.get(6)?,
        evidence: row.get(7)?,
        at: time_at(row, 8)?,
    };
    let decision = match optional_time_at(row, 9)? {
        None => None,
        Some(at) => Some(Decision { by: UserId(row.get(10)?), at, is_accepted: row.get(11)?, action: row.get(12)? }),
    };
    Ok(Case { report, decision })
}

fn deed_at(row: &Row<'_>) -> rusqlite::Result<(DeedNumber, Deed)> {
    let deed = Deed {
        at: time_at(row, 1)?,
        by: UserId(row.get(2)?),
        action: row.get(3)?,
        subject: row.get(4)?,
        details: row.get(5)?,
    };
    Ok((DeedNumber(row.get(0)?), deed))
}
