//! A file that arrives: judged by its length, its time and its first bytes while it passes to its place.
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use sha2::Digest;
use sha2::Sha256;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use crate::auth::file_link::FileAccess;
use crate::auth::file_link::FileSignature;
use crate::files::blobs::Writer;
use crate::files::desk::Desk;
use crate::files::desk::no_such_file;
use crate::files::sniff;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::runner::Job;

/// How long a client may take for the next stretch of a file, not counting what the storage takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a stretch; the last one may be shorter.
const STRETCH: u64 = 64 * 1024;

/// A file that has arrived.
#[derive(Debug)]
pub struct Arrived {
    /// Its name in messages.
    pub upload: UploadId,
    /// Its length in bytes.
    pub size: u64,
    /// The type that it has by its first bytes.
    pub mime: Arc<str>,
}

/// Why a file did not arrive.
#[derive(Debug)]
pub enum PutError {
    /// It is not taken.
    Refused(Refusal),
    /// It came too slowly, or its address expired meanwhile.
    TooSlow,
}

impl From<Refusal> for PutError {
    fn from(refusal: Refusal) -> Self {
        PutError::Refused(refusal)
    }
}

/// What has come of a file.
struct Progress {
    writer: Writer,
    hash: Sha256,
    len: u64,
    mime: Arc<str>,
}

impl Desk {
    /// Takes the bytes of a file that was promised. `declared` is the length that the request tells in its head.
    ///
    /// # Errors
    ///
    /// `forbidden`: the address is not good. `not_found`: the promise is gone. `conflict`: it has arrived, or arrives.
    /// `rate_limited`, `unavailable`: enough others arrive.
    /// `too_large`, `bad_request`: longer or shorter than promised, or not what it was said to be. Whatever has come of
    /// it then is removed, and the same address can be used again.
    pub async fn receive<E>(
        &self,
        id: &str,
        signature: &FileSignature,
        declared: Option<u64>,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Arrived, PutError> {
        self.check(FileAccess::Put, id, signature)?;
        let arriving = self.begin(&UploadId(id.into()))?;
        let upload = self.upload(id).await?;
        let upload = upload.filter(|upload| upload.state != UploadState::Abandoned).ok_or_else(no_such_file)?;
        if upload.state == UploadState::Complete {
            return Err(Refusal::new(ErrorCode::Conflict, "this file has arrived before").into());
        }
        arriving.belongs_to(&upload.owner)?;
        let now = self.inner.clock.now().unix;
        let end = Instant::now() + signature.expires.saturating_since(now);
        let outcome = match timeout_at(end, self.take(&upload, declared, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PutError::TooSlow),
        };
        match &outcome {
            Ok(arrived) => self.inner.stats.count_received(arrived.size),
            Err(_) => self.inner.stats.count_refused(),
        }
        drop(arriving);
        outcome
    }

    async fn take<E>(
        &self,
        upload: &Upload,
        declared: Option<u64>,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Arrived, PutError> {
        if let Some(declared) = declared {
            check_len(declared, upload.bytes)?;
        }
        let Progress { writer, hash, len, mime } = self.pass_on(upload, body).await?;
        check_len(len, upload.bytes)?;
        writer.finish().await.map_err(|error| storage_fails(upload, &error))?;
        self.complete(upload, hash.finalize().into(), Arc::clone(&mime)).await?;
        Ok(Arrived { upload: upload.id.clone(), size: len, mime })
    }

    /// Passes the bytes on to their place, the first ones when they tell what the file is.
    async fn pass_on<E>(
        &self,
        upload: &Upload,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Progress, PutError> {
        let mut body = pin!(body);
        let mut head = Vec::new();
        let mut progress: Option<Progress> = None;
        let mut len = 0_u64;
        let mut pace = Pace::new(upload.bytes);
        loop {
            let begun = Instant::now();
            let next = timeout(pace.left, body.next()).await.map_err(|_| PutError::TooSlow)?;
            let piece = next.transpose().map_err(|_| Refusal::bad_request("the file broke off"))?;
            let is_end = piece.is_none();
            let piece = piece.unwrap_or_default();
            pace.count(begun.elapsed(), piece.len() as u64);
            len = len.saturating_add(piece.len() as u64);
            if len > upload.bytes {
                return Err(too_long().into());
            }
            let piece = match &mut progress {
                Some(_) => piece,
                None => {
                    head.extend_from_slice(&piece);
                    if head.len() < sniff::HEAD_BYTES && !is_end {
                        continue;
                    }
                    let named = Some(&*upload.mime).filter(|mime| !mime.is_empty());
                    let mime = sniff::media_type(upload.kind, &head, named)?;
                    progress =
                        Some(Progress { writer: self.inner.blobs.write(&upload.id), hash: Sha256::new(), len, mime });
                    Bytes::from(std::mem::take(&mut head))
                }
            };
            let Some(so_far) = &mut progress else { continue };
            so_far.len = len;
            if !piece.is_empty() {
                so_far.hash.update(&piece);
                so_far.writer.put(piece).await.map_err(|error| storage_fails(upload, &error))?;
            }
            if is_end && let Some(whole) = progress.take() {
                return Ok(whole);
            }
        }
    }

    /// Notes that all is there. Where the promise has gone meanwhile, so do the bytes.
    async fn complete(&self, upload: &Upload, sha256: [u8; 32], mime: Arc<str>) -> Result<(), Refusal> {
        let id = upload.id.clone();
        let (stats, bytes) = (Arc::clone(&self.inner.stats), upload.bytes);
        let (answer, answered) = oneshot::channel();
        let note = move |store: &mut dyn Store| {
            let Some(promised) = store.upload(&id)?.filter(|promised| promised.state == UploadState::Asked) else {
                return Ok(false);
            };
            store.put_upload(&Upload { mime, sha256: Some(sha256), state: UploadState::Complete, ..promised })?;
            Ok(true)
        };
        // The promise is kept where that is known, whether or not the client still waits.
        let done = move |outcome: Result<bool, StoreError>| {
            if let Ok(true) = outcome {
                stats.fulfil(bytes);
            }
            // Whoever put it may have gone.
            drop(answer.send(outcome));
        };
        let submitted = self.inner.store.submit(Job::write("upload", note, done)).await;
        let noted = match submitted {
            Ok(()) => answered.await.unwrap_or(Err(StoreError::Stopped)),
            Err(error) => Err(error),
        };
        let refusal = match noted {
            Ok(true) => return Ok(()),
            Ok(false) => no_such_file(),
            Err(_) => Refusal::new(ErrorCode::Unavailable, "the file cannot be stored now"),
        };
        if let Err(error) = self.inner.blobs.remove(&upload.id).await {
            tracing::warn!(upload = &*upload.id.0, %error, "a file that is not wanted is removed later");
        }
        Err(refusal)
    }
}

/// How fast a file has to come.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    /// How long the client may yet take for this stretch.
    left: Duration,
    /// What is missing of this stretch.
    due: u64,
    /// What is missing of the file.
    rest: u64,
}

impl Pace {
    fn new(rest: u64) -> Self {
        Self { left: PATIENCE, due: rest.min(STRETCH), rest }
    }

    /// Bytes have come after the client took so long for them.
    fn count(&mut self, waited: Duration, bytes: u64) {
        self.rest = self.rest.saturating_sub(bytes);
        if bytes > 0 && bytes >= self.due {
            *self = Self::new(self.rest);
        } else {
            self.due = self.due.saturating_sub(bytes);
            self.left = self.left.saturating_sub(waited);
        }
    }
}

fn check_len(len: u64, promised: u64) -> Result<(), Refusal> {
    match len.cmp(&promised) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(too_long()),
        std::cmp::Ordering::Less => Err(Refusal::bad_request("the file is shorter than its size says")),
    }
}

fn too_long() -> Refusal {
    Refusal::too_large("the file is longer than its size says")
}

fn storage_fails(upload: &Upload, error: &dyn std::fmt::Display) -> Refusal {
    tracing::warn!(upload = &*upload.id.0, %error, "a file cannot be written");
    Refusal::new(ErrorCode::Unavailable, "the file cannot be stored now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_of_a_file_has_its_time() {
        let mut pace = Pace::new(STRETCH + 10);
        let some = Duration::from_secs(20);
        pace.count(some, STRETCH - 1);
        assert_eq!(pace, Pace { left: PATIENCE - some, due: 1, rest: 11 });
        pace.count(some, 0);
        assert_eq!(pace.left, Duration::ZERO);
        pace.count(Duration::ZERO, 1);
        assert_eq!(pace, Pace { left: PATIENCE, due: 10, rest: 10 });
        pace.count(some, 10);
        assert_eq!(pace, Pace { left: PATIENCE, due: 0, rest: 0 });
    }
}
