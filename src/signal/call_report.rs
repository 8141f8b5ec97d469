//! What one side has reported of its call, for metrics and for the record of the session. Pure.
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::protocol::Path;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::Quality;
use crate::signal::protocol::RelayProtocol;
use crate::signal::protocol::words_or_null;

/// A setup that took longer was interrupted by something else.
const SETUP_MAX: Duration = Duration::from_secs(600);

/// The way that media takes, as finely as clients tell it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// From one side to the other.
    Direct,
    /// Through a relay that this side reaches over UDP.
    RelayUdp,
    /// Over TCP.
    RelayTcp,
    /// Over TLS.
    RelayTls,
    /// Through a relay that only the other side uses, or over a transport that was not told.
    RelayOther,
    /// It was not told.
    Unknown,
}

impl Route {
    /// Every route, in the order of their counters.
    pub const ALL: [Route; 6] =
        [Route::Direct, Route::RelayUdp, Route::RelayTcp, Route::RelayTls, Route::RelayOther, Route::Unknown];

    /// The word in metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Direct => "direct",
            Route::RelayUdp => "relay_udp",
            Route::RelayTcp => "relay_tcp",
            Route::RelayTls => "relay_tls",
            Route::RelayOther => "relay_other",
            Route::Unknown => "unknown",
        }
    }

    const fn of(path: Option<Path>, protocol: Option<RelayProtocol>) -> Self {
        match (path, protocol) {
            (Some(Path::Direct), _) => Route::Direct,
            (Some(Path::Relay), Some(RelayProtocol::Udp)) => Route::RelayUdp,
            (Some(Path::Relay), Some(RelayProtocol::Tcp)) => Route::RelayTcp,
            (Some(Path::Relay), Some(RelayProtocol::Tls)) => Route::RelayTls,
            (Some(Path::Relay), None) => Route::RelayOther,
            (None, _) => Route::Unknown,
        }
    }
}

/// What a report says for the first time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// Media flows, after that time if it was told.
    Connected(Route, Option<Duration>),
    /// No way was found at all.
    Failed,
}

/// Everything one side has reported so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallReport {
    /// The path last reported.
    pub(crate) path: Option<Path>,
    protocol: Option<RelayProtocol>,
    /// The state last reported.
    state: Option<Box<str>>,
    setup: Option<Duration>,
    quality: Option<LastQuality>,
    is_connected: bool,
    has_failed: bool,
    scores: Series,
    round_trips_ms: Series,
    losses: Series,
}

/// The quality last reported; what was not told is null.
#[derive(Copy, Clone, Debug, Serialize, ToSchema)]
#[schema(as = LastQuality)]
struct LastQuality {
    #[schema(minimum = 0, maximum = 100)]
    score: f64,
    #[schema(required = true)]
    rtt_ms: Option<f64>,
    /// The share of packets that were lost.
    #[schema(minimum = 0, maximum = 1, required = true)]
    loss: Option<f64>,
}

/// A report as it stands while the call goes on; what was not told is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallState {
    #[schema(value_type = Option<String>, required = true)]
    state: Option<Box<str>>,
    #[schema(schema_with = routes_or_null, required = true)]
    path: Option<&'static str>,
    #[schema(required = true)]
    setup_ms: Option<u64>,
    #[schema(required = true)]
    quality: Option<LastQuality>,
}

/// The words of [`Route`], or null.
pub(crate) fn routes_or_null() -> Object {
    words_or_null(Route::ALL.map(Route::as_str))
}

/// Values of one kind.
#[derive(Copy, Clone, Debug, Default)]
struct Series {
    count: u32,
    sum: f64,
    worst: f64,
}

impl Series {
    /// Adds a value; `is_worse` than the worst so far makes it the worst.
    fn add(&mut self, value: f64, is_worse: impl Fn(f64, f64) -> bool) {
        self.worst = if self.count == 0 || is_worse(value, self.worst) { value } else { self.worst };
        self.count = self.count.saturating_add(1);
        self.sum += value;
    }

    fn mean(self) -> Option<f64> {
        // Three digits after the point are finer than anybody measures.
        (self.count > 0).then(|| (self.sum / f64::from(self.count) * 1000.0).round() / 1000.0)
    }

    fn worst(self) -> Option<f64> {
        (self.count > 0).then_some(self.worst)
    }
}

/// A report as the record of the session keeps it; what was never told is null.
#[derive(Debug, Serialize)]
pub(crate) struct CallSummary {
    path: Option<&'static str>,
    connected: bool,
    failed: bool,
    setup_ms: Option<u64>,
    quality_reports: u32,
    score_mean: Option<f64>,
    score_min: Option<f64>,
    rtt_ms_mean: Option<f64>,
    rtt_ms_max: Option<f64>,
    loss_mean: Option<f64>,
}

impl CallReport {
    /// Takes an `rtc.state`, and returns what is new in it.
    pub(crate) fn on_state(&mut self, state: &PeerState) -> Option<Milestone> {
        if state.path.is_some() {
            self.path = state.path;
            self.protocol = state.relay_protocol;
        }
        self.state = Some(state.state.as_str().into());
        let setup = state.setup_ms.map(Duration::from_millis).filter(|setup| *setup <= SETUP_MAX);
        self.setup = self.setup.or(setup);
        match state.state.as_str() {
            "connected" if !self.is_connected => {
                self.is_connected = true;
                Some(Milestone::Connected(self.route(), self.setup))
            }
            "failed" if !self.is_connected && !self.has_failed => {
                self.has_failed = true;
                Some(Milestone::Failed)
            }
            _ => None,
        }
    }

    /// Takes an `rtc.quality`.
    pub(crate) fn on_quality(&mut self, quality: &Quality) {
        self.quality = Some(LastQuality {
            score: quality.score(),
            rtt_ms: quality.round_trip().map(|round_trip| round_trip.as_secs_f64() * 1000.0),
            loss: quality.loss(),
        });
        self.scores.add(quality.score(), |new, worst| new < worst);
        if let Some(round_trip) = quality.round_trip() {
            self.round_trips_ms.add(round_trip.as_secs_f64() * 1000.0, |new, worst| new > worst);
        }
        if let Some(loss) = quality.loss() {
            self.losses.add(loss, |new, worst| new > worst);
        }
    }

    /// The way that media takes now.
    pub(crate) const fn route(&self) -> Route {
        Route::of(self.path, self.protocol)
    }

    /// What is known now.
    pub(crate) fn now(&self) -> CallState {
        CallState {
            state: self.state.clone(),
            path: self.path.map(|_| self.route().as_str()),
            setup_ms: self.setup.map(|setup| setup.as_millis() as u64),
            quality: self.quality,
        }
    }

    pub(crate) fn summary(&self) -> CallSummary {
        CallSummary {
            path: self.path.map(|_| self.route().as_str()),
            connected: self.is_connected,
            failed: self.has_failed,
            setup_ms: self.setup.map(|setup| setup.as_millis() as u64),
            quality_reports: self.scores.count,
            score_mean: self.scores.mean(),
            score_min: self.scores.worst(),
            rtt_ms_mean: self.round_trips_ms.mean(),
            rtt_ms_max: self.round_trips_ms.worst(),
            loss_mean: self.losses.mean(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(data: &serde_json::Value) -> PeerState {
        PeerState::parse(&data.to_string()).expect("a valid state")
    }

    fn quality(data: &serde_json::Value) -> Quality {
        Quality::parse(&data.to_string()).expect("a valid quality")
    }

    #[test]
    fn the_first_connection_counts_once_with_its_way_and_time() {
        let mut report = CallReport::default();
        assert_eq!(report.on_state(&state(&json!({"state": "connecting"}))), None);
        let connected = json!({"state": "connected", "path": "relay", "relay_protocol": "tls", "setup_ms": 812});
        let milestone = Milestone::Connected(Route::RelayTls, Some(Duration::from_millis(812)));
        assert_eq!(report.on_state(&state(&connected)), Some(milestone));
        assert_eq!(report.on_state(&state(&json!({"state": "failed"}))), None, "a call that was lost had connected");
        assert_eq!(report.on_state(&state(&json!({"state": "connected", "path": "direct"}))), None);
        assert_eq!(report.route(), Route::Direct);
    }

    #[test]
    fn a_failure_counts_once_and_a_later_success_too() {
        let mut report = CallReport::default();
        assert_eq!(report.on_state(&state(&json!({"state": "failed"}))), Some(Milestone::Failed));
        assert_eq!(report.on_state(&state(&json!({"state": "failed"}))), None);
        let milestone = report.on_state(&state(&json!({"state": "connected", "setup_ms": 86_400_000})));
        assert_eq!(milestone, Some(Milestone::Connected(Route::Unknown, None)), "nobody waits for a day");
    }

    #[test]
    fn what_is_known_now_is_what_was_told_last() {
        let mut report = CallReport::default();
        let nothing = json!({"state": null, "path": null, "setup_ms": null, "quality": null});
        assert_eq!(serde_json::to_value(report.now()).expect("serializes"), nothing);
        report.on_state(&state(&json!({"state": "connected", "path": "direct", "setup_ms": 40})));
        report.on_state(&state(&json!({"state": "disconnected"})));
        for score in [90, 70] {
            report.on_quality(&quality(&json!({"score": score, "rtt_ms": 12})));
        }
        let quality = json!({"score": 70.0, "rtt_ms": 12.0, "loss": null});
        assert_eq!(
            serde_json::to_value(report.now()).expect("serializes"),
            json!({"state": "disconnected", "path": "direct", "setup_ms": 40, "quality": quality})
        );
    }

    #[test]
    fn the_summary_has_means_and_the_worst() {
        let mut report = CallReport::default();
        let empty = serde_json::to_value(report.summary()).expect("serializes");
        assert_eq!(
            (&empty["path"], &empty["score_mean"], &empty["quality_reports"]),
            (&json!(null), &json!(null), &json!(0))
        );
        report.on_state(&state(&json!({"state": "connected", "path": "relay", "setup_ms": 40})));
        for (score, rtt) in [(90, 10), (50, 40), (70, 100)] {
            report.on_quality(&quality(&json!({"score": score, "rtt_ms": rtt, "loss": 0.02})));
        }
        report.on_quality(&quality(&json!({"score": 70})));
        assert_eq!(
            serde_json::to_value(report.summary()).expect("serializes"),
            json!({
                "path": "relay_other", "connected": true, "failed": false, "setup_ms": 40, "quality_reports": 4,
                "score_mean": 70.0, "score_min": 50.0, "rtt_ms_mean": 50.0, "rtt_ms_max": 100.0, "loss_mean": 0.02,
            })
        );
    }
}
