//! Where the bytes are: a directory of this machine or a bucket. Objects are named by the ids of uploads alone.
use std::collections::HashMap;
use std::fs;
use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path as FilePath;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::BackoffConfig;
use object_store::ClientConfigKey;
use object_store::ClientOptions;
use object_store::GetOptions;
use object_store::GetRange;
use object_store::ObjectStore;
use object_store::ObjectStoreExt;
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;
use tokio_util::task::TaskTracker;

use crate::auth::secret::Secret;
use crate::store::UploadId;

/// Bytes written to a directory at once.
const LOCAL_PIECE: usize = 256 * 1024;
/// Bytes sent to a bucket at once: the smallest part that S3 takes.
const BUCKET_PIECE: usize = 5 * 1024 * 1024;
/// How long a bucket may take for one piece.
const BUCKET_PATIENCE: Duration = Duration::from_secs(60);
/// How often and how long a bucket that fails is asked again: somebody waits for the answer.
const BUCKET_RETRIES: usize = 4;
const BUCKET_RETRY: Duration = Duration::from_secs(15);
const BUCKET_BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// Ends the name of the mark beside a file that nobody knows.
const MARK: &str = ".unknown";
/// Files that arrive at once; each holds one piece.
const LOCAL_ARRIVALS_MAX: usize = 512;
const BUCKET_ARRIVALS_MAX: usize = 64;

/// How to reach a bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The URL of a service other than Amazon's.
    pub endpoint: Option<String>,
    /// Where it lies.
    pub region: String,
    /// Before the name of each object.
    pub prefix: String,
    /// Who asks.
    pub access_key_id: Secret,
    /// Proves it.
    pub secret_access_key: Secret,
}

/// Why there is no place for bytes.
#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    /// The operating system refuses.
    #[error("cannot keep files in {}: {source}; let the server's user own it", path.display())]
    Directory {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The settings make no sense.
    #[error("cannot use the bucket of files.s3: {0}")]
    Bucket(object_store::Error),
}

/// Bytes by upload. Clones are the same place.
#[derive(Clone, Debug)]
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    /// The same place, for reading: however long the whole takes.
    source: Arc<dyn ObjectStore>,
    prefix: String,
    piece: usize,
    arrivals_max: usize,
    /// Where the bytes are, if they are in a directory.
    directory: Option<PathBuf>,
    /// What ends uploads that broke off.
    pub(super) tasks: TaskTracker,
}

impl Blobs {
    /// Keeps bytes in a directory, which is made with mode 0700.
    ///
    /// # Errors
    ///
    /// [`BlobsError::Directory`]
    pub fn in_directory(path: &FilePath) -> Result<Self, BlobsError> {
        let refused = |source| BlobsError::Directory { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
        let objects = LocalFileSystem::new_with_prefix(path).map_err(|error| refused(error.into()))?;
        let objects: Arc<dyn ObjectStore> = Arc::new(objects.with_fsync(true));
        Ok(Self {
            source: Arc::clone(&objects),
            objects,
            prefix: String::new(),
            piece: LOCAL_PIECE,
            arrivals_max: LOCAL_ARRIVALS_MAX,
            directory: Some(path.to_owned()),
            tasks: TaskTracker::new(),
        })
    }

    /// Keeps bytes in a bucket, which is not asked for anything yet.
    ///
    /// # Errors
    ///
    /// [`BlobsError::Bucket`]
    pub fn in_bucket(bucket: &Bucket) -> Result<Self, BlobsError> {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
        let [init_backoff, max_backoff] = BUCKET_BACKOFF;
        let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
        // A whole answer to a read takes as long as its reader likes, each piece of it does not.
        let patience = format!("{} seconds", BUCKET_PATIENCE.as_secs());
        let reading = ClientOptions::new().with_timeout_disabled().with_config(ClientConfigKey::ReadTimeout, patience);
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_access_key_id(text(&bucket.access_key_id))
            .with_secret_access_key(text(&bucket.secret_access_key))
            .with_retry(RetryConfig { max_retries: BUCKET_RETRIES, retry_timeout: BUCKET_RETRY, backoff });
        let with = |options: ClientOptions| {
            let builder = builder.clone();
            let builder = match &bucket.endpoint {
                // Whoever writes http means it: a service in the same machine or network.
                Some(endpoint) if endpoint.starts_with("http://") => {
                    builder.with_client_options(options.with_allow_http(true)).with_endpoint(endpoint)
                }
                Some(endpoint) => builder.with_client_options(options).with_endpoint(endpoint),
                None => builder.with_client_options(options),
            };
            builder.build().map_err(BlobsError::Bucket)
        };
        Ok(Self {
            objects: Arc::new(with(ClientOptions::new().with_timeout(BUCKET_PATIENCE))?),
            source: Arc::new(with(reading)?),
            prefix: bucket.prefix.clone(),
            piece: BUCKET_PIECE,
            arrivals_max: BUCKET_ARRIVALS_MAX,
            directory: None,
            tasks: TaskTracker::new(),
        })
    }

    /// How many files may arrive at once.
    pub(super) fn arrivals_max(&self) -> usize {
        self.arrivals_max
    }

    /// Begins to write. Nobody sees anything before [`Writer::finish`].
    pub(super) fn write(&self, id: &UploadId) -> Writer {
        let writer = BufWriter::with_capacity(Arc::clone(&self.objects), self.path(id), self.piece);
        Writer { writer: Some(writer.with_max_concurrency(1)), tasks: self.tasks.clone() }
    }

    /// The bytes of a part, and how long the whole is; `None` if there is nothing of that name.
    ///
    /// # Errors
    ///
    /// The storage cannot be read.
    pub(super) async fn read(
        &self,
        id: &UploadId,
        part: Range<u64>,
    ) -> Result<Option<(u64, BoxStream<'static, object_store::Result<Bytes>>)>, object_store::Error> {
        let options = GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() };
        match self.source.get_opts(&self.path(id), options).await {
            Ok(found) => Ok(Some((found.meta.size, found.into_stream()))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes bytes, if they are there.
    ///
    /// # Errors
    ///
    /// The storage cannot be written to.
    pub(super) async fn remove(&self, id: &UploadId) -> Result<(), object_store::Error> {
        match self.objects.delete(&self.path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What lies in the directory, with its age; nothing is told of a bucket. Blocks.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub(super) fn found(&self) -> io::Result<Inventory> {
        self.directory.as_deref().map_or_else(|| Ok(Inventory::default()), inventory)
    }

    fn path(&self, id: &UploadId) -> Path {
        let shelf = shelf_of(id);
        match self.prefix.as_str() {
            "" => Path::from(format!("{shelf}/{}", id.0)),
            prefix => Path::from(format!("{prefix}/{shelf}/{}", id.0)),
        }
    }
}

/// Copies the files of uploads from one directory to another and returns how many were copied and their bytes. A file never
/// changes once it has its name, so one that is there already is left alone; one that is removed meanwhile is left out.
///
/// # Errors
///
/// Something cannot be read or written; the text names it.
pub fn copy_directory(from: &FilePath, to: &FilePath) -> io::Result<(u64, u64)> {
    let about = |path: &FilePath| {
        let path = path.to_owned();
        move |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let (mut count, mut bytes) = (0, 0);
    for (id, path) in inventory(from).map_err(about(from))?.files {
        let shelf = to.join(shelf_of(&id));
        DirBuilder::new().recursive(true).mode(0o700).create(&shelf).map_err(about(&shelf))?;
        let place = shelf.join(&*id.0);
        if place.try_exists().map_err(about(&place))? {
            continue;
        }
        // What breaks off is no file of an upload, and the collector clears it away.
        let part = shelf.join(format!("{}.copy", id.0));
        match fs::copy(&path, &part) {
            Ok(copied) => bytes += copied,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => continue,
            Err(error) => return Err(about(&path)(error)),
        }
        fs::File::open(&part).and_then(|part| part.sync_all()).map_err(about(&part))?;
        fs::rename(&part, &place).map_err(about(&place))?;
        fs::File::open(&shelf).and_then(|shelf| shelf.sync_all()).map_err(about(&shelf))?;
        count += 1;
    }
    Ok((count, bytes))
}

fn inventory(directory: &FilePath) -> io::Result<Inventory> {
    let mut found = Inventory::default();
    let now = SystemTime::now();
    for shelf in fs::read_dir(directory)? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(shelf.path())? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(data) = entry.metadata() else { continue };
            let age = data.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            let path = entry.path();
            let marked = name.strip_suffix(MARK).filter(|id| is_id(id));
            match marked {
                Some(id) => drop(found.marks.insert(UploadId(id.into()), Aged { path, age })),
                None if is_id(&name) => found.files.push((UploadId(name.into()), path)),
                None => found.parts.push(Aged { path, age }),
            }
        }
    }
    Ok(found)
}

/// The directory of a file: few files in each.
fn shelf_of(id: &UploadId) -> &str {
    id.0.get(..2).unwrap_or_default()
}

/// What lies in the directory.
#[derive(Default)]
pub(super) struct Inventory {
    /// Files of uploads.
    pub(super) files: Vec<(UploadId, PathBuf)>,
    /// Parts of files that arrive, or that broke off.
    pub(super) parts: Vec<Aged>,
    /// Marks beside files that nobody knew when they were made.
    pub(super) marks: HashMap<UploadId, Aged>,
}

/// Something in the directory and how long ago it was written.
pub(super) struct Aged {
    pub(super) path: PathBuf,
    pub(super) age: Duration,
}

/// Where the mark beside a file is.
pub(super) fn mark_of(file: &FilePath) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(MARK);
    path.into()
}

/// Whether a text can be the id of an upload: the 32 digits of a UUID.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes on their way to their place. Dropped before its end, what has arrived is removed.
pub(super) struct Writer {
    writer: Option<BufWriter>,
    tasks: TaskTracker,
}

impl Writer {
    /// Writes on, and waits for the storage where it is slower than the sender.
    ///
    /// # Errors
    ///
    /// The storage cannot be written to.
    pub(super) async fn put(&mut self, bytes: Bytes) -> Result<(), object_store::Error> {
        match &mut self.writer {
            Some(writer) => writer.put(bytes).await,
            None => Ok(()),
        }
    }

    /// Shows what was written under its name, once it survives a loss of power.
    ///
    /// # Errors
    ///
    /// The storage cannot be written to.
    pub(super) async fn finish(mut self) -> io::Result<()> {
        // From here on it ends itself, whatever happens; it must not be asked to do so again.
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.shutdown().await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        // A directory forgets by itself what was not finished, a bucket has to be told.
        self.tasks.spawn(async move {
            if let Err(error) = writer.abort().await {
                tracing::debug!(%error, "an upload that broke off could not be ended");
            }
        });
    }
}

/// Bytes of a part as they are read.
pub(super) type Bytestream = BoxStream<'static, io::Result<Bytes>>;

/// The stream with errors as the network's side knows them.
pub(super) fn as_io(stream: BoxStream<'static, object_store::Result<Bytes>>) -> Bytestream {
    stream.map(|piece| piece.map_err(io::Error::from)).boxed()
}
