//! What every store must do, and what SQLite does beyond it.
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::DataClass;
use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Store;
use crate::store::UserId;
use crate::time::UnixMillis;

mod chat;
mod room;
mod session;

/// One of each kind, empty, with its name.
fn stores(retention: Retention) -> Vec<(&'static str, Box<dyn Store>)> {
    vec![("memory", Box::new(MemoryStore::new(retention)))]
}

/// Sweeps a class until nothing is left to take, and returns how many rows went.
fn swept(store: &mut dyn Store, class: DataClass, now: UnixMillis) -> usize {
    std::iter::from_fn(|| Some(store.sweep(class, now, 2).expect("swept")).filter(|rows| *rows > 0)).sum()
}

pub(in crate::store) fn ban(id: &str, banned: Banned, until: Option<UnixMillis>) -> Ban {
    Ban {
        id: BanId(id.into()),
        banned,
        reason: "spam".into(),
        by: UserId("moderator".into()),
        at: UnixMillis(1_000),
        until,
    }
}
