use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::fixture::*;
use crate::relay::*;
use crate::time::Mono;

/// No relay address.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn directory(ports: std::ops::RangeInclusive<u16>) -> Directory {
    Directory::new(&Setup::default().relay_addresses, ports)
}

fn at(secs: u64) -> Mono {
    Mono::from_start(Duration::from_secs(secs))
}

#[test]
fn a_claimed_port_is_nobody_elses_and_rests_after_its_release() {
    let directory = directory(50_000..=50_009);
    let v4 = directory.relay_ip(ip(EXTERNAL_V4)).unwrap();
    let slot = directory.claim(v4, 50_003, at(0)).unwrap();
    assert_eq!(directory.claim(v4, 50_003, at(1_000_000)), None);
    directory.release(slot, at(100));
    assert_eq!(directory.claim(v4, 50_003, at(159)), None);
    assert_eq!(directory.claim(v4, 50_003, at(160)), Some(slot));
}

#[test]
fn ports_outside_the_range_are_not_claimed() {
    let directory = directory(50_000..=50_009);
    let v4 = directory.relay_ip(ip(LOCAL_V4)).unwrap();
    assert_eq!((directory.claim(v4, 49_999, at(0)), directory.claim(v4, 50_010, at(0))), (None, None));
    assert_eq!(directory.slot(address("5.6.7.8:50010")), None);
    assert!(directory.slot(address("5.6.7.8:50009")).is_some());
}

#[test]
fn every_port_can_be_had_once_wherever_the_search_begins() {
    for random in [[0; 8], [0xFF; 8], [7; 8], [0, 0, 0, 0, 0, 1, 2, 3]] {
        let directory = directory(50_000..=50_009);
        let claim = || directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, random, at(0));
        let mut ports: Vec<u16> = std::iter::from_fn(claim).map(|claimed| claimed.relayed.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, (50_000..=50_009).collect::<Vec<_>>());
        assert!(directory.claim_any(Family::V6, PortWish::Any, ANYWHERE, random, at(0)).is_some());
    }
}

#[test]
fn all_relay_addresses_of_a_family_are_used() {
    let address = |text| RelayAddress { local: ip(text), external: ip(text) };
    let directory = Directory::new(&[address("5.6.7.8"), address("5.6.7.9")], 50_000..=50_000);
    let claim =
        || directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, [0; 8], at(0)).map(|claimed| claimed.relayed.ip());
    let ips = [claim(), claim()];
    assert_eq!(ips, [directory.relay_ip(ip("5.6.7.8")), directory.relay_ip(ip("5.6.7.9"))]);
    assert_eq!(claim(), None);
}

#[test]
fn the_relay_address_that_a_client_came_to_is_preferred_while_it_has_ports() {
    let addresses = [("10.0.0.1", "5.6.7.1"), ("10.0.0.2", "5.6.7.2"), ("10.0.0.3", "5.6.7.3")];
    let addresses = addresses.map(|(local, external)| RelayAddress { local: ip(local), external: ip(external) });
    for RelayAddress { local, external } in addresses {
        for near in [local, external] {
            let directory = Directory::new(&addresses, 50_000..=50_003);
            let claim = |random| directory.claim_any(Family::V4, PortWish::Any, near, random, at(0)).unwrap().relayed;
            for random in 0..4 {
                assert_eq!(directory.external_address(claim([random << 6; 8])).unwrap().ip(), external);
            }
            assert_ne!(directory.external_address(claim([0; 8])).unwrap().ip(), external, "and then any");
        }
    }
}

#[test]
fn local_and_external_addresses_of_a_slot_are_told_apart() {
    let directory = directory(50_000..=50_009);
    let slot = directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, [0; 8], at(0)).unwrap().relayed;
    assert_eq!(directory.local_address(slot).unwrap().ip(), ip(LOCAL_V4));
    assert_eq!(directory.external_address(slot).unwrap().ip(), ip(EXTERNAL_V4));
    assert_eq!(directory.slot(directory.local_address(slot).unwrap()), Some(slot));
    assert_eq!(directory.slot(directory.external_address(slot).unwrap()), Some(slot));
}

#[test]
fn a_live_allocation_is_found_under_both_addresses() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let relayed = relay.allocate(&client);
    let local = std::net::SocketAddr::new(ip(LOCAL_V4), relayed.port());
    for name in [relayed, local] {
        let entry = relay.directory.find(name).unwrap();
        assert_eq!(
            (relay.directory.external_address(entry.slot), entry.client, entry.shard),
            (Some(relayed), client.address, ShardId(0))
        );
        assert_eq!(Some(entry.allocation), relay.last_allocation);
    }
    relay.refresh(&client, 0);
    assert!(relay.directory.find(relayed).is_none() && relay.directory.find(local).is_none());
}

#[test]
fn an_empty_or_tiny_range_yields_what_it_has() {
    #[expect(clippy::reversed_empty_ranges, reason = "an operator may write one")]
    let none = directory(50_001..=50_000);
    assert_eq!(none.claim_any(Family::V4, PortWish::Any, ANYWHERE, [9; 8], at(0)), None);
    let odd = directory(50_001..=50_001);
    assert_eq!(odd.claim_any(Family::V4, PortWish::Even, ANYWHERE, [9; 8], at(0)), None);
    assert!(odd.claim_any(Family::V4, PortWish::Any, ANYWHERE, [9; 8], at(0)).is_some());
    let last = directory(65_534..=65_535);
    assert!(last.claim_any(Family::V4, PortWish::EvenAndNext, ANYWHERE, [9; 8], at(0)).is_some());
}

#[test]
fn a_failed_pair_leaves_its_even_port_free() {
    let directory = directory(50_000..=50_001);
    let v4 = directory.relay_ip(ip(LOCAL_V4)).unwrap();
    directory.claim(v4, 50_001, at(0)).unwrap();
    assert_eq!(directory.claim_any(Family::V4, PortWish::EvenAndNext, ANYWHERE, [9; 8], at(0)), None);
    assert!(directory.claim(v4, 50_000, at(0)).is_some());
}

#[test]
fn where_nothing_has_rested_the_port_that_has_rested_longest_is_taken() {
    let directory = directory(50_000..=50_003);
    let claim = |now| directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, [0; 8], at(now)).unwrap().relayed;
    let claimed: Vec<_> = (0..4).map(|_| claim(0)).collect();
    for (slot, released_at) in claimed.iter().zip([13, 11, 14, 12]) {
        directory.release(*slot, at(released_at));
    }
    let taken: Vec<_> = (0..4).map(|_| claim(20).port()).collect();
    assert_eq!((taken, directory.reused_early()), (vec![50_001, 50_003, 50_000, 50_002], 4));
}

#[test]
fn the_search_for_a_rested_port_is_bounded_unless_all_are_claimed() {
    let directory = directory(50_000..=51_999);
    let claim = |now| directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, [0; 8], at(now)).map(|got| got.relayed);
    let claimed: Vec<_> = (0..1999).map(|_| claim(0).unwrap()).collect();
    let ports: Vec<_> = claimed.iter().map(|slot| slot.port()).collect();
    assert_eq!(ports, (50_000..=51_998).collect::<Vec<_>>());
    // The one free port lies far behind: nothing nearer can be had at all.
    let last = claim(0).unwrap();
    assert_eq!((last.port(), claim(0)), (51_999, None));
    directory.release(last, at(0));
    directory.release(claimed[300], at(40));
    assert_eq!(claim(60).map(|slot| slot.port()), Some(50_300), "resting, but near");
    assert_eq!(directory.reused_early(), 1);
    assert_eq!(claim(60).map(|slot| slot.port()), Some(51_999));
    assert_eq!(directory.reused_early(), 1);
}

#[test]
fn a_port_that_another_program_has_is_not_tried_again_before_it_has_rested() {
    let directory = directory(50_000..=50_000);
    let claim = |now| directory.claim_any(Family::V4, PortWish::Any, ANYWHERE, [0; 8], at(now)).map(|got| got.relayed);
    let slot = claim(0).unwrap();
    directory.withhold(slot, at(0));
    assert_eq!((claim(59), claim(60)), (None, Some(slot)));
}

#[test]
fn a_forgotten_reservation_leaves_its_port_free() {
    let directory = directory(50_000..=50_001);
    let pair = || directory.claim_any(Family::V4, PortWish::EvenAndNext, ANYWHERE, [9; 8], at(0));
    let Claimed { relayed, reserved } = pair().unwrap();
    let token = reserved.unwrap();
    assert!(directory.keeps(token, at(29)) && !directory.keeps(token, at(30)));
    directory.forget(ReservationToken([0xFF; 8]), at(0));
    assert!(directory.keeps(token, at(0)));
    directory.forget(token, at(0));
    assert_eq!(directory.claim(relayed.ip(), 50_001, at(0)).map(|slot| slot.port()), Some(50_001));
}

proptest! {
    #[test]
    fn even_wishes_get_even_ports_inside_the_range(first in 1024_u16..65_000, len in 0_u16..50, random in any::<[u8; 8]>()) {
        let directory = directory(first..=first + len);
        for wish in [PortWish::Even, PortWish::EvenAndNext] {
            while let Some(claimed) = directory.claim_any(Family::V4, wish, ANYWHERE, random, at(0)) {
                let port = claimed.relayed.port();
                prop_assert!(port.is_multiple_of(2) && (first..=first + len).contains(&port));
                prop_assert_eq!(claimed.reserved.is_some(), wish == PortWish::EvenAndNext);
            }
        }
    }

    #[test]
    fn made_up_tokens_open_nothing(token in any::<[u8; 8]>()) {
        let directory = directory(50_000..=50_009);
        directory.claim_any(Family::V4, PortWish::EvenAndNext, ANYWHERE, [9; 8], at(0)).unwrap();
        let wish = PortWish::Reserved(ReservationToken(token));
        prop_assert_eq!(directory.claim_any(Family::V4, wish, ANYWHERE, [0; 8], at(1)), None);
    }
}
