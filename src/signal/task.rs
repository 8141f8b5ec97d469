//! The task that owns the hub: inputs, engine events and deadlines in, effects out.
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::timeout;

use crate::bus::Heard;
use crate::bus::Line;
use crate::bus::Said;
use crate::matchmaking::runner;
use crate::signal::handle::Handle;
use crate::signal::handle::Input;
use crate::signal::handle::Posted;
use crate::signal::hub::Effect;
use crate::signal::hub::Ended;
use crate::signal::hub::Hub;
use crate::signal::hub::Sequel;
use crate::signal::id::SessionId;
use crate::signal::past::Past;
use crate::signal::protocol::Path;
use crate::signal::room::Pass;
use crate::signal::settings::Settings;
use crate::signal::stats::Stats;
use crate::store;
use crate::store::runner::Job;
use crate::time::Clock;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// Inputs on their way to the hub. Full: connections stop reading from their sockets.
const INPUTS_MAX: usize = 4096;
/// Inputs and events worked on before effects are carried out.
const BATCH_MAX: usize = 64;
/// Outcomes on their way from the store. Full: the store waits, never for long, as the hub always takes them.
const RETURNS_MAX: usize = 1024;
/// How long the relay may take to say what a session relayed; the log line does without it then.
const RELAYED_TIMEOUT: Duration = Duration::from_secs(5);

/// Something for the relay.
#[derive(Debug)]
pub enum RelayCommand {
    /// Free the allocations of a session on every shard and refuse its credentials until that moment.
    Revoke {
        /// The session: the part of TURN usernames between colon and dot.
        session: SessionId,
        /// Until when a credential of the session could still be valid.
        until: UnixMillis,
        /// Where to tell what was relayed, once every shard has acted.
        relayed: oneshot::Sender<Relayed>,
    },
}

/// What the relay did for one session, all its allocations together.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// Allocations that ever belonged to the session.
    pub allocations: u64,
    /// Packets from clients to peers.
    pub packets_to_peer: u64,
    /// Bytes of payload from clients to peers.
    pub bytes_to_peer: u64,
    /// Packets from peers to clients.
    pub packets_to_client: u64,
    /// Bytes of payload from peers to clients.
    pub bytes_to_client: u64,
    /// Packets handed over inside the process, from client to client.
    pub packets_handed_over: u64,
    /// Bytes of payload handed over inside the process.
    pub bytes_handed_over: u64,
}

/// Makes the hub's task, which goes on with `past`; it ends when the last [`Handle`], the engine or the bus is gone.
pub fn start(
    settings: Settings,
    clock: Clock,
    matchmaking: runner::Link,
    relay: mpsc::Sender<RelayCommand>,
    store: store::runner::Handle,
    line: Line,
    past: Past,
) -> (Handle, impl Future<Output = ()> + Send + 'static) {
    let (inputs, inbox) = mpsc::channel(INPUTS_MAX);
    let (returns_out, returns) = mpsc::channel(RETURNS_MAX);
    let stats = Arc::new(Stats::default());
    let (keys, screen) = (settings.keys.clone(), Arc::clone(&settings.screen));
    let messages = settings.limits.messages();
    let mut task = Task {
        hub: Hub::new(settings, stats.clone()),
        clock,
        inbox,
        matchmaking,
        relay,
        store,
        returns_out,
        returns,
        line,
        commands: VecDeque::new(),
        words: VecDeque::new(),
        jobs: VecDeque::new(),
        revocations: VecDeque::new(),
        endings: FuturesUnordered::new(),
        drained: Vec::new(),
    };
    let now = task.now();
    task.hub.restore(past, now);
    (Handle::new(inputs, stats, clock, messages, keys, screen), task.run())
}

/// A session that is over, and what the relay did for it if that could be learned.
type Ending = Pin<Box<dyn Future<Output = (Ended, Option<Relayed>)> + Send>>;

struct Task {
    hub: Hub,
    clock: Clock,
    inbox: mpsc::Receiver<Posted>,
    matchmaking: runner::Link,
    relay: mpsc::Sender<RelayCommand>,
    store: store::runner::Handle,
    returns_out: mpsc::Sender<Sequel>,
    returns: mpsc::Receiver<Sequel>,
    line: Line,
    /// Effects that found no room. While any waits no input is taken, which bounds them.
    commands: VecDeque<runner::Command>,
    words: VecDeque<Said>,
    jobs: VecDeque<Job>,
    revocations: VecDeque<RelayCommand>,
    endings: FuturesUnordered<Ending>,
    drained: Vec<oneshot::Sender<()>>,
}

/// What the task woke up for.
enum Turn {
    Input(Posted),
    Event(runner::Event),
    Return(Sequel),
    Heard(Heard),
    Deadline,
    Relayed(Box<Ended>, Option<Relayed>),
    /// There is room for effects.
    CarryOut,
}

impl Task {
    async fn run(mut self) {
        loop {
            self.carry_out();
            let is_backed_up = !self.commands.is_empty() || !self.jobs.is_empty() || !self.revocations.is_empty();
            let deadline = self.hub.next_deadline();
            let turn = tokio::select! {
                input = self.inbox.recv(), if !is_backed_up => input.map(Turn::Input),
                event = self.matchmaking.events.recv() => event.map(Turn::Event),
                // Never the last: this task holds a sender itself.
                Some(sequel) = self.returns.recv() => Some(Turn::Return(sequel)),
                heard = self.line.hear.recv() => heard.map(Turn::Heard),
                room = self.line.say.reserve(), if !self.words.is_empty() => room.ok().map(|_| Turn::CarryOut),
                room = self.matchmaking.commands.reserve(), if !self.commands.is_empty() => {
                    room.ok().map(|_| Turn::CarryOut)
                }
                Some(()) = OptionFuture::from(self.jobs.front().map(|job| self.store.room_for(job))) => {
                    Some(Turn::CarryOut)
                }
                // Without a relay there is nothing to let go of: what waits for it is dropped then.
                _ = self.relay.reserve(), if !self.revocations.is_empty() => Some(Turn::CarryOut),
                Some((ended, relayed)) = self.endings.next() => Some(Turn::Relayed(Box::new(ended), relayed)),
                () = sleep_until(self.clock, deadline) => Some(Turn::Deadline),
            };
            match turn {
                Some(Turn::Input(input)) => self.on_inputs(input),
                Some(Turn::Event(event)) => self.on_events(event),
                Some(Turn::Return(sequel)) => self.on_returns(sequel),
                Some(Turn::Heard(heard)) => {
                    let now = self.now();
                    self.hub.handle_heard(heard, now);
                }
                Some(Turn::Deadline) => {
                    let now = self.now();
                    self.hub.handle_deadline(now);
                }
                Some(Turn::Relayed(ended, relayed)) => {
                    log_ended(&ended, relayed);
                    let now = self.now();
                    self.hub.handle_relayed(&ended, relayed, now);
                }
                Some(Turn::CarryOut) => {}
                None => return,
            }
        }
    }

    /// Reads the clocks, the monotonic one as the runtime's timers see it: a test that pauses them pauses the hub.
    fn now(&self) -> Now {
        let since_start = Instant::now().into_std().saturating_duration_since(self.clock.instant(Mono::default()));
        Now { mono: Mono::from_start(since_start), unix: self.clock.now().unix }
    }

    fn on_inputs(&mut self, first: Posted) {
        let now = self.now();
        self.on_posted(first, now);
        for _ in 1..BATCH_MAX {
            let Ok(posted) = self.inbox.try_recv() else { return };
            self.on_posted(posted, now);
        }
    }

    fn on_events(&mut self, first: runner::Event) {
        let now = self.now();
        self.hub.handle_queue_event(first, now);
        for _ in 1..BATCH_MAX {
            let Ok(event) = self.matchmaking.events.try_recv() else { return };
            self.hub.handle_queue_event(event, now);
        }
    }

    fn on_returns(&mut self, first: Sequel) {
        let now = self.now();
        self.hub.handle_return(first, now);
        for _ in 1..BATCH_MAX {
            let Ok(sequel) = self.returns.try_recv() else { return };
            self.hub.handle_return(sequel, now);
        }
    }

    fn on_posted(&mut self, Posted { input, cause }: Posted, now: Now) {
        let _entered = cause.enter();
        self.on_input(input, now);
    }

    /// An answer that nobody waits for any more is dropped.
    fn on_input(&mut self, input: Input, now: Now) {
        match input {
            Input::Connected(id, link, peer) => self.hub.handle_connected(id, link, peer, now),
            Input::Message(id, incoming, span, done) => {
                let _entered = span.enter();
                self.hub.handle_message(id, incoming, now);
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Input::Breach(id, code) => self.hub.handle_breach(id, code, now),
            Input::Gone(id) => self.hub.handle_gone(id, now),
            Input::Guest(ip, device, answer) => {
                let _ = answer.send(self.hub.handle_guest(ip, &device, now));
            }
            Input::Verify(ip, token, answer) => {
                let _ = answer.send(self.hub.handle_verify(ip, &token, now));
            }
            Input::Rooms(user, ask, answer) => self.hub.handle_room_ask(&user, *ask, answer, now),
            Input::Blocks(owner, ask, answer) => self.hub.handle_block_ask(&owner, *ask, answer, now),
            Input::Report(reporter, report, answer) => self.hub.handle_report(&reporter, *report, answer, now),
            Input::Moderation(by, ask, answer) => self.hub.handle_moderation(&by, *ask, answer, now),
            Input::Person(subject, ask, answer) => self.hub.handle_person_ask(&subject, *ask, answer, now),
            Input::Appeal(ip, token, ask, answer) => self.hub.handle_appeal(ip, &token, ask, answer, now),
            Input::Pass(subject, answer) => {
                let _ = answer.send(self.hub.handle_pass(&subject, now));
            }
            Input::Refresh(token, answer) => {
                self.hub.handle_refresh(&token, |outcome| drop(answer.send(outcome)), now);
            }
            Input::Login(subject, revision, ip, answer) => {
                self.hub.handle_login(subject, revision, ip, |outcome| drop(answer.send(outcome)), now);
            }
            Input::Settle(family, subject, revision, answer) => {
                self.hub.handle_settle(&family, subject, revision, |outcome| drop(answer.send(outcome)), now);
            }
            Input::Logout(token, everywhere, answer) => {
                self.hub.handle_logout(&token, everywhere, |outcome| drop(answer.send(outcome)), now);
            }
            Input::IceServers(user, family, answer) => {
                let _ = answer.send(self.hub.handle_ice_ask(&user, family.as_ref(), now));
            }
            Input::Erase(user, answer) => self.hub.handle_erase(user, |outcome| drop(answer.send(outcome)), now),
            Input::Erasure(user) => self.hub.handle_erasure(user, now),
            Input::Altered(user, revision) => self.hub.handle_altered(&user, revision, now),
            Input::Upload(user, target, name, answer) => {
                let _ = answer.send(self.hub.handle_upload(&user, &target, &name, now));
            }
            Input::Judgment(question, judgment) => self.hub.handle_judgment(&question, judgment, now),
            Input::Change(settings) => self.hub.handle_change(*settings),
            Input::Drain(within, done) => {
                self.hub.handle_drain(within, now);
                self.drained.push(done);
            }
        }
    }

    /// Hands effects over; those that find no room wait for it in the select.
    fn carry_out(&mut self) {
        while let Some(effect) = self.hub.poll_effect() {
            match effect {
                Effect::Matchmaking(command) => self.commands.push_back(command),
                Effect::Store(errand) => {
                    let returns = self.returns_out.clone();
                    // Without a hub nothing goes on.
                    self.jobs.push_back(errand.into_job(Box::new(move |sequel| drop(returns.blocking_send(sequel)))));
                }
                Effect::Tell(said) => self.words.push_back(said),
                Effect::SessionEnded(ended) => self.end_session(*ended),
                Effect::Revoke(pass) => self.revoke(pass),
            }
        }
        while let Some(command) = self.commands.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(command)) = self.matchmaking.commands.try_send(command) {
                self.commands.push_front(command);
                break;
            }
        }
        while let Some(said) = self.words.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(said)) = self.line.say.try_send(said) {
                self.words.push_front(said);
                break;
            }
        }
        while let Some(job) = self.jobs.pop_front() {
            if let Err(job) = self.store.try_submit(job) {
                self.jobs.push_front(job);
                break;
            }
        }
        while let Some(revocation) = self.revocations.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(revocation)) = self.relay.try_send(revocation) {
                self.revocations.push_front(revocation);
                break;
            }
        }
        if self.hub.is_drained() {
            for done in self.drained.drain(..) {
                let _ = done.send(());
            }
        }
    }

    /// Has the relay let go of what somebody used in a room; each allocation's end is logged there.
    fn revoke(&mut self, pass: Pass) {
        let (told, _) = oneshot::channel();
        self.revocations.push_back(RelayCommand::Revoke { session: pass.name, until: pass.until, relayed: told });
    }

    fn end_session(&mut self, ended: Ended) {
        let (told, relayed) = oneshot::channel();
        self.revocations.push_back(RelayCommand::Revoke {
            session: ended.session.clone(),
            until: ended.credentials_until,
            relayed: told,
        });
        self.endings.push(Box::pin(async move {
            let relayed = timeout(RELAYED_TIMEOUT, relayed).await;
            (ended, relayed.ok().and_then(Result::ok))
        }));
    }
}

fn log_ended(ended: &Ended, relayed: Option<Relayed>) {
    let [path_a, path_b] = ended.reports.each_ref().map(|report| report.path.map_or("unknown", Path::as_str));
    let Ended { session, reason, duration, .. } = ended;
    let (reason, duration_ms) = (reason.as_str(), duration.as_millis() as u64);
    match relayed {
        Some(relayed) => tracing::info!(
            %session,
            reason,
            duration_ms,
            path_a,
            path_b,
            allocations = relayed.allocations,
            packets_to_peer = relayed.packets_to_peer,
            bytes_to_peer = relayed.bytes_to_peer,
            packets_to_client = relayed.packets_to_client,
            bytes_to_client = relayed.bytes_to_client,
            packets_handed_over = relayed.packets_handed_over,
            bytes_handed_over = relayed.bytes_handed_over,
            "session ended"
        ),
        None => tracing::info!(%session, reason, duration_ms, path_a, path_b, relayed = "unknown", "session ended"),
    }
}

async fn sleep_until(clock: Clock, deadline: Option<Mono>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(clock.instant(deadline).into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
