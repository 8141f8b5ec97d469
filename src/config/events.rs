//! `[events]`: who outside is told what happens.
use serde::Serialize;

use crate::auth::secret::Secret;

use super::mask;
use super::problem::Complaint;
use super::read::Section;

/// `[events]`: sinks beside the stream at `/v1/events`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Where each event is posted; empty: nowhere.
    pub webhook_url: String,
    /// Signs what is posted.
    #[serde(serialize_with = "mask::one")]
    pub webhook_secret: Option<Secret>,
    /// The file to which each event is added as a line; empty: none.
    pub file: String,
}

impl Events {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let read = Self {
            webhook_url: section.checked("webhook_url", String::new(), |url| check_url(url)),
            webhook_secret: section.secret("webhook_secret"),
            file: section.value("file", String::new()),
        };
        if !read.webhook_url.is_empty() && read.webhook_secret.is_none() {
            section.misses(
                "webhook_secret",
                "webhook_url",
                "whoever receives events must be able to tell ours from others'",
                "write webhook_secret, for example the output of: openssl rand -base64 32",
            );
        }
        section.finish();
        read
    }
}

fn check_url(url: &str) -> Result<(), Complaint> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_sound = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '#']));
    if url.is_empty() || is_sound {
        return Ok(());
    }
    let fix = "write scheme, host and path, for example \"https://app.example.org/duologue-events\"";
    Err(Complaint::new("this is no URL that events can be posted to", fix))
}
