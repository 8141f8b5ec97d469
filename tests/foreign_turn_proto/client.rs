//! Sockets around the sans-IO client of `turn-client-proto`.
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;

use duologue::stun::AttributeType;
use duologue::stun::Message;
use turn_client_proto::api::TurnConfig;
use turn_client_proto::api::TurnEvent;
use turn_client_proto::api::TurnPollRet;
use turn_client_proto::api::TurnRecvRet;
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::DelayedTransmitBuild;
use turn_client_proto::prelude::TurnClientApi;
use turn_client_proto::stun::Instant;
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::TransportType;
use turn_client_proto::udp::TurnClientUdp;

use crate::support::Server;
use crate::support::tls_config;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for bytes before the client's own timers are looked at.
const TICK: Duration = Duration::from_millis(10);
/// Room for the longest frame.
const ROOM: usize = 70_000;

/// How the client reaches the server.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    pub(crate) const ALL: [Way; 3] = [Way::Udp, Way::Tcp, Way::Tls];
}

/// What comes out of the client.
#[derive(Debug)]
pub(crate) enum Heard {
    Event(TurnEvent),
    Data {
        peer: SocketAddr,
        payload: Vec<u8>,
    },
    Icmp {
        peer: SocketAddr,
        icmp_type: u8,
        icmp_code: u8,
    },
    /// The client has given up, or its allocation is gone.
    Closed,
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Link {
    fn send(&mut self, bytes: &[u8]) {
        match self {
            Link::Udp(socket) => socket.send(bytes).map(|_| ()),
            Link::Tcp(socket) => socket.write_all(bytes),
            Link::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
        .expect("send to the server");
    }

    /// What came within a tick; empty when the server closed the connection.
    fn receive(&mut self, room: &mut [u8]) -> Option<usize> {
        let came = match self {
            Link::Udp(socket) => socket.recv(room),
            Link::Tcp(socket) => socket.read(room),
            Link::Tls(stream) => stream.read(room),
        };
        match came {
            Ok(len) => Some(len),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("receive from the server: {error}"),
        }
    }
}

/// One client with its connection.
pub(crate) struct Client {
    turn: TurnClient,
    link: Link,
    born: std::time::Instant,
    heard: Vec<Heard>,
    requests: Vec<Vec<u8>>,
}

impl Client {
    /// Connects; the allocation is asked for as the client is driven.
    pub(crate) fn open(server: &Server, way: Way, config: TurnConfig) -> Client {
        let (link, turn) = match way {
            Way::Udp => {
                let remote = server.addr("turn-udp");
                let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).expect("bind a client");
                socket.connect(remote).expect("connect");
                socket.set_read_timeout(Some(TICK)).expect("set a timeout");
                let local = socket.local_addr().expect("an address");
                (Link::Udp(socket), TurnClient::Udp(TurnClientUdp::allocate(local, remote, config)))
            }
            Way::Tcp => {
                let socket = connect(server.addr("turn-tcp"));
                let turn = over_stream(&socket, config);
                (Link::Tcp(socket), turn)
            }
            Way::Tls => {
                let socket = connect(server.addr("turn-tls"));
                let turn = over_stream(&socket, config);
                let name = "localhost".try_into().expect("a name");
                let tls = rustls::ClientConnection::new(tls_config(server), name).expect("a TLS client");
                (Link::Tls(Box::new(rustls::StreamOwned::new(tls, socket))), turn)
            }
        };
        Client { turn, link, born: std::time::Instant::now(), heard: Vec::new(), requests: Vec::new() }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.turn.transport() == TransportType::Tcp
    }

    /// Drives the client until `pick` finds what it wants among what was heard, and takes that out.
    pub(crate) fn wait<Found>(&mut self, what: &str, mut pick: impl FnMut(&Heard) -> Option<Found>) -> Found {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let found = self.heard.iter().enumerate().find_map(|(at, heard)| pick(heard).map(|found| (at, found)));
            if let Some((at, found)) = found {
                self.heard.remove(at);
                return found;
            }
            assert!(std::time::Instant::now() < end, "{what} did not come, but {:?}", self.heard);
            self.drive();
        }
    }

    /// The relayed addresses, when as many as `count` are allocated.
    pub(crate) fn wait_allocated(&mut self, count: usize) -> Vec<SocketAddr> {
        (0..count)
            .map(|_| {
                self.wait("an allocation", |heard| match heard {
                    Heard::Event(TurnEvent::AllocationCreated(_, relayed)) => Some(*relayed),
                    Heard::Event(_) | Heard::Data { .. } | Heard::Icmp { .. } | Heard::Closed => None,
                })
            })
            .collect()
    }

    /// Whether the client gives up.
    pub(crate) fn wait_closed(&mut self) {
        self.wait("the end", |heard| matches!(heard, Heard::Closed).then_some(()));
    }

    pub(crate) fn permit(&mut self, peer: IpAddr) {
        self.turn.create_permission(TransportType::Udp, peer, self.now()).expect("an allocation for this family");
        let is_permitted = self.wait("the permission", |heard| match heard {
            Heard::Event(TurnEvent::PermissionCreated(_, ip)) if *ip == peer => Some(true),
            Heard::Event(TurnEvent::PermissionCreateFailed(_, ip)) if *ip == peer => Some(false),
            Heard::Event(_) | Heard::Data { .. } | Heard::Icmp { .. } | Heard::Closed => None,
        });
        assert!(is_permitted, "{peer} is permitted");
    }

    pub(crate) fn bind_channel(&mut self, peer: SocketAddr) {
        self.turn.bind_channel(TransportType::Udp, peer, self.now()).expect("an allocation for this family");
        let is_bound = self.wait("the channel", |heard| match heard {
            Heard::Event(TurnEvent::ChannelCreated(_, at)) if *at == peer => Some(true),
            Heard::Event(TurnEvent::ChannelCreateFailed(_, at)) if *at == peer => Some(false),
            Heard::Event(_) | Heard::Data { .. } | Heard::Icmp { .. } | Heard::Closed => None,
        });
        assert!(is_bound, "a channel to {peer}");
    }

    pub(crate) fn send_to(&mut self, peer: SocketAddr, payload: &[u8]) {
        let now = self.now();
        let transmit = self.turn.send_to(TransportType::Udp, peer, payload, now).expect("a permission");
        if let Some(transmit) = transmit {
            self.link.send(&transmit.data.build());
        }
    }

    /// The next datagram of a peer.
    pub(crate) fn wait_data(&mut self) -> (SocketAddr, Vec<u8>) {
        self.wait("data", |heard| match heard {
            Heard::Data { peer, payload } => Some((*peer, payload.clone())),
            Heard::Event(_) | Heard::Icmp { .. } | Heard::Closed => None,
        })
    }

    /// The requests so far that carried credentials.
    pub(crate) fn signed_requests(&self) -> impl Iterator<Item = Message<'_>> {
        let parsed = self.requests.iter().map(|request| Message::parse(request).expect("a request"));
        parsed.filter(|message| message.attribute(AttributeType::NONCE).is_some())
    }

    /// Gives the allocation back and waits until the server has confirmed it.
    pub(crate) fn delete(&mut self) {
        let now = self.now();
        self.turn.delete(now).expect("an allocation");
        self.wait_closed();
    }

    fn drive(&mut self) {
        let now = self.now();
        if let TurnPollRet::Closed = self.turn.poll(now) {
            self.heard.push(Heard::Closed);
        }
        while let Some(transmit) = self.turn.poll_transmit(now) {
            self.link.send(&transmit.data);
            self.requests.push(transmit.data.to_vec());
        }
        self.collect_events();
        let mut room = vec![0; ROOM];
        let Some(len) = self.link.receive(&mut room) else { return };
        room.truncate(len);
        let now = self.now();
        let (local, remote) = (self.turn.local_addr(), self.turn.remote_addr());
        match self.turn.recv(Transmit::new(room, self.turn.transport(), remote, local), now) {
            TurnRecvRet::Handled => {}
            // The refusal at which it gives up comes out again; `poll` tells.
            TurnRecvRet::Ignored(refusal) => assert!(!refusal.data.is_empty(), "the server closed the connection"),
            TurnRecvRet::PeerData(data) => {
                self.heard.push(Heard::Data { peer: data.peer, payload: data.data().to_vec() });
            }
            TurnRecvRet::PeerIcmp { peer, icmp_type, icmp_code, .. } => {
                self.heard.push(Heard::Icmp { peer, icmp_type, icmp_code });
            }
        }
        // More than one frame may have come with one read.
        while let Some(data) = self.turn.poll_recv(now) {
            self.heard.push(Heard::Data { peer: data.peer, payload: data.data().to_vec() });
        }
        self.collect_events();
    }

    fn collect_events(&mut self) {
        while let Some(event) = self.turn.poll_event() {
            self.heard.push(Heard::Event(event));
        }
    }

    fn now(&self) -> Instant {
        Instant::from_std(self.born)
    }
}

fn connect(remote: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(remote).expect("connect");
    socket.set_nodelay(true).expect("set an option");
    socket.set_read_timeout(Some(TICK)).expect("set a timeout");
    socket
}

fn over_stream(socket: &TcpStream, config: TurnConfig) -> TurnClient {
    let (local, remote) = (socket.local_addr().expect("an address"), socket.peer_addr().expect("an address"));
    TurnClient::Tcp(TurnClientTcp::allocate(local, remote, config))
}
