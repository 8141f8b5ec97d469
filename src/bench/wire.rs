//! The sockets of the load: everything goes out and comes in here.
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use crate::bench::plan::Transport;
use crate::bench::stream::Stream;
use crate::bench::stream::Streams;
use crate::transport::udp;
use crate::transport::udp::Datagram;
use crate::transport::udp::Envelope;
use crate::transport::udp::RECEIVE_BATCH;
use crate::transport::udp::TrafficClass;

/// Asked for as socket buffer, in bytes: the load must not lose what the server delivered.
const BUFFER: usize = 16 * 1024 * 1024;

/// Room for one datagram, or for several that come as one. Not a multiple of a page: see the server's arena.
const SLOT: usize = 65_536 + 4096 + 320;

const EVENTS: usize = 256;

/// Tokens of epoll from here on are streams.
const FIRST_STREAM: u64 = 1 << 32;

/// Where a message was heard.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Peer,
    Client,
}

/// How a client reaches the server.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Through this socket, from this address if the socket has many.
    Datagrams { port: usize, source: Option<IpAddr> },
    /// Through this connection.
    Stream(usize),
}

/// A UDP socket.
struct Port {
    socket: UdpSocket,
    side: Side,
    drops: u32,
}

/// All sockets of the load.
pub(super) struct Wire {
    started: Instant,
    server: SocketAddr,
    epoll: OwnedFd,
    ports: Vec<Port>,
    streams: Streams,
    route_by_client: Vec<Route>,
    /// Addresses given to clients so far, where they share a socket.
    sources: u32,
    receiver: udp::Receiver,
    sender: udp::Sender,
    room: Box<[u8]>,
    events: Vec<epoll::Event>,
}

/// The socket of the peers.
pub(super) const PEERS: usize = 0;

impl Wire {
    /// Opens the sockets for this many clients, and one for their peers.
    ///
    /// # Errors
    ///
    /// What the system calls report, or TLS.
    pub(super) fn open(server: SocketAddr, transport: &Transport, clients: usize) -> io::Result<Self> {
        let mut wire = Self {
            started: Instant::now(),
            server,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ports: Vec::new(),
            streams: Streams::new(transport)?,
            route_by_client: Vec::with_capacity(clients),
            sources: 0,
            receiver: udp::Receiver::new(),
            sender: udp::Sender::new(),
            room: vec![0; SLOT * RECEIVE_BATCH].into_boxed_slice(),
            events: Vec::with_capacity(EVENTS),
        };
        wire.add_port(bind_peers(local_ip(server)?)?, Side::Peer)?;
        for _ in 0..clients {
            let route = wire.open_route(transport)?;
            wire.route_by_client.push(route);
        }
        Ok(wire)
    }

    /// Nanoseconds since the wire was opened.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// The address of the peers.
    ///
    /// # Errors
    ///
    /// What `getsockname` reports.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.ports[PEERS].socket.local_addr()
    }

    pub(super) fn route(&self, client: usize) -> Route {
        self.route_by_client[client]
    }

    /// The datagrams that the kernel dropped because the load was too slow to take them.
    pub(super) fn drops(&self) -> u64 {
        self.ports.iter().map(|port| u64::from(port.drops)).sum()
    }

    /// Gives a client another address, unknown to the server.
    ///
    /// # Errors
    ///
    /// What opening a socket reports.
    pub(super) fn renew(&mut self, client: usize, transport: &Transport) -> io::Result<()> {
        match self.route_by_client[client] {
            Route::Datagrams { port, source: None } => {
                let local = SocketAddr::new(self.ports[port].socket.local_addr()?.ip(), 0);
                let socket = bind(local, true)?;
                epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(port as u64), EventFlags::IN)?;
                self.ports[port] = Port { socket, side: Side::Client, drops: 0 };
            }
            Route::Datagrams { source: Some(_), .. } => self.route_by_client[client] = self.open_route(transport)?,
            Route::Stream(at) => {
                self.streams.reopen(at, self.server)?;
                self.watch_stream(at)?;
            }
        }
        Ok(())
    }

    fn open_route(&mut self, transport: &Transport) -> io::Result<Route> {
        match (transport, self.server.ip()) {
            // All of 127/8 is this machine: one socket serves clients of different addresses, at a fraction of the cost.
            (Transport::Udp, IpAddr::V4(ip)) if ip.is_loopback() => {
                let port = match self.ports.get(PEERS + 1) {
                    Some(_) => PEERS + 1,
                    None => self.open_port(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), Side::Client)?,
                };
                self.sources += 1;
                let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + self.sources % (1 << 23));
                Ok(Route::Datagrams { port, source: Some(source.into()) })
            }
            (Transport::Udp, _) => {
                let port = self.open_port(SocketAddr::new(local_ip(self.server)?, 0), Side::Client)?;
                Ok(Route::Datagrams { port, source: None })
            }
            (Transport::Tcp | Transport::Tls(_), _) => {
                let at = self.streams.open(self.server)?;
                self.watch_stream(at)?;
                Ok(Route::Stream(at))
            }
        }
    }

    fn open_port(&mut self, local: SocketAddr, side: Side) -> io::Result<usize> {
        self.add_port(bind(local, true)?, side)
    }

    fn add_port(&mut self, socket: UdpSocket, side: Side) -> io::Result<usize> {
        let at = self.ports.len();
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(at as u64), EventFlags::IN)?;
        self.ports.push(Port { socket, side, drops: 0 });
        Ok(at)
    }

    fn watch_stream(&mut self, at: usize) -> io::Result<()> {
        let Some(stream) = self.streams.get(at) else { return Ok(()) };
        let data = epoll::EventData::new_u64(FIRST_STREAM + at as u64);
        Ok(epoll::add(&self.epoll, stream.socket(), data, EventFlags::IN | EventFlags::RDHUP)?)
    }

    /// Takes one batch from each socket that has something, waiting for at most `patience`. `on_message` gets the side,
    /// the message, and the moment.
    ///
    /// # Errors
    ///
    /// What the system calls report; a connection that ended.
    pub(super) fn hear(&mut self, patience: Duration, on_message: &mut impl FnMut(Side, &[u8], u64)) -> io::Result<()> {
        let timeout = Timespec::try_from(patience).ok();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let token = event.data.u64();
            if let Some(at) = token.checked_sub(FIRST_STREAM) {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                if let Some(stream) = self.streams.get_mut(at) {
                    stream.hear(&mut self.room, &mut |message| on_message(Side::Client, message, now))?;
                }
                continue;
            }
            let Some(port) = self.ports.get_mut(usize::try_from(token).unwrap_or(usize::MAX)) else { continue };
            let received = match self.receiver.receive(port.socket.as_fd(), &mut self.room, SLOT) {
                Ok(received) => received,
                // An ICMP error about an earlier datagram, or somebody else was faster.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => 0,
                Err(error) => return Err(error),
            };
            let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            for (at, slot) in self.room.chunks_exact(SLOT).take(received).enumerate() {
                let datagram = self.receiver.datagram(at);
                port.drops = datagram.drops.unwrap_or(port.drops);
                pieces(&datagram, slot).for_each(|piece| on_message(port.side, piece, now));
            }
        }
        Ok(())
    }

    /// Sends one message of a client.
    ///
    /// # Errors
    ///
    /// What the socket reports.
    pub(super) fn tell(&mut self, client: usize, message: &[u8]) -> io::Result<()> {
        match self.route_by_client[client] {
            Route::Datagrams { port, source } => {
                let envelope = Envelope {
                    to: self.server,
                    source,
                    class: TrafficClass::default(),
                    dont_fragment: false,
                    segment: None,
                };
                let mut batch = self.sender.batch();
                batch.push(&envelope, std::iter::once(message));
                batch.send(self.ports[port].socket.as_fd(), 0).map(drop)
            }
            Route::Stream(at) => match self.streams.get_mut(at) {
                Some(stream) => {
                    stream.queue([message].into_iter());
                    stream.flush()
                }
                None => Err(io::ErrorKind::NotConnected.into()),
            },
        }
    }

    /// Lends a UDP socket with the memory to send through it.
    pub(super) fn port(&mut self, port: usize) -> (&UdpSocket, &mut udp::Sender) {
        (&self.ports[port].socket, &mut self.sender)
    }

    pub(super) fn stream(&mut self, at: usize) -> Option<&mut Stream> {
        self.streams.get_mut(at)
    }
}

/// The datagrams that came as one.
fn pieces<'a>(datagram: &Datagram, slot: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let bytes = slot.get(..datagram.len).unwrap_or_default();
    bytes.chunks(datagram.segment.unwrap_or(bytes.len()).max(1))
}

/// Opens the socket of the peers at a port number that no TCP listener of this machine has: a server may refuse those of its
/// own, whatever their protocol.
fn bind_peers(ip: IpAddr) -> io::Result<UdpSocket> {
    loop {
        let socket = bind(SocketAddr::new(ip, 0), true)?;
        match TcpListener::bind(socket.local_addr()?) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Ok(_) | Err(_) => return Ok(socket),
        }
    }
}

/// Opens a UDP socket with large buffers; with `is_merging` datagrams may come several as one.
///
/// # Errors
///
/// What the system calls report.
pub(super) fn bind(local: SocketAddr, is_merging: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.bind(&local.into())?;
    grow_buffers(&socket)?;
    let socket = UdpSocket::from(socket);
    udp::enable_drop_count(socket.as_fd())?;
    if is_merging {
        // Old kernels do not know it: then everything comes singly.
        let _ = udp::enable_coalescing(socket.as_fd());
    }
    Ok(socket)
}

/// Asks for large buffers, beyond what the system allows to everybody if this user may.
fn grow_buffers(socket: &Socket) -> io::Result<()> {
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    // Refused without CAP_NET_ADMIN.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, BUFFER);
    Ok(())
}

/// The address that this machine has towards the server.
fn local_ip(server: SocketAddr) -> io::Result<IpAddr> {
    let probe = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    probe.connect(server)?;
    Ok(probe.local_addr()?.ip())
}
