//! Clients over UDP and their peers.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use super::client::Client;
use super::client::Received;
use super::plane::Plane;
use super::plane::credential;
use super::plane::peer;
use super::plane::settings;
use crate::relay::DropReason;
use crate::stun::AttributeType;
use crate::stun::ErrorCode;
use crate::time::Clock;
use crate::transport::DataPlane;
use crate::transport::IoEvent;
use crate::transport::Settings;
use crate::transport::StartError;

const CHANNEL: u16 = 0x4001;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn receive_from(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 65_535];
    let (len, from) = socket.recv_from(&mut datagram).expect("a datagram in time");
    datagram.truncate(len);
    (datagram, from)
}

/// Binds a channel to a new peer and sends data through it and back.
fn echo(client: &mut Client, relayed: SocketAddr, data: &[u8]) {
    let peer = peer(relayed.ip());
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    echo_again(client, relayed, &peer, data);
}

/// Sends data to the peer of the channel and back.
fn echo_again(client: &mut Client, relayed: SocketAddr, peer: &UdpSocket, data: &[u8]) {
    client.send_on(CHANNEL, data);
    assert_eq!(receive_from(peer), (data.to_vec(), relayed));
    peer.send_to(data, relayed).expect("sending");
    assert_eq!(client.receive(), Received::Channel(CHANNEL, data.to_vec()));
}

#[test]
fn what_a_peer_sent_before_it_was_permitted_never_arrives() {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let plane = Plane::start(settings());
        let mut client = plane.udp_client("session");
        let family = if ip.is_ipv6() { 2 << 24 } else { 1 << 24 };
        let relayed = client.allocate_with(|writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        });
        let (relayed, peer) = (relayed.expect("an allocation"), peer(ip));
        for _ in 0..100 {
            peer.send_to(b"too early", relayed).expect("sending");
        }
        client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
        peer.send_to(b"now", relayed).expect("sending");
        assert_eq!(client.receive(), Received::Channel(CHANNEL, b"now".to_vec()));
        client.send_on(CHANNEL, b"back");
        assert_eq!(receive_from(&peer), (b"back".to_vec(), relayed));
        assert_eq!(plane.dropped(DropReason::PeerNotPermitted), 100);
    }
}

#[test]
fn what_strangers_sent_to_an_allocation_that_permitted_nobody_is_counted_at_its_end() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let stranger = peer(LOCALHOST);
    for _ in 0..100 {
        stranger.send_to(b"hello?", relayed).expect("sending");
    }
    client.deallocate();
    assert_eq!(plane.dropped(DropReason::PeerNotPermitted), 100);
}

#[test]
fn data_goes_through_a_channel_to_a_peer_and_back() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    assert_eq!(relayed.ip(), LOCALHOST);
    let peer = peer(LOCALHOST);
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    for len in [0, 1, 5, 1200] {
        echo_again(&mut client, relayed, &peer, &vec![len as u8; len]);
    }
}

#[test]
fn data_goes_in_indications_both_ways() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let peer = peer(LOCALHOST);
    let peer_address = peer.local_addr().expect("an address");
    client.permit(peer_address);
    for data in [&b"four"[..], b"fives"] {
        client.indicate(peer_address, data, |_| {});
        assert_eq!(receive_from(&peer), (data.to_vec(), relayed));
        peer.send_to(data, relayed).expect("sending");
        assert_eq!(client.receive_indication(), (peer_address, data.to_vec()));
    }
}

#[test]
fn clients_and_peers_may_be_ipv6() {
    let plane = Plane::start(Settings { udp_listen: vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))], ..settings() });
    let mut client = plane.udp_client("session");
    let relayed = client
        .allocate_with(|writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24);
        })
        .expect("an allocation");
    assert_eq!(relayed.ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
    echo(&mut client, relayed, b"by IPv6 on both sides");
}

#[test]
fn an_ipv4_client_may_have_an_ipv6_relayed_address() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client
        .allocate_with(|writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24);
        })
        .expect("an allocation");
    echo(&mut client, relayed, b"from family to family");
}

#[test]
fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    let plane = Plane::start(Settings {
        udp_listen: vec![SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))],
        ..settings()
    });
    let [v4, v6] = plane.handle.udp_addresses() else { panic!("two addresses") };
    let servers: [SocketAddr; 3] = [
        ([127, 0, 0, 1], v4.port()).into(),
        ([127, 0, 0, 2], v4.port()).into(),
        (Ipv6Addr::LOCALHOST, v6.port()).into(),
    ];
    for server in servers {
        let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).expect("a socket");
        let own = socket.local_addr().expect("an address");
        // The client's socket is connected, so the kernel hides answers from any other address.
        let mut client = Client::udp(socket, server, credential("session"));
        assert_eq!(client.ping(), own);
        let relayed = client.allocate();
        echo(&mut client, relayed, b"data from the right address as well");
    }
}

#[test]
fn one_socket_may_allocate_at_two_addresses_of_the_server() {
    let plane = Plane::start(Settings { udp_listen: vec![SocketAddr::from(([0, 0, 0, 0], 0))], ..settings() });
    let port = plane.udp_address().port();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let again = socket.try_clone().expect("a second handle");
    let first = Client::udp(socket, ([127, 0, 0, 1], port).into(), credential("session")).allocate();
    let second = Client::udp(again, ([127, 0, 0, 2], port).into(), credential("session")).allocate();
    assert_ne!(first, second);
}

#[test]
fn a_burst_longer_than_a_batch_keeps_its_order_both_ways() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let peer = peer(LOCALHOST);
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    for count in [1, 32, 33, 200] {
        let burst: Vec<Vec<u8>> = (0..count).map(|number: u32| number.to_be_bytes().repeat(40)).collect();
        for data in &burst {
            client.send_on(CHANNEL, data);
        }
        for data in &burst {
            assert_eq!(receive_from(&peer).0, *data);
        }
        for data in &burst {
            peer.send_to(data, relayed).expect("sending");
        }
        for data in &burst {
            assert_eq!(client.receive(), Received::Channel(CHANNEL, data.clone()));
        }
    }
}

#[test]
fn the_longest_datagrams_pass_and_longer_ones_are_counted() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    echo(&mut client, relayed, &[0x5a; 65_503]);
    let peer = peer(LOCALHOST);
    client.bind_channel(CHANNEL + 1, peer.local_addr().expect("an address"));
    // With a ChannelData header before it, this is longer than a UDP datagram can be.
    peer.send_to(&[0x5a; 65_504], relayed).expect("sending");
    peer.send_to(b"after", relayed).expect("sending");
    assert_eq!(client.receive(), Received::Channel(CHANNEL + 1, b"after".to_vec()));
    assert_eq!(plane.count(IoEvent::SendTooLong), 1);
}

#[test]
fn the_df_bit_is_set_for_those_who_ask_and_for_nobody_else() {
    let plane = Plane::start(settings());
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let peer = peer(LOCALHOST);
    let peer_address = peer.local_addr().expect("an address");
    client.permit(peer_address);
    for (at, dont_fragment) in [false, true, true, false].into_iter().enumerate() {
        client.indicate(peer_address, &[at as u8; 100], |writer| {
            if dont_fragment {
                writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
            }
        });
    }
    for at in 0..4 {
        assert_eq!(receive_from(&peer), (vec![at; 100], relayed));
    }
    assert_eq!(plane.count(IoEvent::SendRefused), 0);
}

#[test]
fn a_port_that_another_server_shares_is_refused() {
    let first = Plane::start(settings());
    let (usage, _) = tokio::sync::mpsc::channel(1);
    let settings = Settings { udp_listen: vec![first.udp_address()], ..settings() };
    let second = DataPlane::start(settings, Clock::start(), usage);
    let Err(StartError::Listen { address, source }) = second else { panic!("the port is shared") };
    assert_eq!((address, source.kind()), (first.udp_address(), std::io::ErrorKind::AddrInUse));
}

#[test]
fn ports_that_other_programs_use_are_passed_over() {
    // Outside the ranges of the other tests and of the kernel.
    let taken = (19_000..19_999)
        .step_by(2)
        .find_map(|port| {
            UdpSocket::bind((LOCALHOST, port + 1)).ok()?;
            UdpSocket::bind((LOCALHOST, port)).ok()
        })
        .expect("two free ports");
    let port = taken.local_addr().expect("an address").port();
    let plane = Plane::start(Settings { port_range: port..=port + 1, ..settings() });
    let relayed = plane.udp_client("session").allocate();
    assert_eq!(relayed.port(), port + 1);
    let refused = plane.udp_client("session").allocate_with(|_| {});
    assert_eq!(refused, Err(ErrorCode::INSUFFICIENT_CAPACITY));
    assert_eq!(plane.count(IoEvent::RelaySocketFailed), 1);
}
