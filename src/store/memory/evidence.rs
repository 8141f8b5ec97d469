use std::collections::BTreeSet;

use crate::store::Evidence;
use crate::store::MemoryStore;
use crate::store::ReportId;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Uploads;
use crate::store::Usage;

/// Which report keeps which file.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptFiles {
    kept: BTreeSet<(ReportId, UploadId)>,
}

impl KeptFiles {
    /// Those that a report keeps, by name.
    fn of(&self, report: &ReportId) -> impl Iterator<Item = &UploadId> {
        self.kept.iter().filter(move |(by, _)| by == report).map(|(_, file)| file)
    }

    pub(super) fn contains(&self, file: &UploadId) -> bool {
        self.kept.iter().any(|(_, kept)| kept == file)
    }

    /// A report is gone.
    pub(super) fn forget_report(&mut self, report: &ReportId) {
        self.kept.retain(|(by, _)| by != report);
    }

    /// A file is gone.
    pub(super) fn forget_file(&mut self, file: &UploadId) {
        self.kept.retain(|(_, kept)| kept != file);
    }
}

impl Evidence for MemoryStore {
    fn keep_file(&mut self, report: &ReportId, file: &UploadId) -> Result<(), StoreError> {
        if self.desk.knows(report) && self.upload(file)?.is_some() {
            self.kept_files.kept.insert((report.clone(), file.clone()));
        }
        Ok(())
    }

    fn kept_files(&self, report: &ReportId) -> Result<Vec<Upload>, StoreError> {
        self.kept_files.of(report).filter_map(|file| self.upload(file).transpose()).collect()
    }

    fn is_kept(&self, file: &UploadId) -> Result<bool, StoreError> {
        Ok(self.kept_files.contains(file))
    }

    fn kept_in_all(&self) -> Result<Usage, StoreError> {
        let files: BTreeSet<&UploadId> = self.kept_files.kept.iter().map(|(_, file)| file).collect();
        let mut usage = Usage::default();
        for file in files {
            let bytes = self.upload(file)?.map_or(0, |upload| upload.bytes);
            usage = Usage { files: usage.files + 1, bytes: usage.bytes.saturating_add(bytes) };
        }
        Ok(usage)
    }
}
