//! TURN server as plain data: allocations, permissions, channels. RFC 8656.
//!
//! [`Server`] is one shard's core. The shell feeds it packets and moments, does what the verdicts and effects say, and
//! owns every socket. Shards meet in the [`Directory`] alone.

mod admission;
mod allocate;
mod allocation;
mod allocations;
mod authenticate;
mod binding;
mod channel_bind;
mod client;
mod config;
mod counters;
mod create_permission;
mod credential;
mod data;
mod deadlines;
mod directory;
mod drop_reason;
mod effect;
mod ledger;
mod openings;
mod pair_view;
mod policy;
mod refresh;
mod reply;
mod request;
mod request_result;
mod revocations;
mod send;
mod server;
mod slab;
mod usage;
mod verdict;

#[cfg(test)]
mod tests;

pub use client::ClientAddr;
pub use client::ClientTransport;
pub use client::Family;
pub use client::ListenerId;
pub use client::ShardId;
pub use client::StreamId;
pub use client::Via;
pub use config::Config;
pub use config::Limits;
pub use config::MIN_LIFETIME;
pub use config::Mode;
pub use counters::Counters;
pub use counters::Direction;
pub use directory::Claimed;
pub use directory::Directory;
pub use directory::PORT_REST;
pub use directory::PortWish;
pub use directory::RelayAddress;
pub use directory::RelayIp;
pub use directory::RelayedSlot;
pub use directory::ReservationToken;
pub use drop_reason::DropReason;
pub use effect::Answer;
pub use effect::Effect;
pub use effect::OpenError;
pub use effect::OpenId;
pub use effect::Opened;
pub use effect::QuotaUser;
pub use ledger::Charge;
pub use ledger::Ledger;
pub use ledger::OverQuota;
pub use ledger::Quotas;
pub use pair_view::RelayedEntry;
pub use policy::PeerPolicy;
pub use policy::Refusal;
pub use reply::REPLY_MAX;
pub use request_result::RequestKind;
pub use request_result::RequestResult;
pub use server::Server;
pub use slab::AllocationId;
pub use usage::EndReason;
pub use usage::Traffic;
pub use usage::Usage;
pub use usage::user_hash;
pub use verdict::Delivery;
pub use verdict::FromClient;
pub use verdict::FromPeer;
pub use verdict::HEAD_MAX;
pub use verdict::Head;
