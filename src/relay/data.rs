//! The hot path: application data in either direction. RFC 8656 §11, §12.
//!
//! No heap, no lock, no clock, no formatting; everything that expires is compared with `now` here.
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::SocketAddr;
use std::ops::Range;

use crate::relay::allocation::ChannelIndex;
use crate::relay::allocation::Scope;
use crate::relay::client::ClientAddr;
use crate::relay::client::Family;
use crate::relay::client::Via;
use crate::relay::counters::Direction;
use crate::relay::directory::Directory;
use crate::relay::directory::RelayedSlot;
use crate::relay::drop_reason::DropReason;
use crate::relay::pair_view::Reach;
use crate::relay::pair_view::Shortcut;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::relay::verdict::Delivery;
use crate::relay::verdict::FromClient;
use crate::relay::verdict::FromPeer;
use crate::relay::verdict::Head;
use crate::stun::TransactionId;
use crate::stun::channel_data;
use crate::stun::data_indication;
use crate::stun::pad_len;
use crate::time::Mono;

/// Data of a client on its way out.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) peer: SocketAddr,
    /// The channel it came on.
    pub(super) channel: Option<ChannelIndex>,
    pub(super) payload: Range<usize>,
    pub(super) dont_fragment: bool,
}

/// Transaction ids of Data indications: nobody answers them, so being different is enough.
#[derive(Debug)]
pub(super) struct IndicationIds {
    prefix: u32,
    next: u64,
}

impl IndicationIds {
    pub(super) fn new() -> Self {
        let random = RandomState::new().hash_one(0);
        Self { prefix: (random & u64::from(u32::MAX)) as u32, next: random.rotate_left(32) }
    }

    pub(super) fn next(&mut self) -> TransactionId {
        self.next = self.next.wrapping_add(1);
        let mut id = [0; 12];
        let (prefix, number) = id.split_at_mut(4);
        prefix.copy_from_slice(&self.prefix.to_be_bytes());
        number.copy_from_slice(&self.next.to_be_bytes());
        TransactionId(id)
    }
}

impl Server {
    /// Receives ChannelData from a client. RFC 8656 §12.6.
    pub(super) fn on_channel_data(&mut self, from: &ClientAddr, packet: &[u8], now: Mono) -> FromClient {
        let Some(data) = channel_data::parse(packet) else {
            return self.discard(DropReason::BadChannelData);
        };
        let Some((at, allocation)) = self.allocations.live(from, now) else {
            return self.discard(DropReason::NoAllocation);
        };
        let Some((channel, peer)) = allocation.channel(data.number, now) else {
            return self.discard_of(at, DropReason::NoChannel);
        };
        self.relay(at, Outgoing { peer, channel: Some(channel), payload: data.payload, dont_fragment: false }, now)
    }

    /// Sends data of a client on its way, if its permission reaches that far.
    pub(super) fn relay(&mut self, at: AllocationId, outgoing: Outgoing, now: Mono) -> FromClient {
        match self.route(at, outgoing, now) {
            Ok(verdict) => verdict,
            Err(reason) => self.discard_of(at, reason),
        }
    }

    fn route(&mut self, at: AllocationId, outgoing: Outgoing, now: Mono) -> Result<FromClient, DropReason> {
        let Outgoing { peer, channel, payload, dont_fragment } = outgoing;
        let allocation = self.allocations.get_mut(at).ok_or(DropReason::NoAllocation)?;
        let scope = allocation.permission(peer.ip(), now).ok_or(DropReason::NoPermission)?;
        let own = allocation.halves.live(Family::of(peer.ip()), now).ok_or(DropReason::NoPermission)?;
        let bytes = payload.len() as u64;
        let mut unkept = None;
        let shortcut = channel.and_then(|channel| channel.of(&mut allocation.channels)).unwrap_or(&mut unkept);
        if shortcut.as_ref().is_none_or(|shortcut| !shortcut.holds(now)) {
            *shortcut = meet(&self.directory, peer, own.slot(), now)?;
        }
        if let Some(Shortcut { entry: other, reach, .. }) = shortcut {
            if !self.scales.admit(&mut allocation.outward.meter, bytes, now) {
                return Err(DropReason::Bandwidth);
            }
            let source = || self.directory.external_address(own.slot());
            let (head, pad) = head(*reach, other.client.via, source, payload.len(), &mut self.indications)
                .ok_or(DropReason::TooLong)?;
            let to = Delivery { client: other.client, shard: other.shard, head, pad };
            allocation.outward.handed_over.count(bytes);
            self.counters.count_relayed(Direction::HandedOver, bytes);
            if other.shard != self.shard {
                other.count_handed(bytes);
            } else {
                let receiver = other.allocation;
                let receiver = self.allocations.get_mut(receiver);
                receiver.into_iter().for_each(|receiver| receiver.handed_in.count(bytes));
            }
            return Ok(FromClient::HandOver { to, payload });
        }
        if scope == Scope::RelayedOnly {
            return Err(DropReason::OwnAddress);
        }
        self.config.policy.check_port(peer).map_err(|_| DropReason::PeerPort)?;
        if !self.scales.admit(&mut allocation.outward.meter, bytes, now) {
            return Err(DropReason::Bandwidth);
        }
        allocation.outward.to_peers.count(bytes);
        self.counters.count_relayed(Direction::ToPeer, bytes);
        Ok(FromClient::ToPeer { at, to: peer, payload, dont_fragment })
    }

    /// Receives a datagram from a peer outside. RFC 8656 §11.3, §12.7.
    pub(super) fn on_peer_data(&mut self, at: AllocationId, from: SocketAddr, len: usize, now: Mono) -> FromPeer {
        let live = self.allocations.get_mut(at).filter(|allocation| allocation.half(from.ip(), now).is_some());
        let Some(allocation) = live else {
            self.counters.count_dropped(DropReason::NoAllocation);
            return FromPeer::Nothing;
        };
        // The kernel adds flow and scope to IPv6 addresses; a peer is an address and a port.
        let from = SocketAddr::new(from.ip(), from.port());
        // A socket of this machine is no peer, even where live relayed addresses are.
        if allocation.permission(from.ip(), now) != Some(Scope::Any) {
            allocation.count_dropped(DropReason::PeerNotPermitted);
            self.counters.count_dropped(DropReason::PeerNotPermitted);
            return FromPeer::Nothing;
        }
        if !self.scales.admit(&mut allocation.inward.meter, len as u64, now) {
            allocation.count_dropped(DropReason::Bandwidth);
            self.counters.count_dropped(DropReason::Bandwidth);
            return FromPeer::Nothing;
        }
        let reach = allocation.peer_channel(from, now).map_or(Reach::Indication, Reach::Channel);
        let Some((head, pad)) = head(reach, allocation.client.via, || Some(from), len, &mut self.indications) else {
            allocation.count_dropped(DropReason::TooLong);
            self.counters.count_dropped(DropReason::TooLong);
            return FromPeer::Nothing;
        };
        allocation.inward.to_client.count(len as u64);
        self.counters.count_relayed(Direction::ToClient, len as u64);
        FromPeer::ToClient(Delivery { client: allocation.client, shard: self.shard, head, pad })
    }
}

/// The other side, if the peer is a live relayed address of this process. `own` is the sender's.
fn meet(directory: &Directory, peer: SocketAddr, own: RelayedSlot, now: Mono) -> Result<Option<Shortcut>, DropReason> {
    let Some(slot) = directory.slot(peer) else { return Ok(None) };
    let Some(other) = directory.find_slot(slot).clone() else { return Ok(None) };
    if slot == own {
        return Err(DropReason::SelfPeer);
    }
    other.shortcut(own, now).map(Some).ok_or(DropReason::PairNotPermitted)
}

/// What goes before and behind a payload from `source` on its way to a client; `None` if it is too long for it.
#[inline]
fn head(
    reach: Reach,
    via: Via,
    source: impl FnOnce() -> Option<SocketAddr>,
    payload_len: usize,
    ids: &mut IndicationIds,
) -> Option<(Head, u8)> {
    match reach {
        Reach::Channel(number) => {
            let len = u16::try_from(payload_len).ok()?;
            // Datagrams say their length themselves; streams need the padding. RFC 8656 §12.5.
            let pad = if via.stream().is_some() { pad_len(payload_len) } else { 0 };
            Some((Head::channel_data(channel_data::header(number, len)), pad as u8))
        }
        Reach::Indication => {
            let source = source()?;
            let head = Head::data_indication(|out| data_indication::header(source, payload_len, ids.next(), out))?;
            Some((head, pad_len(payload_len) as u8))
        }
    }
}
