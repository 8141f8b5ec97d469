//! `[events]`: who outside is told what happens.
use serde::Serialize;

use crate::auth::secret::Secret;

use super::mask;
use super::problem::Complaint;
use super::read::Section;

/// What the address of a Redis begins with.
const REDIS_SCHEMES: [&str; 3] = ["redis://", "rediss://", "redis+unix://"];

/// Entries of a stream that nobody trims otherwise.
const ENTRIES_MAX: u64 = 1_000_000_000;

/// `[events]`: sinks beside the stream at `/v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Where each event is posted; empty: nowhere.
    pub webhook_url: String,
    /// Signs what is posted.
    #[serde(serialize_with = "mask::one")]
    pub webhook_secret: Option<Secret>,
    /// The file to which each event is added as a line; empty: none.
    pub file: String,
    /// The Redis whose stream each event is added to; `None`: none.
    #[serde(serialize_with = "mask::one")]
    pub redis_url: Option<Secret>,
    /// The key of the stream.
    pub redis_stream: String,
    /// About so many entries are kept there.
    pub redis_max_len: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            webhook_url: String::new(),
            webhook_secret: None,
            file: String::new(),
            redis_url: None,
            redis_stream: "duologue:events".into(),
            redis_max_len: 100_000,
        }
    }
}

impl Events {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            webhook_url: section.checked("webhook_url", String::new(), |url| check_url(url)),
            webhook_secret: section.secret("webhook_secret"),
            file: section.value("file", String::new()),
            redis_url: section.secret("redis_url"),
            redis_stream: section.checked("redis_stream", default.redis_stream, |key| check_stream(key)),
            redis_max_len: section.number("redis_max_len", default.redis_max_len, 1, ENTRIES_MAX),
        };
        if !read.webhook_url.is_empty() && read.webhook_secret.is_none() {
            section.misses(
                "webhook_secret",
                "webhook_url",
                "whoever receives events must be able to tell ours from others'",
                "write webhook_secret, for example the output of: openssl rand -base64 32",
            );
        }
        let is_redis = |url: &Secret| REDIS_SCHEMES.iter().any(|scheme| url.expose().starts_with(scheme.as_bytes()));
        if read.redis_url.as_ref().is_some_and(|url| !is_redis(url)) {
            let fix = "write scheme, host, port and number, for example \"redis://127.0.0.1:6379/0\"";
            section.refuse("redis_url", Complaint::new("this is no address of a Redis", fix));
        }
        section.finish();
        read
    }
}

fn check_stream(key: &str) -> Result<(), Complaint> {
    if key.is_empty() {
        return Err(Complaint::new("a stream has a key", "write one, for example \"duologue:events\""));
    }
    Ok(())
}

pub(super) fn check_url(url: &str) -> Result<(), Complaint> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_sound = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '#']));
    if url.is_empty() || is_sound {
        return Ok(());
    }
    let fix = "write scheme, host and path, for example \"https://app.example.org/duologue-events\"";
    Err(Complaint::new("this is no URL that anything can be posted to", fix))
}
