//! What happened, in order, for whoever watches from outside, and how far each has been told.
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::store::Account;
use crate::store::Alteration;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::UnixMillis;
use crate::trace::Cause;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name for those who are told: told twice, it is the same.
    pub id: Uuid,
    /// What it was: `session.started`.
    pub kind: Arc<str>,
    /// The session, room or user it happened to.
    pub subject: Arc<str>,
    /// When.
    pub at: UnixMillis,
    /// The rest: a JSON object.
    pub data: Arc<str>,
    /// What led to it, as a W3C `traceparent`, where somebody traces.
    pub cause: Option<Arc<str>>,
}

impl Event {
    /// Something that has just happened to `subject`; `data` is an object.
    pub fn new(kind: &str, subject: &str, data: &Value, at: UnixMillis) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: kind.into(),
            subject: subject.into(),
            at,
            data: data.to_string().into(),
            cause: Cause::current().traceparent().map(Arc::from),
        }
    }

    /// `user.registered`: there is a new account. Who made it is in the audit.
    pub fn registered(account: &Account) -> Self {
        let data = json!({"username": &*account.display_name, "role": account.role.as_str()});
        Self::new("user.registered", &account.id.0, &data, account.created)
    }

    /// `text.flagged`: something that somebody wrote is for moderators to look at; `data` says where and why, never what.
    pub fn flagged(subject: &str, data: &Value, at: UnixMillis) -> Self {
        Self::new("text.flagged", subject, data, at)
    }

    /// `user.deleted`: what is kept of a user goes.
    pub fn deleted(user: &UserId, at: UnixMillis) -> Self {
        Self::new("user.deleted", &user.0, &json!({}), at)
    }

    /// `user.disabled`, `user.enabled`, `user.role` or `user.password`: an account is another one now.
    pub fn altered(account: &Account, alteration: &Alteration, at: UnixMillis) -> Self {
        let (kind, data) = match alteration {
            Alteration::Password(_) => ("user.password", json!({})),
            Alteration::Role(role) => ("user.role", json!({"role": role.as_str()})),
            Alteration::Disabled(true) => ("user.disabled", json!({})),
            Alteration::Disabled(false) => ("user.enabled", json!({})),
        };
        Self::new(kind, &account.id.0, &data, at)
    }
}

/// An event's place among all: later ones are greater, and none is given twice.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventNumber(pub u64);

/// Events, kept until everybody may be expected to have been told.
pub trait Events {
    /// Adds an event after all others; nothing where none are kept.
    ///
    /// # Errors
    ///
    /// An accident.
    fn append_event(&mut self, event: &Event) -> Result<(), StoreError>;

    /// The events behind `after`, at most `limit`, the oldest first.
    ///
    /// # Errors
    ///
    /// An accident.
    fn events(&self, after: EventNumber, limit: usize) -> Result<Vec<(EventNumber, Event)>, StoreError>;

    /// The number of the newest event that there ever was; zero: none.
    ///
    /// # Errors
    ///
    /// An accident.
    fn last_event(&self) -> Result<EventNumber, StoreError>;

    /// How far a sink has been told; `None`: it is new.
    ///
    /// # Errors
    ///
    /// An accident.
    fn told(&self, sink: &str) -> Result<Option<EventNumber>, StoreError>;

    /// Stores how far a sink has been told.
    ///
    /// # Errors
    ///
    /// An accident.
    fn put_told(&mut self, sink: &str, number: EventNumber) -> Result<(), StoreError>;
}
