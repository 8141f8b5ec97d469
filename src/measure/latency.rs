//! How long things took, as reports tell it.
use std::fmt;

use serde::Serialize;

use crate::measure::Histogram;

/// How long packets take, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        let micros = |nanos: u64| rounded(nanos as f64 / 1000.0, 1);
        Self {
            p50: micros(histogram.quantile(0.50)),
            p95: micros(histogram.quantile(0.95)),
            p99: micros(histogram.quantile(0.99)),
            max: micros(histogram.max()),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p95, p99, max } = self;
        write!(out, "p50 {p50} us, p95 {p95}, p99 {p99}, max {max}")
    }
}

/// Rounds to so many digits behind the point.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}
