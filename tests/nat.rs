//! The built program in small internets: behind and before NATs, over IPv6, on links of other sizes.
//!
//! Hosts are network namespaces with addresses of documentation ranges, which the relay refuses as peers by itself.
mod support;

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;

use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::Message;
use duologue::stun::Method;
use support::Server;
use support::eventually;
use support::netns::Host;
use support::netns::join;
use support::require_program;
use support::wire::Answer;
use support::wire::Data;
use support::wire::IPV6;
use support::wire::PATIENCE;
use support::wire::SILENCE;
use support::wire::Way;
use support::wire::Wire;
use support::wire::heard;
use support::wire::peer;

/// Where the peers are.
const PEER: &str = "192.0.2.7";
const PEER_V6: &str = "2001:db8:3::7";
/// Ports that no client takes by itself.
const PORTS: &str = "61000-61999";
/// Both documentation networks with peers, opened.
const OPEN: &str = "allow_peers = [\"192.0.2.0/24\", \"2001:db8:3::/48\"]\n";
/// How long the program may take to follow a change around it.
const CHANGE: Duration = Duration::from_secs(20);

/// A router in the middle; the server, a peer and whoever joins are one hop away from it.
struct Internet {
    middle: Host,
    server: Host,
    peer: Host,
}

impl Internet {
    /// The server has 198.51.100.1 and 2001:db8:2::1.
    fn new() -> Internet {
        let internet = Internet::without_server();
        attach(&internet.middle, &internet.server, ["198.51.100", "2001:db8:2:"], "1");
        internet
    }

    fn without_server() -> Internet {
        let (middle, server, peer) = (Host::router("internet"), Host::new("server"), Host::new("peer"));
        attach(&middle, &peer, ["192.0.2", "2001:db8:3:"], "7");
        Internet { middle, server, peer }
    }

    /// A client with 203.0.113.5 and 2001:db8:1::5.
    fn client(&self) -> Host {
        let client = Host::new("client");
        attach(&self.middle, &client, ["203.0.113", "2001:db8:1:"], "5");
        client
    }

    /// Starts the program; `relay` adds to `[relay]`.
    fn start(&self, listen: &[&str], addresses: &[&str], relay: &str) -> Server {
        let config = config(listen, addresses, relay);
        self.server.enter(|| Server::start(&config))
    }

    /// A peer's socket.
    fn peer(&self, ip: &str) -> (UdpSocket, SocketAddr) {
        self.peer.enter(|| peer(ip))
    }

    fn metric(&self, server: &Server, name: &str, labels: &str) -> f64 {
        self.server.enter(|| server.metric(name, labels))
    }
}

/// Joins a host to the middle, which gets `.254` of both networks and is its way to everywhere.
fn attach(middle: &Host, host: &Host, [v4, v6]: [&str; 2], number: &str) {
    let ours = [format!("{v4}.254/24"), format!("{v6}:fe/64")];
    let theirs = [format!("{v4}.{number}/24"), format!("{v6}:{number}/64")];
    join(middle, &ours.each_ref().map(String::as_str), host, &theirs.each_ref().map(String::as_str));
    host.ip(&format!("route add default via {v4}.254"));
    host.ip(&format!("route add default via {v6}:fe"));
}

fn config(listen: &[&str], addresses: &[&str], relay: &str) -> String {
    let at = |port: u16| -> Vec<String> {
        listen.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), port).to_string()).collect()
    };
    format!(
        "[turn]\nudp_listen = {:?}\ntcp_listen = {:?}\ntls_listen = {:?}\n\
         [relay]\naddresses = {addresses:?}\nport_range = \"{PORTS}\"\n{relay}",
        at(3478),
        at(3478),
        at(5349)
    )
}

/// The ways to a server with this address.
fn ways(server: &Server, ip: &str) -> [Way; 3] {
    let to = |name, port| Way::to(server, name, SocketAddr::new(ip.parse().expect("an address"), port));
    [to("udp", 3478), to("tcp", 3478), to("tls", 5349)]
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A client on this host with an allocation of a family; the client, and the answer.
fn allocated(host: &Host, way: &Way, family: u32) -> (Wire, Answer) {
    let mut client = host.enter(|| Wire::open(way, "s1"));
    let answer = client.allocate(|writer| _ = writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, family));
    assert_eq!(answer.code(), 0, "{}", way.name);
    (client, answer)
}

/// Sends to the peer and back, by indication and on a channel.
fn assert_relayed(client: &mut Wire, relayed: SocketAddr, friend: &(UdpSocket, SocketAddr)) {
    let (socket, address) = friend;
    let what = client.way.name;
    assert_eq!(client.permit(&[*address]).code(), 0, "{what}");
    client.indicate(*address, b"by indication");
    assert_eq!(heard(socket, PATIENCE), Some((b"by indication".to_vec(), relayed)), "{what}");
    socket.send_to(b"back", relayed).expect("send");
    assert_eq!(client.data(PATIENCE), Some(Data::Indication(*address, b"back".to_vec())), "{what}");
    assert_eq!(client.bind(0x4001, *address).code(), 0, "{what}");
    client.channel(0x4001, b"on a channel");
    assert_eq!(heard(socket, PATIENCE), Some((b"on a channel".to_vec(), relayed)), "{what}");
    socket.send_to(b"back again", relayed).expect("send");
    assert_eq!(client.data(PATIENCE), Some(Data::Channel(0x4001, b"back again".to_vec())), "{what}");
}

/// A home whose NAT has 203.0.113.1 outside and takes a new random port for each flow.
fn home(middle: &Host) -> (Host, Host) {
    let (nat, client) = (Host::router("nat"), Host::new("client"));
    attach(middle, &nat, ["203.0.113", "2001:db8:1:"], "1");
    join(&nat, &["10.1.0.1/24"], &client, &["10.1.0.2/24"]);
    client.ip("route add default via 10.1.0.1");
    nat.filter(
        r#"table inet test {
            chain out {
                type nat hook postrouting priority 100
                oifname "to-internet" masquerade fully-random
            }
        }"#,
    );
    (nat, client)
}

#[test]
fn clients_behind_a_nat_relay_over_each_transport() {
    let internet = Internet::new();
    let (_nat, home) = home(&internet.middle);
    let server = internet.start(&["198.51.100.1"], &["198.51.100.1"], "");
    let ways = ways(&server, "198.51.100.1");
    let friend = internet.peer(PEER);
    let (mut early, _) = allocated(&home, &ways[0], 1 << 24);
    assert_eq!(early.permit(&[friend.1]).code(), 403, "a documentation network is denied by default");
    assert_eq!(early.refresh(0).code(), 0);

    let config = config(&["198.51.100.1"], &["198.51.100.1"], OPEN);
    std::fs::write(server.state.path().join("conf.d/test.toml"), config).expect("write the configuration");
    server.signal("HUP");
    let mut probe = allocated(&home, &ways[0], 1 << 24).0;
    assert!(eventually(CHANGE, || probe.permit(&[friend.1]).code() == 0), "the reload opens it");
    assert_eq!(probe.refresh(0).code(), 0);
    for way in &ways {
        let (mut client, answer) = allocated(&home, way, 1 << 24);
        let mapped = answer.address(AttributeType::XOR_MAPPED_ADDRESS);
        assert_eq!(mapped.ip(), ip("203.0.113.1"), "{}: the NAT's outer address", way.name);
        assert_ne!(mapped, client.local, "{}", way.name);
        let binding = client.plain(Method::BINDING, |_| {});
        assert_eq!(binding.address(AttributeType::XOR_MAPPED_ADDRESS), mapped, "{}", way.name);
        assert_relayed(&mut client, answer.relayed(), &friend);
        assert_eq!(client.refresh(0).code(), 0, "{}", way.name);
    }
}

#[test]
fn a_client_whose_nat_binds_anew_is_another_client() {
    require_program("conntrack", "conntrack");
    let internet = Internet::new();
    let (nat, home) = home(&internet.middle);
    let server = internet.start(&["198.51.100.1"], &["198.51.100.1"], OPEN);
    let way = &ways(&server, "198.51.100.1")[0];
    let friend = internet.peer(PEER);
    let (mut client, before) = allocated(&home, way, 1 << 24);
    assert_relayed(&mut client, before.relayed(), &friend);

    nat.run("conntrack", &["-F"]);
    assert_eq!(client.refresh(600).code(), 438, "a nonce belongs to one address");
    client.challenge();
    assert_eq!(client.refresh(600).code(), 437, "the new 5-tuple has no allocation");
    let after = client.allocate(|_| {});
    assert_eq!(after.code(), 0);
    let mapped = [&before, &after].map(|answer| answer.address(AttributeType::XOR_MAPPED_ADDRESS));
    assert!(mapped[0].ip() == mapped[1].ip() && mapped[0].port() != mapped[1].port(), "{mapped:?}");
    assert_ne!(before.relayed(), after.relayed());
    assert_eq!(internet.metric(&server, "duologue_relay_allocations", ""), 2.0, "the old one lives until it expires");
    assert_relayed(&mut client, after.relayed(), &friend);
}

#[test]
fn a_server_behind_a_nat_is_reached_at_its_external_address() {
    let internet = Internet::without_server();
    let nat = Host::router("nat");
    attach(&internet.middle, &nat, ["198.51.100", "2001:db8:2:"], "1");
    join(&nat, &["10.2.0.1/24"], &internet.server, &["10.2.0.2/24"]);
    internet.server.ip("route add default via 10.2.0.1");
    nat.filter(
        "table inet test {
            counter relayed { }
            chain in {
                type nat hook prerouting priority -100
                ip daddr 198.51.100.1 dnat ip to 10.2.0.2
            }
            chain out {
                type nat hook postrouting priority 100
                ip saddr 10.2.0.2 snat ip to 198.51.100.1
            }
            chain seen {
                type filter hook prerouting priority -300
                udp sport 61000-61999 counter name relayed
                udp dport 61000-61999 counter name relayed
            }
        }",
    );
    let server = internet.start(
        &["10.2.0.2"],
        &["10.2.0.2"],
        &format!("{OPEN}shards = 2\nexternal = {{ \"10.2.0.2\" = \"198.51.100.1\" }}\n"),
    );
    let clients = internet.client();
    for way in &ways(&server, "198.51.100.1") {
        let [(mut a, at_a), (mut b, at_b)] = [0, 1].map(|_| {
            let (client, answer) = allocated(&clients, way, 1 << 24);
            (client, answer.relayed())
        });
        assert_eq!([at_a.ip(), at_b.ip()], [ip("198.51.100.1"); 2], "{}", way.name);
        // Two clients of this server meet in memory: the NAT would not even turn such a packet round.
        let before = nat.counted("relayed");
        assert_eq!((a.permit(&[at_b]).code(), b.permit(&[at_a]).code()), (0, 0));
        for _ in 0..20 {
            a.indicate(at_b, b"pair");
            assert_eq!(b.data(PATIENCE), Some(Data::Indication(at_a, b"pair".to_vec())), "{}", way.name);
        }
        assert_eq!(nat.counted("relayed"), before, "{}: no packet left", way.name);
        // And others reach them from outside.
        assert_relayed(&mut a, at_a, &internet.peer(PEER));
        assert!(nat.counted("relayed") >= before + 4, "{}: the counter sees what leaves", way.name);
        assert_eq!((a.refresh(0).code(), b.refresh(0).code()), (0, 0));
    }
}

#[test]
fn each_family_reaches_each_family() {
    let internet = Internet::new();
    let client = internet.client();
    let listen = ["198.51.100.1", "2001:db8:2::1"];
    let server = internet.start(&listen, &listen, OPEN);
    for (at, from) in [("198.51.100.1", "203.0.113.5"), ("2001:db8:2::1", "2001:db8:1::5")] {
        for way in &ways(&server, at) {
            for (family, peer, relay) in [(1 << 24, PEER, listen[0]), (IPV6, PEER_V6, listen[1])] {
                let (mut client, answer) = allocated(&client, way, family);
                assert_eq!(answer.address(AttributeType::XOR_MAPPED_ADDRESS).ip(), ip(from), "{}", way.name);
                assert_eq!(answer.relayed().ip(), ip(relay), "{}", way.name);
                assert_relayed(&mut client, answer.relayed(), &internet.peer(peer));
                assert_eq!(client.refresh(0).code(), 0, "{}", way.name);
            }
        }
    }
}

/// The ICMP attribute of the next Data indication: peer, type, code, data. RFC 8656 §18.13.
fn told(client: &mut Wire) -> Option<(SocketAddr, u8, u8, u32)> {
    let frame = client.frame(PATIENCE)?;
    let message = Message::parse(&frame).expect("a STUN message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS)?.expect("an address");
    let &[_, _, kind, code, a, b, c, d] = message.attribute(AttributeType::ICMP)? else { panic!("eight bytes") };
    Some((peer, kind, code, u32::from_be_bytes([a, b, c, d])))
}

#[test]
fn a_narrow_link_takes_fragments_and_is_told_of_where_they_are_forbidden() {
    let internet = Internet::new();
    let client = internet.client();
    internet.middle.ip("link set to-peer mtu 1280");
    internet.peer.ip("link set to-internet mtu 1280");
    let listen = ["198.51.100.1", "2001:db8:2::1"];
    let server = internet.start(&listen, &listen, OPEN);
    let payload = vec![0xA5; 1400];
    // "Fragmentation needed" of IPv4, "packet too big" of IPv6.
    for (family, peer, icmp) in [(1 << 24, PEER, (3, 4)), (IPV6, PEER_V6, (2, 0))] {
        let (socket, address) = internet.peer(peer);
        let (mut client, answer) = allocated(&client, &ways(&server, "198.51.100.1")[0], family);
        assert_eq!(client.permit(&[address]).code(), 0);
        let whole = client.message(Class::Indication, Method::SEND, |writer| {
            writer
                .xor_address(AttributeType::XOR_PEER_ADDRESS, address)
                .attribute(AttributeType::DONT_FRAGMENT, &[])
                .attribute(AttributeType::DATA, &payload);
        });
        client.send(&whole);
        assert_eq!(told(&mut client), Some((address, icmp.0, icmp.1, 1280)), "{peer}");
        assert_eq!(heard(&socket, SILENCE), None, "{peer}: it is not sent in fragments");

        // The path is known now: what may be cut is cut, in IPv6 by the server, and arrives whole.
        client.indicate(address, &payload);
        assert_eq!(heard(&socket, PATIENCE), Some((payload.clone(), answer.relayed())), "{peer}");
        socket.send_to(&payload, answer.relayed()).expect("send");
        assert_eq!(client.data(PATIENCE), Some(Data::Indication(address, payload.clone())), "{peer}");
        assert_eq!(client.refresh(0).code(), 0);
    }
}

#[test]
fn a_closed_port_harms_no_other_peer_and_no_other_allocation() {
    let internet = Internet::new();
    let client = internet.client();
    let listen = ["198.51.100.1", "2001:db8:2::1"];
    let server = internet.start(&listen, &listen, &format!("{OPEN}shards = 1\n"));
    let way = &ways(&server, "198.51.100.1")[0];
    // "Port unreachable" of each family.
    for (family, peer, icmp) in [(1 << 24, PEER, (3, 3)), (IPV6, PEER_V6, (1, 4))] {
        let (open, open_addr) = internet.peer(peer);
        let closed_addr = internet.peer(peer).1;
        let [(mut one, at_one), (mut two, at_two)] = [0, 1].map(|_| {
            let (client, answer) = allocated(&client, way, family);
            (client, answer.relayed())
        });
        assert_eq!((one.permit(&[closed_addr]).code(), two.permit(&[open_addr]).code()), (0, 0));
        one.indicate(closed_addr, b"anybody?");
        assert_eq!(told(&mut one), Some((closed_addr, icmp.0, icmp.1, 0)), "{peer}");
        for at in 0..50_u8 {
            one.indicate(closed_addr, b"anybody?");
            one.indicate(open_addr, &[at]);
            two.indicate(open_addr, &[at]);
        }
        let mut came = [0, 0];
        while let Some((_, from)) = heard(&open, Duration::from_secs(1)) {
            came[usize::from(from == at_two)] += 1;
            assert!(from == at_one || from == at_two, "{from}");
            if came == [50, 50] {
                break;
            }
        }
        assert_eq!(came, [50, 50], "{peer}");
        assert_eq!((one.refresh(0).code(), two.refresh(0).code()), (0, 0));
    }
}

/// Marks what leaves a socket with these bits of TOS or traffic class.
fn mark(socket: &UdpSocket, bits: u32) {
    let is_ipv4 = socket.local_addr().expect("an address").is_ipv4();
    let socket = socket2::SockRef::from(socket);
    if is_ipv4 { socket.set_tos_v4(bits) } else { socket.set_tclass_v6(bits) }.expect("mark what leaves");
}

#[test]
fn marks_of_the_network_are_carried_both_ways() {
    let internet = Internet::new();
    let client = internet.client();
    internet.middle.filter(
        "table inet test {
            counter there { }
            counter back { }
            chain seen {
                type filter hook forward priority 0
                udp sport 61000-61999 ip dscp ef ip ecn ect0 counter name there
                udp sport 61000-61999 ip6 dscp ef ip6 ecn ect0 counter name there
                udp sport 3478 ip dscp af41 ip ecn ect1 counter name back
                udp sport 3478 ip6 dscp af41 ip6 ecn ect1 counter name back
            }
        }",
    );
    let counted = || [internet.middle.counted("there"), internet.middle.counted("back")];
    let listen = ["198.51.100.1", "2001:db8:2::1"];
    let server = internet.start(&listen, &listen, OPEN);
    for (at, family, peer) in [(listen[0], 1 << 24, PEER), (listen[1], IPV6, PEER_V6)] {
        let (mut client, answer) = allocated(&client, &ways(&server, at)[0], family);
        let friend = internet.peer(peer);
        let before = counted();
        assert_relayed(&mut client, answer.relayed(), &friend);
        assert_eq!(counted(), before, "{peer}: nothing is marked by itself");
        // EF with ECT(0), and AF41 with ECT(1). RFC 2474 §3, RFC 3168 §5.
        mark(client.socket(), 46 << 2 | 2);
        mark(&friend.0, 34 << 2 | 1);
        client.indicate(friend.1, b"marked");
        assert_eq!(heard(&friend.0, PATIENCE), Some((b"marked".to_vec(), answer.relayed())));
        client.channel(0x4001, b"marked too");
        assert_eq!(heard(&friend.0, PATIENCE), Some((b"marked too".to_vec(), answer.relayed())));
        friend.0.send_to(b"marked", answer.relayed()).expect("send");
        assert_eq!(client.data(PATIENCE), Some(Data::Channel(0x4001, b"marked".to_vec())));
        assert_eq!(counted(), [before[0] + 2, before[1] + 1], "{peer}");
        assert_eq!(client.refresh(0).code(), 0);
    }
}

#[test]
fn an_address_that_the_server_gets_later_is_no_peer_any_more() {
    let internet = Internet::new();
    let client = internet.client();
    let server = internet.start(&["198.51.100.1"], &["198.51.100.1"], OPEN);
    let (mut client, _) = allocated(&client, &ways(&server, "198.51.100.1")[0], 1 << 24);
    let late: SocketAddr = "192.0.2.200:5000".parse().expect("an address");
    assert_eq!(client.permit(&[late]).code(), 0, "it is anybody's");
    internet.server.ip("addr add 192.0.2.200/32 dev lo");
    let service = internet.server.enter(|| UdpSocket::bind(late).expect("bind a service of this machine"));
    assert!(eventually(CHANGE, || client.permit(&[late]).code() == 403), "it is the server's own now");
    assert_eq!(client.bind(0x4000, late).code(), 403);
    client.indicate(late, b"with the permission of before");
    assert_eq!(heard(&service, SILENCE), None);

    internet.server.ip("addr del 192.0.2.200/32 dev lo");
    assert!(eventually(CHANGE, || client.permit(&[late]).code() == 0), "and anybody's again");
}
