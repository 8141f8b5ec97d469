use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;

const PEER: &str = "9.9.1.1:5000";
const PEER_V6: &str = "[2a00:77::5]:5000";

fn permitted() -> (Fixture, Client) {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address(PEER)]), 0);
    (relay, client)
}

fn send(build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    message(Class::Indication, Method::SEND, TransactionId([1; 12]), build)
}

#[test]
fn a_send_indication_is_relayed_byte_exact() {
    let (mut relay, client) = permitted();
    for payload in [&b""[..], b"x", b"1234", &[0xA5; 1472]] {
        let packet = send_packet(address(PEER), payload);
        let FromClient::ToPeer { at, to, payload: range, dont_fragment } = relay.receive(client.address, &packet).0
        else {
            panic!()
        };
        assert_eq!((Some(at), to, dont_fragment), (relay.last_allocation, address(PEER), false));
        assert_eq!(&packet[range], payload);
    }
}

#[test]
fn a_send_indication_may_ask_for_the_df_bit() {
    let packet = send(|writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address(PEER));
        writer.attribute(AttributeType::DONT_FRAGMENT, &[]).attribute(AttributeType::DATA, b"x");
    });
    let (mut relay, client) = permitted();
    assert!(matches!(relay.receive(client.address, &packet).0, FromClient::ToPeer { dont_fragment: true, .. }));
    relay.server.reconfigure(Setup { dont_fragment: false, ..Setup::default() }.config());
    assert_eq!(relay.receive(client.address, &packet).0, FromClient::Nothing);
    assert_eq!(relay.dropped(DropReason::DontFragment), 1);
}

#[test]
fn a_send_indication_without_peer_or_data_is_dropped() {
    let (mut relay, client) = permitted();
    let without_data = send(|writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address(PEER));
    });
    let without_peer = send(|writer| {
        writer.attribute(AttributeType::DATA, b"x");
    });
    let bad_peer = send(|writer| {
        writer.attribute(AttributeType::XOR_PEER_ADDRESS, &[0; 3]).attribute(AttributeType::DATA, b"x");
    });
    for packet in [without_data, without_peer, bad_peer] {
        assert_eq!(relay.receive(client.address, &packet).0, FromClient::Nothing);
    }
    assert_eq!(relay.dropped(DropReason::BadSend), 3);
}

#[test]
fn an_unknown_required_attribute_voids_an_indication() {
    let (mut relay, client) = permitted();
    let packet = send(|writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address(PEER));
        writer.attribute(AttributeType::DATA, b"x").u32(AttributeType(0x7F00), 0);
    });
    assert_eq!(relay.receive(client.address, &packet).0, FromClient::Nothing);
    assert_eq!(relay.dropped(DropReason::UnknownAttribute), 1);
}

#[test]
fn ports_of_services_are_dropped_per_packet() {
    let (mut relay, client) = permitted();
    for port in [0, 1, 53, 123, 443, 1023, 1900, 5353, 11211] {
        let peer = std::net::SocketAddr::new(ip("9.9.1.1"), port);
        assert_eq!(relay.send_indication(&client, peer), FromClient::Nothing, "{port}");
    }
    assert_eq!(relay.dropped(DropReason::PeerPort), 9);
    assert!(matches!(relay.send_indication(&client, address("9.9.1.1:1024")), FromClient::ToPeer { .. }));
}

#[test]
fn data_without_allocation_is_dropped_silently() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(relay.dropped(DropReason::NoAllocation), 2);
}

#[test]
fn data_of_an_unbound_peer_comes_as_an_unsigned_data_indication() {
    for (len, pad) in [(0, 0), (1, 3), (5, 3), (8, 0), (1472, 0)] {
        let (mut relay, client) = permitted();
        let delivery = delivered(relay.peer_data(address(PEER), len));
        assert_eq!((delivery.client, delivery.pad, delivery.head.as_slice().len()), (client.address, pad, 36));
        let payload = vec![0xC3; len];
        let bytes = datagram(&delivery, &payload);
        let indication = Message::parse(&bytes).unwrap();
        assert_eq!((indication.class(), indication.method()), (Class::Indication, Method::DATA));
        assert_eq!(indication.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(address(PEER))));
        assert_eq!(indication.attribute(AttributeType::DATA), Some(&payload[..]));
        assert!(!indication.has_integrity());
    }
}

#[test]
fn ipv6_peers_are_served_like_ipv4_ones() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate_v6(&client);
    assert_eq!(relay.permit(&client, &[address(PEER)]), 443);
    assert_eq!(relay.permit(&client, &[address(PEER_V6)]), 0);
    let delivery = delivered(relay.peer_data(address(PEER_V6), 5));
    assert_eq!(delivery.head.as_slice().len(), HEAD_MAX);
    let bytes = datagram(&delivery, b"hello");
    let indication = Message::parse(&bytes).unwrap();
    assert_eq!(indication.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(Ok(address(PEER_V6))));
    assert!(matches!(relay.send_indication(&client, address(PEER_V6)), FromClient::ToPeer { .. }));
}

#[test]
fn flow_and_scope_of_an_ipv6_source_do_not_matter() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate_v6(&client);
    relay.bind(&client, 0x4000, address(PEER_V6));
    let std::net::IpAddr::V6(source) = ip("2a00:77::5") else { panic!() };
    let from = std::net::SocketAddrV6::new(source, 5000, 7, 2);
    assert_eq!(delivered(relay.peer_data(from.into(), 5)).head.as_slice().len(), 4);
}

#[test]
fn indications_have_different_transaction_ids() {
    let (mut relay, _) = permitted();
    let ids: Vec<Vec<u8>> =
        (0..100).map(|_| delivered(relay.peer_data(address(PEER), 5)).head.as_slice()[8..20].to_vec()).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id));
    }
}

#[test]
fn payloads_that_no_length_field_can_hold_are_dropped() {
    let (mut relay, client) = permitted();
    assert_eq!(relay.peer_data(address(PEER), 65_520), FromPeer::Nothing);
    relay.bind(&client, 0x4000, address(PEER));
    assert!(matches!(relay.peer_data(address(PEER), 65_535), FromPeer::ToClient(_)));
    assert_eq!(relay.peer_data(address(PEER), 65_536), FromPeer::Nothing);
    assert_eq!(relay.dropped(DropReason::TooLong), 2);
}

#[test]
fn an_expired_allocation_carries_nothing_although_nobody_has_freed_it() {
    let (mut relay, client) = permitted();
    relay.bind(&client, 0x4000, address(PEER));
    relay.pass_secs(300);
    relay.permit(&client, &[address(PEER)]);
    relay.pass_secs(299);
    assert!(matches!(relay.send_channel(&client, 0x4000), FromClient::ToPeer { .. }));
    relay.pass_secs(1);
    assert_eq!(relay.server.allocations(), 1);
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
    assert_eq!(relay.dropped(DropReason::NoAllocation), 3);
}

#[test]
fn a_datagram_for_an_old_allocation_does_not_reach_the_slots_next_holder() {
    let (mut relay, client) = permitted();
    let old = relay.last_allocation.unwrap();
    relay.refresh(&client, 0);
    relay.allocate(&client);
    relay.permit(&client, &[address(PEER)]);
    assert_eq!(relay.last_allocation.unwrap().slot(), old.slot());
    assert_eq!(relay.server.handle_peer(old, address(PEER), 5, relay.now), FromPeer::Nothing);
}

#[test]
fn relayed_data_is_counted_by_direction_in_bytes_of_payload() {
    let (mut relay, client) = permitted();
    relay.send_indication(&client, address(PEER));
    relay.peer_data(address(PEER), 100);
    relay.peer_data(address(PEER), 60);
    let counted: Vec<_> = relay.counters.traffic().collect();
    assert_eq!(counted, [(Direction::ToPeer, 1, 5), (Direction::ToClient, 2, 160), (Direction::HandedOver, 0, 0)]);
}
