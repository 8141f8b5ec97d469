//! EVEN-PORT and RESERVATION-TOKEN. RFC 8656 §7.2.
use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;

fn even(relay: &mut Fixture, port: u16, flags: u8) -> Reply {
    relay.try_allocate(&Client::udp(port, "s1"), |writer| {
        writer.attribute(AttributeType::EVEN_PORT, &[flags]);
    })
}

fn redeem(relay: &mut Fixture, port: u16, token: &[u8]) -> Reply {
    relay.try_allocate(&Client::udp(port, "s1"), |writer| {
        writer.attribute(AttributeType::RESERVATION_TOKEN, token);
    })
}

fn token(reply: &Reply) -> Vec<u8> {
    reply.message().attribute(AttributeType::RESERVATION_TOKEN).unwrap().to_vec()
}

#[test]
fn even_port_gives_an_even_port_and_reserves_nothing() {
    let mut relay = Fixture::with(&Setup { ports: 50_001..=50_004, ..Setup::default() });
    let replies = [even(&mut relay, 1, 0), even(&mut relay, 2, 0)];
    for reply in &replies {
        assert_eq!(reply.relayed().port() % 2, 0);
        assert_eq!(reply.message().attribute(AttributeType::RESERVATION_TOKEN), None);
    }
    assert_eq!(even(&mut relay, 3, 0).code(), 508);
    relay.allocate(&Client::udp(4, "s1"));
    relay.allocate(&Client::udp(5, "s1"));
}

#[test]
fn a_reserved_port_is_the_next_one_and_goes_to_whoever_brings_the_token_once() {
    let mut relay = Fixture::new();
    let first = even(&mut relay, 1, 0x80);
    assert_eq!(first.relayed().port() % 2, 0);
    let token = token(&first);
    relay.pass_secs(29);
    let second = redeem(&mut relay, 2, &token);
    assert_eq!(second.relayed().port(), first.relayed().port() + 1);
    assert_eq!(redeem(&mut relay, 3, &token).code(), 508);
}

#[test]
fn a_reserved_port_is_nobody_elses_until_the_token_expires() {
    let mut relay = Fixture::with(&Setup { ports: 50_000..=50_001, ..Setup::default() });
    let token = token(&even(&mut relay, 1, 0x80));
    assert_eq!(relay.try_allocate(&Client::udp(2, "s1"), |_| {}).code(), 508);
    relay.pass_secs(30);
    assert_eq!(redeem(&mut relay, 2, &token).code(), 508);
    assert_eq!(relay.allocate(&Client::udp(2, "s1")).port(), 50_001);
}

#[test]
fn a_retransmitted_allocate_gets_the_same_token() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let id = relay.id();
    let packet = client.signed(crate::stun::Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    let first = relay.exchange(client.address, &packet);
    assert_eq!(token(first.as_ref().unwrap()).len(), 8);
    assert_eq!(relay.exchange(client.address, &packet), first);
}

#[test]
fn a_foreign_token_is_insufficient_capacity() {
    let mut relay = Fixture::new();
    let mut token = token(&even(&mut relay, 1, 0x80));
    token[7] ^= 1;
    assert_eq!(redeem(&mut relay, 2, &token).code(), 508);
    assert_eq!(redeem(&mut relay, 2, &[0xFF; 8]).code(), 508);
    assert_eq!(redeem(&mut relay, 2, &[0; 8]).code(), 508);
}

#[test]
fn contradictions_and_wrong_lengths_are_bad_requests() {
    let mut relay = Fixture::new();
    assert_eq!(redeem(&mut relay, 1, &[0; 7]).code(), 400);
    for (ty, value) in [
        (AttributeType::EVEN_PORT, &[0][..]),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
    ] {
        let reply = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &[0; 8]).attribute(ty, value);
        });
        assert_eq!(reply.code(), 400, "{ty:?}");
    }
    let reply = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
        writer.attribute(AttributeType::EVEN_PORT, &[0, 0]);
    });
    assert_eq!(reply.code(), 400);
    assert_eq!(relay.effects, []);
}

#[test]
fn a_reservation_works_on_another_shard() {
    let setup = Setup::default();
    let mut here = Fixture::with(&setup);
    let mut there = here.beside(&setup, ShardId(1));
    let first = even(&mut here, 1, 0x80);
    assert_eq!(redeem(&mut there, 2, &token(&first)).relayed().port(), first.relayed().port() + 1);
}

#[test]
fn a_token_of_an_ipv6_port_needs_no_family() {
    let only_v6 = RelayAddress { local: ip(RELAY_V6), external: ip(RELAY_V6) };
    for relay_addresses in [Setup::default().relay_addresses, vec![only_v6]] {
        let mut relay = Fixture::with(&Setup { relay_addresses, ..Setup::default() });
        let first = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24).attribute(AttributeType::EVEN_PORT, &[0x80]);
        });
        let second = redeem(&mut relay, 2, &token(&first)).relayed();
        assert_eq!((second.ip(), second.port()), (ip(RELAY_V6), first.relayed().port() + 1));
        assert_eq!(redeem(&mut relay, 3, &[0xFF; 8]).code(), 508);
    }
}
