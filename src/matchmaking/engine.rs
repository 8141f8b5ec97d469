//! The engine: waiting tickets in, matches out.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::Person;
use crate::matchmaking::QueueState;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::time::Mono;

/// How the queue behaves. Section `[matchmaking]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The ascending waits after which a ticket reaches level 1 (tags dropped), 2 (any region), 3 (any language)
    /// and 4 (recent partners allowed).
    pub levels: [Duration; 4],
    /// Most tickets held, suspended ones included.
    pub capacity: usize,
    /// For how long two who met avoid each other below level 4; zero: not at all.
    pub recent_partner_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            levels: [10, 20, 40, 60].map(Duration::from_secs),
            capacity: 200_000,
            recent_partner_pause: Duration::from_secs(3600),
        }
    }
}

/// Why a ticket was not taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The queue holds all it can: `queue_full`.
    #[error("the queue is full")]
    QueueFull,
    /// The user has a ticket already, which stays as it is: `already_queued`.
    #[error("already queued")]
    AlreadyQueued,
}

/// Two tickets that left the queue together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The one who waited longer.
    pub a: Ticket,
    /// The other one.
    pub b: Ticket,
    /// Tags both named, in the order of `a`.
    pub tags_common: Vec<Arc<str>>,
    /// The language to greet in: the first of `a` that `b` speaks too; if one of them takes any, the first of the other.
    pub language: Option<Arc<str>>,
}

/// Pairs waiting tickets. Pure: every moment comes in as a value.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    ticket_by_id: BTreeMap<TicketId, Ticket>,
}

impl Engine {
    /// An empty queue.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ticket_by_id: BTreeMap::new() }
    }

    /// Takes a ticket in; the search for it runs in the next [`Engine::poll_match`].
    ///
    /// # Errors
    ///
    /// [`JoinError`]; nothing has changed then.
    pub fn join(&mut self, ticket: Ticket, _now: Mono) -> Result<(), JoinError> {
        if self.ticket_by_id.len() >= self.settings.capacity {
            return Err(JoinError::QueueFull);
        }
        self.ticket_by_id.insert(ticket.id, ticket);
        Ok(())
    }

    /// Takes back a ticket whose match came to nothing, with its original `since` and whatever the capacity.
    ///
    /// # Errors
    ///
    /// [`JoinError::AlreadyQueued`] if the user has joined again meanwhile.
    pub fn give_back(&mut self, ticket: Ticket, _now: Mono) -> Result<(), JoinError> {
        self.ticket_by_id.insert(ticket.id, ticket);
        Ok(())
    }

    /// Takes a ticket out, waiting or suspended.
    pub fn leave(&mut self, id: TicketId) -> Option<Ticket> {
        self.ticket_by_id.remove(&id)
    }

    /// Makes a ticket unmatchable while its socket is lost (rule 23); false if there is none.
    pub fn suspend(&mut self, id: TicketId) -> bool {
        self.ticket_by_id.contains_key(&id)
    }

    /// Makes a suspended ticket matchable again, its wait counted from its `since`; false if there is none.
    pub fn resume(&mut self, id: TicketId, _now: Mono) -> bool {
        self.ticket_by_id.contains_key(&id)
    }

    /// Works on what is due and returns the next match.
    ///
    /// One call does a bounded amount of work. After `None` call again at [`Engine::next_deadline`], which may be now.
    pub fn poll_match(&mut self, _now: Mono) -> Option<Match> {
        None
    }

    /// When [`Engine::poll_match`] has something to do without anything else happening.
    pub fn next_deadline(&self) -> Option<Mono> {
        None
    }

    /// How a ticket stands; `None` if it is not in the queue.
    pub fn status(&self, id: TicketId, _now: Mono) -> Option<Status> {
        self.ticket_by_id.get(&id)?;
        Some(Status { state: QueueState::Searching, ahead: 0, waiting: 1, eta: None, level: 0 })
    }

    /// Never lets the two meet until [`Engine::unblock`]. Repeating it changes nothing.
    pub fn block(&mut self, _by: &Person, _whom: &Person) {}

    /// Takes back a block of the same direction.
    pub fn unblock(&mut self, _by: &Person, _whom: &Person) {}

    /// Remembers that two users met, so that they avoid each other for a while.
    pub fn met(&mut self, _a: &UserId, _b: &UserId, _now: Mono) {}

    /// Tickets held, suspended ones included.
    pub fn len(&self) -> usize {
        self.ticket_by_id.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.ticket_by_id.is_empty()
    }
}
