use super::fixture::*;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::Method;
use crate::stun::TransactionId;

#[test]
fn success_tells_relayed_address_lifetime_and_mapped_address() {
    let mut relay = Fixture::new();
    let client = Client::udp(1234, "s1");
    let reply = relay.try_allocate(&client, |_| {});
    let expected = [AttributeType::XOR_RELAYED_ADDRESS, AttributeType::LIFETIME, AttributeType::XOR_MAPPED_ADDRESS];
    assert_eq!((reply.code(), reply.types()), (0, expected.to_vec()));
    assert_eq!(reply.relayed().ip(), ip(EXTERNAL_V4));
    assert!((50_000..=50_999).contains(&reply.relayed().port()));
    assert_eq!(reply.lifetime(), 600);
    let mapped = reply.message().xor_address(AttributeType::XOR_MAPPED_ADDRESS);
    assert_eq!(mapped, Some(Ok(client.address.remote)));
    assert_eq!(relay.server.allocations(), 1);
    let gauges = relay.counters.allocations().filter(|(_, _, count)| *count != 0);
    assert!(gauges.eq([(ClientTransport::Udp, Families::V4, 1)]));
}

#[test]
fn the_relay_socket_is_asked_for_before_the_client_is_answered() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1.a");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    assert_eq!(relay.receive(client.address, &packet).0, FromClient::Opening);
    let effect = relay.server.poll_effect().unwrap();
    let Effect::Open { request, families, port, near, ref user, client_ip } = effect else { panic!("{effect:?}") };
    assert_eq!((families, port), (Families::V4, PortWish::Any));
    assert_eq!((near, client_ip), (ip("10.9.0.1"), ip("9.8.7.6")));
    assert_eq!(*user, QuotaUser::of_session("s1.a"));
    assert_eq!(relay.server.allocations(), 0);

    // The same request again is not opened twice; another one has to wait for another 5-tuple.
    assert_eq!(relay.receive(client.address, &packet).0, FromClient::Nothing);
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Pending), 1);
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 437);
    assert_eq!(relay.server.poll_effect(), None);

    let claimed = relay.directory.claim_any(Family::V4, port, near, [0; 8], relay.now.mono).unwrap();
    let opened = Opened { relayed: claimed.relayed, beside: Beside::Nothing, reserved: None };
    let mut reply = [0; REPLY_MAX];
    let answer = relay.server.handle_opened(request, Ok(opened), relay.now, &mut reply).unwrap();
    assert_eq!(answer.to, client.address);
    assert!(answer.at.is_some());
    let reply = Reply(reply[..answer.len].to_vec());
    assert_eq!((reply.code(), reply.message().transaction_id()), (0, id));
    assert_eq!(Some(reply.relayed()), relay.directory.external_address(claimed.relayed));
    assert!(relay.server.handle_opened(request, Ok(opened), relay.now, &mut [0; REPLY_MAX]).is_none());
}

#[test]
fn the_same_transaction_gets_the_same_success_again() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        writer.u32(AttributeType::LIFETIME, 1000);
    });
    let first = relay.exchange(client.address, &packet).unwrap();
    assert_eq!(first.lifetime(), 1000);
    relay.pass_secs(40);
    assert_eq!(relay.exchange(client.address, &packet), Some(first));
    assert_eq!(relay.server.allocations(), 1);
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Success), 1);
    assert_eq!(relay.requests(RequestKind::Allocate, RequestResult::Replayed), 1);
}

#[test]
fn another_transaction_on_the_same_5_tuple_is_a_mismatch() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    relay.allocate(&client);
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 437);
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn an_expired_allocation_makes_room_on_its_5_tuple() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let first = relay.allocate(&client);
    relay.pass_secs(600);
    let second = relay.allocate(&client);
    assert_ne!(first, second);
    assert_eq!(relay.server.allocations(), 1);
    assert_eq!(relay.ended()[0].end, EndReason::Expired);
}

#[test]
fn one_remote_address_on_three_transports_is_three_5_tuples() {
    let mut relay = Fixture::new();
    let udp = Client::udp(1, "s1");
    let via = |via| Client { address: ClientAddr { via, ..udp.address }, ..udp.clone() };
    let clients = [
        udp.clone(),
        via(Via::Udp(ListenerId(1))),
        via(Via::Tcp(StreamId(7))),
        via(Via::Tls(StreamId(8))),
        Client { address: ClientAddr { local: address("10.9.0.2:3478"), ..udp.address }, ..udp.clone() },
    ];
    let mut relayed: Vec<_> = clients.iter().map(|client| relay.allocate(client)).collect();
    relayed.sort();
    relayed.dedup();
    assert_eq!((relayed.len(), relay.server.allocations()), (5, 5));
}

#[test]
fn requested_transport_must_be_udp() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    assert_eq!(relay.request(&client, Method::ALLOCATE, |_| {}).code(), 400);
    for (value, code) in [(&[17, 0, 0][..], 400), (&[17, 0, 0, 0, 0], 400), (&[6, 0, 0, 0], 442), (&[0; 4], 442)] {
        let reply = relay.request(&client, Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, value);
        });
        assert_eq!(reply.code(), code, "{value:?}");
    }
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn without_a_family_the_relayed_address_is_ipv4_even_for_ipv6_clients() {
    let mut relay = Fixture::new();
    let mut client = Client::udp(1, "s1");
    client.address.remote = address("[2a00:1::5]:1234");
    assert_eq!(relay.allocate(&client).ip(), ip(EXTERNAL_V4));
}

#[test]
fn a_requested_family_is_honoured() {
    let mut relay = Fixture::new();
    for (family, relayed) in [(1, EXTERNAL_V4), (2, RELAY_V6)] {
        let reply = relay.try_allocate(&Client::udp(family, "s1"), |writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, u32::from(family) << 24);
        });
        assert_eq!(reply.relayed().ip(), ip(relayed));
    }
}

#[test]
fn the_relayed_address_is_on_the_address_that_the_client_came_to() {
    let pairs = [(LOCAL_V4, EXTERNAL_V4), ("10.9.0.2", "5.6.7.9"), (RELAY_V6, RELAY_V6), ("2a00:9::2", "2a00:9::9")];
    let relay_addresses = pairs.map(|(local, external)| RelayAddress { local: ip(local), external: ip(external) });
    let mut relay = Fixture::with(&Setup { relay_addresses: relay_addresses.to_vec(), ..Setup::default() });
    for (port, (local, external)) in (1..).zip(pairs) {
        let mut client = Client::udp(port, "s1");
        client.address.local.set_ip(ip(local));
        let reply = relay.try_allocate(&client, |writer| {
            writer.u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, 2 << 24);
        });
        let relayed: Vec<_> = reply.message().xor_addresses(AttributeType::XOR_RELAYED_ADDRESS).collect();
        assert!(relayed.iter().any(|relayed| relayed.is_ok_and(|relayed| relayed.ip() == ip(external))), "{local}");
    }
}

#[test]
fn a_family_that_is_unknown_or_not_offered_is_refused() {
    let only_v6 = RelayAddress { local: ip(RELAY_V6), external: ip(RELAY_V6) };
    let mut relay = Fixture::with(&Setup { relay_addresses: vec![only_v6], ..Setup::default() });
    let client = Client::udp(1, "s1");
    assert_eq!(relay.try_allocate(&client, |_| {}).code(), 440);
    for (value, code) in [(&[1, 0, 0, 0][..], 440), (&[3, 0, 0, 0], 440), (&[0; 4], 440), (&[2, 0, 0], 400)] {
        let reply = relay.try_allocate(&client, |writer| {
            writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, value);
        });
        assert_eq!(reply.code(), code, "{value:?}");
    }
    relay.allocate_v6(&client);
}

#[test]
fn a_lifetime_is_kept_between_ten_minutes_and_the_maximum() {
    let mut relay = Fixture::new();
    for (port, (requested, granted)) in
        [(0, 600), (599, 600), (600, 600), (3000, 3000), (3601, 3600), (u32::MAX, 3600)].into_iter().enumerate()
    {
        let client = Client::udp(1000 + u16::try_from(port).unwrap(), "s1");
        let reply = relay.try_allocate(&client, |writer| {
            writer.u32(AttributeType::LIFETIME, requested);
        });
        assert_eq!(reply.lifetime(), granted, "{requested}");
    }
    let reply = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
        writer.attribute(AttributeType::LIFETIME, &[0, 0, 2]);
    });
    assert_eq!(reply.code(), 400);
}

#[test]
fn quotas_are_answered_by_their_owner() {
    let quotas = Quotas { per_user: 1, per_address: 3, total: 4, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    relay.allocate(&Client::udp(1, "s1"));
    let reply = relay.try_allocate(&Client::udp(2, "s1"), |_| {});
    assert_eq!(reply.code(), 486);
    assert!(reply.message().verify_integrity(&Client::udp(2, "s1").key()));
    relay.allocate(&Client::udp(2, "s2"));
    relay.allocate(&Client::udp(3, "s3"));
    assert_eq!(relay.try_allocate(&Client::udp(4, "s4"), |_| {}).code(), 486);
    let mut elsewhere = Client::udp(4, "s4");
    elsewhere.address.remote = address("9.8.7.7:4");
    relay.allocate(&elsewhere);
    elsewhere.address.remote = address("9.8.7.8:4");
    assert_eq!(relay.try_allocate(&Client { address: elsewhere.address, ..Client::udp(5, "s5") }, |_| {}).code(), 508);

    relay.refresh(&Client::udp(1, "s1"), 0);
    relay.allocate(&Client::udp(6, "s1"));
}

#[test]
fn both_sides_of_a_session_share_its_quota() {
    let quotas = Quotas { per_session: 3, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    for (port, side) in [(1, "s1.a"), (2, "s1.a"), (3, "s1.b")] {
        relay.allocate(&Client::udp(port, side));
    }
    assert_eq!(relay.try_allocate(&Client::udp(4, "s1.b"), |_| {}).code(), 486);
    relay.allocate(&Client::udp(5, "s2.b"));
    relay.refresh(&Client::udp(1, "s1.a"), 0);
    relay.allocate(&Client::udp(6, "s1.b"));
}

#[test]
fn clients_of_an_exempt_network_have_no_quota_by_address() {
    let quotas = Quotas { per_address: 1, exempt: vec!["9.8.7.0/24".parse().unwrap()], ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    relay.allocate(&Client::udp(1, "s1"));
    relay.allocate(&Client::udp(2, "s2"));
    let mut elsewhere = [Client::udp(3, "s3"), Client::udp(4, "s4")];
    for client in &mut elsewhere {
        client.address.remote.set_ip(ip("9.8.6.1"));
    }
    relay.allocate(&elsewhere[0]);
    assert_eq!(relay.try_allocate(&elsewhere[1], |_| {}).code(), 486);
}

#[test]
fn minting_again_does_not_evade_the_user_quota() {
    let quotas = Quotas { per_user: 1, ..Quotas::default() };
    let mut relay = Fixture::with(&Setup { quotas, ..Setup::default() });
    relay.allocate(&Client::udp(1, "s1"));
    let secret = crate::auth::secret::Secret::new(SECRET);
    let minted = crate::auth::turn::Minter::new(secret).mint("s1", START_UNIX_SECS + 9999);
    let again = Client { username: minted.username, password: minted.password, ..Client::udp(2, "s1") };
    assert_eq!(relay.try_allocate(&again, |_| {}).code(), 486);
}

#[test]
fn running_out_of_ports_is_insufficient_capacity() {
    let mut relay = Fixture::with(&Setup { ports: 50_000..=50_001, ..Setup::default() });
    let mut relayed = [relay.allocate(&Client::udp(1, "s1")), relay.allocate(&Client::udp(2, "s1"))];
    relayed.sort();
    assert_eq!(relayed.map(|relayed| relayed.port()), [50_000, 50_001]);
    assert_eq!(relay.try_allocate(&Client::udp(3, "s1"), |_| {}).code(), 508);
    assert_eq!(relay.ledger.total(), 2);
}

#[test]
fn a_socket_that_does_not_open_is_insufficient_capacity() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    relay.receive(client.address, &packet);
    let Some(Effect::Open { request, .. }) = relay.server.poll_effect() else { panic!() };
    let mut reply = [0; REPLY_MAX];
    let answer = relay.server.handle_opened(request, Err(OpenError::Socket), relay.now, &mut reply).unwrap();
    assert_eq!((answer.at, Reply(reply[..answer.len].to_vec()).code()), (None, 508));
    relay.allocate(&client);
}

#[test]
fn a_draining_server_refuses_newcomers_and_keeps_the_others() {
    let mut relay = Fixture::new();
    let client = Client::udp(1, "s1");
    let request = client.signed(Method::ALLOCATE, TransactionId([9; 12]), relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    let success = relay.exchange(client.address, &request);
    relay.server.drain();
    assert_eq!(relay.try_allocate(&Client::udp(2, "s1"), |_| {}).code(), 508);
    assert_eq!(relay.exchange(client.address, &request), success, "its answer may have been lost");
    assert_eq!((relay.refresh(&client, 600).code(), relay.permit(&client, &[address("9.9.1.1:5000")])), (0, 0));
}

#[test]
fn a_draining_server_names_another_one_to_clients_of_its_family() {
    let mut v6 = Client::udp(2, "s1");
    v6.address.remote = address("[2a00:1::5]:1234");
    let tcp = Client::tcp(3, "s1");
    let v4 = Client::udp(4, "s1");
    for (alternate, codes) in [("5.6.7.99:3478", [300, 508, 300]), ("[2a00:9::99]:443", [508, 300, 508])] {
        let mut setup = Setup::default();
        let mut relay = Fixture::with(&setup);
        relay.server.drain();
        setup.alternate_server = Some(address(alternate));
        relay.server.reconfigure(setup.config());
        for (client, code) in [&v4, &v6, &tcp].into_iter().zip(codes) {
            let reply = relay.try_allocate(client, |_| {});
            assert_eq!(reply.code(), code, "{client:?}");
            assert!(reply.message().verify_integrity(&client.key()));
            let told = reply.message().plain_address(AttributeType::ALTERNATE_SERVER);
            assert_eq!(told, (code == 300).then(|| Ok(address(alternate))));
        }
        let nobody = Client { password: "wrong".to_owned(), ..v4.clone() };
        assert_eq!(relay.try_allocate(&nobody, |_| {}).code(), 401, "nobody else is told");
        assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
    }
}

#[test]
fn dont_fragment_is_honoured_or_named_as_unknown() {
    let ask = |relay: &mut Fixture| {
        relay.try_allocate(&Client::udp(1, "s1"), |writer| {
            writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
        })
    };
    assert_eq!(ask(&mut Fixture::new()).code(), 0);
    let reply = ask(&mut Fixture::with(&Setup { dont_fragment: false, ..Setup::default() }));
    assert_eq!(reply.code(), 420);
    assert_eq!(reply.message().attribute(AttributeType::UNKNOWN_ATTRIBUTES), Some(&[0x00, 0x1A][..]));
}

#[test]
fn a_connection_that_closes_frees_its_allocation_at_once() {
    let mut relay = Fixture::new();
    let client = Client::tcp(9, "s1");
    relay.allocate(&client);
    relay.server.handle_stream_closed(StreamId(8), relay.now);
    assert_eq!(relay.server.allocations(), 1);
    relay.server.handle_stream_closed(StreamId(9), relay.now);
    relay.run_effects();
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
    assert_eq!(relay.ended()[0].end, EndReason::StreamClosed);
}

#[test]
fn a_connection_that_closes_while_its_socket_opens_leaves_nothing() {
    let mut relay = Fixture::new();
    let client = Client::tcp(9, "s1");
    let id = relay.id();
    let packet = client.signed(Method::ALLOCATE, id, relay.now, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    relay.receive(client.address, &packet);
    relay.server.handle_stream_closed(StreamId(9), relay.now);
    assert_eq!(relay.run_effects(), None);
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
}

#[test]
fn contradictory_families_are_bad_requests() {
    let mut relay = Fixture::new();
    let (single, second) = (AttributeType::REQUESTED_ADDRESS_FAMILY, AttributeType::ADDITIONAL_ADDRESS_FAMILY);
    for (first, beside) in [
        ((single, &[1, 0, 0, 0][..]), (second, &[2, 0, 0, 0][..])),
        ((AttributeType::EVEN_PORT, &[0x80]), (second, &[2, 0, 0, 0])),
        ((AttributeType::EVEN_PORT, &[0]), (second, &[1, 0, 0, 0])),
        ((AttributeType::EVEN_PORT, &[0]), (second, &[2])),
    ] {
        let reply = relay.try_allocate(&Client::udp(1, "s1"), |writer| {
            writer.attribute(first.0, first.1).attribute(beside.0, beside.1);
        });
        assert_eq!(reply.code(), 400, "{first:?} {beside:?}");
    }
    assert_eq!(relay.effects, []);
}
