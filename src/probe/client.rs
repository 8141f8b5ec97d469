//! A TURN client of another hand: `turn-client-proto`, with sockets around it.
//!
//! It shares no code with the server, so the two cannot agree on the same mistake. Of what the server answers, only the
//! number of an error is read with our own codec, to be able to say it.
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::slice;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustls::ClientConnection;
use rustls::StreamOwned;
use turn_client_proto::api::TurnConfig;
use turn_client_proto::api::TurnEvent;
use turn_client_proto::api::TurnPollRet;
use turn_client_proto::api::TurnRecvRet;
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::DelayedTransmitBuild;
use turn_client_proto::prelude::TurnClientApi;
use turn_client_proto::stun;
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::stun::auth::Feature;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::AddressFamily;
use turn_client_proto::types::TransportType;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::udp::TurnClientUdp;

use crate::auth::turn::TurnCredential;
use crate::stun::Class;
use crate::stun::ErrorCode;
use crate::stun::Message;

/// How long to wait for bytes before the client's own timers are looked at.
const TICK: Duration = Duration::from_millis(1);
/// Room for the longest frame.
const ROOM: usize = 70_000;
/// For connecting, and for one write.
const CONNECT: Duration = Duration::from_secs(3);
/// For the answer to the last request.
const GOODBYE: Duration = Duration::from_secs(2);
/// Requests over UDP are sent at 0, 0.5, 1.5 and 2.5 s and given up a second later.
const RETRANSMIT: (Duration, Duration, u32) = (Duration::from_millis(500), Duration::from_secs(1), 4);

/// What keeps a client from its work.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The system refuses, or the connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// TLS was not agreed upon, or not with the right one.
    #[error("{0}")]
    Tls(rustls::Error),
    /// The server answers with an error.
    #[error("the server answers {} ({})", .0.number(), .0.reason())]
    Refused(ErrorCode),
    /// Nothing came in time.
    #[error("no answer")]
    Silence,
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
}

/// How to reach the server.
pub(super) enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    pub(super) fn udp(server: SocketAddr) -> Result<Self, Trouble> {
        let any: IpAddr = if server.is_ipv4() {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Link::Udp(socket))
    }

    pub(super) fn tcp(server: SocketAddr) -> Result<Self, Trouble> {
        let stream = connect(server)?;
        stream.set_nonblocking(true)?;
        Ok(Link::Tcp(stream))
    }

    pub(super) fn tls(server: SocketAddr, tls: ClientConnection) -> Result<Self, Trouble> {
        let mut stream = StreamOwned::new(tls, connect(server)?);
        let end = Instant::now() + CONNECT;
        while stream.conn.is_handshaking() {
            match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) => {}
                Err(error) if is_early(&error) && Instant::now() < end => {}
                Err(error) if is_early(&error) => return Err(Trouble::Silence),
                Err(error) => return Err(tls_trouble(error)),
            }
        }
        stream.sock.set_nonblocking(true)?;
        Ok(Link::Tls(Box::new(stream)))
    }

    fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        match self {
            Link::Udp(socket) => Ok((socket.local_addr()?, socket.peer_addr()?)),
            Link::Tcp(stream) => Ok((stream.local_addr()?, stream.peer_addr()?)),
            Link::Tls(stream) => Ok((stream.sock.local_addr()?, stream.sock.peer_addr()?)),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            // What a firewall rejects shows as a refusal, or as silence.
            Link::Udp(socket) => socket.send(bytes).map(drop),
            Link::Tcp(stream) => stream.write_all(bytes),
            Link::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Link::Udp(socket) => socket.as_fd(),
            Link::Tcp(stream) => stream.as_fd(),
            Link::Tls(stream) => stream.sock.as_fd(),
        }
    }

    /// What has come; empty when the server closed the connection.
    fn receive(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let came = match self {
            Link::Udp(socket) => socket.recv(room),
            Link::Tcp(stream) => stream.read(room),
            Link::Tls(stream) => stream.read(room),
        };
        match came {
            Ok(len) => Ok(Some(len)),
            Err(error) if is_early(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, CONNECT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(CONNECT))?;
    Ok(stream)
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn tls_trouble(error: io::Error) -> Trouble {
    match error.downcast::<rustls::Error>() {
        Ok(error) => Trouble::Tls(error),
        Err(error) => Trouble::Io(error),
    }
}

/// Waits a tick for bytes to any of them.
pub(super) fn wait(clients: &[Client]) {
    let mut descriptors: Vec<_> =
        clients.iter().map(|client| PollFd::from_borrowed_fd(client.link.descriptor(), PollFlags::IN)).collect();
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    // Whatever is wrong with one of them shows when it is read.
    let _ = poll(&mut descriptors, Some(&tick));
}

/// One client with its connection.
pub(super) struct Client {
    turn: TurnClient,
    link: Link,
    born: Instant,
    events: Vec<TurnEvent>,
    data: Vec<(SocketAddr, Vec<u8>)>,
    /// Challenges so far: the first 401 asks for a password, the second refuses the one that was given.
    challenges: u32,
}

impl Client {
    /// Asks for an allocation of the family that the server relays with.
    pub(super) fn new(link: Link, credential: &TurnCredential, wants_ipv6: bool) -> Result<Self, Trouble> {
        let mut config = TurnConfig::new(TurnCredentials::new(&credential.username, &credential.password));
        config.set_anonymous_username(Feature::Disabled);
        config.set_address_family(if wants_ipv6 { AddressFamily::IPV6 } else { AddressFamily::IPV4 });
        let (first, most, times) = RETRANSMIT;
        config.set_request_retransmits(first, most, times, most);
        let (local, remote) = link.addresses()?;
        let turn = match link {
            Link::Udp(_) => TurnClient::Udp(TurnClientUdp::allocate(local, remote, config)),
            Link::Tcp(_) | Link::Tls(_) => TurnClient::Tcp(TurnClientTcp::allocate(local, remote, config)),
        };
        let born = Instant::now();
        Ok(Self { turn, link, born, events: Vec::new(), data: Vec::new(), challenges: 0 })
    }

    /// The relayed address, as soon as there is one.
    pub(super) fn relayed(&mut self) -> Option<SocketAddr> {
        self.turn.relayed_addresses().next().map(|(_, address)| address)
    }

    pub(super) fn permit(&mut self, peer: IpAddr) {
        let now = self.now();
        // It exists already when two clients share a relay address; whether it is granted is asked later.
        let _ = self.turn.create_permission(TransportType::Udp, peer, now);
    }

    pub(super) fn is_permitted(&self, peer: IpAddr) -> bool {
        self.turn.have_permission(TransportType::Udp, peer)
    }

    pub(super) fn send_to(&mut self, peer: SocketAddr, payload: &[u8]) -> Result<(), Trouble> {
        let now = self.now();
        let transmit = self.turn.send_to(TransportType::Udp, peer, payload, now);
        match transmit.map_err(|error| io::Error::other(error.to_string()))? {
            Some(transmit) => Ok(self.link.send(&transmit.data.build())?),
            None => Ok(()),
        }
    }

    /// The next datagram that came, and from which peer.
    pub(super) fn take_data(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        (!self.data.is_empty()).then(|| self.data.remove(0))
    }

    /// Gives the allocation back, and waits a moment for the server to confirm it. Whether it does changes nothing.
    pub(super) fn delete(mut self) {
        let now = self.now();
        if self.turn.delete(now).is_ok() {
            let end = Instant::now() + GOODBYE;
            while Instant::now() < end && self.drive().is_ok() {
                wait(slice::from_ref(&self));
            }
        }
    }

    /// Sends what is due and takes in all that has come.
    ///
    /// # Errors
    ///
    /// [`Trouble`]: it will come to nothing.
    pub(super) fn drive(&mut self) -> Result<(), Trouble> {
        let now = self.now();
        let is_over = matches!(self.turn.poll(now), TurnPollRet::Closed);
        while let Some(transmit) = self.turn.poll_transmit(now) {
            self.link.send(&transmit.data)?;
        }
        self.collect_events();
        if is_over {
            return Err(Trouble::Silence);
        }
        while let Some(bytes) = self.receive()? {
            self.take_in(bytes)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let mut room = vec![0; ROOM];
        match self.link.receive(&mut room)? {
            Some(0) => Err(Trouble::Closed),
            Some(len) => {
                room.truncate(len);
                Ok(Some(room))
            }
            None => Ok(None),
        }
    }

    fn take_in(&mut self, room: Vec<u8>) -> Result<(), Trouble> {
        self.note_refusal(&room)?;
        let now = self.now();
        let (local, remote) = (self.turn.local_addr(), self.turn.remote_addr());
        match self.turn.recv(Transmit::new(room, self.turn.transport(), remote, local), now) {
            TurnRecvRet::Handled | TurnRecvRet::Ignored(_) | TurnRecvRet::PeerIcmp { .. } => {}
            TurnRecvRet::PeerData(data) => self.data.push((data.peer, data.data().to_vec())),
        }
        // More than one frame may have come with one read.
        while let Some(data) = self.turn.poll_recv(now) {
            self.data.push((data.peer, data.data().to_vec()));
        }
        self.collect_events();
        Ok(())
    }

    /// A first 401 and any 438 are part of getting in; other errors are the answer.
    fn note_refusal(&mut self, received: &[u8]) -> Result<(), Trouble> {
        let Ok(message) = Message::parse(received) else { return Ok(()) };
        let Some(code) = message.error_code().filter(|_| message.class() == Class::Error) else { return Ok(()) };
        match code {
            ErrorCode::STALE_NONCE => Ok(()),
            ErrorCode::UNAUTHENTICATED if self.challenges == 0 => {
                self.challenges += 1;
                Ok(())
            }
            refusal => Err(Trouble::Refused(refusal)),
        }
    }

    fn collect_events(&mut self) {
        while let Some(event) = self.turn.poll_event() {
            self.events.push(event);
        }
    }

    fn now(&self) -> stun::Instant {
        stun::Instant::from_std(self.born)
    }
}
