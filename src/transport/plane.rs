//! The data plane as the rest of the program sees it.
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::relay::Config;
use crate::relay::Counters;
use crate::relay::Defences;
use crate::relay::Directory;
use crate::relay::Ledger;
use crate::relay::Quotas;
use crate::relay::RelayAddress;
use crate::relay::ShardId;
use crate::relay::Usage;
use crate::time::Clock;
use crate::time::UnixMillis;
use crate::transport::counters::IoCounters;
use crate::transport::counters::IoEvent;
use crate::transport::mailbox::Command;
use crate::transport::mailbox::Mailbox;
use crate::transport::mailbox::Refused;
use crate::transport::mailbox::mailbox;
use crate::transport::placement;
use crate::transport::shard::Parts;
use crate::transport::shard::Shard;
use crate::transport::sockets::ClosedGroup;
use crate::transport::stream::TurnStream;
use crate::transport::streams::SHARDS_MAX;

/// When a revocation is given up as uncertain. It takes well under the promised 100 ms unless the machine is starved.
const REVOKE_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait before a full mailbox is tried again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// What the data plane starts from.
#[derive(Debug)]
pub struct Settings {
    /// UDP addresses to listen on; port 0 lets the kernel choose.
    pub udp_listen: Vec<SocketAddr>,
    /// Threads; 0 for one per CPU.
    pub shards: usize,
    /// Whether each thread stays on one CPU.
    pub pin: bool,
    /// How long a busy thread lets packets gather before it reads again; zero: not at all.
    pub moderation: Duration,
    /// The relay's own configuration; the bound UDP addresses are added to its own listeners.
    pub relay: Config,
    /// Addresses of relay sockets.
    pub relay_addresses: Vec<RelayAddress>,
    /// Ports of relay sockets.
    pub port_range: RangeInclusive<u16>,
    /// How many allocations may exist.
    pub quotas: Quotas,
}

/// Why the data plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A UDP address could not be bound.
    #[error("cannot listen on {address}/udp")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// There are more UDP addresses than ids for them.
    #[error("more than 256 UDP addresses to listen on")]
    TooManyListeners,
    /// There are more threads than ids for them.
    #[error("more than {SHARDS_MAX} shards")]
    TooManyShards,
    /// A thread or what it needs could not be had.
    #[error("cannot start a shard")]
    Shard(#[from] io::Error),
}

/// Why it is not certain that a session was revoked everywhere.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokeError {
    /// A shard did not act within a second. It still will, if it lives and had room for the command.
    #[error("a shard did not act in time")]
    Overdue,
    /// A shard's thread has ended.
    #[error("a shard is gone")]
    Gone,
}

/// A handle to the data plane. When the last one is dropped, it stops.
#[derive(Clone, Debug)]
pub struct DataPlane {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    udp_addresses: Vec<SocketAddr>,
    pub(super) mailboxes: Arc<[Mailbox]>,
    shards: Vec<ShardHandle>,
    directory: Arc<Directory>,
    ledger: Arc<Mutex<Ledger>>,
    next_adopter: AtomicUsize,
    is_stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct ShardHandle {
    counters: Arc<Counters>,
    io: Arc<IoCounters>,
    is_running: Arc<AtomicBool>,
}

impl DataPlane {
    /// Binds every UDP address and starts the shards.
    ///
    /// Usage records of allocations that end go to `usage`; one that does not fit is lost and counted.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub fn start(settings: Settings, clock: Clock, usage: mpsc::Sender<Usage>) -> Result<Self, StartError> {
        let shards = u16::try_from(placement::shard_count(settings.shards))
            .ok()
            .filter(|shards| *shards <= SHARDS_MAX)
            .ok_or(StartError::TooManyShards)?;
        if settings.udp_listen.len() > 256 {
            return Err(StartError::TooManyListeners);
        }
        placement::raise_file_limit();
        let groups = bind(&settings.udp_listen, shards)?;
        let udp_addresses: Vec<SocketAddr> = groups.iter().map(ClosedGroup::address).collect::<io::Result<_>>()?;
        let config = with_listeners(settings.relay, &udp_addresses);
        let directory = Arc::new(Directory::new(&settings.relay_addresses, settings.port_range));
        let defences = Arc::new(Defences::default());
        let ledger = Arc::new(Mutex::new(Ledger::new(settings.quotas)));
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        let mut plane = Inner {
            udp_addresses,
            mailboxes: mailboxes.into(),
            shards: Vec::new(),
            directory: Arc::clone(&directory),
            ledger: Arc::clone(&ledger),
            next_adopter: AtomicUsize::new(0),
            is_stopping: Arc::new(AtomicBool::new(false)),
            threads: Mutex::new(Vec::new()),
        };
        let cpus = if settings.pin { placement::usable_cpus() } else { Vec::new() };
        let mut listeners_by_shard: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
        for group in groups {
            for (listeners, listener) in listeners_by_shard.iter_mut().zip(group.open()?) {
                listeners.push(listener);
            }
        }
        for ((id, inbox), listeners) in (0..shards).zip(inboxes).zip(listeners_by_shard) {
            let handle = ShardHandle {
                counters: Arc::new(Counters::new()),
                io: Arc::new(IoCounters::default()),
                is_running: Arc::new(AtomicBool::new(true)),
            };
            let parts = Parts {
                id: ShardId(id),
                clock,
                config: Arc::clone(&config),
                directory: Arc::clone(&directory),
                defences: Arc::clone(&defences),
                ledger: Arc::clone(&ledger),
                counters: Arc::clone(&handle.counters),
                io: Arc::clone(&handle.io),
                usage: usage.clone(),
                listeners,
                inbox,
                moderation: settings.moderation,
                mailboxes: Arc::clone(&plane.mailboxes),
                is_stopping: Arc::clone(&plane.is_stopping),
            };
            // More shards than CPUs were asked for: none is worth a CPU of its own then.
            let cpu = cpus.get(usize::from(id)).copied().filter(|_| cpus.len() >= usize::from(shards));
            let watch = Watch {
                shard: ShardId(id),
                is_running: Arc::clone(&handle.is_running),
                is_stopping: Arc::clone(&plane.is_stopping),
            };
            plane.shards.push(handle);
            let thread = thread::Builder::new().name(format!("shard-{id}")).spawn(move || serve(parts, cpu, watch))?;
            plane.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(Self { inner: Arc::new(plane) })
    }

    /// Returns the bound UDP addresses, in the order of the settings.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.inner.udp_addresses
    }

    /// Gives a connection to a shard, which serves it until its end.
    ///
    /// Without room in the shard's mailbox the connection is closed and counted.
    pub fn adopt(&self, stream: TurnStream) {
        let turn = self.inner.next_adopter.fetch_add(1, Ordering::Relaxed);
        let at = turn % self.inner.mailboxes.len();
        if self.inner.mailboxes[at].command(Command::Adopt(Box::new(stream))).is_err() {
            self.inner.shards[at].io.add(IoEvent::StreamRefused, 1);
        }
    }

    /// Frees the allocations of a session on every shard and refuses its credentials until `until`.
    ///
    /// When this is done, the usage records of those allocations are in the usage queue.
    ///
    /// # Errors
    ///
    /// [`RevokeError`] if that is not certain after a second.
    pub async fn revoke(&self, session: &str, until: UnixMillis) -> Result<(), RevokeError> {
        let session: Arc<str> = session.into();
        let everywhere = async {
            let mut acted = Vec::with_capacity(self.inner.mailboxes.len());
            for mailbox in self.inner.mailboxes.iter() {
                let (sender, receiver) = oneshot::channel();
                let mut command = Command::Revoke { session: Arc::clone(&session), until, acted: sender };
                loop {
                    match mailbox.command(command) {
                        Ok(()) => break,
                        Err(Refused::Gone) => return Err(RevokeError::Gone),
                        Err(Refused::Full(back)) => command = back,
                    }
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                acted.push(receiver);
            }
            for receiver in acted {
                receiver.await.map_err(|_| RevokeError::Gone)?;
            }
            Ok(())
        };
        timeout(REVOKE_LIMIT, everywhere).await.unwrap_or(Err(RevokeError::Overdue))
    }

    /// Refuses new allocations from now on; those that live go on. Returns whether every shard was told: if not, a mailbox was
    /// full, and the caller tries again.
    #[must_use]
    pub fn drain(&self) -> bool {
        self.inner.tell_all(|| Command::Drain)
    }

    /// Goes on with another configuration and other quotas. Addresses, ports and mode stay as they were at the start. Returns
    /// whether every shard was told: if not, a mailbox was full, and the caller tries again.
    #[must_use]
    pub fn reconfigure(&self, config: Config, quotas: Quotas) -> bool {
        let config = with_listeners(config, &self.inner.udp_addresses);
        self.inner.ledger.lock().unwrap_or_else(PoisonError::into_inner).reconfigure(quotas);
        self.inner.tell_all(|| Command::Reconfigure(Arc::clone(&config)))
    }

    /// Returns the relay's counters, one set per shard.
    pub fn counters(&self) -> Vec<Arc<Counters>> {
        self.inner.shards.iter().map(|shard| Arc::clone(&shard.counters)).collect()
    }

    /// Returns the counters of input and output, one set per shard.
    pub fn io_counters(&self) -> Vec<Arc<IoCounters>> {
        self.inner.shards.iter().map(|shard| Arc::clone(&shard.io)).collect()
    }

    /// Returns how often a relay port was given out again before it had rested.
    pub fn ports_reused_early(&self) -> u64 {
        self.inner.directory.reused_early()
    }

    /// Returns whether every shard's thread is running. Once false it never becomes true again.
    pub fn is_running(&self) -> bool {
        self.inner.shards.iter().all(|shard| shard.is_running.load(Ordering::Acquire))
    }

    /// Ends every shard and waits for its thread; allocations are gone then. Takes milliseconds.
    pub fn stop(&self) {
        self.inner.stop();
    }
}

impl Inner {
    /// Returns whether there was room with every shard that lives; one that has ended is known elsewhere.
    fn tell_all(&self, command: impl Fn() -> Command) -> bool {
        let full = self.mailboxes.iter().filter(|mailbox| matches!(mailbox.command(command()), Err(Refused::Full(_))));
        full.count() == 0
    }

    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for mailbox in self.mailboxes.iter() {
            mailbox.ring();
        }
        for thread in threads {
            // How it ended was logged by its watch.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tells the rest of the program that a shard's thread has ended, however it ended.
pub(super) struct Watch {
    pub(super) shard: ShardId,
    pub(super) is_running: Arc<AtomicBool>,
    pub(super) is_stopping: Arc<AtomicBool>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_running.store(false, Ordering::Release);
        if !self.is_stopping.load(Ordering::Acquire) {
            tracing::error!(
                shard = self.shard.0,
                panicked = thread::panicking(),
                "a shard died, its clients are cut off"
            );
        }
    }
}

/// The life of a shard's thread.
fn serve(parts: Parts, cpu: Option<usize>, watch: Watch) {
    if let Some(cpu) = cpu {
        placement::pin(cpu);
    }
    placement::wake_on_time();
    if let Err(error) = Shard::new(parts).and_then(Shard::run) {
        tracing::error!(shard = watch.shard.0, %error, "a shard cannot go on");
    }
}

fn bind(addresses: &[SocketAddr], shards: u16) -> Result<Vec<ClosedGroup>, StartError> {
    let open = |address: &SocketAddr| {
        ClosedGroup::bind(*address, shards).map_err(|source| StartError::Listen { address: *address, source })
    };
    addresses.iter().map(open).collect()
}

/// Peers must never be our own listeners, whatever port the kernel chose for them.
fn with_listeners(mut config: Config, bound: &[SocketAddr]) -> Arc<Config> {
    config.policy.own_listeners.extend_from_slice(bound);
    Arc::new(config)
}
