//! TURN server as plain data: allocations, permissions, channels. RFC 8656.
