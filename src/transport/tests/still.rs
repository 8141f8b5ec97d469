//! A shard without a thread: the test decides when it wakes up, and what time it is then.
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;

use super::client::Client;
use super::client::Received;
use super::plane::config;
use super::plane::credential;
use super::plane::peer;
use super::plane::settings;
use crate::relay::Counters;
use crate::relay::Directory;
use crate::relay::Ledger;
use crate::relay::Quotas;
use crate::relay::ShardId;
use crate::time::Clock;
use crate::time::Now;
use crate::transport::IoCounters;
use crate::transport::IoEvent;
use crate::transport::arena::SLOTS;
use crate::transport::mailbox::mailbox;
use crate::transport::shard::Parts;
use crate::transport::shard::Shard;
use crate::transport::sockets::ClosedGroup;

pub(super) const CHANNEL: u16 = 0x4001;

pub(super) struct StillShard {
    pub(super) shard: Shard,
    pub(super) io: Arc<IoCounters>,
    pub(super) now: Now,
    pub(super) server: SocketAddr,
}

impl StillShard {
    pub(super) fn new() -> Self {
        let clock = Clock::start();
        let io = Arc::new(IoCounters::default());
        let (mailbox, inbox) = mailbox().expect("a mailbox");
        let (usage, _) = tokio::sync::mpsc::channel(1);
        let settings = settings();
        let listeners = ClosedGroup::bind(settings.udp_listen[0], 1).expect("a group").open().expect("open sockets");
        let server = listeners[0].bound;
        let parts = Parts {
            id: ShardId(0),
            clock,
            config: Arc::new(config()),
            directory: Arc::new(Directory::new(&settings.relay_addresses, settings.port_range)),
            defences: Arc::default(),
            ledger: Arc::new(Mutex::new(Ledger::new(Quotas {
                per_user: 1000,
                per_session: 1000,
                per_address: 1000,
                ..Quotas::default()
            }))),
            counters: Arc::new(Counters::new()),
            io: Arc::clone(&io),
            usage,
            listeners,
            inbox,
            moderation: Duration::ZERO,
            mailboxes: [mailbox].into(),
            is_stopping: Arc::new(AtomicBool::new(false)),
        };
        Self { shard: Shard::new(parts).expect("a shard"), io, now: clock.now(), server }
    }

    /// Waits for events and does what there is to do, at the moment that the test chooses.
    pub(super) fn turn(&mut self, now: Now, timeout: Duration) {
        let mut events = Vec::with_capacity(256);
        self.shard.wait(&mut events, Timespec::try_from(timeout).ok()).expect("events");
        self.shard.wake_up(&events, now);
    }

    /// Does what there is to do already.
    pub(super) fn turn_now(&mut self) {
        self.turn(self.now, Duration::ZERO);
    }

    /// Serves while `clients` lives its own life, and returns what became of it.
    pub(super) fn serve<T: Send + 'static>(&mut self, clients: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
        let server = self.server;
        let clients = thread::spawn(move || clients(server));
        while !clients.is_finished() {
            self.turn(self.now, Duration::from_millis(1));
        }
        clients.join().expect("clients without a problem")
    }
}

/// A client with a channel to `peer`, and its relayed address.
pub(super) fn bound_client(server: SocketAddr, peer: SocketAddr) -> (Client, SocketAddr) {
    let socket = UdpSocket::bind((server.ip(), 0)).expect("a socket");
    let mut client = Client::udp(socket, server, credential("session"));
    let relayed = client.allocate();
    client.bind_channel(CHANNEL, peer);
    (client, relayed)
}

#[test]
fn one_wake_up_relays_more_packets_than_fit_into_its_buffers() {
    const CLIENTS: usize = 80;
    const PACKETS: u8 = 8;
    let mut still = StillShard::new();
    let peer = peer(still.server.ip());
    let peer_address = peer.local_addr().expect("an address");
    let mut clients =
        still.serve(move |server| (0..CLIENTS).map(|_| bound_client(server, peer_address)).collect::<Vec<_>>());
    assert!(CLIENTS * usize::from(PACKETS) > SLOTS.max(512));
    for number in 0..PACKETS {
        for (_, relayed) in &clients {
            peer.send_to(&[number; 100], relayed).expect("sending");
        }
    }
    still.turn_now();
    for (client, _) in &mut clients {
        for number in 0..PACKETS {
            assert_eq!(client.receive(), Received::Channel(CHANNEL, vec![number; 100]));
        }
    }
}

#[test]
fn datagrams_that_the_kernel_dropped_are_counted() {
    let mut still = StillShard::new();
    let peer = peer(still.server.ip());
    let peer_address = peer.local_addr().expect("an address");
    let (_client, relayed) = still.serve(move |server| bound_client(server, peer_address));
    let received_before = still.io.count(IoEvent::DatagramReceived);
    let flood = 5000;
    for _ in 0..flood {
        peer.send_to(&[0; 1200], relayed).expect("sending");
    }
    for _ in 0..flood / 8 {
        still.turn_now();
    }
    // The count comes with the first datagram that is queued after the drops.
    peer.send_to(b"one more", relayed).expect("sending");
    still.turn_now();
    let received = still.io.count(IoEvent::DatagramReceived) - received_before;
    let dropped = still.io.count(IoEvent::KernelDrop);
    assert!(dropped > 0);
    assert_eq!(received + dropped, flood + 1);
}

#[test]
fn what_a_client_sent_before_it_let_go_still_leaves() {
    let mut still = StillShard::new();
    let peer = peer(still.server.ip());
    let peer_address = peer.local_addr().expect("an address");
    let (mut client, _) = still.serve(move |server| bound_client(server, peer_address));
    client.send_on(CHANNEL, b"good-bye");
    let refresh = client.write_request(crate::stun::Method::REFRESH, |writer| {
        writer.u32(crate::stun::AttributeType::LIFETIME, 0);
    });
    client.send(&refresh);
    // Both are judged in one wake-up.
    still.turn_now();
    client.receive_answer();
    let mut datagram = [0; 16];
    assert_eq!(peer.recv(&mut datagram).expect("a datagram in time"), 8);
}
