use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Method;

#[test]
fn zero_lifetime_deletes_the_allocation_and_a_repeat_is_a_mismatch() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let relayed = relay.allocate(&client);
    let reply = relay.refresh(&client, 0);
    assert_eq!((reply.code(), reply.lifetime()), (0, 0));
    assert!(reply.message().verify_integrity(&client.key()));
    let at = relay.last_allocation.unwrap();
    assert!(matches!(relay.effects[0], Effect::Close { at: closed, .. } if closed == at));
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
    assert!(relay.directory.find(relayed).is_none());
    assert_eq!(relay.refresh(&client, 0).code(), 437);
}

#[test]
fn a_lifetime_is_answered_as_it_was_set() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for (requested, granted) in [(1, 600), (600, 600), (1200, 1200), (u32::MAX, 3600)] {
        assert_eq!(relay.refresh(&client, requested).lifetime(), granted);
    }
    let reply = relay.request(&client, Method::REFRESH, |_| {});
    assert_eq!(reply.lifetime(), 600);
    let reply = relay.request(&client, Method::REFRESH, |writer| {
        writer.attribute(AttributeType::LIFETIME, &[0; 8]);
    });
    assert_eq!(reply.code(), 400);
}

#[test]
fn a_refresh_prolongs_the_allocation() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    relay.pass_secs(599);
    relay.refresh(&client, 600);
    relay.pass_secs(599);
    assert_eq!(relay.refresh(&client, 600).code(), 0);
    relay.pass_secs(600);
    assert_eq!(relay.refresh(&client, 600).code(), 437);
}

#[test]
fn another_family_is_a_mismatch_and_changes_nothing() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    for (value, code) in [(&[2, 0, 0, 0][..], 443), (&[1, 0, 0, 0], 0), (&[9, 0, 0, 0], 443), (&[1], 400)] {
        let reply = relay.request(&client, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 700).attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, value);
        });
        assert_eq!(reply.code(), code, "{value:?}");
    }
    let reply = relay.request(&client, Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, 0).u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24);
    });
    assert_eq!((reply.code(), relay.server.allocations()), (443, 1));
}

#[test]
fn a_shorter_lifetime_ends_the_allocation_earlier() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.try_allocate(&client, |writer| {
        writer.u32(AttributeType::LIFETIME, 3600);
    });
    relay.refresh(&client, 600);
    relay.pass_secs(600);
    relay.server.handle_deadline(relay.now);
    relay.run_effects();
    assert_eq!(relay.server.allocations(), 0);
}
