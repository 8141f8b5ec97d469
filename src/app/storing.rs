//! The store as the configuration wants it.
use std::time::Duration;

use anyhow::Context;

use crate::config::Config;
use crate::store;
use crate::store::Retention;
use crate::store::runner::Opened;

/// Where nothing that is written in rooms is kept, the rooms themselves are.
const UNUSED_ROOMS_MIN: Duration = Duration::from_secs(30 * 86_400);

/// Opens the store. A database is read once as a whole, some seconds for each gigabyte.
///
/// # Errors
///
/// The database cannot be used; what to do about it is said.
pub(super) fn open(config: &Config) -> anyhow::Result<Opened> {
    let retention = retention(config);
    match config.database() {
        Some(path) => store::open(&path, retention).context("store.path"),
        None => Ok(Opened::in_memory(retention)),
    }
}

/// How long what is kept.
pub(super) fn retention(config: &Config) -> Retention {
    Retention {
        session_chat: config.retention.session_chat,
        room_chat: config.retention.rooms,
        unused_rooms: config.retention.rooms.max(UNUSED_ROOMS_MIN),
        logs: config.retention.logs,
        audit: config.retention.audit,
        reports: config.retention.reports,
        events: config.retention.events,
        meetings: config.matchmaking.recent_partner_pause,
    }
}
