use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::MemoryStore;
use crate::store::Place;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::Uploads;
use crate::store::Usage;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Uploads by name.
#[derive(Clone, Debug, Default)]
pub(super) struct UploadBook {
    upload_by_id: BTreeMap<UploadId, Upload>,
}

impl UploadBook {
    /// Gives up all that was put, or was to be put, for a place.
    pub(super) fn abandon_all(&mut self, place: &Place) {
        for upload in self.upload_by_id.values_mut().filter(|upload| upload.place == *place) {
            upload.state = UploadState::Abandoned;
        }
    }

    /// Gives up all of an owner.
    pub(super) fn abandon_owned(&mut self, owner: &UserId) {
        for upload in self.upload_by_id.values_mut().filter(|upload| upload.owner == *owner) {
            upload.state = UploadState::Abandoned;
        }
    }

    /// Those of an owner behind `after` that are not abandoned, by name.
    pub(super) fn owned_by<'a>(
        &'a self,
        owner: &'a UserId,
        after: Option<&UploadId>,
    ) -> impl Iterator<Item = &'a Upload> + use<'a> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let behind = self.upload_by_id.range((start, Bound::Unbounded)).map(|(_, upload)| upload);
        behind.filter(move |upload| upload.owner == *owner && upload.state != UploadState::Abandoned)
    }

    fn usage(&self, owner: Option<&UserId>, counts: impl Fn(&Upload) -> bool) -> Usage {
        let owned = self.upload_by_id.values().filter(|upload| owner.is_none_or(|owner| upload.owner == *owner));
        owned.filter(|upload| counts(upload)).fold(Usage::default(), |sum, upload| Usage {
            files: sum.files + 1,
            bytes: sum.bytes.saturating_add(upload.bytes),
        })
    }

    fn oldest(&self, is_wanted: impl Fn(&Upload) -> bool, limit: usize) -> Vec<UploadId> {
        let mut found: Vec<&Upload> = self.upload_by_id.values().filter(|upload| is_wanted(upload)).collect();
        found.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        found.into_iter().take(limit).map(|upload| upload.id.clone()).collect()
    }
}

impl Uploads for MemoryStore {
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        self.uploads.upload_by_id.insert(upload.id.clone(), upload.clone());
        Ok(())
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StoreError> {
        Ok(self.uploads.upload_by_id.get(id).cloned())
    }

    fn uploaded(&self, owner: Option<&UserId>) -> Result<Usage, StoreError> {
        let is_others = |upload: &Upload| {
            owner.is_some() && upload.state == UploadState::Abandoned && self.kept_files.contains(&upload.id)
        };
        Ok(self.uploads.usage(owner, |upload| !is_others(upload)))
    }

    fn promised(&self, owner: Option<&UserId>) -> Result<Usage, StoreError> {
        Ok(self.uploads.usage(owner, |upload| upload.sha256.is_none()))
    }

    fn overdue(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let is_overdue = |upload: &Upload| upload.state == UploadState::Asked && upload.at < before;
        Ok(self.uploads.oldest(is_overdue, limit))
    }

    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let is_orphan = |upload: &Upload| match upload.state {
            UploadState::Abandoned => !self.kept_files.contains(&upload.id),
            UploadState::Asked | UploadState::Complete => upload.at < before && !self.conversations.shows(&upload.id),
        };
        Ok(self.uploads.oldest(is_orphan, limit))
    }

    fn abandon_upload(&mut self, id: &UploadId) -> Result<bool, StoreError> {
        let is_shown = self.conversations.shows(id);
        let found = self.uploads.upload_by_id.get_mut(id);
        let given_up = found.filter(|upload| upload.state == UploadState::Abandoned || !is_shown);
        let is_given_up = given_up.map(|upload| upload.state = UploadState::Abandoned).is_some();
        Ok(is_given_up && !self.kept_files.contains(id))
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError> {
        self.uploads.upload_by_id.remove(id);
        self.kept_files.forget_file(id);
        Ok(())
    }
}
