//! What a shard does when its core asks for something: open and close relayed addresses, close connections, report.
use std::io;
use std::net::IpAddr;
use std::net::UdpSocket;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustix::event::epoll;
use rustix::event::epoll::EventFlags;

use crate::relay::AllocationId;
use crate::relay::Beside;
use crate::relay::Charge;
use crate::relay::Claimed;
use crate::relay::Effect;
use crate::relay::Families;
use crate::relay::Family;
use crate::relay::Ledger;
use crate::relay::Mode;
use crate::relay::OpenError;
use crate::relay::OpenId;
use crate::relay::Opened;
use crate::relay::PortWish;
use crate::relay::QuotaUser;
use crate::relay::RelayedSlot;
use crate::relay::RequestKind;
use crate::relay::RequestResult;
use crate::relay::ReservationToken;
use crate::relay::StreamId;
use crate::time::Now;
use crate::trace::Cause;
use crate::trace::Span;
use crate::transport::counters::IoEvent;
use crate::transport::shard::Shard;
use crate::transport::sockets;
use crate::transport::sockets::SocketKey;
use crate::transport::token::Token;

/// Ports tried before an Allocate fails: other programs use some, and each failure rests in the directory.
const BIND_ATTEMPTS: u32 = 64;

/// A relayed address that an Allocate was given.
struct Holding {
    relayed: RelayedSlot,
    family: Family,
    charge: Charge,
    /// `None` in `single-port` mode.
    socket: Option<UdpSocket>,
    /// The token of the port that is kept beside it.
    reserved: Option<ReservationToken>,
}

/// Everything that an Allocate was given.
struct Holdings {
    first: Holding,
    second: Option<Holding>,
    beside: Beside,
}

/// What a client asks for.
struct Wish {
    families: Families,
    port: PortWish,
    near: IpAddr,
    user: QuotaUser,
    client_ip: IpAddr,
}

impl Shard {
    /// Does everything that the core asks for.
    pub(super) fn on_effects(&mut self, now: Now) {
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Open { request, families, port, near, user, client_ip } => {
                    let outcome = self.open(&Wish { families, port, near, user, client_ip }, now);
                    self.on_open(request, outcome, now);
                }
                Effect::Hear { at, family } => self.on_hear(at, family),
                Effect::Close { at, family, relayed } => self.on_close(at, family, relayed, now),
                Effect::CloseStream { stream } => self.doom(stream, IoEvent::StreamClosed),
                Effect::Barred { network } => {
                    tracing::warn!(%network, "too many wrong TURN passwords: barred for a minute");
                }
                Effect::Answered { kind, result, user } => self.trace(kind, result, &user, now),
                Effect::Ended(usage) => {
                    if self.usage.try_send(usage).is_err() {
                        self.io.add(IoEvent::UsageLost, 1);
                    }
                }
            }
        }
    }

    /// The span of a request, from the wake-up that read it until it was answered.
    fn trace(&self, kind: RequestKind, result: RequestResult, user: &QuotaUser, now: Now) {
        let begun = self.clock.instant(now.mono);
        let span = Span::of_request_since(format!("turn {}", kind.label()), &Cause::default(), begun);
        span.set("duologue.turn.result", result.label());
        span.set("duologue.shard", i64::from(self.id.0));
        if let Some(session) = user.session().filter(|_| span.is_recording()) {
            span.set("duologue.session.id", session.to_owned());
        }
        if !result.is_success() {
            span.fail(result.label());
        }
    }

    /// Tells the core what was opened and sends its answer.
    fn on_open(&mut self, request: OpenId, outcome: Result<Holdings, OpenError>, now: Now) {
        self.make_sendable(now);
        let (result, holdings) = match outcome {
            Ok(Holdings { first, second, beside }) => {
                let opened = Opened { relayed: first.relayed, beside, reserved: first.reserved };
                (Ok(opened), Some((first, second)))
            }
            Err(error) => (Err(error), None),
        };
        let answer = self.server.handle_opened(request, result, now, self.egress.reply_room());
        let stream = answer.and_then(|answer| answer.to.via.stream());
        match (holdings, answer.and_then(|answer| answer.at)) {
            (Some((first, second)), Some(at)) => self.keep(at, first, second, stream),
            (Some((first, second)), None) => {
                for holding in [Some(first), second].into_iter().flatten() {
                    if let Some(token) = holding.reserved {
                        self.directory.forget(token, now.mono);
                        self.ledger().forget(token);
                    }
                    self.release(holding.socket, holding.relayed, Some(holding.charge), now);
                }
            }
            (None, _) => {}
        }
        if let Some(answer) = answer.filter(|answer| answer.len > 0) {
            self.reply(answer.to, answer.len, now);
        }
    }

    /// Opens a relayed address of each wanted family; one of both is better than none. RFC 8656 §7.2, step 9.
    fn open(&mut self, wish: &Wish, now: Now) -> Result<Holdings, OpenError> {
        let mut outcomes = wish.families.iter().map(|family| self.open_one(family, wish, now));
        let first = outcomes.next().unwrap_or(Err(OpenError::FamilyNotOffered));
        match (first, outcomes.next()) {
            (Ok(first), None) => Ok(Holdings { first, second: None, beside: Beside::Nothing }),
            (Ok(first), Some(Ok(second))) => {
                let beside = Beside::Relayed(second.relayed);
                Ok(Holdings { first, second: Some(second), beside })
            }
            (Ok(only), Some(Err(error))) | (Err(error), Some(Ok(only))) => {
                Ok(Holdings { first: only, second: None, beside: Beside::Refused(error) })
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Charges the user, claims a port, and opens its socket.
    fn open_one(&mut self, family: Family, wish: &Wish, now: Now) -> Result<Holding, OpenError> {
        if !self.directory.offers(family) {
            return Err(OpenError::FamilyNotOffered);
        }
        if let PortWish::Reserved(token) = wish.port
            && !self.directory.keeps(token, now.mono)
        {
            return Err(OpenError::NoReservation);
        }
        let (charge, beside) = self.ledger().charge_wish(wish.port, &wish.user, wish.client_ip, now.mono)?;
        match self.claim(family, wish, now) {
            Ok((Claimed { relayed, reserved }, socket)) => {
                if let (Some(token), Some(charge)) = (reserved, beside) {
                    self.ledger().reserve(token, charge, now.mono);
                }
                Ok(Holding { relayed, family, charge, socket, reserved })
            }
            Err(error) => {
                let mut ledger = self.ledger();
                [Some(charge), beside].into_iter().flatten().for_each(|charge| ledger.refund(charge));
                Err(error)
            }
        }
    }

    fn claim(&mut self, family: Family, wish: &Wish, now: Now) -> Result<(Claimed, Option<UdpSocket>), OpenError> {
        for _ in 0..BIND_ATTEMPTS {
            let random = self.dice.throw().map_err(|_| OpenError::Socket)?;
            let Some(claimed) = self.directory.claim_any(family, wish.port, wish.near, random, now.mono) else {
                return Err(match wish.port {
                    PortWish::Reserved(_) => OpenError::NoReservation,
                    PortWish::Any | PortWish::Even | PortWish::EvenAndNext => OpenError::NoPort,
                });
            };
            match self.config.mode {
                Mode::SinglePort => return Ok((claimed, None)),
                Mode::Ports => {}
            }
            let address = self.directory.local_address(claimed.relayed).ok_or(OpenError::NoPort)?;
            match sockets::open_relay(address) {
                Ok(socket) => return Ok((claimed, Some(socket))),
                Err(error) => {
                    self.io.add(IoEvent::RelaySocketFailed, 1);
                    if let Some(token) = claimed.reserved {
                        self.directory.forget(token, now.mono);
                    }
                    if error.kind() == io::ErrorKind::AddrInUse {
                        self.directory.withhold(claimed.relayed, now.mono);
                    } else {
                        self.directory.release(claimed.relayed, now.mono);
                        tracing::debug!(%error, "relay socket not opened");
                        return Err(OpenError::Socket);
                    }
                }
            }
        }
        Err(OpenError::NoPort)
    }

    /// Readies a relay socket for peers, unless it is ready.
    ///
    /// Most addresses that browsers collect never have a peer. So a socket is only bound at first, and costs half as much.
    fn on_hear(&mut self, at: AllocationId, family: Family) {
        let Some(relay) = self.sockets.unheard(at, family) else { return };
        let ready = relay.ready(family);
        self.server.count_unheard(relay.forget_unheard());
        let watched =
            ready.and_then(|fd| Ok(epoll::add(&self.epoll, &relay.socket, Token::Relay(fd).encode(), EventFlags::IN)?));
        match watched {
            Ok(()) => relay.is_heard = true,
            // The client's next permission, at the latest after five minutes, tries again.
            Err(error) => {
                self.io.add(IoEvent::RelaySocketFailed, 1);
                tracing::debug!(%error, "relay socket cannot hear its peers");
            }
        }
    }

    fn keep(&mut self, at: AllocationId, first: Holding, second: Option<Holding>, stream: Option<StreamId>) {
        let mut keep_socket = |family, socket: Option<UdpSocket>| {
            if let Some(socket) = socket {
                self.sockets.insert_relay(at, family, socket);
                self.egress.admit_relay(at.slot(), family);
            }
        };
        keep_socket(first.family, first.socket);
        let second = second.map(|second| {
            keep_socket(second.family, second.socket);
            second.charge
        });
        self.tenancies.insert(at, first.charge, second, stream);
        if let Some(stream) = stream.and_then(|id| self.streams.get_mut(id)) {
            stream.owns_allocation = true;
        }
    }

    fn on_close(&mut self, at: AllocationId, family: Family, relayed: RelayedSlot, now: Now) {
        // What the client sent before it let go still leaves; the answer to that leaves when all this is done.
        let relay = SocketKey::Relay(at.slot(), family);
        self.egress.flush_socket(relay, &self.arena, &self.sockets, &self.io, now.mono);
        let socket = self.sockets.remove_relay(at, family).map(|mut relay| {
            self.server.count_unheard(relay.forget_unheard());
            relay.socket
        });
        let returned = self.tenancies.give_back(at);
        if let Some(stream) = returned.as_ref().and_then(|returned| returned.freed_stream)
            && let Some(stream) = self.streams.get_mut(stream)
        {
            stream.owns_allocation = false;
            stream.active = now.mono;
        }
        self.release(socket, relayed, returned.map(|returned| returned.charge), now);
    }

    /// Gives everything back, the socket first: nobody is told of a port that is still bound.
    fn release(&self, socket: Option<UdpSocket>, relayed: RelayedSlot, charge: Option<Charge>, now: Now) {
        drop(socket);
        self.directory.release(relayed, now.mono);
        if let Some(charge) = charge {
            self.ledger().refund(charge);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Its methods do not panic half-way, so what a dying shard left is as good as any.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
