//! HTTP: health, metrics, pages, REST and the WebSocket upgrade.
//!
//! `app` gives connections in ([`Server::adopt`]) and says what stands behind the routes ([`Hooks`]).

pub mod admin;
pub mod client_address;
pub mod hooks;
pub mod node_view;
pub mod origin;
pub mod problem;
pub mod server;

mod accounts;
mod answers;
mod appeals;
mod auth;
mod blocks;
mod body;
mod contract;
mod cors;
mod edge;
mod events;
mod export;
mod files;
mod head;
mod health;
mod idempotency;
mod moderation;
mod page;
mod pages;
mod person;
mod public;
mod rate;
mod reports;
mod request_id;
mod rooms;
mod routes;
mod stall;
mod stats;
mod upgrade;

#[cfg(test)]
mod tests;

pub use admin::AdminHooks;
pub use hooks::Hooks;
pub use hooks::UpgradedSocket;
pub use origin::Origins;
pub use problem::Problem;
pub use routes::openapi;
pub use server::Arrival;
pub use server::Server;
pub use server::Settings;
pub use stats::Stats;
