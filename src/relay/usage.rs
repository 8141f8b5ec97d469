//! The record of one ended allocation.
use sha2::Digest;
use sha2::Sha256;

use crate::relay::client::ClientTransport;
use crate::relay::client::Families;
use crate::relay::drop_reason::DropReason;
use crate::time::UnixMillis;

/// Packets and bytes of application data.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of application data.
    pub bytes: u64,
}

impl Traffic {
    pub(super) fn count(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
}

/// Why an allocation ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The client refreshed it with lifetime zero.
    Deleted,
    /// It was not refreshed in time.
    Expired,
    /// Its session was revoked.
    Revoked,
    /// Its TCP or TLS connection closed.
    StreamClosed,
}

impl EndReason {
    /// The stable name in records.
    pub const fn label(self) -> &'static str {
        match self {
            EndReason::Deleted => "deleted",
            EndReason::Expired => "expired",
            EndReason::Revoked => "revoked",
            EndReason::StreamClosed => "stream_closed",
        }
    }
}

/// What one allocation did between its Allocate and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The session its credential was minted for; `None` for static users.
    pub session: Option<Box<str>>,
    /// Tells users apart without naming them; see [`user_hash`].
    pub user_hash: u64,
    /// The client's transport.
    pub transport: ClientTransport,
    /// The families of its relayed addresses, also of one that was deleted earlier.
    pub families: Families,
    /// When it was allocated.
    pub started: UnixMillis,
    /// When it ended.
    pub ended: UnixMillis,
    /// Data of the client that left for peers outside.
    pub to_peers: Traffic,
    /// Data of peers outside that went to the client.
    pub to_client: Traffic,
    /// Data of the client that went straight to other clients of this process.
    pub handed_out: Traffic,
    /// Data of other clients of this process that went straight to this client.
    pub handed_in: Traffic,
    /// Packets discarded while the allocation was known, by the order of [`DropReason::ALL`].
    pub dropped: [u32; DropReason::ALL.len()],
    /// Why it ended.
    pub end: EndReason,
}

impl Usage {
    /// How many packets were discarded for this reason.
    pub fn dropped(&self, reason: DropReason) -> u32 {
        self.dropped[reason.index()]
    }
}

/// The first 64 bits of the SHA-256 of a user's id: the same in every record, on every node.
pub fn user_hash(id: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(id).into();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_hash_is_the_head_of_its_sha_256() {
        // sha256("abc"), FIPS 180-2 appendix B.1.
        assert_eq!(user_hash("abc"), 0xba78_16bf_8f01_cfea);
    }
}
