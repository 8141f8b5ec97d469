//! Datagrams that do not arrive, and what clients are told of it.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use super::client::Client;
use super::plane::Plane;
use super::plane::closed_peer;
use super::plane::peer;
use super::plane::settings;
use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::transport::Settings;

/// Waits for a Data indication without data and returns its peer and the value of ICMP.
fn told(client: &mut Client) -> (SocketAddr, Vec<u8>) {
    let answer = client.receive_answer();
    let message = Message::parse(&answer).expect("a STUN message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.attribute(AttributeType::DATA), None);
    let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("sound");
    (peer, message.attribute(AttributeType::ICMP).expect("an error").to_vec())
}

fn allocate(client: &mut Client, ip: IpAddr) {
    let family = if ip.is_ipv6() { 2 << 24 } else { 1 << 24 };
    let relayed = client.allocate_with(|writer| {
        writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    });
    assert_eq!(relayed.expect("an allocation").ip(), ip);
}

#[test]
fn every_client_is_told_of_a_closed_port() {
    let plane = Plane::start(Settings { udp_listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..settings() });
    for (ip, value) in [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), vec![0, 0, 3, 3, 0, 0, 0, 0]),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), vec![0, 0, 1, 4, 0, 0, 0, 0]),
    ] {
        for mut client in [plane.udp_client("session"), plane.tcp_client("session"), plane.tls_client("session")] {
            allocate(&mut client, ip);
            let (_closed, gone) = closed_peer(ip);
            client.permit(gone);
            client.indicate(gone, b"is anybody there?", |_| {});
            assert_eq!(told(&mut client), (gone, value.clone()));
        }
    }
}

#[test]
fn a_closed_port_of_one_peer_costs_the_others_nothing() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let peer = peer(relayed.ip());
    let living = peer.local_addr().expect("an address");
    let (_closed, gone) = closed_peer(relayed.ip());
    client.permit(living);
    for round in 0..20_u8 {
        client.indicate(gone, &[round], |_| {});
        client.indicate(living, &[round], |_| {});
        let mut datagram = [0; 16];
        let (len, from) = peer.recv_from(&mut datagram).expect("a datagram in time");
        assert_eq!((&datagram[..len], from), (&[round][..], relayed));
        peer.send_to(&datagram[..len], relayed).expect("sending");
        let (mut was_told, mut came_back) = (false, false);
        while !(was_told && came_back) {
            let message = client.receive_answer();
            let has_data = Message::parse(&message).expect("a message").attribute(AttributeType::DATA).is_some();
            if has_data { came_back = true } else { was_told = true }
        }
    }
}

#[test]
fn a_client_is_told_the_mtu_that_its_unfragmentable_datagram_did_not_fit() {
    // Loopback carries 65,536 bytes, so over IPv4 no datagram is too long for it.
    let plane = Plane::start(settings());
    let mut client = plane.tcp_client("session");
    allocate(&mut client, Ipv6Addr::LOCALHOST.into());
    let peer = peer(Ipv6Addr::LOCALHOST.into());
    let address = peer.local_addr().expect("an address");
    client.permit(address);
    client.indicate(address, &[7; 65_489], |writer| {
        writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
    });
    assert_eq!(told(&mut client), (address, vec![0, 0, 2, 0, 0, 1, 0, 0]));
}
