//! What the service manager is told, if one started this process: ready, reloading, stopping, alive. sd_notify(3).
use std::future::pending;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tracing::warn;

/// What a stop takes beside the grace for calls: the store, files, the data plane.
const STOP_BESIDE_GRACE: Duration = Duration::from_secs(30);

/// The link to the service manager; without one, nothing is told to nobody.
pub(super) struct Service {
    watchdog: Option<Interval>,
}

impl Service {
    /// Must be made inside the tokio runtime.
    pub(super) fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|limit| {
            // Twice as often as the manager wants to hear it; sd_watchdog_enabled(3) recommends that.
            let mut beats = interval((limit / 2).max(Duration::from_millis(1)));
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beats
        });
        Self { watchdog }
    }

    /// Every listener is open.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// A reload begins; [`ready`](Self::ready) ends it.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// No new clients; the manager shall not lose its patience before the grace is over.
    pub(super) fn stopping(&self, grace: Duration) {
        let longest = u32::try_from((grace + STOP_BESIDE_GRACE).as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest)]);
    }

    /// Waits until the manager wants to hear that all is well; for ever if it does not ask.
    pub(super) async fn watchdog_due(&mut self) {
        match &mut self.watchdog {
            Some(beats) => _ = beats.tick().await,
            None => pending().await,
        }
    }

    /// All is well. Whoever asks for it must have looked.
    pub(super) fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager was not told");
    }
}
