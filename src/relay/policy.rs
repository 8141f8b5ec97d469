//! Which peers a client may reach. The deny lists keep the relay out of private networks and off this machine.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use ipnet::Ipv6Net;

/// Peer ports above 1023 that nobody may relay to: SSDP, mDNS, memcached. All of them amplify.
const DENIED_PORTS: [u16; 3] = [1900, 5353, 11211];

/// The lowest port a peer may have: what lies below are services, never media.
const LOWEST_PORT: u16 = 1024;

/// Ranges that a plain `allow` entry may open: IPv4 without global reach or with a special meaning (IANA registry).
const DENIED_V4: [Ipv4Net; 13] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
];

/// Ranges that only an `allow` entry inside them opens: this network, loopback, link-local, multicast, reserved and
/// broadcast, and the metadata services of clouds (the last four; two of them hide in ranges with other uses).
const GUARDED_V4: [Ipv4Net; 9] = [
    v4(0, 0, 0, 0, 8),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v4(169, 254, 169, 254, 32),
    v4(169, 254, 170, 2, 32),
    v4(168, 63, 129, 16, 32),
    v4(100, 100, 100, 200, 32),
];

/// The only IPv6 range with global unicast addresses; everything outside is denied.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Ranges inside [`GLOBAL_V6`] that a plain `allow` entry may open: documentation, protocol assignments.
const DENIED_V6: [Ipv6Net; 3] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// Ranges that only an `allow` entry inside them opens: everything that embeds an IPv4 address (compatible with
/// unspecified and loopback, mapped, translated, NAT64 twice, Teredo, 6to4), link-local, site-local, multicast, and the metadata
/// service of a cloud.
const GUARDED_V6: [Ipv6Net; 11] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
];

/// The operator's part of the rules, and the addresses of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    /// Ranges taken off the deny lists. Loopback, link-local, multicast, metadata services and IPv6 addresses that
    /// embed IPv4 open only to an entry inside their own range, addresses of this machine only to one for them alone.
    pub allow: Vec<IpNet>,
    /// Ranges added to the deny lists; they win over `allow`.
    pub deny: Vec<IpNet>,
    /// Every address of this machine and every external address mapped to it.
    pub own_ips: Vec<IpAddr>,
    /// Every listening address of this process. Their ports are refused on all own addresses.
    pub own_listeners: Vec<SocketAddr>,
}

/// Why a peer is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The address is on a deny list.
    Denied,
    /// The address is one of this machine's.
    OwnAddress,
    /// This process listens there.
    OwnListener,
    /// The port is one that nobody may relay to.
    Port,
    /// Nothing is relayed to the outside, or the relayed address is not live.
    NotRelayed,
    /// The peer is the allocation's own relayed address.
    OwnRelayed,
}

impl PeerPolicy {
    /// Whether peers outside this process may have this address, on some port.
    ///
    /// # Errors
    ///
    /// [`Refusal::Denied`] or [`Refusal::OwnAddress`], both answered with 403 (Forbidden).
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), Refusal> {
        if self.is_denied_by_name(ip) {
            return Err(Refusal::Denied);
        }
        if self.is_own(ip) {
            return if self.is_opened_though_own(ip) { Ok(()) } else { Err(Refusal::OwnAddress) };
        }
        if self.is_allowed_by_name(ip) {
            return Ok(());
        }
        if is_denied(ip) { Err(Refusal::Denied) } else { Ok(()) }
    }

    /// Whether a peer outside this process may be here. The address must have passed [`check_ip`](Self::check_ip).
    ///
    /// # Errors
    ///
    /// [`Refusal::Port`] or [`Refusal::OwnListener`], both answered with 403 (Forbidden).
    pub fn check_port(&self, peer: SocketAddr) -> Result<(), Refusal> {
        if peer.port() < LOWEST_PORT || DENIED_PORTS.contains(&peer.port()) {
            return Err(Refusal::Port);
        }
        if self.is_own_listener(peer) { Err(Refusal::OwnListener) } else { Ok(()) }
    }

    /// Whether this process listens at this address, on any transport.
    pub fn is_own_listener(&self, peer: SocketAddr) -> bool {
        self.own_listeners
            .iter()
            .any(|listener| listener.port() == peer.port() && (listener.ip() == peer.ip() || self.is_own(peer.ip())))
    }

    /// Whether the operator closed this address.
    pub fn is_denied_by_name(&self, ip: IpAddr) -> bool {
        self.deny.iter().any(|net| net.contains(&ip))
    }

    /// Whether this machine has the address. All of loopback is this machine, whatever was configured.
    fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.own_ips.contains(&ip)
    }

    /// Whether the operator opened this address of this machine. Who opens a network means its other hosts, so an entry must be
    /// for the address alone, or for a part of loopback, where there are no others.
    fn is_opened_though_own(&self, ip: IpAddr) -> bool {
        if ip.is_loopback() { self.is_allowed_by_name(ip) } else { self.allow.contains(&IpNet::from(ip)) }
    }

    /// Whether the operator opened this address; guarded ranges only open from inside.
    fn is_allowed_by_name(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&ip) && innermost_guard(ip).is_none_or(|guard| guard.contains(net)))
    }
}

/// Whether the address is on one of the built-in lists.
fn is_denied(ip: IpAddr) -> bool {
    if innermost_guard(ip).is_some() {
        return true;
    }
    match ip {
        IpAddr::V4(ip) => DENIED_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => !GLOBAL_V6.contains(&ip) || DENIED_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// The narrowest guarded range around an address, if any.
fn innermost_guard(ip: IpAddr) -> Option<IpNet> {
    match ip {
        IpAddr::V4(ip) => {
            let around = GUARDED_V4.iter().filter(|net| net.contains(&ip));
            around.max_by_key(|net| net.prefix_len()).copied().map(IpNet::V4)
        }
        IpAddr::V6(ip) => {
            if is_isatap(ip) {
                return Some(IpNet::V6(Ipv6Net::from(ip)));
            }
            let around = GUARDED_V6.iter().filter(|net| net.contains(&ip));
            around.max_by_key(|net| net.prefix_len()).copied().map(IpNet::V6)
        }
    }
}

/// Whether the interface identifier holds an IPv4 address. RFC 5214 §6.1.
fn is_isatap(ip: Ipv6Addr) -> bool {
    let [_, _, _, _, flags, marker, _, _] = ip.segments();
    // The universal/local and group bits may have any value.
    flags & !0x0300 == 0 && marker == 0x5efe
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_len)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix_len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix_len)
}
