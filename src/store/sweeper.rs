//! Takes away what has been kept long enough, and finds out when a failing store works again.
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::sleep;

use crate::store::DataClass;
use crate::store::StoreError;
use crate::store::runner::Handle;
use crate::time::Clock;

/// Between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks whether a failing store works again.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// Rows of one step: some milliseconds of the writing thread.
const STEP_ROWS: usize = 200;
/// Between two steps, so that most of the thread's time is left for those who wait for an answer.
const STEP_PAUSE: Duration = Duration::from_millis(10);

/// What a probe is called among the writes; one that fails is nothing lost.
pub(super) const PROBE: &str = "probe";

/// Sweeps until the store has stopped.
pub async fn run(store: Handle, clock: Clock) {
    let mut sweeps = interval(SWEEP_INTERVAL);
    let mut probes = interval(PROBE_INTERVAL);
    for ticks in [&mut sweeps, &mut probes] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let outcome = tokio::select! {
            _ = sweeps.tick() => sweep(&store, clock).await,
            // Asked at each tick: it may have begun to fail since the last one.
            _ = probes.tick() => match store.stats().is_failing() {
                true => store.write(PROBE, |store| store.probe()).await,
                false => Ok(()),
            },
        };
        // An accident is counted and logged by the thread it befell.
        if outcome == Err(StoreError::Stopped) {
            return;
        }
    }
}

/// Takes away all there is to take, step by step.
async fn sweep(store: &Handle, clock: Clock) -> Result<(), StoreError> {
    for class in DataClass::ALL {
        loop {
            let now = clock.now().unix;
            let rows = store.write("sweep", move |store| store.sweep(class, now, STEP_ROWS)).await?;
            if rows == 0 {
                break;
            }
            store.stats().count_swept(class, rows);
            sleep(STEP_PAUSE).await;
        }
    }
    Ok(())
}
