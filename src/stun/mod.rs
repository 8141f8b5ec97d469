//! STUN wire format: parse and write messages, no state. RFC 8489, with the TURN parts of RFC 8656.
//!
//! Nothing here allocates: a [`Message`] borrows the packet, a [`Writer`] fills the caller's buffer.

mod address;
mod attribute;
mod channel;
pub mod channel_data;
pub mod data_indication;
mod error_code;
mod fingerprint;
pub mod framing;
mod header;
mod integrity;
mod message;
mod password_algorithm;
#[cfg(test)]
mod tests;
mod user_hash;
mod writer;

pub use attribute::AttributeError;
pub use attribute::AttributeType;
pub use channel::ChannelNumber;
pub use channel::ChannelRange;
pub use error_code::ErrorCode;
pub use header::Class;
pub use header::HEADER_LEN;
pub use header::MAGIC_COOKIE;
pub use header::Method;
pub use header::TransactionId;
pub use integrity::IntegrityKey;
pub use integrity::IntegrityKind;
pub use message::Attributes;
pub use message::Message;
pub use message::ParseError;
pub use password_algorithm::PasswordAlgorithm;
pub use user_hash::UserHash;
pub use writer::Overflow;
pub use writer::Writer;

/// Number of padding bytes after a value of `len` bytes. RFC 8489 §14, RFC 8656 §12.5.
pub const fn pad_len(len: usize) -> usize {
    len.wrapping_neg() & 3
}
