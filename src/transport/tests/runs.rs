//! Several datagrams at once, and how datagrams are marked.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use socket2::SockRef;

use super::client::Received;
use super::plane::Plane;
use super::plane::peer;
use super::plane::settings;
use crate::stun::AttributeType;
use crate::transport::IoEvent;
use crate::transport::Settings;
use crate::transport::udp;
use crate::transport::udp::Envelope;
use crate::transport::udp::TrafficClass;

const CHANNEL: u16 = 0x4001;

/// Sends `bytes` as one buffer that the kernel cuts into datagrams of `segment` bytes.
fn send_run(socket: &UdpSocket, to: SocketAddr, bytes: &[u8], segment: usize) {
    let mut sender = udp::Sender::new();
    let segment = Some(u16::try_from(segment).expect("a short segment"));
    let envelope = Envelope { to, source: None, class: TrafficClass::default(), dont_fragment: false, segment };
    let mut batch = sender.batch();
    batch.push(&envelope, std::iter::once(bytes));
    assert_eq!(batch.send(socket.as_fd(), 0).expect("sending"), 1);
}

#[test]
fn runs_from_client_and_peer_are_relayed_datagram_by_datagram() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let peer = peer(relayed.ip());
    let peer_address = peer.local_addr().expect("an address");
    client.bind_channel(CHANNEL, peer_address);
    // Ten of one length and a shorter one.
    let payloads: Vec<Vec<u8>> = (0..=10).map(|at| vec![at; if at < 10 { 300 } else { 7 }]).collect();
    let frames: Vec<u8> = payloads.iter().flat_map(|payload| client.channel_frame(CHANNEL, payload)).collect();
    send_run(client.socket(), plane.udp_address(), &frames, 304);
    for payload in &payloads {
        let mut datagram = [0; 512];
        let (len, from) = peer.recv_from(&mut datagram).expect("a datagram in time");
        assert_eq!((&datagram[..len], from), (&payload[..], relayed));
    }
    send_run(&peer, relayed, &payloads.concat(), 300);
    for payload in &payloads {
        assert_eq!(client.receive(), Received::Channel(CHANNEL, payload.clone()));
    }
    // What comes before the answer in time comes before it in the counters.
    client.ping();
    assert_eq!(plane.count(IoEvent::ReceivedInRun), 22);
    assert_eq!(plane.count(IoEvent::SentInRun), 22);
}

/// Receives a datagram and how it was marked.
fn marked(socket: &UdpSocket) -> (Vec<u8>, u8) {
    let mut waited = [0; 1];
    socket.peek(&mut waited).expect("a datagram in time");
    let (mut receiver, mut room) = (udp::Receiver::new(), [0; 2048]);
    assert_eq!(receiver.receive(socket.as_fd(), &mut room, 2048).expect("a datagram"), 1);
    let datagram = receiver.datagram(0);
    (room[..datagram.len].to_vec(), datagram.class.0)
}

fn mark(socket: &UdpSocket, class: u32) {
    let socket = SockRef::from(socket);
    let ipv6 = socket.local_addr().expect("an address").is_ipv6();
    if ipv6 { socket.set_tclass_v6(class) } else { socket.set_tos_v4(class) }.expect("an option");
}

/// Expedited forwarding (RFC 3246 §2.7) and ECT(0) (RFC 3168 §5), assured forwarding and congestion experienced, nothing.
const CLASSES: [u8; 3] = [46 << 2 | 0b10, 34 << 2 | 0b11, 0];

fn assert_marks_survive(loopback: IpAddr) {
    let plane = Plane::start(Settings { udp_listen: vec![SocketAddr::new(loopback, 0)], ..settings() });
    let mut client = plane.udp_client("session");
    let family = if loopback.is_ipv6() { 2 << 24 } else { 1 << 24 };
    let relayed = client
        .allocate_with(|writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        })
        .expect("an allocation");
    let peer = peer(loopback);
    udp::enable_traffic_class(peer.as_fd(), loopback.is_ipv6()).expect("an option");
    udp::enable_traffic_class(client.socket().as_fd(), loopback.is_ipv6()).expect("an option");
    let peer_address = peer.local_addr().expect("an address");
    client.bind_channel(CHANNEL, peer_address);
    for class in CLASSES {
        mark(client.socket(), class.into());
        client.send_on(CHANNEL, b"over a channel");
        assert_eq!(marked(&peer), (b"over a channel".to_vec(), class));
        client.indicate(peer_address, b"in an indication", |_| {});
        assert_eq!(marked(&peer), (b"in an indication".to_vec(), class));
        mark(&peer, class.into());
        peer.send_to(b"back", relayed).expect("sending");
        assert_eq!(marked(client.socket()), (client.channel_frame(CHANNEL, b"back"), class));
    }
}

#[test]
fn ipv4_datagrams_keep_dscp_and_ecn_both_ways() {
    assert_marks_survive(Ipv4Addr::LOCALHOST.into());
}

#[test]
fn ipv6_datagrams_keep_dscp_and_ecn_both_ways() {
    assert_marks_survive(Ipv6Addr::LOCALHOST.into());
}

#[test]
fn a_hand_over_keeps_dscp_and_ecn() {
    let plane = Plane::start(settings());
    let (mut a, mut b) = (plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session"));
    let (relayed_a, relayed_b) = (a.allocate(), b.allocate());
    a.bind_channel(CHANNEL, relayed_b);
    b.bind_channel(CHANNEL, relayed_a);
    udp::enable_traffic_class(b.socket().as_fd(), false).expect("an option");
    for class in CLASSES {
        mark(a.socket(), class.into());
        a.send_on(CHANNEL, b"here");
        assert_eq!(marked(b.socket()), (b.channel_frame(CHANNEL, b"here"), class));
    }
}

#[test]
fn what_comes_over_tcp_is_not_marked() {
    let plane = Plane::start(settings());
    let mut client = plane.tcp_client("session");
    let peer = peer(client.allocate().ip());
    udp::enable_traffic_class(peer.as_fd(), false).expect("an option");
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    client.send_on(CHANNEL, b"plain");
    assert_eq!(marked(&peer), (b"plain".to_vec(), 0));
}
