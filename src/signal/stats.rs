//! What signaling counts. Written by the hub, read by whoever shows metrics.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::signal::protocol::CloseCode;
use crate::signal::session::EndReason;

/// Upper bounds of the buckets of [`Histogram`], in seconds; one more bucket has no bound.
pub const LATENCY_BOUNDS_SECS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 300.0];

/// Counters and gauges; each is read on its own, so a snapshot of several may be a moment apart.
#[derive(Debug, Default)]
pub struct Stats {
    /// Sockets open now, before and after `hello`.
    pub connections_active: Gauge,
    /// Sockets ever opened.
    pub connections_total: Counter,
    /// Users with an accepted `hello` now.
    pub users_online: Gauge,
    /// Guests ever made.
    pub guests_total: Counter,
    /// Sessions running now.
    pub sessions_active: Gauge,
    /// Rooms with somebody in them now.
    pub rooms_active: Gauge,
    /// Sessions ever started, one per match.
    pub sessions_created_total: Counter,
    /// Users waiting for a partner now.
    pub queue_length: Gauge,
    /// From joining the queue to the match, per user.
    pub match_latency: Histogram,
    /// Offers relayed.
    pub offers_total: Counter,
    /// Answers, rollbacks and candidate batches relayed.
    pub other_rtc_total: Counter,
    /// Chat messages relayed, repeats not counted.
    pub chat_messages_total: Counter,
    /// Requests refused as `rate_limited`.
    pub rate_limit_hits_total: Counter,
    sessions_ended: [Counter; EndReason::ALL.len()],
    closes: [Counter; CloseCode::ALL.len()],
    /// Sockets that ended without a close of ours: lost or closed by the client.
    pub connections_lost_total: Counter,
}

impl Stats {
    /// Sessions ended for that reason.
    pub fn sessions_ended(&self, reason: EndReason) -> &Counter {
        &self.sessions_ended[reason as usize]
    }

    /// Connections closed with that code.
    pub fn closes(&self, code: CloseCode) -> &Counter {
        &self.closes[code as usize]
    }
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// The level now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, level: usize) {
        self.0.store(level as u64, Ordering::Relaxed);
    }
}

/// Durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; LATENCY_BOUNDS_SECS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Observations per bucket, not cumulative; the last bucket has no upper bound.
    pub fn buckets(&self) -> [u64; LATENCY_BOUNDS_SECS.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed))
    }

    /// The sum of all observations in seconds.
    pub fn sum_secs(&self) -> f64 {
        self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    pub(crate) fn observe(&self, duration: Duration) {
        let secs = duration.as_secs_f64();
        let at = LATENCY_BOUNDS_SECS.iter().position(|bound| secs <= *bound).unwrap_or(LATENCY_BOUNDS_SECS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_and_reason_has_its_own_counter() {
        let stats = Stats::default();
        for (n, code) in CloseCode::ALL.into_iter().enumerate() {
            for _ in 0..=n {
                stats.closes(code).add_one();
            }
        }
        let counts: Vec<u64> = CloseCode::ALL.into_iter().map(|code| stats.closes(code).value()).collect();
        assert_eq!(counts, (1..=CloseCode::ALL.len() as u64).collect::<Vec<_>>());
        for reason in EndReason::ALL {
            stats.sessions_ended(reason).add_one();
        }
        assert!(EndReason::ALL.into_iter().all(|reason| stats.sessions_ended(reason).value() == 1));
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for millis in [10, 11, 300_000, 300_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let buckets = histogram.buckets();
        assert_eq!((buckets[0], buckets[1], buckets[11], buckets[12]), (1, 1, 1, 1));
        assert!((histogram.sum_secs() - 600.022).abs() < 1e-6);
    }
}
