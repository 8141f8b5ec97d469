//! Judges what the relay does with a packet.
use std::net::SocketAddr;
use std::time::Duration;

use duologue::relay::AllocationId;
use duologue::relay::Counters;
use duologue::relay::Delivery;
use duologue::relay::FromClient;
use duologue::relay::FromPeer;
use duologue::relay::IcmpError;
use duologue::relay::Mode;
use duologue::relay::REPLY_MAX;
use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::HEADER_LEN;
use duologue::stun::IntegrityKind;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::pad_len;

use super::cast;
use super::held::Held;
use super::packets::Meaning;
use super::packets::Sent;
use super::world::World;

/// Bytes of the IPv4 and UDP headers around a message.
const IP_UDP_HEADERS: usize = 28;

impl World {
    /// Hands a packet to the shard of `client`, does what must be done, and judges it.
    pub(super) fn deliver(&mut self, client: usize, sent: Sent) {
        let (shard, from) = (self.places[client].shard, self.places[client].address);
        let mut reply = vec![0xEE; REPLY_MAX];
        let before = counted(&self.shards[shard].counters);
        let verdict = self.shards[shard].server.handle_client(from, &sent.bytes, self.now, &mut reply);
        let after = counted(&self.shards[shard].counters);
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "a counter went back");
        let is_counted = after.iter().sum::<u64>() > before.iter().sum::<u64>();
        assert!(is_counted || verdict == FromClient::Opening, "a packet came to nothing, uncounted");
        match &verdict {
            FromClient::Opening => {
                let credential = sent.credential.as_ref().expect("nobody allocates unsigned");
                let is_right = sent.client == client
                    && credential.is_good(&self.settings, self.now)
                    && !self.is_refused(credential);
                assert!(sent.meaning == Meaning::Allocate && self.places[client].asked.is_none());
                self.places[client].asked = Some((sent.clone(), is_right));
                self.settle();
            }
            FromClient::Reply { len } => {
                reply.truncate(*len);
                self.settle();
                self.on_reply(client, &sent, &reply);
            }
            FromClient::ToPeer { at, to, payload, dont_fragment: _ } => {
                self.on_to_peer(client, *at, *to);
                let payload = &sent.bytes[payload.clone()];
                assert!(!sent.is_whole || payload == payload_of(&sent.meaning));
                self.tally.to_peers += 1;
            }
            FromClient::HandOver { to, payload } => {
                self.on_hand_over(client, to, &sent.bytes[payload.clone()]);
                assert!(!sent.is_whole || sent.bytes[payload.clone()] == *payload_of(&sent.meaning));
                self.tally.handed_over += 1;
            }
            FromClient::Nothing => {}
        }
        if sent.is_whole && sent.client == client {
            self.nothing_is_lost(client, &sent, &verdict);
        }
        self.remember(sent);
    }

    fn on_reply(&mut self, client: usize, sent: &Sent, reply: &[u8]) {
        let message = answer(sent, reply);
        if message.class() == Class::Error {
            self.tally.refused += 1;
            return;
        }
        if message.method() == Method::BINDING {
            let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
            assert_eq!(mapped, Some(Ok(self.places[client].address.remote)));
            return;
        }
        assert_eq!(client, sent.client, "a request of another client is obeyed");
        let now = self.now.mono;
        let shard = self.places[client].shard;
        let held = &mut self.places[client].held;
        match &sent.meaning {
            Meaning::Allocate => {
                // One that was given back since is told too.
                let told = relayed(&message);
                let held = held.as_ref().expect("an allocation");
                assert!(held.relayed().all(|relayed| told.contains(&relayed)), "{told:?}");
            }
            Meaning::Refresh(is_ipv4) => {
                let lifetime = message.u32(AttributeType::LIFETIME).expect("a lifetime").expect("a number");
                let expires_at = now + Duration::from_secs(lifetime.into());
                match held {
                    Some(held) if lifetime > 0 => held.refresh(*is_ipv4, expires_at, now),
                    Some(held) => {
                        let is_left = |relayed: SocketAddr| is_ipv4.is_none_or(|is_ipv4| is_ipv4 == relayed.is_ipv4());
                        assert!(!held.relayed().any(is_left), "an address outlives its end");
                    }
                    None => assert_eq!(lifetime, 0, "an allocation of shard {shard} is gone"),
                }
            }
            Meaning::Permit(peers) => {
                let held = held.as_mut().expect("an allocation");
                for peer in peers {
                    assert!(is_admitted(&self.settings, *peer), "{peer} is permitted");
                    held.permit(peer.ip(), now);
                }
                self.tally.permissions += 1;
            }
            Meaning::Bind(number, peer) => {
                let held = held.as_mut().expect("an allocation");
                assert!(is_admitted(&self.settings, *peer), "{peer} is bound");
                held.bind(*number, *peer, now);
                self.tally.channels += 1;
            }
            Meaning::Binding | Meaning::Send(..) | Meaning::Channel(..) | Meaning::Noise => {
                panic!("a success to {:?}", sent.meaning)
            }
        }
    }

    fn on_to_peer(&self, client: usize, at: AllocationId, to: SocketAddr) {
        let held = self.places[client].held.as_ref().expect("an allocation");
        assert_eq!((held.at, self.settings.mode), (at, Mode::Ports));
        assert!(held.permits(to.ip(), self.now.mono), "{to} is not permitted");
        assert!(cast::is_sendable(to) || is_other_port(to), "{to} may not be sent to");
        assert!(self.holder_of(to).is_none(), "{to} is relayed here");
    }

    /// The allocation with this relayed address, by either of its names.
    fn holder_of(&self, name: SocketAddr) -> Option<(usize, &Held)> {
        let held = self.places.iter().enumerate().filter_map(|(at, place)| Some((at, place.held.as_ref()?)));
        held.into_iter().find(|(_, held)| held.relayed().any(|relayed| self.is_named(relayed, name)))
    }

    /// Whether `held` has a permission for the relayed address, under any of its names.
    fn permits_relayed(&self, held: &Held, relayed: SocketAddr) -> bool {
        let mut names = cast::relay_addresses().into_iter().flat_map(|address| [address.local, address.external]);
        names.any(|name| {
            self.is_named(relayed, SocketAddr::new(name, relayed.port())) && held.permits(name, self.now.mono)
        })
    }

    fn on_hand_over(&self, client: usize, to: &Delivery, payload: &[u8]) {
        let sender = self.places[client].held.as_ref().expect("an allocation");
        let mut places = self.places.iter().enumerate();
        let (at, place) = places.find(|(_, place)| place.address == to.client).expect("somebody");
        let receiver = place.held.as_ref().expect("an allocation");
        assert_ne!(at, client, "nobody is handed what he sent");
        assert_eq!(usize::from(to.shard.0), place.shard);
        // The verdict does not say which of two addresses was meant.
        let mut sources = Vec::new();
        for relayed in receiver.relayed().filter(|relayed| self.permits_relayed(sender, *relayed)) {
            sources.extend(sender.half(relayed.ip(), self.now.mono));
        }
        assert!(!sources.is_empty(), "the sender permits the receiver");
        sources.retain(|source| self.permits_relayed(receiver, *source));
        assert!(!sources.is_empty(), "the receiver permits the sender");
        self.on_delivery(to, receiver, &sources, payload);
    }

    /// A datagram from outside reaches an allocation, dead or alive.
    pub(super) fn hear(&mut self, shard: usize, at: AllocationId, from: SocketAddr, payload: &[u8]) {
        let before = counted(&self.shards[shard].counters);
        let verdict = self.shards[shard].server.handle_peer(at, from, payload.len(), self.now);
        let after = counted(&self.shards[shard].counters);
        assert!(after.iter().sum::<u64>() > before.iter().sum::<u64>(), "a datagram came to nothing, uncounted");
        let mut places = self.places.iter().filter(|place| place.shard == shard);
        let place = places.find(|place| place.held.as_ref().is_some_and(|held| held.at == at));
        let held = place.and_then(|place| place.held.as_ref());
        let is_wanted = held.is_some_and(|held| held.permits(from.ip(), self.now.mono));
        match verdict {
            FromPeer::ToClient(to) => {
                let (place, held) = (place.expect("somebody"), held.expect("an allocation"));
                assert!(is_wanted && cast::is_reachable(from.ip()), "{from} is heard");
                assert_eq!(to.client, place.address);
                self.on_delivery(&to, held, &[from], payload);
                self.tally.to_clients += 1;
            }
            FromPeer::Nothing => assert!(!is_wanted || !cast::is_reachable(from.ip()), "{from} is not heard"),
        }
    }

    /// A router or a host says something about a datagram that an allocation sent.
    pub(super) fn hear_icmp(&mut self, shard: usize, at: AllocationId, error: IcmpError) {
        let mut reply = vec![0xEE; REPLY_MAX];
        let told = self.shards[shard].server.handle_icmp(at, error, self.now, &mut reply);
        let mut places = self.places.iter().filter(|place| place.shard == shard);
        let place = places.find(|place| place.held.as_ref().is_some_and(|held| held.at == at));
        let held = place.and_then(|place| place.held.as_ref());
        let is_permitted = held.is_some_and(|held| held.permits(error.peer.ip(), self.now.mono));
        let Some((client, len)) = told else {
            let is_told =
                if error.peer.is_ipv4() { [3, 11].contains(&error.kind) } else { (1..=3).contains(&error.kind) };
            assert!(!is_told || !is_permitted || !cast::is_reachable(error.peer.ip()), "{error:?} is not told");
            return;
        };
        assert!(is_permitted, "{error:?} is told");
        assert_eq!(Some(client), place.map(|place| place.address));
        let message = Message::parse(&reply[..len]).expect("a Data indication");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(error.peer)));
        assert!(message.attribute(AttributeType::ICMP).is_some() && message.attribute(AttributeType::DATA).is_none());
    }

    /// What reaches a client is its channel's data, or a Data indication, and sound.
    fn on_delivery(&self, to: &Delivery, receiver: &Held, sources: &[SocketAddr], payload: &[u8]) {
        let mut bytes = to.head.as_slice().to_vec();
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len() + usize::from(to.pad), 0);
        if bytes[0] >= 0x40 {
            let [n0, n1, l0, l1, rest @ ..] = &bytes[..] else { panic!("a short head") };
            let peer = receiver.peer_of(u16::from_be_bytes([*n0, *n1]), self.now.mono).expect("a channel");
            let is_meant = sources.iter().any(|source| peer == *source || self.is_named(*source, peer));
            assert!(is_meant, "the channel is for {peer}, not for {sources:?}");
            assert_eq!(usize::from(u16::from_be_bytes([*l0, *l1])), payload.len());
            let padding = if to.client.via.stream().is_some() { pad_len(payload.len()) } else { 0 };
            assert_eq!(rest.len(), payload.len() + padding);
            return;
        }
        let message = Message::parse(&bytes).expect("a Data indication");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        let source = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("an address");
        assert!(sources.contains(&source));
        assert_eq!(message.attribute(AttributeType::DATA), Some(payload));
    }

    /// What the answers promised is kept: data with a live permission is relayed.
    fn nothing_is_lost(&self, client: usize, sent: &Sent, verdict: &FromClient) {
        let Some(held) = &self.places[client].held else { return };
        let peer = match &sent.meaning {
            Meaning::Send(peer, _) => Some(*peer),
            Meaning::Channel(number, _) => held.peer_of(*number, self.now.mono),
            _ => None,
        };
        let Some(peer) = peer.filter(|peer| held.permits(peer.ip(), self.now.mono)) else { return };
        let own = held.half(peer.ip(), self.now.mono).expect("a permission has an address");
        match self.holder_of(peer) {
            None if self.settings.mode == Mode::Ports && cast::is_sendable(peer) => {
                assert!(matches!(verdict, FromClient::ToPeer { to, .. } if *to == peer), "{peer}: {verdict:?}");
            }
            None => assert_eq!(*verdict, FromClient::Nothing, "{peer}"),
            Some((at, _)) if at == client => assert_eq!(*verdict, FromClient::Nothing, "its own address"),
            Some((_, other)) if self.permits_relayed(other, own) => {
                assert!(matches!(verdict, FromClient::HandOver { .. }), "{peer}: {verdict:?}");
            }
            Some(_) => assert_eq!(*verdict, FromClient::Nothing, "{peer} permits nobody"),
        }
    }
}

/// Whether a peer may have a permission: one outside, or a name of a relay address.
fn is_admitted(settings: &cast::Settings, peer: SocketAddr) -> bool {
    let is_relays =
        cast::relay_addresses().iter().any(|address| [address.local, address.external].contains(&peer.ip()));
    let is_closed = settings.is_closed && peer.ip() == cast::ip(cast::CLOSED_BY_RELOAD);
    let is_outside = settings.mode == Mode::Ports && cast::is_reachable(peer.ip());
    // A listener of the process is not, openly named.
    (is_relays && peer.port() != 3478) || (is_outside && !is_closed)
}

/// Whether it is a port, of an address that may have permissions, that only altered packets name.
fn is_other_port(peer: SocketAddr) -> bool {
    cast::is_reachable(peer.ip()) && peer.port() >= 1024 && ![1900, 5353, 11211].contains(&peer.port())
}

fn payload_of(meaning: &Meaning) -> &[u8] {
    match meaning {
        Meaning::Send(_, payload) | Meaning::Channel(_, payload) => payload,
        other => panic!("{other:?} is relayed"),
    }
}

/// Reads an answer, which must be one to this packet.
pub(super) fn answer<'a>(sent: &Sent, reply: &'a [u8]) -> Message<'a> {
    let message = Message::parse(reply).expect("an answer is sound");
    assert!(matches!(message.class(), Class::Success | Class::Error));
    assert_eq!(Some(&message.transaction_id().0[..]), sent.bytes.get(8..HEADER_LEN));
    padding_is_zero(reply);
    if message.has_integrity() || message.has_integrity_sha256() {
        let credential = sent.credential.as_ref().expect("nobody signs to strangers");
        let is_alike = match credential.integrity {
            IntegrityKind::Sha1 => message.verify_integrity(&credential.key()),
            IntegrityKind::Sha256 => message.verify_integrity_sha256(&credential.key()),
        };
        assert!(is_alike, "signed otherwise than it was asked");
    } else {
        let is_unsigned = message.method() == Method::BINDING
            || message.error_code().is_some_and(|code| [400, 401, 420, 438].contains(&code.number()));
        assert!(is_unsigned, "{:?} is not signed", message.error_code());
        // What an attacker gains by naming a victim as the source.
        let (came, went) = (sent.bytes.len() + IP_UDP_HEADERS, reply.len() + IP_UDP_HEADERS);
        assert!(went * 10 <= came * 36, "{went} bytes answer {came}");
    }
    message
}

/// The relayed addresses that an answer tells.
pub(super) fn relayed(message: &Message<'_>) -> Vec<SocketAddr> {
    let relayed = message.xor_addresses(AttributeType::XOR_RELAYED_ADDRESS);
    relayed.map(|relayed| relayed.expect("an address")).collect()
}

fn padding_is_zero(message: &[u8]) {
    let mut rest = &message[HEADER_LEN..];
    while let [_, _, l0, l1, value @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (padding, next) = value[len..].split_at(pad_len(len));
        assert!(padding.iter().all(|byte| *byte == 0), "padding tells what the buffer held");
        rest = next;
    }
}

/// Everything that a shard counts up.
fn counted(counters: &Counters) -> Vec<u64> {
    let traffic = counters.traffic().map(|(_, packets, _)| packets);
    let dropped = counters.dropped().map(|(_, count)| count);
    traffic.chain(dropped).chain(counters.requests().map(|(_, _, count)| count)).collect()
}
