//! The TCP front door: TLS, certificates, and the first-bytes decision.
//!
//! A connection is accepted, counted against its address, asked for its first bytes, and given away: to the TURN
//! sink (with its TLS state, so that no tokio task stands between it and its shard) or to the HTTP sink.

pub mod certificate;
pub mod counters;
pub mod door;
pub mod first_bytes;
pub mod front;
pub mod local_ca;
pub mod rewound;
pub mod sinks;
pub mod tls;

mod greeting;

#[cfg(test)]
mod tests;

pub use certificate::Certificates;
pub use door::Bind;
pub use door::Bound;
pub use door::Door;
pub use front::Front;
pub use front::Running;
pub use front::Settings;
pub use sinks::HttpConnection;
pub use sinks::Sinks;
pub use sinks::TurnConnection;
