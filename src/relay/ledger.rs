//! Who holds how many allocations. RFC 8656 §7.2 (486, Allocation Quota Reached).
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::relay::directory::PortWish;
use crate::relay::directory::RESERVATION_LIFETIME;
use crate::relay::directory::ReservationToken;
use crate::relay::effect::QuotaUser;
use crate::relay::reservations::Reservations;
use crate::time::Mono;

/// How many allocations may exist at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Per user.
    pub per_user: usize,
    /// Per session: what its users hold together.
    pub per_session: usize,
    /// Per client address; one IPv6 /64 counts as one address.
    pub per_address: usize,
    /// In the whole process.
    pub total: usize,
    /// Networks whose addresses have no quota of their own.
    pub exempt: Vec<IpNet>,
}

impl Default for Quotas {
    /// One relay-only browser side with three TURN URLs makes eleven allocations.
    fn default() -> Self {
        Self { per_user: 32, per_session: 64, per_address: 128, total: 50_000, exempt: Vec::new() }
    }
}

/// Which quota is used up.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// The user's: 486.
    #[error("the user holds too many allocations")]
    User,
    /// The session's: 486.
    #[error("the session holds too many allocations")]
    Session,
    /// The client address's: 486.
    #[error("the client address holds too many allocations")]
    Address,
    /// The server's: 508.
    #[error("the server holds too many allocations")]
    Total,
}

/// Counts allocations of the whole process, an address or a kept port as one each, until each resource is really free again.
///
/// The shell keeps it behind a lock, off the packet path.
#[derive(Debug)]
pub struct Ledger {
    quotas: Quotas,
    total: usize,
    count_by_user: HashMap<QuotaUser, usize>,
    count_by_session: HashMap<Box<str>, usize>,
    count_by_host: HashMap<Host, usize>,
    reservations: Reservations,
}

/// The place of one relayed address, or of one kept port, in the ledger; give it back with [`Ledger::refund`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a charge that is not refunded counts for ever"]
pub struct Charge {
    pub(super) user: QuotaUser,
    host: Host,
}

/// A client address as quotas see it: an IPv4 address, or an IPv6 /64, all of which one host commands.
///
/// Nobody's packets come from `0::/32`, which is where IPv4 addresses lie here.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
struct Host(u64);

impl Host {
    const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self(ip.to_bits() as u64),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            total: 0,
            count_by_user: HashMap::new(),
            count_by_session: HashMap::new(),
            count_by_host: HashMap::new(),
            reservations: Reservations::default(),
        }
    }

    /// Charges one relayed address.
    ///
    /// # Errors
    ///
    /// The quota that is used up; nothing is charged then.
    pub fn charge(&mut self, user: &QuotaUser, client_ip: IpAddr) -> Result<Charge, OverQuota> {
        let host = Host::of(client_ip);
        if self.total >= self.quotas.total {
            return Err(OverQuota::Total);
        }
        if self.count_by_user.get(user).is_some_and(|count| *count >= self.quotas.per_user) {
            return Err(OverQuota::User);
        }
        let of_session = user.session().and_then(|session| self.count_by_session.get(session));
        if of_session.is_some_and(|count| *count >= self.quotas.per_session) {
            return Err(OverQuota::Session);
        }
        let is_exempt = self.quotas.exempt.iter().any(|net| net.contains(&client_ip));
        let of_host = self.count_by_host.get(&host);
        if !is_exempt && of_host.is_some_and(|count| *count >= self.quotas.per_address) {
            return Err(OverQuota::Address);
        }
        self.total += 1;
        *self.count_by_user.entry(user.clone()).or_default() += 1;
        if let Some(session) = user.session() {
            match self.count_by_session.get_mut(session) {
                Some(count) => *count += 1,
                None => drop(self.count_by_session.insert(Box::from(session), 1)),
            }
        }
        *self.count_by_host.entry(host).or_default() += 1;
        Ok(Charge { user: user.clone(), host })
    }

    /// Takes a charge back once its socket and port are free.
    pub fn refund(&mut self, charge: Charge) {
        self.total = self.total.saturating_sub(1);
        decrement(&mut self.count_by_user, &charge.user);
        if let Some(session) = charge.user.session() {
            decrement(&mut self.count_by_session, session);
        }
        decrement(&mut self.count_by_host, &charge.host);
    }

    /// Charges what an Allocate with this wish takes: one port, and the one that is to be kept beside it, which nobody else has
    /// either.
    ///
    /// # Errors
    ///
    /// The quota that is used up; nothing is charged then.
    pub fn charge_wish(
        &mut self,
        wish: PortWish,
        user: &QuotaUser,
        client_ip: IpAddr,
        now: Mono,
    ) -> Result<(Charge, Option<Charge>), OverQuota> {
        self.forget_expired(now);
        match wish {
            PortWish::Any | PortWish::Even => Ok((self.charge(user, client_ip)?, None)),
            PortWish::Reserved(token) => Ok((self.redeem(token, user, client_ip)?, None)),
            PortWish::EvenAndNext => {
                let own = self.charge(user, client_ip)?;
                match self.charge(user, client_ip) {
                    Ok(beside) => Ok((own, Some(beside))),
                    Err(over) => {
                        self.refund(own);
                        Err(over)
                    }
                }
            }
        }
    }

    /// Keeps the charge for a port until it is redeemed, forgotten, or expires.
    pub fn reserve(&mut self, token: ReservationToken, charge: Charge, now: Mono) {
        self.reservations.insert(token, charge, now + RESERVATION_LIFETIME);
    }

    /// Charges whoever redeems a token instead of whoever reserved its port. A user's own reservation makes room for itself.
    fn redeem(&mut self, token: ReservationToken, user: &QuotaUser, client_ip: IpAddr) -> Result<Charge, OverQuota> {
        if self.reservations.is_of(token, user) {
            self.forget(token);
        }
        let charge = self.charge(user, client_ip)?;
        self.forget(token);
        Ok(charge)
    }

    /// Takes the charge for a kept port back.
    pub fn forget(&mut self, token: ReservationToken) {
        if let Some(charge) = self.reservations.remove(token) {
            self.refund(charge);
        }
    }

    /// Takes back the charges for ports that nobody redeemed in time.
    pub fn forget_expired(&mut self, now: Mono) {
        while let Some(charge) = self.reservations.poll_expired(now) {
            self.refund(charge);
        }
    }

    /// Applies new quotas; allocations above them live on.
    pub fn reconfigure(&mut self, quotas: Quotas) {
        self.quotas = quotas;
    }

    /// How many allocations are charged.
    pub const fn total(&self) -> usize {
        self.total
    }
}

/// Entries that reach zero go, so the maps are as small as the number of holders.
fn decrement<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized>(count_by_key: &mut HashMap<K, usize>, key: &Q) {
    let Some(count) = count_by_key.get_mut(key) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        count_by_key.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas() -> Quotas {
        Quotas { per_user: 2, per_address: 3, total: 4, ..Quotas::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_quota_is_named_when_it_is_used_up() {
        let mut ledger = Ledger::new(quotas());
        let (ann, bob, eve) = (QuotaUser::new("ann"), QuotaUser::new("bob"), QuotaUser::new("eve"));
        let _held = [ledger.charge(&ann, ip("192.0.2.1")).unwrap(), ledger.charge(&ann, ip("192.0.2.1")).unwrap()];
        assert_eq!(ledger.charge(&ann, ip("192.0.2.9")), Err(OverQuota::User));
        let _third = ledger.charge(&bob, ip("192.0.2.1")).unwrap();
        assert_eq!(ledger.charge(&bob, ip("192.0.2.1")), Err(OverQuota::Address));
        let _fourth = ledger.charge(&bob, ip("192.0.2.2")).unwrap();
        assert_eq!(ledger.charge(&eve, ip("192.0.2.3")), Err(OverQuota::Total));
    }

    #[test]
    fn a_refund_makes_room_and_leaves_nothing_behind() {
        let mut ledger = Ledger::new(quotas());
        let ann = QuotaUser::of_session("s1.ann");
        let first = ledger.charge(&ann, ip("192.0.2.1")).unwrap();
        let second = ledger.charge(&ann, ip("192.0.2.1")).unwrap();
        ledger.refund(first);
        let third = ledger.charge(&ann, ip("192.0.2.1")).unwrap();
        ledger.refund(second);
        ledger.refund(third);
        assert_eq!(ledger.total(), 0);
        assert!(ledger.count_by_user.is_empty() && ledger.count_by_host.is_empty());
        assert!(ledger.count_by_session.is_empty());
    }

    #[test]
    fn the_sides_of_a_session_share_its_quota() {
        let mut ledger = Ledger::new(Quotas { per_session: 3, ..Quotas::default() });
        let side = |name: &str, session: &str| QuotaUser::of_session(&format!("{session}.{name}"));
        let (a, b) = (side("a", "s1"), side("b", "s1"));
        let held = [&a, &a, &b].map(|side| ledger.charge(side, ip("192.0.2.1")).unwrap());
        assert_eq!(ledger.charge(&b, ip("192.0.2.2")), Err(OverQuota::Session));
        assert!(ledger.charge(&side("a", "s2"), ip("192.0.2.2")).is_ok());
        held.into_iter().for_each(|charge| ledger.refund(charge));
        assert!(ledger.charge(&b, ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn an_exempt_address_has_no_quota_of_its_own() {
        let exempt = vec!["192.0.2.0/24".parse().unwrap()];
        let mut ledger = Ledger::new(Quotas { per_user: 9, per_address: 1, total: 3, exempt, ..Quotas::default() });
        let ann = QuotaUser::new("ann");
        let _held = [(); 3].map(|()| ledger.charge(&ann, ip("192.0.2.1")).unwrap());
        assert_eq!(ledger.charge(&ann, ip("192.0.2.1")), Err(OverQuota::Total), "the total holds for all");
    }

    #[test]
    fn an_ipv6_prefix_counts_as_one_address() {
        let mut ledger = Ledger::new(Quotas { per_address: 1, ..Quotas::default() });
        let (ann, bob) = (QuotaUser::new("ann"), QuotaUser::new("bob"));
        let _held = ledger.charge(&ann, ip("2a00:1:2:3::1")).unwrap();
        assert_eq!(ledger.charge(&bob, ip("2a00:1:2:3:ffff::9")), Err(OverQuota::Address));
        assert!(ledger.charge(&bob, ip("2a00:1:2:4::1")).is_ok());
    }
}
