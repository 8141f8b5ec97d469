//! Who owns which relayed address, for every shard of the process.
//!
//! Each relay address has a table of its ports.
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::Guard;

use crate::relay::client::Family;
use crate::relay::pair_view::RelayedEntry;
use crate::relay::port::Port;
use crate::relay::port::Vacancy;
use crate::time::Mono;

/// How long a freed port rests before another user may get it, so late packets meet nobody. Where no port nearby has rested, the
/// one that has rested longest must do.
pub const PORT_REST: Duration = Duration::from_secs(60);

/// How long a reserved port waits for its Allocate. RFC 8656 §7.2 asks for at least 30 seconds.
pub(super) const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Ports that a search looks at for one that has rested, before it takes the one that has rested longest. Whoever makes and
/// deletes allocations as fast as possible thus uses up nobody's ports, and finds most of them rested all the same.
const SEARCH_WINDOW: u32 = 512;

/// The random bits of a reservation token.
const SECRET: u64 = 0xFF_FFFF_FFFF;

/// An address that relay sockets are bound to, and what the world calls it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// The local address of the relay sockets.
    pub local: IpAddr,
    /// The address told to clients; differs from `local` behind a 1:1 NAT.
    pub external: IpAddr,
}

/// The index of a [`RelayAddress`] in the directory.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayIp(u8);

/// One relayed transport address: relay address and port.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelayedSlot {
    ip: RelayIp,
    port: u16,
}

impl RelayedSlot {
    /// The relay address.
    pub const fn ip(self) -> RelayIp {
        self.ip
    }

    /// The port.
    pub const fn port(self) -> u16 {
        self.port
    }
}

/// Which port an Allocate asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PortWish {
    /// Any free one.
    Any,
    /// An even one: EVEN-PORT with R = 0.
    Even,
    /// An even one whose successor is kept for a later Allocate: EVEN-PORT with R = 1.
    EvenAndNext,
    /// The one that was kept under this token.
    Reserved(ReservationToken),
}

/// The RESERVATION-TOKEN of a kept port. RFC 8656 §18.10.
///
/// One byte relay address, two bytes port, five random bytes: each shard can redeem it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReservationToken(pub [u8; 8]);

/// What [`Directory::claim_any`] found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The port, now the caller's.
    pub relayed: RelayedSlot,
    /// The successor, kept for 30 seconds.
    pub reserved: Option<ReservationToken>,
}

/// Every relayed address of the process. Shared by all shards.
#[derive(Debug)]
pub struct Directory {
    tables: Vec<Table>,
    ports: RangeInclusive<u16>,
    rest: Duration,
    reused_early: AtomicU64,
}

#[derive(Debug)]
struct Table {
    address: RelayAddress,
    /// One for each port of the range.
    ports: Box<[Port]>,
}

/// A port that a search may claim, with its successor for [`PortWish::EvenAndNext`].
#[derive(Copy, Clone)]
struct Candidate {
    slot: RelayedSlot,
    own: Vacancy,
    next: Option<(RelayedSlot, Vacancy)>,
}

impl Directory {
    /// A directory of these relay addresses (the first 256 count), each with these ports, freed ports resting [`PORT_REST`].
    pub fn new(addresses: &[RelayAddress], ports: RangeInclusive<u16>) -> Self {
        Self::with_rest(addresses, ports, PORT_REST)
    }

    /// A directory whose freed ports rest this long.
    pub fn with_rest(addresses: &[RelayAddress], ports: RangeInclusive<u16>, rest: Duration) -> Self {
        let tables = addresses
            .iter()
            .take(256)
            .map(|address| Table { address: *address, ports: ports.clone().map(|_| Port::default()).collect() });
        Self { tables: tables.collect(), ports: ports.clone(), rest, reused_early: AtomicU64::new(0) }
    }

    /// Claims one port if it has rested at `now`.
    pub fn claim(&self, ip: RelayIp, port: u16, now: Mono) -> Option<RelayedSlot> {
        let slot = RelayedSlot { ip, port };
        let port = self.port(slot)?;
        let vacancy = port.vacancy(now).filter(|vacancy| vacancy.is_rested(now))?;
        port.claim(vacancy).then_some(slot)
    }

    /// Claims a port of this family that fits the wish, looking from a place that `random` chooses: on the relay address
    /// `near`, if there is such a one, else on any.
    ///
    /// A reservation says itself which address it is for, whatever the family.
    /// `random` must come from a cryptographic source: clients must not foresee relay ports, nor tokens.
    /// Several sockets may fail to open on claimed ports: release those and call again.
    pub fn claim_any(
        &self,
        family: Family,
        wish: PortWish,
        near: IpAddr,
        random: [u8; 8],
        now: Mono,
    ) -> Option<Claimed> {
        let step = match wish {
            PortWish::Any => 1,
            PortWish::Even | PortWish::EvenAndNext => 2,
            PortWish::Reserved(token) => {
                return self.redeem(token, now).map(|relayed| Claimed { relayed, reserved: None });
            }
        };
        let random = u64::from_be_bytes(random);
        let candidates = self.relay_ips().filter(|ip| self.family(*ip) == Some(family));
        let rotation = remainder(random >> 56, candidates.clone().count());
        let near = candidates.clone().find(|ip| self.is_called(*ip, near));
        let others = candidates.clone().skip(rotation).chain(candidates.take(rotation));
        let mut ips = near.into_iter().chain(others.filter(|ip| near != Some(*ip)));
        ips.find_map(|ip| self.claim_on(ip, wish, step, random, now))
    }

    /// Searches the ports of one relay address, window by window.
    fn claim_on(&self, ip: RelayIp, wish: PortWish, step: u32, random: u64, now: Mono) -> Option<Claimed> {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let first = first.next_multiple_of(step);
        let count = (last.checked_sub(first)? / step) + 1;
        let start = u32::try_from((random & 0xFF_FFFF) % u64::from(count)).ok()?;
        let mut longest: Option<Candidate> = None;
        let mut place = start;
        for offset in 0..count {
            if offset % SEARCH_WINDOW == 0
                && let Some(claimed) = longest.take().and_then(|candidate| self.claim_early(candidate, random, now))
            {
                return Some(claimed);
            }
            let port = u16::try_from(first + place * step);
            place = if place + 1 == count { 0 } else { place + 1 };
            let Ok(port) = port else { continue };
            // Nearly all of them where ports are scarce: one comparison each.
            let own = self.port(RelayedSlot { ip, port }).map_or(u64::MAX, Port::rested_at);
            if longest.is_some_and(|longest| longest.rested_at() <= own) {
                continue;
            }
            let Some(candidate) = self.candidate(RelayedSlot { ip, port }, wish, now) else { continue };
            if candidate.is_rested(now) {
                if let Some(claimed) = self.take(candidate, random, now) {
                    return Some(claimed);
                }
            } else if longest.is_none_or(|longest| candidate.rested_at() < longest.rested_at()) {
                longest = Some(candidate);
            }
        }
        longest.and_then(|candidate| self.claim_early(candidate, random, now))
    }

    /// Claims a port before it has rested, because nothing near it has.
    fn claim_early(&self, candidate: Candidate, random: u64, now: Mono) -> Option<Claimed> {
        let claimed = self.take(candidate, random, now)?;
        self.reused_early.fetch_add(1, Ordering::Relaxed);
        Some(claimed)
    }

    fn candidate(&self, slot: RelayedSlot, wish: PortWish, now: Mono) -> Option<Candidate> {
        let own = self.port(slot)?.vacancy(now)?;
        let next = match wish {
            PortWish::EvenAndNext => {
                let next = RelayedSlot { ip: slot.ip, port: slot.port.checked_add(1)? };
                Some((next, self.port(next)?.vacancy(now)?))
            }
            PortWish::Any | PortWish::Even | PortWish::Reserved(_) => None,
        };
        Some(Candidate { slot, own, next })
    }

    fn take(&self, candidate: Candidate, random: u64, now: Mono) -> Option<Claimed> {
        let Candidate { slot, own, next } = candidate;
        let port = self.port(slot)?;
        if !port.claim(own) {
            return None;
        }
        let Some((next, seen)) = next else { return Some(Claimed { relayed: slot, reserved: None }) };
        match self.port(next).filter(|port| port.claim(seen)) {
            Some(next_port) => {
                let secret = (random >> 24) & SECRET;
                next_port.keep(secret, now + RESERVATION_LIFETIME);
                Some(Claimed { relayed: slot, reserved: Some(ReservationToken::pack(next, secret)) })
            }
            None => {
                port.unclaim(own);
                None
            }
        }
    }

    /// How often a port was claimed before it had rested, since the start.
    pub fn reused_early(&self) -> u64 {
        self.reused_early.load(Ordering::Relaxed)
    }

    /// Gives back a claimed port that another program has: nobody gets it before it has rested, however scarce ports are.
    pub fn withhold(&self, slot: RelayedSlot, now: Mono) {
        if let Some(port) = self.port(slot) {
            port.withhold(now + self.rest);
        }
    }

    /// Whether a port is kept under this token.
    pub fn keeps(&self, token: ReservationToken, now: Mono) -> bool {
        let (slot, secret) = token.unpack();
        self.port(slot).is_some_and(|port| port.is_kept_under(secret, now))
    }

    /// Gives back the port that is kept under a token.
    pub fn forget(&self, token: ReservationToken, now: Mono) {
        let (slot, secret) = token.unpack();
        if let Some(port) = self.port(slot) {
            port.forget(secret, now);
        }
    }

    /// Gives a claimed port back; it rests before it is claimed again.
    pub fn release(&self, slot: RelayedSlot, now: Mono) {
        if let Some(port) = self.port(slot) {
            port.release(now + self.rest);
        }
    }

    /// The live allocation behind a relayed address, local or external.
    pub fn find(&self, address: SocketAddr) -> Option<Arc<RelayedEntry>> {
        self.find_slot(self.slot(address)?).clone()
    }

    /// The slot of an address, live or not, local or external.
    pub fn slot(&self, address: SocketAddr) -> Option<RelayedSlot> {
        let slot = RelayedSlot { ip: self.relay_ip(address.ip())?, port: address.port() };
        self.port(slot).map(|_| slot)
    }

    /// The relay address that is called `ip`, inside or outside.
    pub fn relay_ip(&self, ip: IpAddr) -> Option<RelayIp> {
        self.relay_ips().find(|at| self.is_called(*at, ip))
    }

    /// The address to bind the relay socket to.
    pub fn local_address(&self, slot: RelayedSlot) -> Option<SocketAddr> {
        let table = self.tables.get(usize::from(slot.ip.0))?;
        Some(SocketAddr::new(table.address.local, slot.port))
    }

    /// The address that clients and peers are told.
    pub fn external_address(&self, slot: RelayedSlot) -> Option<SocketAddr> {
        let table = self.tables.get(usize::from(slot.ip.0))?;
        Some(SocketAddr::new(table.address.external, slot.port))
    }

    /// Whether addresses of this family can be allocated.
    pub fn offers(&self, family: Family) -> bool {
        self.relay_ips().any(|ip| self.family(ip) == Some(family))
    }

    /// The family of a relay address.
    pub fn family(&self, ip: RelayIp) -> Option<Family> {
        self.tables.get(usize::from(ip.0)).map(|table| Family::of(table.address.external))
    }

    /// The relay addresses, in the order of [`RelayIp`].
    pub fn relay_addresses(&self) -> impl Iterator<Item = RelayAddress> + '_ {
        self.tables.iter().map(|table| table.address)
    }

    /// Lets every shard find the allocation of a claimed port.
    pub(super) fn publish(&self, slot: RelayedSlot, entry: Arc<RelayedEntry>) {
        if let Some(port) = self.port(slot) {
            port.entry.store(Some(entry));
        }
    }

    /// Hides an allocation that ended; the port stays claimed until it is released.
    pub(super) fn withdraw(&self, slot: RelayedSlot) {
        if let Some(entry) = self.port(slot).and_then(|port| port.entry.swap(None)) {
            entry.withdraw();
        }
    }

    /// The allocation that holds a slot, without touching a reference count.
    pub(super) fn find_slot(&self, slot: RelayedSlot) -> Guard<Option<Arc<RelayedEntry>>> {
        match self.port(slot) {
            Some(port) => port.entry.load(),
            None => Guard::from_inner(None),
        }
    }

    fn relay_ips(&self) -> impl Iterator<Item = RelayIp> + Clone + '_ {
        (0..=u8::MAX).take(self.tables.len()).map(RelayIp)
    }

    /// Whether a relay address is known by this name, inside or outside.
    fn is_called(&self, ip: RelayIp, name: IpAddr) -> bool {
        let table = self.tables.get(usize::from(ip.0));
        table.is_some_and(|table| table.address.local == name || table.address.external == name)
    }

    fn port(&self, slot: RelayedSlot) -> Option<&Port> {
        let at = slot.port.checked_sub(*self.ports.start())?;
        self.tables.get(usize::from(slot.ip.0))?.ports.get(usize::from(at))
    }

    fn redeem(&self, token: ReservationToken, now: Mono) -> Option<RelayedSlot> {
        let (slot, secret) = token.unpack();
        self.port(slot)?.redeem(secret, now).then_some(slot)
    }
}

impl Candidate {
    /// The moment from which all of it has rested.
    fn rested_at(self) -> u64 {
        let next = self.next.map_or(0, |(_, next)| next.rested_at());
        self.own.rested_at().max(next)
    }

    fn is_rested(self, now: Mono) -> bool {
        self.own.is_rested(now) && self.next.is_none_or(|(_, next)| next.is_rested(now))
    }
}

impl ReservationToken {
    /// The relay address of the kept port.
    pub(super) fn relay_ip(self) -> RelayIp {
        self.unpack().0.ip()
    }

    fn pack(slot: RelayedSlot, secret: u64) -> Self {
        let packed = u64::from(slot.ip.0) << 56 | u64::from(slot.port) << 40 | secret;
        Self(packed.to_be_bytes())
    }

    fn unpack(self) -> (RelayedSlot, u64) {
        let [ip, port_high, port_low, ..] = self.0;
        let slot = RelayedSlot { ip: RelayIp(ip), port: u16::from_be_bytes([port_high, port_low]) };
        (slot, u64::from_be_bytes(self.0) & SECRET)
    }
}

fn remainder(value: u64, count: usize) -> usize {
    usize::try_from(value % u64::try_from(count).unwrap_or(1).max(1)).unwrap_or(0)
}
