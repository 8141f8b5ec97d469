//! Removes the bytes of files that no message shows: an hour after they were asked for, or once their message is
//! deleted.
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;

use crate::files::blobs;
use crate::files::blobs::Inventory;
use crate::files::desk::Desk;
use crate::files::desk::PUT_LIFE;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::time::UnixMillis;

/// How long a file may be shown by no message. Longer than it may take to arrive.
const UNSHOWN: Duration = Duration::from_secs(3600);
/// How long a promise holds room: the life of its address and time for what is under way.
const UNARRIVED: Duration = PUT_LIFE.saturating_add(Duration::from_secs(60));
/// Between two looks at what no message shows, each at all that is old enough. What is deleted goes at once.
const INTERVAL: Duration = Duration::from_secs(300);
/// Files of one step.
const STEP: usize = 50;
/// Between two steps, so that the store has time for those who wait.
const STEP_PAUSE: Duration = Duration::from_millis(20);
/// A round ends when it has met so many files that cannot be removed, or one after so long: the storage is away.
const STUCK_MAX: usize = 100;
const STUCK_FOR: Duration = Duration::from_secs(60);
/// Between two looks at all that lies in the directory.
const INVENTORY_INTERVAL: Duration = Duration::from_secs(86_400);
/// What the store does not know is left alone for so long after that was found out: the operator may have started with another database.
const UNKNOWN: Duration = Duration::from_secs(7 * 86_400);

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Storage(#[from] object_store::Error),
}

/// Collects until the store has stopped.
pub async fn collect(desk: Desk) {
    let mut rounds = interval(INTERVAL);
    let mut inventories = interval(INVENTORY_INTERVAL);
    for ticks in [&mut rounds, &mut inventories] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut is_stuck = false;
    loop {
        let outcome = tokio::select! {
            _ = inventories.tick() => desk.take_inventory().await,
            _ = rounds.tick() => desk.collect_unshown().await,
            () = desk.inner.released.notified() => desk.collect(UnixMillis(0), UnixMillis(0)).await,
        };
        match outcome {
            Ok(()) => is_stuck = false,
            Err(Obstacle::Store(StoreError::Stopped)) => return,
            // An accident is logged by the store's thread.
            Err(Obstacle::Store(_)) => {}
            Err(Obstacle::Storage(error)) => {
                if !std::mem::replace(&mut is_stuck, true) {
                    tracing::warn!(%error, "files that no message shows cannot be removed now; this is tried again");
                }
            }
        }
    }
}

impl Desk {
    /// Removes what is abandoned, what no message has shown for long enough, and what has not arrived in time.
    pub(super) async fn collect_unshown(&self) -> Result<(), Obstacle> {
        let now = self.inner.clock.now().unix;
        let before = |age: Duration| UnixMillis(now.0.saturating_sub(age.as_millis() as u64));
        self.collect(before(UNSHOWN), before(UNARRIVED)).await
    }

    /// Removes what is abandoned, what was asked for before `unshown` and is shown by no message, and what was asked for
    /// before `unarrived` and has not come. What cannot be removed holds up nothing else; the first such obstacle is told
    /// at the end.
    pub(super) async fn collect(&self, unshown: UnixMillis, unarrived: UnixMillis) -> Result<(), Obstacle> {
        let begun = Instant::now();
        let mut stuck = HashSet::new();
        let mut first = Ok(());
        loop {
            // Those that stay are the oldest again.
            let limit = STEP + stuck.len();
            let find = move |store: &dyn Store| Ok((store.orphans(unshown, limit)?, store.overdue(unarrived, limit)?));
            let (mut orphans, overdue) = self.inner.store.read(find).await?;
            orphans.extend(overdue);
            orphans.sort();
            orphans.dedup();
            orphans.retain(|id| !stuck.contains(id));
            if orphans.is_empty() {
                return first;
            }
            // From here on no message can show them.
            for id in self.inner.store.write("orphans", move |store| abandon(store, orphans)).await? {
                match self.remove(id.clone()).await {
                    Ok(()) => continue,
                    Err(Obstacle::Store(error)) => return Err(error.into()),
                    Err(obstacle) => first = first.and(Err(obstacle)),
                }
                stuck.insert(id);
                if stuck.len() >= STUCK_MAX || begun.elapsed() > STUCK_FOR {
                    return first;
                }
            }
            sleep(STEP_PAUSE).await;
        }
    }

    /// Removes a file that is abandoned: its bytes first, so that they are never forgotten.
    async fn remove(&self, id: UploadId) -> Result<(), Obstacle> {
        self.inner.blobs.remove(&id).await?;
        let removed = self.inner.store.write("upload", move |store| {
            let removed = store.upload(&id)?;
            store.remove_upload(&id)?;
            Ok(removed)
        });
        if let Some(removed) = removed.await? {
            self.inner.stats.count_removed(removed.bytes, removed.sha256.is_some());
        }
        Ok(())
    }

    /// Removes what lies in the directory and what nobody knows: parts of files that a kill interrupted, and files
    /// of a database that is not used any more. Those are marked first and go if they are unknown long after, too.
    pub(super) async fn take_inventory(&self) -> Result<(), Obstacle> {
        let blobs = self.inner.blobs.clone();
        let found = match tokio::task::spawn_blocking(move || blobs.found()).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the directory of files cannot be read");
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        let Inventory { files, parts, mut marks } = found;
        // One that still arrives is as young as its last piece.
        for part in parts.into_iter().filter(|part| part.age > UNSHOWN) {
            discard(&part.path).await;
        }
        for some in files.chunks(STEP) {
            let ids: Vec<UploadId> = some.iter().map(|(id, _)| id.clone()).collect();
            let look = move |store: &dyn Store| ids.iter().map(|id| Ok(store.upload(id)?.is_some())).collect();
            let known: Vec<bool> = self.inner.store.read(look).await?;
            for ((id, path), is_known) in some.iter().zip(known) {
                match (is_known, marks.remove(id)) {
                    (true, None) => {}
                    (true, Some(mark)) => discard(&mark.path).await,
                    (false, None) => mark(path).await,
                    (false, Some(mark)) if mark.age < UNKNOWN => {}
                    (false, Some(mark)) => {
                        discard(path).await;
                        discard(&mark.path).await;
                    }
                }
            }
            sleep(STEP_PAUSE).await;
        }
        // Their files are gone.
        for mark in marks.into_values() {
            discard(&mark.path).await;
        }
        Ok(())
    }
}

/// Notes when a file was first found that nobody knows.
async fn mark(path: &Path) {
    if let Err(error) = tokio::fs::write(blobs::mark_of(path), "").await {
        tracing::warn!(path = %path.display(), %error, "a file that nobody knows cannot be marked");
    }
}

async fn discard(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await {
        tracing::warn!(path = %path.display(), %error, "a useless file cannot be removed");
    }
}

/// Gives orphans up, all but those that a message has begun to show meanwhile, and returns them.
fn abandon(store: &mut dyn Store, orphans: Vec<UploadId>) -> Result<Vec<UploadId>, StoreError> {
    let mut abandoned = Vec::with_capacity(orphans.len());
    for id in orphans {
        if store.abandon_upload(&id)? {
            abandoned.push(id);
        }
    }
    Ok(abandoned)
}
