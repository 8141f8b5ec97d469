//! USERHASH: a user name that an onlooker cannot read. RFC 8489 §14.4.
use sha2::Digest;
use sha2::Sha256;

/// SHA-256(username ":" realm).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserHash([u8; 32]);

impl UserHash {
    /// The hash of a name; both texts must already be in OpaqueString form.
    pub fn of(username: &str, realm: &str) -> Self {
        let digest = Sha256::new().chain_update(username).chain_update(":").chain_update(realm).finalize();
        Self(digest.into())
    }

    /// Reads the value of a USERHASH; `None` for another length.
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        value.try_into().ok().map(Self)
    }

    /// The value of the attribute.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_32_bytes() {
        let hash = UserHash::of("user", "realm");
        assert_eq!(UserHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(UserHash::from_bytes(&hash.as_bytes()[..31]), None);
        assert_eq!(UserHash::from_bytes(&[0; 33]), None);
    }

    #[test]
    fn name_and_realm_both_count() {
        let hash = UserHash::of("user", "realm");
        assert!([UserHash::of("User", "realm"), UserHash::of("user", "Realm")].iter().all(|other| *other != hash));
    }
}
