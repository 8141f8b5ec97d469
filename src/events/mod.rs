//! Tells those outside what happens: sessions, messages, what the relay carried.
//!
//! The hub stores an event in the same group as what it tells of, so neither is ever there without the other. A [`courier`]
//! for each [`Sink`] reads the events in their order and stores how far it has come: a sink that is out of reach, or a server
//! that is killed, delays them and loses none while `retention.events` lasts. What was on its way when the server was
//! killed is told again, under the same id.
pub mod courier;
mod feed;
mod journal;
mod signer;
mod sink;
mod stats;
mod stream;
mod told;
mod webhook;

pub use feed::Feed;
pub use signer::Signer;
pub use sink::Sink;
pub use stats::SinkStats;
pub use told::Told;
