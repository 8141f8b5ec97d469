//! Complaints with what proves them, and who did what about them.
use std::sync::Arc;

use crate::store::Party;
use crate::store::ReportId;
use crate::store::SessionId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

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

    /// Reports that nobody has decided on, at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn open_cases(&self, limit: usize) -> Result<Vec<Case>, StoreError>;

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
