//! `[log]`: what the program says about itself.
use serde::Serialize;

use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// `[log]`: what the program says about itself, on the standard error stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines are written.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel("info".to_owned()) }
    }
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read =
            Self { format: section.value("format", default.format), level: section.value("level", default.level) };
        section.finish();
        read
    }
}

/// How a log line looks.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl FromText for LogFormat {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Complaint::new(format!("{text:?} is no log format"), "write \"text\" or \"json\"")),
        }
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A level for everything, followed by exceptions: `info,duologue::signal=debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LogLevel(String);

impl LogLevel {
    /// The directives in the notation of `tracing`.
    pub fn as_directives(&self) -> &str {
        &self.0
    }
}

impl FromText for LogLevel {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let complaint = |part: &str| {
            let fix = format!("write one of {}, or exceptions like \"info,duologue::signal=debug\"", LEVELS.join(", "));
            Complaint::new(format!("{part:?} is no log level"), fix)
        };
        for part in text.split(',') {
            let (target, level) = match part.split_once('=') {
                Some((target, level)) => (Some(target), level),
                None => (None, part),
            };
            let is_path = |target: &str| {
                let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                !target.is_empty() && target.chars().all(inside)
            };
            if !LEVELS.contains(&level) || !target.is_none_or(is_path) {
                return Err(complaint(part));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_with_exceptions_is_understood() {
        for text in ["info", "off", "warn,duologue::relay=trace", "info,hyper=debug,duologue=debug"] {
            assert_eq!(LogLevel::from_text(text).map(|level| level.0), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_the_name_of_a_module() {
        for text in ["", "inof", "INFO", "info,", "duologue=", "=info", "a b=info", "info;warn"] {
            assert!(LogLevel::from_text(text).is_err(), "{text}");
        }
    }
}
