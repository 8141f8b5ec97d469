//! The threads that own a store: jobs in through bounded queues, answers out by whatever the job brings along.
//!
//! One thread writes. It takes all that is queued, up to a bound, into one group, so a burst costs one commit. Where
//! the store has a second connection another thread reads beside it and sees what has been committed.
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing::warn;

use crate::store::Accident;
use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Stats;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::sweeper::PROBE;
use crate::trace::Cause;
use crate::trace::Span;

/// Jobs on their way to the writing thread. Full: who may wait waits, the hub takes no new inputs.
const WRITES_MAX: usize = 4096;
/// Jobs on their way to the reading thread. Full: as for writes.
const READS_MAX: usize = 1024;
/// Writes of one group: what one accident can undo.
const GROUP_MAX: usize = 256;

/// A store that is open, not yet run.
pub struct Opened {
    /// A second look at the same data. It ends first, so that the writer finds itself alone and can tidy up.
    pub reader: Option<Box<dyn Store>>,
    /// Writes; reads too if there is no reader.
    pub writer: Box<dyn Store>,
}

impl Opened {
    /// One that remembers until the process ends.
    pub fn in_memory(retention: Retention) -> Self {
        Self { writer: Box::new(MemoryStore::new(retention)), reader: None }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("has_reader", &self.reader.is_some()).finish_non_exhaustive()
    }
}

/// Something for a store to do, and what follows from it.
pub struct Job(Kind);

enum Kind {
    Write(Box<dyn Write>),
    Read(Box<Read>),
    Stop,
}

/// A question with what follows from its answer.
type Read = dyn FnOnce(&dyn Store, &Stats) + Send;

impl Job {
    /// A write. `what` names it in the log if it is lost. `done` runs on the store's thread once the write has
    /// survived, or has not; it must not wait for long.
    pub fn write<T: Send + 'static>(
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Self {
        let cause = Cause::current();
        let asked = (!cause.is_none()).then(Instant::now);
        Self(Kind::Write(Box::new(Planned { what, work: Some(work), outcome: None, done, cause, asked })))
    }

    /// A question. `done` runs on the store's thread; it must not wait for long.
    pub fn read<T>(
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Self {
        Self(Kind::Read(Box::new(move |store, stats| {
            let outcome = work(store);
            match outcome.as_ref().err().and_then(StoreError::accident) {
                None => stats.count_read(),
                Some(accident) => stats.count_lost(accident, 1),
            }
            done(outcome);
        })))
    }
}

#[cfg(test)]
impl Job {
    /// Does it at once, a write as a group of its own.
    pub(crate) fn carry_out(self, store: &mut dyn Store) {
        match self.0 {
            Kind::Write(mut write) => {
                let outcome = store.group(&mut |store| write.run(store).map(drop));
                write.finish(outcome, &Commit::now(1));
            }
            Kind::Read(read) => read(store, &Stats::default()),
            Kind::Stop => {}
        }
    }

    /// Has an accident befall it if it is a write; a question is answered.
    pub(crate) fn befall(self, accident: StoreError, store: &dyn Store) {
        match self.0 {
            Kind::Write(write) => write.finish(Err(accident), &Commit::now(1)),
            Kind::Read(read) => read(store, &Stats::default()),
            Kind::Stop => {}
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Write(write) => write!(f, "Write({})", write.what()),
            Kind::Read(_) => f.write_str("Read"),
            Kind::Stop => f.write_str("Stop"),
        }
    }
}

/// A write in the three steps of its life.
trait Write: Send {
    fn what(&self) -> &'static str;
    /// Returns whether it was stored rather than refused.
    ///
    /// # Errors
    ///
    /// The accident that ends the group.
    fn run(&mut self, store: &mut dyn Store) -> Result<bool, StoreError>;
    /// Tells the outcome, which is that of the group if that was lost.
    fn finish(self: Box<Self>, group: Result<(), StoreError>, commit: &Commit);
}

/// A group of writes, for those who trace one of them.
struct Commit {
    begun: Instant,
    writes: usize,
}

impl Commit {
    fn now(writes: usize) -> Self {
        Self { begun: Instant::now(), writes }
    }
}

/// The span of one write, from when it was asked for until it has survived: it waited, then its group was committed.
fn trace_write(what: &'static str, cause: &Cause, asked: Instant, commit: &Commit, error: Option<&StoreError>) {
    let span = Span::of_work_since(format!("store {what}"), cause, asked);
    if !span.is_recording() {
        return;
    }
    let waited_us = commit.begun.saturating_duration_since(asked).as_micros();
    span.set("duologue.store.waited_us", i64::try_from(waited_us).unwrap_or(i64::MAX));
    span.set("duologue.store.group_size", i64::try_from(commit.writes).unwrap_or(i64::MAX));
    if let Some(error) = error {
        span.fail(error.kind());
    }
    drop(Span::of_work_since("store commit", &span.cause(), commit.begun));
}

struct Planned<W, T, D> {
    what: &'static str,
    work: Option<W>,
    outcome: Option<Result<T, StoreError>>,
    done: D,
    cause: Cause,
    /// When it began to wait for its group, where somebody traces.
    asked: Option<Instant>,
}

impl<W, T, D> Write for Planned<W, T, D>
where
    W: FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send,
    T: Send,
    D: FnOnce(Result<T, StoreError>) + Send,
{
    fn what(&self) -> &'static str {
        self.what
    }

    fn run(&mut self, store: &mut dyn Store) -> Result<bool, StoreError> {
        let Some(work) = self.work.take() else { return Ok(false) };
        let outcome = work(store);
        if let Err(error) = &outcome
            && error.accident().is_some()
        {
            return Err(error.clone());
        }
        let is_stored = outcome.is_ok();
        self.outcome = Some(outcome);
        Ok(is_stored)
    }

    fn finish(self: Box<Self>, group: Result<(), StoreError>, commit: &Commit) {
        let Self { what, outcome, done, cause, asked, .. } = *self;
        let outcome = match (group, outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Stopped),
            (Err(error), _) => Err(error),
        };
        if let Some(asked) = asked {
            trace_write(what, &cause, asked, commit, outcome.as_ref().err());
        }
        done(outcome);
    }
}

/// A way to the store's threads. Clones share it.
#[derive(Clone, Debug)]
pub struct Handle {
    writes: mpsc::Sender<Job>,
    reads: mpsc::Sender<Job>,
    stats: Arc<Stats>,
}

impl Handle {
    /// Writes, and waits until the write has survived.
    ///
    /// # Errors
    ///
    /// What `work` returned, or what befell its group.
    pub async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Whoever asked may have gone.
        let (answer, answered) = oneshot::channel();
        let job = Job::write(what, work, |outcome| drop(answer.send(outcome)));
        self.writes.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Reads what has been committed.
    ///
    /// # Errors
    ///
    /// What `work` returned.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::read(work, |outcome| drop(answer.send(outcome)));
        self.reads.send(job).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Hands a job over once there is room for it, to be done even if nobody waits for the answer any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stopped`]: the job is dropped.
    pub async fn submit(&self, job: Job) -> Result<(), StoreError> {
        self.queue_of(&job).send(job).await.map_err(|_| StoreError::Stopped)
    }

    /// Hands a job over without waiting; one that finds no room comes back. Jobs handed over after the stop are
    /// dropped.
    ///
    /// # Errors
    ///
    /// The job.
    pub fn try_submit(&self, job: Job) -> Result<(), Job> {
        match self.queue_of(&job).try_send(job) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(job)) => Err(job),
        }
    }

    /// Waits until there is room for such a job.
    pub fn room_for<'a>(&'a self, job: &Job) -> impl Future<Output = ()> + Send + use<'a> {
        let queue = self.queue_of(job);
        async move {
            // The permit goes back at once. After the stop there is room for everything: it is dropped.
            drop(queue.reserve().await);
        }
    }

    /// Writes that wait for their group.
    pub fn writes_queued(&self) -> usize {
        self.writes.max_capacity() - self.writes.capacity()
    }

    /// What the threads count.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    fn queue_of(&self, job: &Job) -> &mpsc::Sender<Job> {
        match job.0 {
            Kind::Write(_) | Kind::Stop => &self.writes,
            Kind::Read(_) => &self.reads,
        }
    }
}

/// The threads of a store.
#[derive(Debug)]
pub struct Threads {
    /// The reader before the writer, as in [`Opened`].
    thread_by_queue: Vec<(mpsc::Sender<Job>, JoinHandle<()>)>,
    ended: CancellationToken,
}

impl Threads {
    /// Ends when a thread has: an accident while the server runs.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.ended.clone().cancelled_owned()
    }

    /// Has everything queued done, then ends the threads. `patience` bounds the wait for a disk that hangs.
    pub async fn stop(self, patience: Duration) {
        let stop = async {
            for (queue, thread) in self.thread_by_queue {
                // An error: the thread has ended, and if by a panic, it has told so itself.
                let _ = queue.send(Job(Kind::Stop)).await;
                let _ = spawn_blocking(|| thread.join()).await;
            }
        };
        if timeout(patience, stop).await.is_err() {
            error!("the store does not end; what it had not written yet is lost");
        }
    }
}

/// Starts the threads of a store.
///
/// # Errors
///
/// The operating system gives no thread.
pub fn start(opened: Opened) -> io::Result<(Handle, Threads)> {
    let (stats, ended) = (Arc::new(Stats::default()), CancellationToken::new());
    let (writes, write_jobs) = mpsc::channel(WRITES_MAX);
    let mut thread_by_queue = Vec::new();
    let reads = match opened.reader {
        None => writes.clone(),
        Some(store) => {
            let (reads, jobs) = mpsc::channel(READS_MAX);
            let stats = Arc::clone(&stats);
            let thread = spawn("store-reader", &ended, move || read(&*store, jobs, &stats))?;
            thread_by_queue.push((reads.clone(), thread));
            reads
        }
    };
    let writer = Writer { store: opened.writer, stats: Arc::clone(&stats), burst: None };
    let thread = spawn("store-writer", &ended, move || writer.run(write_jobs))?;
    thread_by_queue.push((writes.clone(), thread));
    Ok((Handle { writes, reads, stats }, Threads { thread_by_queue, ended }))
}

/// Starts a thread whose end cancels `ended`, however it ends.
fn spawn(name: &str, ended: &CancellationToken, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let guard = ended.clone().drop_guard();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        work();
    })
}

fn read(store: &dyn Store, mut jobs: mpsc::Receiver<Job>, stats: &Stats) {
    while let Some(Job(kind)) = jobs.blocking_recv() {
        match kind {
            Kind::Read(read) => read(store, stats),
            // Only reads are sent here.
            Kind::Write(_) => {}
            Kind::Stop => jobs.close(),
        }
    }
}

struct Writer {
    store: Box<dyn Store>,
    stats: Arc<Stats>,
    burst: Option<Burst>,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut writes = Vec::new();
        while let Some(first) = jobs.blocking_recv() {
            let mut next = Some(first);
            while let Some(Job(kind)) = next {
                match kind {
                    Kind::Write(write) => writes.push(write),
                    Kind::Read(read) => {
                        // It sees what was written before it.
                        self.commit(&mut writes);
                        read(&*self.store, &self.stats);
                    }
                    Kind::Stop => jobs.close(),
                }
                next = if writes.len() < GROUP_MAX { jobs.try_recv().ok() } else { None };
            }
            self.commit(&mut writes);
        }
        if let Some(Burst { lost, .. }) = &self.burst {
            error!(lost = %Lost(lost), "the store ends while it cannot write");
        }
    }

    /// Does the writes as one group and tells each what became of it.
    fn commit(&mut self, writes: &mut Vec<Box<dyn Write>>) {
        if writes.is_empty() {
            return;
        }
        let commit = Commit::now(writes.len());
        let mut stored = 0;
        let outcome = self.store.group(&mut |store| {
            for write in writes.iter_mut() {
                stored += u64::from(write.run(store)?);
            }
            Ok(())
        });
        match &outcome {
            Ok(()) => {
                self.stats.count_group(stored, writes.len() as u64 - stored, commit.begun.elapsed());
                // Other groups may survive by having had nothing to write.
                if writes.iter().any(|write| write.what() == PROBE) {
                    self.end_burst();
                }
            }
            Err(error) => self.lose(writes, error),
        }
        for write in writes.drain(..) {
            write.finish(outcome.clone(), &commit);
        }
    }

    fn lose(&mut self, writes: &[Box<dyn Write>], error: &StoreError) {
        // What is no accident does not end a group.
        let accident = error.accident().unwrap_or(Accident::Failed);
        self.stats.count_lost(accident, writes.len() as u64);
        self.stats.set_failing(true);
        let burst = self.burst.get_or_insert_with(|| {
            error!(%error, "what is to be remembered is lost from here on; calls go on");
            Burst { began: Instant::now(), lost: Vec::new() }
        });
        for write in writes.iter().filter(|write| write.what() != PROBE) {
            burst.count(write.what());
        }
    }

    fn end_burst(&mut self) {
        let Some(Burst { began, lost }) = self.burst.take() else { return };
        self.stats.set_failing(false);
        let after_ms = began.elapsed().as_millis() as u64;
        warn!(after_ms, lost = %Lost(&lost), "the store writes again");
    }
}

/// Accidents in a row.
struct Burst {
    began: Instant,
    /// By what it was.
    lost: Vec<(&'static str, u64)>,
}

impl Burst {
    fn count(&mut self, what: &'static str) {
        match self.lost.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => self.lost.push((what, 1)),
        }
    }
}

/// What was lost, for the log.
struct Lost<'a>(&'a [(&'static str, u64)]);

impl fmt::Display for Lost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (what, count)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{what}: {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
