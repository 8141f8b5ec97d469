//! How many orders may still be made today.
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use serde::Serialize;

/// Orders within a day, whatever happens. Authorities count over hours and weeks; this stays below what they allow.
const ORDERS_MAX: usize = 10;
const DAY_SECONDS: u64 = 86_400;

/// The orders of the last day, as kept on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Budget {
    /// Seconds since the Unix epoch.
    ordered_at: Vec<u64>,
}

impl Budget {
    /// Takes one order, or tells after which time there is one again.
    pub(super) fn take(&mut self, now: SystemTime) -> Result<(), Duration> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // What lies in the future was written by a clock that was wrong.
        self.ordered_at.retain(|at| *at <= now && now - at < DAY_SECONDS);
        if self.ordered_at.len() >= ORDERS_MAX {
            let oldest = self.ordered_at.iter().min().copied().unwrap_or(now);
            return Err(Duration::from_secs((oldest + DAY_SECONDS).saturating_sub(now).max(1)));
        }
        self.ordered_at.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_eleventh_order_of_a_day_waits_for_the_next() {
        let mut budget = Budget::default();
        for second in 0..10 {
            assert_eq!(budget.take(at(1_000_000 + second)), Ok(()));
        }
        assert_eq!(budget.take(at(1_000_010)), Err(Duration::from_secs(DAY_SECONDS - 10)));
        assert_eq!(budget.take(at(1_000_000 + DAY_SECONDS)), Ok(()));
        assert_eq!(budget.take(at(1_000_000 + DAY_SECONDS)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nobody_out() {
        let mut budget = Budget { ordered_at: vec![9_000_000_000; 10] };
        assert_eq!(budget.take(at(1_000_000)), Ok(()));
    }
}
