//! What somebody outside is asked about messages that have gone out, and what follows from the answer.
//!
//! The hub never waits: it puts a question into a queue, goes on, and is told of a judgment later or never.
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::signal::hub::Author;
use crate::store::MessageId;
use crate::store::Place;
use crate::time::UnixMillis;

/// Questions that wait. Full: a message is not judged, which is counted.
const QUESTIONS_MAX: usize = 1024;

/// A message that has gone out.
#[derive(Debug)]
pub struct Question {
    /// The message.
    pub mid: MessageId,
    /// Where.
    pub place: Place,
    /// `text`, `voice`, `image` or `file`.
    pub kind: &'static str,
    /// What it says, as others read it.
    pub text: Arc<str>,
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub(crate) author: Author,
}

impl Question {
    /// Who wrote it.
    pub fn user(&self) -> &str {
        &self.author.party.user.0
    }
}

/// What is to happen to the author.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing.
    None,
    /// A moderator is to look at it.
    Flag,
    /// To write to nobody for that long.
    Mute(Duration),
    /// To be matched with nobody for that long.
    Restrict(Duration),
}

/// What somebody outside thinks of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgment {
    /// Whether it is to be deleted.
    pub deletes: bool,
    /// What happens to its author.
    pub consequence: Consequence,
    /// Why, in words for moderators.
    pub reasons: Vec<Arc<str>>,
}

/// What became of a question.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message stays as it is.
    Allowed,
    /// Something followed.
    Acted,
    /// Nobody gave an answer that can be read, however often it was asked.
    Failed,
    /// The queue was full.
    Dropped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [Outcome::Allowed, Outcome::Acted, Outcome::Failed, Outcome::Dropped];

    /// The label of the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Acted => "acted",
            Outcome::Failed => "failed",
            Outcome::Dropped => "dropped",
        }
    }
}

/// What became of all questions.
#[derive(Debug, Default)]
pub struct Judged([AtomicU64; Outcome::ALL.len()]);

impl Judged {
    /// Counts one.
    pub fn add_one(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many came out so.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }
}

/// The hub's end of the line to somebody outside.
#[derive(Clone, Debug)]
pub struct Classifier {
    questions: mpsc::Sender<Question>,
    judged: Arc<Judged>,
}

impl Classifier {
    /// Both ends of a line, and what will be counted on it.
    pub fn new() -> (Self, mpsc::Receiver<Question>, Arc<Judged>) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let judged = Arc::new(Judged::default());
        (Self { questions, judged: Arc::clone(&judged) }, asked, judged)
    }

    /// Asks, unless too many questions wait.
    pub(crate) fn ask(&self, question: Question) {
        if self.questions.try_send(question).is_err() {
            self.judged.add_one(Outcome::Dropped);
        }
    }
}
