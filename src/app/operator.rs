//! What the operator does to a running server: reload, drain, stop.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::app::addresses;
use crate::app::administering::Shown;
use crate::app::interfaces::Interfaces;
use crate::app::relaying;
use crate::app::reloading;
use crate::app::reloading::Audience;
use crate::app::service::Service;
use crate::config::Config;
use crate::http;
use crate::listener::Certificates;
use crate::signal::Handle;
use crate::state::State;
use crate::telemetry;
use crate::transport::DataPlane;

/// How often a draining server looks whether allocations are left.
const ALLOCATIONS_INTERVAL: Duration = Duration::from_millis(50);

/// When a relay that had no room for what it was told is told again.
const RETELL_INTERVAL: Duration = Duration::from_millis(100);

/// The ends of what admins ask over REST.
pub(super) struct Asked {
    /// To drain.
    pub(super) drain: mpsc::Receiver<()>,
    /// What they see of the configuration.
    pub(super) shown: watch::Sender<Shown>,
    /// Told when the operator wants certificates looked at.
    pub(super) renewal: Arc<Notify>,
}

/// Listens to signals and to admins, and carries out what they want.
pub(super) struct Operator {
    config: Config,
    asked: Asked,
    audience: Audience,
    state: State,
    tcp_addresses: Vec<SocketAddr>,
    /// Of this machine, as of the last look.
    own_addresses: Vec<IpAddr>,
    /// Whether the whole relay works by the present configuration.
    is_told: bool,
    interfaces: Interfaces,
    service: Service,
    certificates: Arc<Certificates>,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Operator {
    pub(super) fn new(
        config: Config,
        state: State,
        tcp_addresses: Vec<SocketAddr>,
        own_addresses: Vec<IpAddr>,
        certificates: Arc<Certificates>,
        asked: Asked,
        audience: Audience,
    ) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen to signals");
        Ok(Self {
            config,
            asked,
            audience,
            state,
            tcp_addresses,
            own_addresses,
            is_told: true,
            interfaces: Interfaces::watch(),
            service: Service::new(),
            certificates,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Tells the service manager that the server can be used.
    pub(super) fn announce(&self) {
        self.service.ready();
    }

    /// Waits for the signal to stop, or for an admin who asks for it; reloads meanwhile.
    ///
    /// # Errors
    ///
    /// A task of the control plane ended by itself.
    pub(super) async fn attend(&mut self, plane: &DataPlane, tasks: &mut JoinSet<&'static str>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
                Some(()) = self.asked.drain.recv() => {
                    info!("an admin asks to drain");
                    return Ok(());
                }
                _ = self.hang_up.recv() => self.reload(plane).await,
                () = self.interfaces.changed() => self.review_addresses(plane),
                () = sleep(RETELL_INTERVAL), if !self.is_told => self.reconfigure(plane),
                () = self.service.watchdog_due() => self.report_alive(plane),
                Some(ended) = tasks.join_next() => match ended {
                    Ok(name) => bail!("{name} ended while the server runs"),
                    Err(accident) => bail!("a part of the server died: {accident}"),
                },
            }
        }
    }

    /// Whoever comes here is alive itself; the data plane is asked. A dead one is left to the manager's patience.
    fn report_alive(&self, plane: &DataPlane) {
        if plane.is_running() {
            self.service.alive();
        }
    }

    async fn reload(&mut self, plane: &DataPlane) {
        self.service.reloading();
        self.carry_out(plane).await;
        // Whatever came of it, the server is what it was or better.
        self.service.ready();
    }

    async fn carry_out(&mut self, plane: &DataPlane) {
        match self.certificates.reload() {
            Ok(true) => info!("certificate renewed"),
            Ok(false) => {}
            Err(error) => warn!(%error, "the old certificate stays"),
        }
        self.asked.renewal.notify_one();
        let mut fresh = match self.config.reload() {
            Ok(fresh) => fresh,
            Err(problems) => return error!(%problems, "the configuration stays as it was"),
        };
        for key in self.config.changed_keys(&fresh) {
            if !reloading::is_reloaded(&key) {
                warn!(key, "changed, but only a restart carries it out");
            }
        }
        if let Err(error) = telemetry::set_level(&fresh.log.level) {
            warn!(%error, "the log level stays as it was");
        }
        self.audience.sift(&self.config, &mut fresh);
        let old = self.config.clone();
        reloading::take_over(&mut self.config, fresh);
        self.list_addresses();
        self.reconfigure(plane);
        // After the relay: what is minted from here on must be good there.
        self.audience.minter.renew(relaying::minting_secret(&self.config, &self.state));
        self.audience.tell(&old, &self.config, &self.state).await;
        self.asked.shown.send_replace(Shown::new(&self.config));
        info!(text_rules = self.audience.screen.rules(), "reloaded");
    }

    /// Tells the relay if this machine has got or lost addresses: nobody may use it to reach them.
    fn review_addresses(&mut self, plane: &DataPlane) {
        if self.list_addresses() {
            info!(addresses = self.own_addresses.len(), "this machine's addresses have changed");
            self.reconfigure(plane);
        }
    }

    /// Lists this machine's addresses anew; returns whether they have changed.
    fn list_addresses(&mut self) -> bool {
        match addresses::own_addresses(&self.config.relay.external) {
            Ok(found) => std::mem::replace(&mut self.own_addresses, found) != self.own_addresses,
            Err(error) => {
                warn!(%error, "cannot list this machine's addresses, the known ones stay");
                false
            }
        }
    }

    fn reconfigure(&mut self, plane: &DataPlane) {
        let relay = relaying::relay_config(&self.config, &self.state, &self.tcp_addresses, &self.own_addresses);
        self.is_told = plane.reconfigure(relay, relaying::quotas(&self.config));
    }

    /// Lets calls end: no new ones, everybody told to go, within the grace. A second signal cuts it short.
    ///
    /// Allocations may outlive their calls, or belong to a service with calls of its own.
    pub(super) async fn drain(&mut self, plane: &DataPlane, hub: &Handle, web: &http::Server) {
        let grace = self.config.server.shutdown_grace;
        info!(grace_ms = grace.as_millis() as u64, "draining");
        self.service.stopping(grace);
        web.drain();
        let end = async {
            let end = Instant::now() + grace;
            let (_, _) = tokio::join!(hub.drain(grace), timeout_at(end, tell_to_drain(plane)));
            // In vain when the grace is over: who is still there is cut off.
            let _ = timeout_at(end, allocations_end(plane)).await;
        };
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                // Where clients are sent may become known only now. The manager knows of the stop, not of this.
                _ = self.hang_up.recv() => self.carry_out(plane).await,
                () = sleep(RETELL_INTERVAL), if !self.is_told => self.reconfigure(plane),
                () = self.service.watchdog_due() => self.report_alive(plane),
            }
        }
        warn!("stopping at once");
    }
}

/// Tells the relay to take no new allocations, until it was heard everywhere.
async fn tell_to_drain(plane: &DataPlane) {
    while !plane.drain() {
        sleep(RETELL_INTERVAL).await;
    }
}

/// Waits until the last allocation has ended.
async fn allocations_end(plane: &DataPlane) {
    while plane.counters().iter().any(|shard| shard.allocations().any(|(_, _, count)| count > 0)) {
        sleep(ALLOCATIONS_INTERVAL).await;
    }
}
