//! The way from the hub to one connection task: the outbox, the end of the connection, and the refusals of both.
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;

use crate::signal::limit::Refusals;
use crate::signal::outbox::Class;
use crate::signal::outbox::Full;
use crate::signal::outbox::Outbox;
use crate::signal::protocol::CloseCode;
use crate::time::Mono;

/// Shared by the hub, which fills it and never waits, and one connection task, which empties it. The task too refuses what is
/// over a budget.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox,
    close: Option<CloseCode>,
    is_online: bool,
    refusals: Refusals,
    waker: Option<Waker>,
}

impl Link {
    /// Queues a frame; one for a connection that is closing already is forgotten.
    ///
    /// # Errors
    ///
    /// [`Full`]: the client does not read fast enough.
    pub(crate) fn push(&self, class: Class, frame: Bytes) -> Result<(), Full> {
        let mut state = self.lock();
        if state.close.is_none() {
            state.outbox.push(class, frame)?;
            state.wake();
        }
        Ok(())
    }

    /// Ends the connection once everything queued is sent. The first code counts.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut state = self.lock();
        state.close.get_or_insert(code);
        state.wake();
    }

    /// Ends the connection and frees what is queued (rule 14).
    pub(crate) fn abort(&self, code: CloseCode) {
        let mut state = self.lock();
        state.outbox.clear();
        state.close.get_or_insert(code);
        state.wake();
    }

    /// Counts a refusal for want of budget; true if the connection is to be closed for it (rule 2).
    pub(crate) fn count_refusal(&self, now: Mono) -> bool {
        self.lock().refusals.count(now)
    }

    /// Marks that `hello` was accepted.
    pub(crate) fn set_online(&self) {
        self.lock().is_online = true;
    }

    /// Whether `hello` was accepted.
    pub(crate) fn is_online(&self) -> bool {
        self.lock().is_online
    }

    /// Waits for the end of the connection; also woken by every frame.
    pub(crate) fn poll_close(&self, context: &mut Context<'_>) -> Poll<CloseCode> {
        let mut state = self.lock();
        match state.close {
            Some(code) => Poll::Ready(code),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes the next frame to send, if any.
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.lock().outbox.pop()
    }

    /// The code of the close that has been decided on.
    #[cfg(test)]
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        self.lock().close
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_is_sent_before_the_close_and_nothing_after_it() {
        let link = Link::default();
        assert_eq!(link.push(Class::Kept, Bytes::from_static(b"1")), Ok(()));
        link.close(CloseCode::Unauthorized);
        link.close(CloseCode::Drain);
        assert_eq!(link.push(Class::Kept, Bytes::from_static(b"2")), Ok(()));
        assert_eq!(link.take(), Some(Bytes::from_static(b"1")));
        assert_eq!(link.take(), None);
        assert_eq!(link.close_code(), Some(CloseCode::Unauthorized));
    }

    #[test]
    fn rule_14_an_abort_frees_the_queue() {
        let link = Link::default();
        assert_eq!(link.push(Class::Kept, Bytes::from_static(b"1")), Ok(()));
        link.abort(CloseCode::SlowConsumer);
        assert_eq!(link.take(), None);
        assert_eq!(link.close_code(), Some(CloseCode::SlowConsumer));
    }
}
