//! The deny lists. The ranges are spelled out here a second time, from the registry rather than from the code.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::fixture::*;
use crate::relay::*;

const DENIED: [&str; 38] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Ranges that no entry around them opens.
const GUARDED: [&str; 18] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "169.254.169.254/32",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn allowing(nets: &[&str]) -> PeerPolicy {
    PeerPolicy { allow: nets.iter().map(|text| net(text)).collect(), ..PeerPolicy::default() }
}

/// The address of a range with these host bits.
fn inside(range: IpNet, bits: u128) -> IpAddr {
    match range {
        IpNet::V4(range) => {
            let host = range.hostmask().to_bits() & bits as u32;
            IpAddr::V4(Ipv4Addr::from_bits(range.network().to_bits() | host))
        }
        IpNet::V6(range) => {
            let host = range.hostmask().to_bits() & bits;
            IpAddr::V6(Ipv6Addr::from_bits(range.network().to_bits() | host))
        }
    }
}

/// Every way to hide an IPv4 address in an IPv6 one; `bits` fill what is free.
fn embeddings(ip: Ipv4Addr, bits: u128) -> [Ipv6Addr; 9] {
    let v4 = u128::from(ip.to_bits());
    let free = |mask: u128| bits & mask;
    [
        v4,
        0xFFFF << 32 | v4,
        0xFFFF << 48 | v4,
        0x0064_FF9B << 96 | v4,
        0x0064_FF9B_0001 << 80 | free((1 << 80) - 1),
        0x2001_0000 << 96 | free((1 << 96) - 1),
        0x2002 << 112 | v4 << 80 | free((1 << 80) - 1),
        0x2A00 << 112 | free(0xFFFF_FFFF_FFFF << 64) | 0x0000_5EFE << 32 | v4,
        0x2A00 << 112 | free(0xFFFF_FFFF_FFFF << 64) | 0x0200_5EFE << 32 | v4,
    ]
    .map(Ipv6Addr::from_bits)
}

proptest! {
    #[test]
    fn no_address_of_a_denied_range_is_a_peer(bits in any::<u128>()) {
        for range in DENIED {
            for ip in [inside(net(range), bits), inside(net(range), 0), inside(net(range), u128::MAX)] {
                prop_assert!(PeerPolicy::default().check_ip(ip).is_err(), "{ip} of {range}");
            }
        }
    }

    #[test]
    fn no_embedded_ipv4_address_is_a_peer(v4 in any::<u32>(), bits in any::<u128>()) {
        let policy = allowing(&["0.0.0.0/0", "127.0.0.0/8", "10.0.0.0/8", "::/0"]);
        for ip in embeddings(Ipv4Addr::from_bits(v4), bits) {
            prop_assert_eq!(PeerPolicy::default().check_ip(ip.into()), Err(Refusal::Denied), "{}", ip);
            prop_assert!(policy.check_ip(ip.into()).is_err(), "{ip}");
        }
    }

    #[test]
    fn addresses_outside_global_unicast_are_no_peers(bits in any::<u128>()) {
        let ip = Ipv6Addr::from_bits(bits);
        if bits >> 125 != 1 {
            prop_assert!(PeerPolicy::default().check_ip(ip.into()).is_err(), "{ip}");
        }
    }

    #[test]
    fn guarded_ranges_open_only_from_inside(bits in any::<u128>()) {
        let wide = allowing(&["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8000::/1"]);
        for range in GUARDED {
            let ip = inside(net(range), bits);
            prop_assert!(wide.check_ip(ip).is_err(), "{ip} of {range}");
            let named = PeerPolicy { allow: vec![IpNet::from(ip)], ..PeerPolicy::default() };
            prop_assert_eq!(named.check_ip(ip), Ok(()), "{} of {}", ip, range);
        }
    }

    #[test]
    fn what_the_operator_denies_stays_denied(v4 in any::<u32>()) {
        let ip = IpAddr::V4(Ipv4Addr::from_bits(v4));
        let nets = vec![IpNet::from(ip)];
        let policy = PeerPolicy { allow: nets.clone(), deny: nets, ..PeerPolicy::default() };
        prop_assert_eq!(policy.check_ip(ip), Err(Refusal::Denied));
    }

    #[test]
    fn ports_of_services_are_refused_and_all_others_are_not(port in any::<u16>()) {
        let refused = port < 1024 || [1900, 5353, 11211].contains(&port);
        let verdict = PeerPolicy::default().check_port(SocketAddr::new(ip("9.9.1.1"), port));
        prop_assert_eq!(verdict, if refused { Err(Refusal::Port) } else { Ok(()) });
    }
}

proptest! {
    // Each case asks for every range, and requests cost an HMAC each.
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever the operator allows beside, and however the address is disguised: no permission, no channel, no packet.
    #[test]
    fn no_denied_ipv4_address_is_reached_in_ipv6_clothes(bits in any::<u128>(), port in 1024_u16..) {
        let mut setup = Setup::default();
        setup.policy.allow = ["0.0.0.0/0", "127.0.0.0/8", "::/0"].map(net).to_vec();
        let mut relay = Fixture::with(&setup);
        let client = Client::udp(1, "s1");
        relay.allocate_v6(&client);
        for range in DENIED.map(net) {
            let IpAddr::V4(v4) = inside(range, bits) else { continue };
            for ip in embeddings(v4, bits) {
                let peer = SocketAddr::new(ip.into(), port);
                prop_assert_eq!(relay.permit(&client, &[peer]), 403, "{}", peer);
                prop_assert_eq!(relay.bind(&client, 0x4000, peer), 403, "{}", peer);
                prop_assert_eq!(relay.send_indication(&client, peer), FromClient::Nothing, "{}", peer);
                prop_assert_eq!(relay.peer_data(peer, 5), FromPeer::Nothing, "{}", peer);
            }
        }
    }

    #[test]
    fn no_denied_address_gets_a_packet(bits in any::<u128>(), port in 1024_u16..) {
        let mut relay = Fixture::new();
        let (client, client_v6) = (Client::udp(1, "s1"), Client::udp(2, "s1"));
        relay.allocate(&client);
        relay.allocate_v6(&client_v6);
        for range in DENIED.map(net) {
            let peer = SocketAddr::new(inside(range, bits), port);
            let client = if peer.is_ipv4() { &client } else { &client_v6 };
            prop_assert_eq!(relay.permit(client, &[peer]), 403, "{}", peer);
            prop_assert_eq!(relay.bind(client, 0x4000, peer), 403, "{}", peer);
            prop_assert_eq!(relay.send_indication(client, peer), FromClient::Nothing, "{}", peer);
        }
    }
}

#[test]
fn public_addresses_are_peers() {
    for peer in [
        "9.9.1.1",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "168.63.129.17",
        "223.255.255.255",
    ] {
        assert_eq!(PeerPolicy::default().check_ip(ip(peer)), Ok(()), "{peer}");
    }
    for peer in ["2a00:77::5", "2001:200::1", "2001:4860::1", "2003::1", "2606:4700::1111", "3ffe::1"] {
        assert_eq!(PeerPolicy::default().check_ip(ip(peer)), Ok(()), "{peer}");
    }
}

#[test]
fn an_allowed_range_opens_private_addresses_but_no_metadata_service_in_it() {
    let policy = allowing(&["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7"]);
    for peer in ["10.1.2.3", "100.100.1.1", "169.254.7.7", "fd12:3456::1"] {
        assert_eq!(policy.check_ip(ip(peer)), Ok(()), "{peer}");
    }
    for peer in ["192.168.1.1", "100.100.100.200", "169.254.169.254", "169.254.170.2", "fd00:ec2::254"] {
        assert_eq!(policy.check_ip(ip(peer)), Err(Refusal::Denied), "{peer}");
    }
}

#[test]
fn own_addresses_are_refused_unless_they_are_allowed_one_by_one() {
    let own_ips = vec![ip("9.9.1.1"), ip("10.0.0.5"), ip("2a00:77::5")];
    let policy = PeerPolicy { own_ips: own_ips.clone(), ..PeerPolicy::default() };
    for own in own_ips.iter().chain(&[ip("127.0.0.1"), ip("127.5.6.7"), ip("::1")]) {
        assert_eq!(policy.check_ip(*own), Err(Refusal::OwnAddress), "{own}");
    }
    let opened = PeerPolicy { allow: vec![net("9.9.0.0/16"), net("10.0.0.5/32"), net("2a00:77::/64")], ..policy };
    assert_eq!(opened.check_ip(ip("9.9.1.1")), Err(Refusal::OwnAddress), "a network means its other hosts");
    assert_eq!(opened.check_ip(ip("10.0.0.5")), Ok(()));
    assert_eq!(opened.check_ip(ip("2a00:77::5")), Err(Refusal::OwnAddress));
}

#[test]
fn a_listeners_port_is_refused_on_every_own_address() {
    let policy = PeerPolicy {
        own_ips: vec![ip("9.9.1.1"), ip("2a00:77::5")],
        own_listeners: vec![address("0.0.0.0:8443"), address("9.9.1.1:9090")],
        ..allowing(&["127.0.0.0/8"])
    };
    for peer in ["9.9.1.1:8443", "9.9.1.1:9090", "[2a00:77::5]:8443", "127.0.0.1:9090", "127.0.0.1:8443"] {
        assert_eq!(policy.check_port(address(peer)), Err(Refusal::OwnListener), "{peer}");
    }
    assert_eq!(policy.check_port(address("9.9.1.2:8443")), Ok(()));
    assert_eq!(policy.check_port(address("9.9.1.1:8444")), Ok(()));
}
