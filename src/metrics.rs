//! `/metrics`: the names of everything that is counted, read from its owner at each scrape.
//!
//! Whoever counts keeps its own numbers; the composition root registers a closure that reads them. No label ever
//! carries a user, a session or an address.
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::MetricEncoder;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::histogram::Distribution;
use crate::time::UnixMillis;

/// The `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Allocations that exist now.
pub const RELAY_ALLOCATIONS: Family<3> = Family::gauge(
    "duologue_relay_allocations",
    "Allocations that exist now, by relay mode, client transport and relayed family",
    ["mode", "transport", "family"],
);
/// Relayed packets; each payload counts once.
pub const RELAY_PACKETS: Family<1> =
    Family::counter("duologue_relay_packets_total", "Relayed packets by direction", ["direction"]);
/// Relayed bytes of application data.
pub const RELAY_BYTES: Family<1> =
    Family::counter("duologue_relay_bytes_total", "Relayed bytes of application data by direction", ["direction"]);
/// Discarded packets.
pub const RELAY_DROPPED: Family<1> =
    Family::counter("duologue_relay_dropped_total", "Packets the relay discarded, by reason", ["reason"]);
/// Ports of relayed addresses that were given out again before they had rested.
pub const RELAY_PORTS_REUSED_EARLY: Family<0> = Family::counter(
    "duologue_relay_ports_reused_early_total",
    "Relay ports given out again before a minute had passed, because no other was near",
    [],
);
/// Answered STUN and TURN requests.
pub const STUN_REQUESTS: Family<2> = Family::counter(
    "duologue_stun_requests_total",
    "STUN and TURN requests by method and result",
    ["method", "result"],
);
/// Open WebSockets.
pub const ACTIVE_CONNECTIONS: Family<0> =
    Family::gauge("video_chat_active_connections", "WebSocket connections that are open now", []);
/// Calls that began.
pub const SESSIONS_CREATED: Family<0> =
    Family::counter("video_chat_sessions_created_total", "Sessions created since the start", []);
/// From joining the queue to the match, in seconds.
pub const MATCH_LATENCY: Histogram<0> =
    Histogram::new("video_chat_match_latency_seconds", "Time from joining the queue to the match", []);
/// Relayed offers.
pub const WEBRTC_OFFERS: Family<0> =
    Family::counter("video_chat_webrtc_offers_total", "SDP offers passed on since the start", []);
/// Abuse reports.
pub const REPORTS_SUBMITTED: Family<0> =
    Family::counter("video_chat_reports_submitted_total", "Abuse reports submitted since the start", []);

/// Calls that run now.
pub const ACTIVE_SESSIONS: Family<0> = Family::gauge("video_chat_active_sessions", "Sessions that run now", []);
/// Rooms with somebody in them.
pub const ROOMS_ACTIVE: Family<0> = Family::gauge("duologue_rooms_active", "Rooms with somebody in them now", []);
/// Groups of more than two that were matched.
pub const GROUPS_CREATED: Family<0> =
    Family::counter("duologue_groups_created_total", "Groups of more than two that met since the start", []);
/// Calls that ended.
pub const SESSIONS_ENDED: Family<1> =
    Family::counter("video_chat_sessions_ended_total", "Sessions ended since the start, by reason", ["reason"]);
/// Those who showed a password, by what became of them.
pub const PASSWORDS: Family<1> = Family::counter(
    "duologue_passwords_total",
    "Passwords that were right, wrong, refused after too many, or not worked on for too many at once",
    ["result"],
);
/// Rules about what people may say, by how often they were met.
pub const TEXT_RULES_MET: Family<1> = Family::counter(
    "duologue_text_rules_met_total",
    "Rules of moderation.text_rules_file that a text met, by what they ask for",
    ["action"],
);
/// Messages that the classifier was asked about, by what became of it.
pub const CLASSIFIER: Family<1> = Family::counter(
    "duologue_classifier_total",
    "Messages that moderation.classifier_url was to judge: allowed, acted on, without an answer, not asked about",
    ["outcome"],
);
/// Files of chat messages, by what became of them.
pub const FILES: Family<1> = Family::counter(
    "duologue_files_total",
    "Files that were received whole, refused while they arrived, or removed",
    ["result"],
);
/// Bytes of files, in and out.
pub const FILES_BYTES: Family<1> =
    Family::counter("duologue_files_bytes_total", "Bytes of files received and given", ["direction"]);
/// Bytes of files on the disk or in the bucket.
pub const FILES_KEPT_BYTES: Family<0> =
    Family::gauge("duologue_files_kept_bytes", "Bytes of files that are kept or promised now", []);
/// What became of the server's own attempts on its relay.
pub const PROBES: Family<1> =
    Family::counter("duologue_probe_total", "Attempts of the server on its own relay by outcome", ["outcome"]);
/// How long their echoes took.
pub const PROBE_ROUND_TRIP: Histogram<0> =
    Histogram::new("duologue_probe_round_trip_seconds", "From sending an echo through the own relay to its return", []);
/// Events that were taken by those who are told of them.
pub const EVENTS_TOLD: Family<1> =
    Family::counter("duologue_events_told_total", "Events taken by a sink of [events]", ["sink"]);
/// Attempts to tell somebody of an event that failed.
pub const EVENTS_FAILURES: Family<1> =
    Family::counter("duologue_events_failures_total", "Attempts to tell a sink of events that failed", ["sink"]);
/// Events that a sink has not taken yet.
pub const EVENTS_WAITING: Family<1> =
    Family::gauge("duologue_events_waiting", "Events that a sink of [events] has not taken yet", ["sink"]);
/// People who wait.
pub const QUEUE_LENGTH: Family<0> = Family::gauge("video_chat_queue_length", "People waiting for a partner now", []);
/// Refusals for being too fast.
pub const RATE_LIMIT_HITS: Family<0> =
    Family::counter("video_chat_rate_limit_hits_total", "Messages refused for a rate limit", []);
/// Sides of calls that found a way; with the failures it tells how often ICE succeeds.
pub const CONNECTION_SUCCESS: Family<1> = Family::counter(
    "video_chat_connection_success_total",
    "Sides of calls whose media connected, by the path it took",
    ["path"],
);
/// Sides of calls that never found a way.
pub const CONNECTION_FAILURES: Family<0> =
    Family::counter("video_chat_connection_failures_total", "Sides of calls whose media never connected", []);
/// From the match to media, in seconds.
pub const CALL_SETUP: Histogram<1> = Histogram::new(
    "duologue_call_setup_seconds",
    "Time from the match to connected media, as clients report it",
    ["path"],
);
/// What clients think of their calls, 0 to 100.
pub const CALL_QUALITY: Histogram<1> =
    Histogram::new("duologue_call_quality_score", "Quality of calls from 0 to 100, as clients report it", ["path"]);
/// Round trips of media, in seconds.
pub const CALL_ROUND_TRIP: Histogram<1> =
    Histogram::new("duologue_call_round_trip_seconds", "Round trip time of media, as clients report it", ["path"]);
/// What the store has done.
pub const STORE_OPERATIONS: Family<1> = Family::counter(
    "duologue_store_operations_total",
    "Writes stored, writes refused as senseless, and reads answered",
    ["kind"],
);
/// What the store could not do.
pub const STORE_LOST: Family<1> =
    Family::counter("duologue_store_lost_total", "Writes and reads that came to nothing, by accident", ["accident"]);
/// What the store has forgotten because its time was over.
pub const STORE_SWEPT: Family<1> =
    Family::counter("duologue_store_swept_total", "Rows whose time of retention was over, by class", ["class"]);
/// Whether the store keeps what it is told.
pub const STORE_FAILING: Family<0> =
    Family::gauge("duologue_store_failing", "1 while the last group of writes was lost, else 0", []);
/// What the disk has left.
pub const DISK_FREE: Family<0> =
    Family::gauge("duologue_disk_free_bytes", "Bytes left on the disk with the state directory", []);
/// Group commits, in seconds.
pub const STORE_COMMIT: Histogram<0> =
    Histogram::new("duologue_store_commit_seconds", "Time from the first write of a group to its commit", []);
/// What happened to sockets of the data plane.
pub const RELAY_IO: Family<1> =
    Family::counter("duologue_relay_io_total", "Events of the data plane and its sockets", ["event"]);
/// Accepted TCP connections.
pub const TCP_CONNECTIONS: Family<2> =
    Family::counter("duologue_tcp_connections_total", "TCP connections by door and outcome", ["door", "outcome"]);
/// When the certificate ends.
pub const CERTIFICATE_END: Family<0> = Family::gauge(
    "duologue_certificate_not_after_seconds",
    "End of the certificate in force since the Unix epoch, in seconds",
    [],
);
/// Orders of certificates.
pub const ACME_ORDERS: Family<1> =
    Family::counter("duologue_acme_orders_total", "Certificates ordered by ACME that were issued, or not", ["result"]);
/// Log lines that nobody will read.
pub const LOG_LINES_LOST: Family<0> =
    Family::counter("duologue_log_lines_lost_total", "Log lines lost because their reader was too slow", []);
/// Spans for the collector of `[telemetry]`.
pub const SPANS: Family<1> = Family::counter(
    "duologue_telemetry_spans_total",
    "Spans that the collector took, that found no room to wait for it, or that it refused",
    ["result"],
);
/// Attempts to tell it that failed.
pub const SPANS_FAILURES: Family<0> = Family::counter(
    "duologue_telemetry_failures_total",
    "Attempts to tell the collector of spans that failed and are repeated",
    [],
);
/// WebSockets ever opened.
pub const TOTAL_CONNECTIONS: Family<0> =
    Family::gauge("video_chat_total_connections", "WebSocket connections ever opened since the start", []);
/// Matches of two and more.
pub const MATCHES_CREATED: Family<0> =
    Family::counter("video_chat_matches_created_total", "Pairs and groups that were matched since the start", []);
/// Relayed answers.
pub const WEBRTC_ANSWERS: Family<0> =
    Family::counter("video_chat_webrtc_answers_total", "SDP answers passed on since the start", []);
/// Relayed candidates.
pub const ICE_CANDIDATES: Family<0> = Family::counter(
    "video_chat_ice_candidates_total",
    "Messages with ICE candidates passed on since the start, each with one or several",
    [],
);
/// Decisions of moderators.
pub const REPORTS_MODERATED: Family<0> = Family::counter(
    "video_chat_reports_moderated_total",
    "Abuse reports that a moderator has decided on since the start",
    [],
);
/// Blocks.
pub const USERS_BLOCKED: Family<0> =
    Family::counter("video_chat_users_blocked_total", "Blocks put up by users since the start", []);
/// Refused requests of WebSockets.
pub const ERRORS: Family<1> =
    Family::counter("video_chat_errors_total", "Requests on WebSockets that were refused, by the code", ["code"]);
/// Messages of WebSockets.
pub const WEBSOCKET_EVENTS: Family<1> = Family::counter(
    "video_chat_websocket_events_total",
    "Messages on WebSockets, from clients and to them",
    ["direction"],
);
/// Requests of HTTP, in seconds.
pub const REQUEST_DURATION: Histogram<1> = Histogram::new(
    "video_chat_request_duration_seconds",
    "Time from a request of HTTP to its answer, by the class of the status",
    ["status"],
);
/// Clients that came back after their socket was lost.
pub const RESUMES: Family<1> = Family::counter(
    "duologue_resumes_total",
    "Clients that wanted to go on after a lost socket, by what became of them",
    ["result"],
);
/// How the work is spread over the threads of the data plane.
pub const SHARD_DATAGRAMS: Family<2> = Family::counter(
    "duologue_shard_datagrams_total",
    "Datagrams by the thread of the data plane that received or sent them",
    ["shard", "direction"],
);

const PROCESS_START: Family<0> =
    Family::gauge("process_start_time_seconds", "Start of the process since the Unix epoch, in seconds", []);
const BUILD: Family<1> =
    Family::gauge("duologue_build_info", "The running version; the value is always 1", ["version"]);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// A metric's name, meaning and the names of its `N` labels.
#[derive(Copy, Clone, Debug)]
pub struct Family<const N: usize> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: [&'static str; N],
}

impl<const N: usize> Family<N> {
    /// A number that only rises.
    ///
    /// # Panics
    ///
    /// While compiling, if the name does not end in `_total`.
    pub const fn counter(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        assert!(stem_of_counter(name).is_some(), "the name of a counter ends in _total");
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// A number that rises and falls.
    pub const fn gauge(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// The name of the samples.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// The name and meaning of a distribution, and the names of its `N` labels.
#[derive(Copy, Clone, Debug)]
pub struct Histogram<const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
}

impl<const N: usize> Histogram<N> {
    /// A distribution of values, whose unit is the end of its name.
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, labels }
    }
}

/// The encoder appends `_total` by itself.
const fn stem_of_counter(name: &str) -> Option<&str> {
    const SUFFIX: &[u8] = b"_total";
    let Some((stem, suffix)) = name.as_bytes().split_at_checked(name.len().saturating_sub(SUFFIX.len())) else {
        return None;
    };
    let mut at = 0;
    while at < SUFFIX.len() {
        if suffix.len() != SUFFIX.len() || suffix[at] != SUFFIX[at] {
            return None;
        }
        at += 1;
    }
    match std::str::from_utf8(stem) {
        Ok(stem) => Some(stem),
        Err(_) => None,
    }
}

/// Takes the samples of one family during a scrape.
pub struct Samples<'a, 'e, const N: usize> {
    family: &'a Family<N>,
    encoder: &'a mut MetricEncoder<'e>,
    outcome: fmt::Result,
}

impl<const N: usize> Samples<'_, '_, N> {
    /// Adds the sample with these label values, in the order of the family's labels.
    pub fn add(&mut self, label_values: [&str; N], value: u64) {
        if self.outcome.is_ok() {
            self.outcome = self.encode(label_values, value);
        }
    }

    fn encode(&mut self, label_values: [&str; N], value: u64) -> fmt::Result {
        if N == 0 {
            return encode_value(self.encoder, self.family.kind, value);
        }
        let pairs = pairs(self.family.labels, label_values);
        encode_value(&mut self.encoder.encode_family(&pairs)?, self.family.kind, value)
    }
}

/// Each label with its value.
fn pairs<'a, const N: usize>(labels: [&'a str; N], values: [&'a str; N]) -> [(&'a str, &'a str); N] {
    std::array::from_fn(|at| (labels[at], values[at]))
}

fn encode_value(encoder: &mut MetricEncoder<'_>, kind: Kind, value: u64) -> fmt::Result {
    match kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None),
        Kind::Gauge => encoder.encode_gauge(&value),
    }
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics with the version and the start of the process.
    pub fn new(started: UnixMillis) -> Self {
        let mut metrics = Self { registry: Registry::default() };
        metrics.register(BUILD, |samples| samples.add([env!("CARGO_PKG_VERSION")], 1));
        metrics.register(PROCESS_START, move |samples| samples.add([], started.as_secs()));
        metrics
    }

    /// Reads a counter or gauge by `read` at each scrape.
    pub fn register<const N: usize>(
        &mut self,
        family: Family<N>,
        read: impl Fn(&mut Samples<'_, '_, N>) + Send + Sync + 'static,
    ) {
        self.registry.register_collector(Box::new(Reading { family, read }));
    }

    /// Reads a histogram by `read` at each scrape: one distribution per set of label values.
    pub fn register_distribution<const N: usize>(
        &mut self,
        histogram: Histogram<N>,
        read: impl Fn() -> Vec<([&'static str; N], Distribution)> + Send + Sync + 'static,
    ) {
        self.registry.register_collector(Box::new(DistributionReading { histogram, read }));
    }

    /// The text that answers a scrape, of type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a String takes everything");
        text
    }
}

struct Reading<const N: usize, F> {
    family: Family<N>,
    read: F,
}

impl<const N: usize, F> fmt::Debug for Reading<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.family.fmt(f)
    }
}

impl<const N: usize, F: Fn(&mut Samples<'_, '_, N>) + Send + Sync + 'static> Collector for Reading<N, F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (name, kind) = match self.family.kind {
            Kind::Counter => (stem_of_counter(self.family.name).unwrap_or(self.family.name), MetricType::Counter),
            Kind::Gauge => (self.family.name, MetricType::Gauge),
        };
        let mut encoder = encoder.encode_descriptor(name, self.family.help, None, kind)?;
        let mut samples = Samples { family: &self.family, encoder: &mut encoder, outcome: Ok(()) };
        (self.read)(&mut samples);
        samples.outcome
    }
}

struct DistributionReading<const N: usize, F> {
    histogram: Histogram<N>,
    read: F,
}

impl<const N: usize, F> fmt::Debug for DistributionReading<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.histogram.fmt(f)
    }
}

impl<const N: usize, F> Collector for DistributionReading<N, F>
where
    F: Fn() -> Vec<([&'static str; N], Distribution)> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Histogram { name, help, labels } = self.histogram;
        let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (label_values, reading) in (self.read)() {
            if N == 0 {
                encode_distribution(&mut encoder, reading)?;
            } else {
                encode_distribution(&mut encoder.encode_family(&pairs(labels, label_values))?, reading)?;
            }
        }
        Ok(())
    }
}

fn encode_distribution(encoder: &mut MetricEncoder<'_>, reading: Distribution) -> fmt::Result {
    let mut buckets = reading.buckets;
    buckets.push((f64::INFINITY, reading.above));
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(reading.sum, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(register: impl FnOnce(&mut Metrics)) -> String {
        let mut metrics = Metrics::new(UnixMillis(1_763_630_000_123));
        register(&mut metrics);
        metrics.render()
    }

    #[test]
    fn names_come_out_exactly_as_promised() {
        let text = rendered(|metrics| {
            metrics.register(RELAY_ALLOCATIONS, |samples| samples.add(["ports", "udp", "ipv4"], 3));
            metrics.register(RELAY_PACKETS, |samples| {
                samples.add(["to_peer"], 5);
                samples.add(["to_client"], 7);
            });
            metrics.register(RELAY_BYTES, |samples| samples.add(["to_peer"], u64::MAX));
            metrics.register(RELAY_DROPPED, |samples| samples.add(["no_permission"], 1));
            metrics.register(STUN_REQUESTS, |samples| samples.add(["allocate", "401"], 2));
            metrics.register(ACTIVE_CONNECTIONS, |samples| samples.add([], 9));
            metrics.register(SESSIONS_CREATED, |samples| samples.add([], 4));
            metrics.register(WEBRTC_OFFERS, |samples| samples.add([], 6));
            metrics.register(REPORTS_SUBMITTED, |samples| samples.add([], 0));
        });
        for line in [
            "duologue_build_info{version=\"0.1.0\"} 1",
            "process_start_time_seconds 1763630000",
            "duologue_relay_allocations{mode=\"ports\",transport=\"udp\",family=\"ipv4\"} 3",
            "duologue_relay_packets_total{direction=\"to_peer\"} 5",
            "duologue_relay_packets_total{direction=\"to_client\"} 7",
            "duologue_relay_bytes_total{direction=\"to_peer\"} 18446744073709551615",
            "duologue_relay_dropped_total{reason=\"no_permission\"} 1",
            "duologue_stun_requests_total{method=\"allocate\",result=\"401\"} 2",
            "video_chat_active_connections 9",
            "video_chat_sessions_created_total 4",
            "video_chat_webrtc_offers_total 6",
            "video_chat_reports_submitted_total 0",
            "# TYPE video_chat_sessions_created counter",
            "# TYPE duologue_relay_allocations gauge",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_distribution_shows_rising_buckets_in_seconds() {
        let text = rendered(|metrics| {
            let reading = || Distribution { sum: 2.75, buckets: vec![(0.5, 2), (1.0, 1)], above: 1 };
            metrics.register_distribution(MATCH_LATENCY, move || vec![([], reading())]);
            metrics.register_distribution(CALL_SETUP, move || vec![(["direct"], reading())]);
        });
        for line in [
            "# TYPE video_chat_match_latency_seconds histogram",
            "video_chat_match_latency_seconds_sum 2.75",
            "video_chat_match_latency_seconds_count 4",
            "video_chat_match_latency_seconds_bucket{le=\"0.5\"} 2",
            "video_chat_match_latency_seconds_bucket{le=\"1.0\"} 3",
            "video_chat_match_latency_seconds_bucket{le=\"+Inf\"} 4",
            "duologue_call_setup_seconds_count{path=\"direct\"} 4",
            "duologue_call_setup_seconds_bucket{le=\"1.0\",path=\"direct\"} 3",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn each_scrape_reads_anew() {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
        let mut metrics = Metrics::new(UnixMillis(0));
        let read = count.clone();
        metrics.register(ACTIVE_CONNECTIONS, move |samples| {
            samples.add([], read.load(std::sync::atomic::Ordering::Relaxed));
        });
        assert!(metrics.render().contains("video_chat_active_connections 1\n"));
        count.store(2, std::sync::atomic::Ordering::Relaxed);
        assert!(metrics.render().contains("video_chat_active_connections 2\n"));
    }
}
