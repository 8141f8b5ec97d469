//! Addresses that nobody may have as a peer: one row per kind. RFC 6890, RFC 8656 §21, RFC 6156 §9.1.
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::client::Client;
use crate::client::Peer;
use crate::client::SILENCE;
use crate::packet::*;
use crate::statement::Over;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::target::Setup;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::same;

const SSRF: &str = "8656 §21";
const TUNNELS: &str = "6156 §9.1";

/// Proves the ranges for every address of them, where the probes try the ends.
const EVERY_DENIED: &[&str] = &["src/relay/tests/policy.rs::no_address_of_a_denied_range_is_a_peer"];
const EVERY_EMBEDDED: &[&str] = &["src/relay/tests/policy.rs::no_embedded_ipv4_address_is_a_peer"];

pub const STATEMENTS: &[Statement] = &[
    Statement::seen("A1", SSRF, "no peer: this host, 0/8", Over::Once, |scene| v4(scene, "0.0.0.0 0.255.255.255"))
        .also(EVERY_DENIED),
    Statement::seen("A2", SSRF, "no peer: private, 10/8, 172.16/12, 192.168/16", Over::Once, |scene| {
        v4(scene, "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255")
    })
    .also(EVERY_DENIED),
    Statement::seen("A3", SSRF, "no peer: shared by a carrier's NAT, 100.64/10", Over::Once, |scene| {
        v4(scene, "100.64.0.0 100.127.255.255")
    })
    .also(EVERY_DENIED),
    Statement::seen("A4", SSRF, "no peer: loopback, 127/8, unless configured", Over::Once, |scene| {
        guarded(scene, 1, "127.0.0.1 127.255.255.254")
    })
    .also(EVERY_DENIED),
    Statement::seen("A5", SSRF, "no peer: link-local, 169.254/16", Over::Once, |scene| {
        v4(scene, "169.254.0.0 169.254.255.255")
    })
    .also(EVERY_DENIED),
    Statement::seen("A6", SSRF, "no peer: multicast, reserved, broadcast, 224/3", Over::Once, |scene| {
        v4(scene, "224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255")
    })
    .also(EVERY_DENIED),
    Statement::seen("A7", SSRF, "no peer: documentation, benchmarking, protocol assignments", Over::Once, |scene| {
        v4(
            scene,
            "192.0.0.0 192.0.0.255 192.0.2.0 192.0.2.255 192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 \
             192.88.99.0 192.88.99.255 192.175.48.0 192.175.48.255 198.18.0.0 198.19.255.255 198.51.100.0 \
             198.51.100.255 203.0.113.0 203.0.113.255",
        )
    })
    .also(EVERY_DENIED),
    Statement::seen("A8", SSRF, "no peer: metadata and host services of clouds", Over::Once, |scene| {
        v4(scene, "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200")?;
        v6(scene, "fd00:ec2::254 fe80::a9fe:a9fe")
    })
    .also(&["src/relay/tests/policy.rs::an_allowed_range_opens_private_addresses_but_no_metadata_service_in_it"]),
    Statement::seen("A9", SSRF, "no peer: :: and ::1, unless configured", Over::Once, |scene| {
        guarded(scene, 2, ":: ::1")
    })
    .also(EVERY_DENIED),
    Statement::seen("A10", SSRF, "no peer: IPv4-mapped, ::ffff:0:0/96, whatever is in it", Over::Once, |scene| {
        v6(scene, "::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:255.255.255.255")
    })
    .also(EVERY_EMBEDDED),
    Statement::seen("A11", SSRF, "no peer: IPv4-compatible ::/96, translated ::ffff:0:0:0/96", Over::Once, |scene| {
        v6(scene, "::127.0.0.1 ::8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8")
    })
    .also(EVERY_EMBEDDED),
    Statement::seen("A12", SSRF, "no peer: NAT64, 64:ff9b::/96 and 64:ff9b:1::/48", Over::Once, |scene| {
        v6(scene, "64:ff9b::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::7f00:1 64:ff9b:1:ffff:ffff:ffff:ffff:ffff")
    })
    .also(EVERY_EMBEDDED),
    Statement::seen("A13", TUNNELS, "no peer: 6to4, 2002::/16", Over::Once, |scene| {
        v6(scene, "2002:7f00:1:: 2002:808:808::1 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    })
    .also(EVERY_EMBEDDED),
    Statement::seen("A14", TUNNELS, "no peer: Teredo and the rest of 2001::/23", Over::Once, |scene| {
        v6(
            scene,
            "2001:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        )
    })
    .also(EVERY_DENIED),
    Statement::seen("A15", SSRF, "no peer: ISATAP interface ids with an IPv4 address", Over::Once, |scene| {
        v6(scene, "2a00::5efe:7f00:1 2a00::200:5efe:10.0.0.1 2a00::200:5efe:8.8.8.8")
    })
    .also(EVERY_EMBEDDED),
    Statement::seen("A16", SSRF, "no peer: unique local, site-local, link-local", Over::Once, |scene| {
        v6(scene, "fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fec0::1 feff::1 fe80:: febf::1")
    })
    .also(EVERY_DENIED),
    Statement::seen("A17", SSRF, "no peer: IPv6 multicast, ff00::/8", Over::Once, |scene| {
        v6(scene, "ff00:: ff02::1 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    })
    .also(EVERY_DENIED),
    Statement::seen("A18", SSRF, "no peer: documentation, discard-only, segment routing", Over::Once, |scene| {
        v6(scene, "2001:db8:: 2001:db8:ffff:ffff::1 3fff:: 3fff:fff::1 100::1 100:0:0:1::1 5f00::1")
    })
    .also(EVERY_DENIED),
    Statement::seen("A19", SSRF, "no peer: what is not global unicast, outside 2000::/3", Over::Once, |scene| {
        v6(scene, "200::1 400::1 1000::1 4000::1 8000::1 e000::1")
    })
    .also(&["src/relay/tests/policy.rs::addresses_outside_global_unicast_are_no_peers"]),
];

fn v4(scene: &Scene<'_>, list: &str) -> Seen<()> {
    refused(scene, 1, list)
}

fn v6(scene: &Scene<'_>, list: &str) -> Seen<()> {
    refused(scene, 2, list)
}

/// On a server that was not told to allow peers on loopback, where it relays from loopback itself: as the address of
/// its relay sockets loopback may be permitted, for the sake of two clients of one relay, and still nothing may arrive.
fn guarded(scene: &Scene<'_>, family: u8, list: &str) -> Seen<()> {
    let target = scene.target.with(Setup::Guarded)?;
    let scene = Scene { target: &target, way: &target.ways[0] };
    refused(&scene, family, list)?;
    let (mut client, relayed) = allocated(&scene, family)?;
    let (peer, other) = (Peer::at(relayed.ip())?, Peer::at(relayed.ip())?);
    client.bind(403, "ChannelBind to a service on loopback", 0x4000, peer.addr)?;
    client.call(Packet::new(CREATE_PERMISSION).peer(peer.addr))?;
    for peer in [&peer, &other] {
        client.ignored("Send", &Packet::new(SEND).peer(peer.addr).attr(DATA, b"to a service").0)?;
        peer.say(relayed, b"from a service")?;
        ensure(!peer.is_spoken_to(), "a Send indication reached a service on loopback")?;
    }
    ensure(client.frame(SILENCE)?.is_none(), "a service on loopback reached the client")
}

fn allocated(scene: &Scene<'_>, family: u8) -> Seen<(Client, SocketAddr)> {
    if family == 1 { scene.allocated() } else { scene.allocated_v6() }
}

/// Every address of the list is refused at CreatePermission and at ChannelBind; all that are not are named.
fn refused(scene: &Scene<'_>, family: u8, list: &str) -> Seen<()> {
    let (mut client, relayed) = allocated(scene, family)?;
    let mut taken = Vec::new();
    for text in list.split_whitespace() {
        let ip: IpAddr = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        same("the family in the list", ip.is_ipv4(), family == 1)?;
        let peer = SocketAddr::new(ip, 5000);
        let permission = client.call(Packet::new(CREATE_PERMISSION).peer(peer))?.code();
        let channel = client.call(Packet::new(CHANNEL_BIND).channel(0x4000).peer(peer))?.code();
        if channel != 403 || permission != 403 && ip != relayed.ip() {
            taken.push(text);
        }
    }
    ensure(taken.is_empty(), format!("not refused: {}", taken.join(" ")))
}
