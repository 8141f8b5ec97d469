//! What the store knows of uploaded files; the bytes are elsewhere.
use std::sync::Arc;

use crate::store::MessageKind;
use crate::store::Place;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::UserId;
use crate::time::UnixMillis;

/// A file that somebody may put, or has put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Where it may be shown.
    pub place: Place,
    /// Whose it is.
    pub owner: UserId,
    /// As what it may be shown.
    pub kind: MessageKind,
    /// Its media type. RFC 6838.
    pub mime: Arc<str>,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of what it holds, if that is known.
    pub sha256: Option<[u8; 32]>,
    /// Whether all of it has arrived.
    pub is_complete: bool,
    /// When it was asked for.
    pub at: UnixMillis,
}

/// Metadata of uploads.
pub trait Uploads {
    /// Stores an upload in place of one of its name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_upload(&mut self, upload: &Upload) -> Result<(), StoreError>;

    /// The upload of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StoreError>;

    /// Bytes of all uploads of an owner, complete or not.
    ///
    /// # Errors
    ///
    /// An accident.
    fn uploaded_bytes(&self, owner: &UserId) -> Result<u64, StoreError>;

    /// Uploads asked for before `before` that no message shows, at most `limit`, the oldest first. Whoever removes
    /// their bytes removes them here afterwards.
    ///
    /// # Errors
    ///
    /// An accident.
    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError>;

    /// Forgets an upload, if it is there.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError>;
}
