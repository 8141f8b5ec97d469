//! Passwords are worked out a few at a time, on threads where nobody waits in line.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Passwords that may wait while others are worked out. Full: whoever comes then is told to try again.
const WAITING_MAX: usize = 64;
/// How long one may wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// There are too many passwords to work out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// Works passwords out. Each takes 19 MiB and a core for some hundredths of a second, so half of the cores are left to others.
#[derive(Clone, Debug)]
pub(super) struct Hasher {
    /// Those at work and those that wait.
    places: Arc<Semaphore>,
    /// Those at work.
    workers: Arc<Semaphore>,
}

impl Hasher {
    /// Works out as many passwords at once as half of the cores, one at least.
    pub(super) fn new(cores: usize) -> Self {
        let workers = (cores / 2).max(1);
        Self { places: Arc::new(Semaphore::new(workers + WAITING_MAX)), workers: Arc::new(Semaphore::new(workers)) }
    }

    /// Does the work once it is its turn.
    ///
    /// # Errors
    ///
    /// [`Busy`] if too many wait already, or it has waited too long.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.workers).acquire_owned()).await;
        let turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let worked = spawn_blocking(move || {
            // Held by the work, not by whoever asked: a client that goes away frees nothing that is still in use.
            let _held = (place, turn);
            work()
        });
        worked.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_few_work_some_wait_and_the_rest_is_refused_at_once() {
        let hasher = Hasher::new(2);
        let (release, gate) = mpsc::channel::<()>();
        let mut works = vec![tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(move || gate.recv().is_ok()).await }
        })];
        works.extend((0..WAITING_MAX).map(|_| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.run(|| true).await })
        }));
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(|| true).await, Err(Busy));
        release.send(()).expect("one waits for it");
        for work in works {
            assert_eq!(work.await.expect("ends"), Ok(true));
        }
        assert_eq!(hasher.run(|| true).await, Ok(true));
    }

    #[tokio::test]
    async fn who_goes_away_frees_no_place_that_is_in_use() {
        let hasher = Hasher::new(1);
        let (release, gate) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let work = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                hasher
                    .run(move || {
                        began.send(()).expect("awaited");
                        gate.recv().is_ok()
                    })
                    .await
            }
        });
        begun.await.expect("it works");
        work.abort();
        assert!(work.await.is_err());
        assert_eq!(hasher.workers.available_permits(), 0);
        release.send(()).expect("it still works");
        assert_eq!(hasher.run(|| true).await, Ok(true));
    }
}
