//! `[files]`: what people send each other beside words, where it is kept, and how much of it.
use std::time::Duration;

use serde::Serialize;

use crate::auth::secret::Secret;

use super::duration;
use super::mask;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

const MIB: u64 = 1024 * 1024;
/// The most that a bucket takes in the pieces in which files are sent to it: 10,000 of 5 MiB.
const FILE_BYTES_MAX: u64 = 10_000 * 5 * MIB;
/// The shortest and the longest life of an address.
const LINK_LIFE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(7 * 86_400)];

/// `[files]`: attachments of chat messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Files {
    /// Where the bytes are.
    pub storage: FileStorage,
    /// Bytes of a voice note.
    pub voice_bytes: u64,
    /// Bytes of a picture.
    pub image_bytes: u64,
    /// Bytes of any other file.
    pub file_bytes: u64,
    /// Bytes of all files of one user that are kept.
    pub bytes_per_user: u64,
    /// Files of one user that are kept.
    pub files_per_user: u64,
    /// Bytes of all files that are kept.
    pub total_bytes: u64,
    /// Bytes of files that one report keeps when their messages go.
    pub evidence_bytes_per_report: u64,
    /// The same of all reports.
    pub evidence_bytes: u64,
    /// How long an address of a file is good.
    #[serde(serialize_with = "duration::serialize")]
    pub link_life: Duration,
    /// `[files.s3]`
    pub s3: Bucket,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            storage: FileStorage::Local,
            voice_bytes: 10 * MIB,
            image_bytes: 10 * MIB,
            file_bytes: 100 * MIB,
            bytes_per_user: 250 * MIB,
            files_per_user: 200,
            total_bytes: 10_240 * MIB,
            evidence_bytes_per_report: 100 * MIB,
            evidence_bytes: 2048 * MIB,
            link_life: Duration::from_secs(3600),
            s3: Bucket::default(),
        }
    }
}

impl Files {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            storage: section.value("storage", default.storage),
            voice_bytes: section.number("voice_bytes", default.voice_bytes, 1, FILE_BYTES_MAX),
            image_bytes: section.number("image_bytes", default.image_bytes, 1, FILE_BYTES_MAX),
            file_bytes: section.number("file_bytes", default.file_bytes, 1, FILE_BYTES_MAX),
            bytes_per_user: section.number("bytes_per_user", default.bytes_per_user, 1, i64::MAX as u64),
            files_per_user: section.number("files_per_user", default.files_per_user, 1, 1_000_000),
            total_bytes: section.number("total_bytes", default.total_bytes, 1, i64::MAX as u64),
            evidence_bytes_per_report: section.number(
                "evidence_bytes_per_report",
                default.evidence_bytes_per_report,
                0,
                i64::MAX as u64,
            ),
            evidence_bytes: section.number("evidence_bytes", default.evidence_bytes, 0, i64::MAX as u64),
            link_life: section.checked("link_life", default.link_life, |life| check_link_life(*life)),
            s3: section.inner("s3", Bucket::read),
        };
        if read.storage == FileStorage::S3 {
            for (key, is_missing) in read.s3.missing() {
                if is_missing {
                    section.misses(
                        key,
                        "storage",
                        &format!("files in a bucket need {key}"),
                        "write it below [files.s3]",
                    );
                }
            }
        }
        section.finish();
        read
    }
}

fn check_link_life(life: Duration) -> Result<(), Complaint> {
    let [shortest, longest] = LINK_LIFE;
    if life < shortest || life > longest {
        let what = format!("an address of a file cannot be good for {}", duration::format(life));
        let fix = format!("write \"{}\" to \"{}\"", duration::format(shortest), duration::format(longest));
        return Err(Complaint::new(what, fix));
    }
    Ok(())
}

/// Where the bytes of files are.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStorage {
    /// In `uploads` in the state directory.
    Local,
    /// In a bucket that speaks the protocol of S3.
    S3,
    /// Nowhere: files are refused.
    None,
}

impl FromText for FileStorage {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "local" => Ok(Self::Local),
            "s3" => Ok(Self::S3),
            "none" => Ok(Self::None),
            _ => Err(Complaint::new(format!("{text:?} is no storage"), "write \"local\", \"s3\" or \"none\"")),
        }
    }
}

/// `[files.s3]`: a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its name.
    pub bucket: String,
    /// The URL of a service other than Amazon's; the bucket's name is the first part of the path.
    pub endpoint: String,
    /// Where it lies.
    pub region: String,
    /// Before the name of each object.
    pub prefix: String,
    /// Who asks.
    #[serde(serialize_with = "mask::one")]
    pub access_key_id: Option<Secret>,
    /// Proves it.
    #[serde(serialize_with = "mask::one")]
    pub secret_access_key: Option<Secret>,
}

impl Bucket {
    fn read(mut section: Section<'_>) -> Self {
        let read = Self {
            bucket: section.value("bucket", String::new()),
            endpoint: section.checked("endpoint", String::new(), |url| check_endpoint(url)),
            region: section.value("region", String::new()),
            prefix: section.checked("prefix", String::new(), |prefix| check_prefix(prefix)),
            access_key_id: section.secret("access_key_id"),
            secret_access_key: section.secret("secret_access_key"),
        };
        section.finish();
        read
    }

    fn missing(&self) -> [(&'static str, bool); 4] {
        [
            ("s3.bucket", self.bucket.is_empty()),
            ("s3.region", self.region.is_empty()),
            ("s3.access_key_id", self.access_key_id.is_none()),
            ("s3.secret_access_key", self.secret_access_key.is_none()),
        ]
    }
}

fn check_endpoint(url: &str) -> Result<(), Complaint> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_sound = host.is_some_and(|host| !host.is_empty() && !host.contains([' ', '?', '#', '@']));
    if url.is_empty() || is_sound {
        return Ok(());
    }
    let fix = "write scheme and host, for example \"https://s3.example.org\"; leave it empty for Amazon's own";
    Err(Complaint::new(format!("{url:?} is no URL of a bucket service"), fix))
}

fn check_prefix(prefix: &str) -> Result<(), Complaint> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if prefix.is_empty() || prefix.split('/').all(is_plain) {
        return Ok(());
    }
    let fix = "write letters, digits, - and _, with / between: \"duologue/node-1\"";
    Err(Complaint::new(format!("{prefix:?} is no prefix of objects"), fix))
}
