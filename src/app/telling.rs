//! Those who are told what happens, as the configuration wants them.
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::classifier::Service;
use crate::config::Config;
use crate::config::Events;
use crate::events::Sink;
use crate::events::SinkStats;
use crate::events::courier;
use crate::store::runner;

/// Who judges messages; `None`: nobody.
///
/// # Errors
///
/// It cannot be asked; what to do about it is said.
pub(super) fn classifier(config: &Config) -> anyhow::Result<Option<Service>> {
    let moderation = &config.moderation;
    let secret = moderation.classifier_secret.as_ref().filter(|_| !moderation.classifier_url.is_empty());
    let service = secret.map(|secret| Service::new(&moderation.classifier_url, secret)).transpose();
    service.map_err(|why| anyhow!("moderation.classifier_url: {why}"))
}

/// What each kind of sink counts, under its word in metrics, whether there is one or not.
pub(super) type StatsBySink = [(&'static str, Arc<SinkStats>); 3];

/// What is counted from the start on.
pub(super) fn stats() -> StatsBySink {
    ["webhook", "file", "redis"].map(|sink| (sink, Arc::default()))
}

/// The sinks.
///
/// # Errors
///
/// One cannot be used; what to do about it is said.
pub(super) fn sinks(events: &Events) -> anyhow::Result<Vec<Sink>> {
    let mut sinks = Vec::new();
    if let Some(secret) = events.webhook_secret.as_ref().filter(|_| !events.webhook_url.is_empty()) {
        sinks.push(Sink::webhook(&events.webhook_url, secret).map_err(|why| anyhow!("events.webhook_url: {why}"))?);
    }
    if !events.file.is_empty() {
        sinks.push(Sink::file(events.file.clone().into()));
    }
    if let Some(url) = &events.redis_url {
        let sink = Sink::redis(url, events.redis_stream.clone(), events.redis_max_len);
        sinks.push(sink.map_err(|why| anyhow!("events.redis_url: {why}"))?);
    }
    Ok(sinks)
}

/// Has couriers tell `first`, and when others are wanted, those; ends when nobody can want others, or the store has stopped.
pub(super) async fn keep(
    store: runner::Handle,
    first: Vec<Sink>,
    mut wanted: watch::Receiver<Events>,
    stats: StatsBySink,
) {
    let mut sinks = first;
    loop {
        let stop = CancellationToken::new();
        let mut couriers = JoinSet::new();
        for sink in sinks {
            let Some((_, stats)) = stats.iter().find(|(name, _)| *name == sink.as_str()) else { continue };
            couriers.spawn(courier::run(store.clone(), sink, Arc::clone(stats), stop.clone()));
        }
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            // Before it is told to, only when the store has stopped.
            Some(_ended) = couriers.join_next() => return,
        }
        stop.cancel();
        while couriers.join_next().await.is_some() {}
        let events = wanted.borrow_and_update().clone();
        sinks = self::sinks(&events).unwrap_or_else(|error| {
            // Whoever wants them has tried this before.
            warn!(%error, "nobody is told of events");
            Vec::new()
        });
    }
}
