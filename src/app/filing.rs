//! Files as the configuration wants them.
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Notify;

use crate::auth::file_link::FileLinks;
use crate::config::Config;
use crate::config::FileStorage;
use crate::files;
use crate::files::Blobs;
use crate::files::Desk;
use crate::signal::EvidenceLimits;
use crate::signal::FileSharing;
use crate::state::State;
use crate::store::runner;
use crate::time::Clock;

/// What signaling needs of files; `None`: there are none.
pub(super) fn sharing(config: &Config, state: &State) -> Option<FileSharing> {
    match config.files.storage {
        FileStorage::None => None,
        FileStorage::Local | FileStorage::S3 => Some(FileSharing {
            links: FileLinks::new(state.files_secret.clone()),
            link_life: config.files.link_life,
            released: Arc::new(Notify::new()),
            evidence: evidence(config),
        }),
    }
}

/// How much stays for reports.
pub(super) fn evidence(config: &Config) -> EvidenceLimits {
    EvidenceLimits {
        bytes_per_report: config.files.evidence_bytes_per_report,
        total_bytes: config.files.evidence_bytes,
    }
}

/// The place of the bytes.
///
/// # Errors
///
/// It cannot be used; what to do about it is said.
pub(super) fn blobs(config: &Config) -> anyhow::Result<Blobs> {
    let bucket = &config.files.s3;
    let blobs = match (config.files.storage, &bucket.access_key_id, &bucket.secret_access_key) {
        (FileStorage::S3, Some(access_key_id), Some(secret_access_key)) => Blobs::in_bucket(&files::Bucket {
            name: bucket.bucket.clone(),
            endpoint: Some(bucket.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            region: bucket.region.clone(),
            prefix: bucket.prefix.clone(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.clone(),
        }),
        _ => Blobs::in_directory(&config.uploads()),
    };
    blobs.context("files")
}

/// How much is taken.
pub(super) fn limits(config: &Config) -> files::Limits {
    let files = &config.files;
    files::Limits {
        voice_bytes: files.voice_bytes,
        image_bytes: files.image_bytes,
        file_bytes: files.file_bytes,
        bytes_per_user: files.bytes_per_user,
        files_per_user: files.files_per_user,
        total_bytes: files.total_bytes,
    }
}

/// The desk behind the routes of files, where there are any.
///
/// # Errors
///
/// The place of the bytes or the store cannot be used.
pub(super) async fn open(
    config: &Config,
    sharing: Option<&FileSharing>,
    store: &runner::Handle,
    clock: Clock,
) -> anyhow::Result<Option<Desk>> {
    let Some(sharing) = sharing else { return Ok(None) };
    let settings = files::Settings {
        limits: limits(config),
        links: sharing.links.clone(),
        blobs: blobs(config)?,
        released: Arc::clone(&sharing.released),
    };
    Desk::open(settings, store.clone(), clock).await.map(Some).context("read what files are kept")
}
