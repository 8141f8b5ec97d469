//! How often a measured value fell between which bounds. Counted without a lock, read by whoever shows metrics.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Steps of the sum in one unit of the value.
const STEPS: f64 = 1e6;

/// Values by bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One per bound and one above them.
    buckets: Box<[AtomicU64]>,
    /// In millionths of the unit.
    sum: AtomicU64,
}

/// One reading of a [`Histogram`]; its numbers may be a moment apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// The sum of all values.
    pub sum: f64,
    /// Upper bound, rising, and how many values lie within it but above the one before.
    pub buckets: Vec<(f64, u64)>,
    /// How many lie above the last bound.
    pub above: u64,
}

impl Histogram {
    /// An empty histogram with these upper bounds, which rise.
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value, which is not negative; what is no number is left out.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
            // A cast from a float saturates.
            self.sum.fetch_add((value * STEPS) as u64, Ordering::Relaxed);
        }
    }

    /// What has been counted so far.
    pub fn read(&self) -> Distribution {
        let mut counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        Distribution {
            sum: self.sum.load(Ordering::Relaxed) as f64 / STEPS,
            buckets: self.bounds.iter().copied().zip(counts.by_ref()).collect(),
            above: self.buckets.last().map_or(0, |above| above.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[0.01, 0.5, 300.0]);
        for value in [0.0, 0.01, 0.011, 300.0, 300.001, f64::NAN] {
            histogram.observe(value);
        }
        let Distribution { sum, buckets, above } = histogram.read();
        assert_eq!((buckets, above), (vec![(0.01, 2), (0.5, 1), (300.0, 1)], 1));
        assert!((sum - 600.022).abs() < 1e-6, "{sum}");
    }
}
