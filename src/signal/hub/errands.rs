//! Errands to the store: what is done there, and how the hub goes on once it is done.
//!
//! The hub never waits. It sends a closure away, which works on a thread of the store; the outcome comes back with
//! another one, which works on the hub. Writes are done and come back in the order in which they were sent, and so are
//! reads; a read sees what is committed by then.
use std::fmt;

use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::runner::Job;
use crate::time::Now;
use crate::trace::Cause;

/// How the hub goes on after an errand.
pub(crate) type Sequel = Box<dyn FnOnce(&mut Hub, Now) + Send>;

/// Takes a sequel to the hub; called once, on the store's thread.
pub(crate) type Return = Box<dyn FnOnce(Sequel) + Send>;

/// Something for the store to do.
pub(crate) struct Errand {
    what: &'static str,
    into_job: Box<dyn FnOnce(Return) -> Job + Send>,
    /// What led to it, and to what follows from it.
    cause: Cause,
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Errand").field(&self.what).finish()
    }
}

impl Errand {
    /// Makes the job that does it.
    pub(crate) fn into_job(self, take_back: Return) -> Job {
        if self.cause.is_none() {
            return (self.into_job)(take_back);
        }
        let _entered = self.cause.enter();
        let cause = self.cause.clone();
        (self.into_job)(Box::new(move |sequel: Sequel| {
            take_back(Box::new(move |hub, now| {
                let _entered = cause.enter();
                sequel(hub, now);
            }));
        }))
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
        self.effects.push_back(Effect::Store(Errand { what, into_job, cause: Cause::current() }));
    }

    /// Has something written, and goes on once it survives a kill of the process, or is lost.
    pub(super) fn write<T: Send + 'static>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    ) {
        let into_job = Box::new(move |take_back: Return| {
            Job::write(what, work, move |outcome| take_back(Box::new(move |hub, now| then(hub, outcome, now))))
        });
        self.effects.push_back(Effect::Store(Errand { what, into_job, cause: Cause::current() }));
    }

    /// Has something read of what is committed, and goes on with it.
    pub(super) fn read<T: Send + 'static>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    ) {
        let into_job = Box::new(move |take_back: Return| {
            Job::read(work, move |outcome| take_back(Box::new(move |hub, now| then(hub, outcome, now))))
        });
        self.effects.push_back(Effect::Store(Errand { what, into_job, cause: Cause::current() }));
    }

    /// Has something written for a request; what must not overtake it waits meanwhile.
    pub(super) fn write_for<T: Send + 'static>(
        &mut self,
        asking: &Asking,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    ) {
        let finish = self.begin_errand(asking, then);
        self.write(what, work, finish);
    }

    /// Has something written for whoever asks: a connection, or nobody's where REST does.
    pub(super) fn write_by<T: Send + 'static>(
        &mut self,
        asking: Option<&Asking>,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    ) {
        match asking {
            Some(asking) => self.write_for(asking, what, work, then),
            None => self.write(what, work, then),
        }
    }

    /// Has something read for a request; what must not overtake it waits meanwhile.
    pub(super) fn read_for<T: Send + 'static>(
        &mut self,
        asking: &Asking,
        what: &'static str,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    ) {
        let finish = self.begin_errand(asking, then);
        self.read(what, work, finish);
    }

    fn begin_errand<T, F>(
        &mut self,
        asking: &Asking,
        then: F,
    ) -> impl FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + use<T, F>
    where
        F: FnOnce(&mut Hub, Result<T, StoreError>, Now) + Send + 'static,
    {
        self.count_errands(asking, |errands| errands + 1);
        let asking = asking.clone();
        move |hub: &mut Hub, outcome, now| {
            then(hub, outcome, now);
            hub.count_errands(&asking, |errands| errands - 1);
            hub.resume_deferred(&asking, now);
        }
    }

    fn count_errands(&mut self, asking: &Asking, count: impl Fn(u32) -> u32) {
        let connection = self.connection_by_id.get_mut(&asking.connection);
        if let Some(online) = connection.and_then(|connection| connection.online.as_mut()) {
            online.errands = count(online.errands);
        }
    }

    /// Goes on after an errand.
    pub(crate) fn handle_return(&mut self, sequel: Sequel, now: Now) {
        sequel(self, now);
        self.settle(now);
    }
}
