//! TURN credentials outside of WebSockets, and what everybody may know. Rule 42.
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::http::auth;
use crate::http::body;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::signal::Stats;

#[derive(Serialize)]
struct StatsReply {
    connections: u64,
    users_online: u64,
    waiting: u64,
    sessions: u64,
    sessions_total: u64,
    rooms: u64,
    /// From joining the queue to the match; null before the first.
    average_wait_ms: Option<u64>,
}

/// `GET` and `POST /v1/turn/credentials`: ICE servers for the live session of whoever asks, else for that user.
pub(crate) async fn turn_credentials(State(inner): State<Arc<Inner>>, headers: Head) -> Result<Response, Problem> {
    let identity = auth::identity(&inner, &headers).await?;
    (inner.hooks.ice_servers)(identity).await.map(|servers| body::reply(&servers))
}

/// `GET /v1/stats`: public numbers of this node.
pub(crate) async fn stats(State(inner): State<Arc<Inner>>) -> Response {
    let stats = (inner.hooks.stats)();
    body::reply(&StatsReply {
        connections: stats.connections_active.value(),
        users_online: stats.users_online.value(),
        waiting: stats.queue_length.value(),
        sessions: stats.sessions_active.value(),
        sessions_total: stats.sessions_created_total.value(),
        rooms: stats.rooms_active.value(),
        average_wait_ms: average_wait_ms(&stats),
    })
}

fn average_wait_ms(stats: &Stats) -> Option<u64> {
    let waits = stats.match_latency.read();
    let count = waits.buckets.iter().map(|(_, count)| count).sum::<u64>() + waits.above;
    // A cast from a float saturates.
    (count > 0).then(|| (waits.sum * 1000.0 / count as f64) as u64)
}
