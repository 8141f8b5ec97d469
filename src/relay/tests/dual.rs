//! Dual allocations: one relayed address of each family. RFC 8656 §7.2, §8.
use std::net::SocketAddr;

use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::time::UnixMillis;

const PEER_V4: &str = "9.9.1.1:5000";
const PEER_V6: &str = "[2a00:77::5]:5000";
const V4: u32 = 1 << 24;
const V6: u32 = 2 << 24;

fn ask(relay: &mut Fixture, client: &Client) -> Reply {
    relay.try_allocate(client, |writer| {
        writer.u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, V6);
    })
}

/// Both relayed addresses of a new allocation.
fn allocate(relay: &mut Fixture, client: &Client) -> [SocketAddr; 2] {
    relayed(&ask(relay, client)).try_into().expect("two addresses")
}

fn relayed(reply: &Reply) -> Vec<SocketAddr> {
    reply.message().xor_addresses(AttributeType::XOR_RELAYED_ADDRESS).map(Result::unwrap).collect()
}

fn refused(reply: &Reply) -> Option<Vec<u8>> {
    reply.message().attribute(AttributeType::ADDRESS_ERROR_CODE).map(<[u8]>::to_vec)
}

fn refresh(relay: &mut Fixture, client: &Client, family: u32, lifetime_secs: u32) -> Reply {
    relay.request(client, Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, lifetime_secs).u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    })
}

fn is_sent(verdict: FromClient) -> bool {
    matches!(verdict, FromClient::ToPeer { .. })
}

fn gauges(relay: &Fixture) -> Vec<Families> {
    relay.counters.allocations().filter(|(_, _, count)| *count == 1).map(|(_, families, _)| families).collect()
}

#[test]
fn both_relayed_addresses_are_told_and_charged() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let reply = ask(&mut relay, &client);
    let types = [
        AttributeType::XOR_RELAYED_ADDRESS,
        AttributeType::XOR_RELAYED_ADDRESS,
        AttributeType::LIFETIME,
        AttributeType::XOR_MAPPED_ADDRESS,
    ];
    assert_eq!((reply.code(), reply.types()), (0, types.to_vec()));
    let ips: Vec<_> = relayed(&reply).iter().map(SocketAddr::ip).collect();
    assert_eq!(ips, [ip(EXTERNAL_V4), ip(RELAY_V6)]);
    assert_eq!((relay.server.allocations(), relay.ledger.total(), gauges(&relay)), (1, 2, vec![Families::Both]));
    for relayed in relayed(&reply) {
        assert_eq!(relay.directory.find(relayed).unwrap().client, client.address);
    }
}

#[test]
fn a_retransmitted_request_gets_both_addresses_again_even_after_one_was_deleted() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let packet = client.signed(Method::ALLOCATE, TransactionId([5; 12]), relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP).u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, V6);
    });
    let first = relay.exchange(client.address, &packet);
    assert_eq!(relayed(first.as_ref().unwrap()).len(), 2);
    assert_eq!(relay.exchange(client.address, &packet), first);
    refresh(&mut relay, &client, V4, 0);
    assert_eq!(relay.exchange(client.address, &packet), first);
    assert_eq!(relay.ledger.total(), 1);
}

#[test]
fn a_family_that_is_not_offered_is_named_beside_the_other_one() {
    for (offered, family) in [(EXTERNAL_V4, 2), (RELAY_V6, 1)] {
        let relay_addresses = vec![RelayAddress { local: ip(offered), external: ip(offered) }];
        let mut relay = Fixture::with(&Setup { relay_addresses, ..Setup::default() });
        let reply = ask(&mut relay, &Client::udp(1, "s1"));
        assert_eq!((reply.code(), reply.relayed().ip(), relayed(&reply).len()), (0, ip(offered), 1));
        let code = [&[family, 0, 4, 40][..], b"Address Family not Supported"].concat();
        assert_eq!((refused(&reply), relay.ledger.total()), (Some(code), 1));
    }
}

#[test]
fn a_family_without_a_free_port_is_named_beside_the_other_one() {
    for family in [1, 2] {
        let mut relay = Fixture::with(&Setup { ports: 50_000..=50_000, ..Setup::default() });
        relay.try_allocate(&Client::udp(1, "s1"), |writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, u32::from(family) << 24);
        });
        let reply = ask(&mut relay, &Client::udp(2, "s1"));
        let code = [&[family, 0, 5, 8][..], b"Insufficient Capacity"].concat();
        assert_eq!((reply.code(), refused(&reply)), (0, Some(code)));
        assert_eq!(reply.relayed().is_ipv6(), family == 1);
        let reply = ask(&mut relay, &Client::udp(3, "s1"));
        assert_eq!((reply.code(), relay.ledger.total()), (508, 2), "neither is no success");
    }
}

#[test]
fn the_second_address_counts_against_quotas() {
    let quotas = Quotas { per_user: 3, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    allocate(&mut relay, &Client::udp(1, "s1"));
    let reply = ask(&mut relay, &Client::udp(2, "s1"));
    let code = [&[2, 0, 5, 8][..], b"Insufficient Capacity"].concat();
    assert_eq!((reply.code(), reply.relayed().ip(), refused(&reply)), (0, ip(EXTERNAL_V4), Some(code)));
    assert_eq!(ask(&mut relay, &Client::udp(3, "s1")).code(), 486);
    relay.refresh(&Client::udp(1, "s1"), 0);
    allocate(&mut relay, &Client::udp(3, "s1"));
}

#[test]
fn peers_are_served_by_the_address_of_their_family() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    let (v4, v6) = (address(PEER_V4), address(PEER_V6));
    assert_eq!(relay.permit(&client, &[v4, v6]), 0);
    for peer in [v4, v6] {
        assert!(is_sent(relay.send_indication(&client, peer)));
        delivered(relay.peer_data(peer, 5));
    }
    assert_eq!((relay.bind(&client, 0x4000, v4), relay.bind(&client, 0x4001, v6)), (0, 0));
    for (number, peer) in [(0x4000, v4), (0x4001, v6)] {
        assert!(is_sent(relay.send_channel(&client, number)));
        assert_eq!(delivered(relay.peer_data(peer, 5)).head.as_slice().len(), 4);
    }
}

#[test]
fn a_request_with_peers_of_both_families_is_done_as_a_whole_or_not_at_all() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    let (v4, v6) = (address(PEER_V4), address(PEER_V6));
    for bad in ["10.0.0.1:5000", "[2001:db8::1]:5000"] {
        assert_eq!(relay.permit(&client, &[v4, v6, address(bad)]), 403);
        assert_eq!(relay.send_indication(&client, v4), FromClient::Nothing);
        assert_eq!(relay.send_indication(&client, v6), FromClient::Nothing);
    }
    refresh(&mut relay, &client, V6, 0);
    assert_eq!(relay.permit(&client, &[v4, v6]), 443);
    assert_eq!(relay.send_indication(&client, v4), FromClient::Nothing);
}

#[test]
fn pairs_meet_in_either_family() {
    for mode in [Mode::Ports, Mode::SinglePort] {
        let setup = Setup { mode, ..Setup::default() };
        let mut here = Fixture::with(&setup);
        let mut there = here.beside(&setup, ShardId(1));
        let (ann, bob) = (Client::udp(1, "s1.a"), Client::udp(2, "s1.b"));
        let (anns, bobs) = (allocate(&mut here, &ann), allocate(&mut there, &bob));
        assert_eq!(here.permit(&ann, &bobs), 0);
        for at in 0..2 {
            assert_eq!(here.send_indication(&ann, bobs[at]), FromClient::Nothing, "Bob permits nobody");
            assert_eq!(there.permit(&bob, &anns[at..=at]), 0);
            let delivery = handed(here.send_indication(&ann, bobs[at]));
            let bytes = datagram(&delivery, b"hello");
            let source = Message::parse(&bytes).unwrap().xor_address(AttributeType::XOR_PEER_ADDRESS);
            assert_eq!((delivery.client, source), (bob.address, Some(Ok(anns[at]))));
            assert_eq!(here.send_indication(&ann, anns[at]), FromClient::Nothing);
            assert_eq!(here.bind(&ann, 0x4000, anns[at]), 403, "its own address is no peer");
        }
        refresh(&mut there, &bob, V4, 0);
        assert_eq!(here.send_indication(&ann, bobs[0]), FromClient::Nothing);
        handed(here.send_indication(&ann, bobs[1]));
        refresh(&mut there, &bob, V6, 0);
        assert_eq!(there.ended()[0].handed_in, Traffic { packets: 3, bytes: 15 });
    }
}

#[test]
fn deleting_one_family_leaves_the_other_untouched() {
    for (deleted, gone, kept, lives) in [(V4, PEER_V4, PEER_V6, Families::V6), (V6, PEER_V6, PEER_V4, Families::V4)] {
        let mut relay = Fixture::new();
        let client = Client::udp(1, "s1");
        let both = allocate(&mut relay, &client);
        let (gone, kept) = (address(gone), address(kept));
        assert_eq!((relay.bind(&client, 0x4000, gone), relay.bind(&client, 0x4001, kept)), (0, 0));
        let reply = refresh(&mut relay, &client, deleted, 0);
        assert_eq!((reply.code(), reply.lifetime()), (0, 0));
        assert!(matches!(relay.effects[..], [Effect::Close { .. }]), "{:?}", relay.effects);

        assert_eq!((relay.server.allocations(), relay.ledger.total(), gauges(&relay)), (1, 1, vec![lives]));
        let found = both.map(|relayed| relay.directory.find(relayed).is_some());
        assert_eq!(found, [deleted != V4, deleted != V6]);
        assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
        assert_eq!(relay.peer_data(gone, 5), FromPeer::Nothing);
        assert_eq!((relay.permit(&client, &[gone]), relay.bind(&client, 0x4000, gone)), (443, 443));
        assert_eq!(refresh(&mut relay, &client, deleted, 0).code(), 443);
        assert!(is_sent(relay.send_channel(&client, 0x4001)));
        delivered(relay.peer_data(kept, 5));
        // The number of the channel that went is free, and so is its peer.
        assert_eq!(relay.bind(&client, 0x4000, SocketAddr::new(kept.ip(), 5001)), 0);

        assert_eq!(relay.refresh(&client, 0).code(), 0);
        assert_eq!((relay.server.allocations(), relay.ledger.total(), gauges(&relay)), (0, 0, vec![]));
        assert_eq!((relay.ended()[0].families, relay.ended().len()), (Families::Both, 1));
        assert_eq!(relay.refresh(&client, 0).code(), 437);
    }
}

#[test]
fn deleting_both_families_one_by_one_ends_the_allocation() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    assert_eq!((refresh(&mut relay, &client, V4, 0).code(), refresh(&mut relay, &client, V6, 0).code()), (0, 0));
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
    assert_eq!(relay.ended()[0].end, EndReason::Deleted);
    assert_eq!(refresh(&mut relay, &client, V6, 0).code(), 437);
}

#[test]
fn each_family_expires_by_itself() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    relay.pass_secs(300);
    assert_eq!(refresh(&mut relay, &client, V6, 900).lifetime(), 900);
    let (v4, v6) = (address(PEER_V4), address(PEER_V6));
    relay.pass_secs(299);
    assert_eq!((relay.bind(&client, 0x4000, v4), relay.bind(&client, 0x4001, v6)), (0, 0));
    assert!(is_sent(relay.send_channel(&client, 0x4000)));
    relay.pass_secs(1);
    // Nobody has freed it yet, and still it is gone.
    assert_eq!((relay.send_channel(&client, 0x4000), relay.peer_data(v4, 5)), (FromClient::Nothing, FromPeer::Nothing));
    assert_eq!((relay.permit(&client, &[v4]), refresh(&mut relay, &client, V4, 600).code()), (443, 443));
    assert!(is_sent(relay.send_channel(&client, 0x4001)));
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!((relay.ledger.total(), gauges(&relay)), (1, vec![Families::V6]));

    relay.pass_secs(599);
    assert_eq!(relay.permit(&client, &[v6]), 0);
    delivered(relay.peer_data(v6, 5));
    relay.pass_secs(1);
    assert_eq!(relay.server.next_deadline(), Some(relay.now.mono));
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!((relay.server.allocations(), relay.ledger.total(), relay.ended()[0].end), (0, 0, EndReason::Expired));
}

#[test]
fn a_refresh_without_a_family_prolongs_both() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    assert_eq!(relay.refresh(&client, 1200).lifetime(), 1200);
    relay.pass_secs(1199);
    assert_eq!(relay.permit(&client, &[address(PEER_V4), address(PEER_V6)]), 0);
    relay.pass_secs(1);
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!((relay.server.allocations(), relay.ledger.total(), relay.ended().len()), (0, 0, 1));
}

#[test]
fn an_expired_family_is_not_brought_back_by_a_refresh_of_the_other() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    allocate(&mut relay, &client);
    refresh(&mut relay, &client, V6, 1200);
    relay.pass_secs(600);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    assert_eq!(relay.permit(&client, &[address(PEER_V4)]), 443);
    assert_eq!(relay.permit(&client, &[address(PEER_V6)]), 0);
}

#[test]
fn everything_goes_when_the_session_is_revoked_or_the_connection_closes() {
    let mut relay = Fixture::new();
    let (ann, bob) = (Client::udp(1, "s1.a"), Client::tcp(2, "s2.b"));
    allocate(&mut relay, &ann);
    allocate(&mut relay, &bob);
    relay.server.revoke("s1", UnixMillis(u64::MAX), relay.now);
    relay.server.handle_stream_closed(StreamId(2), relay.now);
    relay.run_effects();
    let ends: Vec<_> = relay.ended().iter().map(|usage| (usage.families, usage.end)).collect();
    assert_eq!(ends, [(Families::Both, EndReason::Revoked), (Families::Both, EndReason::StreamClosed)]);
    assert_eq!((relay.ledger.total(), gauges(&relay), relay.server.allocations.index_len()), (0, vec![], 0));
}

#[test]
fn even_ports_come_in_both_families() {
    let mut relay = Fixture::new();
    let reply = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
        writer.u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, V6).attribute(AttributeType::EVEN_PORT, &[0]);
    });
    let ports: Vec<_> = relayed(&reply).iter().map(|relayed| relayed.port() % 2).collect();
    assert_eq!((ports, reply.message().attribute(AttributeType::RESERVATION_TOKEN)), (vec![0, 0], None));
}
