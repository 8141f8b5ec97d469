//! What a shard does with the packets of clients and peers.
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::relay::ClientAddr;
use crate::relay::Delivery;
use crate::relay::Family;
use crate::relay::FromClient;
use crate::relay::FromPeer;
use crate::relay::ListenerId;
use crate::relay::Via;
use crate::time::Now;
use crate::transport::arena::Arena;
use crate::transport::counters::IoEvent;
use crate::transport::egress::Message;
use crate::transport::egress::Payload;
use crate::transport::egress::Route;
use crate::transport::shard::Shard;
use crate::transport::sockets::SocketKey;
use crate::transport::udp::Datagram;
use crate::transport::udp::RECEIVE_BATCH;
use crate::transport::udp::TrafficClass;

/// Application data in the arena.
struct Received {
    payload: Range<usize>,
    /// Bytes before it that nobody reads any more: the head it came with.
    spent: usize,
}

/// Buffers taken from one relay socket at once: it serves one allocation, and the others wait meanwhile.
const RELAY_BATCH: usize = 8;

impl Shard {
    /// Takes one batch from a listener.
    pub(super) fn on_listener(&mut self, index: u8, now: Now) {
        self.make_room(RECEIVE_BATCH, now);
        let Some(listener) = self.sockets.listeners.get_mut(usize::from(index)) else { return };
        let room = self.arena.vacant(RECEIVE_BATCH);
        // An error is "nothing there": level-triggered epoll asks again if there is.
        let Ok(received) = self.receiver.receive(listener.socket.as_fd(), room, Arena::STRIDE) else { return };
        let bound = listener.bound;
        self.has_more |= received == RECEIVE_BATCH;
        self.io.add(IoEvent::ReceiveCall, 1);
        for at in 0..received {
            let (start, datagram) = self.take(at, SocketKey::Listener(ListenerId(index)));
            let Some(remote) = datagram.from.filter(|_| !datagram.truncated) else { continue };
            let mut local = bound;
            local.set_ip(datagram.local.unwrap_or(bound.ip()));
            let client = ClientAddr { via: Via::Udp(ListenerId(index)), local, remote };
            for piece in pieces(&datagram) {
                self.judge(client, start + piece.start..start + piece.end, datagram.class, now);
            }
        }
    }

    /// Takes one batch from a relay socket.
    pub(super) fn on_relay(&mut self, fd: u32, now: Now) {
        self.make_room(RELAY_BATCH, now);
        // The socket may have been closed earlier in this wake-up.
        let Some((key, relay)) = self.sockets.relay_by_fd(fd as usize) else { return };
        let at = relay.at;
        let room = self.arena.vacant(RELAY_BATCH);
        let Ok(received) = self.receiver.receive(relay.socket.as_fd(), room, Arena::STRIDE) else { return };
        self.has_more |= received == RELAY_BATCH;
        self.io.add(IoEvent::ReceiveCall, 1);
        for index in 0..received {
            let (start, datagram) = self.take(index, key);
            let Some(from) = datagram.from.filter(|_| !datagram.truncated) else { continue };
            for piece in pieces(&datagram) {
                match self.server.handle_peer(at, from, piece.len(), now) {
                    FromPeer::ToClient(delivery) => {
                        let data = Received { payload: start + piece.start..start + piece.end, spent: 0 };
                        self.deliver(&delivery, data, datagram.class, now);
                    }
                    FromPeer::Nothing => {}
                }
            }
        }
    }

    /// Keeps datagram `at` of the last receive call, counts it, and returns where it lies.
    fn take(&mut self, at: usize, socket: SocketKey) -> (usize, Datagram) {
        let start = self.arena.keep();
        let datagram = self.receiver.datagram(at);
        if let Some(drops) = datagram.drops {
            self.on_drop_count(socket, drops);
        }
        let count = datagram.segment.map_or(1, |segment| datagram.len.div_ceil(segment).max(1));
        self.packets += count;
        self.io.add(IoEvent::DatagramReceived, count);
        if count > 1 {
            self.io.add(IoEvent::ReceivedInRun, count);
        }
        (start, datagram)
    }

    /// Lets the core judge a packet of a client, which lies at `packet` in the arena, and does what it says.
    ///
    /// Data leaves marked as it came. RFC 8656 §14 (preferred behaviour).
    pub(super) fn judge(&mut self, client: ClientAddr, packet: Range<usize>, class: TrafficClass, now: Now) {
        self.make_sendable(now);
        let start = packet.start;
        let verdict = self.server.handle_client(client, self.arena.bytes(packet), now, self.egress.reply_room());
        let is_of_use = !matches!(verdict, FromClient::Nothing);
        match verdict {
            FromClient::Reply { len } => self.reply(client, len, now),
            FromClient::ToPeer { at, to, payload, dont_fragment } => {
                let payload = Payload::Received(start + payload.start..start + payload.end);
                let socket = SocketKey::Relay(at.slot(), Family::of(to.ip()));
                self.egress.push(
                    Route { socket, to, source: None, class, dont_fragment },
                    Message { head: None, payload, pad: 0 },
                );
            }
            FromClient::HandOver { to, payload } => {
                let spent = payload.start;
                let data = Received { payload: start + payload.start..start + payload.end, spent };
                self.deliver(&to, data, class, now);
            }
            FromClient::Opening | FromClient::Nothing => {}
        }
        if is_of_use && let Some(stream) = client.via.stream().and_then(|id| self.streams.get_mut(id)) {
            stream.active = now.mono;
        }
        self.on_effects(now);
    }

    /// Sends the first `len` bytes of the reply room to a client.
    pub(super) fn reply(&mut self, client: ClientAddr, len: usize, now: Now) {
        match client.via {
            Via::Udp(listener) => {
                let payload = self.egress.take_reply(len);
                let route = self.route_to(listener, client, TrafficClass::default());
                self.egress.push(route, Message { head: None, payload, pad: 0 });
            }
            Via::Tcp(stream) | Via::Tls(stream) => self.write_reply(stream, len, now),
        }
    }

    /// Makes sure that one more packet can be judged.
    pub(super) fn make_sendable(&mut self, now: Now) {
        if self.egress.is_full() {
            self.flush_egress(now);
        }
    }

    /// Sends received data to a client of this or another shard.
    fn deliver(&mut self, delivery: &Delivery, data: Received, class: TrafficClass, now: Now) {
        let client = delivery.client;
        match client.via {
            // Every shard has a socket on the client's listener, and to the client they are one.
            Via::Udp(listener) => {
                self.make_sendable(now);
                let route = self.route_to(listener, client, class);
                let message = self.message(delivery, data);
                self.egress.push(route, message);
            }
            Via::Tcp(stream) | Via::Tls(stream) if delivery.shard == self.id => {
                self.write_received(stream, delivery.head, data.payload, now);
            }
            Via::Tcp(stream) | Via::Tls(stream) => {
                let parts = [delivery.head.as_slice(), self.arena.bytes(data.payload)];
                let mailbox = self.mailboxes.get(usize::from(delivery.shard.0));
                if mailbox.is_none_or(|mailbox| mailbox.parcel(stream, parts).is_err()) {
                    self.io.add(IoEvent::MailboxFull, 1);
                }
            }
        }
    }

    /// Makes one datagram of head and data. The head takes the place of the one that the data came with, if it is no longer: then
    /// both lie in one piece, and so do those that came one behind the other.
    fn message(&mut self, delivery: &Delivery, data: Received) -> Message {
        let head = delivery.head.as_slice();
        let Received { payload, spent } = data;
        if head.len() > spent {
            return Message { head: Some(delivery.head), payload: Payload::Received(payload), pad: delivery.pad };
        }
        let start = payload.start - head.len();
        self.arena.write(start, head);
        Message { head: None, payload: Payload::Received(start..payload.end), pad: delivery.pad }
    }

    fn route_to(&self, listener: ListenerId, client: ClientAddr, class: TrafficClass) -> Route {
        Route {
            socket: SocketKey::Listener(listener),
            to: client.remote,
            source: self.source(listener, client),
            class,
            dont_fragment: false,
        }
    }

    /// Returns the source address to name, if the listener's socket does not imply it.
    fn source(&self, listener: ListenerId, client: ClientAddr) -> Option<IpAddr> {
        let listener = self.sockets.listeners.get(usize::from(listener.0))?;
        listener.is_wildcard().then_some(client.local.ip())
    }

    fn on_drop_count(&mut self, socket: SocketKey, drops: u32) {
        if let Some(known) = self.sockets.drops_mut(socket) {
            let new = drops.wrapping_sub(*known);
            *known = drops;
            self.io.add(IoEvent::KernelDrop, new as usize);
        }
    }
}

/// Where the datagrams lie that came as one; an empty one is one too.
fn pieces(datagram: &Datagram) -> impl Iterator<Item = Range<usize>> + use<> {
    let len = datagram.len;
    let step = datagram.segment.unwrap_or(len).max(1);
    (0..len.max(1)).step_by(step).map(move |at| at..(at + step).min(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(len: usize, segment: Option<usize>) -> Vec<Range<usize>> {
        let class = TrafficClass::default();
        pieces(&Datagram { len, from: None, local: None, drops: None, truncated: false, class, segment }).collect()
    }

    #[test]
    fn a_buffer_is_cut_into_its_datagrams() {
        assert_eq!(cut(0, None), vec![0..0]);
        assert_eq!(cut(5, None), vec![0..5]);
        assert_eq!(cut(6, Some(3)), vec![0..3, 3..6]);
        assert_eq!(cut(7, Some(3)), vec![0..3, 3..6, 6..7]);
        assert_eq!(cut(2, Some(3)), vec![0..2]);
    }
}
