//! What each request does, one file per message family.
pub(super) mod auth;
mod chat;
pub(super) mod queue;
mod rtc;
mod session;

use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Request;
use crate::time::Now;

/// Requests of one connection that wait for the engine, which answers in microseconds.
const DEFERRED_MAX: usize = 64;

impl Hub {
    /// Answers a request, or says why not. Replies come before the pushes they cause (rule 7).
    pub(super) fn on_request(&mut self, asking: &Asking, request: Request, now: Now) -> Result<(), Refusal> {
        if self.must_wait(asking, &request) {
            return self.defer(asking, request);
        }
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
            Request::IceRefresh(request) => self.on_ice_refresh(asking, request, now),
            Request::ChatSend(message) => self.on_chat_send(asking, &message, now),
            Request::Typing(message) => self.on_typing(asking, &message, now),
            Request::React(message) => self.on_react(asking, &message, now),
        }
    }

    /// While the engine has not answered, what depends on queue or session waits its turn.
    fn must_wait(&self, asking: &Asking, request: &Request) -> bool {
        let is_joining = self.user_by_id.get(&asking.user).is_some_and(|user| matches!(user.queue, Queue::Joining(_)));
        is_joining
            && match request {
                Request::Bye
                | Request::QueueJoin(_)
                | Request::QueueLeave
                | Request::SessionNext(_)
                | Request::SessionEnd(_)
                | Request::SessionExtend(_) => true,
                Request::AuthRefresh { .. }
                | Request::Ack { .. }
                | Request::Description(_)
                | Request::Candidates(_)
                | Request::State(_)
                | Request::Quality(_)
                | Request::Media(_)
                | Request::IceRefresh(_)
                | Request::ChatSend(_)
                | Request::Typing(_)
                | Request::React(_) => false,
            }
    }

    fn defer(&mut self, asking: &Asking, request: Request) -> Result<(), Refusal> {
        let connection = self.connection_by_id.get_mut(&asking.connection);
        if let Some(online) = connection.and_then(|connection| connection.online.as_mut()) {
            if online.deferred.len() == DEFERRED_MAX {
                return Err(Refusal::new(ErrorCode::Unavailable, "too many requests wait for the queue"));
            }
            online.deferred.push_back((asking.reply_to, request));
        }
        Ok(())
    }

    /// Works on what waited for the engine's answer, until something has to wait again.
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
            if let Err(refusal) = self.on_request(&asking, request, now) {
                self.refuse(asking.connection, reply_to, &refusal, now);
            }
        }
    }
}
