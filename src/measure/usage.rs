//! What a process used while it was measured.
use serde::Serialize;

use crate::measure::latency::rounded;
use crate::measure::process::Reading;

/// The server's process while it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Usage {
    /// Time on a core for each packet, request or cycle.
    pub(crate) cpu_us_each: f64,
    pub(crate) cpu_percent: f64,
    pub(crate) switches_each: f64,
    pub(crate) rss_before_kib: u64,
    pub(crate) rss_after_kib: u64,
}

impl Usage {
    /// What two readings say about `count` packets, requests or cycles.
    pub(crate) fn between(before: &Reading, after: &Reading, seconds: f64, count: u64) -> Self {
        let nanos = after.cpu_nanos.saturating_sub(before.cpu_nanos) as f64;
        let count = count.max(1) as f64;
        Self {
            cpu_us_each: rounded(nanos / 1000.0 / count, 3),
            cpu_percent: rounded(nanos / 1e7 / seconds, 1),
            switches_each: rounded(after.switches.saturating_sub(before.switches) as f64 / count, 4),
            rss_before_kib: before.rss_kib,
            rss_after_kib: after.rss_kib,
        }
    }
}
