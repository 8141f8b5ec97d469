//! ICMP errors about datagrams that an allocation sent, told to its client. RFC 8656 §11.5.
use std::net::SocketAddr;

use crate::relay::allocation::Scope;
use crate::relay::client::ClientAddr;
use crate::relay::drop_reason::DropReason;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Method;
use crate::stun::Writer;
use crate::time::Now;

/// What a router or the peer's host said about a datagram that left a relayed address.
///
/// The kernel has matched the quoted datagram to the relay socket already.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Where the datagram was going.
    pub peer: SocketAddr,
    /// The ICMP type: 3 or 11 (RFC 792), of IPv6 1, 2 or 3 (RFC 4443).
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The MTU of the next hop in bytes, where the type and code say that a datagram was too long; else zero.
    pub mtu: u32,
}

impl IcmpError {
    /// The errors that a client is told. RFC 8656 §11.5.
    const fn is_told(&self) -> bool {
        match self.peer {
            SocketAddr::V4(_) => matches!(self.kind, 3 | 11),
            SocketAddr::V6(_) => matches!(self.kind, 1..=3),
        }
    }

    /// The value of the ICMP attribute: 16 reserved bits, type, code, 32 bits of data. RFC 8656 §18.13.
    ///
    /// The picture there gives the type 7 bits and the code 9. Both are octets in ICMP, and clients that know the
    /// attribute read octets, so octets are sent.
    fn attribute(&self) -> [u8; 8] {
        let is_too_long = match self.peer {
            SocketAddr::V4(_) => (self.kind, self.code) == (3, 4),
            SocketAddr::V6(_) => self.kind == 2,
        };
        let data = if is_too_long { self.mtu } else { 0 };
        let [a, b, c, d] = data.to_be_bytes();
        [0, 0, self.kind, self.code, a, b, c, d]
    }
}

impl Server {
    /// Writes the Data indication that tells the client of `at`, and returns where it goes and its length in bytes.
    ///
    /// `None`: nobody is to be told, which is counted if the peer has no permission. `reply` should hold
    /// [`REPLY_MAX`](crate::relay::REPLY_MAX) bytes.
    pub fn handle_icmp(
        &mut self,
        at: AllocationId,
        error: IcmpError,
        now: Now,
        reply: &mut [u8],
    ) -> Option<(ClientAddr, usize)> {
        let allocation = self.allocations.get_mut(at)?;
        if !error.is_told() || allocation.half(error.peer.ip(), now.mono).is_none() {
            return None;
        }
        if allocation.permission(error.peer.ip(), now.mono) != Some(Scope::Any) {
            allocation.count_dropped(DropReason::PeerNotPermitted);
            self.counters.count_dropped(DropReason::PeerNotPermitted);
            return None;
        }
        let client = allocation.client;
        let mut writer = Writer::new(reply, Class::Indication, Method::DATA, self.indications.next());
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, error.peer);
        let written = writer.attribute(AttributeType::ICMP, &error.attribute()).finish();
        written.ok().map(|len| (client, len))
    }
}
