//! Error codes and their default reasons. RFC 8489 §14.8, RFC 8656 §19.

/// The number in an ERROR-CODE attribute: 300 to 699.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(u16);

impl ErrorCode {
    /// RFC 8489 §14.8.
    pub const TRY_ALTERNATE: Self = Self(300);
    /// RFC 8489 §14.8.
    pub const BAD_REQUEST: Self = Self(400);
    /// RFC 8489 §14.8.
    pub const UNAUTHENTICATED: Self = Self(401);
    /// RFC 8656 §19.
    pub const FORBIDDEN: Self = Self(403);
    /// RFC 8489 §14.8.
    pub const UNKNOWN_ATTRIBUTE: Self = Self(420);
    /// RFC 8656 §19.
    pub const ALLOCATION_MISMATCH: Self = Self(437);
    /// RFC 8489 §14.8.
    pub const STALE_NONCE: Self = Self(438);
    /// RFC 8656 §19.
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self(440);
    /// RFC 8656 §19.
    pub const WRONG_CREDENTIALS: Self = Self(441);
    /// RFC 8656 §19.
    pub const UNSUPPORTED_TRANSPORT: Self = Self(442);
    /// RFC 8656 §19.
    pub const PEER_FAMILY_MISMATCH: Self = Self(443);
    /// RFC 8656 §19.
    pub const ALLOCATION_QUOTA_REACHED: Self = Self(486);
    /// RFC 8489 §14.8.
    pub const SERVER_ERROR: Self = Self(500);
    /// RFC 8656 §19.
    pub const INSUFFICIENT_CAPACITY: Self = Self(508);

    /// The code with this number, if it lies in 300..=699.
    pub const fn new(number: u16) -> Option<ErrorCode> {
        if number >= 300 && number <= 699 { Some(ErrorCode(number)) } else { None }
    }

    /// The three-digit number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The words sent with the code: short, since unauthenticated replies must not amplify.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TRY_ALTERNATE => "Try Alternate",
            Self::BAD_REQUEST => "Bad Request",
            // Not the phrase of RFC 8489 §14.8: anybody gets this answer, and it should be little longer than the question.
            Self::UNAUTHENTICATED => "Log in",
            Self::FORBIDDEN => "Forbidden",
            Self::UNKNOWN_ATTRIBUTE => "Unknown Attribute",
            Self::ALLOCATION_MISMATCH => "Allocation Mismatch",
            Self::STALE_NONCE => "Stale Nonce",
            Self::ADDRESS_FAMILY_NOT_SUPPORTED => "Address Family not Supported",
            Self::WRONG_CREDENTIALS => "Wrong Credentials",
            Self::UNSUPPORTED_TRANSPORT => "Unsupported Transport Protocol",
            Self::PEER_FAMILY_MISMATCH => "Peer Address Family Mismatch",
            Self::ALLOCATION_QUOTA_REACHED => "Allocation Quota Reached",
            Self::SERVER_ERROR => "Server Error",
            Self::INSUFFICIENT_CAPACITY => "Insufficient Capacity",
            _ => "",
        }
    }

    /// The four bytes before the reason: 21 reserved bits, the hundreds, the rest. RFC 8489 §14.8.
    pub(super) const fn to_bytes(self) -> [u8; 4] {
        [0, 0, (self.0 / 100) as u8, (self.0 % 100) as u8]
    }

    /// Reads the four bytes before the reason; the reserved bits may hold anything.
    pub(super) fn from_bytes([_, _, hundreds, rest]: [u8; 4]) -> Option<ErrorCode> {
        if rest > 99 {
            return None;
        }
        ErrorCode::new(u16::from(hundreds & 7) * 100 + u16::from(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_bytes() {
        for number in 300..=699 {
            let code = ErrorCode::new(number).expect("in range");
            assert_eq!(ErrorCode::from_bytes(code.to_bytes()), Some(code));
        }
    }

    #[test]
    fn numbers_outside_the_range_are_refused() {
        assert_eq!(ErrorCode::new(299), None);
        assert_eq!(ErrorCode::new(700), None);
        assert_eq!(ErrorCode::from_bytes([0, 0, 4, 100]), None);
        assert_eq!(ErrorCode::from_bytes([0, 0, 2, 0]), None);
    }

    #[test]
    fn reserved_bits_are_ignored() {
        assert_eq!(ErrorCode::from_bytes([0xFF, 0xFF, 0xFC, 1]), Some(ErrorCode::UNAUTHENTICATED));
    }
}
