//! Two clients of this process whose peers are each other: data is handed over in memory.
use std::net::SocketAddr;

use super::client::Client;
use super::client::Received;
use super::plane::Plane;
use super::plane::config;
use super::plane::settings;
use crate::relay::Config;
use crate::relay::Mode;
use crate::relay::Traffic;
use crate::stun::ErrorCode;
use crate::transport::IoEvent;
use crate::transport::Settings;

const CHANNEL: u16 = 0x4ABC;

/// Allocates for both, sends in indications and on channels in both directions, and gives both back.
fn talk(mut a: Client, mut b: Client) {
    let (relayed_a, relayed_b) = (a.allocate(), b.allocate());
    a.permit(relayed_b);
    b.permit(relayed_a);
    a.indicate(relayed_b, b"first", |_| {});
    assert_eq!(b.receive_indication(), (relayed_a, b"first".to_vec()));
    b.bind_channel(CHANNEL, relayed_a);
    a.indicate(relayed_b, b"second", |_| {});
    assert_eq!(b.receive(), Received::Channel(CHANNEL, b"second".to_vec()));
    b.send_on(CHANNEL, b"third");
    assert_eq!(a.receive_indication(), (relayed_b, b"third".to_vec()));
    a.bind_channel(CHANNEL + 1, relayed_b);
    for burst in 0..40_u8 {
        a.send_on(CHANNEL + 1, &[burst; 1200]);
    }
    for burst in 0..40 {
        assert_eq!(b.receive(), Received::Channel(CHANNEL, vec![burst; 1200]));
    }
    a.deallocate();
    b.deallocate();
}

/// 42 packets one way, one the other, and nothing through a relay socket.
fn assert_handed_over(mut plane: Plane) {
    let (a, b) = (plane.next_usage(), plane.next_usage());
    let of_a = Traffic { packets: 42, bytes: 5 + 6 + 40 * 1200 };
    let of_b = Traffic { packets: 1, bytes: 5 };
    assert_eq!(
        (a.handed_out, a.handed_in, a.to_peers, a.to_client),
        (of_a, of_b, Traffic::default(), Traffic::default())
    );
    assert_eq!(
        (b.handed_out, b.handed_in, b.to_peers, b.to_client),
        (of_b, of_a, Traffic::default(), Traffic::default())
    );
    assert_eq!(plane.count(IoEvent::MailboxFull) + plane.count(IoEvent::StreamMediaDropped), 0);
}

#[test]
fn a_pair_on_one_shard_meets_in_memory() {
    let plane = Plane::start(settings());
    talk(plane.udp_client_on(1, "session"), plane.udp_client_on(1, "session"));
    assert_handed_over(plane);
}

#[test]
fn a_pair_on_two_shards_meets_in_memory() {
    let plane = Plane::start(settings());
    talk(plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session"));
    assert_handed_over(plane);
}

#[test]
fn a_pair_over_tcp_meets_through_the_other_shards_mailbox() {
    let plane = Plane::start(settings());
    // Connections go to the shards in turn.
    talk(plane.tcp_client("session"), plane.tcp_client("session"));
    assert_handed_over(plane);
}

#[test]
fn a_pair_of_tls_and_udp_meets_in_memory() {
    let plane = Plane::start(settings());
    talk(plane.tls_client("session"), plane.udp_client_on(0, "session"));
    assert_handed_over(plane);
    let plane = Plane::start(settings());
    talk(plane.udp_client_on(1, "session"), plane.tls_client("session"));
    assert_handed_over(plane);
}

#[test]
fn single_port_mode_opens_no_socket_and_refuses_outside_peers() {
    let relay = Config { mode: Mode::SinglePort, ..config() };
    let plane = Plane::start(Settings { relay, ..settings() });
    let mut client = plane.udp_client("session");
    let relayed = client.allocate();
    let taken = std::net::UdpSocket::bind(relayed);
    assert!(taken.is_ok(), "the relayed port is in use: {taken:?}");
    let outside: SocketAddr = ([127, 0, 0, 1], 9_999).into();
    assert_eq!(client.try_bind_channel(CHANNEL, outside), Err(ErrorCode::FORBIDDEN));
    client.deallocate();
    drop(client);
    let mut plane = plane;
    assert_eq!(plane.next_usage().handed_out, Traffic::default());
    talk(plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session"));
    assert_handed_over(plane);
}

#[test]
fn without_the_others_permission_nothing_is_handed_over() {
    let mut plane = Plane::start(settings());
    let (mut a, mut b) = (plane.udp_client_on(0, "session"), plane.udp_client_on(1, "session"));
    let (_, relayed_b) = (a.allocate(), b.allocate());
    a.permit(relayed_b);
    a.indicate(relayed_b, b"unwanted", |_| {});
    a.ping();
    b.ping();
    a.deallocate();
    assert_eq!(plane.next_usage().handed_out, Traffic::default());
}
