//! The data plane: one thread per core with its own sockets and relay core.
//!
//! A client's 5-tuple, its allocation and its relay socket live on one shard, so packets meet no lock. Linux only.

mod arena;
mod connections;
mod counters;
mod datagrams;
mod dice;
mod dispatch;
mod effects;
mod egress;
mod icmp;
mod inspection;
mod mailbox;
mod output;
mod pace;
mod placement;
mod plane;
mod segmentation;
mod shard;
mod sockets;
mod steering;
mod stream;
mod streams;
mod tenancies;
#[cfg(test)]
mod tests;
mod token;
pub(crate) mod udp;

pub use counters::IoCounters;
pub use counters::IoEvent;
pub use inspection::AllocationPage;
pub use inspection::AllocationPlace;
pub use inspection::Unanswered;
pub use plane::DataPlane;
pub use plane::RevokeError;
pub use plane::Settings;
pub use plane::StartError;
pub use stream::TurnStream;
