//! What people who are kept out say to that, and what becomes of it.
use std::sync::Arc;

use crate::store::BanId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// A plea to lift what a moderator decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppealId(pub Arc<str>);

/// Somebody asks for a second look, once per decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeal {
    /// Its name.
    pub id: AppealId,
    /// Who asks.
    pub user: UserId,
    /// The decision: a report's name, or that of a ban without one.
    pub decision: Arc<str>,
    /// The bans that would be lifted.
    pub bans: Vec<BanId>,
    /// In the user's words.
    pub text: Arc<str>,
    /// When.
    pub at: UnixMillis,
    /// What became of it, once it is known.
    pub verdict: Option<Verdict>,
}

/// What a moderator made of an appeal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The moderator.
    pub by: UserId,
    /// When.
    pub at: UnixMillis,
    /// Whether the bans are lifted.
    pub is_lifted: bool,
    /// Why, for the user.
    pub note: Arc<str>,
}

/// A place in the queue of appeals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealPlace {
    /// When it was made.
    pub at: UnixMillis,
    /// Its name.
    pub id: AppealId,
}

/// Appeals.
pub trait Appeals {
    /// Stores an appeal; `false` if its user has appealed against that decision already, which changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for a name that is stored already.
    fn add_appeal(&mut self, appeal: &Appeal) -> Result<bool, StoreError>;

    /// The appeal of that name.
    ///
    /// # Errors
    ///
    /// An accident.
    fn appeal(&self, id: &AppealId) -> Result<Option<Appeal>, StoreError>;

    /// Appeals without a verdict behind `after`, at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn open_appeals(&self, after: Option<&AppealPlace>, limit: usize) -> Result<Vec<Appeal>, StoreError>;

    /// Appeals of a user, at most `limit`, in no order.
    ///
    /// # Errors
    ///
    /// An accident.
    fn appeals_of(&self, user: &UserId, limit: usize) -> Result<Vec<Appeal>, StoreError>;

    /// Stores a verdict; `false` if there is no such appeal without one.
    ///
    /// # Errors
    ///
    /// An accident.
    fn judge_appeal(&mut self, id: &AppealId, verdict: &Verdict) -> Result<bool, StoreError>;
}
