//! Allocations of the built program in full: both families at once, ports, several addresses, drain, and the record that is left
//! of each.
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use duologue::relay::user_hash;
use duologue::stun::AttributeType;
use duologue::stun::Method;
use duologue::stun::Writer;
use serde_json::Value;
use support::Server;
use support::eventually;
use support::wire::Answer;
use support::wire::Data;
use support::wire::IPV6;
use support::wire::PATIENCE;
use support::wire::SILENCE;
use support::wire::UDP;
use support::wire::Way;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;
use support::wire::ways;

/// IPv4 in REQUESTED-ADDRESS-FAMILY. RFC 8656 §18.6.
const IPV4: u32 = 1 << 24;

/// Clients of one test meet on different shards.
const FOUR_SHARDS: &str = "[relay]\nshards = 4\n";

/// How long a signal may take to be carried out.
const SIGNAL: Duration = Duration::from_secs(5);

fn both(writer: &mut Writer<'_>) {
    writer.u32(AttributeType::ADDITIONAL_ADDRESS_FAMILY, IPV6);
}

fn relayed(answer: &Answer) -> Vec<SocketAddr> {
    let addresses = answer.message().xor_addresses(AttributeType::XOR_RELAYED_ADDRESS);
    addresses.map(|address| address.expect("a sound address")).collect()
}

/// A client with an allocation of both families; the client and its relayed addresses, IPv4 first.
fn dual(way: &Way, session: &str) -> (Wire, [SocketAddr; 2]) {
    let mut wire = Wire::open(way, session);
    let answer = wire.allocate(both);
    let relayed = relayed(&answer).try_into().unwrap_or_else(|_| panic!("{}: {answer:?}", way.name));
    (wire, relayed)
}

fn refresh(client: &mut Wire, family: u32, lifetime_s: u32) -> Answer {
    client.signed(Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, lifetime_s).u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    })
}

fn address_error(answer: &Answer) -> Option<Vec<u8>> {
    answer.message().attribute(AttributeType::ADDRESS_ERROR_CODE).map(<[u8]>::to_vec)
}

/// RFC 8656 §7.2, §8, §9, §12.
#[test]
fn one_allocation_serves_peers_of_both_families_over_every_way() {
    let server = Server::start(FOUR_SHARDS);
    for way in &ways(&server) {
        let mut client = Wire::open(way, "s1");
        client.challenge();
        let request = client.signed_message(Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
            both(writer);
        });
        let success = client.ask(&request);
        let addresses = relayed(&success);
        assert_eq!(success.signed_code(&client.key()), Some(0), "{}", way.name);
        assert_eq!(addresses.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1", "::1"]);
        assert_eq!(client.ask(&request), success, "the same transaction gets the same answer");
        assert_eq!(server.metric("duologue_relay_allocations", "family=\"ipv4+ipv6\""), 1.0, "{}", way.name);

        let peers = [peer("127.0.0.1"), peer("::1")];
        let known: Vec<SocketAddr> = peers.iter().map(|(_, address)| *address).collect();
        let forbidden = "[fe80::1]:5000".parse().expect("an address");
        assert_eq!(client.permit(&[known[0], forbidden, known[1]]).code(), 403);
        for (socket, address) in &peers {
            client.indicate(*address, b"not permitted");
            assert_eq!(
                heard(socket, Duration::from_millis(20)),
                None,
                "{}: one is refused, none is permitted",
                way.name
            );
        }
        assert_eq!(client.permit(&known).code(), 0, "{}", way.name);
        for ((socket, address), own) in peers.iter().zip(&addresses) {
            client.indicate(*address, b"out");
            assert_eq!(heard(socket, PATIENCE), Some((b"out".to_vec(), *own)), "{}", way.name);
            socket.send_to(b"in", own).expect("send");
            assert_eq!(client.data(PATIENCE), Some(Data::Indication(*address, b"in".to_vec())), "{}", way.name);
        }
        for (number, ((socket, address), own)) in (0x4000..).zip(peers.iter().zip(&addresses)) {
            assert_eq!(client.bind(number, *address).code(), 0, "{}", way.name);
            client.channel(number, b"channel");
            assert_eq!(heard(socket, PATIENCE), Some((b"channel".to_vec(), *own)), "{}", way.name);
            socket.send_to(b"back", own).expect("send");
            assert_eq!(client.data(PATIENCE), Some(Data::Channel(number, b"back".to_vec())), "{}", way.name);
        }

        assert_eq!(refresh(&mut client, IPV4, 0).lifetime(), 0, "{}", way.name);
        assert_eq!(client.permit(&known).code(), 443, "IPv4 is gone");
        peers[0].0.send_to(b"late", addresses[0]).expect("send");
        client.channel(0x4000, b"late");
        assert_eq!((heard(&peers[0].0, SILENCE), client.data(SILENCE)), (None, None), "{}", way.name);
        client.channel(0x4001, b"alive");
        assert_eq!(heard(&peers[1].0, PATIENCE), Some((b"alive".to_vec(), addresses[1])), "{}", way.name);
        assert_eq!(server.metric("duologue_relay_allocations", "family=\"ipv6\""), 1.0, "{}", way.name);
        assert_eq!((client.refresh(0).code(), client.refresh(0).code()), (0, 437), "{}", way.name);
    }
    assert_eq!(server.allocations(), 0.0);
}

#[test]
fn pairs_of_dual_allocations_meet_in_memory_in_either_family() {
    for mode in ["ports", "single-port"] {
        let server = Server::start(&format!("{FOUR_SHARDS}mode = \"{mode}\"\n"));
        let ways = ways(&server);
        for way in &ways {
            let ((mut a, at_a), (mut b, at_b)) = (dual(&ways[0], "a"), dual(way, "b"));
            assert_eq!((a.permit(&at_b).code(), b.permit(&at_a).code()), (0, 0), "{mode}, {}", way.name);
            for family in 0..2 {
                a.indicate(at_b[family], b"there");
                assert_eq!(b.data(PATIENCE), Some(Data::Indication(at_a[family], b"there".to_vec())), "{}", way.name);
                assert_eq!(b.bind(0x4000 + family as u16, at_a[family]).code(), 0);
                b.channel(0x4000 + family as u16, b"back");
                assert_eq!(a.data(PATIENCE), Some(Data::Indication(at_b[family], b"back".to_vec())), "{}", way.name);
            }
            assert_eq!((a.refresh(0).code(), b.refresh(0).code()), (0, 0));
        }
        let packets = ["handed_over", "to_peer", "to_client"];
        let packets = packets.map(|way| server.metric("duologue_relay_packets_total", way));
        assert_eq!(packets, [(4 * ways.len()) as f64, 0.0, 0.0], "{mode}");
    }
}

/// RFC 8656 §7.2, §18.12.
#[test]
fn a_family_that_cannot_be_had_is_named_beside_the_other_one() {
    let server = Server::start("[relay]\naddresses = [\"127.0.0.1\"]\n");
    for way in &ways(&server) {
        let answer = Wire::open(way, "s1").allocate(both);
        let code = [&[2, 0, 4, 40][..], b"Address Family not Supported"].concat();
        assert_eq!((answer.code(), relayed(&answer).len(), address_error(&answer)), (0, 1, Some(code)), "{}", way.name);
    }
    let server = Server::start("[relay]\nmode = \"single-port\"\nport_range = \"50000-50000\"\n");
    let way = &ways(&server)[0];
    let (_holder, at) = Wire::allocated(way, "s1");
    assert_eq!(at.port(), 50000);
    let answer = Wire::open(way, "s2").allocate(both);
    let code = [&[1, 0, 5, 8][..], b"Insufficient Capacity"].concat();
    assert_eq!(
        (answer.code(), answer.relayed().ip().to_string(), address_error(&answer)),
        (0, "::1".into(), Some(code))
    );
    assert_eq!(Wire::open(way, "s3").allocate(both).code(), 508, "neither is no success");
}

#[test]
fn a_client_is_given_an_address_of_the_listener_it_came_to() {
    let server = Server::start(
        "[turn]\nudp_listen = [\"127.0.0.1:0\", \"127.0.0.2:0\", \"[::1]:0\"]\ntcp_listen = [\"127.0.0.1:0\", \"127.0.0.2:0\", \"[::1]:0\"]\n\
         [relay]\nshards = 2\naddresses = [\"127.0.0.1\", \"127.0.0.2\", \"::1\"]\n\
         [relay.external]\n\"127.0.0.1\" = \"203.0.113.1\"\n\"127.0.0.2\" = \"203.0.113.2\"\n\"::1\" = \"2001:db8::7\"\n",
    );
    for way in ways(&server).iter().filter(|way| ["udp", "tcp"].contains(&way.name)) {
        for (local, v4) in [("127.0.0.1", "203.0.113.1"), ("127.0.0.2", "203.0.113.2")] {
            let mut way = way.clone();
            way.addr = server.addr_on(&format!("turn-{}", way.name), local);
            for _ in 0..4 {
                let (_client, at) = dual(&way, local);
                assert_eq!(at.map(|at| at.ip().to_string()), [v4, "2001:db8::7"], "{} on {local}", way.name);
            }
        }
        let mut way = way.clone();
        way.addr = server.addr_v6(&format!("turn-{}", way.name));
        let at =
            Wire::open(&way, "v6").allocate(|writer| _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, IPV6));
        assert_eq!(at.relayed().ip().to_string(), "2001:db8::7", "{}", way.name);
    }
}

#[test]
fn nobody_takes_the_ports_of_others_by_making_and_deleting_allocations() {
    let server = Server::start("[relay]\nmode = \"single-port\"\nport_range = \"50000-50063\"\n");
    let way = &ways(&server)[0];
    let (mut other, at) = Wire::allocated(way, "other");
    let mut greedy = Wire::open(way, "greedy");
    for _ in 0..200 {
        let answer = greedy.allocate(|_| {});
        assert_eq!(answer.code(), 0);
        assert_ne!(answer.relayed(), at);
        assert_eq!(greedy.refresh(0).code(), 0);
    }
    assert_eq!(server.metric("duologue_relay_ports_reused_early_total", ""), 200.0 - 63.0);
    assert_eq!(other.refresh(600).code(), 0);
    Wire::allocated(way, "late");
}

#[test]
fn reserved_ports_count_until_somebody_redeems_them() {
    let server = Server::start("[relay.limits]\nallocations_per_user = 6\n");
    let ways = ways(&server);
    let reserve = |client: &mut Wire| {
        let answer = client.allocate(|writer| _ = writer.attribute(AttributeType::EVEN_PORT, &[0x80]));
        client.refresh(0);
        answer
    };
    let mut client = Wire::open(&ways[0], "s1");
    let answers: Vec<Answer> = (0..7).map(|_| reserve(&mut client)).collect();
    assert_eq!(answers.iter().map(Answer::code).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 486, 486]);
    let token = |answer: &Answer| answer.message().attribute(AttributeType::RESERVATION_TOKEN).map(<[u8]>::to_vec);
    let tokens: Vec<Vec<u8>> = answers.iter().filter_map(token).collect();
    for (way, token) in ways.iter().zip(&tokens) {
        // Another user, from anywhere, may redeem: then that one has the port and is charged for it.
        let mut friend = Wire::open(way, "s2");
        let answer = friend.allocate(|writer| _ = writer.attribute(AttributeType::RESERVATION_TOKEN, token));
        assert_eq!((answer.code(), answer.relayed().port() % 2), (0, 1), "{}", way.name);
    }
    assert_eq!(reserve(&mut client).code(), 0, "and the quota of the first has room again");
}

/// RFC 8489 §10.
#[test]
fn a_draining_server_sends_clients_of_every_way_elsewhere() {
    let config = |alternate: &str| {
        format!("[server]\nshutdown_grace = \"60s\"\n[turn]\nalternate_server = \"{alternate}\"\n[relay]\nshards = 2\n")
    };
    let mut server = Server::start(&config("203.0.113.9:3478"));
    let ways = ways(&server);
    let (mut old, at) = Wire::allocated(&ways[0], "old");
    let (friend, friend_addr) = peer("127.0.0.1");
    assert_eq!(old.permit(&[friend_addr]).code(), 0);
    let ask = |way: &Way| {
        let mut late = Wire::open(way, "late");
        let answer = late.allocate(|_| {});
        // Whoever came before the signal goes again, or the server would wait for it.
        late.refresh(0);
        let code = answer.signed_code(&late.key()).expect("a signed answer");
        (
            code,
            answer.message().plain_address(AttributeType::ALTERNATE_SERVER).map(|server| server.expect("an address")),
        )
    };
    server.signal("TERM");
    assert!(eventually(SIGNAL, || ways.iter().all(|way| ask(way).0 != 0)));
    for alternate in ["203.0.113.9:3478", "[2001:db8::9]:443"] {
        let alternate: SocketAddr = alternate.parse().expect("an address");
        std::fs::write(server.state.path().join("conf.d/test.toml"), config(&alternate.to_string())).expect("write");
        server.signal("HUP");
        let expected = |way: &Way| match way.addr.is_ipv4() == alternate.is_ipv4() {
            true => (300, Some(alternate)),
            false => (508, None),
        };
        assert!(eventually(SIGNAL, || ask(&ways[0]) == expected(&ways[0])));
        for way in &ways {
            // Each shard carries the reload out by itself.
            assert!(eventually(SIGNAL, || ask(way) == expected(way)), "{}: {:?}", way.name, ask(way));
        }
    }
    old.indicate(friend_addr, b"still here");
    assert_eq!(heard(&friend, PATIENCE), Some((b"still here".to_vec(), at)));
    assert_eq!((old.refresh(600).code(), old.refresh(0).code()), (0, 0));
    assert_eq!(server.wait_exit(Duration::from_secs(10)), Some(0), "with the last allocation it stops");
}

#[test]
fn the_record_of_an_allocation_tells_what_was_sent_and_what_was_dropped() {
    let server = Server::start("[log]\nformat = \"json\"\n[relay]\nshards = 2\n");
    for way in &ways(&server) {
        let session = way.name.replace(' ', "-");
        let (mut client, at) = dual(way, &format!("{session}.a"));
        let (mut other, other_at) = dual(way, &format!("{session}.b"));
        let peers = [peer("127.0.0.1"), peer("::1")];
        let known = [peers[0].1, peers[1].1, other_at[0]];
        assert_eq!((client.permit(&known).code(), other.permit(&at[..1]).code()), (0, 0));
        for ((socket, address), own) in peers.iter().zip(at) {
            client.indicate(*address, &[1; 100]);
            assert!(heard(socket, PATIENCE).is_some());
            socket.send_to(&[2; 30], own).expect("send");
            assert!(client.data(PATIENCE).is_some());
        }
        client.indicate(other_at[0], &[3; 7]);
        assert!(other.data(PATIENCE).is_some());
        for _ in 0..3 {
            client.channel(0x4123, b"no channel");
        }
        client.indicate("127.0.0.1:53".parse().expect("an address"), b"a port for nobody");
        client.indicate(at[0], b"to itself");
        assert_eq!(
            (refresh(&mut client, IPV4, 0).code(), client.refresh(0).code(), other.refresh(0).code()),
            (0, 0, 0)
        );

        let record = |user: &str| {
            let hash = format!("{:016x}", user_hash(user));
            let log = server.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["message"] == "allocation ended" && line["user"] == hash.as_str())
        };
        let (a, b) = (format!("{session}.a"), format!("{session}.b"));
        assert!(eventually(SIGNAL, || record(&a).is_some() && record(&b).is_some()), "{}", way.name);
        let (a, b) = (record(&a).expect("a record"), record(&b).expect("a record"));
        let transport = way.name.split([' ', '6']).next().expect("a word");
        let words = ["session", "transport", "family", "reason"].map(|field| a[field].as_str().expect("text"));
        assert_eq!(words, [&session, transport, "ipv4+ipv6", "deleted"], "{a}");
        let fields = [
            ("packets_to_peers", 2),
            ("bytes_to_peers", 200),
            ("packets_to_client", 2),
            ("bytes_to_client", 60),
            ("packets_handed_out", 1),
            ("bytes_handed_out", 7),
            ("packets_handed_in", 0),
            ("dropped", 5),
        ];
        for (field, value) in fields {
            assert_eq!(a[field], value, "{field} over {}: {a}", way.name);
        }
        let dropped: Value = serde_json::from_str(a["dropped_by_reason"].as_str().expect("text")).expect("JSON");
        assert_eq!(dropped, serde_json::json!({"no_channel": 3, "peer_port": 1, "self_peer": 1}), "{}", way.name);
        assert!(a["duration_ms"].as_u64().is_some_and(|millis| millis < 60_000), "{a}");
        assert_eq!((&b["packets_handed_in"], &b["bytes_handed_in"], &b["dropped"]), (&1.into(), &7.into(), &0.into()));
        assert_eq!(b.get("dropped_by_reason"), None, "reasons there were not are not told");
    }
}
