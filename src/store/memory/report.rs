use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::store::Accuracy;
use crate::store::Case;
use crate::store::Claim;
use crate::store::DecidedPlace;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::MemoryStore;
use crate::store::Note;
use crate::store::OpenPlace;
use crate::store::Party;
use crate::store::Rank;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Reports;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::report::is_program;
use crate::time::UnixMillis;

/// Reports and the audit.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    case_by_id: HashMap<ReportId, Case>,
    notes_by_report: HashMap<ReportId, Vec<Note>>,
    last_deed: u64,
    deed_by_number: BTreeMap<DeedNumber, Deed>,
}

impl Desk {
    /// Takes away at most `limit` deeds that were done no later than `horizon`.
    pub(super) fn forget_deeds(&mut self, horizon: UnixMillis, limit: usize) -> usize {
        let old = self.deed_by_number.iter().filter(|(_, deed)| deed.at <= horizon);
        let old: Vec<DeedNumber> = old.map(|(number, _)| *number).take(limit).collect();
        for number in &old {
            self.deed_by_number.remove(number);
        }
        old.len()
    }

    /// Those that are wanted, at most `limit`, the newest first.
    pub(super) fn newest(&self, is_wanted: impl Fn(&Case) -> bool, limit: usize) -> Vec<Case> {
        let mut found: Vec<&Case> = self.case_by_id.values().filter(|case| is_wanted(case)).collect();
        found.sort_by(|a, b| (b.report.at, &b.report.id).cmp(&(a.report.at, &a.report.id)));
        found.into_iter().take(limit).cloned().collect()
    }

    /// Whether there is such a report.
    pub(super) fn knows(&self, id: &ReportId) -> bool {
        self.case_by_id.contains_key(id)
    }

    /// Takes away at most `limit` reports that were decided no later than `horizon` and may go, and returns which.
    pub(super) fn forget_decided(&mut self, horizon: UnixMillis, limit: usize) -> Vec<ReportId> {
        let is_old = |case: &&Case| !case.is_held && case.decision.as_ref().is_some_and(|one| one.at <= horizon);
        let old = self.case_by_id.values().filter(is_old);
        let old: Vec<ReportId> = old.map(|case| case.report.id.clone()).take(limit).collect();
        for id in &old {
            self.case_by_id.remove(id);
            self.notes_by_report.remove(id);
        }
        old
    }
}

/// Where a report that nobody has decided on stands.
fn open_place(case: &Case) -> (Rank, UnixMillis, &ReportId) {
    (case.report.rank, case.report.at, &case.report.id)
}

/// Where a report stands that is decided.
fn decided_place(case: &Case) -> Option<(UnixMillis, &ReportId)> {
    case.decision.as_ref().map(|decision| (decision.at, &case.report.id))
}

impl Reports for MemoryStore {
    fn add_report(&mut self, report: &Report) -> Result<bool, StoreError> {
        let cases = &mut self.desk.case_by_id;
        let is_same = |case: &Case| case.report.session == report.session && case.report.reporter == report.reporter;
        if cases.values().any(is_same) {
            return Ok(false);
        }
        if cases.contains_key(&report.id) {
            return Err(StoreError::Taken);
        }
        let case = Case { report: report.clone(), decision: None, claim: None, is_held: false };
        cases.insert(report.id.clone(), case);
        Ok(true)
    }

    fn case(&self, id: &ReportId) -> Result<Option<Case>, StoreError> {
        Ok(self.desk.case_by_id.get(id).cloned())
    }

    fn open_cases(&self, after: Option<&OpenPlace>, limit: usize) -> Result<Vec<Case>, StoreError> {
        let after = after.map(|after| (after.rank, after.at, &after.id));
        let is_behind = |case: &&Case| case.decision.is_none() && after.is_none_or(|after| open_place(case) > after);
        let mut open: Vec<&Case> = self.desk.case_by_id.values().filter(is_behind).collect();
        open.sort_by(|a, b| open_place(a).cmp(&open_place(b)));
        Ok(open.into_iter().take(limit).cloned().collect())
    }

    fn decided_cases(&self, before: Option<&DecidedPlace>, limit: usize) -> Result<Vec<Case>, StoreError> {
        let before = before.map(|before| (before.at, &before.id));
        let is_before =
            |case: &&Case| decided_place(case).is_some_and(|place| before.is_none_or(|before| place < before));
        let mut decided: Vec<&Case> = self.desk.case_by_id.values().filter(is_before).collect();
        decided.sort_by(|a, b| decided_place(b).cmp(&decided_place(a)));
        Ok(decided.into_iter().take(limit).cloned().collect())
    }

    fn claim(&mut self, id: &ReportId, claim: Option<&Claim>) -> Result<bool, StoreError> {
        let case = self.desk.case_by_id.get_mut(id).filter(|case| case.decision.is_none());
        let Some(case) = case else { return Ok(false) };
        case.claim = claim.cloned();
        Ok(true)
    }

    fn hold(&mut self, id: &ReportId, is_held: bool) -> Result<bool, StoreError> {
        let Some(case) = self.desk.case_by_id.get_mut(id) else { return Ok(false) };
        case.is_held = is_held;
        Ok(true)
    }

    fn add_note(&mut self, id: &ReportId, note: &Note) -> Result<bool, StoreError> {
        if !self.desk.case_by_id.contains_key(id) {
            return Ok(false);
        }
        self.desk.notes_by_report.entry(id.clone()).or_default().push(note.clone());
        Ok(true)
    }

    fn notes(&self, id: &ReportId) -> Result<Vec<Note>, StoreError> {
        Ok(self.desk.notes_by_report.get(id).cloned().unwrap_or_default())
    }

    fn accuracy(&self, reporter: &UserId) -> Result<Accuracy, StoreError> {
        let mut accuracy = Accuracy::default();
        for case in self.desk.case_by_id.values().filter(|case| case.report.reporter == *reporter) {
            match &case.decision {
                Some(decision) if decision.is_accepted => accuracy.accepted += 1,
                Some(_) => accuracy.rejected += 1,
                None => {}
            }
        }
        Ok(accuracy)
    }

    fn open_against(&self, reported: &Party, since: UnixMillis, limit: usize) -> Result<Vec<UserId>, StoreError> {
        let is_about = |case: &&Case| {
            let about = &case.report.reported;
            case.decision.is_none()
                && case.report.at >= since
                && !is_program(&case.report.reporter)
                && if reported.device.is_some() { about.device == reported.device } else { about.user == reported.user }
        };
        let reporters: BTreeSet<&UserId> =
            self.desk.case_by_id.values().filter(is_about).map(|case| &case.report.reporter).collect();
        Ok(reporters.into_iter().take(limit).cloned().collect())
    }

    fn decide(&mut self, id: &ReportId, decision: &Decision) -> Result<bool, StoreError> {
        let case = self.desk.case_by_id.get_mut(id).filter(|case| case.decision.is_none());
        let Some(case) = case else { return Ok(false) };
        case.decision = Some(decision.clone());
        Ok(true)
    }

    fn append_deed(&mut self, deed: &Deed) -> Result<(), StoreError> {
        if !self.retention.audit.is_zero() {
            self.desk.last_deed += 1;
            self.desk.deed_by_number.insert(DeedNumber(self.desk.last_deed), deed.clone());
        }
        Ok(())
    }

    fn deeds(&self, before: Option<DeedNumber>, limit: usize) -> Result<Vec<(DeedNumber, Deed)>, StoreError> {
        let older = self.desk.deed_by_number.range(..before.unwrap_or(DeedNumber(u64::MAX)));
        Ok(older.rev().take(limit).map(|(number, deed)| (*number, deed.clone())).collect())
    }
}
