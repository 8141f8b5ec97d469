use std::time::Duration;

use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;

const PEER: &str = "9.9.1.1:5000";
const PEER_V6: &str = "[2a00:77::5]:5000";

/// What the client is told: the peer and the value of ICMP.
fn told(relay: &mut Fixture, error: IcmpError) -> Option<(String, Vec<u8>)> {
    let mut reply = [0xEE; REPLY_MAX];
    let at = relay.last_allocation.expect("an allocation");
    let (_, len) = relay.server.handle_icmp(at, error, relay.now, &mut reply)?;
    let message = Message::parse(&reply[..len]).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    let types: Vec<_> = message.attributes().map(|(ty, _)| ty).collect();
    assert_eq!(types, [AttributeType::XOR_PEER_ADDRESS, AttributeType::ICMP], "and no DATA");
    let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS)?.expect("sound");
    Some((peer.to_string(), message.attribute(AttributeType::ICMP)?.to_vec()))
}

fn error(peer: &str, kind: u8, code: u8, mtu: u32) -> IcmpError {
    IcmpError { peer: address(peer), kind, code, mtu }
}

fn permitted() -> Fixture {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address(PEER)]), 0);
    relay
}

#[test]
fn a_client_is_told_of_an_unreachable_port_with_the_peer_it_sent_to() {
    let value = vec![0, 0, 3, 3, 0, 0, 0, 0];
    assert_eq!(told(&mut permitted(), error(PEER, 3, 3, 1400)), Some((PEER.to_owned(), value)));
}

#[test]
fn a_client_is_told_the_mtu_where_its_datagram_was_too_long() {
    let value = vec![0, 0, 3, 4, 0, 0, 0x05, 0x00];
    assert_eq!(told(&mut permitted(), error(PEER, 3, 4, 1280)), Some((PEER.to_owned(), value)));
}

#[test]
fn a_client_of_an_ipv6_address_is_told_its_types() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate_v6(&client);
    assert_eq!(relay.permit(&client, &[address(PEER_V6)]), 0);
    let value = vec![0, 0, 2, 0, 0, 0, 0x05, 0x00];
    assert_eq!(told(&mut relay, error(PEER_V6, 2, 0, 1280)), Some((PEER_V6.to_owned(), value)));
    assert!(told(&mut relay, error(PEER_V6, 1, 4, 0)).is_some() && told(&mut relay, error(PEER_V6, 3, 0, 0)).is_some());
    assert_eq!(told(&mut relay, error(PEER_V6, 4, 0, 0)), None, "a type that is not told");
}

#[test]
fn types_that_are_no_errors_of_delivery_are_not_told() {
    let mut relay = permitted();
    for kind in [0, 1, 2, 4, 5, 8, 12, 128] {
        assert_eq!(told(&mut relay, error(PEER, kind, 0, 0)), None, "type {kind}");
    }
    assert!(told(&mut relay, error(PEER, 11, 0, 0)).is_some());
}

#[test]
fn an_error_about_a_peer_without_a_live_permission_is_ignored_and_counted() {
    let mut relay = permitted();
    assert_eq!(told(&mut relay, error("9.9.1.2:5000", 3, 3, 0)), None);
    assert_eq!(relay.dropped(DropReason::PeerNotPermitted), 1);
    relay.pass(Duration::from_secs(300));
    assert_eq!(told(&mut relay, error(PEER, 3, 3, 0)), None);
    assert_eq!(relay.dropped(DropReason::PeerNotPermitted), 2);
}

#[test]
fn an_expired_allocation_tells_nothing() {
    let mut relay = permitted();
    relay.pass(Duration::from_secs(600));
    assert_eq!(told(&mut relay, error(PEER, 3, 3, 0)), None);
}
