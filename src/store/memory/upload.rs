use std::collections::BTreeMap;

use crate::store::MemoryStore;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Uploads;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Uploads by name.
#[derive(Clone, Debug, Default)]
pub(super) struct UploadBook {
    upload_by_id: BTreeMap<UploadId, Upload>,
}

impl Uploads for MemoryStore {
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        self.uploads.upload_by_id.insert(upload.id.clone(), upload.clone());
        Ok(())
    }

    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StoreError> {
        Ok(self.uploads.upload_by_id.get(id).cloned())
    }

    fn uploaded_bytes(&self, owner: &UserId) -> Result<u64, StoreError> {
        let uploads = self.uploads.upload_by_id.values();
        Ok(uploads.filter(|upload| upload.owner == *owner).map(|upload| upload.bytes).sum())
    }

    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError> {
        let uploads = self.uploads.upload_by_id.values().filter(|upload| upload.at < before);
        let mut orphans: Vec<&Upload> = uploads.filter(|upload| !self.conversations.shows(&upload.id)).collect();
        orphans.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok(orphans.into_iter().take(limit).map(|upload| upload.id.clone()).collect())
    }

    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError> {
        self.uploads.upload_by_id.remove(id);
        Ok(())
    }
}
