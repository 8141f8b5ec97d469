//! What leaves, through real sockets on loopback.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use proptest::prelude::*;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use super::*;
use crate::relay::ListenerId;
use crate::transport::counters::IoEvent;
use crate::transport::sockets::Listener;

const NOW: Mono = Mono::from_start(Duration::ZERO);
const SOCKET: SocketKey = SocketKey::Listener(ListenerId(0));

fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn received(peer: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_535];
    let len = peer.recv(&mut datagram).expect("a datagram in time");
    datagram.truncate(len);
    datagram
}

/// An egress with one socket.
struct Sending {
    egress: Egress,
    sockets: Sockets,
    arena: Arena,
    counters: IoCounters,
}

impl Sending {
    fn new() -> Self {
        Self::from(UdpSocket::bind("127.0.0.1:0").expect("a socket"))
    }

    fn from(socket: UdpSocket) -> Self {
        let bound = socket.local_addr().expect("an address");
        Self {
            egress: Egress::new(1),
            sockets: Sockets::new(vec![Listener { socket, bound, drops: 0 }]),
            arena: Arena::new(),
            counters: IoCounters::default(),
        }
    }

    fn push(&mut self, to: SocketAddr, class: u8, payload: &[u8]) {
        let start = self.arena.keep();
        // The slot is kept, so its bytes are written as the kernel would have: before it was kept.
        self.arena.write(start, payload);
        let route = Route { socket: SOCKET, to, source: None, class: TrafficClass(class), dont_fragment: false };
        let payload = Payload::Received(start..start + payload.len());
        self.egress.push(route, Message { head: None, payload, pad: 0 });
    }

    fn flush(&mut self) {
        self.egress.flush(&self.arena, &self.sockets, &self.counters, NOW);
        self.arena.clear();
    }

    fn counts<const N: usize>(&self, events: [IoEvent; N]) -> [u64; N] {
        events.map(|event| self.counters.count(event))
    }
}

#[test]
fn datagrams_of_one_length_to_one_peer_leave_in_one_buffer() {
    let (peer, to) = peer();
    let mut sending = Sending::new();
    for payload in [&b"one!"[..], b"two!", b"end", b"next"] {
        sending.push(to, 0, payload);
    }
    sending.flush();
    assert_eq!([(); 4].map(|()| received(&peer)), [&b"one!"[..], b"two!", b"end", b"next"]);
    let events = [IoEvent::SendCall, IoEvent::DatagramSent, IoEvent::SentInRun];
    assert_eq!(sending.counts(events), [1, 4, 3], "the shorter one ends its run");
}

#[test]
fn interleaved_flows_make_a_run_each() {
    let ((a, to_a), (b, to_b)) = (peer(), peer());
    let mut sending = Sending::new();
    for at in 0..6_u8 {
        sending.push(if at % 2 == 0 { to_a } else { to_b }, 0, &[at; 100]);
    }
    sending.flush();
    assert_eq!([(); 3].map(|()| received(&a)[0]), [0, 2, 4]);
    assert_eq!([(); 3].map(|()| received(&b)[0]), [1, 3, 5]);
    assert_eq!(sending.counts([IoEvent::SendCall, IoEvent::SentInRun]), [1, 6]);
}

#[test]
fn empty_datagrams_leave_singly() {
    let (peer, to) = peer();
    let mut sending = Sending::new();
    for payload in [&b""[..], b"", b"x", b""] {
        sending.push(to, 0, payload);
    }
    sending.flush();
    assert_eq!([(); 4].map(|()| received(&peer)), [&b""[..], b"", b"x", b""]);
}

#[test]
fn differently_marked_datagrams_are_not_mixed() {
    let (peer, to) = peer();
    let mut sending = Sending::new();
    for (class, payload) in [(0, b"plain"), (0xB8, b"voice"), (0, b"again")] {
        sending.push(to, class, payload);
    }
    sending.flush();
    assert_eq!([(); 3].map(|()| received(&peer)), [b"plain", b"voice", b"again"]);
    assert_eq!(sending.counts([IoEvent::SentInRun]), [0]);
}

#[test]
fn a_run_that_the_kernel_will_not_cut_leaves_singly_and_the_next_is_not_tried() {
    let (peer, to) = peer();
    let mut sending = Sending::new();
    crate::transport::udp::refuse_segments(sending.sockets.listeners[0].socket.as_fd()).expect("an option");
    for round in 0..2 {
        for at in 0..3_u8 {
            sending.push(to, 0, &[round, at, 0, 0]);
        }
        sending.push(to, 0, &[round, 3]);
        sending.flush();
        assert_eq!([(); 4].map(|()| received(&peer)[1]), [0, 1, 2, 3]);
    }
    assert_eq!(sending.counts([IoEvent::RunRefused, IoEvent::SentInRun, IoEvent::DatagramSent]), [1, 0, 8]);
}

#[test]
fn where_nothing_can_be_cut_the_kernel_is_asked_once() {
    // Buffers of UDP-Lite cannot be cut (EIO), as those for a route whose packets are encrypted. RFC 3828.
    let lite = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::from(libc::IPPROTO_UDPLITE)));
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("an address");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        UdpSocket::from(socket)
    };
    let (peer, mut sending) = (lite(), Sending::from(lite()));
    let to = peer.local_addr().expect("an address");
    for (round, len) in [1200, 1200, 4].into_iter().enumerate() {
        for at in 0..4_u8 {
            sending.push(to, 0, &vec![at; len]);
        }
        sending.flush();
        assert_eq!([(); 4].map(|()| received(&peer)), [0, 1, 2, 3].map(|at| vec![at; len]), "round {round}");
    }
    assert_eq!(sending.counts([IoEvent::RunRefused, IoEvent::SentInRun, IoEvent::DatagramSent]), [1, 0, 12]);
}

#[test]
fn an_error_that_belongs_to_another_peer_costs_no_datagram() {
    let (living, to_living) = peer();
    // It hears only from where nobody sends, and nobody else gets its port.
    let (gone, to_gone) = peer();
    gone.connect("127.0.0.1:9").expect("a way");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // A connected socket is told of closed ports, and reports it with whatever is sent next.
    socket.connect(to_gone).expect("a way");
    socket.send(b"lost").expect("sending");
    let mut sending = Sending::from(socket);
    for (to, payload) in [(to_living, b"one"), (to_gone, b"off"), (to_living, b"two")] {
        sending.push(to, 0, payload);
    }
    sending.flush();
    assert_eq!((received(&living), received(&living)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!(sending.counts([IoEvent::SendRetried, IoEvent::SendRefused, IoEvent::DatagramSent]), [1, 0, 3]);
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_others() {
    let (living, to_living) = peer();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut sending = Sending::new();
    for (to, payload) in [(to_living, &b"one"[..]), (to_living, &[0; 65_508]), (nowhere, b"lost"), (to_living, b"two")]
    {
        sending.push(to, 0, payload);
    }
    sending.flush();
    assert_eq!((received(&living), received(&living)), (b"one".to_vec(), b"two".to_vec()));
    let events = [IoEvent::DatagramSent, IoEvent::SendTooLong, IoEvent::SendRetried, IoEvent::SendRefused];
    assert_eq!(sending.counts(events), [2, 1, 1, 1]);
}

#[test]
fn what_left_early_is_not_sent_again_nor_added_to() {
    let (peer, to) = peer();
    let mut sending = Sending::new();
    sending.push(to, 0, b"early");
    sending.egress.flush_socket(SOCKET, &sending.arena, &sending.sockets, &sending.counters, NOW);
    sending.push(to, 0, b"later");
    sending.flush();
    assert_eq!((received(&peer), received(&peer)), (b"early".to_vec(), b"later".to_vec()));
    assert_eq!(sending.counts([IoEvent::DatagramSent]), [2]);
}

/// Destination, marking and length of each datagram.
fn mixture() -> impl Strategy<Value = Vec<(usize, u8, usize)>> {
    let lengths = prop_oneof![Just(0_usize), Just(1), 2..8_usize, Just(200), Just(1200)];
    prop::collection::vec((0..4_usize, prop_oneof![4 => Just(0_u8), 1 => Just(0xB8)], lengths), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_mixture_arrives_as_if_sent_one_by_one(mixture in mixture(), refuse in any::<bool>()) {
        let peers: Vec<_> = (0..4).map(|_| peer()).collect();
        let mut sending = Sending::new();
        if refuse {
            crate::transport::udp::refuse_segments(sending.sockets.listeners[0].socket.as_fd()).expect("an option");
        }
        let mut expected: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
        for chunk in mixture.chunks(40) {
            for (number, (to, class, len)) in chunk.iter().enumerate() {
                let payload = vec![number as u8; *len];
                sending.push(peers[*to].1, *class, &payload);
                expected.entry(*to).or_default().push(payload);
            }
            sending.flush();
            // Read on the way, so that no receive buffer overflows.
            for (to, payloads) in expected.drain() {
                for payload in payloads {
                    prop_assert_eq!(received(&peers[to].0), payload);
                }
            }
        }
    }
}
