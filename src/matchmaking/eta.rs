//! How long a wait will take: averages of the waits that ended with a match.
use std::time::Duration;

use crate::matchmaking::index::LEVEL_MAX;

/// The weight of the newest wait.
const WEIGHT: f32 = 0.2;

/// For each level the average time from reaching it to the match.
#[derive(Debug, Default)]
pub(super) struct WaitTimes {
    seconds_by_level: [Option<f32>; LEVEL_MAX as usize + 1],
}

impl WaitTimes {
    /// Counts in a match that came `rest` after its ticket had reached `level`.
    pub(super) fn note(&mut self, level: u8, rest: Duration) {
        let Some(average) = self.seconds_by_level.get_mut(usize::from(level)) else { return };
        let seconds = rest.as_secs_f32();
        *average = Some(average.map_or(seconds, |old| old + WEIGHT * (seconds - old)));
    }

    /// The expected rest of a wait that reached `level` some time ago, in coarse steps.
    ///
    /// `None` when no such wait has ended yet, and when this one already takes longer than the average.
    pub(super) fn eta(&self, level: u8, since_level: Duration) -> Option<Duration> {
        let average = Duration::from_secs_f32((*self.seconds_by_level.get(usize::from(level))?)?.max(0.0));
        let rest = average.checked_sub(since_level)?;
        // Coarse, so that a waiting client is told a new value now and then and not every time.
        let step = if rest <= Duration::from_secs(30) { 5 } else { 15 };
        Some(Duration::from_secs(rest.as_secs().div_ceil(step).max(1) * step))
    }

    /// Whether any wait has ended with a match.
    pub(super) fn is_known(&self) -> bool {
        self.seconds_by_level.iter().any(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expected_wait_shrinks_and_is_unknown_once_overdue() {
        let mut times = WaitTimes::default();
        assert_eq!(times.eta(0, Duration::ZERO), None);
        times.note(0, Duration::from_secs(20));
        assert_eq!(times.eta(0, Duration::ZERO), Some(Duration::from_secs(20)));
        assert_eq!(times.eta(0, Duration::from_secs(13)), Some(Duration::from_secs(10)));
        assert_eq!(times.eta(0, Duration::from_secs(21)), None);
        assert_eq!(times.eta(1, Duration::ZERO), None);
    }

    #[test]
    fn newer_waits_count_more_than_old_ones() {
        let mut times = WaitTimes::default();
        times.note(2, Duration::from_secs(100));
        (0..30).for_each(|_| times.note(2, Duration::from_secs(10)));
        assert_eq!(times.eta(2, Duration::ZERO), Some(Duration::from_secs(10)));
    }
}
