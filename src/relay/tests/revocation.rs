use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Method;
use crate::time::UnixMillis;

const UNTIL: UnixMillis = UnixMillis((START_UNIX_SECS + 3600) * 1000);

fn revoke(relay: &mut Fixture, session: &str) {
    relay.server.revoke(session, UNTIL, relay.now);
    relay.run_effects();
}

#[test]
fn revoking_frees_every_allocation_of_the_session_and_no_other() {
    let mut relay = Fixture::new();
    let clients = [Client::udp(1, "s1.a"), Client::udp(2, "s1.b"), Client::udp(3, "s1"), Client::udp(4, "s11.a")];
    let relayed = clients.each_ref().map(|client| relay.allocate(client));
    revoke(&mut relay, "s1");
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (1, 1));
    assert_eq!(relayed.map(|relayed| relay.directory.find(relayed).is_some()), [false, false, false, true]);
    assert!(relay.ended().iter().all(|usage| usage.end == EndReason::Revoked));
    assert_eq!(relay.ended().len(), 3);
}

#[test]
fn a_revoked_credential_is_refused_at_allocate_and_has_no_allocation_to_refresh() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1.a");
    relay.allocate(&client);
    revoke(&mut relay, "s1");
    assert_eq!(relay.refresh(&client, 600).code(), 437);
    let reply = relay.try_allocate(&client, |_| {});
    assert_eq!(reply.code(), 401);
    assert!(reply.message().attribute(AttributeType::NONCE).is_some());
    assert_eq!(relay.try_allocate(&Client::udp(2, "s1.b"), |_| {}).code(), 401);
    relay.allocate(&Client::udp(3, "s2.a"));
}

#[test]
fn a_session_may_be_revoked_before_it_ever_allocated() {
    let mut relay = Fixture::new();
    revoke(&mut relay, "s1");
    let client = Client::udp(1, "s1.a");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    let (verdict, reply) = relay.receive(client.address, &packet);
    assert!(matches!(verdict, FromClient::Reply { .. }), "{verdict:?}");
    assert_eq!(Reply(reply).code(), 401);
}

#[test]
fn nobody_finds_a_revoked_allocation_even_before_its_socket_is_closed() {
    let mut relay = Fixture::new();
    let relayed = relay.allocate(&Client::udp(1, "s1.a"));
    relay.server.revoke("s1", UNTIL, relay.now);
    assert!(relay.directory.find(relayed).is_none());
    let slot = relay.directory.slot(relayed).unwrap();
    assert_eq!(relay.directory.claim(slot.ip(), slot.port(), relay.now.mono), None);
}

#[test]
fn a_refusal_ends_at_its_moment() {
    let mut relay = Fixture::new();
    relay.server.revoke("s1", UnixMillis((START_UNIX_SECS + 10) * 1000), relay.now);
    let client = Client::udp(1, "s1.a");
    relay.pass_secs(9);
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 401);
    relay.pass_secs(1);
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 0);
}

#[test]
fn an_allocate_that_is_under_way_is_refused_when_its_socket_is_open() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1.a");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    relay.receive(client.address, &packet);
    relay.server.revoke("s1", UNTIL, relay.now);
    assert_eq!(relay.run_effects().unwrap().code(), 401);
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
}

#[test]
fn the_connection_of_a_revoked_client_is_closed_after_its_allocation() {
    let mut relay = Fixture::new();
    relay.allocate(&Client::tcp(9, "s1.a"));
    revoke(&mut relay, "s1");
    assert!(matches!(
        relay.effects[..],
        [Effect::Close { .. }, Effect::Ended(_), Effect::CloseStream { stream: StreamId(9) }]
    ));
}

#[test]
fn static_users_belong_to_no_session() {
    let mut relay = Fixture::new();
    let alice = Client { username: "alice".into(), password: "wonder".into(), ..Client::udp(1, "") };
    relay.allocate(&alice);
    revoke(&mut relay, "alice");
    assert_eq!(relay.refresh(&alice, 600).code(), 0);
    relay.refresh(&alice, 0);
    relay.allocate(&alice);
}

#[test]
fn data_in_flight_on_another_shard_does_not_reach_a_revoked_client() {
    let setup = Setup::default();
    let mut here = Fixture::with(&setup);
    let mut there = here.beside(&setup, ShardId(1));
    let (ann, bob) = (Client::udp(1, "s1.a"), Client::udp(2, "s2.b"));
    let (anns, bobs) = (here.allocate(&ann), there.allocate(&bob));
    here.bind(&ann, 0x4000, bobs);
    there.bind(&bob, 0x4000, anns);
    handed(here.send_channel(&ann, 0x4000));
    revoke(&mut there, "s2");
    assert_eq!(here.send_channel(&ann, 0x4000), FromClient::Nothing);
}
