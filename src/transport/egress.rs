//! The egress: what a wake-up has to send, as references into the receive arena.
//!
//! Nothing is copied: a message is a head of its own and a range of a received packet (or of an answer written here).
//! Messages of one socket to one destination with one length make a run, which leaves as one buffer that the kernel
//! cuts (UDP_SEGMENT), also when they arrived singly. A run is only ever the newest one of its destination, and runs
//! leave in the order in which they began, so each flow leaves in the order in which it came.
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::Range;

use crate::relay::Family;
use crate::relay::Head;
use crate::relay::REPLY_MAX;
use crate::time::Mono;
use crate::transport::arena::Arena;
use crate::transport::counters::IoCounters;
use crate::transport::dispatch::dispatch;
use crate::transport::segmentation::Segmentation;
use crate::transport::sockets::SocketKey;
use crate::transport::sockets::Sockets;
use crate::transport::udp;
use crate::transport::udp::SEGMENTS;
use crate::transport::udp::TrafficClass;

/// Messages that wait at most; then they leave before the wake-up ends.
const MESSAGES: usize = 2048;

/// Bytes of the longest run: the longest UDP payload over IPv4.
const RUN_BYTES: usize = 65_507;

/// Destinations whose newest run can be found; more share places, which only makes runs shorter.
const NEWEST: usize = 256;

/// How many destinations are remembered until the kernel's report about them is read.
const TOO_LONG: usize = 64;

/// Room for answers that wait, in bytes.
const REPLIES_LEN: usize = 64 * REPLY_MAX;

/// Padding of a Data indication. RFC 8489 §14.
const ZEROES: [u8; 3] = [0; 3];

/// How datagrams of one flow leave; those that differ in it cannot be in one run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) socket: SocketKey,
    pub(super) to: SocketAddr,
    /// The source address, on a socket bound to the unspecified address.
    pub(super) source: Option<IpAddr>,
    pub(super) class: TrafficClass,
    /// Leaves with the DF bit, or not at all if it is too long for an IPv6 path.
    pub(super) dont_fragment: bool,
}

/// What follows the head of a message.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// These bytes of the arena.
    Received(Range<usize>),
    /// These bytes of the answers.
    Reply(Range<usize>),
}

impl Payload {
    fn len(&self) -> usize {
        match self {
            Payload::Received(range) | Payload::Reply(range) => range.len(),
        }
    }
}

/// One datagram that waits.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) head: Option<Head>,
    pub(super) payload: Payload,
    /// Zero bytes after the payload, at most 3.
    pub(super) pad: u8,
}

impl Message {
    fn len(&self) -> usize {
        self.head.as_ref().map_or(0, |head| head.as_slice().len()) + self.payload.len() + usize::from(self.pad)
    }
}

struct Link {
    message: Message,
    /// The next message of the same run.
    next: Option<usize>,
}

/// Datagrams that can leave as one.
pub(super) struct Run {
    pub(super) route: Route,
    /// Bytes of each datagram; the last one may be shorter.
    pub(super) segment: usize,
    pub(super) count: usize,
    /// The first message.
    pub(super) first: usize,
    /// The next run of the same socket.
    pub(super) next: Option<usize>,
    last: usize,
    bytes: usize,
    /// Whether more can be added.
    is_open: bool,
}

impl Run {
    fn admits(&self, route: &Route, len: usize) -> bool {
        self.is_open
            // The kernel makes no empty segments.
            && (1..=self.segment).contains(&len)
            && self.count < SEGMENTS
            && self.bytes + len <= RUN_BYTES
            && self.route == *route
    }
}

/// The runs of one socket: first and last.
#[derive(Copy, Clone)]
struct Chain {
    first: usize,
    last: usize,
}

/// What waits at one socket.
#[derive(Clone, Default)]
struct Lane {
    chain: Option<Chain>,
    segmentation: Segmentation,
}

/// Datagrams that leave at the end of the wake-up.
pub(super) struct Egress {
    links: Vec<Link>,
    runs: Vec<Run>,
    /// By destination: the run that began last.
    newest: Box<[usize; NEWEST]>,
    /// Sockets that have a chain, in the order of their first message.
    waiting: Vec<SocketKey>,
    lane_by_listener: Vec<Lane>,
    /// Indexed by family, then by the slot of the allocation.
    lane_by_relay: [Vec<Lane>; Family::ALL.len()],
    replies: Box<[u8]>,
    replies_len: usize,
    sender: udp::Sender,
    /// Relay sockets and destinations whose datagrams were too long lately, and might not be fragmented.
    too_long: VecDeque<(SocketKey, SocketAddr)>,
}

impl Egress {
    /// An empty egress for a shard with this many listeners.
    pub(super) fn new(listeners: usize) -> Self {
        Self {
            links: Vec::with_capacity(MESSAGES),
            runs: Vec::with_capacity(MESSAGES),
            newest: Box::new([0; NEWEST]),
            waiting: Vec::with_capacity(MESSAGES),
            lane_by_listener: vec![Lane::default(); listeners],
            lane_by_relay: [Vec::new(), Vec::new()],
            replies: vec![0; REPLIES_LEN].into_boxed_slice(),
            replies_len: 0,
            sender: udp::Sender::new(),
            too_long: VecDeque::with_capacity(TOO_LONG),
        }
    }

    /// Makes room for what the new relay socket with this slot and family has to send.
    pub(super) fn admit_relay(&mut self, slot: u32, family: Family) {
        let (slot, lane_by_relay) = (slot as usize, &mut self.lane_by_relay[family as usize]);
        if lane_by_relay.len() <= slot {
            lane_by_relay.resize(slot + 1, Lane::default());
        }
        lane_by_relay[slot].segmentation = Segmentation::default();
    }

    /// Returns whether one more packet may need [`Egress::flush`] first.
    pub(super) fn is_full(&self) -> bool {
        self.links.len() >= MESSAGES || REPLIES_LEN - self.replies_len < REPLY_MAX
    }

    /// Lends the core room for an answer; [`Egress::take_reply`] keeps it. Not to be called while full.
    pub(super) fn reply_room(&mut self) -> &mut [u8] {
        &mut self.replies[self.replies_len..][..REPLY_MAX]
    }

    /// Keeps the first `len` bytes of the room lent last.
    pub(super) fn take_reply(&mut self, len: usize) -> Payload {
        let first = self.replies_len;
        self.replies_len += len.min(REPLY_MAX);
        Payload::Reply(first..self.replies_len)
    }

    /// Queues a message.
    pub(super) fn push(&mut self, route: Route, message: Message) {
        let len = message.len();
        let at = self.links.len();
        self.links.push(Link { message, next: None });
        let place = place_of(&route);
        if let Some(run) = self.runs.get_mut(self.newest[place])
            && run.admits(&route, len)
        {
            let before = std::mem::replace(&mut run.last, at);
            run.count += 1;
            run.bytes += len;
            // Only the last datagram of a buffer may be shorter than the others.
            run.is_open = len == run.segment;
            self.links[before].next = Some(at);
            return;
        }
        self.newest[place] = self.runs.len();
        self.begin_run(Run {
            route,
            segment: len,
            count: 1,
            first: at,
            next: None,
            last: at,
            bytes: len,
            is_open: true,
        });
    }

    /// Puts a run at the end of its socket's chain.
    fn begin_run(&mut self, run: Run) {
        let (at, socket) = (self.runs.len(), run.route.socket);
        let Some(lane) = self.lane_mut(socket) else { return };
        match &mut lane.chain {
            Some(chain) => {
                let before = std::mem::replace(&mut chain.last, at);
                self.runs[before].next = Some(at);
            }
            chain @ None => {
                *chain = Some(Chain { first: at, last: at });
                self.waiting.push(socket);
            }
        }
        self.runs.push(run);
    }

    /// Sends everything that waits.
    pub(super) fn flush(&mut self, arena: &Arena, sockets: &Sockets, counters: &IoCounters, now: Mono) {
        for at in 0..self.waiting.len() {
            self.flush_socket(self.waiting[at], arena, sockets, counters, now);
        }
        self.waiting.clear();
        self.runs.clear();
        self.links.clear();
        self.replies_len = 0;
    }

    /// Sends what waits for one socket, and nothing else.
    pub(super) fn flush_socket(
        &mut self,
        key: SocketKey,
        arena: &Arena,
        sockets: &Sockets,
        counters: &IoCounters,
        now: Mono,
    ) {
        let lane = match key {
            SocketKey::Listener(id) => self.lane_by_listener.get_mut(usize::from(id.0)),
            SocketKey::Relay(slot, family) => self.lane_by_relay[family as usize].get_mut(slot as usize),
        };
        let Some(lane) = lane else { return };
        let Some(chain) = lane.chain.take() else { return };
        if let Some(socket) = sockets.descriptor(key) {
            let waiting = Waiting { links: &self.links, runs: &self.runs, replies: &self.replies, arena };
            let too_long =
                dispatch(&waiting, chain.first, socket, &mut self.sender, &mut lane.segmentation, counters, now);
            if let Some(to) = too_long {
                self.too_long.truncate(TOO_LONG - 1);
                self.too_long.push_front((key, to));
            }
        }
        // These runs are gone; what comes later for the same destination makes a new one.
        let mut next = Some(chain.first);
        while let Some(run) = next.and_then(|at| self.runs.get_mut(at)) {
            run.is_open = false;
            next = run.next;
        }
    }

    /// Returns where a socket sent a datagram last that was too long and might not be fragmented.
    pub(super) fn too_long(&self, socket: SocketKey) -> Option<SocketAddr> {
        let found = self.too_long.iter().find(|(key, _)| *key == socket);
        found.map(|(_, to)| *to)
    }

    fn lane_mut(&mut self, key: SocketKey) -> Option<&mut Lane> {
        match key {
            SocketKey::Listener(id) => self.lane_by_listener.get_mut(usize::from(id.0)),
            SocketKey::Relay(slot, family) => self.lane_by_relay[family as usize].get_mut(slot as usize),
        }
    }
}

/// Where the newest run of a destination is kept. Whoever makes destinations meet here only makes their runs shorter.
fn place_of(route: &Route) -> usize {
    let socket = match route.socket {
        SocketKey::Listener(id) => u32::from(id.0),
        SocketKey::Relay(slot, _) => slot.wrapping_add(256),
    };
    let ip = match route.to.ip() {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            (bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32
        }
    };
    // 2^32 divided by the golden ratio: the upper byte depends on every bit.
    let mixed = (ip ^ u32::from(route.to.port()) << 16 ^ socket).wrapping_mul(0x9E37_79B1);
    (mixed >> 24) as usize % NEWEST
}

/// Messages and where their bytes lie.
pub(super) struct Waiting<'a> {
    links: &'a [Link],
    pub(super) runs: &'a [Run],
    replies: &'a [u8],
    arena: &'a Arena,
}

/// Parts of one message at most: head, payload, padding.
pub(super) const MESSAGE_PARTS: usize = 3;

impl<'a> Waiting<'a> {
    /// Returns the bytes of one message, and which message of its run comes next.
    pub(super) fn message(&self, at: usize) -> ([&'a [u8]; MESSAGE_PARTS], Option<usize>) {
        let Link { message, next } = &self.links[at];
        let head = message.head.as_ref().map_or(&[][..], Head::as_slice);
        let payload = match &message.payload {
            Payload::Received(range) => self.arena.bytes(range.clone()),
            Payload::Reply(range) => &self.replies[range.clone()],
        };
        ([head, payload, &ZEROES[..usize::from(message.pad).min(ZEROES.len())]], *next)
    }

    /// Returns the bytes of all messages of a run.
    pub(super) fn run(&self, run: &Run) -> impl Iterator<Item = &'a [u8]> {
        let mut next = Some(run.first);
        std::iter::from_fn(move || {
            let (parts, following) = self.message(next?);
            next = following;
            Some(parts)
        })
        .flatten()
    }
}

#[cfg(test)]
mod tests;
