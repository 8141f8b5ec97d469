//! The relay of the built program in its other modes and in the hands of its operator: pairs in memory, one port, NAT,
//! reload, drain.
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use duologue::auth::secret::Secret;
use duologue::auth::turn::Minter;
use duologue::stun::AttributeType;
use duologue::stun::Method;
use serde_json::Value;
use serde_json::json;
use support::Server;
use support::TURN_SECRET;
use support::eventually;
use support::turn::Credential;
use support::wire::Data;
use support::wire::IPV6;
use support::wire::PATIENCE;
use support::wire::SILENCE;
use support::wire::Way;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;
use support::wire::ways;
use support::ws;

/// More than there are cores, so that most pairs meet across shards.
const FOUR_SHARDS: &str = "[relay]\nshards = 4\n";

/// How long a reload may take.
const RELOAD: Duration = Duration::from_secs(5);

#[test]
fn pairs_meet_in_memory_over_any_two_transports() {
    let server = Server::start(FOUR_SHARDS);
    let ways = ways(&server);
    for (at, a) in ways.iter().enumerate() {
        for b in &ways[at..] {
            for family in [1 << 24, IPV6] {
                assert_pair(a, b, family);
            }
        }
    }
    let packets = ["handed_over", "to_peer", "to_client"].map(|way| server.metric("duologue_relay_packets_total", way));
    let pairs = ways.len() * (ways.len() + 1) / 2 * 2;
    // Per pair: four indications, one to a channel, one from a channel. Nothing went through the kernel.
    assert_eq!(packets, [(6 * pairs) as f64, 0.0, 0.0]);
}

/// Two clients whose peers are each other's relayed addresses.
fn assert_pair(a: &Way, b: &Way, family: u32) {
    let what = format!("{} to {}", a.name, b.name);
    let (mut a, mut b) = (Wire::open(a, "a"), Wire::open(b, "b"));
    let [at_a, at_b] = [&mut a, &mut b].map(|client| {
        let answer = client.allocate(|writer| _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family));
        answer.relayed()
    });
    assert_eq!(a.permit(&[at_b]).code(), 0, "{what}");
    a.indicate(at_b, b"unwanted");
    // What comes before the answer was judged before the other side permits anybody.
    a.plain(Method::BINDING, |_| {});
    assert_eq!(b.data(Duration::from_millis(10)), None, "{what}: the other side permitted nobody yet");
    assert_eq!(b.permit(&[at_a]).code(), 0, "{what}");
    for payload in [&b""[..], b"odd", &[7; 1200], &[8; 40_000]] {
        a.indicate(at_b, payload);
        assert!(b.data(PATIENCE) == Some(Data::Indication(at_a, payload.to_vec())), "{what}");
    }
    assert_eq!(b.bind(0x4ABC, at_a).code(), 0, "{what}");
    a.indicate(at_b, b"to a channel");
    assert_eq!(b.data(PATIENCE), Some(Data::Channel(0x4ABC, b"to a channel".to_vec())), "{what}");
    b.channel(0x4ABC, b"from a channel");
    assert_eq!(a.data(PATIENCE), Some(Data::Indication(at_b, b"from a channel".to_vec())), "{what}");
    assert_eq!((b.refresh(0).code(), a.refresh(0).code()), (0, 0), "{what}");
}

#[test]
fn single_port_mode_relays_pairs_and_nothing_else() {
    let server = Server::start("[relay]\nmode = \"single-port\"\nshards = 2\n");
    let ways = ways(&server);
    for way in &ways {
        assert_pair(&ways[0], way, 1 << 24);
    }
    let (mut client, relayed) = Wire::allocated(&ways[0], "s1");
    let (outside, outside_addr) = peer("127.0.0.1");
    for refused in ["8.8.8.8:5000", "10.0.0.1:5000", "127.0.0.2:5000"] {
        assert_eq!(client.permit(&[refused.parse().expect("an address")]).code(), 403, "{refused}");
    }
    // The relay's own address is permitted for the sake of pairs; what is no live relayed address gets nothing.
    assert_eq!(client.permit(&[SocketAddr::new(relayed.ip(), relayed.port() ^ 1)]).code(), 0);
    assert_eq!(client.bind(0x4000, outside_addr).code(), 403);
    client.indicate(outside_addr, b"out");
    assert_eq!(heard(&outside, SILENCE), None);
}

#[test]
fn behind_a_nat_clients_are_told_the_external_address() {
    let server = Server::start(&format!("{FOUR_SHARDS}external = {{ \"127.0.0.1\" = \"203.0.113.7\" }}\n"));
    let way = &ways(&server)[0];
    let ((mut a, at_a), (mut b, at_b)) = (Wire::allocated(way, "a"), Wire::allocated(way, "b"));
    assert_eq!(at_a.ip().to_string(), "203.0.113.7");
    assert_eq!((a.permit(&[at_b]).code(), b.permit(&[at_a]).code()), (0, 0));
    a.indicate(at_b, b"pair");
    assert_eq!(b.data(PATIENCE), Some(Data::Indication(at_a, b"pair".to_vec())));

    let (outside, outside_addr) = peer("127.0.0.1");
    assert_eq!(a.permit(&[outside_addr]).code(), 0);
    a.indicate(outside_addr, b"out");
    assert_eq!(heard(&outside, PATIENCE), Some((b"out".to_vec(), SocketAddr::new(way.addr.ip(), at_a.port()))));
    for port in [way.addr.port(), at_a.port(), at_b.port() ^ 1] {
        assert_eq!(a.bind(0x4000, SocketAddr::new(at_a.ip(), port)).code(), 403, "{port}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_exchanges_secrets_and_deny_lists() {
    const NEXT: &str = "the secret that comes after the first one";
    let server = Server::start("");
    let way = ways(&server)[0].clone();
    let with_next = |session: &str| {
        let minted = Minter::new(Secret::new(NEXT.as_bytes().to_vec())).mint(session, 9_999_999_999);
        Credential { username: minted.username.clone(), password: minted.password.clone() }
    };
    let is_accepted = |credential| Wire::with(&way, credential).allocate(|_| {}).code() == 0;
    let (mut before, _) = Wire::allocated(&way, "before");
    let (friend, friend_addr) = peer("127.0.0.1");
    assert_eq!(before.bind(0x4000, friend_addr).code(), 0);
    assert!(!is_accepted(with_next("early")));

    reload(&server, &format!("[turn]\nsecrets = [\"{NEXT}\", \"{TURN_SECRET}\"]\n"));
    assert!(eventually(RELOAD, || is_accepted(with_next("s"))), "the new secret is good");
    assert!(is_accepted(Credential::for_session("s")), "and the old one still is");

    reload(&server, &format!("[turn]\nsecrets = [\"{NEXT}\"]\n[relay]\ndeny_peers = [\"127.0.0.0/8\"]\n"));
    assert!(eventually(RELOAD, || !is_accepted(Credential::for_session("s"))), "the old one is not any more");
    assert_eq!(before.refresh(600).code(), 0, "what was allocated with it lives on");
    before.channel(0x4000, b"denied");
    assert_eq!(heard(&friend, SILENCE), None, "without the peers that are denied now");
    assert_eq!(before.permit(&[friend_addr]).code(), 403);

    // What signaling mints from now on is good at the relay.
    let ((_a, found), _b) = ws::matched_pair(server.addr("http"), "reload").await;
    assert!(is_accepted(minted(&found)));
}

/// The credential in a `match.found`.
fn minted(found: &Value) -> Credential {
    let servers = found["ice_servers"].as_array().expect("servers");
    let turn = servers.iter().find(|server| server["credential"].is_string()).expect("a TURN server");
    let text = |key: &str| turn[key].as_str().expect("text").to_owned();
    Credential { username: text("username"), password: text("credential") }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_frees_what_it_has_on_every_transport_and_shard() {
    let server = Server::start(FOUR_SHARDS);
    let ways = ways(&server);
    let ((mut a, found), (_b, other)) = ws::matched_pair(server.addr("http"), "end").await;
    let allocate = |(way, found): (&Way, &Value)| {
        let mut client = Wire::with(way, minted(found));
        assert_eq!(client.allocate(|_| {}).code(), 0, "{}", way.name);
        client
    };
    let both_sides = ways.iter().flat_map(|way| [(way, &found), (way, &other)]);
    let mut clients: Vec<Wire> = both_sides.map(allocate).collect();
    let (mut stranger, _) = Wire::allocated(&ways[0], "stranger");
    a.ask("session.end", json!({"session": found["session"]})).await;
    a.push("session.ended").await;
    assert!(eventually(Duration::from_secs(20), || server.allocations() == 1.0));
    for client in &mut clients {
        // Connections are closed with the allocation; over UDP there is nothing to close.
        let is_over = if client.way.is_udp() { client.refresh(600).code() == 437 } else { client.is_closed() };
        assert!(is_over, "{}", client.way.name);
    }
    for way in &ways {
        assert_eq!(Wire::with(way, minted(&found)).allocate(|_| {}).code(), 401, "{}", way.name);
    }
    assert_eq!(stranger.refresh(600).code(), 0);
}

fn reload(server: &Server, extra: &str) {
    std::fs::write(server.state.path().join("conf.d/test.toml"), extra).expect("write the configuration");
    server.signal("HUP");
}

#[test]
fn a_draining_server_keeps_its_allocations_for_the_grace_and_takes_no_new_ones() {
    let mut server = Server::start("[server]\nshutdown_grace = \"20s\"\n");
    let way = ways(&server)[0].clone();
    let (mut client, relayed) = Wire::allocated(&way, "s1");
    let (friend, friend_addr) = peer("127.0.0.1");
    assert_eq!(client.permit(&[friend_addr]).code(), 0);
    server.signal("TERM");
    let refused = || {
        let mut late = Wire::open(&way, "late");
        let code = late.allocate(|_| {}).code();
        // Whoever came before the signal goes again, or the server would wait for it.
        late.refresh(0);
        code == 508
    };
    assert!(eventually(Duration::from_secs(5), refused));
    client.indicate(friend_addr, b"still here");
    assert_eq!(heard(&friend, PATIENCE), Some((b"still here".to_vec(), relayed)));
    assert_eq!(client.refresh(0).code(), 0);
    assert_eq!(server.wait_exit(Duration::from_secs(10)), Some(0), "with the last allocation it stops");
}
