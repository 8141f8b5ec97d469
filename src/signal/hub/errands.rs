//! Errands to the store: what is done there, and how the hub goes on once it is done.
//!
//! The hub never waits. It sends a closure away, which works on a thread of the store; the outcome comes back with
//! another one, which works on the hub. Writes are done and come back in the order in which they were sent, and so are
//! reads; a read sees what is committed by then.
use std::fmt;

use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::runner::Job;
use crate::time::Now;

/// How the hub goes on after an errand.
pub(crate) type Sequel = Box<dyn FnOnce(&mut Hub, Now) + Send>;

/// Takes a sequel to the hub; called once, on the store's thread.
pub(crate) type Return = Box<dyn FnOnce(Sequel) + Send>;

/// Something for the store to do.
pub(crate) struct Errand {
    what: &'static str,
    into_job: Box<dyn FnOnce(Return) -> Job + Send>,
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Errand").field(&self.what).finish()
    }
}

impl Errand {
    /// Makes the job that does it.
    pub(crate) fn into_job(self, take_back: Return) -> Job {
        (self.into_job)(take_back)
    }
}

impl Hub {
    /// Has something written whose outcome matters to nobody here: the store counts and logs what it loses.
    pub(super) fn note(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<(), StoreError> + Send + 'static,
    ) {
        let into_job = Box::new(move |_: Return| Job::write(what, work, |_| {}));
        self.effects.push_back(Effect::Store(Errand { what, into_job }));
    }

    /// Goes on after an errand.
    pub(crate) fn handle_return(&mut self, sequel: Sequel, now: Now) {
        sequel(self, now);
        self.settle(now);
    }
}
