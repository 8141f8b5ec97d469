//! The addresses of this machine: which one relay sockets get, and which peers would be ourselves.
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use crate::relay::RelayAddress;

/// Any global address of the family will do: connecting a UDP socket sends nothing, it only picks the route.
const SOMEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)), IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30))];

/// The relay addresses: those configured, else for each family those with an external address, else the default route's;
/// loopback if there is none at all.
pub(crate) fn relay_addresses(configured: &[IpAddr], external: &BTreeMap<IpAddr, IpAddr>) -> Vec<RelayAddress> {
    let mut locals = configured.to_vec();
    if locals.is_empty() {
        for far in SOMEWHERE {
            let mut mapped = external.keys().copied().filter(|local| local.is_ipv4() == far.is_ipv4()).peekable();
            match mapped.peek() {
                Some(_) => locals.extend(mapped),
                None => locals.extend(default_route_address(far)),
            }
        }
    }
    if locals.is_empty() {
        // A machine without a route can still serve itself.
        locals.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let outside = |local: IpAddr| external.get(&local).copied().unwrap_or(local);
    locals.into_iter().map(|local| RelayAddress { local, external: outside(local) }).collect()
}

/// Every address of every interface, and what the world calls them.
///
/// # Errors
///
/// The system does not tell its interfaces.
pub(crate) fn own_addresses(external: &BTreeMap<IpAddr, IpAddr>) -> io::Result<Vec<IpAddr>> {
    let mut own: Vec<IpAddr> = if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect();
    own.extend(external.values());
    own.sort_unstable();
    own.dedup();
    Ok(own)
}

/// The addresses that the default routes leave from, at most one per family.
pub(crate) fn default_route_addresses() -> Vec<IpAddr> {
    SOMEWHERE.into_iter().filter_map(default_route_address).collect()
}

fn default_route_address(far: IpAddr) -> Option<IpAddr> {
    let any = if far.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(far, 9)).ok()?;
    let local = socket.local_addr().ok()?.ip();
    (!local.is_unspecified()).then_some(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_addresses_are_taken_as_they_are_with_their_external_ones() {
        let local: IpAddr = "10.0.0.5".parse().expect("an address");
        let public: IpAddr = "203.0.113.7".parse().expect("an address");
        let found = relay_addresses(&[local], &BTreeMap::from([(local, public)]));
        assert_eq!(found, [RelayAddress { local, external: public }]);
    }

    #[test]
    fn an_address_with_an_external_one_is_the_relays_without_being_named_twice() {
        let local: IpAddr = "10.0.0.5".parse().expect("an address");
        let public: IpAddr = "203.0.113.7".parse().expect("an address");
        let found = relay_addresses(&[], &BTreeMap::from([(local, public)]));
        assert_eq!(found.first(), Some(&RelayAddress { local, external: public }));
        assert!(found.iter().filter(|address| address.local.is_ipv4()).count() == 1, "{found:?}");
    }

    #[test]
    fn loopback_and_external_addresses_are_our_own() {
        let public: IpAddr = "203.0.113.7".parse().expect("an address");
        let own = own_addresses(&BTreeMap::from([(IpAddr::V4(Ipv4Addr::LOCALHOST), public)])).expect("interfaces");
        assert!(own.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)) && own.contains(&public));
    }

    #[test]
    fn there_is_always_a_relay_address() {
        assert!(!relay_addresses(&[], &BTreeMap::new()).is_empty());
    }
}
