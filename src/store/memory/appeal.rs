use std::collections::BTreeMap;

use crate::store::Appeal;
use crate::store::AppealId;
use crate::store::AppealPlace;
use crate::store::Appeals;
use crate::store::MemoryStore;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::Verdict;
use crate::time::UnixMillis;

/// Appeals by name.
#[derive(Clone, Debug, Default)]
pub(super) struct AppealBook {
    appeal_by_id: BTreeMap<AppealId, Appeal>,
}

impl AppealBook {
    /// Takes away at most `limit` appeals that were judged no later than `horizon`.
    pub(super) fn forget_judged(&mut self, horizon: UnixMillis, limit: usize) -> usize {
        let is_old = |appeal: &&Appeal| appeal.verdict.as_ref().is_some_and(|verdict| verdict.at <= horizon);
        let old = self.appeal_by_id.values().filter(is_old).map(|appeal| appeal.id.clone());
        let old: Vec<AppealId> = old.take(limit).collect();
        for id in &old {
            self.appeal_by_id.remove(id);
        }
        old.len()
    }
}

impl Appeals for MemoryStore {
    fn add_appeal(&mut self, appeal: &Appeal) -> Result<bool, StoreError> {
        let appeals = &mut self.appeals.appeal_by_id;
        if appeals.values().any(|other| other.user == appeal.user && other.decision == appeal.decision) {
            return Ok(false);
        }
        if appeals.contains_key(&appeal.id) {
            return Err(StoreError::Taken);
        }
        appeals.insert(appeal.id.clone(), appeal.clone());
        Ok(true)
    }

    fn appeal(&self, id: &AppealId) -> Result<Option<Appeal>, StoreError> {
        Ok(self.appeals.appeal_by_id.get(id).cloned())
    }

    fn open_appeals(&self, after: Option<&AppealPlace>, limit: usize) -> Result<Vec<Appeal>, StoreError> {
        let is_behind = |appeal: &&Appeal| after.is_none_or(|after| (appeal.at, &appeal.id) > (after.at, &after.id));
        let open = self.appeals.appeal_by_id.values().filter(|appeal| appeal.verdict.is_none());
        let mut open: Vec<&Appeal> = open.filter(is_behind).collect();
        open.sort_by_key(|appeal| (appeal.at, appeal.id.clone()));
        Ok(open.into_iter().take(limit).cloned().collect())
    }

    fn appeals_of(&self, user: &UserId, limit: usize) -> Result<Vec<Appeal>, StoreError> {
        let own = self.appeals.appeal_by_id.values().filter(|appeal| appeal.user == *user);
        Ok(own.take(limit).cloned().collect())
    }

    fn judge_appeal(&mut self, id: &AppealId, verdict: &Verdict) -> Result<bool, StoreError> {
        let appeal = self.appeals.appeal_by_id.get_mut(id).filter(|appeal| appeal.verdict.is_none());
        Ok(appeal.map(|appeal| appeal.verdict = Some(verdict.clone())).is_some())
    }
}
