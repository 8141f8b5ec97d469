//! The floor: a forwarder that knows no protocol, to measure what the kernel alone costs.
//!
//! It does a relay's input and output and nothing else: no credentials, permissions, lifetimes, limits or look-ups. A
//! channel number is an index, and clients say what belongs to it by an Allocate and a ChannelBind that nobody checks.
use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::bench::runs::Runs;
use crate::bench::wire::bind;
use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::Writer;
use crate::stun::channel_data;
use crate::transport::udp;
use crate::transport::udp::RECEIVE_BATCH;

/// Room for a datagram, and for several that come as one; neither is a multiple of a page.
const SINGLE: usize = 2048 + 64;
const MERGED: usize = 65_536 + 4096 + 320;

/// Datagrams of one wake-up at most.
const SLOTS: usize = 192;

/// Datagrams taken from one relay socket at once.
const RELAY_BATCH: usize = 8;

const EVENTS: usize = 256;

/// The token of the listener; those of relay sockets are their numbers.
const LISTENER: u64 = u64::MAX;

/// Channel numbers that there are: 0x4000 to 0x4FFF. RFC 8656 §12.
const CHANNELS: usize = 0x1000;

/// How packets of one destination and length are treated.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Merging {
    /// Each leaves by itself.
    Plain,
    /// Those that arrived in one wake-up leave as one.
    Send,
    /// They also arrive as one, if the kernel has them together.
    Both,
}

/// A relayed address.
struct Relay {
    socket: UdpSocket,
    address: SocketAddr,
    client: SocketAddr,
    peer: Option<SocketAddr>,
    channel: u16,
    /// The peer is this one's client.
    partner: Option<usize>,
}

/// The forwarder.
pub(crate) struct Floor {
    epoll: OwnedFd,
    listener: UdpSocket,
    relays: Vec<Option<Relay>>,
    relay_by_channel: Box<[Option<usize>]>,
    receiver: udp::Receiver,
    runs: Runs,
    room: Box<[u8]>,
    slot: usize,
    used: usize,
    merging: Merging,
}

impl Floor {
    /// Opens the listener.
    ///
    /// # Errors
    ///
    /// What the system calls report.
    pub(crate) fn open(listen: SocketAddr, merging: Merging) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listener = bind(listen, merging == Merging::Both)?;
        epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), EventFlags::IN)?;
        let slot = if merging == Merging::Both { MERGED } else { SINGLE };
        Ok(Self {
            epoll,
            listener,
            relays: Vec::new(),
            relay_by_channel: vec![None; CHANNELS].into_boxed_slice(),
            receiver: udp::Receiver::new(),
            runs: Runs::new(merging != Merging::Plain),
            room: vec![0; slot * SLOTS].into_boxed_slice(),
            slot,
            used: 0,
            merging,
        })
    }

    /// The address that clients reach it at.
    ///
    /// # Errors
    ///
    /// What `getsockname` reports.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Forwards until the process is ended.
    ///
    /// # Errors
    ///
    /// What `epoll` reports.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                if SLOTS - self.used < RECEIVE_BATCH {
                    self.flush();
                }
                match event.data.u64() {
                    LISTENER => self.on_listener(),
                    relay => self.on_relay(usize::try_from(relay).unwrap_or(usize::MAX)),
                }
            }
            self.flush();
        }
    }

    fn on_listener(&mut self) {
        let first = self.used * self.slot;
        let room = &mut self.room[first..];
        let Ok(received) = self.receiver.receive(self.listener.as_fd(), room, self.slot) else { return };
        for at in 0..received {
            let start = first + at * self.slot;
            let datagram = self.receiver.datagram(at);
            let step = datagram.segment.unwrap_or(datagram.len).max(1);
            for begin in (start..start + datagram.len).step_by(step) {
                let end = (begin + step).min(start + datagram.len);
                if self.room[begin] >> 6 == 0b01 {
                    self.forward(begin, end);
                } else if let Some(from) = datagram.from {
                    // Setting up is not what is measured: it may take its time.
                    let _ = self.on_request(from, begin..end);
                }
            }
        }
        self.used += received;
    }

    /// Sends a client's packet on: without its head to the peer, or with the head exchanged to the partner's client.
    fn forward(&mut self, begin: usize, end: usize) {
        let channel = usize::from(u16::from_be_bytes([self.room[begin], self.room[begin + 1]]) & 0x3FFF);
        let Some(relay) = self.relay_by_channel.get(channel).copied().flatten() else { return };
        let partner = self.relays.get(relay).and_then(Option::as_ref).and_then(|relay| relay.partner);
        let Some(partner) = partner else {
            return self.runs.push(to_peer(relay), None, begin + channel_data::HEADER_LEN, end - begin - 4);
        };
        let Some(other) = self.relays.get(partner).and_then(Option::as_ref) else { return };
        self.room[begin..begin + 2].copy_from_slice(&other.channel.to_be_bytes());
        self.runs.push(to_client(partner), None, begin, end - begin);
    }

    fn on_relay(&mut self, number: usize) {
        let Some(relay) = self.relays.get(number).and_then(Option::as_ref) else { return };
        let first = self.used * self.slot;
        let room = &mut self.room[first..first + RELAY_BATCH * self.slot];
        let Ok(received) = self.receiver.receive(relay.socket.as_fd(), room, self.slot) else { return };
        for at in 0..received {
            let start = first + at * self.slot;
            let datagram = self.receiver.datagram(at);
            let step = datagram.segment.unwrap_or(datagram.len).max(1);
            for begin in (start..start + datagram.len).step_by(step) {
                let len = step.min(start + datagram.len - begin);
                let [n0, n1] = relay.channel.to_be_bytes();
                let [l0, l1] = u16::try_from(len).unwrap_or(0).to_be_bytes();
                self.runs.push(to_client(number), Some([n0, n1, l0, l1]), begin, len);
            }
        }
        self.used += received;
    }

    fn flush(&mut self) {
        let Self { runs, room, relays, listener, .. } = self;
        runs.flush(room, |place| {
            let relay = relays.get(place / 2)?.as_ref()?;
            Some(if place == to_client(place / 2) {
                (listener.as_fd(), relay.client)
            } else {
                (relay.socket.as_fd(), relay.peer?)
            })
        });
        self.used = 0;
    }

    /// Grants whatever is asked.
    fn on_request(&mut self, from: SocketAddr, at: std::ops::Range<usize>) -> Option<()> {
        let bytes = self.room.get(at)?.to_vec();
        let request = Message::parse(&bytes).ok()?;
        let number = self.relays.iter().position(|relay| relay.as_ref().is_some_and(|relay| relay.client == from));
        let mut relayed = None;
        match (request.method(), number) {
            (Method::ALLOCATE, None) => relayed = Some(self.allocate(from).ok()?),
            (Method::ALLOCATE, Some(number)) => relayed = self.relays.get(number)?.as_ref().map(|relay| relay.address),
            (Method::CHANNEL_BIND, Some(number)) => self.bind_channel(number, &request)?,
            (Method::REFRESH, Some(number)) if request.u32(AttributeType::LIFETIME) == Some(Ok(0)) => {
                *self.relays.get_mut(number)? = None;
            }
            (_, _) => {}
        }
        let mut answer = [0; 256];
        let mut writer = Writer::new(&mut answer, Class::Success, request.method(), request.transaction_id());
        if let Some(relayed) = relayed {
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed).u32(AttributeType::LIFETIME, 3600);
        }
        let len = writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, from).finish().ok()?;
        self.listener.send_to(answer.get(..len)?, from).ok()?;
        Some(())
    }

    fn allocate(&mut self, client: SocketAddr) -> io::Result<SocketAddr> {
        let socket = bind(SocketAddr::new(self.listener.local_addr()?.ip(), 0), self.merging == Merging::Both)?;
        let address = socket.local_addr()?;
        let free = self.relays.iter().position(Option::is_none);
        let number = free.unwrap_or(self.relays.len());
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(number as u64), EventFlags::IN)?;
        let relay = Some(Relay { socket, address, client, peer: None, channel: 0, partner: None });
        match self.relays.get_mut(number) {
            Some(place) => *place = relay,
            None => self.relays.push(relay),
        }
        Ok(address)
    }

    fn bind_channel(&mut self, number: usize, request: &Message<'_>) -> Option<()> {
        let channel = request.u32(AttributeType::CHANNEL_NUMBER)?.ok()? >> 16;
        let channel = ChannelNumber::new(u16::try_from(channel).ok()?)?.number();
        let peer = request.xor_address(AttributeType::XOR_PEER_ADDRESS)?.ok()?;
        let partner = self.relays.iter().position(|relay| relay.as_ref().is_some_and(|relay| relay.address == peer));
        *self.relay_by_channel.get_mut(usize::from(channel & 0x3FFF))? = Some(number);
        let relay = self.relays.get_mut(number)?.as_mut()?;
        (relay.channel, relay.peer, relay.partner) = (channel, Some(peer), partner);
        Some(())
    }
}

/// Places of [`Runs`]: two for each relayed address.
const fn to_client(relay: usize) -> usize {
    2 * relay
}

const fn to_peer(relay: usize) -> usize {
    2 * relay + 1
}
