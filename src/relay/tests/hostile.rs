//! Bytes that nobody sane sends: no panic, no state, and the server still answers.
use proptest::prelude::*;

use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Method;
use crate::stun::TransactionId;

const PEER: &str = "9.9.1.1:5000";

/// A relay with a client that has everything, and good packets of each kind from it.
fn busy() -> (Fixture, Client, Vec<Vec<u8>>) {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.bind(&client, 0x4000, address(PEER)), 0);
    let peer = address(PEER);
    let sign = |method, build: &dyn Fn(&mut crate::stun::Writer<'_>)| {
        client.signed(method, TransactionId([9; 12]), relay.now, |writer| build(writer))
    };
    let packets = vec![
        message(Class::Request, Method::BINDING, TransactionId([9; 12]), |writer| {
            writer.fingerprint();
        }),
        sign(Method::ALLOCATE, &|writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        }),
        sign(Method::REFRESH, &|writer| {
            writer.u32(AttributeType::LIFETIME, 600);
        }),
        sign(Method::CREATE_PERMISSION, &|writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        }),
        sign(Method::CHANNEL_BIND, &|writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, 0x4000 << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        }),
        send_packet(peer, b"hello"),
        channel_packet(0x4000, b"hello"),
    ];
    (relay, client, packets)
}

fn still_serves(relay: &mut Fixture, client: &Client) {
    assert_eq!(relay.refresh(client, 600).code(), 0);
    assert!(matches!(relay.send_channel(client, 0x4000), FromClient::ToPeer { .. }));
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (1, 1));
}

proptest! {
    #[test]
    fn random_bytes_change_nothing(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..50)) {
        let (mut relay, client, _) = busy();
        for packet in packets {
            let verdict = relay.receive(client.address, &packet).0;
            let within = match &verdict {
                FromClient::ToPeer { payload, .. } | FromClient::HandOver { payload, .. } => payload.end <= packet.len(),
                FromClient::Reply { len } => *len <= REPLY_MAX,
                FromClient::Opening | FromClient::Nothing => true,
            };
            prop_assert!(within, "{verdict:?}");
        }
        still_serves(&mut relay, &client);
    }

    #[test]
    fn mutated_packets_change_nothing(
        which in 0_usize..7,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (mut relay, client, packets) = busy();
        let mut packet = packets[which].clone();
        for (at, value) in edits {
            let at = at.index(packet.len());
            packet[at] = value;
        }
        if is_cut {
            packet.truncate(cut.index(packet.len()));
        }
        let verdict = relay.receive(client.address, &packet).0;
        if let FromClient::ToPeer { payload, .. } = &verdict {
            prop_assert!(payload.end <= packet.len());
        }
        prop_assert!(relay.run_effects().is_none());
        still_serves(&mut relay, &client);
    }
}

#[test]
fn unauthenticated_floods_leave_no_state() {
    let mut relay = Fixture::new();
    for port in 1..10_000 {
        let from = Client::udp(port, "s1").address;
        for method in [Method::ALLOCATE, Method::REFRESH, Method::CHANNEL_BIND] {
            let packet = message(Class::Request, method, TransactionId([1; 12]), |_| {});
            let (verdict, reply) = relay.receive(from, &packet);
            assert!(matches!(verdict, FromClient::Reply { .. }));
            // The answer must not amplify much: header, code, realm and nonce.
            assert!(reply.len() <= 110, "{}", reply.len());
        }
    }
    assert_eq!((relay.server.allocations(), relay.server.next_deadline()), (0, None));
    assert_eq!(relay.server.allocations.index_len(), 0);
    assert_eq!(relay.server.poll_effect(), None);
}
