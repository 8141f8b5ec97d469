//! Peers that coturn names by ranges, as networks.
use std::net::IpAddr;

use ipnet::IpNet;
use ipnet::Ipv4Subnets;
use ipnet::Ipv6Subnets;

/// The fewest networks that hold an address, a network, or every address from one to another.
///
/// Without a number or with two of different families there is none.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    if let Ok(network) = text.parse::<IpNet>() {
        return Some(vec![network.trunc()]);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse().ok()?, last.trim().parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect())
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<Vec<String>> {
        networks(text).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ranges_become_the_networks_that_fill_them() {
        assert_eq!(shown("10.0.0.0-10.255.255.255"), Some(vec!["10.0.0.0/8".to_owned()]));
        assert_eq!(shown("192.0.2.7"), Some(vec!["192.0.2.7/32".to_owned()]));
        assert_eq!(shown("192.0.2.1-192.0.2.2"), Some(vec!["192.0.2.1/32".to_owned(), "192.0.2.2/32".to_owned()]));
        assert_eq!(shown("fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(vec!["fc00::/7".to_owned()]));
        assert_eq!(shown("10.1.2.3/8"), Some(vec!["10.0.0.0/8".to_owned()]));
        assert_eq!(shown("192.0.2.2-192.0.2.1"), None);
        assert_eq!(shown("somewhere"), None);
    }
}
