//! TURN credentials outside of WebSockets, and what everybody may know. Rule 42.
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::Method;
use hyper::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::auth;
use crate::http::body;
use crate::http::contract::Operation;
use crate::http::contract::Table;
use crate::http::contract::Who;
use crate::http::head::Head;
use crate::http::problem::Problem;
use crate::http::server::Inner;
use crate::identity::Desk;
use crate::signal::Stats;
use crate::signal::view::IceServersView;

/// What everybody may know of this node.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
struct StatsReply {
    /// WebSockets.
    connections: u64,
    users_online: u64,
    /// Who waits to be matched.
    waiting: u64,
    sessions: u64,
    /// Since the start.
    sessions_total: u64,
    /// Where somebody is.
    rooms: u64,
    /// From joining the queue to the match; null before the first.
    average_wait_ms: Option<u64>,
    /// Whether there are accounts to log in to.
    accounts: bool,
    /// Whether people make their accounts themselves.
    registration: bool,
}

pub(super) fn routes(table: Table) -> Table {
    let summary = "ICE servers for one's live session, or else for oneself";
    let credentials = |method, id| {
        Operation::new(method, "/v1/turn/credentials", "calls", id, summary)
            .also_at(&["/turn/credentials"])
            .by(Who::User)
            .gives::<IceServersView>(
                StatusCode::OK,
                "The servers, and until when the credential can be used to allocate",
            )
    };
    table
        .on(credentials(Method::GET, "showTurnCredentials"), turn_credentials)
        .on(credentials(Method::POST, "mintTurnCredentials"), turn_credentials)
        .on(
            Operation::new(Method::GET, "/v1/stats", "operation", "showStats", "Public numbers of this node")
                .also_at(&["/stats"])
                .gives::<StatsReply>(StatusCode::OK, "The numbers"),
            stats,
        )
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
        accounts: inner.hooks.accounts.is_some(),
        registration: inner.hooks.accounts.as_ref().is_some_and(Desk::takes_registrations),
    })
}

fn average_wait_ms(stats: &Stats) -> Option<u64> {
    let waits = stats.match_latency.read();
    let count = waits.buckets.iter().map(|(_, count)| count).sum::<u64>() + waits.above;
    // A cast from a float saturates.
    (count > 0).then(|| (waits.sum * 1000.0 / count as f64) as u64)
}
