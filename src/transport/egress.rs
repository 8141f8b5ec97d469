//! The egress: what a wake-up has to send, as references into the receive arena, one chain per socket.
//!
//! Nothing is copied: a message is a head of its own and a range of a received packet (or of an answer written here).
//! Chains keep the order in which messages were queued, so each flow leaves in the order in which it came.
use std::io::IoSlice;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use crate::relay::Head;
use crate::relay::REPLY_MAX;
use crate::transport::arena::Arena;
use crate::transport::counters::IoCounters;
use crate::transport::counters::IoEvent;
use crate::transport::sockets;
use crate::transport::sockets::SocketKey;
use crate::transport::sockets::Sockets;
use crate::transport::udp;
use crate::transport::udp::Outgoing;
use crate::transport::udp::SEND_BATCH;

/// Messages that wait at most; then they leave before the wake-up ends.
const MESSAGES: usize = 512;

/// Room for answers that wait, in bytes.
const REPLIES_LEN: usize = 64 * REPLY_MAX;

/// Padding of a Data indication. RFC 8489 §14.
const ZEROES: [u8; 3] = [0; 3];

/// What follows the head of a message.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// These bytes of the arena.
    Received(Range<usize>),
    /// These bytes of the answers.
    Reply(Range<usize>),
}

/// One datagram that waits.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) to: SocketAddr,
    /// The source address, on a socket bound to the unspecified address.
    pub(super) source: Option<IpAddr>,
    pub(super) head: Option<Head>,
    pub(super) payload: Payload,
    /// Zero bytes after the payload, at most 3.
    pub(super) pad: u8,
    /// Leaves with the DF bit.
    pub(super) dont_fragment: bool,
}

struct Message {
    queued: Queued,
    /// The next message of the same socket.
    next: Option<usize>,
}

/// The messages of one socket: first and last.
#[derive(Copy, Clone)]
struct Chain {
    first: usize,
    last: usize,
}

/// Datagrams that leave at the end of the wake-up.
pub(super) struct Egress {
    messages: Vec<Message>,
    /// Sockets that have a chain, in the order of their first message.
    waiting: Vec<SocketKey>,
    chain_by_listener: Vec<Option<Chain>>,
    /// Indexed by the slot of the allocation.
    chain_by_relay: Vec<Option<Chain>>,
    replies: Box<[u8]>,
    replies_len: usize,
    sender: udp::Sender,
}

impl Egress {
    /// An empty egress for a shard with this many listeners.
    pub(super) fn new(listeners: usize) -> Self {
        Self {
            messages: Vec::with_capacity(MESSAGES),
            waiting: Vec::with_capacity(MESSAGES),
            chain_by_listener: vec![None; listeners],
            chain_by_relay: Vec::new(),
            replies: vec![0; REPLIES_LEN].into_boxed_slice(),
            replies_len: 0,
            sender: udp::Sender::new(),
        }
    }

    /// Makes room for chains of the relay socket with this slot.
    pub(super) fn admit_relay(&mut self, slot: u32) {
        let slot = slot as usize;
        if self.chain_by_relay.len() <= slot {
            self.chain_by_relay.resize(slot + 1, None);
        }
    }

    /// Returns whether one more packet may need [`Egress::flush`] first.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= MESSAGES || REPLIES_LEN - self.replies_len < REPLY_MAX
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

    /// Puts a message at the end of its socket's chain.
    pub(super) fn push(&mut self, socket: SocketKey, queued: Queued) {
        let at = self.messages.len();
        let Some(chain) = self.chain_mut(socket) else { return };
        match chain {
            Some(chain) => {
                let last = std::mem::replace(&mut chain.last, at);
                self.messages[last].next = Some(at);
            }
            None => {
                *chain = Some(Chain { first: at, last: at });
                self.waiting.push(socket);
            }
        }
        self.messages.push(Message { queued, next: None });
    }

    /// Sends everything that waits.
    pub(super) fn flush(&mut self, arena: &Arena, sockets: &Sockets, counters: &IoCounters) {
        for at in 0..self.waiting.len() {
            self.flush_socket(self.waiting[at], arena, sockets, counters);
        }
        self.waiting.clear();
        self.messages.clear();
        self.replies_len = 0;
    }

    /// Sends what waits for one socket, and nothing else.
    pub(super) fn flush_socket(&mut self, key: SocketKey, arena: &Arena, sockets: &Sockets, counters: &IoCounters) {
        let chain = self.chain_mut(key).and_then(Option::take);
        if let (Some(chain), Some(socket)) = (chain, sockets.descriptor(key)) {
            let waiting = Waiting { messages: &self.messages, replies: &self.replies, arena };
            send_chain(&waiting, &mut self.sender, socket, chain.first, counters);
        }
    }

    fn chain_mut(&mut self, key: SocketKey) -> Option<&mut Option<Chain>> {
        match key {
            SocketKey::Listener(id) => self.chain_by_listener.get_mut(usize::from(id.0)),
            SocketKey::Relay(slot) => self.chain_by_relay.get_mut(slot as usize),
        }
    }
}

/// Where queued bytes lie.
struct Waiting<'a> {
    messages: &'a [Message],
    replies: &'a [u8],
    arena: &'a Arena,
}

impl<'a> Waiting<'a> {
    /// Returns the bytes of a message: head, payload, padding.
    fn parts(&self, queued: &'a Queued) -> [&'a [u8]; 3] {
        let head = queued.head.as_ref().map_or(&[][..], Head::as_slice);
        let payload = match &queued.payload {
            Payload::Received(range) => self.arena.bytes(range.clone()),
            Payload::Reply(range) => &self.replies[range.clone()],
        };
        [head, payload, &ZEROES[..usize::from(queued.pad).min(ZEROES.len())]]
    }
}

/// Sends one socket's chain, batch by batch.
fn send_chain(
    waiting: &Waiting<'_>,
    sender: &mut udp::Sender,
    socket: BorrowedFd<'_>,
    first: usize,
    counters: &IoCounters,
) {
    let mut next = Some(first);
    while let Some(first) = next {
        // DF is a property of the socket, so a batch is all with it or all without. IPv6 has no such bit.
        let mark = |message: &Message| message.queued.dont_fragment && message.queued.to.is_ipv4();
        let marked = mark(&waiting.messages[first]);
        let mut parts = [IoSlice::new(&[]); 3 * SEND_BATCH];
        let mut parts_len = 0;
        let mut ends = [(first, 0); SEND_BATCH];
        let mut count = 0;
        while let Some(at) = next
            && count < SEND_BATCH
            && mark(&waiting.messages[at]) == marked
        {
            for part in waiting.parts(&waiting.messages[at].queued) {
                if !part.is_empty() {
                    parts[parts_len] = IoSlice::new(part);
                    parts_len += 1;
                }
            }
            ends[count] = (at, parts_len);
            count += 1;
            next = waiting.messages[at].next;
        }
        let mut batch = [Outgoing { to: waiting.messages[first].queued.to, source: None, parts: &[] }; SEND_BATCH];
        let mut begin = 0;
        for (outgoing, (at, end)) in batch.iter_mut().zip(ends).take(count) {
            let queued = &waiting.messages[at].queued;
            *outgoing = Outgoing { to: queued.to, source: queued.source, parts: &parts[begin..end] };
            begin = end;
        }
        if !marked {
            send_batch(sender, socket, &batch[..count], counters);
        } else if sockets::set_dont_fragment(socket, true).is_ok() {
            send_batch(sender, socket, &batch[..count], counters);
            // Failing here is not failing to send: the next datagrams carry the bit too, and are still right on most ways.
            let _ = sockets::set_dont_fragment(socket, false);
        } else {
            counters.add(IoEvent::SendRefused, count);
        }
    }
}

/// Sends what can be sent; a datagram that cannot is dropped and counted, as on any other hop.
fn send_batch(sender: &mut udp::Sender, socket: BorrowedFd<'_>, batch: &[Outgoing<'_>], counters: &IoCounters) {
    let mut rest = batch;
    let mut retried = false;
    while !rest.is_empty() {
        counters.add(IoEvent::SendCall, 1);
        let error = match sender.send(socket, rest) {
            Ok(sent) => {
                counters.add(IoEvent::DatagramSent, sent);
                rest = &rest[sent..];
                retried = false;
                continue;
            }
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EINTR) => continue,
            // Waiting for room would only make what is behind it older.
            Some(libc::EAGAIN | libc::ENOBUFS) => {
                counters.add(IoEvent::SendBufferFull, rest.len());
                return;
            }
            Some(libc::EMSGSIZE) => counters.add(IoEvent::SendTooLong, 1),
            // The error may belong to an earlier datagram to another peer (an ICMP message made it); asking again tells.
            _ if !retried => {
                counters.add(IoEvent::SendRetried, 1);
                retried = true;
                continue;
            }
            _ => counters.add(IoEvent::SendRefused, 1),
        }
        rest = &rest[1..];
        retried = false;
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    fn peer() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let address = socket.local_addr().expect("an address");
        (socket, address)
    }

    /// Sends these payloads from `socket`, and returns the counters.
    fn send(socket: &UdpSocket, datagrams: &[(SocketAddr, &[u8])]) -> IoCounters {
        let counters = IoCounters::default();
        let parts: Vec<_> = datagrams.iter().map(|(_, payload)| [IoSlice::new(payload)]).collect();
        let pairs = datagrams.iter().zip(&parts);
        let batch: Vec<_> = pairs.map(|((to, _), parts)| Outgoing { to: *to, source: None, parts }).collect();
        send_batch(&mut udp::Sender::new(), socket.as_fd(), &batch, &counters);
        counters
    }

    fn received(peer: &UdpSocket) -> Vec<u8> {
        let mut datagram = [0; 64];
        let len = peer.recv(&mut datagram).expect("a datagram in time");
        datagram[..len].to_vec()
    }

    #[test]
    fn an_error_that_belongs_to_another_peer_costs_no_datagram() {
        let (living, to_living) = peer();
        let to_gone = peer().1;
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // A connected socket is told of closed ports, and reports it with whatever is sent next.
        socket.connect(to_gone).expect("a way");
        socket.send(b"lost").expect("sending");
        let counters = send(&socket, &[(to_living, b"one"), (to_gone, b"lost"), (to_living, b"two")]);
        assert_eq!((received(&living), received(&living)), (b"one".to_vec(), b"two".to_vec()));
        assert_eq!((counters.count(IoEvent::SendRetried), counters.count(IoEvent::SendRefused)), (1, 0));
        assert_eq!(counters.count(IoEvent::DatagramSent), 3);
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_others() {
        let (living, to_living) = peer();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let long = [0; 65_508];
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let batch = [(to_living, &b"one"[..]), (to_living, &long), (nowhere, b"lost"), (to_living, b"two")];
        let counters = send(&socket, &batch);
        assert_eq!((received(&living), received(&living)), (b"one".to_vec(), b"two".to_vec()));
        let events = [IoEvent::DatagramSent, IoEvent::SendTooLong, IoEvent::SendRetried, IoEvent::SendRefused];
        assert_eq!(events.map(|event| counters.count(event)), [2, 1, 1, 1]);
    }
}
