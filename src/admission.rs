//! Admission: how many things one address, and all together, may hold at once.
//!
//! Used for TCP connections in `listener` and for WebSockets in `http`. A place is held by a [`Permit`] and given back when
//! that is dropped, wherever it has travelled to.
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arc_swap::ArcSwap;
use ipnet::IpNet;

/// Who is counted as one: an IPv4 address, or an IPv6 /64, which is what one customer of a network gets.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum AddressKey {
    /// A whole IPv4 address; IPv4-mapped IPv6 addresses count as this.
    V4([u8; 4]),
    /// The upper half of an IPv6 address.
    V6Prefix([u8; 8]),
}

impl From<IpAddr> for AddressKey {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => AddressKey::V4(ip.octets()),
            IpAddr::V6(ip) => AddressKey::V6Prefix(upper_half(ip)),
        }
    }
}

fn upper_half(ip: Ipv6Addr) -> [u8; 8] {
    (u128::from(ip) >> 64).to_be_bytes().last_chunk().copied().unwrap_or_default()
}

/// Whether `ip` lies in one of `nets`; IPv4-mapped addresses are taken as IPv4.
pub fn lies_in(ip: IpAddr, nets: &[IpNet]) -> bool {
    let ip = ip.to_canonical();
    nets.iter().any(|net| net.contains(&ip))
}

/// Limits of an [`Admission`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Places for all addresses together.
    pub total: usize,
    /// Places for one address.
    pub per_address: usize,
    /// Addresses without the per-address limit; the total holds for them too.
    pub exempt: Vec<IpNet>,
}

/// Why there is no place.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Full {
    /// This address holds all it may.
    Address,
    /// All places are taken.
    Total,
}

/// Counts places by address. Cheap to share: `Arc<Admission>`.
#[derive(Debug)]
pub struct Admission {
    limits: ArcSwap<Limits>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_address: HashMap<AddressKey, usize>,
}

impl Admission {
    /// Nobody holds anything yet.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits: ArcSwap::from_pointee(limits), held: Mutex::default() })
    }

    /// Goes by these limits from now on. Who holds more than they allow keeps it.
    pub fn change(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Takes a place for `ip`.
    ///
    /// # Errors
    ///
    /// [`Full`] says which limit is reached; nothing is taken then.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Permit, Full> {
        let key = AddressKey::from(ip);
        let limits = self.limits.load();
        let unlimited = lies_in(ip, &limits.exempt);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.total >= limits.total {
            return Err(Full::Total);
        }
        let of_address = held.by_address.get(&key).copied().unwrap_or(0);
        if !unlimited && of_address >= limits.per_address {
            return Err(Full::Address);
        }
        held.by_address.insert(key, of_address + 1);
        held.total += 1;
        Ok(Permit { admission: Arc::clone(self), key })
    }

    /// Places taken now.
    pub fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    fn give_back(&self, key: AddressKey) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total = held.total.saturating_sub(1);
        if let Some(of_address) = held.by_address.get_mut(&key) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                held.by_address.remove(&key);
            }
        }
    }
}

/// One place, held until dropped.
#[derive(Debug)]
#[must_use = "dropping the permit gives the place back"]
pub struct Permit {
    admission: Arc<Admission>,
    key: AddressKey,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.give_back(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn admission(total: usize, per_address: usize, exempt: &[&str]) -> Arc<Admission> {
        let exempt = exempt.iter().map(|net| net.parse().expect("a network")).collect();
        Admission::new(Limits { total, per_address, exempt })
    }

    #[test]
    fn an_address_gets_its_places_and_no_more_until_one_is_given_back() {
        let admission = admission(10, 2, &[]);
        let first = admission.admit(ip("192.0.2.1")).expect("free");
        let _second = admission.admit(ip("192.0.2.1")).expect("free");
        assert_eq!(admission.admit(ip("192.0.2.1")).err(), Some(Full::Address));
        assert!(admission.admit(ip("192.0.2.2")).is_ok());
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn the_total_holds_for_exempt_addresses_too() {
        let admission = admission(3, 1, &["127.0.0.0/8"]);
        let held: Vec<_> = (0..3).map(|_| admission.admit(ip("127.0.0.1")).expect("free")).collect();
        assert_eq!(admission.admit(ip("127.0.0.1")).err(), Some(Full::Total));
        assert_eq!(admission.held(), 3);
        drop(held);
        assert_eq!(admission.held(), 0);
    }

    #[test]
    fn other_limits_hold_for_whoever_comes_then() {
        let admission = admission(10, 1, &[]);
        let _first = admission.admit(ip("192.0.2.1")).expect("free");
        assert_eq!(admission.admit(ip("192.0.2.1")).err(), Some(Full::Address));
        admission.change(Limits { total: 10, per_address: 2, exempt: Vec::new() });
        let _second = admission.admit(ip("192.0.2.1")).expect("free");
        admission.change(Limits { total: 1, per_address: 2, exempt: Vec::new() });
        assert_eq!((admission.held(), admission.admit(ip("192.0.2.2")).err()), (2, Some(Full::Total)));
    }

    #[test]
    fn nothing_is_remembered_of_an_address_that_holds_nothing() {
        let admission = admission(3, 1, &[]);
        drop(admission.admit(ip("192.0.2.1")).expect("free"));
        assert!(admission.held.lock().expect("lock").by_address.is_empty());
    }

    #[test]
    fn one_ipv6_customer_is_one_address_and_mapped_ipv4_is_ipv4() {
        let key = |text| AddressKey::from(ip(text));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert!(lies_in(ip("::ffff:127.0.0.1"), &["127.0.0.0/8".parse().expect("a network")]));
    }
}
