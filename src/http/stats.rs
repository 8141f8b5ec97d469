//! What HTTP counts.
use std::time::Duration;

use hyper::StatusCode;

use crate::histogram::Distribution;
use crate::histogram::Histogram;

/// Upper bounds in seconds for how long a request takes until its answer begins.
const BOUNDS_SECS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The first digits of status codes, as words.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Durations of requests by the class of their status.
#[derive(Debug)]
pub struct Stats {
    by_class: [Histogram; CLASSES.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Self { by_class: [(); CLASSES.len()].map(|()| Histogram::new(&BOUNDS_SECS)) }
    }
}

impl Stats {
    /// Durations so far in seconds, by class.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, Distribution)> + '_ {
        CLASSES.into_iter().zip(&self.by_class).map(|(class, durations)| (class, durations.read()))
    }

    pub(crate) fn count(&self, status: StatusCode, duration: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(durations) = self.by_class.get(class) {
            durations.observe(duration.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_the_class_of_its_status() {
        let stats = Stats::default();
        for status in [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK, StatusCode::CREATED, StatusCode::BAD_GATEWAY] {
            stats.count(status, Duration::from_millis(4));
        }
        let counts = stats.durations().map(|(class, of_class)| {
            (class, of_class.above + of_class.buckets.iter().map(|(_, count)| count).sum::<u64>())
        });
        assert_eq!(counts.collect::<Vec<_>>(), [("1xx", 1), ("2xx", 2), ("3xx", 0), ("4xx", 0), ("5xx", 1)]);
    }
}
