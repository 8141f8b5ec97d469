//! Bandwidth: what an allocation, and all of them together, may relay per second.
use std::time::Duration;

use super::fixture::*;
use crate::relay::*;

const PEER: &str = "9.9.1.1:5000";

fn relay_with(limits: Limits) -> Setup {
    Setup { limits, ..Setup::default() }
}

/// Sends payloads of `bytes` at once until one is dropped; returns how many passed.
fn until_dropped(relay: &mut Fixture, client: &Client, bytes: usize) -> u64 {
    let packet = channel_packet(0x4000, &vec![0x55; bytes]);
    (0..100_000).take_while(|_| !matches!(relay.receive(client.address, &packet).0, FromClient::Nothing)).count() as u64
}

fn peers_until_dropped(relay: &mut Fixture, bytes: usize) -> u64 {
    (0..100_000).take_while(|_| relay.peer_data(address(PEER), bytes) != FromPeer::Nothing).count() as u64
}

#[test]
fn an_allocation_relays_its_bytes_per_second_each_way_and_drops_what_is_over() {
    let mut relay = Fixture::with(&relay_with(Limits { bytes_per_second: 1_000_000, ..Limits::default() }));
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    // A quarter of a second at once, and then as much as time has passed.
    assert_eq!(until_dropped(&mut relay, &client, 1000), 251);
    assert_eq!(peers_until_dropped(&mut relay, 1000), 251, "the other direction has a rate of its own");
    relay.pass(Duration::from_millis(100));
    assert_eq!(until_dropped(&mut relay, &client, 1000), 100);
    assert_eq!(peers_until_dropped(&mut relay, 1000), 100);
    assert_eq!(relay.dropped(DropReason::Bandwidth), 4);
    let packets: Vec<u64> = relay.counters.traffic().map(|(_, packets, _)| packets).collect();
    assert_eq!(packets, [351, 351, 0], "what is dropped is not counted as relayed");
    relay.refresh(&client, 0);
    assert_eq!(relay.ended()[0].dropped(DropReason::Bandwidth), 4);
}

#[test]
fn an_allocation_relays_its_packets_per_second_however_short_they_are() {
    let mut relay = Fixture::with(&relay_with(Limits { packets_per_second: 1000, ..Limits::default() }));
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    assert_eq!(until_dropped(&mut relay, &client, 0), 251);
    assert_eq!(peers_until_dropped(&mut relay, 0), 251);
}

#[test]
fn a_hand_over_is_charged_to_its_sender() {
    let mut relay = Fixture::with(&relay_with(Limits { packets_per_second: 1000, ..Limits::default() }));
    let (ann, bob) = (Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
    let (anns, bobs) = (relay.allocate(&ann), relay.allocate(&bob));
    relay.bind(&ann, 0x4000, bobs);
    relay.bind(&bob, 0x4000, anns);
    assert_eq!(until_dropped(&mut relay, &ann, 10), 251);
    assert_eq!(until_dropped(&mut relay, &bob, 10), 251, "what he received is not on his account");
}

#[test]
fn indications_are_weighed_like_channel_data() {
    let mut relay = Fixture::with(&relay_with(Limits { packets_per_second: 100, ..Limits::default() }));
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.permit(&client, &[address(PEER)]);
    let passed = (0..100).take_while(|_| relay.send_indication(&client, address(PEER)) != FromClient::Nothing).count();
    assert_eq!(passed, 26);
}

#[test]
fn all_allocations_of_all_shards_share_the_total() {
    let setup = relay_with(Limits { total_bytes_per_second: 1_000_000, ..Limits::default() });
    let mut here = Fixture::with(&setup);
    let mut there = here.beside(&setup, ShardId(1));
    let (ann, bob) = (Client::udp(1, "s1"), Client::udp(2, "s2"));
    for (relay, client) in [(&mut here, &ann), (&mut there, &bob)] {
        relay.allocate(client);
        relay.bind(client, 0x4000, address(PEER));
    }
    let passed = until_dropped(&mut here, &ann, 1000);
    // The burst and a slice.
    assert!((250..=260).contains(&passed), "{passed}");
    assert!(until_dropped(&mut there, &bob, 1000) < 10);
    assert!(peers_until_dropped(&mut there, 1000) < 10);
}

#[test]
fn zero_means_no_limit() {
    let limits = Limits { bytes_per_second: 0, packets_per_second: 0, total_bytes_per_second: 0, ..Limits::default() };
    let mut relay = Fixture::with(&relay_with(limits));
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    assert_eq!(until_dropped(&mut relay, &client, 1200), 100_000);
}

#[test]
fn a_new_rate_holds_from_the_next_packet_on() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    relay.server.reconfigure(relay_with(Limits { packets_per_second: 1000, ..Limits::default() }).config());
    assert_eq!(until_dropped(&mut relay, &client, 10), 251);
}

#[test]
fn the_default_rate_is_above_any_call() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    let packet = channel_packet(0x4000, &[0x55; 1200]);
    // 100 Mbit/s of video for a second, in bursts of a frame.
    for _ in 0..30 {
        for _ in 0..347 {
            assert!(matches!(relay.receive(client.address, &packet).0, FromClient::ToPeer { .. }));
        }
        relay.pass(Duration::from_millis(33));
    }
}
