//! Files that prove something: they outlive the messages that showed them, as long as a report keeps them.
use crate::store::ReportId;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::Usage;

/// Which report keeps which files. What a report keeps is free once the report is gone.
pub trait Evidence {
    /// Has a report keep a file; nothing happens where one of them is not there, or it keeps it already.
    ///
    /// # Errors
    ///
    /// An accident.
    fn keep_file(&mut self, report: &ReportId, file: &UploadId) -> Result<(), StoreError>;

    /// The files that a report keeps, by name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn kept_files(&self, report: &ReportId) -> Result<Vec<Upload>, StoreError>;

    /// Whether any report keeps a file.
    ///
    /// # Errors
    ///
    /// An accident.
    fn is_kept(&self, file: &UploadId) -> Result<bool, StoreError>;

    /// All files that any report keeps.
    ///
    /// # Errors
    ///
    /// An accident.
    fn kept_in_all(&self) -> Result<Usage, StoreError>;
}
