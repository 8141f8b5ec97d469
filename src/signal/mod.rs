//! The WebSocket protocol `duologue.v1`: messages, sessions, connections, hub.
mod id;
mod limit;
mod outbox;
mod protocol;

pub use id::ConnectionId;
pub use id::SessionId;
pub use protocol::CloseCode;
pub use protocol::ErrorCode;
pub use protocol::Refusal;
