use std::time::Duration;

use super::fixture::*;
use crate::relay::*;
use crate::stun::ChannelRange;
use crate::stun::Method;

const PEER: &str = "9.9.1.1:5000";

#[test]
fn peers_that_a_new_policy_denies_are_cut_off_at_once() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    relay.bind(&client, 0x4001, address("9.9.2.1:5000"));
    let mut setup = Setup::default();
    setup.policy.deny = vec!["9.9.1.0/24".parse().unwrap()];
    relay.server.reconfigure(setup.config());
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
    assert!(matches!(relay.send_channel(&client, 0x4001), FromClient::ToPeer { .. }));
}

#[test]
fn an_address_that_this_machine_gets_later_is_cut_off_at_once() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.bind(&client, 0x4000, address(PEER));
    let mut setup = Setup::default();
    setup.policy.own_ips.push(ip("9.9.1.1"));
    relay.server.reconfigure(setup.config());
    assert_eq!(relay.send_channel(&client, 0x4000), FromClient::Nothing);
    assert_eq!(relay.send_indication(&client, address(PEER)), FromClient::Nothing);
    assert_eq!(relay.peer_data(address(PEER), 5), FromPeer::Nothing);
    assert_eq!(relay.permit(&client, &[address(PEER)]), 403);
    assert_eq!(relay.bind(&client, 0x4000, address(PEER)), 403);
}

#[test]
fn a_pair_is_parted_when_the_receivers_permission_is_forbidden() {
    let mut setup = Setup::default();
    let mut here = Fixture::with(&setup);
    let mut there = here.beside(&setup, ShardId(1));
    let (ann, bob) = (Client::udp(1, "s1"), Client::udp(2, "s1"));
    let (anns, bobs) = (here.allocate(&ann), there.allocate(&bob));
    here.bind(&ann, 0x4000, bobs);
    there.bind(&bob, 0x4000, anns);
    there.server.reconfigure(setup.config());
    handed(here.send_channel(&ann, 0x4000));
    setup.policy.deny = vec!["5.6.7.8/32".parse().unwrap()];
    there.server.reconfigure(setup.config());
    assert_eq!(here.send_channel(&ann, 0x4000), FromClient::Nothing);
    assert_eq!(here.dropped(DropReason::PairNotPermitted), 1);
}

#[test]
fn new_limits_count_from_the_next_request_on() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.permit(&client, &[address(PEER), address("9.9.2.1:5000")]);
    let limits = Limits { permissions: 1, ..Limits::default() };
    relay.server.reconfigure(Setup { limits, ..Setup::default() }.config());
    assert!(matches!(relay.peer_data(address(PEER), 5), FromPeer::ToClient(_)));
    assert_eq!(relay.permit(&client, &[address("9.9.3.1:5000")]), 508);
}

#[test]
fn other_channel_numbers_and_lives_of_nonces_count_from_then_on() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.bind(&client, 0x5000, address(PEER)), 400);
    relay.pass_secs(120);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    let wide = Setup { channel_range: ChannelRange::Rfc5766, ..Setup::default() };
    relay.server.reconfigure(wide.config());
    assert_eq!(relay.bind(&client, 0x5000, address(PEER)), 0);
    assert!(matches!(relay.send_channel(&client, 0x5000), FromClient::ToPeer { .. }));
    let hasty = Setup { nonce_lifetime: Duration::from_secs(60), ..wide };
    relay.server.reconfigure(hasty.config());
    let id = relay.id();
    let old = client.signed(Method::REFRESH, id, relay.now, |_| {});
    relay.pass_secs(61);
    assert_eq!(relay.exchange(client.address, &old).expect("an answer").code(), 438);
}
