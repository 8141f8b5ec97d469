//! What the last hour was like: one sample in ten seconds, for the charts of admins.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;
use tokio::time::interval_at;

use crate::histogram::Distribution;
use crate::http::node_view::LevelsView;
use crate::http::node_view::SampleView;
use crate::http::node_view::SeriesView;
use crate::relay::Counters;
use crate::signal;
use crate::signal::Route;
use crate::store;
use crate::time::Clock;
use crate::time::UnixMillis;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);
/// Samples that are kept: an hour.
const SAMPLES_MAX: usize = 360;
/// Questions that wait. Full: whoever asks waits.
const ASKS_MAX: usize = 16;
/// The part of all values that lies within what is told of a latency.
const QUANTILE: f64 = 0.99;

/// Where the numbers come from.
pub(super) struct Sources {
    pub(super) relay: Vec<Arc<Counters>>,
    pub(super) signal: Arc<signal::Stats>,
    pub(super) store: Arc<store::Stats>,
}

/// Asks what was measured. Clones ask the same.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    asks: mpsc::Sender<Ask>,
}

#[derive(Debug)]
struct Ask {
    after: UnixMillis,
    told: oneshot::Sender<SeriesView>,
}

/// What is counted at one moment.
#[derive(Clone, Debug, Default)]
struct Reading {
    at: UnixMillis,
    packets: u64,
    bytes: u64,
    dropped: u64,
    matched: Distribution,
    committed: Distribution,
    round_trips: Distribution,
    levels: LevelsView,
}

/// The samples of the last hour.
#[derive(Debug, Default)]
struct Hour {
    samples: VecDeque<SampleView>,
    last: Option<Reading>,
}

/// Makes the task that measures; it ends when nobody can ask any more.
pub(super) fn start(sources: Sources, clock: Clock) -> (Handle, impl Future<Output = ()> + Send + 'static) {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    (Handle { asks }, run(sources, clock, asked))
}

impl Handle {
    /// Tells the samples after that moment; `None`: the node stops.
    pub(super) async fn after(&self, after: u64) -> Option<SeriesView> {
        let (told, answer) = oneshot::channel();
        self.asks.send(Ask { after: UnixMillis(after), told }).await.ok()?;
        answer.await.ok()
    }
}

async fn run(sources: Sources, clock: Clock, mut asked: mpsc::Receiver<Ask>) {
    let mut hour = Hour::default();
    // Whoever asks first is told something, too.
    hour.add(sources.read(clock.now().unix));
    let mut ticks = interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => hour.add(sources.read(clock.now().unix)),
            ask = asked.recv() => {
                let Some(Ask { after, told }) = ask else { return };
                // Whoever asked may have gone.
                let _ = told.send(hour.after(after));
            }
        }
    }
}

impl Sources {
    fn read(&self, at: UnixMillis) -> Reading {
        let mut reading = Reading {
            at,
            matched: self.signal.match_latency.read(),
            committed: self.store.commits(),
            levels: LevelsView {
                // A gauge of one shard may wrap below zero between two reads; the sum comes out right.
                allocations: self
                    .relay
                    .iter()
                    .flat_map(|shard| shard.allocations())
                    .fold(0, |sum, (_, _, count)| u64::wrapping_add(sum, count)),
                sessions: self.signal.sessions_active.value(),
                waiting: self.signal.queue_length.value(),
                users_online: self.signal.users_online.value(),
                connections: self.signal.connections_active.value(),
            },
            ..Reading::default()
        };
        for shard in &self.relay {
            for (_, packets, bytes) in shard.traffic() {
                reading.packets = reading.packets.wrapping_add(packets);
                reading.bytes = reading.bytes.wrapping_add(bytes);
            }
            reading.dropped += shard.dropped().map(|(_, count)| count).sum::<u64>();
        }
        for route in Route::ALL {
            add(&mut reading.round_trips, &self.signal.calls(route).round_trip_secs.read());
        }
        reading
    }
}

/// Adds what was counted with the same bounds.
fn add(sum: &mut Distribution, more: &Distribution) {
    if sum.buckets.is_empty() {
        *sum = more.clone();
        return;
    }
    for ((_, count), (_, more)) in sum.buckets.iter_mut().zip(&more.buckets) {
        *count += more;
    }
    sum.above += more.above;
}

impl Hour {
    fn add(&mut self, reading: Reading) {
        let last = self.last.take().unwrap_or_else(|| reading.clone());
        let millis = u64::try_from(reading.at.saturating_since(last.at).as_millis()).unwrap_or(u64::MAX);
        let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000).checked_div(millis);
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(SampleView {
            at: reading.at,
            relay_bits_per_s: rate(reading.bytes.saturating_mul(8), last.bytes.saturating_mul(8)).unwrap_or_default(),
            relay_packets_per_s: rate(reading.packets, last.packets).unwrap_or_default(),
            relay_dropped_per_s: rate(reading.dropped, last.dropped).unwrap_or_default(),
            levels: reading.levels,
            match_p99_ms: quantile_ms(&last.matched, &reading.matched),
            round_trip_p99_ms: quantile_ms(&last.round_trips, &reading.round_trips),
            commit_p99_ms: quantile_ms(&last.committed, &reading.committed),
        });
        self.last = Some(reading);
    }

    fn after(&self, after: UnixMillis) -> SeriesView {
        let samples = self.samples.iter().filter(|sample| sample.at > after).cloned().collect();
        SeriesView { interval_ms: INTERVAL.as_millis() as u64, samples }
    }
}

/// Within how many milliseconds the 99th percentile of what was counted between two readings lies.
fn quantile_ms(before: &Distribution, after: &Distribution) -> Option<f64> {
    let earlier = before.buckets.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
    let counts: Vec<(f64, u64)> = after
        .buckets
        .iter()
        .zip(earlier)
        .map(|((bound, count), earlier)| (*bound, count.saturating_sub(earlier)))
        .collect();
    let above = after.above.saturating_sub(before.above);
    let all = counts.iter().map(|(_, count)| count).sum::<u64>() + above;
    if all == 0 {
        return None;
    }
    let wanted = (all as f64 * QUANTILE).ceil() as u64;
    let mut within = 0;
    let found = counts.iter().find(|(_, count)| {
        within += count;
        within >= wanted
    });
    // Above the last bound nothing more is known than that.
    found.or(counts.last()).map(|(bound, _)| (bound * 1_000_000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn distribution(counts: [u64; 2], above: u64) -> Distribution {
        Distribution { sum: 0.0, buckets: vec![(0.01, counts[0]), (0.5, counts[1])], above }
    }

    #[test]
    fn rates_are_what_was_counted_since_the_sample_before() {
        let mut hour = Hour::default();
        let first = Reading { at: UnixMillis(1000), packets: 5, bytes: 500, ..Reading::default() };
        hour.add(first.clone());
        hour.add(Reading { at: UnixMillis(11_000), packets: 105, bytes: 125_500, dropped: 10, ..first });
        let told = json!(hour.after(UnixMillis(0)));
        let [first, second] = told["samples"].as_array().expect("a list").as_slice() else { panic!("{told}") };
        assert_eq!(first["relay_bits_per_s"], 0, "what came before the start is not of this hour");
        assert_eq!((&second["relay_bits_per_s"], &second["relay_packets_per_s"]), (&json!(100_000), &json!(10)));
        assert_eq!((&second["relay_dropped_per_s"], &second["sessions"]), (&json!(1), &json!(0)));
        assert_eq!(hour.after(UnixMillis(1000)).samples.len(), 1);
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut hour = Hour::default();
        for n in 0..=SAMPLES_MAX as u64 {
            hour.add(Reading { at: UnixMillis(n), ..Reading::default() });
        }
        assert_eq!(hour.samples.len(), SAMPLES_MAX);
        assert_eq!(hour.samples.front().map(|sample| sample.at), Some(UnixMillis(1)));
    }

    #[test]
    fn a_latency_is_the_bound_of_the_bucket_that_the_99th_percentile_lies_in() {
        let none = Distribution::default();
        assert_eq!(quantile_ms(&none, &distribution([99, 1], 0)), Some(10.0));
        assert_eq!(quantile_ms(&none, &distribution([98, 2], 0)), Some(500.0));
        assert_eq!(quantile_ms(&none, &distribution([0, 0], 3)), Some(500.0), "more is not known");
        assert_eq!(quantile_ms(&none, &distribution([0, 0], 0)), None);
        let before = distribution([500, 0], 0);
        assert_eq!(quantile_ms(&before, &distribution([500, 1], 0)), Some(500.0), "only what is new counts");
        assert_eq!(quantile_ms(&before, &before), None);
    }
}
