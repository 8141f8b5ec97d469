//! `[moderation]`: what happens without a moderator.
use std::time::Duration;

use serde::Serialize;

use super::duration;
use super::read::Section;

/// Beyond this nobody would ever be restricted.
const REPORTS_MAX: u32 = 1000;

/// `[moderation]`: what happens without a moderator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moderation {
    /// So many complaints take a device, or a user, out of matching until they are decided on; 0: never.
    pub auto_restrict_reports: u32,
    /// Within that time.
    #[serde(serialize_with = "duration::serialize")]
    pub auto_restrict_window: Duration,
}

impl Default for Moderation {
    fn default() -> Self {
        Self { auto_restrict_reports: 0, auto_restrict_window: Duration::from_secs(3600) }
    }
}

impl Moderation {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            auto_restrict_reports: section.number(
                "auto_restrict_reports",
                default.auto_restrict_reports,
                0,
                REPORTS_MAX,
            ),
            auto_restrict_window: section.value("auto_restrict_window", default.auto_restrict_window),
        };
        section.finish();
        read
    }
}
