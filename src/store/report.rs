//! Complaints with what proves them, and who did what about them.
use std::sync::Arc;

use crate::store::Party;
use crate::store::ReportId;
use crate::store::SessionId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// Stands in the names of programs that report, which have no colon; those of people have it behind one at most.
pub const PROGRAM_MARK: char = '.';

/// Whether that is no person: complaints of programs are not counted with those of people.
pub(super) fn is_program(reporter: &UserId) -> bool {
    reporter.0.contains(PROGRAM_MARK) && !reporter.0.contains(':')
}

/// How soon somebody should look at a report: the lowest first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub u8);

impl Rank {
    /// That of a report of which nothing more is known.
    pub const USUAL: Rank = Rank(50);
}

/// A complaint about the other side of a session. Nothing in it changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub id: ReportId,
    /// The session it is about.
    pub session: SessionId,
    /// Who complains.
    pub reporter: UserId,
    /// About whom.
    pub reported: Party,
    /// One of the reasons of rule 40.
    pub reason: Arc<str>,
    /// In the reporter's words.
    pub comment: Arc<str>,
    /// Messages and circumstances as they were then: JSON. It outlives the session's chat.
    pub evidence: Arc<str>,
    /// How soon somebody should look at it.
    pub rank: Rank,
    /// When.
    pub at: UnixMillis,
}

/// What a moderator made of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The moderator.
    pub by: UserId,
    /// When.
    pub at: UnixMillis,
    /// Whether the report was right.
    pub is_accepted: bool,
    /// What follows from it: JSON.
    pub action: Arc<str>,
}

/// A report and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The report.
    pub report: Report,
    /// The decision, once there is one.
    pub decision: Option<Decision>,
    /// Who works on it.
    pub claim: Option<Claim>,
    /// Whether it is kept whatever its age: a legal hold.
    pub is_held: bool,
}

/// A moderator at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The moderator.
    pub by: UserId,
    /// Since when.
    pub at: UnixMillis,
}

/// What a moderator wrote about a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The moderator.
    pub by: UserId,
    /// When.
    pub at: UnixMillis,
    /// In the moderator's words.
    pub text: Arc<str>,
}

/// A place in the queue of reports that nobody has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPlace {
    /// How soon it is its turn.
    pub rank: Rank,
    /// When it was made.
    pub at: UnixMillis,
    /// Its name.
    pub id: ReportId,
}

/// A place among reports that are decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedPlace {
    /// When it was decided.
    pub at: UnixMillis,
    /// Its name.
    pub id: ReportId,
}

/// How often somebody's reports were right.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Accuracy {
    /// Reports that were accepted.
    pub accepted: u64,
    /// Reports that were rejected.
    pub rejected: u64,
}

/// Something that somebody with rights did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub by: UserId,
    /// What, in one word.
    pub action: Arc<str>,
    /// To whom or what.
    pub subject: Arc<str>,
    /// The rest: JSON.
    pub details: Arc<str>,
}

/// A deed's place in the audit: later ones are greater.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeedNumber(pub u64);

/// Reports and audit.
pub trait Reports {
    /// Stores a report; `false` if its reporter has reported that session already (rule 39), which changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name that is stored already.
    fn add_report(&mut self, report: &Report) -> Result<bool, StoreError>;

    /// The report of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn case(&self, id: &ReportId) -> Result<Option<Case>, StoreError>;

    /// Reports that nobody has decided on, behind `after`, at most `limit`: by rank, of one rank the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn open_cases(&self, after: Option<&OpenPlace>, limit: usize) -> Result<Vec<Case>, StoreError>;

    /// Reports that were decided before `before`, at most `limit`, the one decided last first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn decided_cases(&self, before: Option<&DecidedPlace>, limit: usize) -> Result<Vec<Case>, StoreError>;

    /// Stores who works on a report, or that nobody does any more; `false` if there is no such report without a
    /// decision.
    ///
    /// # Errors
    ///
    /// An accident.
    fn claim(&mut self, id: &ReportId, claim: Option<&Claim>) -> Result<bool, StoreError>;

    /// Puts a report under a legal hold or takes it off; `false` if there is no such report.
    ///
    /// # Errors
    ///
    /// An accident.
    fn hold(&mut self, id: &ReportId, is_held: bool) -> Result<bool, StoreError>;

    /// Adds a note to a report; `false` if there is no such report.
    ///
    /// # Errors
    ///
    /// An accident.
    fn add_note(&mut self, id: &ReportId, note: &Note) -> Result<bool, StoreError>;

    /// The notes about a report, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn notes(&self, id: &ReportId) -> Result<Vec<Note>, StoreError>;

    /// How often that user's reports were right, of those that are still kept.
    ///
    /// # Errors
    ///
    /// An accident.
    fn accuracy(&self, reporter: &UserId) -> Result<Accuracy, StoreError>;

    /// Who has complained since `since` about a device, or about a user without one, and nobody has decided; each once, at
    /// most `limit`, in the order of their names, not programs ([`PROGRAM_MARK`]).
    ///
    /// # Errors
    ///
    /// An accident.
    fn open_against(&self, reported: &Party, since: UnixMillis, limit: usize) -> Result<Vec<UserId>, StoreError>;

    /// Stores a decision; `false` if there is no such report without one.
    ///
    /// # Errors
    ///
    /// An accident.
    fn decide(&mut self, id: &ReportId, decision: &Decision) -> Result<bool, StoreError>;

    /// Adds to the audit.
    ///
    /// # Errors
    ///
    /// An accident.
    fn append_deed(&mut self, deed: &Deed) -> Result<(), StoreError>;

    /// The audit before `before`, at most `limit` deeds, the newest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn deeds(&self, before: Option<DeedNumber>, limit: usize) -> Result<Vec<(DeedNumber, Deed)>, StoreError>;
}
