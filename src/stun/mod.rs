//! STUN wire format: parse and write messages, no state. RFC 8489.
