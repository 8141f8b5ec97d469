//! The WebSocket protocol `duologue.v1`: messages, sessions, connections, hub.
