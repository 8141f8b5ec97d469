//! `queue.join`, `queue.leave`, and what the engine answers.

use crate::matchmaking::AgeBand;
use crate::matchmaking::DeviceId;
use crate::matchmaking::JoinError;
use crate::matchmaking::Preferences;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::runner::Command;
use crate::matchmaking::runner::Event;
use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::Joining;
use crate::signal::hub::Queue;
use crate::signal::id::SessionId;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::session::EndReason;
use crate::signal::view::push::QueueLeftView;
use crate::signal::view::push::QueueStatus;
use crate::time::Now;
use crate::time::UnixMillis;
use crate::trace::Cause;

impl Hub {
    pub(super) fn on_queue_join(
        &mut self,
        asking: &Asking,
        mut preferences: Preferences,
        now: Now,
    ) -> Result<(), Refusal> {
        self.check_not_draining()?;
        let Some(user) = self.user_by_id.get_mut(&asking.user) else { return Ok(()) };
        let budget = user.joins.take(self.rates.joins, now.mono);
        budget.map_err(|wait| Refusal::rate_limited("too many queue.join", wait))?;
        self.check_not_restricted(&asking.user, now.unix)?;
        let Some(user) = self.user_by_id.get(&asking.user) else { return Ok(()) };
        if user.session.is_some() {
            return Err(Refusal::new(ErrorCode::Conflict, "you are in a session"));
        }
        if user.group.is_some() {
            return Err(Refusal::new(ErrorCode::Conflict, "you are in a group: leave its room first"));
        }
        match user.queue {
            Queue::Out => {
                self.check_pace(&asking.user, now)?;
                self.screen_tags(asking, &mut preferences, now)?;
                self.join(asking, preferences, None, now);
            }
            Queue::Joining(_) | Queue::Waiting { .. } => {
                return Err(Refusal::new(ErrorCode::AlreadyQueued, "you are in the queue"));
            }
        }
        Ok(())
    }

    pub(super) fn on_queue_leave(&mut self, asking: &Asking) -> Result<(), Refusal> {
        let left = self.leave_queue(&asking.user);
        self.ok(asking.connection, asking.reply_to, &QueueLeftView { left });
        Ok(())
    }

    /// Nothing new starts on a node that stops.
    pub(super) fn check_not_draining(&self) -> Result<(), Refusal> {
        if self.draining { Err(Refusal::new(ErrorCode::Unavailable, "the node stops")) } else { Ok(()) }
    }

    /// Hands a ticket to the engine, whose answer will answer the request.
    pub(super) fn join(&mut self, asking: &Asking, preferences: Preferences, leaving: Option<SessionId>, now: Now) {
        let Some(user) = self.user_by_id.get_mut(&asking.user) else { return };
        let Some(chain) = user.presence.chain() else { return };
        self.last_ticket += 1;
        let id = TicketId(self.last_ticket);
        let ticket = Ticket {
            id,
            user: asking.user.clone(),
            device: chain.subject.device.clone().map(DeviceId),
            age_band: chain.subject.age_band.clone().map_or_else(AgeBand::unknown, AgeBand),
            preferences: preferences.clone(),
            since: now.mono,
        };
        user.queue = Queue::Joining(Joining {
            ticket: id,
            since: now.unix,
            preferences: Box::new(preferences),
            is_kept: false,
            reply_to: asking.reply_to,
            cause: Cause::current(),
            leaving,
        });
        self.user_by_ticket.insert(id, asking.user.clone());
        self.effects.push_back(Effect::Matchmaking(Command::Join(Box::new(ticket))));
    }

    /// Works on what the engine says.
    pub(crate) fn handle_queue_event(&mut self, event: Event, now: Now) {
        match event {
            Event::Joined { id, outcome } => self.on_joined(id, outcome, now),
            Event::Matched(found) => self.on_matched(*found, now),
            Event::Gathered(found) => self.on_gathered(*found, now),
            Event::Status { id, status } => self.on_queue_status(id, status, now),
        }
        self.settle(now);
    }

    fn on_joined(&mut self, id: TicketId, outcome: Result<Status, JoinError>, now: Now) {
        // Whoever is gone has taken the ticket back already.
        let Some(user_id) = self.user_by_ticket.get(&id).cloned() else { return };
        let Some(user) = self.user_by_id.get_mut(&user_id) else { return };
        let Queue::Joining(joining) = std::mem::replace(&mut user.queue, Queue::Out) else { return };
        let connection = user.presence.connection();
        match outcome {
            Ok(status) => {
                let Joining { since, preferences, is_kept, cause, .. } = joining;
                user.queue = Queue::Waiting { ticket: id, since, status, preferences, is_kept, cause };
                if !is_kept {
                    self.keep_ticket_later(id, now);
                }
                if let Some(connection) = connection {
                    self.ok(connection, joining.reply_to, &queue_status(status, joining.since));
                }
                if let Some(session) = joining.leaving {
                    self.end_session(&session, EndReason::Skipped, now);
                }
            }
            Err(error) => {
                self.user_by_ticket.remove(&id);
                if joining.is_kept {
                    self.record_chain(&user_id);
                }
                let (code, message) = match error {
                    JoinError::QueueFull => (ErrorCode::QueueFull, "the queue is full"),
                    JoinError::AlreadyQueued => (ErrorCode::AlreadyQueued, "you are in the queue"),
                };
                if let Some(connection) = connection {
                    self.refuse(connection, joining.reply_to, &Refusal::new(code, message), now);
                }
            }
        }
        if let Some(connection) = connection {
            let asking = Asking { connection, reply_to: joining.reply_to, user: user_id };
            self.resume_deferred(&asking, now);
        }
    }

    fn on_queue_status(&mut self, id: TicketId, status: Status, now: Now) {
        let Some(user_id) = self.user_by_ticket.get(&id).cloned() else { return };
        let queue = self.user_by_id.get_mut(&user_id).map(|user| &mut user.queue);
        let Some(Queue::Waiting { since, status: last, .. }) = queue else { return };
        *last = status;
        let data = queue_status(status, *since);
        self.push_to_user(&user_id, PushKind::QueueStatus, &data, now);
    }
}

pub(in crate::signal::hub) fn queue_status(status: Status, since: UnixMillis) -> QueueStatus {
    QueueStatus {
        state: status.state.as_str(),
        ahead: status.ahead,
        waiting: status.waiting,
        eta_ms: status.eta.map(|eta| eta.as_millis() as u64),
        level: status.level,
        since,
    }
}
