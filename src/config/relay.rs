//! `[relay]` and `[relay.limits]`: the addresses media leaves from, and how much of it.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::duration;
use super::parse::FromText;
use super::problem::Complaint;
use super::read::Section;

/// `[relay]`: the addresses media leaves from, and where it may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relay {
    /// What a relayed address is.
    pub mode: RelayMode,
    /// Local addresses of relay sockets; empty: those of `external`, else the default route's, per family.
    pub addresses: Vec<IpAddr>,
    /// The ports of relayed addresses.
    pub port_range: PortRange,
    /// Whether private networks (RFC 1918, RFC 6598, RFC 4193) come off the deny list.
    pub allow_private_peers: bool,
    /// Networks taken off the deny list, explicitly.
    pub allow_peers: Vec<IpNet>,
    /// Networks added to the deny list.
    pub deny_peers: Vec<IpNet>,
    /// Data-plane threads; 0: one per core.
    pub shards: u16,
    /// How long a busy data-plane thread lets packets gather before it reads again, in microseconds; 0: not at all.
    pub moderation_us: u16,
    /// Public address by local address, for a NAT that maps one to one.
    pub external: BTreeMap<IpAddr, IpAddr>,
    /// `[relay.limits]`.
    pub limits: RelayLimits,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            mode: RelayMode::Ports,
            addresses: Vec::new(),
            port_range: PortRange { low: 49152, high: 65535 },
            allow_private_peers: false,
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            shards: 0,
            moderation_us: 200,
            external: BTreeMap::new(),
            limits: RelayLimits::default(),
        }
    }
}

impl Relay {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            mode: section.value("mode", default.mode),
            addresses: section.checked("addresses", default.addresses, |addresses| check_addresses(addresses)),
            external: section.checked("external", default.external, check_external),
            port_range: section.value("port_range", default.port_range),
            allow_private_peers: section.value("allow_private_peers", default.allow_private_peers),
            allow_peers: section.value("allow_peers", default.allow_peers),
            deny_peers: section.value("deny_peers", default.deny_peers),
            shards: section.number("shards", default.shards, 0, 256),
            moderation_us: section.number("moderation_us", default.moderation_us, 0, 5000),
            limits: section.inner("limits", RelayLimits::read),
        };
        section.finish();
        read
    }
}

/// RFC 1918 §3, RFC 6598 §7 and RFC 4193 §3.1: address and length of the prefix.
const PRIVATE_NETWORKS: [(IpAddr, u8); 5] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

impl Relay {
    /// Everything that is taken off the deny list: `allow_peers`, and the private networks if they are allowed.
    pub fn allowed_peers(&self) -> Vec<IpNet> {
        let private = PRIVATE_NETWORKS.into_iter().filter(|_| self.allow_private_peers);
        let private = private.filter_map(|(address, prefix)| IpNet::new(address, prefix).ok());
        self.allow_peers.iter().copied().chain(private).collect()
    }
}

/// `[relay.limits]`: how much one client, one address and all together may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelayLimits {
    /// Allocations of one user.
    pub allocations_per_user: u32,
    /// Allocations of one session, of both its sides together; 0: twice those of a user.
    pub allocations_per_session: u32,
    /// Allocations from one client address; IPv6 per /64.
    pub allocations_per_address: u32,
    /// Allocations in total.
    pub allocations: u32,
    /// Permissions of one allocation.
    pub permissions: u32,
    /// Channels of one allocation.
    pub channels: u32,
    /// Peer addresses that one allocation may have had permissions for over its life.
    pub peers: u32,
    /// Bytes per second of one allocation and direction; 0: no limit.
    pub bytes_per_second: u64,
    /// Packets per second of one allocation and direction; 0: no limit.
    pub packets_per_second: u64,
    /// Bytes per second of all allocations together; 0: no limit.
    pub total_bytes_per_second: u64,
    /// Answers per second over UDP to one IPv4 /24 or IPv6 /56 without proof of who asks; 0: a rule.
    pub unauthenticated_per_second: u32,
    /// Wrong passwords a minute of one IPv4 address or IPv6 /64 before it is not heard for a minute; 0: no limit.
    pub failures_per_minute: u16,
    /// The longest lifetime granted to an allocation.
    #[serde(serialize_with = "duration::serialize")]
    pub max_lifetime: Duration,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            allocations_per_user: 32,
            allocations_per_session: 0,
            allocations_per_address: 128,
            allocations: 50_000,
            permissions: 64,
            channels: 64,
            peers: 256,
            bytes_per_second: 125_000_000,
            packets_per_second: 500_000,
            total_bytes_per_second: 1_250_000_000,
            unauthenticated_per_second: 0,
            failures_per_minute: 60,
            max_lifetime: Duration::from_secs(3600),
        }
    }
}

/// RFC 8656 §3.2: a lifetime of ten minutes is what clients get who ask for nothing.
const MAX_LIFETIME_FLOOR: Duration = Duration::from_secs(600);

impl RelayLimits {
    /// Allocations that one session may hold.
    pub fn session_allocations(&self) -> u32 {
        match self.allocations_per_session {
            0 => self.allocations_per_user.saturating_mul(2),
            written => written,
        }
    }

    /// Answers per second that a network gets without proof.
    ///
    /// Unless it is written: two for each allocation that one of its addresses may hold, since a client is challenged once and
    /// asks for its address once; at least 200.
    pub fn unauthenticated_answers(&self) -> u32 {
        match self.unauthenticated_per_second {
            0 => self.allocations_per_address.saturating_mul(2).max(200),
            written => written,
        }
    }

    fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let read = Self {
            allocations_per_user: section.number("allocations_per_user", default.allocations_per_user, 1, 1_000_000),
            allocations_per_session: section.number(
                "allocations_per_session",
                default.allocations_per_session,
                0,
                1_000_000,
            ),
            allocations_per_address: section.number(
                "allocations_per_address",
                default.allocations_per_address,
                1,
                1_000_000,
            ),
            allocations: section.number("allocations", default.allocations, 1, 1_000_000),
            permissions: section.number("permissions", default.permissions, 1, 4096),
            channels: section.number("channels", default.channels, 1, 4096),
            peers: section.number("peers", default.peers, 1, 65_536),
            bytes_per_second: rate(&mut section, "bytes_per_second", default.bytes_per_second, 1000),
            packets_per_second: rate(&mut section, "packets_per_second", default.packets_per_second, 10),
            total_bytes_per_second: rate(&mut section, "total_bytes_per_second", default.total_bytes_per_second, 1000),
            unauthenticated_per_second: section.number(
                "unauthenticated_per_second",
                default.unauthenticated_per_second,
                0,
                10_000_000,
            ),
            failures_per_minute: section.number("failures_per_minute", default.failures_per_minute, 0, 60_000),
            max_lifetime: section.checked("max_lifetime", default.max_lifetime, |lifetime| {
                if *lifetime < MAX_LIFETIME_FLOOR {
                    let what = format!("{} is shorter than the default lifetime", duration::format(*lifetime));
                    return Err(Complaint::new(what, "write at least \"10m\""));
                }
                Ok(())
            }),
        };
        section.finish();
        read
    }
}

/// Below a terabit; keeps the arithmetic of the meters within 64 bits.
const RATE_HIGHEST: u64 = 100_000_000_000;

/// Reads a rate per second: 0 for none, or enough that one packet is paid for within a minute or so.
fn rate(section: &mut Section<'_>, key: &'static str, default: u64, lowest: u64) -> u64 {
    section.checked(key, default, |rate| {
        if *rate != 0 && !(lowest..=RATE_HIGHEST).contains(rate) {
            let fix = format!("write 0 for no limit, or a number from {lowest} to {RATE_HIGHEST}");
            return Err(Complaint::new(format!("{rate} is out of range"), fix));
        }
        Ok(())
    })
}

/// What a relayed address is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayMode {
    /// A kernel UDP socket of its own in the port range.
    Ports,
    /// An entry in this process's memory; only relayed addresses of this process can be peers.
    SinglePort,
}

impl FromText for RelayMode {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        match text {
            "ports" => Ok(Self::Ports),
            "single-port" => Ok(Self::SinglePort),
            _ => Err(Complaint::new(format!("{text:?} is no relay mode"), "write \"ports\" or \"single-port\"")),
        }
    }
}

/// Ports from `low` to `high`, both included.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PortRange {
    low: u16,
    high: u16,
}

impl PortRange {
    /// The lowest port.
    pub fn low(self) -> u16 {
        self.low
    }

    /// The highest port.
    pub fn high(self) -> u16 {
        self.high
    }

    /// Whether `port` lies within.
    pub fn contains(self, port: u16) -> bool {
        (self.low..=self.high).contains(&port)
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.low, self.high)
    }
}

impl Serialize for PortRange {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl FromText for PortRange {
    fn from_text(text: &str) -> Result<Self, Complaint> {
        let ports = text.split_once('-').and_then(|(low, high)| {
            let low: u16 = low.trim().parse().ok()?;
            let high: u16 = high.trim().parse().ok()?;
            Some((low, high))
        });
        let Some((low, high)) = ports else {
            let fix = "write LOW-HIGH, for example \"49152-65535\"";
            return Err(Complaint::new(format!("{text:?} is no range of ports"), fix));
        };
        if low > high {
            return Err(Complaint::new(format!("{text:?} ends before it begins"), format!("write \"{high}-{low}\"")));
        }
        // RFC 8656 §7.2: relayed ports outside of the well-known ones, which peers may trust.
        if low < 1024 {
            let fix = "begin at 1024 or above, best at 49152";
            return Err(Complaint::new(format!("{text:?} contains well-known ports"), fix));
        }
        Ok(Self { low, high })
    }
}

fn check_addresses(addresses: &[IpAddr]) -> Result<(), Complaint> {
    for (position, address) in addresses.iter().enumerate() {
        if address.is_unspecified() || address.is_multicast() {
            let what = format!("{address} is not one address of this machine");
            return Err(Complaint::new(
                what,
                "name the address of an interface, or leave the list empty to have it found",
            ));
        }
        if addresses.iter().take(position).any(|earlier| earlier == address) {
            return Err(Complaint::new(format!("{address} is named twice"), "take one of them away"));
        }
    }
    Ok(())
}

fn check_external(external: &BTreeMap<IpAddr, IpAddr>) -> Result<(), Complaint> {
    for (local, public) in external {
        if local.is_ipv4() != public.is_ipv4() {
            let what = format!("{local} and {public} are of different families");
            return Err(Complaint::new(what, "map IPv4 to IPv4 and IPv6 to IPv6"));
        }
        if public.is_unspecified() || public.is_multicast() {
            let what = format!("{public} is not an address that peers can reach");
            return Err(Complaint::new(what, "write the public address of the NAT"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_switch_takes_the_private_networks_off_the_deny_list() {
        let mut relay = Relay::default();
        assert_eq!(relay.allowed_peers(), []);
        relay.allow_private_peers = true;
        relay.allow_peers = vec!["127.0.0.0/8".parse().expect("a network")];
        let allowed: Vec<String> = relay.allowed_peers().iter().map(ToString::to_string).collect();
        let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
        assert_eq!(allowed, [&["127.0.0.0/8"], private.as_slice()].concat());
    }

    #[test]
    fn a_session_may_hold_what_two_users_may_unless_it_is_written_otherwise() {
        let mut limits = RelayLimits::default();
        assert_eq!(limits.session_allocations(), 64);
        limits.allocations_per_user = 1000;
        assert_eq!(limits.session_allocations(), 2000);
        limits.allocations_per_session = 7;
        assert_eq!(limits.session_allocations(), 7);
    }

    #[test]
    fn a_network_gets_two_answers_for_each_allocation_of_an_address_unless_it_is_written_otherwise() {
        let mut limits = RelayLimits::default();
        assert_eq!(limits.unauthenticated_answers(), 256);
        limits.allocations_per_address = 10;
        assert_eq!(limits.unauthenticated_answers(), 200);
        limits.unauthenticated_per_second = 7;
        assert_eq!(limits.unauthenticated_answers(), 7);
    }

    #[test]
    fn a_port_range_is_two_ports_in_order() {
        let range = PortRange::from_text("49152-65535").expect("the default");
        assert_eq!((range.low(), range.high()), (49152, 65535));
        assert_eq!(PortRange::from_text("5000-5000").map(|range| range.contains(5000)), Ok(true));
        for text in ["", "49152", "65535-49152", "80-90", "1-70000", "a-b", "49152–65535"] {
            assert!(PortRange::from_text(text).is_err(), "{text}");
        }
    }
}
