//! `[store]` and `[retention]`: where what must be remembered is kept, and how long.
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::duration;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// The file in the state directory, unless another is named.
const DEFAULT_FILE: &str = "duologue.db";

const DAY: Duration = Duration::from_secs(86_400);

/// `[store]`: what must be remembered across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Store {
    /// The database file.
    pub path: StorePath,
}

impl Store {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let read = Self { path: section.value("path", StorePath::default()) };
        section.finish();
        read
    }
}

/// Where the database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StorePath {
    /// `duologue.db` in the state directory; written as an empty text.
    #[default]
    StateDir,
    /// In memory; written `":memory:"`.
    Memory,
    /// A file of its own.
    File(PathBuf),
}

impl StorePath {
    /// The database file, if there is one.
    pub fn file(&self, state_dir: &Path) -> Option<PathBuf> {
        match self {
            Self::StateDir => Some(state_dir.join(DEFAULT_FILE)),
            Self::Memory => None,
            Self::File(path) => Some(path.clone()),
        }
    }
}

impl FromText for StorePath {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        Ok(match text {
            "" => Self::StateDir,
            ":memory:" => Self::Memory,
            path => Self::File(PathBuf::from(path)),
        })
    }
}

impl Serialize for StorePath {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::StateDir => to.serialize_str(""),
            Self::Memory => to.serialize_str(":memory:"),
            Self::File(path) => path.serialize(to),
        }
    }
}

/// `[retention]`: how long what is kept; zero: it is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// What was written in a session, after its end.
    #[serde(serialize_with = "duration::serialize")]
    pub session_chat: Duration,
    /// What was written in a room.
    #[serde(serialize_with = "duration::serialize")]
    pub rooms: Duration,
    /// Records of ended sessions.
    #[serde(serialize_with = "duration::serialize")]
    pub logs: Duration,
    /// What moderators and admins did.
    #[serde(serialize_with = "duration::serialize")]
    pub audit: Duration,
    /// Reports with their evidence, after the decision.
    #[serde(serialize_with = "duration::serialize")]
    pub reports: Duration,
    /// What happened, for whoever watches from outside.
    #[serde(serialize_with = "duration::serialize")]
    pub events: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            session_chat: DAY,
            rooms: 90 * DAY,
            logs: 10 * DAY,
            audit: 365 * DAY,
            reports: 180 * DAY,
            events: 7 * DAY,
        }
    }
}

impl Retention {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            session_chat: section.value("session_chat", default.session_chat),
            rooms: section.value("rooms", default.rooms),
            logs: section.value("logs", default.logs),
            audit: section.value("audit", default.audit),
            reports: section.value("reports", default.reports),
            events: section.value("events", default.events),
        };
        section.finish();
        read
    }
}
