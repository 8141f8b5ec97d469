//! Attribute types and what can be wrong with a value. RFC 8489 §14 and §18.3, RFC 8656 §18.

/// The 16-bit number that names an attribute.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// RFC 8489 §14.3.
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 §14.5.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 §14.8.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 §14.13.
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000A);
    /// RFC 8656 §18.1.
    pub const CHANNEL_NUMBER: Self = Self(0x000C);
    /// RFC 8656 §18.2.
    pub const LIFETIME: Self = Self(0x000D);
    /// RFC 8656 §18.3.
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 §18.4.
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 §14.9.
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 §14.10.
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 §18.5.
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 §18.6.
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 §18.7.
    pub const EVEN_PORT: Self = Self(0x0018);
    /// RFC 8656 §18.8.
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8656 §18.9.
    pub const DONT_FRAGMENT: Self = Self(0x001A);
    /// RFC 8489 §14.6.
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001C);
    /// RFC 8489 §14.12.
    pub const PASSWORD_ALGORITHM: Self = Self(0x001D);
    /// RFC 8489 §14.4.
    pub const USERHASH: Self = Self(0x001E);
    /// RFC 8489 §14.2.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 §18.10.
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// RFC 8656 §18.11.
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// RFC 8656 §18.12.
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// RFC 8489 §14.11.
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8489 §14.16.
    pub const ALTERNATE_DOMAIN: Self = Self(0x8003);
    /// RFC 8656 §18.13.
    pub const ICMP: Self = Self(0x8004);
    /// RFC 8489 §14.14.
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 §14.15.
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 §14.7.
    pub const FINGERPRINT: Self = Self(0x8028);

    /// Whether a receiver must understand this attribute to act on the message. RFC 8489 §14.
    pub const fn is_required(self) -> bool {
        self.0 < 0x8000
    }

    /// The most bytes a text attribute may hold; RFC 8489 §14.3, §14.9, §14.10, §14.14.
    pub(super) const fn text_limit_bytes(self) -> usize {
        match self {
            Self::USERNAME => 508,
            _ => 763,
        }
    }

    /// The number of characters that a text attribute stays below, if they are counted; the sections are the same.
    pub(super) const fn text_limit_chars(self) -> Option<usize> {
        match self {
            Self::USERNAME => None,
            _ => Some(128),
        }
    }
}

/// Why the value of a present attribute cannot be used; a request gets 400 (Bad Request).
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// The value is shorter or longer than its type allows.
    #[error("wrong length")]
    Length,
    /// The address family is neither IPv4 (1) nor IPv6 (2).
    #[error("unknown address family")]
    Family,
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}
