//! How much room the disk with the state directory has.
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::config::Server;
use crate::state;

/// The disk with the state directory: secrets, and unless they are elsewhere, database and files.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    least: AtomicU64,
}

impl Disk {
    pub(super) fn new(server: &Server) -> Self {
        Self { directory: server.state_dir.clone(), least: AtomicU64::new(server.min_free_disk_bytes) }
    }

    /// Asks for at least so many bytes from now on.
    pub(super) fn ask_for(&self, bytes: u64) {
        self.least.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that are left; `None` if the disk does not tell.
    pub(super) fn bytes_left(&self) -> Option<u64> {
        state::room_left(&self.directory).map(|room| room.bytes).ok()
    }

    /// Whether less is left than was asked for. A disk that does not tell has room.
    pub(super) fn is_short(&self) -> bool {
        let least = self.least.load(Ordering::Relaxed);
        least > 0 && self.bytes_left().is_some_and(|left| left < least)
    }
}
