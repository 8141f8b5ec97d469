//! Tells the collector of spans: OTLP over HTTP with protobuf, a batch at a time, from one task that owns what waits.
//!
//! The queue is bounded and nobody waits for it: while the collector is away or slow, spans that find it full are counted and
//! lost. <https://opentelemetry.io/docs/specs/otlp/#otlphttp>
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use reqwest::Client;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::config::Telemetry;
use crate::outgoing;
use crate::telemetry::spans::OneIn;
use crate::telemetry::spans::Queue;
use crate::telemetry::spans::SpanStats;
use crate::trace;

/// Spans that wait, about a kilobyte each. Full: what comes then is counted and lost.
const QUEUE_MAX: usize = 8192;
/// Spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHERING: Duration = Duration::from_secs(1);
/// How long the collector may take over one batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection to it may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// After the first failure, and the longest; each pause in between is twice the one before.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// The longest pause that the collector may ask for.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(300);
/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

/// Why spans cannot be told to anybody.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_url: {0}")]
pub struct ExportError(String);

/// The task that tells the collector, and what governs it.
#[derive(Debug)]
pub struct Exporter {
    settings: watch::Sender<Telemetry>,
    one_in: Arc<AtomicU32>,
    stats: Arc<SpanStats>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts the task and, if a collector is named, to make spans. `node` tells this process from others.
    ///
    /// # Errors
    ///
    /// A collector is named, and the machine trusts no authority to judge it by.
    pub fn start(settings: &Telemetry, node: &str) -> Result<Self, ExportError> {
        let (spans, waiting) = mpsc::channel(QUEUE_MAX);
        let (stats, one_in) = (Arc::new(SpanStats::default()), Arc::new(AtomicU32::new(settings.sample_one_in)));
        let resource = Resource::builder_empty()
            .with_service_name("duologue")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", node.to_owned()))
            .build();
        // The limits by name: the builder would take others from the environment.
        let provider = SdkTracerProvider::builder()
            .with_sampler(OneIn(Arc::clone(&one_in)))
            .with_max_attributes_per_span(32)
            .with_max_events_per_span(8)
            .with_max_links_per_span(16)
            .with_resource(resource.clone())
            .with_span_processor(Queue { spans, stats: Arc::clone(&stats) })
            .build();
        trace::install(provider.tracer("duologue"));
        let (sender, receiver) = watch::channel(settings.clone());
        let stop = CancellationToken::new();
        let teller = Teller {
            waiting,
            client: settings.is_on().then(client).transpose().map_err(ExportError)?,
            resource: ResourceAttributesWithSchema::from(&resource),
            settings: receiver,
            stats: Arc::clone(&stats),
            stop: stop.clone(),
            failures: 0,
        };
        let task = tokio::spawn(teller.run());
        trace::turn(settings.is_on());
        Ok(Self { settings: sender, one_in, stats, stop, task })
    }

    /// What became of the spans.
    pub fn stats(&self) -> &Arc<SpanStats> {
        &self.stats
    }

    /// A way to change collector and sampling.
    pub fn control(&self) -> Control {
        Control { settings: self.settings.clone(), one_in: Arc::clone(&self.one_in) }
    }

    /// Makes no more spans, tells the collector what waits, and ends, within `patience`.
    pub async fn stop(mut self, patience: Duration) {
        trace::turn(false);
        self.stop.cancel();
        if timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            warn!("the collector of spans takes too long; what it was not told of is lost");
        }
    }
}

/// Changes where spans go and how many are made. Clones change the same.
#[derive(Clone, Debug)]
pub struct Control {
    settings: watch::Sender<Telemetry>,
    one_in: Arc<AtomicU32>,
}

impl Control {
    /// Goes by these settings from now on.
    pub fn change(&self, settings: &Telemetry) {
        self.one_in.store(settings.sample_one_in, Ordering::Relaxed);
        trace::turn(settings.is_on());
        self.settings.send_if_modified(|now| {
            now != settings && {
                now.clone_from(settings);
                true
            }
        });
    }
}

/// Why a batch was not taken.
#[derive(Debug)]
enum Trouble {
    /// It may be taken later, not before that pause if the collector asks for one.
    Passing(String, Option<Duration>),
    /// It never will be.
    Lasting(String),
}

struct Teller {
    waiting: mpsc::Receiver<SpanData>,
    /// Made once there is a collector: a machine that trusts no authority has none to make.
    client: Option<Client>,
    resource: ResourceAttributesWithSchema,
    settings: watch::Receiver<Telemetry>,
    stats: Arc<SpanStats>,
    stop: CancellationToken,
    failures: u32,
}

impl Teller {
    async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.tell(batch).await;
        }
    }

    /// Waits for a batch to be full, or to have waited long enough; `None`: all is told and nothing more comes.
    async fn gather(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = Vec::new();
        let stop = self.stop.clone();
        if stop.run_until_cancelled(self.waiting.recv_many(&mut batch, BATCH_MAX)).await.is_some() {
            let end = Instant::now() + GATHERING;
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                let more = self.waiting.recv_many(&mut batch, room);
                if !matches!(stop.run_until_cancelled(timeout_at(end, more)).await, Some(Ok(1..))) {
                    break;
                }
            }
        }
        while batch.len() < BATCH_MAX
            && let Ok(span) = self.waiting.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Tells of a batch until it is taken or refused; once the server stops, it is tried once more.
    async fn tell(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) };
        let body = bytes::Bytes::from(request.encode_to_vec());
        loop {
            let settings = self.settings.borrow_and_update().clone();
            if !settings.is_on() {
                return self.stats.count_dropped(count);
            }
            let is_last = self.stop.is_cancelled();
            match self.post(&settings, body.clone()).await {
                Ok(rejected) => {
                    self.stats.count_refused(rejected.min(count));
                    self.stats.count_exported(count.saturating_sub(rejected));
                    if self.failures > 0 {
                        info!(attempts = self.failures, "the collector takes spans again");
                        self.failures = 0;
                    }
                    return;
                }
                Err(Trouble::Lasting(why)) => {
                    self.stats.count_refused(count);
                    warn!(why, spans = count, "the collector refuses spans");
                    return;
                }
                Err(Trouble::Passing(why, asked)) => {
                    self.stats.count_failure();
                    if is_last {
                        return self.stats.count_dropped(count);
                    }
                    if self.failures == 0 {
                        warn!(why, "spans wait: the collector does not take them");
                    }
                    let pause = asked.unwrap_or_else(|| pause_after(self.failures)).min(ASKED_PAUSE_MAX);
                    self.failures = self.failures.saturating_add(1);
                    // An error: nobody can change the settings any more, and then the server stops.
                    tokio::select! {
                        () = sleep(pause) => {}
                        _ = self.settings.changed() => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
    }

    /// Returns how many spans of the batch the collector would not take.
    async fn post(&mut self, settings: &Telemetry, body: bytes::Bytes) -> Result<u64, Trouble> {
        let mut headers = HeaderMap::new();
        for (name, value) in settings.headers() {
            // The configuration was checked for both.
            let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                continue;
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let client = match &self.client {
            Some(client) => client,
            None => {
                let made = client().map_err(|why| Trouble::Passing(why, None))?;
                self.client.insert(made)
            }
        };
        let sent = client.post(&settings.otlp_url).headers(headers).body(body).send().await;
        let response = sent.map_err(|error| Trouble::Passing(outgoing::explained(error), None))?;
        let status = response.status();
        if status.is_success() {
            return Ok(rejected(response).await);
        }
        let why = format!("answered {status}");
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Trouble::Passing(why, asked_pause(&response))),
            _ => Err(Trouble::Lasting(why)),
        }
    }
}

fn client() -> Result<Client, String> {
    outgoing::client(PATIENCE, CONNECT_PATIENCE)
}

/// How many spans the answer says were not taken. Whatever else it is, it said that the batch was.
async fn rejected(mut response: Response) -> u64 {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if answer.len() + chunk.len() > ANSWER_MAX {
            return 0;
        }
        answer.extend_from_slice(&chunk);
    }
    let told = ExportTraceServiceResponse::decode(answer.as_slice()).ok().and_then(|answer| answer.partial_success);
    told.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}

fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn pause_after(failures: u32) -> Duration {
    let [shortest, longest] = PAUSES;
    shortest.saturating_mul(1 << failures.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let pauses: Vec<u64> = (0..7).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }
}
