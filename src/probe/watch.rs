//! The relay tried by its own process, again and again.
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::info;
use tracing::warn;

use crate::auth::turn::Minter;
use crate::histogram::Distribution;
use crate::histogram::Histogram;
use crate::probe::client::Trouble;
use crate::probe::echo;
use crate::probe::echo::Echo;
use crate::probe::echo::Stumble;
use crate::probe::echo::Target;
use crate::stun::ErrorCode;
use crate::time::Clock;

/// Attempts that fail one after the other before the relay counts as broken: one may meet a moment of overload.
const FAILURES_MAX: u32 = 3;
/// What a credential is good for.
const TTL: Duration = Duration::from_secs(60);
/// Upper bounds of round trips, seconds.
const BOUNDS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// What became of an attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The echo came back.
    Echoed,
    /// A quota is used up, or peers are refused: as configured.
    Refused,
    /// Anything else.
    Failed,
}

impl Outcome {
    /// Everything that can become of one.
    pub const ALL: [Outcome; 3] = [Outcome::Echoed, Outcome::Refused, Outcome::Failed];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Echoed => "echoed",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }

    fn of(attempt: &Result<Echo, Stumble>) -> Self {
        match attempt {
            Ok(_) => Outcome::Echoed,
            Err(Stumble {
                trouble: Trouble::Refused(ErrorCode::FORBIDDEN | ErrorCode::ALLOCATION_QUOTA_REACHED),
                ..
            }) => Outcome::Refused,
            Err(_) => Outcome::Failed,
        }
    }
}

/// What is known of the relay by trying it.
#[derive(Debug)]
pub struct Health {
    counts: [AtomicU64; Outcome::ALL.len()],
    failures_in_a_row: AtomicU32,
    round_trips: Histogram,
}

impl Default for Health {
    fn default() -> Self {
        Self { counts: Default::default(), failures_in_a_row: AtomicU32::new(0), round_trips: Histogram::new(&BOUNDS) }
    }
}

impl Health {
    /// Whether the last attempts did not all fail.
    pub fn is_good(&self) -> bool {
        self.failures_in_a_row.load(Ordering::Relaxed) < FAILURES_MAX
    }

    /// How many attempts this became of.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// How long echoes took, seconds.
    pub fn round_trips(&self) -> Distribution {
        self.round_trips.read()
    }

    /// Takes the relay for good until attempts say otherwise.
    fn forget(&self) {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Notes an attempt; true: the relay is judged otherwise than before.
    fn note(&self, attempt: &Result<Echo, Stumble>) -> bool {
        let was_good = self.is_good();
        let outcome = Outcome::of(attempt);
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if let Ok(echo) = attempt {
            self.round_trips.observe(echo.round_trip.as_secs_f64());
        }
        match outcome {
            // One task writes.
            Outcome::Failed => self.failures_in_a_row.fetch_add(1, Ordering::Relaxed),
            Outcome::Echoed | Outcome::Refused => self.failures_in_a_row.swap(0, Ordering::Relaxed),
        };
        was_good != self.is_good()
    }
}

/// Tries the relay once in every interval, the first time after one; zero: never. Another interval begins when it is told.
/// Credentials are of the session `session`. Works until nobody can tell any more.
pub async fn watch(
    target: Target,
    session: &'static str,
    minter: Minter,
    mut every: watch::Receiver<Duration>,
    clock: Clock,
    health: Arc<Health>,
) {
    loop {
        let pause = *every.borrow_and_update();
        let due = async {
            match pause {
                Duration::ZERO => pending().await,
                pause => sleep(pause).await,
            }
        };
        tokio::select! {
            () = due => {}
            changed = every.changed() => match changed {
                Ok(()) => {
                    // What was found out before says nothing while nobody looks.
                    health.forget();
                    continue;
                }
                // The server stops.
                Err(_) => return,
            },
        }
        let end = (clock.now().unix + TTL).as_secs();
        let [a, b] = ["a", "b"].map(|side| minter.mint(&format!("{session}.{side}"), end));
        let target = target.clone();
        let Ok(attempt) = spawn_blocking(move || echo::call(&target, [&a, &b])).await else { continue };
        match (health.note(&attempt), &attempt) {
            (true, Ok(_)) => info!("the relay works again"),
            (_, Err(Stumble { step, trouble })) if Outcome::of(&attempt) == Outcome::Failed => {
                warn!(step, %trouble, "the relay failed its own test");
            }
            (true | false, Ok(_) | Err(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(trouble: Trouble) -> Result<Echo, Stumble> {
        Err(Stumble { step: "allocating", trouble })
    }

    #[test]
    fn three_failures_in_a_row_are_bad_and_one_echo_mends_them() {
        let health = Health::default();
        let echo = Ok(Echo { relayed: ([192, 0, 2, 1], 50_000).into(), round_trip: Duration::from_millis(2) });
        assert!(!health.note(&failure(Trouble::Silence)));
        assert!(!health.note(&failure(Trouble::Closed)));
        assert!(!health.note(&echo));
        assert!(!health.note(&failure(Trouble::Silence)));
        assert!(!health.note(&failure(Trouble::Silence)));
        assert!(health.is_good());
        assert!(health.note(&failure(Trouble::Refused(ErrorCode::INSUFFICIENT_CAPACITY))));
        assert!(!health.is_good());
        assert!(health.note(&echo));
        assert!(health.is_good());
        assert_eq!(Outcome::ALL.map(|outcome| health.count(outcome)), [2, 0, 5]);
        assert!((health.round_trips().sum - 0.004).abs() < 1e-6);
    }

    #[test]
    fn what_is_configured_is_no_failure() {
        let health = Health::default();
        for _ in 0..FAILURES_MAX {
            health.note(&failure(Trouble::Refused(ErrorCode::FORBIDDEN)));
            health.note(&failure(Trouble::Refused(ErrorCode::ALLOCATION_QUOTA_REACHED)));
        }
        assert!(health.is_good());
        assert_eq!(health.count(Outcome::Refused), 6);
    }
}
