//! What admins are told of the data plane, the configuration and the last hour; `app` fills it in.
use std::net::SocketAddr;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::time::UnixMillis;

/// Data that went one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Traffic)]
pub struct TrafficView {
    /// Packets.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
}

/// An allocation of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Allocation)]
pub struct AllocationView {
    /// For `POST /v1/admin/allocations/{id}/end`.
    pub id: String,
    /// The session its credential was minted for.
    #[schema(value_type = Option<String>, required = true)]
    pub session: Option<Box<str>>,
    /// What logs call its user.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub user_hash: String,
    /// How the client reaches the relay.
    pub transport: &'static str,
    /// The client's address and port, or only its network where admins see no addresses.
    pub client: String,
    /// The addresses that peers see.
    #[schema(value_type = Vec<String>)]
    pub relayed: Vec<SocketAddr>,
    /// When it was allocated.
    pub started_at: UnixMillis,
    /// For how long it has lived.
    pub age_ms: u64,
    /// When it ends unless it is refreshed.
    pub expires_at: UnixMillis,
    /// Permissions in force.
    pub permissions: usize,
    /// Channels in force.
    pub channels: usize,
    /// From the client to peers outside.
    pub to_peers: TrafficView,
    /// From peers outside to the client.
    pub to_client: TrafficView,
    /// From the client straight to other clients of this process.
    pub handed_out: TrafficView,
    /// From other clients of this process straight to this one.
    pub handed_in: TrafficView,
    /// Packets thrown away.
    pub dropped: u64,
}

/// A page of allocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Allocations)]
pub struct AllocationsView {
    /// In no order that means anything.
    pub allocations: Vec<AllocationView>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Configuration)]
pub struct ConfigView {
    /// Sections and keys as in `config/default.toml`; secrets are `***`.
    #[schema(value_type = std::collections::BTreeMap<String, Object>)]
    pub config: Value,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

/// What goes up and down.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Levels)]
pub struct LevelsView {
    /// Of the relay.
    pub allocations: u64,
    /// Live ones.
    pub sessions: u64,
    /// For a partner.
    pub waiting: u64,
    /// With a WebSocket.
    pub users_online: u64,
    /// WebSockets.
    pub connections: u64,
}

/// What an interval was like. Latencies are upper bounds of what 99 of 100 stayed below, null if there was nothing to measure.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Sample)]
pub struct SampleView {
    /// Its end.
    pub at: UnixMillis,
    /// Payload that the relay passed on.
    pub relay_bits_per_s: u64,
    /// Packets that the relay passed on.
    pub relay_packets_per_s: u64,
    /// Packets that the relay threw away.
    pub relay_dropped_per_s: u64,
    /// At its end.
    #[serde(flatten)]
    pub levels: LevelsView,
    /// From joining the queue to the match.
    #[schema(required = true)]
    pub match_p99_ms: Option<f64>,
    /// As clients tell it of their calls.
    #[schema(required = true)]
    pub round_trip_p99_ms: Option<f64>,
    /// Of the store.
    #[schema(required = true)]
    pub commit_p99_ms: Option<f64>,
}

/// What was measured in the last hour.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Series)]
pub struct SeriesView {
    /// Between two samples.
    pub interval_ms: u64,
    /// The oldest first.
    pub samples: Vec<SampleView>,
}

/// A drain that has begun.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Draining)]
pub struct DrainView {
    /// Always true.
    pub draining: bool,
    /// How long calls may go on.
    pub grace_ms: u64,
}
