//! What was looked at, what was found, and what to do about it.
use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and may hurt later or elsewhere.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be looked at; why is said.
    Skipped,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, one word that stays the same.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was found: for a failure, its cause.
    pub(super) told: String,
    /// What to do; none if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn fine(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, told: told.into(), remedy: None }
    }

    pub(super) fn skipped(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, told: told.into(), remedy: None }
    }

    pub(super) fn warning(check: &'static str, told: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, told: told.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn failed(check: &'static str, told: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Failed, told: told.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<8} {:<14} {}", self.verdict.word(), self.check, self.told)?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "{:<8} {:<14} remedy: {remedy}", "", ""),
            None => Ok(()),
        }
    }
}
