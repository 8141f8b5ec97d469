//! Allocate: a relayed address for a client. RFC 8656 §7.
use std::sync::Arc;
use std::time::Duration;

use crate::relay::acquaintances::Acquaintances;
use crate::relay::allocation::Allocation;
use crate::relay::allocation::Granted;
use crate::relay::allocation::Inward;
use crate::relay::allocation::Oddities;
use crate::relay::allocation::Outward;
use crate::relay::authenticate::Sender;
use crate::relay::client::ClientAddr;
use crate::relay::client::Families;
use crate::relay::client::Family;
use crate::relay::config::MIN_LIFETIME;
use crate::relay::credential::Credential;
use crate::relay::directory::PortWish;
use crate::relay::directory::RelayedSlot;
use crate::relay::directory::ReservationToken;
use crate::relay::effect::Answer;
use crate::relay::effect::Beside;
use crate::relay::effect::Effect;
use crate::relay::effect::OpenError;
use crate::relay::effect::OpenId;
use crate::relay::effect::Opened;
use crate::relay::few::Few;
use crate::relay::halves::Half;
use crate::relay::halves::Halves;
use crate::relay::openings::Opening;
use crate::relay::pair_view::RelayedEntry;
use crate::relay::reply::Echo;
use crate::relay::request::RequestError;
use crate::relay::request::whole_seconds;
use crate::relay::request_result::RequestKind;
use crate::relay::request_result::RequestResult;
use crate::relay::server::Server;
use crate::relay::slab::AllocationId;
use crate::relay::usage::EndReason;
use crate::relay::usage::Traffic;
use crate::stun::AttributeType;
use crate::stun::ErrorCode;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::Overflow;
use crate::time::Now;

/// The IANA protocol number of UDP, as REQUESTED-TRANSPORT carries it. RFC 8656 §18.8.
const PROTOCOL_UDP: u8 = 17;

/// The families in REQUESTED-ADDRESS-FAMILY. RFC 8656 §18.6.
const FAMILY_IPV4: u8 = 1;
/// See [`FAMILY_IPV4`].
const FAMILY_IPV6: u8 = 2;

/// What an Allocate that is not refused leads to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Allocated {
    /// A relay socket was asked for.
    Opening,
    /// The same request waits for its relay socket already.
    Pending,
    /// The same request made this allocation.
    Before(AllocationId),
}

impl Server {
    /// Receives an Allocate. RFC 8656 §7.2; the checks stand in its order.
    pub(super) fn on_allocate(
        &mut self,
        message: &Message<'_>,
        sender: Sender,
        from: &ClientAddr,
        now: Now,
    ) -> Result<Allocated, RequestError> {
        if let Some((at, allocation)) = self.allocations.live(from, now.mono) {
            let is_same = allocation.granted.transaction == message.transaction_id();
            return match sender {
                Sender::Owner { .. } if is_same => Ok(Allocated::Before(at)),
                Sender::Owner { .. } | Sender::Other(_) => Err(RequestError::AllocationMismatch),
            };
        }
        if let Some(transaction) = self.openings.transaction_of(from) {
            let is_same = transaction == message.transaction_id();
            return if is_same { Ok(Allocated::Pending) } else { Err(RequestError::AllocationMismatch) };
        }
        let Sender::Other(credential) = sender else { return Err(RequestError::AllocationMismatch) };
        if credential.is_expired(now) || self.is_revoked(&credential, now) {
            return Err(RequestError::NoLongerValid);
        }
        requested_transport(message)?;
        let port = port_wish(message)?;
        let families = self.wanted_families(message, port)?;
        let lifetime = self.granted_lifetime(requested_lifetime(message)?, &credential, now);
        if !families.iter().any(|family| self.directory.offers(family)) {
            return Err(RequestError::FamilyNotSupported);
        }
        if self.draining {
            // Nobody can use an address of another family than the one that the client came by. RFC 8489 §14.15.
            let alternate = self.config.alternate_server.filter(|server| server.is_ipv4() == from.remote.is_ipv4());
            return Err(alternate.map_or(RequestError::InsufficientCapacity, RequestError::TryAlternate));
        }
        // An expired allocation that no deadline has freed yet makes room.
        if let Some(at) = self.allocations.id_of_client(from) {
            self.end(at, EndReason::Expired, now);
        }
        let user = credential.user.clone();
        let request = self.openings.insert(Opening { client: *from, echo: Echo::of(message), credential, lifetime });
        let (near, client_ip) = (from.local.ip(), from.remote.ip());
        self.effects.push_back(Effect::Open { request, families, port, near, user, client_ip });
        Ok(Allocated::Opening)
    }

    /// The families that a request asks for: what it names, what its token is for, else IPv4. RFC 8656 §7.2, steps 5 to 9.
    fn wanted_families(&self, message: &Message<'_>, port: PortWish) -> Result<Families, RequestError> {
        if is_dual(message, port)? {
            return Ok(Families::Both);
        }
        if let PortWish::Reserved(token) = port {
            let family = self.directory.family(token.relay_ip());
            return family.map(Families::from).ok_or(RequestError::InsufficientCapacity);
        }
        Ok(Families::from(requested_family(message)?.unwrap_or(Family::V4)))
    }

    /// Answers the Allocate whose relay socket was asked for.
    ///
    /// `None`: its client is gone meanwhile. Whatever was opened and did not become an allocation must be closed,
    /// released and refunded by the shell.
    pub fn handle_opened(
        &mut self,
        request: OpenId,
        outcome: Result<Opened, OpenError>,
        now: Now,
        reply: &mut [u8],
    ) -> Option<Answer> {
        let opening = self.openings.remove(request)?;
        let (to, echo, key) = (opening.client, opening.echo, opening.credential.key.clone());
        let user = self.config.is_traced.then(|| opening.credential.user.clone());
        let (at, result, written) = match self.on_opened(opening, outcome, now) {
            Ok(at) => (Some(at), RequestResult::Success, self.write_allocated(at, echo, &key, reply)),
            Err(error) => {
                let (result, written) = self.write_refused(error, echo, &key, &to, now, reply);
                (None, result, written)
            }
        };
        self.trace(RequestKind::Allocate, result, user);
        let len = self.count_reply(RequestKind::Allocate, result, written).unwrap_or(0);
        Some(Answer { to, len, at })
    }

    fn on_opened(
        &mut self,
        opening: Opening,
        outcome: Result<Opened, OpenError>,
        now: Now,
    ) -> Result<AllocationId, RequestError> {
        let Opened { relayed, beside, reserved } = outcome?;
        if self.is_revoked(&opening.credential, now) {
            return Err(RequestError::NoLongerValid);
        }
        let (second, refused) = match beside {
            Beside::Nothing => (None, None),
            Beside::Relayed(slot) => (Some(slot), None),
            Beside::Refused(error) => (None, Some(address_error(error))),
        };
        let Opening { client, echo, credential, lifetime } = opening;
        let expires_at = now.mono + lifetime;
        let slots = [Some(relayed), second].into_iter().flatten();
        let known = slots.map(|slot| Some((slot, self.directory.family(slot.ip())?)));
        let known: Vec<(RelayedSlot, Family)> = known.collect::<Option<_>>().ok_or(RequestError::UnknownRelayed)?;
        let shard = self.shard;
        let halves = |id| {
            let mut halves = Halves::default();
            for (slot, family) in known {
                let entry = RelayedEntry::new(slot, family, shard, id, client);
                halves.insert(Half::new(Arc::new(entry), expires_at));
            }
            halves
        };
        let at = self.allocations.insert_with(|id| Allocation {
            client,
            credential,
            halves: halves(id),
            granted: Granted { transaction: echo.transaction, lifetime_secs: whole_seconds(lifetime) },
            scheduled_at: expires_at,
            started: now.unix,
            permissions: Few::default(),
            channels: Few::default(),
            acquaintances: Acquaintances::default(),
            outward: Outward::default(),
            inward: Inward::default(),
            handed_in: Traffic::default(),
            oddities: Oddities::granted(reserved, refused),
        });
        let at = at.ok_or(RequestError::InsufficientCapacity)?;
        if let Some(allocation) = self.allocations.get(at) {
            for half in allocation.halves.open() {
                self.directory.publish(half.slot(), Arc::clone(&half.entry));
            }
            let families = allocation.halves.families();
            families.into_iter().for_each(|families| self.counters.allocation_began(client.via.transport(), families));
        }
        self.deadlines.push(expires_at, at);
        self.schedule(at);
        Ok(at)
    }

    /// Writes the success of an Allocate, for the first time or again.
    pub(super) fn write_allocated(
        &self,
        at: AllocationId,
        echo: Echo,
        key: &IntegrityKey,
        reply: &mut [u8],
    ) -> Result<usize, Overflow> {
        let allocation = self.allocations.get(at).ok_or(Overflow)?;
        let mut writer = echo.success(reply);
        for half in allocation.halves.iter() {
            let relayed = self.directory.external_address(half.slot()).ok_or(Overflow)?;
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed);
        }
        writer.u32(AttributeType::LIFETIME, allocation.granted.lifetime_secs);
        let oddities = allocation.oddities.as_deref();
        if let Some(ReservationToken(token)) = oddities.and_then(|oddities| oddities.reserved) {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        }
        if let Some(code) = oddities.and_then(|oddities| oddities.refused) {
            let family = if allocation.halves.families() == Some(Families::V6) { FAMILY_IPV4 } else { FAMILY_IPV6 };
            writer.address_error_code(family, code);
        }
        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, allocation.client.remote);
        echo.finish(writer, Some(key))
    }

    /// The lifetime for a client that asks for this one. RFC 8656 §7.2.
    pub(super) fn granted_lifetime(&self, requested: Option<Duration>, credential: &Credential, now: Now) -> Duration {
        let longest = self.config.limits.max_lifetime.max(MIN_LIFETIME);
        let granted = requested.unwrap_or(MIN_LIFETIME).clamp(MIN_LIFETIME, longest);
        if self.config.strict_expiry { granted.min(credential.remaining(now)) } else { granted }
    }

    fn is_revoked(&self, credential: &Credential, now: Now) -> bool {
        credential.session().is_some_and(|session| self.revocations.is_refused(session, now.unix))
    }
}

fn requested_transport(message: &Message<'_>) -> Result<(), RequestError> {
    let Some(&[protocol, _, _, _]) = message.attribute(AttributeType::REQUESTED_TRANSPORT) else {
        return Err(RequestError::BadRequest);
    };
    if protocol == PROTOCOL_UDP { Ok(()) } else { Err(RequestError::UnsupportedTransport) }
}

/// What EVEN-PORT and RESERVATION-TOKEN ask for; both at once, or a token with a family, is a contradiction.
fn port_wish(message: &Message<'_>) -> Result<PortWish, RequestError> {
    let even = message.attribute(AttributeType::EVEN_PORT);
    let Some(token) = message.attribute(AttributeType::RESERVATION_TOKEN) else {
        return match even {
            None => Ok(PortWish::Any),
            Some(&[flags]) if flags & 0x80 != 0 => Ok(PortWish::EvenAndNext),
            Some(&[_]) => Ok(PortWish::Even),
            Some(_) => Err(RequestError::BadRequest),
        };
    };
    let names_family = [AttributeType::REQUESTED_ADDRESS_FAMILY, AttributeType::ADDITIONAL_ADDRESS_FAMILY]
        .into_iter()
        .any(|ty| message.attribute(ty).is_some());
    match <[u8; 8]>::try_from(token) {
        Ok(token) if even.is_none() && !names_family => Ok(PortWish::Reserved(ReservationToken(token))),
        Ok(_) | Err(_) => Err(RequestError::BadRequest),
    }
}

/// The code that ADDRESS-ERROR-CODE gives for a family that could not be had: 440 or 508, no third. RFC 8656 §7.2, step 9.
const fn address_error(error: OpenError) -> ErrorCode {
    match error {
        OpenError::FamilyNotOffered => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
        OpenError::NoPort | OpenError::NoReservation | OpenError::Socket | OpenError::OverQuota(_) => {
            ErrorCode::INSUFFICIENT_CAPACITY
        }
    }
}

/// Whether the request wants an IPv6 address beside the IPv4 one. RFC 8656 §7.2, steps 6, 8 and 9.
fn is_dual(message: &Message<'_>, port: PortWish) -> Result<bool, RequestError> {
    let Some(family) = message.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY) else { return Ok(false) };
    let is_single = message.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY).is_some();
    match family {
        &[FAMILY_IPV6, _, _, _] if !is_single && port != PortWish::EvenAndNext => Ok(true),
        _ => Err(RequestError::BadRequest),
    }
}

/// The family a request names, if any.
pub(super) fn requested_family(message: &Message<'_>) -> Result<Option<Family>, RequestError> {
    match message.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY) {
        None => Ok(None),
        Some(&[FAMILY_IPV4, _, _, _]) => Ok(Some(Family::V4)),
        Some(&[FAMILY_IPV6, _, _, _]) => Ok(Some(Family::V6)),
        Some(&[_, _, _, _]) => Err(RequestError::FamilyNotSupported),
        Some(_) => Err(RequestError::BadRequest),
    }
}

/// The lifetime a request names, if any.
pub(super) fn requested_lifetime(message: &Message<'_>) -> Result<Option<Duration>, RequestError> {
    let seconds = message.u32(AttributeType::LIFETIME).transpose().map_err(|_| RequestError::BadRequest)?;
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}
