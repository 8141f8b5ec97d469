//! Durations, counted in buckets whose width grows with their value: at most 1.6 % off, always the same memory.

/// Each power of two is cut into this many buckets, as a power of two.
const CUT_BITS: u32 = 6;
const CUTS: usize = 1 << CUT_BITS;

/// Buckets for every `u64`.
const BUCKETS: usize = CUTS * (u64::BITS - CUT_BITS + 1) as usize;

/// Counted durations in nanoseconds.
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// Returns what this share (0 to 1) of the durations does not exceed; 0 when there are none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_end(at).min(self.max);
            }
        }
        self.max
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

fn bucket(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(CUT_BITS + 1);
    let rest = usize::try_from(nanos >> shift).unwrap_or(usize::MAX);
    rest.saturating_add(shift as usize * CUTS).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let shift = (bucket / CUTS).saturating_sub(1);
    let rest = (bucket - shift * CUTS) as u64;
    (((u128::from(rest) + 1) << shift) - 1).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_within_two_percent_of_what_is_in_it() {
        for nanos in (0..63).flat_map(|bits| [1 << bits, (1 << bits) + (1 << bits >> 1), (2_u64 << bits) - 1]) {
            let end = upper_end(bucket(nanos));
            assert!(end >= nanos && (end - nanos) as f64 <= 0.016 * nanos as f64, "{nanos} in a bucket to {end}");
        }
        assert_eq!(upper_end(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn buckets_follow_each_other_without_gap() {
        for at in 1..BUCKETS - 1 {
            assert_eq!(bucket(upper_end(at)), at);
            assert_eq!(bucket(upper_end(at) + 1), at + 1);
        }
    }

    #[test]
    fn quantiles_are_read_off_the_counts() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=1000).for_each(|micros| histogram.record(micros * 1000));
        for (share, micros) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let told = histogram.quantile(share) as f64 / 1000.0;
            assert!((told - micros).abs() <= micros * 0.016, "{share}: {told}");
        }
        assert_eq!(histogram.max(), 1_000_000);
    }
}
