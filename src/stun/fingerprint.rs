//! The FINGERPRINT checksum. RFC 8489 §14.7.

/// XORed into the CRC so that a CRC of an inner protocol cannot pass for it. RFC 8489 §14.7.
const MASK: u32 = 0x5354_554E;

/// The value over everything before the attribute, the header's length already counting it.
pub(super) fn value(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ MASK
}
