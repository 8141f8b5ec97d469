//! Registered people: what they are called, how they prove who they are, what they may do.
use std::fmt;
use std::sync::Arc;

use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;

/// What an account may do.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AccountRole {
    /// Call others.
    User,
    /// Decide about reports too.
    Moderator,
    /// Everything.
    Admin,
}

impl AccountRole {
    /// Every role, in the order of the numbers they are stored as.
    pub const ALL: [AccountRole; 3] = [AccountRole::User, AccountRole::Moderator, AccountRole::Admin];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            AccountRole::User => "user",
            AccountRole::Moderator => "moderator",
            AccountRole::Admin => "admin",
        }
    }
}

/// Somebody registered.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub id: UserId,
    /// The name as names are compared; no two accounts share one.
    pub name: Arc<str>,
    /// The name as it is shown.
    pub display_name: Arc<str>,
    /// What the password is checked against: a PHC string.
    pub password: Arc<str>,
    /// What it may do.
    pub role: AccountRole,
    /// Whether nobody may log in.
    pub is_disabled: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// Zero at first. Each alteration makes it one more than any account's has been, so that whoever knows the greatest finds
    /// all that was altered since. Logins of an older revision are over.
    pub revision: u64,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, display_name, password: _, role, is_disabled, created, revision } = self;
        let mut shown = f.debug_struct("Account");
        shown.field("id", id).field("name", name).field("display_name", display_name).field("role", role);
        shown.field("is_disabled", is_disabled).field("created", created).field("revision", revision);
        shown.finish_non_exhaustive()
    }
}

/// What becomes different about an account; in any case its logins end.
#[derive(Clone, PartialEq, Eq)]
pub enum Alteration {
    /// Another password: a PHC string.
    Password(Arc<str>),
    /// Another role.
    Role(AccountRole),
    /// Whether nobody may log in.
    Disabled(bool),
}

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alteration::Password(_) => f.write_str("Password(..)"),
            Alteration::Role(role) => f.debug_tuple("Role").field(role).finish(),
            Alteration::Disabled(is_disabled) => f.debug_tuple("Disabled").field(is_disabled).finish(),
        }
    }
}

/// Everybody registered.
pub trait Accounts {
    /// Stores a new account. What its user had as a guest is the account's: it does not go with the guest's login any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] if another has its name or id.
    fn add_account(&mut self, account: &Account) -> Result<(), StoreError>;

    /// The account of a user.
    ///
    /// # Errors
    ///
    /// An accident.
    fn account(&self, id: &UserId) -> Result<Option<Account>, StoreError>;

    /// The account of that name, as names are compared.
    ///
    /// # Errors
    ///
    /// An accident.
    fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// Alters an account and returns what it is then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] without such an account.
    fn alter_account(&mut self, id: &UserId, alteration: &Alteration) -> Result<Account, StoreError>;

    /// The accounts whose names come behind `after`, at most `limit`, in the order of their names.
    ///
    /// # Errors
    ///
    /// An accident.
    fn accounts(&self, after: &str, limit: usize) -> Result<Vec<Account>, StoreError>;

    /// The accounts of a greater revision, at most `limit`, the least revision first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn accounts_altered(&self, since: u64, limit: usize) -> Result<Vec<Account>, StoreError>;
}
