//! Accounts that were altered or are to go, wherever that was done: their logins end here.
use std::time::Duration;

use tokio::time::sleep;

use crate::signal;
use crate::signal::Stopped;
use crate::store::StoreError;
use crate::store::runner;

/// How often the store is asked. The command line writes to it beside this process.
const INTERVAL: Duration = Duration::from_secs(1);
/// Accounts asked for at once.
const PAGE: usize = 256;

/// Finds what was altered.
#[derive(Debug)]
pub struct Watch {
    store: runner::Handle,
    hub: signal::Handle,
    /// The greatest revision that has been acted upon.
    seen: u64,
}

impl Watch {
    /// Catches up with all that was altered before this process began, before anybody can come in.
    ///
    /// # Errors
    ///
    /// The accident that befell the store.
    pub async fn open(store: runner::Handle, hub: signal::Handle) -> Result<Self, StoreError> {
        let mut watch = Self { store, hub, seen: 0 };
        watch.look().await?;
        Ok(watch)
    }

    /// Looks again and again, until signaling ends.
    pub async fn run(mut self) {
        loop {
            sleep(INTERVAL).await;
            match self.look().await {
                Ok(true) => {}
                Ok(false) => return,
                // Looked for again next time.
                Err(error) => tracing::warn!(%error, "cannot find out which accounts were altered"),
            }
        }
    }

    /// Acts upon what was altered since the last look; false: there is nobody to tell.
    async fn look(&mut self) -> Result<bool, StoreError> {
        loop {
            let since = self.seen;
            let altered = self.store.read(move |store| store.accounts_altered(since, PAGE)).await?;
            let is_last = altered.len() < PAGE;
            for account in altered {
                if let Err(Stopped) = self.hub.end_logins_before(account.id.0, account.revision).await {
                    return Ok(false);
                }
                self.seen = account.revision;
            }
            if is_last {
                return self.look_for_erasures().await;
            }
        }
    }

    /// Goes on with taking people away: by the command line, or because an earlier process did not come to the end of it.
    async fn look_for_erasures(&self) -> Result<bool, StoreError> {
        for user in self.store.read(|store| store.erasures(PAGE)).await? {
            if let Err(Stopped) = self.hub.go_on_erasing(user.0).await {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
