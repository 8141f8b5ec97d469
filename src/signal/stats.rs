//! What signaling counts. Written by the hub, read by whoever shows metrics.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::histogram::Distribution;
use crate::histogram::Histogram;
use crate::signal::call_report::Route;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::signal::session::EndReason;

/// Upper bounds in seconds for how long people wait for a partner.
const WAIT_BOUNDS_SECS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 300.0];
/// Upper bounds in seconds for how long media takes to connect.
const SETUP_BOUNDS_SECS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];
/// Upper bounds of scores from 0 to 100.
const SCORE_BOUNDS: [f64; 7] = [20.0, 40.0, 60.0, 70.0, 80.0, 90.0, 100.0];
/// Upper bounds in seconds of round trips.
const ROUND_TRIP_BOUNDS_SECS: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];

/// Counters and gauges; each is read on its own, so a snapshot of several may be a moment apart.
#[derive(Debug, Default)]
pub struct Stats {
    /// Sockets open now, before and after `hello`.
    pub connections_active: Gauge,
    /// Sockets ever opened.
    pub connections_total: Counter,
    /// Users with an accepted `hello` now.
    pub users_online: Gauge,
    /// Guests ever made.
    pub guests_total: Counter,
    /// Sessions running now.
    pub sessions_active: Gauge,
    /// Rooms with somebody in them now.
    pub rooms_active: Gauge,
    /// Sessions ever started, one per match.
    pub sessions_created_total: Counter,
    /// Groups of more than two that met.
    pub groups_created_total: Counter,
    /// Users waiting for a partner now.
    pub queue_length: Gauge,
    /// From joining the queue to the match, per user, in seconds.
    pub match_latency: Waits,
    /// Offers relayed.
    pub offers_total: Counter,
    /// Answers relayed.
    pub answers_total: Counter,
    /// Messages with candidates relayed.
    pub candidates_total: Counter,
    /// Chat messages relayed, repeats not counted.
    pub chat_messages_total: Counter,
    /// Reports that were stored.
    pub reports_submitted_total: Counter,
    /// Reports that a moderator has decided on.
    pub reports_moderated_total: Counter,
    /// Blocks that were put up.
    pub blocks_total: Counter,
    /// Messages of clients that the hub has worked on.
    pub messages_in_total: Counter,
    /// Messages for clients.
    pub messages_out_total: Counter,
    /// Requests refused as `rate_limited`.
    pub rate_limit_hits_total: Counter,
    /// Sides of calls that never found a way.
    pub connects_failed_total: Counter,
    calls: [Calls; Route::ALL.len()],
    refusals: [Counter; ErrorCode::ALL.len()],
    returns: [Counter; Returning::ALL.len()],
    sessions_ended: [Counter; EndReason::ALL.len()],
    closes: [Counter; CloseCode::ALL.len()],
    /// Sockets that ended without a close of ours: lost or closed by the client.
    pub connections_lost_total: Counter,
}

/// What became of a client that wants to go on after its socket was lost.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Returning {
    /// It was sent all that it had missed.
    Whole,
    /// It missed more than was kept, and was told how things stand.
    WithGap,
    /// It may not, or came too late.
    Refused,
}

impl Returning {
    /// Everything that can become of one.
    pub const ALL: [Returning; 3] = [Returning::Whole, Returning::WithGap, Returning::Refused];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Returning::Whole => "whole",
            Returning::WithGap => "gap",
            Returning::Refused => "refused",
        }
    }
}

impl Stats {
    /// Requests on WebSockets refused with that code.
    pub fn refusals(&self, code: ErrorCode) -> &Counter {
        &self.refusals[code as usize]
    }

    /// Clients that came back, by what became of them.
    pub fn returns(&self, returning: Returning) -> &Counter {
        &self.returns[returning as usize]
    }

    /// Sessions ended for that reason.
    pub fn sessions_ended(&self, reason: EndReason) -> &Counter {
        &self.sessions_ended[reason as usize]
    }

    /// What clients reported of calls that took this way.
    pub fn calls(&self, route: Route) -> &Calls {
        &self.calls[route as usize]
    }

    pub(crate) fn count_connected(&self, route: Route, setup: Option<Duration>) {
        let calls = self.calls(route);
        calls.connected_total.add_one();
        if let Some(setup) = setup {
            calls.setup_secs.observe(setup.as_secs_f64());
        }
    }

    pub(crate) fn observe_quality(&self, route: Route, score: f64, round_trip: Option<Duration>) {
        let calls = self.calls(route);
        calls.score.observe(score);
        if let Some(round_trip) = round_trip {
            calls.round_trip_secs.observe(round_trip.as_secs_f64());
        }
    }

    /// Connections closed with that code.
    pub fn closes(&self, code: CloseCode) -> &Counter {
        &self.closes[code as usize]
    }
}

/// Waits in the queue.
#[derive(Debug)]
pub struct Waits(Histogram);

impl Default for Waits {
    fn default() -> Self {
        Self(Histogram::new(&WAIT_BOUNDS_SECS))
    }
}

impl Waits {
    /// Every wait so far, in seconds.
    pub fn read(&self) -> Distribution {
        self.0.read()
    }

    pub(crate) fn observe(&self, wait: Duration) {
        self.0.observe(wait.as_secs_f64());
    }
}

/// What the clients of calls of one way reported.
#[derive(Debug)]
pub struct Calls {
    /// Sides whose media connected this way first.
    pub connected_total: Counter,
    /// From the match to media, in seconds.
    pub setup_secs: Histogram,
    /// From 0 to 100.
    pub score: Histogram,
    /// In seconds.
    pub round_trip_secs: Histogram,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            connected_total: Counter::default(),
            setup_secs: Histogram::new(&SETUP_BOUNDS_SECS),
            score: Histogram::new(&SCORE_BOUNDS),
            round_trip_secs: Histogram::new(&ROUND_TRIP_BOUNDS_SECS),
        }
    }
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// The level now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, level: usize) {
        self.0.store(level as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_and_reason_has_its_own_counter() {
        let stats = Stats::default();
        for (n, code) in CloseCode::ALL.into_iter().enumerate() {
            for _ in 0..=n {
                stats.closes(code).add_one();
            }
        }
        let counts: Vec<u64> = CloseCode::ALL.into_iter().map(|code| stats.closes(code).value()).collect();
        assert_eq!(counts, (1..=CloseCode::ALL.len() as u64).collect::<Vec<_>>());
        for code in ErrorCode::ALL {
            stats.refusals(code).add_one();
        }
        assert!(ErrorCode::ALL.into_iter().all(|code| stats.refusals(code).value() == 1));
        for returning in Returning::ALL {
            stats.returns(returning).add_one();
        }
        assert!(Returning::ALL.into_iter().all(|returning| stats.returns(returning).value() == 1));
        for reason in EndReason::ALL {
            stats.sessions_ended(reason).add_one();
        }
        assert!(EndReason::ALL.into_iter().all(|reason| stats.sessions_ended(reason).value() == 1));
    }
}
