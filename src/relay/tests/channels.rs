use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::ChannelRange;
use crate::stun::Method;

const PEER: &str = "9.9.1.1:5000";

fn with_channel() -> (Fixture, Client) {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.bind(&client, 0x4000, address(PEER)), 0);
    (relay, client)
}

#[test]
fn channel_data_leaves_for_the_bound_peer() {
    let (mut relay, client) = with_channel();
    let at = relay.last_allocation.unwrap();
    let expected = FromClient::ToPeer { at, to: address(PEER), payload: 4..9, dont_fragment: false };
    assert_eq!(relay.send_channel(&client, 0x4000), expected);
}

#[test]
fn data_of_a_bound_peer_comes_as_channel_data() {
    let (mut relay, client) = with_channel();
    let delivery = delivered(relay.peer_data(address(PEER), 5));
    assert_eq!((delivery.client, delivery.shard), (client.address, ShardId(0)));
    assert_eq!(datagram(&delivery, b"hello"), b"\x40\x00\x00\x05hello");
    let empty = delivered(relay.peer_data(address(PEER), 0));
    assert_eq!(datagram(&empty, b""), b"\x40\x00\x00\x00");
}

#[test]
fn channel_data_over_a_stream_is_padded_with_zeros() {
    let mut relay = Fixture::new();
    let client = Client::tcp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4FFF, address(PEER));
    for (len, padded) in [(0, 4), (1, 8), (4, 8), (5, 12), (1199, 1204)] {
        let delivery = delivered(relay.peer_data(address(PEER), len));
        let bytes = datagram(&delivery, &vec![0xAB; len]);
        assert_eq!(bytes.len(), padded);
        assert_eq!(bytes[..4], [0x4F, 0xFF, (len >> 8) as u8, len as u8]);
        assert!(bytes[4 + len..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn padding_and_trailing_bytes_are_not_relayed() {
    let (mut relay, client) = with_channel();
    let mut packet = channel_packet(0x4000, b"hello");
    packet.extend_from_slice(b"\0\0\0 and more");
    let FromClient::ToPeer { payload, .. } = relay.receive(client.address, &packet).0 else { panic!() };
    assert_eq!(&packet[payload], b"hello");
    let FromClient::ToPeer { payload, .. } = relay.receive(client.address, b"\x40\0\0\0").0 else { panic!() };
    assert!(payload.is_empty());
}

#[test]
fn a_length_beyond_the_datagram_is_dropped() {
    let (mut relay, client) = with_channel();
    for packet in [&b"\x40\x00\x00\x06hello"[..], b"\x40\x00\xFF\xFFhello", b"\x40\x00\x00", b"\x40"] {
        assert_eq!(relay.receive(client.address, packet).0, FromClient::Nothing);
    }
    assert_eq!(relay.dropped(DropReason::BadChannelData), 4);
}

#[test]
fn unbound_numbers_are_dropped_and_refresh_nothing() {
    let (mut relay, client) = with_channel();
    assert_eq!(relay.send_channel(&client, 0x4001), FromClient::Nothing);
    assert_eq!(relay.receive(client.address, b"\x50\x00\x00\x00").0, FromClient::Nothing);
    assert_eq!(relay.dropped(DropReason::NoChannel), 2);
    assert_eq!(relay.receive(client.address, b"\x80\x00\x00\x00").0, FromClient::Nothing);
    assert_eq!(relay.receive(client.address, b"\xFF\xFF\x00\x00").0, FromClient::Nothing);
    assert_eq!(relay.receive(client.address, b"").0, FromClient::Nothing);
    assert_eq!(relay.dropped(DropReason::NotTurn), 3);
}

#[test]
fn number_and_peer_must_be_there_and_well_formed() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    let reply = relay.request(&client, Method::CHANNEL_BIND, |writer| {
        writer.u32(AttributeType::CHANNEL_NUMBER, 0x4000 << 16);
    });
    assert_eq!(reply.code(), 400);
    let reply = relay.request(&client, Method::CHANNEL_BIND, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address(PEER));
    });
    assert_eq!(reply.code(), 400);
    let reply = relay.request(&client, Method::CHANNEL_BIND, |writer| {
        writer.attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0]);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address(PEER));
    });
    assert_eq!(reply.code(), 400);
    for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF] {
        assert_eq!(relay.bind(&client, number, address(PEER)), 400, "{number:#x}");
    }
    assert_eq!(relay.bind(&client, 0x4FFF, address(PEER)), 0);
}

#[test]
fn numbers_of_the_old_standard_work_where_they_are_switched_on() {
    let mut relay = Fixture::with(&Setup { channel_range: ChannelRange::Rfc5766, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.bind(&client, 0x8000, address(PEER)), 400);
    assert_eq!(relay.bind(&client, 0x7FFF, address(PEER)), 0);
    assert!(matches!(relay.send_channel(&client, 0x7FFF), FromClient::ToPeer { .. }));
    assert_eq!(datagram(&delivered(relay.peer_data(address(PEER), 5)), b"hello"), b"\x7F\xFF\x00\x05hello");
}

#[test]
fn a_number_has_one_peer_and_a_peer_one_number() {
    let (mut relay, client) = with_channel();
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5001")), 400);
    assert_eq!(relay.bind(&client, 0x4001, address(PEER)), 400);
    assert_eq!(relay.bind(&client, 0x4001, address("9.9.1.1:5001")), 0);
    assert_eq!(relay.bind(&client, 0x4000, address(PEER)), 0);
}

#[test]
fn binding_again_restarts_channel_and_permission() {
    let (mut relay, client) = with_channel();
    relay.refresh(&client, 3600);
    for _ in 0..3 {
        relay.pass_secs(299);
        assert_eq!(relay.bind(&client, 0x4000, address(PEER)), 0);
    }
    relay.pass_secs(299);
    assert!(matches!(relay.send_channel(&client, 0x4000), FromClient::ToPeer { .. }));
    assert!(matches!(relay.peer_data(address(PEER), 5), FromPeer::ToClient(_)));
}

#[test]
fn when_the_permission_lapses_a_living_channel_carries_nothing() {
    let (mut relay, client) = with_channel();
    relay.refresh(&client, 3600);
    relay.pass_secs(300);
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
    assert_eq!((relay.dropped(DropReason::NoPermission), relay.dropped(DropReason::PeerNotPermitted)), (1, 1));
    assert_eq!(relay.permit(&client, &[address(PEER)]), 0);
    assert!(matches!(relay.send_channel(&client, 0x4000), FromClient::ToPeer { .. }));
    assert_eq!(delivered(relay.peer_data(address(PEER), 5)).head.as_slice().len(), 4);
}

#[test]
fn a_channel_ends_after_600_seconds_and_may_be_bound_anew() {
    let (mut relay, client) = with_channel();
    relay.refresh(&client, 3600);
    relay.pass_secs(599);
    relay.permit(&client, &[address(PEER)]);
    assert!(matches!(relay.send_channel(&client, 0x4000), FromClient::ToPeer { .. }));
    relay.pass_secs(1);
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(delivered(relay.peer_data(address(PEER), 5)).head.as_slice().len(), 36);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5001")), 0);
    assert_eq!(relay.bind(&client, 0x4001, address(PEER)), 0);
}

#[test]
fn forbidden_peers_and_ports_get_no_channel() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for peer in
        ["10.0.0.1:5000", "9.9.1.1:1023", "9.9.1.1:53", "9.9.1.1:0", "9.9.1.1:1900", "9.9.1.1:5353", "9.9.1.1:11211"]
    {
        assert_eq!(relay.bind(&client, 0x4000, address(peer)), 403, "{peer}");
    }
    assert_eq!(relay.bind(&client, 0x4000, address("[2a00:77::5]:5000")), 443);
    assert_eq!(relay.peer_data(address("9.9.1.1:5000"), 5), FromPeer::Nothing);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:1024")), 0);
}

#[test]
fn channels_are_limited_and_expired_ones_do_not_count() {
    let limits = Limits { channels: 2, ..Limits::default() };
    let mut relay = Fixture::with(&Setup { limits, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.refresh(&client, 3600);
    assert_eq!(relay.bind(&client, 0x4000, address("9.9.1.1:5000")), 0);
    assert_eq!(relay.bind(&client, 0x4001, address("9.9.1.1:5001")), 0);
    assert_eq!(relay.bind(&client, 0x4002, address("9.9.1.1:5002")), 508);
    assert_eq!(relay.bind(&client, 0x4001, address("9.9.1.1:5001")), 0);
    relay.pass_secs(600);
    assert_eq!(relay.bind(&client, 0x4002, address("9.9.1.1:5002")), 0);
}
