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

/// Makes and deletes an allocation; the port it had.
fn cycle(relay: &mut Fixture, client: &Client) -> u16 {
    let port = relay.allocate(client).port();
    relay.refresh(client, 0);
    port
}

#[test]
fn a_freed_port_rests_while_another_nearby_has_rested() {
    let mut relay = Fixture::with(&Setup { ports: 50_000..=50_099, ..Setup::default() });
    let mut ports: Vec<_> = (0..100).map(|_| cycle(&mut relay, &Client::udp(1, "s1"))).collect();
    ports.sort_unstable();
    assert_eq!((ports, relay.directory.reused_early()), ((50_000..=50_099).collect(), 0));
    relay.pass_secs(60);
    cycle(&mut relay, &Client::udp(1, "s1"));
    assert_eq!(relay.directory.reused_early(), 0);
}

#[test]
fn nobody_uses_up_the_range_by_cycling_through_it() {
    let mut relay = Fixture::with(&Setup { ports: 50_000..=50_063, ..Setup::default() });
    let (greedy, other) = (Client::udp(1, "s1"), Client::udp(2, "s2"));
    let held = relay.allocate(&other).port();
    let kept = even(&mut relay, 3, 0x80).relayed().port();
    for _ in 0..1000 {
        let port = cycle(&mut relay, &greedy);
        assert!(port != held && port != kept && port != kept + 1, "{port} belongs to somebody");
    }
    assert_eq!(relay.directory.reused_early(), 1000 - 61);
    relay.allocate(&Client::udp(4, "s4"));
    assert_eq!(even(&mut relay, 5, 0x80).code(), 0, "also by pairs");
}

#[test]
fn a_reserved_port_counts_against_the_quota_until_it_is_redeemed_or_expires() {
    let quotas = Quotas { per_user: 4, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    let token = token(&even(&mut relay, 1, 0x80));
    assert_eq!(even(&mut relay, 2, 0x80).code(), 0);
    assert_eq!((relay.ledger.total(), even(&mut relay, 3, 0).code()), (4, 486));
    // The reservation makes room for the allocation that it was made for.
    assert_eq!((redeem(&mut relay, 3, &token).code(), relay.ledger.total()), (0, 4));
    relay.pass_secs(30);
    assert_eq!((even(&mut relay, 4, 0).code(), relay.ledger.total()), (0, 4));
    for port in 1..=4 {
        relay.refresh(&Client::udp(port, "s1"), 0);
    }
    assert_eq!(relay.ledger.total(), 0);
}

#[test]
fn nobody_reserves_the_range_by_deleting_what_reserved_it() {
    let quotas = Quotas { per_user: 8, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    let reserve = |relay: &mut Fixture| {
        let code = even(relay, 1, 0x80).code();
        relay.refresh(&Client::udp(1, "s1"), 0);
        code
    };
    let codes: Vec<_> = (0..10).map(|_| reserve(&mut relay)).collect();
    assert_eq!(codes, [&[0; 7][..], &[486; 3]].concat());
    relay.pass_secs(30);
    assert_eq!((reserve(&mut relay), relay.ledger.total()), (0, 1));
}

#[test]
fn whoever_redeems_a_token_is_charged_instead_of_whoever_reserved_it() {
    let quotas = Quotas { per_user: 2, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    let token = token(&even(&mut relay, 1, 0x80));
    let ask = |relay: &mut Fixture, port: u16, id: &str| {
        relay.try_allocate(&Client::udp(port, id), |writer| {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        })
    };
    relay.allocate(&Client::udp(2, "s2"));
    relay.allocate(&Client::udp(3, "s2"));
    assert_eq!((relay.ledger.total(), ask(&mut relay, 4, "s2").code()), (4, 486));
}
