//! Duologue: everything a 1:1 video chat needs from its server, in one process.
//!
//! The tree is the map; `docs/ARCHITECTURE.md` says who may import whom.

pub mod acme;
pub mod admission;
pub mod app;
#[deny(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]
pub mod auth;
pub mod bench;
pub mod bus;
pub mod classifier;
pub mod cli;
pub mod config;
pub mod events;
pub mod files;
#[deny(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]
pub mod filter;
pub mod histogram;
pub mod http;
pub mod ice;
pub mod identity;
pub mod listener;
pub mod load;
pub mod matchmaking;
pub mod measure;
pub mod metrics;
pub mod outgoing;
pub mod probe;
#[deny(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]
pub mod relay;
pub mod signal;
pub mod state;
pub mod store;
#[deny(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]
pub mod stun;
pub mod telemetry;
pub mod time;
pub mod trace;
pub mod transport;
