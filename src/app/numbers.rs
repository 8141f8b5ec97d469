//! Which counter of which room stands behind which metric.
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::acme;
use crate::app::disk::Disk;
use crate::app::telling::StatsBySink;
use crate::events::SinkStats;
use crate::files;
use crate::filter::Screen;
use crate::histogram::Histogram;
use crate::http;
use crate::identity;
use crate::identity::Proof;
use crate::listener;
use crate::listener::Certificates;
use crate::metrics;
use crate::metrics::Metrics;
use crate::probe;
use crate::relay::Mode;
use crate::signal::Calls;
use crate::signal::EndReason;
use crate::signal::ErrorCode;
use crate::signal::Judged;
use crate::signal::Outcome;
use crate::signal::Returning;
use crate::signal::Route;
use crate::signal::Stats;
use crate::store;
use crate::store::Accident;
use crate::store::DataClass;
use crate::telemetry;
use crate::transport::DataPlane;
use crate::transport::IoEvent;

/// Registers what the relay counts: the sums over its shards.
pub(super) fn relay(metrics: &mut Metrics, plane: &DataPlane, mode: Mode) {
    let shards = plane.counters();
    metrics.register(metrics::RELAY_ALLOCATIONS, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (transport, family, _)) in first.allocations().enumerate() {
            let live = sum(&shards, |shard| shard.allocations().nth(at).map(|(_, _, live)| live));
            samples.add([mode.label(), transport.label(), family.label()], live);
        }
    });
    let shards = plane.counters();
    metrics.register(metrics::RELAY_PACKETS, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (direction, _, _)) in first.traffic().enumerate() {
            let packets = sum(&shards, |shard| shard.traffic().nth(at).map(|(_, packets, _)| packets));
            samples.add([direction.label()], packets);
        }
    });
    let shards = plane.counters();
    metrics.register(metrics::RELAY_BYTES, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (direction, _, _)) in first.traffic().enumerate() {
            let bytes = sum(&shards, |shard| shard.traffic().nth(at).map(|(_, _, bytes)| bytes));
            samples.add([direction.label()], bytes);
        }
    });
    let shards = plane.counters();
    metrics.register(metrics::RELAY_DROPPED, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (reason, _)) in first.dropped().enumerate() {
            samples.add([reason.label()], sum(&shards, |shard| shard.dropped().nth(at).map(|(_, count)| count)));
        }
    });
    let shards = plane.counters();
    metrics.register(metrics::STUN_REQUESTS, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (kind, result, _)) in first.requests().enumerate() {
            let count = sum(&shards, |shard| shard.requests().nth(at).map(|(_, _, count)| count));
            // Pairs that never happened would be most of the page.
            if count > 0 {
                samples.add([kind.label(), result.label()], count);
            }
        }
    });
    let counted = plane.clone();
    metrics.register(metrics::RELAY_PORTS_REUSED_EARLY, move |samples| samples.add([], counted.ports_reused_early()));
    let shards = plane.io_counters();
    metrics.register(metrics::RELAY_IO, move |samples| {
        let Some(first) = shards.first() else { return };
        for (at, (event, _)) in first.iter().enumerate() {
            samples.add([event.label()], sum(&shards, |shard| shard.iter().nth(at).map(|(_, count)| count)));
        }
    });
    let shards = plane.io_counters();
    metrics.register(metrics::SHARD_DATAGRAMS, move |samples| {
        for (number, shard) in shards.iter().enumerate() {
            let number = number.to_string();
            for (wanted, direction) in [(IoEvent::DatagramReceived, "in"), (IoEvent::DatagramSent, "out")] {
                let count = shard.iter().find(|(event, _)| *event == wanted).map_or(0, |(_, count)| count);
                samples.add([number.as_str(), direction], count);
            }
        }
    });
}

/// Registers what the disk has left.
pub(super) fn disk(metrics: &mut Metrics, disk: &Arc<Disk>) {
    let disk = Arc::clone(disk);
    metrics.register(metrics::DISK_FREE, move |samples| {
        if let Some(bytes) = disk.bytes_left() {
            samples.add([], bytes);
        }
    });
}

/// Registers what signaling counts.
pub(super) fn signal(metrics: &mut Metrics, stats: &Arc<Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::ACTIVE_CONNECTIONS, move |samples| samples.add([], read.connections_active.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::SESSIONS_CREATED, move |samples| samples.add([], read.sessions_created_total.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::WEBRTC_OFFERS, move |samples| samples.add([], read.offers_total.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::REPORTS_SUBMITTED, move |samples| samples.add([], read.reports_submitted_total.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::ACTIVE_SESSIONS, move |samples| samples.add([], read.sessions_active.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::ROOMS_ACTIVE, move |samples| samples.add([], read.rooms_active.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::GROUPS_CREATED, move |samples| samples.add([], read.groups_created_total.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::QUEUE_LENGTH, move |samples| samples.add([], read.queue_length.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::RATE_LIMIT_HITS, move |samples| samples.add([], read.rate_limit_hits_total.value()));
    let read = Arc::clone(stats);
    metrics.register(metrics::SESSIONS_ENDED, move |samples| {
        for reason in EndReason::ALL {
            samples.add([reason.as_str()], read.sessions_ended(reason).value());
        }
    });
    traffic(metrics, stats);
    let read = Arc::clone(stats);
    metrics.register_distribution(metrics::MATCH_LATENCY, move || vec![([], read.match_latency.read())]);
    calls(metrics, stats);
}

/// Registers what goes over WebSockets, and what comes of it.
fn traffic(metrics: &mut Metrics, stats: &Arc<Stats>) {
    type Count = fn(&Stats) -> u64;
    let totals: [(metrics::Family<0>, Count); 6] = [
        (metrics::TOTAL_CONNECTIONS, |stats| stats.connections_total.value()),
        (metrics::MATCHES_CREATED, |stats| stats.sessions_created_total.value() + stats.groups_created_total.value()),
        (metrics::WEBRTC_ANSWERS, |stats| stats.answers_total.value()),
        (metrics::ICE_CANDIDATES, |stats| stats.candidates_total.value()),
        (metrics::REPORTS_MODERATED, |stats| stats.reports_moderated_total.value()),
        (metrics::USERS_BLOCKED, |stats| stats.blocks_total.value()),
    ];
    for (family, count) in totals {
        let read = Arc::clone(stats);
        metrics.register(family, move |samples| samples.add([], count(&read)));
    }
    let read = Arc::clone(stats);
    metrics.register(metrics::ERRORS, move |samples| {
        for code in ErrorCode::ALL {
            samples.add([code.as_str()], read.refusals(code).value());
        }
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::WEBSOCKET_EVENTS, move |samples| {
        samples.add(["in"], read.messages_in_total.value());
        samples.add(["out"], read.messages_out_total.value());
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::RESUMES, move |samples| {
        for returning in Returning::ALL {
            samples.add([returning.as_str()], read.returns(returning).value());
        }
    });
}

/// Registers how long requests of HTTP take.
pub(super) fn http(metrics: &mut Metrics, stats: &Arc<http::Stats>) {
    let read = Arc::clone(stats);
    metrics.register_distribution(metrics::REQUEST_DURATION, move || {
        read.durations().map(|(class, durations)| ([class], durations)).collect()
    });
}

/// Registers which rules about what people say are met.
pub(super) fn text_rules(metrics: &mut Metrics, screen: &Arc<Screen>) {
    let read = Arc::clone(screen);
    metrics.register(metrics::TEXT_RULES_MET, move |samples| {
        for (action, met) in read.met() {
            samples.add([action], met);
        }
    });
}

/// Registers what becomes of messages that somebody outside judges.
pub(super) fn classifier(metrics: &mut Metrics, judged: &Arc<Judged>) {
    let read = Arc::clone(judged);
    metrics.register(metrics::CLASSIFIER, move |samples| {
        for outcome in Outcome::ALL {
            samples.add([outcome.as_str()], read.count(outcome));
        }
    });
}

/// Registers what clients report of their calls.
fn calls(metrics: &mut Metrics, stats: &Arc<Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::CONNECTION_SUCCESS, move |samples| {
        for route in Route::ALL {
            samples.add([route.as_str()], read.calls(route).connected_total.value());
        }
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::CONNECTION_FAILURES, move |samples| samples.add([], read.connects_failed_total.value()));
    by_route(metrics, stats, metrics::CALL_SETUP, |calls| &calls.setup_secs);
    by_route(metrics, stats, metrics::CALL_QUALITY, |calls| &calls.score);
    by_route(metrics, stats, metrics::CALL_ROUND_TRIP, |calls| &calls.round_trip_secs);
}

fn by_route(metrics: &mut Metrics, stats: &Arc<Stats>, metric: metrics::Histogram<1>, of: fn(&Calls) -> &Histogram) {
    let read = Arc::clone(stats);
    metrics.register_distribution(metric, move || {
        Route::ALL.into_iter().map(|route| ([route.as_str()], of(read.calls(route)).read())).collect()
    });
}

/// Registers what the store counts.
pub(super) fn store(metrics: &mut Metrics, stats: &Arc<store::Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::STORE_OPERATIONS, move |samples| {
        samples.add(["write"], read.writes());
        samples.add(["refused_write"], read.refusals());
        samples.add(["read"], read.reads());
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::STORE_LOST, move |samples| {
        for accident in Accident::ALL {
            samples.add([accident.as_str()], read.lost(accident));
        }
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::STORE_SWEPT, move |samples| {
        for class in DataClass::ALL {
            samples.add([class.as_str()], read.swept(class));
        }
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::STORE_FAILING, move |samples| samples.add([], read.is_failing().into()));
    let read = Arc::clone(stats);
    metrics.register_distribution(metrics::STORE_COMMIT, move || vec![([], read.commits())]);
}

/// Registers what the files' desk counts.
pub(super) fn files(metrics: &mut Metrics, stats: &Arc<files::Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::FILES, move |samples| {
        samples.add(["received"], read.received());
        samples.add(["refused"], read.refused());
        samples.add(["removed"], read.removed());
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::FILES_BYTES, move |samples| {
        samples.add(["in"], read.bytes_received());
        samples.add(["out"], read.bytes_given());
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::FILES_KEPT_BYTES, move |samples| samples.add([], read.bytes_kept()));
}

/// Registers when the certificate ends.
pub(super) fn certificate(metrics: &mut Metrics, certificates: &Arc<Certificates>) {
    let read = Arc::clone(certificates);
    metrics.register(metrics::CERTIFICATE_END, move |samples| {
        if let Some(since_epoch) = read.not_after().and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
            samples.add([], since_epoch.as_secs());
        }
    });
}

/// Registers what becomes of orders of certificates.
pub(super) fn acme(metrics: &mut Metrics, stats: &Arc<acme::Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::ACME_ORDERS, move |samples| {
        samples.add(["issued"], read.issued());
        samples.add(["failed"], read.failed());
    });
}

/// Registers what becomes of those who show a password.
pub(super) fn passwords(metrics: &mut Metrics, stats: &Arc<identity::Stats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::PASSWORDS, move |samples| {
        for proof in Proof::ALL {
            samples.add([proof.as_str()], read.count(proof));
        }
    });
}

/// Registers what the relay's own test finds.
pub(super) fn probe(metrics: &mut Metrics, health: &Arc<probe::Health>) {
    let read = Arc::clone(health);
    metrics.register(metrics::PROBES, move |samples| {
        for outcome in probe::Outcome::ALL {
            samples.add([outcome.as_str()], read.count(outcome));
        }
    });
    let read = Arc::clone(health);
    metrics.register_distribution(metrics::PROBE_ROUND_TRIP, move || vec![([], read.round_trips())]);
}

/// Registers what the couriers count, by the names of their sinks.
pub(super) fn events(metrics: &mut Metrics, sinks: StatsBySink) {
    by_sink(metrics, sinks.clone(), metrics::EVENTS_TOLD, SinkStats::told);
    by_sink(metrics, sinks.clone(), metrics::EVENTS_FAILURES, SinkStats::failures);
    by_sink(metrics, sinks, metrics::EVENTS_WAITING, SinkStats::waiting);
}

fn by_sink(metrics: &mut Metrics, sinks: StatsBySink, metric: metrics::Family<1>, count: fn(&SinkStats) -> u64) {
    metrics.register(metric, move |samples| {
        for (sink, stats) in sinks.iter().filter(|(_, stats)| stats.is_used()) {
            samples.add([*sink], count(stats));
        }
    });
}

/// Registers what the log lost.
pub(super) fn log(metrics: &mut Metrics) {
    metrics.register(metrics::LOG_LINES_LOST, |samples| samples.add([], telemetry::lines_lost()));
}

/// Registers what became of spans.
pub(super) fn spans(metrics: &mut Metrics, stats: &Arc<telemetry::SpanStats>) {
    let read = Arc::clone(stats);
    metrics.register(metrics::SPANS, move |samples| {
        samples.add(["exported"], read.exported());
        samples.add(["dropped"], read.dropped());
        samples.add(["refused"], read.refused());
    });
    let read = Arc::clone(stats);
    metrics.register(metrics::SPANS_FAILURES, move |samples| samples.add([], read.failures()));
}

/// Registers what the front door counts.
pub(super) fn front(metrics: &mut Metrics, counters: Arc<listener::counters::Counters>) {
    metrics.register(metrics::TCP_CONNECTIONS, move |samples| {
        for (door, outcome, count) in counters.iter() {
            samples.add([door.label(), outcome.label()], count);
        }
    });
}

fn sum<T>(shards: &[Arc<T>], read: impl Fn(&T) -> Option<u64>) -> u64 {
    // The gauge of one shard may wrap below zero between two reads; the sum comes out right.
    shards.iter().filter_map(|shard| read(shard)).fold(0, u64::wrapping_add)
}
