//! What can happen next, as a plan chooses it.
use std::net::SocketAddr;
use std::time::Duration;

use duologue::relay::IcmpError;
use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use duologue::time::UnixMillis;

use super::cast;
use super::held::Held;
use super::packets;
use super::packets::Meaning;
use super::packets::Sent;
use super::world::World;
use crate::choices::Choices;

/// Packets that may come again.
const HISTORY: usize = 16;
/// UDP, TCP and nothing in REQUESTED-TRANSPORT.
const TRANSPORTS: [u32; 8] = [17 << 24, 17 << 24, 17 << 24, 17 << 24, 17 << 24, 17 << 24, 6 << 24, 0];
/// Below, between and beyond the limits; most of them long.
const LIFETIMES_S: [u32; 8] = [3600, 3600, 600, 1800, 1, 0, u32::MAX, 601];
/// About everything that expires: a reservation, a port's rest, permissions, channels, allocations, nonces.
const TIMES_S: [u64; 10] = [1, 31, 60, 150, 299, 300, 599, 600, 3599, 3600];
const NUMBERS: [u16; 8] = [0x4000, 0x4001, 0x4002, 0x4FFF, 0x5000, 0x7FFF, 0x4003, 0x4004];

impl World {
    /// Does one step.
    pub(super) fn step(&mut self, choices: &mut Choices<'_>) {
        let client = choices.below(self.places.len());
        match choices.below(21) {
            0 | 1 => self.allocate(client, choices),
            2 => self.refresh(client, choices),
            3 | 4 => self.permit(client, choices),
            5 | 6 => self.bind(client, choices),
            7 | 8 => self.send(client, choices),
            9 => self.channel(client, choices),
            10 => self.peer_data(client, choices),
            11 => self.pass_time(choices),
            12 => self.again(client, choices),
            13 => self.altered(client, choices),
            14 => self.unsigned(client, choices),
            15 => {
                let bytes = choices.some().to_vec();
                self.deliver(client, Sent { is_whole: false, ..Sent::data(client, bytes, Meaning::Noise) });
            }
            16 => {
                self.places[client].credential = choices.below(self.credentials.len());
                self.places[client].signing = choices.one_of(&cast::SIGNINGS);
            }
            17 => self.operate(choices),
            18 => self.lose_stream(client),
            19 => self.befriend(client, choices),
            _ => self.reach_out(client, choices),
        }
    }

    fn peer(&self, choices: &mut Choices<'_>) -> SocketAddr {
        let at = choices.below(cast::PEERS.len() + 2 * self.places.len());
        if let Some(text) = cast::PEERS.get(at) {
            return cast::address(text);
        }
        let at = at - cast::PEERS.len();
        let held = self.places[at % self.places.len()].held.as_ref();
        let relayed =
            held.and_then(|held| if at.is_multiple_of(3) { held.relayed().last() } else { held.relayed().next() });
        let relayed = relayed.unwrap_or_else(|| cast::address("5.6.7.8:50001"));
        if at < self.places.len() {
            return relayed;
        }
        // By its other name.
        self.directory.slot(relayed).and_then(|slot| self.directory.local_address(slot)).unwrap_or(relayed)
    }

    fn id(&mut self) -> TransactionId {
        self.next_id += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next_id.to_be_bytes());
        TransactionId(id)
    }

    /// Sends a request that is signed with the client's credential.
    fn request(&mut self, client: usize, method: Method, meaning: Meaning, fill: impl FnOnce(&mut Writer<'_>)) {
        let id = self.id();
        let place = &self.places[client];
        let mut credential = self.credentials[place.credential].clone();
        (credential.algorithm, credential.integrity) = place.signing;
        let bytes = packets::signed(method, id, self.places[client].address, &credential, self.now, fill);
        self.deliver(client, Sent { bytes, client, credential: Some(credential), meaning, is_whole: true });
    }

    fn allocate(&mut self, client: usize, choices: &mut Choices<'_>) {
        let (flags, transport) = (choices.byte(), choices.one_of(&TRANSPORTS));
        let lifetime = choices.one_of(&LIFETIMES_S);
        let token = if flags & 0x30 == 0x30 { self.tokens.pop() } else { None };
        self.request(client, Method::ALLOCATE, Meaning::Allocate, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, transport).u32(AttributeType::LIFETIME, lifetime);
            match flags & 7 {
                4 => _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 1 << 24),
                5 => _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24),
                6 => _ = writer.u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, 2 << 24),
                7 => _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 3 << 24),
                _ => {}
            }
            match flags & 0x18 {
                0x08 => _ = writer.attribute(AttributeType::EVEN_PORT, &[0]),
                0x18 => _ = writer.attribute(AttributeType::EVEN_PORT, &[0x80]),
                _ => {}
            }
            if let Some(token) = token {
                writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
            }
            if flags & 0x40 != 0 {
                writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
            }
        });
    }

    fn refresh(&mut self, client: usize, choices: &mut Choices<'_>) {
        let (lifetime, family) = (choices.one_of(&LIFETIMES_S), choices.byte());
        let family = if family > 127 { Some(family & 3) } else { None };
        let is_ipv4 = family.map(|family| family == 1);
        self.request(client, Method::REFRESH, Meaning::Refresh(is_ipv4), |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime);
            if let Some(family) = family {
                writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, u32::from(family) << 24);
            }
        });
    }

    fn permit(&mut self, client: usize, choices: &mut Choices<'_>) {
        let count = choices.one_of(&[1, 1, 1, 2, 3, 0, 8]);
        let peers: Vec<SocketAddr> = (0..count).map(|_| self.peer(choices)).collect();
        self.request(client, Method::CREATE_PERMISSION, Meaning::Permit(peers.clone()), |writer| {
            for peer in &peers {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
            }
        });
    }

    fn bind(&mut self, client: usize, choices: &mut Choices<'_>) {
        let (number, peer) = (choices.one_of(&NUMBERS), self.peer(choices));
        self.request(client, Method::CHANNEL_BIND, Meaning::Bind(number, peer), |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
    }

    fn send(&mut self, client: usize, choices: &mut Choices<'_>) {
        let (peer, payload) = (self.peer(choices), choices.some().to_vec());
        let bytes = packets::send(peer, &payload, false);
        self.deliver(client, Sent::data(client, bytes, Meaning::Send(peer, payload)));
    }

    fn channel(&mut self, client: usize, choices: &mut Choices<'_>) {
        let number = choices.one_of(&NUMBERS);
        self.channel_with(client, number, choices);
    }

    fn channel_with(&mut self, client: usize, number: u16, choices: &mut Choices<'_>) {
        let payload = choices.some().to_vec();
        let is_stream = self.places[client].address.via.stream().is_some();
        let bytes = packets::channel(number, &payload, is_stream);
        self.deliver(client, Sent::data(client, bytes, Meaning::Channel(number, payload)));
    }

    fn peer_data(&mut self, client: usize, choices: &mut Choices<'_>) {
        let (from, payload) = (self.peer(choices), choices.some());
        // A mapped address never comes from a socket.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let place = &self.places[client];
        let live = place.held.as_ref().map(|held| (place.shard, held.at));
        let stale = if choices.is_set() { self.gone.last().copied() } else { None };
        let Some((shard, at)) = stale.or(live) else { return };
        match choices.byte() {
            kind @ 1..=12 => self.hear_icmp(shard, at, IcmpError { peer: from, kind, code: kind & 4, mtu: 1280 }),
            _ => self.hear(shard, at, from, payload),
        }
    }

    fn pass_time(&mut self, choices: &mut Choices<'_>) {
        self.pass(Duration::from_secs(choices.one_of(&TIMES_S)));
        // A shell may be late.
        if choices.is_set() {
            self.expire();
        }
    }

    pub(super) fn remember(&mut self, sent: Sent) {
        if self.history.len() == HISTORY {
            self.history.remove(0);
        }
        self.history.push(sent);
    }

    fn recalled(&self, choices: &mut Choices<'_>) -> Option<Sent> {
        let back = choices.below(HISTORY);
        self.history.iter().rev().nth(back).cloned()
    }

    /// A packet comes again, perhaps from somebody else.
    fn again(&mut self, client: usize, choices: &mut Choices<'_>) {
        let Some(sent) = self.recalled(choices) else { return };
        let from = if choices.is_set() { client } else { sent.client };
        self.deliver(from, sent);
    }

    /// A packet comes changed.
    fn altered(&mut self, client: usize, choices: &mut Choices<'_>) {
        let Some(mut sent) = self.recalled(choices) else { return };
        let from = if choices.below(4) == 0 { client } else { sent.client };
        sent.is_whole = false;
        let at = usize::from(choices.word()) % sent.bytes.len().max(1);
        match choices.below(5) {
            0 => {
                if let Some(byte) = sent.bytes.get_mut(at) {
                    *byte ^= 1 << choices.below(8);
                }
            }
            1 => {
                if let Some(byte) = sent.bytes.get_mut(at) {
                    *byte = choices.byte();
                }
            }
            2 => sent.bytes.truncate(at),
            3 => sent.bytes.extend_from_slice(choices.some()),
            // Attributes behind the integrity, with a length that covers them.
            _ => {
                let peer = self.peer(choices);
                let more = packets::message(Class::Request, Method::BINDING, TransactionId([0; 12]), |writer| {
                    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).u32(AttributeType::LIFETIME, 0);
                });
                sent.bytes.extend_from_slice(&more[20..]);
                let len = u16::try_from(sent.bytes.len().saturating_sub(20)).expect("short");
                if let Some(field) = sent.bytes.get_mut(2..4) {
                    field.copy_from_slice(&len.to_be_bytes());
                }
            }
        }
        self.deliver(from, sent);
    }

    /// A request without credentials; most are of the length that makes an answer look long.
    fn unsigned(&mut self, client: usize, choices: &mut Choices<'_>) {
        let method = choices.one_of(&[
            Method::BINDING,
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::SEND,
        ]);
        let (ty, value) = (choices.word(), choices.some());
        let (id, has_fingerprint) = (self.id(), choices.is_set());
        let bytes = packets::message(Class::Request, method, id, |writer| {
            if ty != 0 {
                writer.attribute(AttributeType(ty), value);
            }
            if has_fingerprint {
                writer.fingerprint();
            }
        });
        let meaning = if method == Method::BINDING { Meaning::Binding } else { Meaning::Noise };
        self.deliver(client, Sent::data(client, bytes, meaning));
    }

    fn operate(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0 | 1 => self.revoke(choices),
            2 | 3 => {
                self.settings.is_closed = choices.is_set();
                self.settings.secrets = 1 + choices.below(2);
                self.reconfigure();
            }
            4 => self.is_slow = true,
            5 => {
                self.is_slow = false;
                for shard in 0..self.shards.len() {
                    self.open_waiting(shard);
                }
                self.settle();
            }
            6 => self.is_out_of_sockets = choices.is_set(),
            _ if choices.below(4) == 0 => {
                for shard in &mut self.shards {
                    shard.server.drain();
                }
            }
            _ => self.expire(),
        }
    }

    fn revoke(&mut self, choices: &mut Choices<'_>) {
        let session = choices.one_of(&["s1", "s2", "s3"]);
        let until = self.now.unix + Duration::from_secs(choices.one_of(&[100, 4000]));
        for shard in &mut self.shards {
            shard.server.revoke(session, until, self.now);
        }
        self.settle();
        let mut held = self.places.iter().filter_map(|place| place.held.as_ref());
        assert!(held.all(|held| held.session != Some(session)), "an allocation outlives its session");
        let entry = self.refused_until.entry(session).or_insert(UnixMillis(0));
        *entry = until.max(*entry);
    }

    fn reconfigure(&mut self) {
        for shard in &mut self.shards {
            shard.server.reconfigure(self.settings.config());
        }
        self.settle();
        let live: Vec<SocketAddr> =
            self.places.iter().filter_map(|place| place.held.as_ref()).flat_map(Held::relayed).collect();
        let names = |peer: SocketAddr| live.iter().any(|relayed| self.is_named(*relayed, peer));
        let dead: Vec<Vec<u16>> = self
            .places
            .iter()
            .map(|place| {
                place
                    .held
                    .as_ref()
                    .map_or(Vec::new(), |held| held.channels_to(|peer| !cast::is_sendable(peer) && !names(peer)))
            })
            .collect();
        let is_closed = self.settings.is_closed;
        for (place, dead) in self.places.iter_mut().zip(dead) {
            if let Some(held) = &mut place.held {
                held.unbind(&dead);
                if is_closed {
                    held.close(cast::ip(cast::CLOSED_BY_RELOAD));
                }
            }
        }
    }

    fn lose_stream(&mut self, client: usize) {
        if let Some(stream) = self.places[client].address.via.stream() {
            self.close_stream(stream);
            self.settle();
            assert!(self.places[client].held.is_none(), "an allocation outlives its connection");
        }
    }

    /// Two clients allocate and permit each other: the start of most calls, which chance would seldom find.
    fn befriend(&mut self, client: usize, choices: &mut Choices<'_>) {
        let other = choices.below(self.places.len());
        let is_bound = choices.is_set();
        for client in [client, other] {
            self.request(client, Method::ALLOCATE, Meaning::Allocate, |writer| {
                writer.u32(AttributeType::REQUESTED_TRANSPORT, 17 << 24);
            });
        }
        for (from, to) in [(client, other), (other, client)] {
            let Some(peer) = self.places[to].held.as_ref().and_then(|held| held.relayed().next()) else { return };
            self.request(from, Method::CREATE_PERMISSION, Meaning::Permit(vec![peer]), |writer| {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            });
            if is_bound {
                self.request(from, Method::CHANNEL_BIND, Meaning::Bind(0x4000, peer), |writer| {
                    writer.u32(AttributeType::CHANNEL_NUMBER, 0x4000 << 16);
                    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
                });
            }
        }
        let payload = choices.some().to_vec();
        let Some(peer) = self.places[other].held.as_ref().and_then(|held| held.relayed().next()) else { return };
        let bytes = packets::send(peer, &payload, false);
        self.deliver(client, Sent::data(client, bytes, Meaning::Send(peer, payload)));
    }

    /// A client allocates, permits a peer outside, and both say something.
    fn reach_out(&mut self, client: usize, choices: &mut Choices<'_>) {
        let peer = cast::address(cast::PEERS[choices.below(cast::SENDABLE)]);
        self.request(client, Method::ALLOCATE, Meaning::Allocate, |writer| {
            let family = if peer.is_ipv4() { 1 << 24 } else { 2 << 24 };
            writer
                .u32(AttributeType::REQUESTED_TRANSPORT, 17 << 24)
                .u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        });
        self.request(client, Method::CHANNEL_BIND, Meaning::Bind(0x4001, peer), |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, 0x4001 << 16).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        self.channel_with(client, 0x4001, choices);
        let payload = choices.some();
        let place = &self.places[client];
        if let Some(at) = place.held.as_ref().map(|held| held.at) {
            self.hear(place.shard, at, peer, payload);
        }
    }
}
