//! How a password becomes a key, and how client and server agree on it. RFC 8489 §14.11, §14.12, §18.5.
//!
//! ```text
//! | algorithm                     | length of its parameters: 0   |
//! ```
//! PASSWORD-ALGORITHM holds one of these, PASSWORD-ALGORITHMS a list in the order of preference.
use super::IntegrityKey;

/// A registered algorithm; neither of the two has parameters. RFC 8489 §18.5.1.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// What a client uses that names none.
    Md5,
    /// The other one.
    Sha256,
}

impl PasswordAlgorithm {
    /// The PASSWORD-ALGORITHMS of our challenges: the stronger first, since a client takes the first that it knows.
    pub const OFFERED: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

    /// The value of a PASSWORD-ALGORITHM.
    pub const fn to_bytes(self) -> [u8; 4] {
        match self {
            PasswordAlgorithm::Md5 => [0, 1, 0, 0],
            PasswordAlgorithm::Sha256 => [0, 2, 0, 0],
        }
    }

    /// Reads a PASSWORD-ALGORITHM; `None` for an algorithm that is not offered, and for one with parameters.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256].into_iter().find(|known| known.to_bytes() == value)
    }

    /// The key of a long-term credential. The texts must already be in OpaqueString form. RFC 8489 §9.2.2.
    pub fn key(self, username: &str, realm: &str, password: impl AsRef<[u8]>) -> IntegrityKey {
        match self {
            PasswordAlgorithm::Md5 => IntegrityKey::md5(username, realm, password),
            PasswordAlgorithm::Sha256 => IntegrityKey::sha256(username, realm, password),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_algorithm_can_be_chosen_and_no_other() {
        let chosen: Vec<_> = PasswordAlgorithm::OFFERED.chunks(4).map(PasswordAlgorithm::from_bytes).collect();
        assert_eq!(chosen, [Some(PasswordAlgorithm::Sha256), Some(PasswordAlgorithm::Md5)]);
        for other in [&b""[..], &[0, 0, 0, 0], &[0, 3, 0, 0], &[0, 2, 0, 1], &[0, 2, 0, 0, 0], &[0, 2], &[2, 0, 0, 0]] {
            assert_eq!(PasswordAlgorithm::from_bytes(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_key_knows_the_algorithm_that_made_it() {
        for algorithm in [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256] {
            assert_eq!(algorithm.key("user", "realm", "pass").algorithm(), algorithm);
        }
    }
}
