//! The store as the configuration wants it.
use anyhow::Context;

use crate::config::Config;
use crate::store::Retention;
use crate::store::runner;
use crate::store::runner::Handle;
use crate::store::runner::Opened;
use crate::store::runner::Threads;

/// Opens the store and starts its threads.
///
/// # Errors
///
/// The operating system gives no threads.
pub(super) fn start(config: &Config) -> anyhow::Result<(Handle, Threads)> {
    runner::start(Opened::in_memory(retention(config))).context("start the store")
}

/// How long what is kept.
pub(super) fn retention(config: &Config) -> Retention {
    Retention { meetings: config.matchmaking.recent_partner_pause, ..Retention::default() }
}
