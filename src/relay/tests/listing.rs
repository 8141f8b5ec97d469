use super::fixture::*;
use crate::relay::listing::LISTED_MAX;
use crate::relay::listing::Listing;
use crate::relay::listing::Which;
use crate::relay::*;

fn all(relay: &Fixture) -> Listing {
    relay.server.list(&Which::From(0), LISTED_MAX, relay.now)
}

#[test]
fn an_allocation_is_shown_with_its_addresses_times_and_traffic() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1.a");
    let relayed = relay.allocate(&client);
    let peer = address("9.9.1.1:4000");
    assert_eq!(relay.permit(&client, &[peer]), 0);
    assert_eq!(relay.bind(&client, 0x4000, peer), 0);
    relay.send_channel(&client, 0x4000);
    relay.pass_secs(10);
    let listing = all(&relay);
    let [view] = listing.found.as_slice() else { panic!("{listing:?}") };
    assert_eq!((view.session.as_deref(), view.transport), (Some("s1"), ClientTransport::Udp));
    assert_eq!((view.client, view.relayed.as_slice()), (client.address.remote, [relayed].as_slice()));
    assert_eq!((view.permissions, view.channels, view.to_peers.packets), (1, 1, 1));
    assert_eq!(view.started.0 + 10_000, relay.now.unix.0);
    assert_eq!(view.expires.0 - view.started.0, 600_000);
    assert_eq!(listing.next, None);
}

#[test]
fn what_has_expired_is_shown_no_more() {
    let mut relay = Fixture::new();
    relay.allocate(&Client::udp(1, "s1.a"));
    relay.pass_secs(601);
    assert_eq!(all(&relay), Listing::default());
}

#[test]
fn parts_follow_each_other_without_a_gap_or_a_repetition() {
    let mut relay = Fixture::new();
    for port in 1..=5 {
        relay.allocate(&Client::udp(port, "s1.a"));
    }
    let (mut slots, mut from) = (Vec::new(), Some(0));
    while let Some(first) = from {
        let part = relay.server.list(&Which::From(first), 2, relay.now);
        assert!(part.found.len() <= 2);
        slots.extend(part.found.iter().map(|view| view.id.slot()));
        from = part.next;
    }
    assert_eq!(slots, [0, 1, 2, 3, 4]);
    assert_eq!(relay.server.list(&Which::From(u32::MAX), 2, relay.now), Listing::default());
}

#[test]
fn the_allocations_of_a_session_are_found_by_its_name() {
    let mut relay = Fixture::new();
    for (port, id) in [(1, "s1.a"), (2, "s2.a"), (3, "s1.b")] {
        relay.allocate(&Client::udp(port, id));
    }
    let found = relay.server.list(&Which::Of("s1".into()), 10, relay.now).found;
    assert_eq!(found.iter().map(|view| view.client.port()).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(relay.server.list(&Which::Of("s3".into()), 10, relay.now), Listing::default());
}

#[test]
fn an_allocation_that_is_ended_is_gone_once_and_its_credential_is_still_good() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1.a");
    relay.allocate(&client);
    relay.allocate(&Client::udp(2, "s1.b"));
    let id = all(&relay).found.first().expect("two").id;
    assert!(relay.server.end_allocation(id, relay.now));
    relay.run_effects();
    assert!(!relay.server.end_allocation(id, relay.now), "it has ended");
    assert_eq!((relay.server.allocations(), relay.ended().len()), (1, 1));
    relay.allocate(&client);
}
