//! Takes events to one sink, in their order, and remembers how far it has come.
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;
use tracing::warn;

use crate::events::sink::Sink;
use crate::events::stats::SinkStats;
use crate::store::Event;
use crate::store::EventNumber;
use crate::store::StoreError;
use crate::store::runner::Handle;

/// Between two looks for events while there are none.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Events that are read at once.
const BATCH_MAX: usize = 100;
/// After the first failure, and after the most that follow one another; each pause in between is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Tells a sink all that happens from its first start on, until the store has stopped.
pub async fn run(store: Handle, mut sink: Sink, stats: Arc<SinkStats>) {
    let name = sink.as_str();
    let mut trouble = Trouble::default();
    let mut told = loop {
        match first(&store, name).await {
            Ok(told) => break told,
            Err(StoreError::Stopped) => return,
            Err(_) => sleep(trouble.pause()).await,
        }
    };
    loop {
        let read = store.read(move |store| Ok((store.events(told, BATCH_MAX)?, store.last_event()?))).await;
        let (events, last) = match read {
            Ok(read) => read,
            Err(StoreError::Stopped) => return,
            Err(_) => {
                // Counted and logged by the thread it befell.
                sleep(trouble.pause()).await;
                continue;
            }
        };
        if events.is_empty() {
            stats.set_waiting(0);
            sleep(LOOK_INTERVAL).await;
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
                sleep(trouble.goes_on(name, &why)).await;
            }
        }
    }
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

    fn is_over(&mut self, sink: &str) {
        if self.failures > 0 {
            info!(sink, attempts = self.failures, "the sink takes events again");
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_begin_anew_after_a_success() {
        let mut trouble = Trouble::default();
        let pauses: Vec<u64> = (0..8).map(|_| trouble.goes_on("webhook", "down").as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        trouble.is_over("webhook");
        assert_eq!(trouble.pause(), Duration::from_secs(1));
    }
}
