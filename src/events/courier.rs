//! Takes events to one sink, in their order, and remembers how far it has come.
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::events::sink::Sink;
use crate::events::stats::SinkStats;
use crate::store::Event;
use crate::store::EventNumber;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::runner::Handle;
use crate::store::runner::Job;

/// Between two looks for events while there are none.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Events that are read at once.
const BATCH_MAX: usize = 100;
/// After the first failure, and after the most that follow one another; each pause in between is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Tells a sink all that happens from its first start on, until the store has stopped, or until `stop`: then what is under way comes
/// to its end first, so that nothing is told twice.
pub async fn run(store: Handle, sink: Sink, stats: Arc<SinkStats>, stop: CancellationToken) {
    stats.set_used(true);
    tell(&store, sink, &stats, &stop).await;
    stats.set_used(false);
}

async fn tell(store: &Handle, mut sink: Sink, stats: &SinkStats, stop: &CancellationToken) {
    let rest = |pause: Duration| stop.run_until_cancelled(sleep(pause));
    let name = sink.as_str();
    let mut trouble = Trouble::default();
    let mut told = loop {
        match first(store, name).await {
            Ok(told) => break told,
            Err(StoreError::Stopped) => return,
            Err(_) => {
                if rest(trouble.pause()).await.is_none() {
                    return;
                }
            }
        }
    };
    while !stop.is_cancelled() {
        let read = store.read(move |store| Ok((store.events(told, BATCH_MAX)?, store.last_event()?))).await;
        let (events, last) = match read {
            Ok(read) => read,
            Err(StoreError::Stopped) => return,
            Err(_) => {
                // Counted and logged by the thread it befell.
                rest(trouble.pause()).await;
                continue;
            }
        };
        if events.is_empty() {
            stats.set_waiting(0);
            rest(LOOK_INTERVAL).await;
            continue;
        }
        let batch: Vec<&Event> = events.iter().map(|(_, event)| event).collect();
        let delivery = sink.deliver(&batch).await;
        if let Some((number, _)) = delivery.taken.checked_sub(1).and_then(|at| events.get(at)) {
            told = *number;
            stats.count_told(delivery.taken as u64);
            // If it cannot be stored, a restart tells these again, under the same ids.
            if store.write("event mark", move |store| store.put_told(name, told)).await == Err(StoreError::Stopped) {
                return;
            }
        }
        stats.set_waiting(last.0.saturating_sub(told.0));
        match delivery.trouble {
            None => trouble.is_over(name),
            Some(why) => {
                stats.count_failure();
                if delivery.taken > 0 {
                    trouble.eases();
                }
                rest(trouble.goes_on(name, &why)).await;
            }
        }
    }
}

/// Has a sink that is new told of what happens from this write on.
pub fn mark(sink: &'static str) -> Job {
    let note = move |store: &mut dyn Store| match store.told(sink)? {
        Some(_) => Ok(()),
        None => {
            let last = store.last_event()?;
            store.put_told(sink, last)
        }
    };
    // If it is lost, the courier does it when it comes to it.
    Job::write("event mark", note, |_| {})
}

/// How far the sink has been told; a new one is told what happens from now on.
async fn first(store: &Handle, name: &'static str) -> Result<EventNumber, StoreError> {
    let known = store.read(move |store| Ok((store.told(name)?, store.last_event()?))).await?;
    match known {
        (Some(told), _) => Ok(told),
        (None, last) => {
            store.write("event mark", move |store| store.put_told(name, last)).await?;
            Ok(last)
        }
    }
}

/// Failures that follow one another.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
}

impl Trouble {
    fn pause(&mut self) -> Duration {
        let [shortest, longest] = PAUSES;
        let pause = shortest.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        pause
    }

    fn goes_on(&mut self, sink: &str, why: &str) -> Duration {
        if self.failures == 0 {
            warn!(sink, why, "events wait: the sink does not take them");
        }
        self.pause()
    }

    /// Some were taken: the sink is not out of reach, and pauses do not grow further.
    fn eases(&mut self) {
        self.failures = self.failures.min(1);
    }

    fn is_over(&mut self, sink: &str) {
        if self.failures > 0 {
            info!(sink, attempts = self.failures, "the sink takes events again");
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::store::Retention;
    use crate::store::runner;
    use crate::store::runner::Opened;
    use crate::time::UnixMillis;

    #[test]
    fn pauses_grow_to_a_minute_and_begin_anew_after_a_success() {
        let mut trouble = Trouble::default();
        let pauses: Vec<u64> = (0..8).map(|_| trouble.goes_on("webhook", "down").as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        trouble.is_over("webhook");
        assert_eq!(trouble.pause(), Duration::from_secs(1));
    }

    /// Time passes only while everybody waits for it.
    #[tokio::test(start_paused = true)]
    async fn five_minutes_out_of_reach_and_a_kill_lose_nothing_and_double_nothing() {
        const OUTAGE: Duration = Duration::from_secs(300);
        const LOOKS_MAX: u32 = 200_000;
        let (store, threads) = runner::start(Opened::in_memory(Retention::default())).expect("threads");
        store.write("mark", |store| store.put_told("test", EventNumber(0))).await.expect("stored");
        let began = Instant::now();
        let (taken, attempts) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let start = || {
            let (taken, attempts) = (Arc::clone(&taken), Arc::clone(&attempts));
            let mut budget = 0;
            let sink = Sink::Test(Box::new(move |events: &[&Event]| {
                if began.elapsed() < OUTAGE {
                    *attempts.lock().expect("lock") += 1;
                    return 0;
                }
                // Still shaky at first: a few of each batch.
                budget += 7;
                let some = events.len().min(budget);
                taken.lock().expect("lock").extend(events[..some].iter().map(|event| event.subject.to_string()));
                some
            }));
            tokio::spawn(run(store.clone(), sink, Arc::default(), CancellationToken::new()))
        };
        let mut courier = start();
        for number in 0..600 {
            let event = Event::new("session.started", &number.to_string(), &json!({}), UnixMillis(number));
            store.write("event", move |store| store.append_event(&event)).await.expect("stored");
            sleep(Duration::from_millis(500)).await;
            if number == 300 {
                courier.abort();
                courier = start();
            }
        }
        assert!(began.elapsed() >= OUTAGE);
        let expected: Vec<String> = (0..600).map(|number| number.to_string()).collect();
        // The store works on a thread of its own, for which time does not stand still: looks are counted, not seconds.
        let mut looks = 0;
        while taken.lock().expect("lock").len() < expected.len() && looks < LOOKS_MAX {
            looks += 1;
            store.read(|_| Ok(())).await.expect("answered");
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(*taken.lock().expect("lock"), expected, "each once and in order");
        assert!(*attempts.lock().expect("lock") < 20, "who is down is not stormed");
        courier.abort();
        drop(store);
        threads.stop(Duration::from_secs(5)).await;
    }
}
