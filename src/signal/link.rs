//! The way from the hub to one connection task: the outbox, and the end of the connection.
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;

use crate::signal::outbox::Class;
use crate::signal::outbox::Full;
use crate::signal::outbox::Outbox;
use crate::signal::protocol::CloseCode;

/// Shared by the hub, which fills it and never waits, and one connection task, which empties it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox,
    close: Option<CloseCode>,
    is_online: bool,
    waker: Option<Waker>,
}

/// What the connection task has to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A text frame.
    Frame(Bytes),
    /// A close frame; nothing comes after it.
    Close(CloseCode),
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

    /// Marks that `hello` was accepted.
    pub(crate) fn set_online(&self) {
        self.lock().is_online = true;
    }

    /// Whether `hello` was accepted.
    pub(crate) fn is_online(&self) -> bool {
        self.lock().is_online
    }

    /// Takes what is to be sent next.
    pub(crate) fn poll_outgoing(&self, context: &mut Context<'_>) -> Poll<Outgoing> {
        let mut state = self.lock();
        match state.next() {
            Some(outgoing) => Poll::Ready(outgoing),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes what is to be sent next, if anything.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Option<Outgoing> {
        self.lock().next()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<Outgoing> {
        self.outbox.pop().map(Outgoing::Frame).or(self.close.map(Outgoing::Close))
    }

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
        assert_eq!(link.take(), Some(Outgoing::Frame(Bytes::from_static(b"1"))));
        assert_eq!(link.take(), Some(Outgoing::Close(CloseCode::Unauthorized)));
    }

    #[test]
    fn rule_14_an_abort_frees_the_queue() {
        let link = Link::default();
        assert_eq!(link.push(Class::Kept, Bytes::from_static(b"1")), Ok(()));
        link.abort(CloseCode::SlowConsumer);
        assert_eq!(link.take(), Some(Outgoing::Close(CloseCode::SlowConsumer)));
    }
}
