//! A rule as the operator writes it, and what can be wrong with one.
use std::sync::Arc;
use std::time::Duration;

/// The name of a rule.
pub type RuleId = Arc<str>;

/// Rules of one file.
pub(super) const RULES_MAX: usize = 5_000;
/// Words of all rules together.
pub(super) const WORDS_MAX: usize = 50_000;
/// Characters of a word, or of several that stand together.
pub(super) const WORD_CHARS_MAX: usize = 100;
/// Characters of a pattern.
pub(super) const PATTERN_CHARS_MAX: usize = 1_000;
/// Patterns of one file: each has memory of its own.
pub(super) const PATTERNS_MAX: usize = 1_000;
/// Patterns without a fixed part, which are tried on every text.
pub(super) const LOOSE_PATTERNS_MAX: usize = 32;

/// What follows when a rule is met, the mildest first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It goes out, and a moderator is told.
    Flag,
    /// It goes out with asterisks in place of what the rule met.
    Mask,
    /// It goes nowhere.
    Refuse,
    /// The same, and its author writes to nobody for that long.
    Mute(Duration),
}

impl Action {
    /// The words of a rule file, also those of the metric.
    pub const WORDS: [&str; 4] = ["flag", "mask", "refuse", "mute"];

    /// The word of a rule file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Flag => "flag",
            Action::Mask => "mask",
            Action::Refuse => "refuse",
            Action::Mute(_) => "mute",
        }
    }
}

/// What somebody says, by where others read it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// To the other side of a call: a message or a reaction.
    Chat,
    /// The same in a room.
    Room,
    /// What an account is called.
    DisplayName,
    /// What a room is called.
    RoomName,
    /// A tag of somebody who looks for company.
    Interests,
    /// What a file is called.
    FileName,
}

impl Saying {
    /// All of them.
    pub const ALL: [Saying; 6] =
        [Saying::Chat, Saying::Room, Saying::DisplayName, Saying::RoomName, Saying::Interests, Saying::FileName];

    /// The word of a rule file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Saying::Chat => "chat",
            Saying::Room => "room",
            Saying::DisplayName => "display_name",
            Saying::RoomName => "room_name",
            Saying::Interests => "interests",
            Saying::FileName => "file_name",
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// Words, or several that stand together.
    pub words: Vec<String>,
    /// Whether they count only where no letter or digit touches them.
    pub whole_words: bool,
    /// A regular expression.
    pub pattern: Option<String>,
    /// What follows.
    pub action: Action,
    /// Where it holds.
    pub kinds: Vec<Saying>,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The place of the rule in its file, counted from 0.
    pub at: usize,
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}
