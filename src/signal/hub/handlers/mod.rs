//! What each request does, one file per message family.
pub(super) mod auth;
pub(super) mod chat;
pub(super) mod files;
pub(super) mod history;
pub(super) mod queue;
mod room;
pub(super) mod rtc;
mod session;

use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::hub::connections::Online;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Request;
use crate::time::Now;

/// Requests of one connection that wait for the engine or the store, which answer within milliseconds.
const DEFERRED_MAX: usize = 64;

impl Hub {
    /// Answers a request, or says why not. Replies come before the pushes they cause (rule 7).
    pub(super) fn on_request(&mut self, asking: &Asking, request: Request, now: Now) -> Result<(), Refusal> {
        if self.must_wait(asking, &request) || self.is_behind(asking, &request) {
            return self.defer(asking, request);
        }
        self.carry_out(asking, request, now)
    }

    fn carry_out(&mut self, asking: &Asking, request: Request, now: Now) -> Result<(), Refusal> {
        match request {
            Request::AuthRefresh { token } => self.on_auth_refresh(asking, &token.0, now),
            Request::Bye => self.on_bye(asking, now),
            Request::Ack { seq } => self.on_ack(asking, seq),
            Request::QueueJoin(preferences) => self.on_queue_join(asking, *preferences, now),
            Request::QueueLeave => self.on_queue_leave(asking),
            Request::SessionNext(request) => self.on_session_next(asking, &request.session, now),
            Request::SessionEnd(request) => self.on_session_end(asking, &request.session, now),
            Request::SessionExtend(request) => self.on_session_extend(asking, &request.session, now),
            Request::Description(message) => self.on_description(asking, &message, now),
            Request::Candidates(message) => self.on_candidates(asking, &message, now),
            Request::State(message) => self.on_state(asking, &message, now),
            Request::Quality(message) => self.on_quality(asking, *message, now),
            Request::Media(message) => self.on_media(asking, &message, now),
            Request::IceRefresh(request) => self.on_ice_refresh(asking, &request, now),
            Request::RoomJoin(join) => self.on_room_join(asking, join, now),
            Request::RoomLeave(leave) => self.on_room_leave(asking, leave, now),
            Request::ChatSend(message) => self.on_chat_send(asking, &message, now),
            Request::History(message) => self.on_history(asking, &message, now),
            Request::Receipt(message) => self.on_receipt(asking, &message, now),
            Request::Typing(message) => self.on_typing(asking, &message, now),
            Request::React(message) => self.on_react(asking, &message, now),
            Request::Delete(message) => self.on_delete(asking, &message, now),
            Request::BlockAdd(target) => {
                self.on_block_add(asking, *target, now);
                Ok(())
            }
            Request::BlockRemove(target) => {
                self.on_block_remove(asking, *target, now);
                Ok(())
            }
            Request::ReportSubmit(report) => {
                self.on_report_submit(asking, *report, now);
                Ok(())
            }
        }
    }

    /// Whether something has to be answered first: by the engine what depends on queue or session, by the store what
    /// shows or ends what was said before.
    fn must_wait(&self, asking: &Asking, request: &Request) -> bool {
        let waits = Waits::of(request);
        let is_joining = || {
            let user = self.user_by_id.get(&asking.user);
            user.is_some_and(|user| matches!(user.queue, Queue::Joining(_)))
        };
        let has_errands = || self.online(asking).is_some_and(|online| online.errands > 0);
        waits.for_engine && is_joining() || waits.for_store && has_errands()
    }

    /// Whether requests wait that this one must not overtake.
    fn is_behind(&self, asking: &Asking, request: &Request) -> bool {
        Waits::of(request) != Waits::NOT && self.online(asking).is_some_and(|online| !online.deferred.is_empty())
    }

    fn online(&self, asking: &Asking) -> Option<&Online> {
        self.connection_by_id.get(&asking.connection).and_then(|connection| connection.online.as_ref())
    }

    fn defer(&mut self, asking: &Asking, request: Request) -> Result<(), Refusal> {
        let connection = self.connection_by_id.get_mut(&asking.connection);
        if let Some(online) = connection.and_then(|connection| connection.online.as_mut()) {
            if online.deferred.len() == DEFERRED_MAX {
                return Err(Refusal::new(ErrorCode::Unavailable, "too many requests wait for earlier ones"));
            }
            online.deferred.push_back((asking.reply_to, request));
        }
        Ok(())
    }

    /// Works on what waited for an answer, until something has to wait again.
    pub(super) fn resume_deferred(&mut self, asking: &Asking, now: Now) {
        loop {
            let connection = self.connection_by_id.get_mut(&asking.connection);
            let Some(online) = connection.and_then(|connection| connection.online.as_mut()) else { return };
            let Some((reply_to, request)) = online.deferred.pop_front() else { return };
            let asking = Asking { reply_to, ..asking.clone() };
            if self.must_wait(&asking, &request) {
                // Back to its place: it was the first.
                let connection = self.connection_by_id.get_mut(&asking.connection);
                if let Some(online) = connection.and_then(|connection| connection.online.as_mut()) {
                    online.deferred.push_front((reply_to, request));
                }
                return;
            }
            if let Err(refusal) = self.carry_out(&asking, request, now) {
                self.refuse(asking.connection, reply_to, &refusal, now);
            }
        }
    }
}

/// Whose answers a request waits for.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Waits {
    for_engine: bool,
    for_store: bool,
}

impl Waits {
    const NOT: Waits = Waits { for_engine: false, for_store: false };

    const fn of(request: &Request) -> Self {
        match request {
            Request::Bye | Request::SessionNext(_) | Request::SessionEnd(_) => {
                Waits { for_engine: true, for_store: true }
            }
            Request::QueueJoin(_) | Request::QueueLeave | Request::SessionExtend(_) => {
                Waits { for_engine: true, for_store: false }
            }
            // One at a time, or a single client would fill the queue of the store.
            Request::History(_)
            | Request::RoomJoin(_)
            | Request::RoomLeave(_)
            | Request::BlockAdd(_)
            | Request::BlockRemove(_)
            | Request::ReportSubmit(_) => Waits { for_engine: false, for_store: true },
            Request::AuthRefresh { .. }
            | Request::Ack { .. }
            | Request::Description(_)
            | Request::Candidates(_)
            | Request::State(_)
            | Request::Quality(_)
            | Request::Media(_)
            | Request::IceRefresh(_)
            | Request::ChatSend(_)
            | Request::Receipt(_)
            | Request::Typing(_)
            | Request::React(_)
            | Request::Delete(_) => Waits::NOT,
        }
    }
}
