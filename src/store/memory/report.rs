use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::store::Case;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::MemoryStore;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Reports;
use crate::store::StoreError;
use crate::time::UnixMillis;

/// Reports and the audit.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    case_by_id: HashMap<ReportId, Case>,
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
        cases.insert(report.id.clone(), Case { report: report.clone(), decision: None });
        Ok(true)
    }

    fn case(&self, id: &ReportId) -> Result<Option<Case>, StoreError> {
        Ok(self.desk.case_by_id.get(id).cloned())
    }

    fn open_cases(&self, limit: usize) -> Result<Vec<Case>, StoreError> {
        let mut open: Vec<&Case> = self.desk.case_by_id.values().filter(|case| case.decision.is_none()).collect();
        open.sort_by(|a, b| a.report.at.cmp(&b.report.at).then_with(|| a.report.id.cmp(&b.report.id)));
        Ok(open.into_iter().take(limit).cloned().collect())
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
