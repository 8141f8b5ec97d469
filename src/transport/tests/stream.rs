//! Clients over TCP and TLS.
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;

use super::client::Client;
use super::client::Received;
use super::plane::Plane;
use super::plane::credential;
use super::plane::peer;
use super::plane::settings;
use super::plane::tcp_pair;
use crate::relay::EndReason;
use crate::stun::Method;
use crate::stun::framing::FRAME_MAX;
use crate::transport::IoEvent;
use crate::transport::TurnStream;

const CHANNEL: u16 = 0x4001;
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn receive_from(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_535];
    let (len, _) = socket.recv_from(&mut datagram).expect("a datagram in time");
    datagram.truncate(len);
    datagram
}

/// Relays data of many lengths, with the client's bytes cut into pieces of `piece` bytes.
fn converse(client: &mut Client, piece: usize) {
    let relayed = client.allocate();
    let peer = peer(LOCALHOST);
    client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
    let lengths = [0, 1, 2, 3, 4, 5, 160, 1199, 1200, 4000];
    let data: Vec<Vec<u8>> = lengths.iter().map(|len| vec![*len as u8; *len]).collect();
    let mut bytes: Vec<u8> = data.iter().flat_map(|data| client.channel_frame(CHANNEL, data)).collect();
    bytes.extend(client.write_request(Method::BINDING, |_| {}));
    for piece in bytes.chunks(piece) {
        client.send(piece);
    }
    for data in &data {
        assert_eq!(receive_from(&peer), *data);
    }
    client.receive_answer();
    for data in &data {
        peer.send_to(data, relayed).expect("sending");
    }
    for data in &data {
        assert_eq!(client.receive(), Received::Channel(CHANNEL, data.clone()));
    }
    client.deallocate();
}

#[test]
fn a_tcp_client_may_cut_its_bytes_anywhere() {
    let plane = Plane::start(settings());
    for piece in [1, 3, 7, 1000, 100_000] {
        converse(&mut plane.tcp_client("session"), piece);
    }
}

#[test]
fn a_tls_client_may_cut_its_bytes_anywhere() {
    let plane = Plane::start(settings());
    for piece in [1, 7, 1000, 100_000] {
        converse(&mut plane.tls_client("session"), piece);
    }
}

#[test]
fn one_connection_may_allocate_again() {
    let plane = Plane::start(settings());
    let mut client = plane.tls_client("session");
    converse(&mut client, 10_000);
    converse(&mut client, 10_000);
}

#[test]
fn the_longest_frames_pass() {
    let plane = Plane::start(settings());
    for mut client in [plane.tcp_client("session"), plane.tls_client("session")] {
        let relayed = client.allocate();
        let peer = peer(LOCALHOST);
        client.bind_channel(CHANNEL, peer.local_addr().expect("an address"));
        let longest = vec![0xA5; 65_507];
        for _ in 0..3 {
            client.send_on(CHANNEL, &longest);
            assert_eq!(receive_from(&peer), longest);
            peer.send_to(&longest, relayed).expect("sending");
            assert_eq!(client.receive(), Received::Channel(CHANNEL, longest.clone()));
        }
        // A frame may be longer than any datagram; it is dropped, and the stream goes on behind it.
        client.send_on(CHANNEL, &[0x5A; 65_535]);
        client.ping();
    }
    assert_eq!(plane.count(IoEvent::SendTooLong), 2);
}

#[test]
fn what_the_front_door_read_early_is_not_lost() {
    let plane = Plane::start(settings());
    let (ours, theirs) = tcp_pair();
    let mut client = Client::stream(ours, credential("session"));
    let request = client.write_request(Method::BINDING, |_| {});
    let early = [&request[..], &request[..7]].concat();
    plane.handle.adopt(TurnStream { socket: theirs, tls: None, early, place: None });
    client.receive_answer();
    client.send(&request[7..]);
    client.receive_answer();
}

#[test]
fn a_connection_with_more_than_one_frame_unread_is_refused() {
    let plane = Plane::start(settings());
    let (_ours, theirs) = tcp_pair();
    let early = vec![0x40; FRAME_MAX + 1];
    plane.handle.adopt(TurnStream { socket: theirs, tls: None, early, place: None });
    plane.until_counted(IoEvent::StreamRefused, || {});
}

#[test]
fn bytes_that_are_not_turn_close_the_connection() {
    let plane = Plane::start(settings());
    for mut client in [plane.tcp_client("session"), plane.tls_client("session")] {
        client.send(b"\x80 is nothing of TURN");
        client.wait_for_close();
    }
    assert_eq!(plane.count(IoEvent::StreamInvalid), 2);
}

#[test]
fn tls_that_is_broken_closes_the_connection() {
    let plane = Plane::start(settings());
    let (mut client, mut socket) = plane.tls_client_with_socket("session");
    client.ping();
    socket.write_all(b"\x17\x03\x03\x00\x12this is no record.").expect("sending");
    client.wait_for_close();
    plane.until_counted(IoEvent::StreamInvalid, thread::yield_now);
}

#[test]
fn closing_the_connection_frees_its_allocation_at_once() {
    let mut plane = Plane::start(settings());
    for over_tls in [false, true] {
        let mut client = if over_tls { plane.tls_client("session") } else { plane.tcp_client("session") };
        client.allocate();
        drop(client);
        assert_eq!(plane.next_usage().end, EndReason::StreamClosed);
    }
}

#[test]
fn many_connections_are_served_at_once() {
    let plane = Plane::start(settings());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| converse(&mut plane.tcp_client("session"), 500));
        }
    });
    assert_eq!(plane.count(IoEvent::StreamAdopted), 8);
}

#[test]
fn a_client_behind_an_ipv6_listener_is_seen_as_ipv4() {
    let plane = Plane::start(settings());
    let listener = std::net::TcpListener::bind("[::]:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let ours = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    ours.set_read_timeout(Some(super::plane::PATIENCE)).expect("a timeout");
    let own: SocketAddr = ours.local_addr().expect("an address");
    let (theirs, _) = listener.accept().expect("a connection");
    plane.handle.adopt(TurnStream { socket: theirs, tls: None, early: Vec::new(), place: None });
    assert_eq!(Client::stream(ours, credential("session")).ping(), own);
}
