//! The network around an address, as far as defences tell networks apart.
use std::net::IpAddr;

use ipnet::IpNet;
use ipnet::Ipv4Net;
use ipnet::Ipv6Net;

/// An IPv4 /24 or an IPv6 /56: what one customer of a provider commands at most, or nearly so.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Network {
    /// The upper 24 bits of an IPv4 address.
    V4(u32),
    /// The upper 56 bits of an IPv6 address.
    V6(u64),
}

impl Network {
    pub(super) const fn around(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Network::V4(ip.to_bits() >> 8),
            IpAddr::V6(ip) => Network::V6((ip.to_bits() >> 72) as u64),
        }
    }

    /// The network with its prefix length, for people to read.
    pub(super) const fn net(self) -> IpNet {
        match self {
            Network::V4(bits) => IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::from_bits(bits << 8), 24)),
            Network::V6(bits) => {
                IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::from_bits((bits as u128) << 72), 56))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_without_its_hosts() {
        let named = |text: &str| Network::around(text.parse().unwrap()).net().to_string();
        assert_eq!(named("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(named("2a00:1:2:3456:7:8:9:a"), "2a00:1:2:3400::/56");
    }
}
