//! The front door as a whole: binds every address, accepts, and owns the tasks.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use tracing::warn;

use crate::admission::Admission;
use crate::admission::Limits;
use crate::listener::certificate::Certificates;
use crate::listener::counters::Counters;
use crate::listener::counters::Outcome;
use crate::listener::door::Bind;
use crate::listener::door::Bound;
use crate::listener::door::Door;
use crate::listener::greeting;
use crate::listener::greeting::Arrival;
use crate::listener::sinks::Sinks;
use crate::listener::tls::Acceptors;

/// The pause after the kernel refused to accept (usually: no file descriptors), so that we do not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the front door needs.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen, and for what.
    pub binds: Vec<Bind>,
    /// Needed if any door speaks TLS.
    pub certificates: Option<Arc<Certificates>>,
    /// TCP connections, TURN's included as long as their permits are kept.
    pub limits: Limits,
}

/// Why the front door does not open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The kernel refused an address.
    #[error("cannot listen on {address}/tcp: {source}")]
    Address {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A door speaks TLS and there is no certificate.
    #[error("{0}/tcp speaks TLS, but no certificate is loaded")]
    NoCertificate(SocketAddr),
    /// TLS cannot be set up at all.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Bound, not yet accepting.
pub struct Front {
    bound: Vec<Bound>,
    acceptors: Option<Acceptors>,
    limits: Limits,
}

impl Front {
    /// Binds every address, or none. Must run inside the tokio runtime.
    ///
    /// # Errors
    ///
    /// The first address that fails, or [`BindError::NoCertificate`].
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        let acceptors = settings.certificates.map(Acceptors::new).transpose()?;
        let mut bound = Vec::with_capacity(settings.binds.len());
        for bind in settings.binds {
            if bind.door.speaks_tls() && acceptors.is_none() {
                return Err(BindError::NoCertificate(bind.address));
            }
            bound.push(Bound::new(bind).map_err(|source| BindError::Address { address: bind.address, source })?);
        }
        Ok(Self { bound, acceptors, limits: settings.limits })
    }

    /// Where it really listens, in the order of [`Settings::binds`].
    pub fn addresses(&self) -> Vec<(Door, SocketAddr)> {
        self.bound.iter().map(|bound| (bound.door, bound.address)).collect()
    }

    /// Begins to accept. Must run inside the tokio runtime.
    pub fn serve(self, sinks: Sinks) -> Running {
        let running = Running {
            counters: Arc::default(),
            admission: Admission::new(self.limits),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for (index, bound) in self.bound.into_iter().enumerate() {
            let hall = Hall {
                bound,
                index,
                acceptors: self.acceptors.clone(),
                sinks: sinks.clone(),
                counters: Arc::clone(&running.counters),
                admission: Arc::clone(&running.admission),
                stop: running.stop.clone(),
                tasks: running.tasks.clone(),
            };
            running.tasks.spawn(Arc::new(hall).accept());
        }
        running.tasks.close();
        running
    }
}

/// The open front door.
#[derive(Debug)]
pub struct Running {
    counters: Arc<Counters>,
    admission: Arc<Admission>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// What came in so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Connections open now, undecided ones and those given away included.
    pub fn connections(&self) -> usize {
        self.admission.held()
    }

    /// Who may come, for whoever wants to change it.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Closes the listening sockets and every connection not yet given away.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// One listening address and all its connections need.
struct Hall {
    bound: Bound,
    index: usize,
    acceptors: Option<Acceptors>,
    sinks: Sinks,
    counters: Arc<Counters>,
    admission: Arc<Admission>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Hall {
    async fn accept(self: Arc<Self>) {
        while let Some(accepted) = self.stop.run_until_cancelled(self.bound.socket.accept()).await {
            match accepted {
                Ok((socket, remote)) => self.receive(socket, remote),
                // The client has left before we came: only this one is lost.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(door = self.bound.door.label(), %error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn receive(self: &Arc<Self>, socket: TcpStream, remote: SocketAddr) {
        let door = self.bound.door;
        let Ok(permit) = self.admission.admit(remote.ip()) else {
            self.counters.add(door, Outcome::Full);
            return;
        };
        // Both fail only on a socket that is already dead; its first read will say so.
        let local = socket.local_addr().unwrap_or(self.bound.address);
        let _dead = socket.set_nodelay(true);
        let arrival = Arrival { socket, remote, local, door, bind: self.index, permit };
        let hall = Arc::clone(self);
        self.tasks.spawn(async move {
            let acceptor = hall.acceptors.as_ref().and_then(|acceptors| acceptors.at(door));
            let greeting = greeting::greet(arrival, acceptor, &hall.sinks);
            if let Some(outcome) = hall.stop.run_until_cancelled(greeting).await {
                hall.counters.add(door, outcome);
                debug!(door = door.label(), %remote, outcome = outcome.label(), "connection decided");
            }
        });
    }
}
