//! Duologue: everything a 1:1 video chat needs from its server, in one process.
//!
//! The tree is the map; `docs/ARCHITECTURE.md` says who may import whom.

pub mod app;
pub mod auth;
pub mod bus;
pub mod cli;
pub mod config;
pub mod http;
pub mod ice;
pub mod listener;
pub mod matchmaking;
pub mod metrics;
pub mod relay;
pub mod signal;
pub mod state;
pub mod store;
pub mod stun;
pub mod telemetry;
pub mod time;
pub mod transport;
