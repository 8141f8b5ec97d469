use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Method;

const PEER: &str = "9.9.1.1:5000";

#[test]
fn a_permission_lets_data_through_both_ways() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
    assert_eq!((relay.dropped(DropReason::NoPermission), relay.dropped(DropReason::PeerNotPermitted)), (1, 1));
    assert_eq!(relay.permit(&client, &[address(PEER)]), 0);
    assert!(matches!(relay.send_indication(&client, address(PEER)), FromClient::ToPeer { .. }));
    assert!(matches!(relay.peer_data(address(PEER), 5), FromPeer::ToClient(_)));
}

#[test]
fn a_permission_covers_every_port_of_its_address_and_no_other_address() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address("9.9.1.1:0")]), 0);
    assert!(matches!(relay.send_indication(&client, address("9.9.1.1:65535")), FromClient::ToPeer { .. }));
    assert!(matches!(relay.peer_data(address("9.9.1.1:1"), 5), FromPeer::ToClient(_)));
    assert_eq!(relay.send_indication(&client, address("9.9.1.2:5000")), FromClient::Nothing);
    assert_eq!(relay.peer_data(address("9.9.1.2:5000"), 5), FromPeer::Nothing);
}

#[test]
fn a_permission_of_one_allocation_opens_no_other() {
    let mut relay = Fixture::new();
    let (ann, bob) = (Client::udp(1, "s1"), Client::udp(2, "s1"));
    relay.allocate(&ann);
    relay.permit(&ann, &[address(PEER)]);
    relay.allocate(&bob);
    assert_eq!(relay.send_indication(&bob, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
}

#[test]
fn a_permission_lasts_exactly_300_seconds_and_data_does_not_prolong_it() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.permit(&client, &[address(PEER)]);
    relay.pass(std::time::Duration::from_millis(299_999));
    assert!(matches!(relay.send_indication(&client, address(PEER)), FromClient::ToPeer { .. }));
    assert!(matches!(relay.peer_data(address(PEER), 5), FromPeer::ToClient(_)));
    relay.pass(std::time::Duration::from_millis(1));
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
}

#[test]
fn creating_a_permission_again_restarts_it() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.permit(&client, &[address(PEER)]);
    relay.pass_secs(299);
    relay.permit(&client, &[address(PEER)]);
    relay.pass_secs(299);
    assert!(matches!(relay.peer_data(address(PEER), 5), FromPeer::ToClient(_)));
}

#[test]
fn several_peers_are_permitted_together_or_not_at_all() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    let (good, other) = (address(PEER), address("9.9.1.2:5000"));
    for (bad, code) in [("10.0.0.1:5000", 403), ("[2a00:77::5]:5000", 443)] {
        assert_eq!(relay.permit(&client, &[good, address(bad), other]), code);
        assert_eq!(relay.peer_data(good, 5), FromPeer::Nothing);
    }
    let reply = relay.request(&client, Method::CREATE_PERMISSION, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, good);
        writer.attribute(AttributeType::XOR_PEER_ADDRESS, &[0, 1, 0]);
    });
    assert_eq!(reply.code(), 400);
    assert_eq!(relay.peer_data(good, 5), FromPeer::Nothing);

    assert_eq!(relay.permit(&client, &[good, other]), 0);
    assert!(matches!(relay.peer_data(good, 5), FromPeer::ToClient(_)));
    assert!(matches!(relay.peer_data(other, 5), FromPeer::ToClient(_)));
}

#[test]
fn a_request_without_peer_is_a_bad_request() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[]), 400);
}

#[test]
fn permissions_are_limited_and_expired_ones_do_not_count() {
    let limits = Limits { permissions: 3, ..Limits::default() };
    let mut relay = Fixture::with(&Setup { limits, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    let peers: Vec<_> = (1..=4).map(|host| address(&format!("9.9.1.{host}:5000"))).collect();
    assert_eq!(relay.permit(&client, &peers), 508);
    assert_eq!(relay.peer_data(peers[0], 5), FromPeer::Nothing);
    assert_eq!(relay.permit(&client, &peers[..3]), 0);
    assert_eq!(relay.permit(&client, &peers[1..]), 508);
    assert_eq!(relay.permit(&client, &peers[..3]), 0);
    assert_eq!(relay.bind(&client, 0x4000, peers[3]), 508);
    relay.pass_secs(300);
    assert_eq!(relay.permit(&client, &peers[1..]), 0);
}

#[test]
fn an_allocation_meets_a_limited_number_of_addresses_over_its_life() {
    let limits = Limits { peers: 4, ..Limits::default() };
    let mut relay = Fixture::with(&Setup { limits, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    let peers: Vec<_> = (1..=6).map(|host| address(&format!("9.9.1.{host}:5000"))).collect();
    assert_eq!(relay.permit(&client, &peers[..3]), 0);
    relay.pass_secs(299);
    assert_eq!(relay.permit(&client, &peers[2..5]), 508, "two of them are new, and one is too many");
    assert_eq!(relay.bind(&client, 0x4000, peers[3]), 0);
    relay.pass_secs(300);
    // All permissions have lapsed. Known peers may come back, new ones may not.
    assert_eq!(relay.permit(&client, &peers[..4]), 0);
    assert_eq!(relay.permit(&client, &peers[4..5]), 508);
    assert_eq!(relay.bind(&client, 0x4001, peers[5]), 508);
    let other = Client::udp(2, "s1");
    relay.allocate(&other);
    assert_eq!(relay.permit(&other, &peers[4..]), 0, "each allocation counts for itself");
}

#[test]
fn naming_one_address_many_times_takes_one_place() {
    let limits = Limits { permissions: 1, ..Limits::default() };
    let mut relay = Fixture::with(&Setup { limits, ..Setup::default() });
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address(PEER), address("9.9.1.1:6000"), address(PEER)]), 0);
}

#[test]
fn forbidden_peers_are_refused_and_counted_apart() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for peer in ["10.9.0.2:9000", "127.0.0.1:9000", "192.168.1.1:9000", "169.254.169.254:9000", "10.9.0.1:3478"] {
        assert_eq!(relay.permit(&client, &[address(peer)]), 403, "{peer}");
    }
    assert_eq!(relay.requests(RequestKind::CreatePermission, RequestResult::Forbidden), 5);
}

#[test]
fn an_own_address_is_permitted_for_live_relayed_addresses_only() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for own in ["5.6.7.8:0", "10.9.0.1:50001"] {
        assert_eq!(relay.permit(&client, &[address(own)]), 0, "{own}");
    }
    for unused in ["5.6.7.8:9000", "10.9.0.1:9000", "5.6.7.8:50999", "10.9.0.1:3478"] {
        assert_eq!(relay.send_indication(&client, address(unused)), FromClient::Nothing, "{unused}");
        assert_eq!(relay.peer_data(address(unused), 5), FromPeer::Nothing, "{unused}");
    }
    assert_eq!(relay.dropped(DropReason::OwnAddress), 4);
}

#[test]
fn allowing_an_own_address_opens_it_but_for_listeners() {
    let mut setup = Setup::default();
    setup.policy.allow = vec!["127.0.0.0/8".parse().unwrap(), "10.9.0.1/32".parse().unwrap()];
    let mut relay = Fixture::with(&setup);
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.permit(&client, &[address("127.0.0.1:9000"), address("10.9.0.1:9000")]), 0);
    assert!(matches!(relay.send_indication(&client, address("127.0.0.1:9000")), FromClient::ToPeer { .. }));
    assert!(matches!(relay.send_indication(&client, address("10.9.0.1:9000")), FromClient::ToPeer { .. }));
    assert!(matches!(relay.peer_data(address("127.0.0.1:9000"), 5), FromPeer::ToClient(_)));
    for listener in ["127.0.0.1:8080", "127.0.0.1:3478", "10.9.0.1:3478", "10.9.0.1:8080"] {
        assert_eq!(relay.permit(&client, &[address(listener)]), 403, "{listener}");
        assert_eq!(relay.bind(&client, 0x4000, address(listener)), 403, "{listener}");
        assert_eq!(relay.send_indication(&client, address(listener)), FromClient::Nothing, "{listener}");
    }
}

#[test]
fn in_single_port_mode_only_relayed_addresses_are_peers() {
    let mut relay = Fixture::with(&Setup { mode: Mode::SinglePort, ..Setup::default() });
    let (ann, bob) = (Client::udp(1, "s1"), Client::udp(2, "s1"));
    relay.allocate(&ann);
    let bobs = relay.allocate(&bob);
    assert_eq!(relay.permit(&ann, &[address(PEER)]), 403);
    assert_eq!(relay.bind(&ann, 0x4000, address(PEER)), 403);
    assert_eq!(relay.permit(&ann, &[bobs]), 0);
    assert_eq!(relay.bind(&ann, 0x4000, bobs), 0);
    assert_eq!(relay.bind(&ann, 0x4001, address("5.6.7.8:50999")), 403);
    assert_eq!(relay.peer_data(bobs, 5), FromPeer::Nothing);
}
