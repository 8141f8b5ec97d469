//! What every store must do. What SQLite does beyond it is tested beside it.
use std::ops::Deref;
use std::ops::DerefMut;

use tempfile::TempDir;
use tempfile::tempdir;
use tempfile::tempdir_in;

use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::DataClass;
use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::UserId;
use crate::store::open;
use crate::time::UnixMillis;

mod account;
mod appeal;
pub(in crate::store) mod chat;
mod dump;
mod erasure;
mod event;
mod evidence;
mod model;
mod operation;
mod person;
mod report;
mod room;
pub(in crate::store) mod session;
mod upload;

/// A store and the directory it is in.
struct Housed {
    store: Box<dyn Store>,
    _directory: Option<TempDir>,
}

impl Deref for Housed {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl DerefMut for Housed {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.store
    }
}

/// One of each kind, empty, with its name.
fn stores(retention: Retention) -> [(&'static str, Housed); 2] {
    let memory = Housed { store: Box::new(MemoryStore::new(retention)), _directory: None };
    let directory = directory();
    let opened = open(&directory.path().join("duologue.db"), retention).expect("made");
    [("memory", memory), ("sqlite", Housed { store: opened.writer, _directory: Some(directory) })]
}

/// A directory in memory, where a test need not wait for the disk.
pub(in crate::store) fn directory() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).expect("a directory")
}

/// Sweeps a class until nothing is left to take, and returns how many rows went.
fn swept(store: &mut dyn Store, class: DataClass, now: UnixMillis) -> usize {
    std::iter::from_fn(|| Some(store.sweep(class, now, 2).expect("swept")).filter(|rows| *rows > 0)).sum()
}

pub(in crate::store) fn ban(id: &str, banned: Banned, until: Option<UnixMillis>) -> Ban {
    Ban {
        id: BanId(id.into()),
        banned,
        sanction: Sanction::Ban,
        reason: "spam".into(),
        by: UserId("moderator".into()),
        report: None,
        at: UnixMillis(1_000),
        until,
    }
}
