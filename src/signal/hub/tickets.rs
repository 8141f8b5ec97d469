//! Tickets that survive the process: one that has waited for a second is kept beside its user's resume token.
//!
//! Most tickets are matched at once; they never reach the store, and no match waits for it.
use std::collections::VecDeque;
use std::time::Duration;

use crate::matchmaking::AgeBand;
use crate::matchmaking::DeviceId;
use crate::matchmaking::Preferences;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::Joining;
use crate::signal::hub::Queue;
use crate::signal::hub::timers::Timer;
use crate::signal::keepsake::KeptTicket;
use crate::signal::protocol::ReplyTo;
use crate::time::Mono;
use crate::time::Now;
use crate::trace::Cause;

/// So long a ticket waits before it is kept.
const KEPT_AFTER: Duration = Duration::from_secs(1);
/// Looks at young tickets come no faster, however many there are.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Tickets that are not kept yet, the oldest first, each with the moment when it is to be. Most are gone by then. At most
/// those of one second.
pub(super) type YoungTickets = VecDeque<(Mono, TicketId)>;

impl Hub {
    /// Has a ticket kept that still waits in a second.
    pub(super) fn keep_ticket_later(&mut self, ticket: TicketId, now: Now) {
        if self.settings.resume_window.is_zero() {
            return;
        }
        let due = now.mono + KEPT_AFTER;
        if self.young_tickets.is_empty() {
            self.timers.set(due, Timer::TicketsDue);
        }
        self.young_tickets.push_back((due, ticket));
    }

    pub(super) fn on_tickets_due(&mut self, now: Now) {
        while let Some((_, ticket)) = self.young_tickets.pop_front_if(|(due, _)| *due <= now.mono) {
            self.keep_ticket(ticket);
        }
        if let Some((due, _)) = self.young_tickets.front() {
            self.timers.set((*due).max(now.mono + BETWEEN_LOOKS), Timer::TicketsDue);
        }
    }

    fn keep_ticket(&mut self, ticket: TicketId) {
        let Some(id) = self.user_by_ticket.get(&ticket).cloned() else { return };
        let queue = self.user_by_id.get_mut(&id).map(|user| &mut user.queue);
        let Some(Queue::Waiting { is_kept, .. }) = queue else { return };
        *is_kept = true;
        self.record_chain(&id);
    }

    /// Takes a user's ticket out of its books, and out of the store if it is there.
    pub(super) fn drop_ticket(&mut self, id: &UserId) -> Option<TicketId> {
        let queue = std::mem::replace(&mut self.user_by_id.get_mut(id)?.queue, Queue::Out);
        let ticket = queue.ticket()?;
        self.user_by_ticket.remove(&ticket);
        if queue.kept().is_some() {
            self.record_chain(id);
        }
        Some(ticket)
    }

    /// Puts a ticket of an earlier process back, which waits for its user's return (rule 23).
    pub(super) fn restore_ticket(&mut self, id: &UserId, kept: KeptTicket, now: Now) {
        if self.check_not_restricted(id, now.unix).is_err() {
            // Stored in the moment before the ticket was taken back.
            return;
        }
        let Ok(preferences) = Preferences::try_from(kept.preferences) else { return };
        let Some(user) = self.user_by_id.get_mut(id).filter(|user| user.session.is_none()) else { return };
        let Some(chain) = user.presence.chain() else { return };
        self.last_ticket += 1;
        let ticket = TicketId(self.last_ticket);
        let waited = now.unix.saturating_since(kept.since);
        let (device, age_band) = (chain.subject.device.clone(), chain.subject.age_band.clone());
        let restored = Ticket {
            id: ticket,
            user: id.clone(),
            device: device.map(DeviceId),
            age_band: age_band.map_or_else(AgeBand::unknown, AgeBand),
            preferences: preferences.clone(),
            since: now.mono.before(waited),
        };
        user.queue = Queue::Joining(Joining {
            ticket,
            since: kept.since,
            preferences: Box::new(preferences),
            is_kept: true,
            reply_to: ReplyTo::Nobody,
            cause: Cause::default(),
            leaving: None,
        });
        self.user_by_ticket.insert(ticket, id.clone());
        self.effects.push_back(Effect::Matchmaking(Command::Join(Box::new(restored))));
        self.effects.push_back(Effect::Matchmaking(Command::Suspend(ticket)));
    }
}
