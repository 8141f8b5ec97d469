//! Those who are told what happens, as the configuration wants them.
use std::sync::Arc;

use anyhow::anyhow;

use crate::classifier::Service;
use crate::config::Config;
use crate::events::Sink;
use crate::events::SinkStats;

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

/// The sinks, each with what its courier will count.
///
/// # Errors
///
/// One cannot be used; what to do about it is said.
pub(super) fn sinks(config: &Config) -> anyhow::Result<Vec<(Sink, Arc<SinkStats>)>> {
    let events = &config.events;
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
    Ok(sinks.into_iter().map(|sink| (sink, Arc::default())).collect())
}
