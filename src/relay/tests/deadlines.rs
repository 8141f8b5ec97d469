use std::time::Duration;

use super::fixture::*;
use crate::relay::*;

#[test]
fn the_next_deadline_is_the_first_expiry() {
    let mut relay = Fixture::new();
    assert_eq!(relay.server.next_deadline(), None);
    relay.allocate(&Client::udp(1, "s1"));
    relay.pass_secs(10);
    relay.allocate(&Client::udp(2, "s1"));
    assert_eq!(relay.server.next_deadline(), Some(start().mono + Duration::from_secs(600)));
}

#[test]
fn a_deadline_frees_what_expired_and_leaves_the_rest() {
    let mut relay = Fixture::new();
    let (early, late) = (Client::udp(1, "s1"), Client::udp(2, "s1"));
    let relayed = relay.allocate(&early);
    relay.pass_secs(10);
    relay.allocate(&late);
    relay.pass_secs(590);
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (1, 1));
    assert!(relay.directory.find(relayed).is_none());
    assert_eq!(relay.ended()[0].end, EndReason::Expired);
    assert_eq!(relay.refresh(&late, 600).code(), 0);
}

#[test]
fn a_refreshed_allocation_is_looked_at_again_when_it_expires() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.pass_secs(300);
    relay.refresh(&client, 600);
    relay.pass_secs(300);
    relay.server.handle_deadline(relay.now);
    assert_eq!(relay.server.allocations(), 1);
    assert_eq!(relay.server.next_deadline(), Some(relay.now.mono + Duration::from_secs(300)));
    relay.pass_secs(300);
    relay.server.handle_deadline(relay.now);
    assert_eq!((relay.server.allocations(), relay.server.next_deadline()), (0, None));
}

#[test]
fn a_deadline_that_comes_too_early_does_nothing() {
    let mut relay = Fixture::new();
    relay.allocate(&Client::udp(1, "s1"));
    relay.pass(Duration::from_millis(599_999));
    relay.server.handle_deadline(relay.now);
    assert_eq!((relay.server.allocations(), relay.effects.len()), (1, 0));
}

#[test]
fn refreshing_for_ever_does_not_grow_the_deadlines() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for round in 0..2000 {
        relay.refresh(&client, 3600 - round);
        relay.refresh(&client, 3600);
    }
    for _ in 0..500 {
        relay.refresh(&client, 0);
        relay.pass_secs(1);
        relay.allocate(&client);
    }
    assert!(relay.server.deadlines.len() <= 67, "{}", relay.server.deadlines.len());
}
