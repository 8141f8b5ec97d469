//! One shard's TURN server: what comes in, what goes out.
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::relay::acquaintances::FaceKey;
use crate::relay::allocations::Allocations;
use crate::relay::bandwidth::Scales;
use crate::relay::client::ClientAddr;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::client::ShardId;
use crate::relay::client::StreamId;
use crate::relay::config::Config;
use crate::relay::counters::Counters;
use crate::relay::data::IndicationIds;
use crate::relay::deadlines::Deadlines;
use crate::relay::defences::Defences;
use crate::relay::directory::Directory;
use crate::relay::drop_reason::DropReason;
use crate::relay::effect::Effect;
use crate::relay::openings::Openings;
use crate::relay::revocations::Revocations;
use crate::relay::slab::AllocationId;
use crate::relay::usage::EndReason;
use crate::relay::verdict::FromClient;
use crate::relay::verdict::FromPeer;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// The TURN server of one shard. RFC 8656.
///
/// After each `handle_*` call, [`revoke`](Self::revoke) and [`reconfigure`](Self::reconfigure), the shell polls
/// [`poll_effect`](Self::poll_effect) until it is empty.
#[derive(Debug)]
pub struct Server {
    pub(super) shard: ShardId,
    pub(super) config: Arc<Config>,
    pub(super) directory: Arc<Directory>,
    pub(super) defences: Arc<Defences>,
    pub(super) counters: Arc<Counters>,
    pub(super) allocations: Allocations,
    pub(super) openings: Openings,
    pub(super) deadlines: Deadlines,
    pub(super) revocations: Revocations,
    pub(super) indications: IndicationIds,
    pub(super) face_key: FaceKey,
    pub(super) scales: Scales,
    pub(super) effects: VecDeque<Effect>,
    pub(super) draining: bool,
}

impl Server {
    /// A server without allocations. All shards of the process share `directory` and `defences`; `counters` are this shard's
    /// own.
    pub fn new(
        shard: ShardId,
        config: Arc<Config>,
        directory: Arc<Directory>,
        defences: Arc<Defences>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            shard,
            scales: Scales::new(Arc::clone(&defences), &config.limits),
            config,
            directory,
            defences,
            counters,
            allocations: Allocations::new(),
            openings: Openings::default(),
            deadlines: Deadlines::default(),
            revocations: Revocations::default(),
            indications: IndicationIds::new(),
            face_key: FaceKey::default(),
            effects: VecDeque::new(),
            draining: false,
        }
    }

    /// Takes one datagram, or one frame of a stream, from a client.
    ///
    /// `reply` should hold [`REPLY_MAX`](crate::relay::REPLY_MAX) bytes; an answer that does not fit is not given.
    pub fn handle_client(&mut self, from: ClientAddr, packet: &[u8], now: Now, reply: &mut [u8]) -> FromClient {
        // The first bits tell the protocols apart. RFC 8656 §12.
        match packet.first() {
            Some(0x40..=0x7F) => self.on_channel_data(&from, packet, now.mono),
            Some(0x00..=0x3F) => self.on_stun(&from, packet, now, reply),
            Some(_) | None => self.discard(DropReason::NotTurn),
        }
    }

    /// Takes one datagram of `payload_len` bytes that reached the relay socket of `at`.
    ///
    /// `from` is IPv4 or native IPv6, never IPv4-mapped.
    pub fn handle_peer(&mut self, at: AllocationId, from: SocketAddr, payload_len: usize, now: Now) -> FromPeer {
        self.on_peer_data(at, from, payload_len, now.mono)
    }

    /// A client's connection is gone: its allocation is freed at once.
    pub fn handle_stream_closed(&mut self, stream: StreamId, now: Now) {
        self.openings.forget_stream(stream);
        if let Some(at) = self.allocations.id_of_stream(stream) {
            self.end(at, EndReason::StreamClosed, now);
        }
    }

    /// Frees what has expired; to be called when [`next_deadline`](Self::next_deadline) has come.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some((at, id)) = self.deadlines.pop_due(now.mono) {
            let scheduled = self.allocations.get(id).filter(|allocation| allocation.scheduled_at == at);
            if let Some(expired) = scheduled.and_then(|allocation| allocation.halves.expired(now.mono)) {
                self.end_half(id, expired, EndReason::Expired, now);
            }
            // It lives on: it was refreshed, or only one of its families has expired.
            if let Some(allocation) = self.allocations.get_mut(id).filter(|allocation| allocation.scheduled_at == at) {
                let next = allocation.halves.next_expiry();
                allocation.scheduled_at = next;
                self.deadlines.push(next, id);
            }
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do next. Late calls free memory late, nothing else.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.next()
    }

    /// The next thing the shell must do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Counts what came to a relayed address while nobody was permitted to send there: packets that the shell did not even
    /// read ([`Effect::Hear`]).
    pub fn count_unheard(&self, packets: u64) {
        self.counters.count_dropped_many(DropReason::PeerNotPermitted, packets);
    }

    /// Frees the allocations of a session, closes its connections, and refuses its credentials until `until`.
    pub fn revoke(&mut self, session: &str, until: UnixMillis, now: Now) {
        self.revocations.refuse(session, until, now.unix);
        for at in self.allocations.ids_of_session(session) {
            self.end_with_stream(at, EndReason::Revoked, now);
        }
    }

    /// Refuses new allocations from now on; those that live go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Applies a new configuration. Permissions and channels that it forbids are gone at once.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        self.config = config;
        self.scales = Scales::new(Arc::clone(&self.defences), &self.config.limits);
        self.review_permissions();
    }

    /// How many allocations exist.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    fn on_stun(&mut self, from: &ClientAddr, packet: &[u8], now: Now, reply: &mut [u8]) -> FromClient {
        let Ok(message) = Message::parse(packet) else { return self.discard(DropReason::BadStun) };
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => self.on_send(&message, from, now.mono),
            (Class::Request, _) => self.on_request(&message, from, now, reply),
            (Class::Indication | Class::Success | Class::Error, _) => self.discard(DropReason::Unexpected),
        }
    }

    /// Frees an allocation: nobody finds it any more, and the shell is told.
    pub(super) fn end(&mut self, at: AllocationId, reason: EndReason, now: Now) {
        let Some(allocation) = self.allocations.remove(at) else { return };
        if let Some(families) = allocation.halves.open_families() {
            self.counters.allocation_ended(allocation.client.via.transport(), families);
        }
        for half in allocation.halves.open() {
            self.directory.withdraw(half.slot());
            self.effects.push_back(Effect::Close { at, family: half.family(), relayed: half.slot() });
        }
        self.effects.push_back(Effect::Ended(allocation.usage(reason, now)));
    }

    /// Frees an allocation and closes its client's connection, if that has one; false without such an allocation.
    pub(super) fn end_with_stream(&mut self, at: AllocationId, reason: EndReason, now: Now) -> bool {
        let Some(allocation) = self.allocations.get(at) else { return false };
        let stream = allocation.client.via.stream();
        self.end(at, reason, now);
        self.effects.extend(stream.map(|stream| Effect::CloseStream { stream }));
        true
    }

    /// Gives back the relayed address of one family, with its permissions and channels. RFC 8656 §8.1.
    ///
    /// An allocation without the other family ends.
    pub(super) fn end_half(&mut self, at: AllocationId, family: Family, reason: EndReason, now: Now) {
        let Some(allocation) = self.allocations.get_mut(at) else { return };
        let before = allocation.halves.open_families();
        if before != Some(Families::Both) {
            return self.end(at, reason, now);
        }
        let Some(relayed) = allocation.halves.close(family) else { return };
        allocation.forget_family(family);
        let transport = allocation.client.via.transport();
        let after = allocation.halves.open_families();
        self.directory.withdraw(relayed);
        before.into_iter().for_each(|families| self.counters.allocation_ended(transport, families));
        after.into_iter().for_each(|families| self.counters.allocation_began(transport, families));
        self.effects.push_back(Effect::Close { at, family, relayed });
    }

    /// Makes the deadline heap look at an allocation no later than it expires.
    pub(super) fn schedule(&mut self, at: AllocationId) {
        let Some(allocation) = self.allocations.get_mut(at) else { return };
        // A later expiry needs no entry of its own: the earlier one comes up and is pushed again.
        let next = allocation.halves.next_expiry();
        if next < allocation.scheduled_at {
            allocation.scheduled_at = next;
            self.deadlines.push(next, at);
        }
        let Self { deadlines, allocations, .. } = self;
        deadlines.tidy(allocations.len(), |moment, id| {
            allocations.get(id).is_some_and(|allocation| allocation.scheduled_at == moment)
        });
    }

    pub(super) fn discard(&self, reason: DropReason) -> FromClient {
        self.counters.count_dropped(reason);
        FromClient::Nothing
    }

    /// Discards a packet of a known allocation, which counts it too.
    pub(super) fn discard_of(&mut self, at: AllocationId, reason: DropReason) -> FromClient {
        if let Some(allocation) = self.allocations.get_mut(at) {
            allocation.count_dropped(reason);
        }
        self.discard(reason)
    }
}
