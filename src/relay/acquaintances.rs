//! Which peer addresses an allocation has known: who scans networks through the relay meets too many.
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;

use crate::relay::few::Few;

/// The addresses that permissions were ever made for, as keyed hashes of 32 bits.
///
/// Two addresses with one hash count once. Nobody outside can choose such a pair, and a chance of one in four billion does no harm.
#[derive(Debug, Default)]
pub(super) struct Acquaintances(Few<u32>);

/// The key of the hashes: one for all allocations of a server.
#[derive(Debug, Default)]
pub(super) struct FaceKey(RandomState);

/// What is remembered of an address.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Face(u32);

impl FaceKey {
    pub(super) fn face(&self, ip: IpAddr) -> Face {
        Face((self.0.hash_one(ip) >> 32) as u32)
    }
}

impl Acquaintances {
    /// Remembers these addresses, or none of them if that would make more than `limit`; returns whether it does.
    #[must_use]
    pub(super) fn meet(&mut self, faces: impl Iterator<Item = Face> + Clone, limit: usize) -> bool {
        let before = self.0.len();
        for Face(face) in faces {
            if self.0.contains(&face) {
                continue;
            }
            if self.0.len() >= limit {
                self.0.truncate(before);
                return false;
            }
            self.0.push(face);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(hosts: std::ops::Range<u8>) -> impl Iterator<Item = Face> + Clone {
        hosts.map(|host| Face(u32::from(host)))
    }

    #[test]
    fn an_address_counts_once_however_often_it_is_met() {
        let mut known = Acquaintances::default();
        for _ in 0..3 {
            assert!(known.meet(faces(0..4), 4));
        }
        assert!(!known.meet(faces(4..5), 4));
    }

    #[test]
    fn of_too_many_at_once_none_is_remembered() {
        let mut known = Acquaintances::default();
        assert!(known.meet(faces(0..2), 4));
        assert!(!known.meet(faces(1..9), 4));
        assert!(known.meet(faces(9..11), 4));
    }

    #[test]
    fn addresses_have_faces_of_their_own() {
        let key = FaceKey::default();
        let face = |text: &str| key.face(text.parse().unwrap());
        assert_eq!(face("192.0.2.1"), face("192.0.2.1"));
        assert!(face("192.0.2.1") != face("192.0.2.2") || face("192.0.2.1") != face("192.0.2.3"));
    }
}
