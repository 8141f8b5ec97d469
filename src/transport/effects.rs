//! What a shard does when its core asks for something: open and close relayed addresses, close connections, report.
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustix::event::epoll::EventFlags;

use crate::relay::AllocationId;
use crate::relay::Charge;
use crate::relay::Effect;
use crate::relay::Family;
use crate::relay::Ledger;
use crate::relay::Mode;
use crate::relay::OpenError;
use crate::relay::OpenId;
use crate::relay::Opened;
use crate::relay::PortWish;
use crate::relay::QuotaUser;
use crate::relay::RelayedSlot;
use crate::relay::StreamId;
use crate::time::Now;
use crate::transport::counters::IoEvent;
use crate::transport::shard::Shard;
use crate::transport::sockets;
use crate::transport::sockets::SocketKey;
use crate::transport::sockets::fd_index;
use crate::transport::token::Token;

/// Ports tried before an Allocate fails: other programs use some, and each failure rests in the directory.
const BIND_ATTEMPTS: u32 = 64;

/// What an Allocate was given.
struct Holdings {
    opened: Opened,
    charge: Charge,
    /// `None` in `single-port` mode.
    socket: Option<UdpSocket>,
}

impl Shard {
    /// Does everything that the core asks for.
    pub(super) fn on_effects(&mut self, now: Now) {
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Open { request, family, port, user, client_ip } => {
                    let outcome = self.open(family, port, &user, client_ip, now);
                    self.on_open(request, outcome, now);
                }
                Effect::Close { at, relayed } => self.on_close(at, relayed, now),
                Effect::CloseStream { stream } => self.doom(stream, IoEvent::StreamClosed),
                Effect::Ended(usage) => {
                    if self.usage.try_send(usage).is_err() {
                        self.io.add(IoEvent::UsageLost, 1);
                    }
                }
            }
        }
    }

    /// Tells the core what was opened and sends its answer.
    fn on_open(&mut self, request: OpenId, outcome: Result<Holdings, OpenError>, now: Now) {
        self.make_sendable(now);
        let (result, holdings) = match outcome {
            Ok(holdings) => (Ok(holdings.opened), Some(holdings)),
            Err(error) => (Err(error), None),
        };
        let answer = self.server.handle_opened(request, result, now, self.egress.reply_room());
        let stream = answer.and_then(|answer| answer.to.via.stream());
        match (holdings, answer.and_then(|answer| answer.at)) {
            (Some(holdings), Some(at)) => self.keep(at, holdings, stream),
            (Some(holdings), None) => {
                self.release(holdings.socket, holdings.opened.relayed, Some(holdings.charge), now);
            }
            (None, _) => {}
        }
        if let Some(answer) = answer.filter(|answer| answer.len > 0) {
            self.reply(answer.to, answer.len, now);
        }
    }

    /// Charges the user, claims a port, and opens its socket.
    fn open(
        &mut self,
        family: Family,
        port: PortWish,
        user: &QuotaUser,
        client_ip: IpAddr,
        now: Now,
    ) -> Result<Holdings, OpenError> {
        let charge = self.ledger().charge(user, client_ip)?;
        match self.claim(family, port, now) {
            Ok((opened, socket)) => Ok(Holdings { opened, charge, socket }),
            Err(error) => {
                self.ledger().refund(charge);
                Err(error)
            }
        }
    }

    fn claim(&self, family: Family, port: PortWish, now: Now) -> Result<(Opened, Option<UdpSocket>), OpenError> {
        for _ in 0..BIND_ATTEMPTS {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|_| OpenError::Socket)?;
            let Some(claimed) = self.directory.claim_any(family, port, random, now.mono) else {
                return Err(match port {
                    PortWish::Reserved(_) => OpenError::NoReservation,
                    PortWish::Any | PortWish::Even | PortWish::EvenAndNext => OpenError::NoPort,
                });
            };
            let opened = Opened { relayed: claimed.relayed, reserved: claimed.reserved };
            match self.config.mode {
                Mode::SinglePort => return Ok((opened, None)),
                Mode::Ports => {}
            }
            let address = self.directory.local_address(claimed.relayed).ok_or(OpenError::NoPort)?;
            match self.bind(address) {
                Ok(socket) => return Ok((opened, Some(socket))),
                Err(error) => {
                    self.io.add(IoEvent::RelaySocketFailed, 1);
                    self.directory.release(claimed.relayed, now.mono);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        tracing::debug!(%error, "relay socket not opened");
                        return Err(OpenError::Socket);
                    }
                }
            }
        }
        Err(OpenError::NoPort)
    }

    /// Opens a relay socket that epoll watches: what a peer sends at once must not be missed.
    fn bind(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = sockets::open_relay(address)?;
        let fd = u32::try_from(fd_index(&socket)).map_err(|_| io::ErrorKind::InvalidData)?;
        self.watch(&socket, Token::Relay(fd), EventFlags::IN)?;
        Ok(socket)
    }

    fn keep(&mut self, at: AllocationId, holdings: Holdings, stream: Option<StreamId>) {
        if let Some(socket) = holdings.socket {
            self.sockets.insert_relay(at, socket);
            self.egress.admit_relay(at.slot());
        }
        self.tenancies.insert(at, holdings.charge, stream);
        if let Some(stream) = stream.and_then(|id| self.streams.get_mut(id)) {
            stream.owns_allocation = true;
        }
    }

    fn on_close(&mut self, at: AllocationId, relayed: RelayedSlot, now: Now) {
        // What the client sent before it let go still leaves; the answer to that leaves when all this is done.
        let relay = SocketKey::Relay(at.slot());
        self.egress.flush_socket(relay, &self.arena, &self.sockets, &self.io, now.mono);
        let socket = self.sockets.remove_relay(at).map(|relay| relay.socket);
        let tenancy = self.tenancies.remove(at);
        if let Some(stream) = tenancy.as_ref().and_then(|tenancy| tenancy.stream)
            && let Some(stream) = self.streams.get_mut(stream)
        {
            stream.owns_allocation = false;
            stream.active = now.mono;
        }
        self.release(socket, relayed, tenancy.map(|tenancy| tenancy.charge), now);
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
