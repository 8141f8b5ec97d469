//! `turn-client-proto`, a TURN client in Rust that shares no code with the server: the one that also knows SHA-256,
//! USERHASH, dual allocations and ICMP.
#[path = "foreign_turn_proto/client.rs"]
mod client;
mod support;

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;

use duologue::stun::AttributeType;
use turn_client_proto::api::TurnConfig;
use turn_client_proto::stun::auth::Feature;
use turn_client_proto::types::AddressFamily;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;

use client::Client;
use client::Heard;
use client::Way;
use support::Server;
use support::ports;
use support::turn::Credential;
use support::wire::peer;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const MOMENT: Duration = Duration::from_millis(100);
const STATIC_USER: &str = "[turn.users]\nappliance = \"a password of its own\"\n";
const SIZES: [usize; 6] = [1, 2, 3, 4, 161, 1200];
/// Over a stream this client neither writes nor skips the padding of ChannelData that RFC 8656 §12.5 asks for: there
/// its payloads must need none.
const UNPADDED_SIZES: [usize; 4] = [4, 8, 160, 1200];

fn time_limited() -> TurnConfig {
    let credential = Credential::for_session("turn-proto");
    config(&credential.username, &credential.password)
}

fn config(username: &str, password: &str) -> TurnConfig {
    let mut config = TurnConfig::new(TurnCredentials::new(username, password));
    config.set_anonymous_username(Feature::Disabled);
    config
}

/// A peer that sends every datagram back until its socket is gone.
fn echo(ip: IpAddr) -> SocketAddr {
    let (socket, addr) = peer(&ip.to_string());
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set a timeout");
    std::thread::spawn(move || {
        let mut room = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut room) {
            let _ = socket.send_to(&room[..len], from);
        }
    });
    addr
}

/// Payloads of all sizes come back, by indications and then through a channel.
fn assert_echoes(client: &mut Client, peer: SocketAddr) {
    client.permit(peer.ip());
    exchange(client, peer, &SIZES);
    client.bind_channel(peer);
    exchange(client, peer, if client.is_stream() { &UNPADDED_SIZES } else { &SIZES });
}

fn exchange(client: &mut Client, peer: SocketAddr, sizes: &[usize]) {
    for (index, size) in sizes.iter().enumerate() {
        let payload: Vec<u8> = (0..*size).map(|at| u8::try_from((at + index) % 251).expect("below 251")).collect();
        client.send_to(peer, &payload);
        assert_eq!(client.wait_data(), (peer, payload));
    }
}

/// A port at which nobody listens.
fn closed_port(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, ports::fixed())
}

#[test]
fn data_comes_back_over_every_transport() {
    let server = Server::start("");
    let peer = echo(V4);
    for way in Way::ALL {
        let mut client = Client::open(&server, way, time_limited());
        let relayed = client.wait_allocated(1);
        assert!(relayed[0].is_ipv4(), "{way:?}");
        assert_echoes(&mut client, peer);
        client.delete();
        assert_eq!(server.allocations(), 0.0, "{way:?}");
    }
}

#[test]
fn sha256_serves_a_whole_allocation_over_every_transport() {
    let server = Server::start("");
    let peer = echo(V4);
    for way in Way::ALL {
        let mut config = time_limited();
        config.set_supported_integrity(IntegrityAlgorithm::Sha256);
        let mut client = Client::open(&server, way, config);
        client.wait_allocated(1);
        assert_echoes(&mut client, peer);
        client.delete();
        for request in client.signed_requests() {
            assert!(request.has_integrity_sha256() && !request.has_integrity(), "{way:?}");
        }
    }
}

#[test]
fn a_client_of_both_algorithms_is_served() {
    let server = Server::start("");
    let mut config = time_limited();
    config.add_supported_integrity(IntegrityAlgorithm::Sha256);
    let mut client = Client::open(&server, Way::Udp, config);
    client.wait_allocated(1);
    assert_echoes(&mut client, echo(V4));
}

#[test]
fn a_static_user_can_hide_its_name() {
    let server = Server::start(&format!("[turn]\nusername_anonymity = true\n{STATIC_USER}"));
    let peer = echo(V4);
    for algorithm in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
        let mut config = config("appliance", "a password of its own");
        config.set_supported_integrity(algorithm);
        config.set_anonymous_username(Feature::Required);
        let mut client = Client::open(&server, Way::Udp, config);
        client.wait_allocated(1);
        assert_echoes(&mut client, peer);
        client.delete();
        for request in client.signed_requests() {
            assert!(request.attribute(AttributeType::USERHASH).is_some(), "{algorithm:?}");
            assert!(request.attribute(AttributeType::USERNAME).is_none(), "{algorithm:?}");
        }
    }
}

#[test]
fn a_name_that_only_a_secret_proves_is_not_asked_to_hide() {
    let server = Server::start("");
    let mut config = time_limited();
    config.set_anonymous_username(Feature::Auto);
    let mut client = Client::open(&server, Way::Udp, config);
    client.wait_allocated(1);
    assert_echoes(&mut client, echo(V4));
    assert!(client.signed_requests().all(|request| request.attribute(AttributeType::USERNAME).is_some()));
}

#[test]
fn a_wrong_password_gets_nothing_with_either_algorithm() {
    let server = Server::start(STATIC_USER);
    for algorithm in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
        let mut config = config("appliance", "a guess");
        config.set_supported_integrity(algorithm);
        // Refused, it waits until its request would have timed out.
        config.set_request_retransmits(MOMENT, MOMENT, 3, MOMENT);
        Client::open(&server, Way::Udp, config).wait_closed();
        assert_eq!(server.allocations(), 0.0);
    }
}

#[test]
fn one_allocation_serves_both_families_over_every_transport() {
    let server = Server::start("");
    let (v4, v6) = (echo(V4), echo(V6));
    for way in Way::ALL {
        let mut config = time_limited();
        config.add_address_family(AddressFamily::IPV6);
        let mut client = Client::open(&server, way, config);
        let relayed = client.wait_allocated(2);
        assert_eq!(relayed.iter().filter(|addr| addr.is_ipv4()).count(), 1, "{way:?}: {relayed:?}");
        assert_echoes(&mut client, v4);
        // No channel of this family: the client counts its numbers per relayed address, the server per allocation.
        client.permit(V6);
        exchange(&mut client, v6, &SIZES);
        client.delete();
    }
}

#[test]
fn a_client_asks_for_ipv6_alone() {
    let server = Server::start("");
    let mut config = time_limited();
    config.set_address_family(AddressFamily::IPV6);
    let mut client = Client::open(&server, Way::Udp, config);
    assert!(client.wait_allocated(1)[0].is_ipv6());
    assert_echoes(&mut client, echo(V6));
}

#[test]
fn a_stale_nonce_is_replaced_without_harm_over_every_transport() {
    let server = Server::start("[turn]\nnonce_lifetime = \"10s\"\n");
    let peer = echo(V4);
    let mut clients: Vec<Client> = Way::ALL.map(|way| Client::open(&server, way, time_limited())).into();
    for client in &mut clients {
        client.wait_allocated(1);
    }
    std::thread::sleep(Duration::from_secs(11));
    for client in &mut clients {
        assert_echoes(client, peer);
        client.delete();
    }
    let stale = server.metric("duologue_stun_requests_total", "result=\"stale_nonce\"");
    assert!(stale >= 3.0, "{stale} nonces were stale");
}

#[test]
fn a_client_is_told_that_nobody_listens_at_its_peer() {
    let server = Server::start("");
    // Port unreachable: type 3, code 3 of RFC 792; type 1, code 4 of RFC 4443.
    for (ip, family, told) in [(V4, AddressFamily::IPV4, (3, 3)), (V6, AddressFamily::IPV6, (1, 4))] {
        let mut config = time_limited();
        config.set_address_family(family);
        let mut client = Client::open(&server, Way::Udp, config);
        client.wait_allocated(1);
        let nobody = closed_port(ip);
        client.permit(ip);
        client.send_to(nobody, b"is anybody there");
        let (peer, what) = client.wait("an ICMP message", |heard| match heard {
            Heard::Icmp { peer, icmp_type, icmp_code } => Some((*peer, (*icmp_type, *icmp_code))),
            Heard::Event(_) | Heard::Data { .. } | Heard::Closed => None,
        });
        assert_eq!((peer, what), (nobody, told));
    }
}

#[test]
fn two_clients_reach_each_other_without_leaving_the_process() {
    let server = Server::start("");
    let mut ada = Client::open(&server, Way::Udp, time_limited());
    let mut ben = Client::open(&server, Way::Tls, time_limited());
    let (at_ada, at_ben) = (ada.wait_allocated(1)[0], ben.wait_allocated(1)[0]);
    ada.permit(at_ben.ip());
    ben.permit(at_ada.ip());
    ada.send_to(at_ben, b"hello");
    assert_eq!(ben.wait_data(), (at_ada, b"hello".to_vec()));
    ben.bind_channel(at_ada);
    ben.send_to(at_ada, b"and good morning");
    assert_eq!(ada.wait_data(), (at_ben, b"and good morning".to_vec()));
    assert!(server.metric("duologue_relay_packets_total", "handed_over") >= 2.0);
}
