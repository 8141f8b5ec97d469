//! The rules of the contract against the hub itself, in fake time.
mod administration;
mod blocks;
mod chat;
mod drain;
mod files;
mod fixture;
mod group_histories;
mod groups;
mod identity;
mod interleavings;
mod kills;
mod limits;
mod logins;
mod moderation;
mod neighbours;
mod queue;
mod relay;
mod reports;
mod restart;
mod resume;
mod room_blocks;
mod room_histories;
mod room_trouble;
mod rooms;
mod session;
mod tickets;

pub(crate) use fixture::settings;
