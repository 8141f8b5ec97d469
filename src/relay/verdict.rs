//! What becomes of a packet: verdicts name ranges and addresses, the payload is never touched.
use std::net::SocketAddr;
use std::ops::Range;

use crate::relay::client::ClientAddr;
use crate::relay::client::ShardId;
use crate::relay::slab::AllocationId;
use crate::stun::data_indication;

/// The longest header that goes before a payload: a Data indication with an IPv6 peer, in bytes.
pub const HEAD_MAX: usize = data_indication::HEADER_MAX;

/// The bytes that go before a payload: a ChannelData header, or a Data indication up to its DATA value.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; HEAD_MAX],
    len: u8,
}

impl Head {
    /// A ChannelData header. RFC 8656 §12.4.
    pub(super) fn channel_data(header: [u8; 4]) -> Self {
        let mut bytes = [0; HEAD_MAX];
        bytes[..4].copy_from_slice(&header);
        Self { bytes, len: 4 }
    }

    /// A Data indication's header, which `write` puts into the buffer, returning its length in bytes.
    #[inline]
    pub(super) fn data_indication(write: impl FnOnce(&mut [u8; HEAD_MAX]) -> Option<usize>) -> Option<Self> {
        let mut bytes = [0; HEAD_MAX];
        let len = u8::try_from(write(&mut bytes)?).ok()?;
        Some(Self { bytes, len })
    }

    /// The header's bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A message for a client: `head`, then the payload, then `pad` zero bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it goes, and the listener or connection it leaves from.
    pub client: ClientAddr,
    /// The shard that owns the client; a connection can only be written there, a datagram can leave anywhere.
    pub shard: ShardId,
    /// What goes before the payload.
    pub head: Head,
    /// How many zero bytes follow the payload: 0 to 3.
    pub pad: u8,
}

/// What becomes of a packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// `reply[..len]` goes back to the sender.
    Reply {
        /// The length of the answer in bytes.
        len: usize,
    },
    /// `packet[payload]` leaves from the relay socket of `at` that has the family of `to`.
    ToPeer {
        /// The allocation whose relayed address is the source.
        at: AllocationId,
        /// The peer.
        to: SocketAddr,
        /// The application data within the packet.
        payload: Range<usize>,
        /// Whether the client asked for the DF bit. RFC 8656 §18.9.
        dont_fragment: bool,
    },
    /// The peer is a relayed address of this process: `packet[payload]` goes straight to its client.
    HandOver {
        /// The other allocation's client.
        to: Delivery,
        /// The application data within the packet.
        payload: Range<usize>,
    },
    /// [`Server::poll_effect`](crate::relay::Server::poll_effect) yields an
    /// [`Effect::Open`](crate::relay::Effect::Open); the answer comes out of
    /// [`Server::handle_opened`](crate::relay::Server::handle_opened).
    Opening,
    /// Consumed, or discarded and counted.
    Nothing,
}

/// What becomes of a datagram that reached a relayed address.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FromPeer {
    /// The datagram's payload goes to the allocation's client.
    ToClient(Delivery),
    /// Discarded and counted.
    Nothing,
}
