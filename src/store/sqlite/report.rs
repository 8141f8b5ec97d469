use rusqlite::Row;
use rusqlite::params;

use crate::store::Accuracy;
use crate::store::Case;
use crate::store::Claim;
use crate::store::DecidedPlace;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::Note;
use crate::store::OpenPlace;
use crate::store::Party;
use crate::store::Rank;
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
use crate::time::UnixMillis;

const ADD: &str =
    "INSERT INTO report (id, session, reporter, reported_user, reported_device, reason, comment, evidence,
    at, rank) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (session, reporter) DO NOTHING";

const BY_ID: &str = "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, rank,
    decided, moderator, is_accepted, action, claimed, claimant, is_held FROM report WHERE id = ?1";

pub(super) const OPEN: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, rank, decided,
    moderator, is_accepted, action, claimed, claimant, is_held FROM report
    WHERE decided IS NULL AND (rank, at, id) > (?1, ?2, ?3) ORDER BY rank, at, id LIMIT ?4";

pub(super) const DECIDED: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, rank, decided,
    moderator, is_accepted, action, claimed, claimant, is_held FROM report
    WHERE decided IS NOT NULL AND (decided, id) < (?1, ?2) ORDER BY decided DESC, id DESC LIMIT ?3";

pub(super) const BY: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, rank, decided,
    moderator, is_accepted, action, claimed, claimant, is_held FROM report
    WHERE reporter = ?1 ORDER BY at DESC, id DESC LIMIT ?2";

pub(super) const ABOUT: &str =
    "SELECT id, session, reporter, reported_user, reported_device, reason, comment, evidence, at, rank, decided,
    moderator, is_accepted, action, claimed, claimant, is_held FROM report
    WHERE reported_user = ?1 ORDER BY at DESC, id DESC LIMIT ?2";

const CLAIM: &str = "UPDATE report SET claimed = ?2, claimant = ?3 WHERE id = ?1 AND decided IS NULL";

const HOLD: &str = "UPDATE report SET is_held = ?2 WHERE id = ?1";

const ADD_NOTE: &str = "INSERT INTO report_note (report, at, author, text)
    SELECT id, ?2, ?3, ?4 FROM report WHERE id = ?1";

pub(super) const NOTES: &str = "SELECT at, author, text FROM report_note WHERE report = ?1 ORDER BY number";

pub(super) const ACCURACY: &str =
    "SELECT count(*) FILTER (WHERE is_accepted = 1), count(*) FILTER (WHERE is_accepted = 0)
    FROM report WHERE reporter = ?1 AND decided IS NOT NULL";

pub(super) const AGAINST_DEVICE: &str = "SELECT DISTINCT reporter FROM report
    WHERE reported_device = ?1 AND decided IS NULL AND at >= ?2
    AND (instr(reporter, '.') = 0 OR instr(reporter, ':') > 0) ORDER BY reporter LIMIT ?3";

pub(super) const AGAINST_USER: &str = "SELECT DISTINCT reporter FROM report
    WHERE reported_user = ?1 AND decided IS NULL AND at >= ?2
    AND (instr(reporter, '.') = 0 OR instr(reporter, ':') > 0) ORDER BY reporter LIMIT ?3";

const DECIDE: &str = "UPDATE report SET decided = ?2, moderator = ?3, is_accepted = ?4, action = ?5
    WHERE id = ?1 AND decided IS NULL";

const APPEND_DEED: &str = "INSERT INTO deed (at, actor, action, subject, details) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const DEEDS: &str = "SELECT number, at, actor, action, subject, details FROM deed
    WHERE number < ?1 ORDER BY number DESC LIMIT ?2";

impl Reports for SqliteStore {
    fn add_report(&mut self, report: &Report) -> Result<bool, StoreError> {
        let Report { id, session, reporter, reported, reason, comment, evidence, rank, at } = report;
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
            millis(*at),
            rank.0
        ]);
        Ok(added.map_err(taken)? > 0)
    }

    fn case(&self, id: &ReportId) -> Result<Option<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query(params![id.0])?;
        Ok(rows.next()?.map(case_at).transpose()?)
    }

    fn open_cases(&self, after: Option<&OpenPlace>, limit: usize) -> Result<Vec<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(OPEN)?;
        // Before every rank there is.
        let (rank, at, id) =
            after.map_or((-1, 0, ""), |after| (i64::from(after.rank.0), millis(after.at), &*after.id.0));
        let cases = statement.query_map(params![rank, at, id, count(limit)], case_at)?;
        Ok(cases.collect::<rusqlite::Result<_>>()?)
    }

    fn decided_cases(&self, before: Option<&DecidedPlace>, limit: usize) -> Result<Vec<Case>, StoreError> {
        let mut statement = self.connection.prepare_cached(DECIDED)?;
        // Behind every moment: times are below the greatest integer, or as good as it with a name below.
        let (at, id) = before.map_or((i64::MAX, "\u{10ffff}"), |before| (millis(before.at), &*before.id.0));
        let cases = statement.query_map(params![at, id, count(limit)], case_at)?;
        Ok(cases.collect::<rusqlite::Result<_>>()?)
    }

    fn claim(&mut self, id: &ReportId, claim: Option<&Claim>) -> Result<bool, StoreError> {
        let (at, by) = (claim.map(|claim| millis(claim.at)), claim.map(|claim| &claim.by.0));
        Ok(self.execute(CLAIM, params![id.0, at, by])? > 0)
    }

    fn hold(&mut self, id: &ReportId, is_held: bool) -> Result<bool, StoreError> {
        Ok(self.execute(HOLD, params![id.0, is_held])? > 0)
    }

    fn add_note(&mut self, id: &ReportId, note: &Note) -> Result<bool, StoreError> {
        let Note { by, at, text } = note;
        Ok(self.execute(ADD_NOTE, params![id.0, millis(*at), by.0, text])? > 0)
    }

    fn notes(&self, id: &ReportId) -> Result<Vec<Note>, StoreError> {
        let mut statement = self.connection.prepare_cached(NOTES)?;
        let notes = statement.query_map(params![id.0], |row| {
            Ok(Note { at: time_at(row, 0)?, by: UserId(row.get(1)?), text: row.get(2)? })
        })?;
        Ok(notes.collect::<rusqlite::Result<_>>()?)
    }

    fn accuracy(&self, reporter: &UserId) -> Result<Accuracy, StoreError> {
        let mut statement = self.connection.prepare_cached(ACCURACY)?;
        let counts = |row: &Row<'_>| Ok(Accuracy { accepted: row.get(0)?, rejected: row.get(1)? });
        Ok(statement.query_row(params![reporter.0], counts)?)
    }

    fn open_against(&self, reported: &Party, since: UnixMillis, limit: usize) -> Result<Vec<UserId>, StoreError> {
        let (sql, name) = match &reported.device {
            Some(device) => (AGAINST_DEVICE, &device.0),
            None => (AGAINST_USER, &reported.user.0),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let reporters = statement.query_map(params![name, millis(since), limit], |row| row.get(0).map(UserId))?;
        Ok(reporters.collect::<Result<_, _>>()?)
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

pub(super) fn case_at(row: &Row<'_>) -> rusqlite::Result<Case> {
    let report = Report {
        id: ReportId(row.get(0)?),
        session: SessionId(row.get(1)?),
        reporter: UserId(row.get(2)?),
        reported: party_at(row, 3)?,
        reason: row.get(5)?,
        comment: row.get(6)?,
        evidence: row.get(7)?,
        at: time_at(row, 8)?,
        rank: Rank(row.get(9)?),
    };
    let decision = match optional_time_at(row, 10)? {
        None => None,
        Some(at) => Some(Decision { by: UserId(row.get(11)?), at, is_accepted: row.get(12)?, action: row.get(13)? }),
    };
    let claim = match optional_time_at(row, 14)? {
        None => None,
        Some(at) => Some(Claim { by: UserId(row.get(15)?), at }),
    };
    Ok(Case { report, decision, claim, is_held: row.get(16)? })
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
