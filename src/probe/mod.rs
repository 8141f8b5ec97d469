//! The relay tried from outside by a client of another hand: once by `duologue doctor`, again and again by the server itself.
//!
//! The client shares no code with the server, so the two cannot agree on the same mistake.
mod client;
mod echo;
mod watch;

pub use client::Trouble;
pub use echo::Echo;
pub use echo::Stumble;
pub use echo::Target;
pub use echo::Way;
pub use echo::call;
pub use echo::reachable;
pub use watch::Health;
pub use watch::Outcome;
pub use watch::watch;
