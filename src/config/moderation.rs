//! `[moderation]`: what happens without a moderator.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::auth::secret::Secret;
use crate::filter::Filter;

use super::auth::path_or_empty;
use super::duration;
use super::events::check_url;
use super::mask;
use super::read::Section;
use super::text_rules;

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
    /// The file with what people may not say; `None`: everything may be said.
    #[serde(serialize_with = "path_or_empty")]
    pub text_rules_file: Option<PathBuf>,
    /// What is in it.
    #[serde(skip)]
    pub text_rules: Arc<Filter>,
    /// Who is asked about messages that have gone out; empty: nobody.
    pub classifier_url: String,
    /// Signs what is asked.
    #[serde(serialize_with = "mask::one")]
    pub classifier_secret: Option<Secret>,
}

impl Default for Moderation {
    fn default() -> Self {
        Self {
            auto_restrict_reports: 0,
            auto_restrict_window: Duration::from_secs(3600),
            text_rules_file: None,
            text_rules: Arc::default(),
            classifier_url: String::new(),
            classifier_secret: None,
        }
    }
}

impl Moderation {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let mut read = Self {
            auto_restrict_reports: section.number(
                "auto_restrict_reports",
                default.auto_restrict_reports,
                0,
                REPORTS_MAX,
            ),
            auto_restrict_window: section.value("auto_restrict_window", default.auto_restrict_window),
            text_rules_file: section.value("text_rules_file", default.text_rules_file),
            text_rules: default.text_rules,
            classifier_url: section.checked("classifier_url", default.classifier_url, |url| check_url(url)),
            classifier_secret: section.secret("classifier_secret"),
        };
        if !read.classifier_url.is_empty() && read.classifier_secret.is_none() {
            section.misses(
                "classifier_secret",
                "classifier_url",
                "whoever judges messages must be able to tell ours from others'",
                "write classifier_secret, for example the output of: openssl rand -base64 32",
            );
        }
        match read.text_rules_file.as_deref().map(text_rules::read) {
            None => {}
            Some(Ok(rules)) => read.text_rules = Arc::new(rules),
            Some(Err(problems)) => section.note_problems(problems),
        }
        section.finish();
        read
    }
}
