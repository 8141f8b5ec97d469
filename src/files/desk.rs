//! Who may put and get what: promises, quotas, addresses.
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::auth::file_link::FileAccess;
use crate::auth::file_link::FileLinkError;
use crate::auth::file_link::FileLinks;
use crate::auth::file_link::FileSignature;
use crate::files::blobs;
use crate::files::blobs::Blobs;
use crate::files::blobs::Bytestream;
use crate::files::name;
use crate::files::sniff;
use crate::files::stats::Stats;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::store::MessageKind;
use crate::store::Place;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::UserId;
use crate::store::runner;
use crate::store::runner::Job;
use crate::time::Clock;
use crate::time::UnixMillis;

/// How long a file may take to arrive, from the moment that it is asked for.
pub(super) const PUT_LIFE: Duration = Duration::from_secs(900);

/// Part of all bytes that may be promised and not have arrived. Beyond it, a user may ask for one file at a time, so
/// that few who ask for much and put nothing keep nobody out.
const PROMISED_SHARE: u64 = 4;
/// When somebody who asks for too much may try again.
const PROMISE_RETRY: Duration = Duration::from_secs(60);

/// Files of one user that arrive at once: nobody keeps the others out by dawdling.
const ARRIVALS_PER_USER: usize = 8;
/// When somebody whose files arrive may try again.
const ARRIVALS_RETRY: Duration = Duration::from_secs(1);

/// Bytes of each kind, and of all together.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    /// Bytes of a voice note.
    pub voice_bytes: u64,
    /// Bytes of a picture.
    pub image_bytes: u64,
    /// Bytes of any other file.
    pub file_bytes: u64,
    /// Bytes of one user's files that are kept or promised.
    pub bytes_per_user: u64,
    /// Files of one user that are kept or promised.
    pub files_per_user: u64,
    /// Bytes of everybody's files that are kept or promised.
    pub total_bytes: u64,
}

impl Limits {
    const fn bytes_of(&self, kind: MessageKind) -> u64 {
        match kind {
            MessageKind::Voice => self.voice_bytes,
            MessageKind::Image => self.image_bytes,
            MessageKind::File | MessageKind::Text => self.file_bytes,
        }
    }
}

/// What the desk is told at its start.
#[derive(Debug)]
pub struct Settings {
    /// How much.
    pub limits: Limits,
    /// Signs the addresses.
    pub links: FileLinks,
    /// Where the bytes are.
    pub blobs: Blobs,
    /// Rings when a message that may have shown a file is deleted.
    pub released: Arc<Notify>,
}

/// What a client asks for with `POST /v1/uploads`, beside the place.
#[derive(Debug, Deserialize)]
pub struct Wish {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) size: u64,
    #[serde(rename = "type")]
    pub(super) mime: Option<String>,
}

impl Wish {
    /// What the file is to be called.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> Result<MessageKind, Refusal> {
        match self.kind.as_str() {
            "voice" => Ok(MessageKind::Voice),
            "image" => Ok(MessageKind::Image),
            "file" => Ok(MessageKind::File),
            _ => Err(Refusal::bad_request("kind is voice, image or file")),
        }
    }
}

/// A promise to take a file.
#[derive(Debug)]
pub struct Admitted {
    /// The file's name in messages.
    pub upload: UploadId,
    /// Where to put it.
    pub url: String,
    /// Until when all of it must have arrived.
    pub expires: UnixMillis,
    /// Bytes that a file of this kind may have.
    pub max_bytes: u64,
}

/// A file as it is given.
pub struct Given {
    /// What is known of it.
    pub upload: Upload,
    /// Which part it is.
    pub part: Range<u64>,
    /// The bytes of the part.
    pub bytes: Bytestream,
    /// When it is given.
    pub now: UnixMillis,
}

/// See the module's documentation. Clones are the same desk.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) limits: ArcSwap<Limits>,
    pub(super) links: FileLinks,
    pub(super) blobs: Blobs,
    pub(super) released: Arc<Notify>,
    pub(super) store: runner::Handle,
    pub(super) clock: Clock,
    pub(super) stats: Arc<Stats>,
    /// Files that are arriving.
    pub(super) arriving: Mutex<HashMap<UploadId, Option<UserId>>>,
}

impl Desk {
    /// A desk over what the store knows.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn open(settings: Settings, store: runner::Handle, clock: Clock) -> Result<Self, StoreError> {
        let (kept, promised) = store.read(|store| Ok((store.uploaded(None)?, store.promised(None)?))).await?;
        let stats = Arc::new(Stats::default());
        // More than is allowed if the operator has lowered the limit.
        stats.promise(kept.bytes, u64::MAX);
        stats.fulfil(kept.bytes.saturating_sub(promised.bytes));
        let Settings { limits, links, blobs, released } = settings;
        let (limits, arriving) = (ArcSwap::from_pointee(limits), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { limits, links, blobs, released, store, clock, stats, arriving }) })
    }

    /// What is counted here.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.inner.stats
    }

    /// Promises by these limits from now on; what is promised or kept stays.
    pub fn change(&self, limits: Limits) {
        self.inner.limits.store(Arc::new(limits));
    }

    /// Ends what broke off in a bucket; `patience` bounds the wait.
    pub async fn stop(&self, patience: Duration) {
        let tasks = &self.inner.blobs.tasks;
        tasks.close();
        if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
            tracing::warn!("uploads that broke off are left in the bucket");
        }
    }

    /// Promises to take a file, within the quotas. Whether the owner may send to that place is known before.
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`: such a file is never taken. `conflict`: the quota of the owner is used up.
    /// `rate_limited`: much is promised, and not all that the owner has asked for has come.
    /// `unavailable`: that of everybody is, or nothing can be stored.
    pub async fn admit(&self, owner: UserId, place: Place, wish: Wish) -> Result<Admitted, Refusal> {
        let inner = &self.inner;
        let kind = wish.kind()?;
        name::check(&wish.name)?;
        if let Some(mime) = &wish.mime {
            sniff::check_type(mime)?;
        }
        let max_bytes = inner.limits.load().bytes_of(kind);
        if wish.size == 0 {
            return Err(Refusal::bad_request("size is the number of bytes, at least 1"));
        }
        if wish.size > max_bytes {
            let message = format!("a file of this kind has at most {max_bytes} bytes");
            return Err(Refusal { message: message.into(), ..Refusal::too_large("") });
        }
        let room = Room::promise(&inner.stats, wish.size, inner.limits.load().total_bytes)
            .ok_or_else(|| Refusal::new(ErrorCode::Unavailable, "the server has no room for more files now"))?;
        let now = inner.clock.now().unix;
        let upload = Upload {
            id: UploadId(Uuid::new_v4().simple().to_string().into()),
            place,
            owner,
            kind,
            name: wish.name.into(),
            mime: wish.mime.unwrap_or_default().into(),
            bytes: wish.size,
            sha256: None,
            state: UploadState::Asked,
            at: now,
        };
        self.promise(upload.clone(), room).await?;
        let expires = now + PUT_LIFE;
        let url = inner.links.url(FileAccess::Put, &upload.id.0, expires);
        Ok(Admitted { upload: upload.id, url, expires, max_bytes })
    }

    async fn promise(&self, upload: Upload, room: Room) -> Result<(), Refusal> {
        let Limits { bytes_per_user, files_per_user, total_bytes, .. } = **self.inner.limits.load();
        let is_crowded = self.inner.stats.bytes_promised() > total_bytes / PROMISED_SHARE;
        let (answer, answered) = oneshot::channel();
        let store = move |store: &mut dyn Store| {
            let usage = store.uploaded(Some(&upload.owner))?;
            let bytes = usage.bytes.saturating_add(upload.bytes);
            if usage.files >= files_per_user || bytes > bytes_per_user {
                return Ok(Verdict::OverQuota);
            }
            if is_crowded && store.promised(Some(&upload.owner))?.files > 0 {
                return Ok(Verdict::Crowded);
            }
            store.put_upload(&upload).map(|()| Verdict::Promised)
        };
        // The room is kept or given back where that is known, whether or not the client still waits.
        let done = move |outcome: Result<Verdict, StoreError>| {
            match outcome {
                Ok(Verdict::Promised) => room.keep(),
                Ok(Verdict::OverQuota | Verdict::Crowded) | Err(_) => drop(room),
            }
            // Whoever asked may have gone.
            drop(answer.send(outcome));
        };
        let unavailable = || Refusal::new(ErrorCode::Unavailable, "the file cannot be stored now");
        self.inner.store.submit(Job::write("upload", store, done)).await.map_err(|_| unavailable())?;
        match answered.await.unwrap_or(Err(StoreError::Stopped)) {
            Ok(Verdict::Promised) => Ok(()),
            Ok(Verdict::Crowded) => {
                Err(Refusal::rate_limited("put the files first that you have asked for", PROMISE_RETRY))
            }
            Ok(Verdict::OverQuota) => {
                Err(Refusal::new(ErrorCode::Conflict, "your quota of files is used up; delete some first"))
            }
            Err(_) => Err(unavailable()),
        }
    }

    /// Finds the file that a signed address shows.
    ///
    /// # Errors
    ///
    /// `forbidden`: the address is not good. `not_found`: there is no such file, or not yet, or not any more.
    pub async fn find(&self, id: &str, signature: &FileSignature) -> Result<Upload, Refusal> {
        self.check(FileAccess::Get, id, signature)?;
        let upload = self.upload(id).await?.filter(|upload| upload.state == UploadState::Complete);
        upload.ok_or_else(no_such_file)
    }

    /// Finds a file of which it is known that a report keeps it, whatever has become of the message that showed it.
    ///
    /// # Errors
    ///
    /// `not_found`, `unavailable`
    pub async fn kept(&self, id: &str) -> Result<Upload, Refusal> {
        self.upload(id).await?.filter(|upload| upload.sha256.is_some()).ok_or_else(no_such_file)
    }

    /// Gives a part of a file that was found.
    ///
    /// # Errors
    ///
    /// `not_found`: its bytes are gone. `unavailable`: the storage does not answer.
    pub async fn give(&self, upload: Upload, part: Range<u64>) -> Result<Given, Refusal> {
        let inner = &self.inner;
        let read = inner.blobs.read(&upload.id, part.clone()).await.map_err(|error| {
            tracing::warn!(upload = &*upload.id.0, %error, "a file cannot be read");
            Refusal::new(ErrorCode::Unavailable, "the file cannot be read now")
        });
        match read? {
            Some((len, stream)) if len == upload.bytes => {
                inner.stats.count_given(part.end.saturating_sub(part.start));
                Ok(Given { upload, part, bytes: blobs::as_io(stream), now: inner.clock.now().unix })
            }
            Some(_) | None => {
                tracing::warn!(upload = &*upload.id.0, "the bytes of a file are lost");
                Err(no_such_file())
            }
        }
    }

    pub(super) fn check(&self, access: FileAccess, id: &str, signature: &FileSignature) -> Result<(), Refusal> {
        let now = self.inner.clock.now().unix;
        self.inner.links.check(access, id, signature, now).map_err(|error| match error {
            FileLinkError::Forged => Refusal::new(ErrorCode::Forbidden, "the signature of this address is not valid"),
            FileLinkError::Expired => Refusal::new(ErrorCode::Forbidden, "this address has expired"),
        })
    }

    pub(super) async fn upload(&self, id: &str) -> Result<Option<Upload>, Refusal> {
        if !blobs::is_id(id) {
            return Ok(None);
        }
        let id = UploadId(id.into());
        let found = self.inner.store.read(move |store| store.upload(&id)).await;
        found.map_err(|_| Refusal::new(ErrorCode::Unavailable, "the file cannot be looked up now"))
    }

    /// Takes a name for as long as its file arrives.
    pub(super) fn begin(&self, id: &UploadId) -> Result<Arriving, Refusal> {
        let mut arriving = self.inner.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        if arriving.len() >= self.inner.blobs.arrivals_max() {
            return Err(Refusal::new(ErrorCode::Unavailable, "too many files arrive at once"));
        }
        if arriving.contains_key(id) {
            return Err(Refusal::new(ErrorCode::Conflict, "this file is arriving already"));
        }
        arriving.insert(id.clone(), None);
        Ok(Arriving { desk: self.clone(), id: id.clone() })
    }
}

/// What becomes of a wish.
enum Verdict {
    Promised,
    /// The owner has enough files.
    OverQuota,
    /// Much is promised already, to this owner too.
    Crowded,
}

/// Room for a file that is promised. Dropped before it is kept, it is given back.
struct Room {
    stats: Arc<Stats>,
    bytes: u64,
}

impl Room {
    /// `None`: more than `total` would be kept then.
    fn promise(stats: &Arc<Stats>, bytes: u64, total: u64) -> Option<Self> {
        stats.promise(bytes, total).then(|| Self { stats: Arc::clone(stats), bytes })
    }

    /// The store knows of the file: whoever removes it there gives the room back.
    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stats.give_back(self.bytes);
    }
}

/// `not_found` for a file.
pub(super) fn no_such_file() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such file")
}

/// A file that arrives: nobody else may put it meanwhile.
pub(super) struct Arriving {
    desk: Desk,
    id: UploadId,
}

impl Arriving {
    /// Says whose it is, which is known once it is looked up.
    ///
    /// # Errors
    ///
    /// `rate_limited`: enough of that user's files arrive.
    pub(super) fn belongs_to(&self, owner: &UserId) -> Result<(), Refusal> {
        let mut arriving = self.desk.inner.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        let others = arriving.values().flatten().filter(|other| *other == owner).count();
        if others >= ARRIVALS_PER_USER {
            return Err(Refusal::rate_limited("finish some of your files first", ARRIVALS_RETRY));
        }
        arriving.insert(self.id.clone(), Some(owner.clone()));
        Ok(())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.desk.inner.arriving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
