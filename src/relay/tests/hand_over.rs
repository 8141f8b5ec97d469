//! Peers that are relayed addresses of the same process, on one shard and across shards, in both modes.
use std::net::SocketAddr;

use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Message;

/// Two clients with an allocation each: on one shard if `shards` is 1, else on two.
struct Pair {
    relays: Vec<Fixture>,
    ann: Client,
    bob: Client,
    anns: SocketAddr,
    bobs: SocketAddr,
}

impl Pair {
    fn new(mode: Mode, shards: usize) -> Self {
        let setup = Setup { mode, ..Setup::default() };
        Self::of(&setup, shards, Client::udp(1, "s1.a"), Client::udp(2, "s1.b"))
    }

    fn of(setup: &Setup, shards: usize, ann: Client, bob: Client) -> Self {
        let mut relays = vec![Fixture::with(setup)];
        if shards == 2 {
            relays.push(relays[0].beside(setup, ShardId(1)));
        }
        let anns = relays[0].allocate(&ann);
        let bobs = relays[shards - 1].allocate(&bob);
        Self { relays, ann, bob, anns, bobs }
    }

    fn a(&mut self) -> &mut Fixture {
        &mut self.relays[0]
    }

    fn b(&mut self) -> &mut Fixture {
        self.relays.last_mut().unwrap()
    }

    fn permit_a(&mut self, peer: SocketAddr) {
        let ann = self.ann.clone();
        assert_eq!(self.a().permit(&ann, &[peer]), 0);
    }

    fn permit_b(&mut self, peer: SocketAddr) {
        let bob = self.bob.clone();
        assert_eq!(self.b().permit(&bob, &[peer]), 0);
    }

    fn bind_a(&mut self, number: u16) {
        let (ann, bobs) = (self.ann.clone(), self.bobs);
        assert_eq!(self.a().bind(&ann, number, bobs), 0);
    }

    fn bind_b(&mut self, number: u16) {
        let (bob, anns) = (self.bob.clone(), self.anns);
        assert_eq!(self.b().bind(&bob, number, anns), 0);
    }

    fn send_a(&mut self, peer: SocketAddr) -> FromClient {
        let ann = self.ann.clone();
        self.a().send_indication(&ann, peer)
    }

    fn pass_secs(&mut self, secs: u64) {
        for relay in &mut self.relays {
            relay.pass_secs(secs);
        }
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.relays.iter().map(|relay| relay.dropped(reason)).sum()
    }
}

/// Every place two allocations can have.
fn places() -> impl Iterator<Item = (Mode, usize)> {
    [Mode::Ports, Mode::SinglePort].into_iter().flat_map(|mode| [(mode, 1), (mode, 2)])
}

#[test]
fn with_both_channels_a_pair_exchanges_channel_data() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        pair.bind_a(0x4001);
        pair.bind_b(0x4002);
        let ann = pair.ann.clone();
        let verdict = pair.a().send_channel(&ann, 0x4001);
        let FromClient::HandOver { to, payload } = verdict else { panic!("{verdict:?}") };
        assert_eq!((to.client, to.shard), (pair.bob.address, ShardId(shards as u16 - 1)));
        assert_eq!((payload, datagram(&to, b"hello")), (4..9, b"\x40\x02\x00\x05hello".to_vec()));

        let bob = pair.bob.clone();
        let back = handed(pair.b().send_channel(&bob, 0x4002));
        assert_eq!((back.client, back.shard), (pair.ann.address, ShardId(0)));
        assert_eq!(datagram(&back, b"hello"), b"\x40\x01\x00\x05hello");
    }
}

#[test]
fn without_a_channel_the_receiver_gets_a_data_indication_from_the_relayed_address() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (anns, bobs) = (pair.anns, pair.bobs);
        pair.permit_a(bobs);
        pair.permit_b(anns);
        let delivery = handed(pair.send_a(bobs));
        let bytes = datagram(&delivery, b"hello");
        let indication = Message::parse(&bytes).unwrap();
        assert_eq!(indication.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(anns)));
        assert_eq!(indication.attribute(AttributeType::DATA), Some(&b"hello"[..]));
    }
}

#[test]
fn the_sender_needs_a_permission() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (anns, bobs) = (pair.anns, pair.bobs);
        pair.permit_b(anns);
        assert_eq!(pair.send_a(bobs), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::NoPermission), 1);
    }
}

#[test]
fn the_receiver_needs_a_permission_for_the_senders_relayed_address() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (anns, bobs) = (pair.anns, pair.bobs);
        pair.permit_a(bobs);
        assert_eq!(pair.send_a(bobs), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::PairNotPermitted), 1);
        pair.permit_b(anns);
        handed(pair.send_a(bobs));
        pair.pass_secs(299);
        pair.permit_a(bobs);
        handed(pair.send_a(bobs));
        pair.pass_secs(1);
        assert_eq!(pair.send_a(bobs), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::PairNotPermitted), 2);
    }
}

#[test]
fn a_receivers_channel_ends_like_on_the_wire() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, bob, anns, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.anns, pair.bobs);
        pair.a().refresh(&ann, 3600);
        pair.b().refresh(&bob, 3600);
        pair.bind_b(0x4002);
        pair.pass_secs(599);
        pair.permit_a(bobs);
        pair.permit_b(anns);
        assert_eq!(handed(pair.send_a(bobs)).head.as_slice().len(), 4);
        pair.pass_secs(1);
        assert_eq!(handed(pair.send_a(bobs)).head.as_slice().len(), 36);
    }
}

#[test]
fn an_expired_receiver_gets_nothing_although_nobody_has_freed_it() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, bob, anns, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.anns, pair.bobs);
        pair.a().refresh(&ann, 3600);
        pair.pass_secs(300);
        pair.b().refresh(&bob, 600);
        pair.pass_secs(599);
        pair.permit_a(bobs);
        pair.permit_b(anns);
        handed(pair.send_a(bobs));
        pair.pass_secs(1);
        assert_eq!(pair.send_a(bobs), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::PairNotPermitted), 1);
    }
}

#[test]
fn a_receiver_that_refreshes_stays_reachable() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, bob, anns, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.anns, pair.bobs);
        pair.pass_secs(500);
        pair.permit_a(bobs);
        pair.permit_b(anns);
        pair.a().refresh(&ann, 600);
        pair.b().refresh(&bob, 600);
        pair.pass_secs(200);
        handed(pair.send_a(bobs));
    }
}

#[test]
fn the_external_and_the_local_address_name_the_same_allocation() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (anns, bobs) = (pair.anns, pair.bobs);
        assert_eq!(bobs.ip(), ip(EXTERNAL_V4));
        let inside = SocketAddr::new(ip(LOCAL_V4), bobs.port());
        pair.permit_a(inside);
        pair.permit_b(SocketAddr::new(ip(LOCAL_V4), anns.port()));
        let to = handed(pair.send_a(inside));
        assert_eq!(to.client, pair.bob.address);
        let bytes = datagram(&to, b"hello");
        let peer = Message::parse(&bytes).unwrap().xor_address(AttributeType::XOR_PEER_ADDRESS);
        assert_eq!(peer, Some(Ok(anns)));
    }
}

#[test]
fn an_allocation_is_not_its_own_peer() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, anns) = (pair.ann.clone(), pair.anns);
        assert_eq!(pair.a().bind(&ann, 0x4000, anns), 403);
        assert_eq!(pair.a().bind(&ann, 0x4000, SocketAddr::new(ip(LOCAL_V4), anns.port())), 403);
        pair.permit_a(anns);
        assert_eq!(pair.send_a(anns), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::SelfPeer), 1);
    }
}

/// Chains would be loops that only an attacker pays for once.
#[test]
fn what_is_handed_over_goes_to_the_client_and_no_further() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        // Each is bound to the other, and the receiver to itself as far as it may: nothing sends the packet on.
        pair.bind_a(0x4001);
        pair.bind_b(0x4002);
        let (ann, bob, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.bobs);
        pair.b().permit(&bob, &[bobs]);
        let verdict = pair.a().send_channel(&ann, 0x4001);
        assert_eq!(handed(verdict).client, pair.bob.address);
        assert_eq!((pair.a().server.poll_effect(), pair.b().server.poll_effect()), (None, None));
        let packets = |relay: &Fixture| relay.counters.traffic().map(|(_, packets, _)| packets).sum::<u64>();
        assert_eq!(pair.relays.iter().map(packets).sum::<u64>(), 1, "one hop");
    }
}

#[test]
fn after_the_receiver_is_gone_its_address_is_a_dead_own_address() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, bob, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.bobs);
        pair.bind_a(0x4001);
        pair.bind_b(0x4002);
        pair.b().refresh(&bob, 0);
        assert_eq!(pair.a().send_channel(&ann, 0x4001), FromClient::Nothing);
        assert_eq!(pair.dropped(DropReason::OwnAddress), 1);
        assert_eq!(pair.a().bind(&ann, 0x4002, SocketAddr::new(bobs.ip(), bobs.port())), 400);
        assert_eq!(pair.a().bind(&ann, 0x4001, bobs), 403);
    }
}

#[test]
fn a_channel_that_found_the_other_side_notices_all_that_changes_there() {
    for (mode, shards) in places() {
        let setup = Setup { mode, ports: 50_000..=50_001, ..Setup::default() };
        let mut pair = Pair::of(&setup, shards, Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
        let (ann, bob, anns, bobs) = (pair.ann.clone(), pair.bob.clone(), pair.anns, pair.bobs);
        pair.a().refresh(&ann, 3600);
        pair.b().refresh(&bob, 3600);
        pair.bind_a(0x4001);
        pair.permit_b(anns);
        let head_len = |pair: &mut Pair| handed(pair.a().send_channel(&ann, 0x4001)).head.as_slice().len();
        assert_eq!((head_len(&mut pair), head_len(&mut pair)), (36, 36));
        pair.bind_b(0x4002);
        assert_eq!((head_len(&mut pair), head_len(&mut pair)), (4, 4));

        pair.pass_secs(299);
        pair.bind_a(0x4001);
        assert_eq!(head_len(&mut pair), 4);
        pair.pass_secs(1);
        assert_eq!(pair.a().send_channel(&ann, 0x4001), FromClient::Nothing, "the permission has ended");
        pair.permit_b(anns);
        assert_eq!(head_len(&mut pair), 4);

        pair.b().refresh(&bob, 0);
        assert_eq!(pair.a().send_channel(&ann, 0x4001), FromClient::Nothing, "the allocation has ended");
        let carl = Client::udp(3, "s1.c");
        assert_eq!(pair.b().allocate(&carl), bobs);
        assert_eq!(pair.a().send_channel(&ann, 0x4001), FromClient::Nothing, "another one has its address");
        assert_eq!((pair.dropped(DropReason::PairNotPermitted), pair.dropped(DropReason::OwnAddress)), (2, 1));
        assert_eq!(pair.b().permit(&carl, &[anns]), 0);
        assert_eq!(handed(pair.a().send_channel(&ann, 0x4001)).client, carl.address);
    }
}

#[test]
fn a_stream_client_gets_padding_and_its_own_shard() {
    let setup = Setup::default();
    let mut pair = Pair::of(&setup, 2, Client::udp(1, "s1.a"), Client::tcp(5, "s1.b"));
    pair.bind_a(0x4001);
    pair.bind_b(0x4002);
    let ann = pair.ann.clone();
    let to = handed(pair.a().send_channel(&ann, 0x4001));
    assert_eq!((to.client.via, to.shard), (Via::Tcp(StreamId(5)), ShardId(1)));
    assert_eq!(datagram(&to, b"hello"), b"\x40\x02\x00\x05hello\0\0\0");
}

#[test]
fn ipv6_pairs_meet_too() {
    let setup = Setup::default();
    let mut relay = Fixture::with(&setup);
    let (ann, bob) = (Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
    let (anns, bobs) = (relay.allocate_v6(&ann), relay.allocate_v6(&bob));
    assert_eq!(relay.permit(&ann, &[bobs]), 0);
    assert_eq!(relay.permit(&bob, &[anns]), 0);
    assert_eq!(handed(relay.send_indication(&ann, bobs)).head.as_slice().len(), 48);
}

#[test]
fn a_relay_address_that_the_operator_denies_is_no_peer() {
    let mut setup = Setup::default();
    setup.policy.deny = vec!["5.6.7.0/24".parse().unwrap()];
    let mut pair = Pair::of(&setup, 1, Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
    let (ann, bobs) = (pair.ann.clone(), pair.bobs);
    assert_eq!(pair.a().permit(&ann, &[bobs]), 403);
    assert_eq!(pair.a().bind(&ann, 0x4000, bobs), 403);
}

#[test]
fn a_live_relayed_address_is_a_peer_even_where_a_listener_has_its_port_number() {
    let mut setup = Setup { ports: 50_000..=50_001, ..Setup::default() };
    setup.policy.own_listeners.push(address("10.9.0.1:50000"));
    setup.policy.own_listeners.push(address("10.9.0.1:50001"));
    let mut pair = Pair::of(&setup, 1, Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
    let (ann, anns, bobs) = (pair.ann.clone(), pair.anns, pair.bobs);
    pair.permit_a(bobs);
    pair.permit_b(anns);
    handed(pair.send_a(bobs));
    pair.bind_a(0x4001);
    handed(pair.a().send_channel(&ann, 0x4001));
}

#[test]
fn both_sides_are_accounted() {
    for (mode, shards) in places() {
        let mut pair = Pair::new(mode, shards);
        let (ann, bob) = (pair.ann.clone(), pair.bob.clone());
        pair.bind_a(0x4001);
        pair.bind_b(0x4002);
        for _ in 0..3 {
            handed(pair.a().send_channel(&ann, 0x4001));
        }
        handed(pair.b().send_channel(&bob, 0x4002));
        pair.a().refresh(&ann, 0);
        pair.b().refresh(&bob, 0);
        let (sent, received) = (Traffic { packets: 3, bytes: 15 }, Traffic { packets: 1, bytes: 5 });
        let anns = pair.a().ended()[0].clone();
        let bobs = pair.b().ended().last().copied().cloned().unwrap();
        assert_eq!((anns.handed_out, anns.handed_in), (sent, received));
        assert_eq!((bobs.handed_out, bobs.handed_in), (received, sent));
        assert_eq!((anns.to_peers, anns.to_client), (Traffic::default(), Traffic::default()));
        let handed: u64 = pair
            .relays
            .iter()
            .flat_map(|relay| relay.counters.traffic())
            .filter(|(direction, _, _)| *direction == Direction::HandedOver)
            .map(|(_, packets, _)| packets)
            .sum();
        assert_eq!(handed, 4);
    }
}
