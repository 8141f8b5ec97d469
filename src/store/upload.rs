//! What the store knows of uploaded files; the bytes are elsewhere.
use std::sync::Arc;

use crate::store::MessageKind;
use crate::store::Place;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::UserId;
use crate::time::UnixMillis;

/// How far an upload has come.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Its owner may put it.
    Asked,
    /// All of it has arrived.
    Complete,
    /// The message that showed it is deleted: its bytes are to be removed.
    Abandoned,
}

impl UploadState {
    /// Every state.
    pub const ALL: [UploadState; 3] = [UploadState::Asked, UploadState::Complete, UploadState::Abandoned];
}

/// What an owner has of uploads, complete or not.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many.
    pub files: u64,
    /// How much.
    pub bytes: u64,
}

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
    /// What its owner calls it.
    pub name: Arc<str>,
    /// Its media type. RFC 6838.
    pub mime: Arc<str>,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of what it holds, if that has arrived.
    pub sha256: Option<[u8; 32]>,
    /// How far it has come.
    pub state: UploadState,
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

    /// All uploads of an owner, but those that are abandoned and stay for a report alone; `None`: all of everybody.
    ///
    /// # Errors
    ///
    /// An accident.
    fn uploaded(&self, owner: Option<&UserId>) -> Result<Usage, StoreError>;

    /// The uploads of an owner that have not arrived; `None`: of everybody.
    ///
    /// # Errors
    ///
    /// An accident.
    fn promised(&self, owner: Option<&UserId>) -> Result<Usage, StoreError>;

    /// Uploads that were asked for before `before` and have not arrived; at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn overdue(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError>;

    /// Uploads that are abandoned and kept by no report, or were asked for before `before` and are shown by no message; at most
    /// `limit`, the oldest first. Whoever removes their bytes removes them here afterwards.
    ///
    /// # Errors
    ///
    /// An accident.
    fn orphans(&self, before: UnixMillis, limit: usize) -> Result<Vec<UploadId>, StoreError>;

    /// Gives an upload up, unless a message shows it, and returns whether it is abandoned now and its bytes may go, which a report
    /// may keep. One that was before stays so, even if a message of a removed room still names it.
    ///
    /// # Errors
    ///
    /// An accident.
    fn abandon_upload(&mut self, id: &UploadId) -> Result<bool, StoreError>;

    /// Forgets an upload, if it is there.
    ///
    /// # Errors
    ///
    /// An accident.
    fn remove_upload(&mut self, id: &UploadId) -> Result<(), StoreError>;
}
