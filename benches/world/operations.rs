//! Single operations of the relay core, each a function that is not inlined, so that its instructions can be counted.
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use duologue::relay::AllocationId;
use duologue::relay::ClientAddr;
use duologue::relay::FromClient;
use duologue::relay::FromPeer;
use duologue::relay::Mode;
use duologue::relay::REPLY_MAX;
use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::Class;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::channel_data;
use duologue::time::Now;

use super::NOW;
use super::RELAY_IP;
use super::Relay;
use super::UDP;
use super::client;
use super::message;
use super::peer;
use super::send;

/// Clients of each kind.
const CLIENTS: u32 = 16;

/// Between two packets: slow enough for what one allocation may relay per second.
const STEP: Duration = Duration::from_micros(1);

/// The client that makes allocations and gives them back.
const GUEST: u32 = 5000;

/// Bytes of application data.
const PAYLOAD: usize = 160;

/// An allocation and its peer.
#[derive(Copy, Clone)]
struct Way {
    client: ClientAddr,
    peer: SocketAddr,
    at: AllocationId,
}

/// Relays with clients, and the packets of all operations.
pub struct Operations {
    /// In `ports` mode.
    open: Relay,
    channels: Vec<Way>,
    permissions: Vec<Way>,
    sends: Vec<Vec<u8>>,
    /// In `single-port` mode, where clients are each other's peers.
    closed: Relay,
    pairs: Vec<ClientAddr>,
    channel_data: Vec<u8>,
    binding: Vec<u8>,
    /// Allocate requests: without credentials, and with them.
    bare: Vec<u8>,
    allocate: Vec<u8>,
    delete: Vec<u8>,
    /// By a client that has an allocation.
    refresh: Vec<u8>,
    reply: Box<[u8]>,
    turn: usize,
    now: Now,
}

impl Operations {
    pub fn new() -> Self {
        let mut open = Relay::new(Mode::Ports);
        let (mut channels, mut permissions) = (Vec::new(), Vec::new());
        for number in 0..CLIENTS {
            let (here, there, peer) = (client(number), client(number + CLIENTS), peer(number));
            channels.push(Way { client: here, peer, at: open.allocate(here) });
            open.bind(here, peer);
            permissions.push(Way { client: there, peer, at: open.allocate(there) });
            open.permit(there, peer);
        }
        let mut closed = Relay::new(Mode::SinglePort);
        for number in 0..CLIENTS {
            closed.allocate(client(number));
        }
        let addresses = (1024..=65535).map(|port| SocketAddr::new(RELAY_IP.into(), port));
        let live: Vec<_> = addresses.filter_map(|address| closed.directory.find(address)).collect();
        for (here, there) in live.iter().zip(live.iter().rev()) {
            let relayed = closed.directory.external_address(there.slot).expect("a live address");
            closed.bind(here.client, relayed);
        }
        let allocate = closed.request(client(GUEST), Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        let delete = closed.request(client(GUEST), Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        });
        let refresh = closed.request(client(0), Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 600);
        });
        Self {
            sends: permissions.iter().map(|way| send(way.peer)).collect(),
            pairs: live.iter().map(|entry| entry.client).collect(),
            channel_data: [&channel_data::header(ChannelNumber::MIN, PAYLOAD as u16)[..], &[0xA5; PAYLOAD]].concat(),
            binding: message(Class::Request, Method::BINDING, TransactionId([1; 12]), |_| {}),
            bare: message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |_| {}),
            reply: vec![0; REPLY_MAX].into_boxed_slice(),
            turn: 0,
            now: NOW,
            open,
            channels,
            permissions,
            closed,
            allocate,
            delete,
            refresh,
        }
    }

    /// Whose turn it is.
    fn next(&mut self) -> usize {
        self.turn = (self.turn + 1) % CLIENTS as usize;
        self.now = Now { mono: self.now.mono + STEP, ..self.now };
        self.turn
    }

    #[inline(never)]
    pub fn channel_data_to_peer(&mut self) {
        let turn = self.next();
        let way = self.channels[turn];
        let packet = black_box(&self.channel_data);
        let verdict = self.open.server.handle_client(way.client, packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::ToPeer { .. }));
    }

    #[inline(never)]
    pub fn peer_to_channel_data(&mut self) {
        let turn = self.next();
        let way = self.channels[turn];
        let verdict = self.open.server.handle_peer(way.at, black_box(way.peer), PAYLOAD, self.now);
        assert!(matches!(verdict, FromPeer::ToClient(delivery) if delivery.head.as_slice().len() == 4));
    }

    #[inline(never)]
    pub fn send_indication_to_peer(&mut self) {
        let turn = self.next();
        let packet = black_box(&self.sends[turn]);
        let verdict = self.open.server.handle_client(self.permissions[turn].client, packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::ToPeer { .. }));
    }

    #[inline(never)]
    pub fn peer_to_data_indication(&mut self) {
        let turn = self.next();
        let way = self.permissions[turn];
        let verdict = self.open.server.handle_peer(way.at, black_box(way.peer), PAYLOAD, self.now);
        assert!(matches!(verdict, FromPeer::ToClient(delivery) if delivery.head.as_slice().len() == 36));
    }

    #[inline(never)]
    pub fn hand_over(&mut self) {
        let turn = self.next();
        let from = self.pairs[turn];
        let packet = black_box(&self.channel_data);
        let verdict = self.closed.server.handle_client(from, packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::HandOver { .. }));
    }

    #[inline(never)]
    pub fn binding(&mut self) {
        let from = client(self.next() as u32);
        let packet = black_box(&self.binding);
        let verdict = self.open.server.handle_client(from, packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::Reply { .. }));
        assert_eq!(self.reply[..2], [0x01, 0x01]);
    }

    #[inline(never)]
    pub fn challenge(&mut self) {
        let from = client(self.next() as u32);
        let packet = black_box(&self.bare);
        let verdict = self.closed.server.handle_client(from, packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::Reply { .. }));
        assert_eq!(self.reply[..2], [0x01, 0x13]);
    }

    #[inline(never)]
    pub fn refresh(&mut self) {
        let packet = black_box(&self.refresh);
        let verdict = self.closed.server.handle_client(client(0), packet, self.now, &mut self.reply);
        assert!(matches!(verdict, FromClient::Reply { .. }));
        assert_eq!(self.reply[..2], [0x01, 0x04]);
    }

    pub fn allocate_and_delete(&mut self) {
        self.allocate();
        self.delete();
    }

    #[inline(never)]
    fn allocate(&mut self) {
        assert!(self.closed.send(client(GUEST), black_box(&self.allocate)).is_some());
    }

    #[inline(never)]
    fn delete(&mut self) {
        assert!(self.closed.send(client(GUEST), black_box(&self.delete)).is_none());
    }
}
