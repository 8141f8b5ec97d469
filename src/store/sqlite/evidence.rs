use rusqlite::params;

use crate::store::Evidence;
use crate::store::ReportId;
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Usage;
use crate::store::sqlite::upload::upload_at;

pub(super) const KEEP: &str = "INSERT INTO evidence_file (report, file)
    SELECT report.id, upload.id FROM report, upload WHERE report.id = ?1 AND upload.id = ?2 ON CONFLICT DO NOTHING";

pub(super) const KEPT_BY: &str = "SELECT u.id, u.place, u.is_in_room, u.owner, u.kind, u.name, u.mime, u.bytes,
    u.sha256, u.state, u.at FROM evidence_file e CROSS JOIN upload u ON u.id = e.file WHERE e.report = ?1 ORDER BY e.file";

pub(super) const IS_KEPT: &str = "SELECT EXISTS (SELECT 1 FROM evidence_file WHERE file = ?1)";

/// As many as the cap of their bytes lets there be.
const KEPT_IN_ALL: &str = "SELECT count(*), coalesce(sum(bytes), 0) FROM upload
    WHERE id IN (SELECT file FROM evidence_file)";

impl Evidence for SqliteStore {
    fn keep_file(&mut self, report: &ReportId, file: &UploadId) -> Result<(), StoreError> {
        self.execute(KEEP, params![report.0, file.0]).map(drop)
    }

    fn kept_files(&self, report: &ReportId) -> Result<Vec<Upload>, StoreError> {
        let mut statement = self.connection.prepare_cached(KEPT_BY)?;
        let kept = statement.query_map(params![report.0], upload_at)?;
        Ok(kept.collect::<rusqlite::Result<_>>()?)
    }

    fn is_kept(&self, file: &UploadId) -> Result<bool, StoreError> {
        Ok(self.connection.prepare_cached(IS_KEPT)?.query_row(params![file.0], |row| row.get(0))?)
    }

    fn kept_in_all(&self) -> Result<Usage, StoreError> {
        let usage_at = |row: &rusqlite::Row<'_>| Ok(Usage { files: row.get(0)?, bytes: row.get(1)? });
        Ok(self.connection.prepare_cached(KEPT_IN_ALL)?.query_row([], usage_at)?)
    }
}
