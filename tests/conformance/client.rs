//! A client that says exactly the bytes it is told to and shows exactly what came back.
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::packet::*;
use crate::user::User;
use crate::verdict::Seen;
use crate::verdict::ensure;
use crate::verdict::fails;
use crate::verdict::same;
use crate::watch::Watch;
use crate::way::Way;

/// How long an answer or a datagram may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long to listen for what must not come, where nothing can come behind it.
pub const SILENCE: Duration = Duration::from_millis(60);
/// Room for the longest frame.
const ROOM: usize = 70_000;

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// What reached a client from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Indication(SocketAddr, Vec<u8>),
    Channel(u16, Vec<u8>),
}

pub struct Client {
    pub way: Way,
    pub local: SocketAddr,
    pub user: User,
    pub realm: Vec<u8>,
    pub nonce: Vec<u8>,
    link: Link,
    watch: Arc<Watch>,
    /// Bytes of a stream that are not yet a frame.
    buffered: Vec<u8>,
    /// Frames that came while an answer was waited for.
    unread: VecDeque<Vec<u8>>,
    has_allocation: bool,
}

impl Client {
    /// A client that has said nothing yet; port 0 takes any.
    ///
    /// # Errors
    ///
    /// The server does not take the connection.
    pub fn open(way: &Way, watch: &Arc<Watch>, user: User, port: u16) -> Seen<Client> {
        let any = SocketAddr::new(way.local_ip(), port);
        let (link, local) = if way.is_udp() {
            let socket = UdpSocket::bind(any).map_err(|e| fails(format!("no client socket: {e}")))?;
            let local = socket.local_addr().map_err(|e| fails(e.to_string()))?;
            (Link::Udp(socket), local)
        } else {
            let socket = connect(any, way.addr).map_err(|e| fails(format!("no connection: {e}")))?;
            let local = socket.local_addr().map_err(|e| fails(e.to_string()))?;
            let link = match &way.tls {
                None => Link::Tcp(socket),
                Some(config) => {
                    let name = way.server_name.clone();
                    let tls = rustls::ClientConnection::new(Arc::clone(config), name).expect("a TLS client");
                    Link::Tls(Box::new(rustls::StreamOwned::new(tls, socket)))
                }
            };
            (link, local)
        };
        Ok(Client {
            way: way.clone(),
            local,
            user,
            realm: Vec::new(),
            nonce: Vec::new(),
            link,
            watch: Arc::clone(watch),
            buffered: Vec::new(),
            unread: VecDeque::new(),
            has_allocation: false,
        })
    }

    /// Another handle of the socket, for its options.
    pub fn udp_socket(&self) -> Seen<UdpSocket> {
        match &self.link {
            Link::Udp(socket) => socket.try_clone().map_err(|e| fails(e.to_string())),
            Link::Tcp(_) | Link::Tls(_) => Err(fails("no UDP socket")),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> Seen<()> {
        match &mut self.link {
            Link::Udp(socket) => socket.send_to(bytes, self.way.addr).map(|_| ()),
            Link::Tcp(socket) => socket.write_all(bytes),
            Link::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
        .map_err(|e| fails(format!("cannot send: {e}")))
    }

    /// The next frame; `None` if none comes in time.
    ///
    /// # Errors
    ///
    /// The server closed the connection, or answered from another address than the one it was asked at.
    pub fn frame(&mut self, limit: Duration) -> Seen<Option<Vec<u8>>> {
        if let Some(frame) = self.unread.pop_front() {
            return Ok(Some(frame));
        }
        self.read_frame(limit)
    }

    fn read_frame(&mut self, limit: Duration) -> Seen<Option<Vec<u8>>> {
        let frame = match &mut self.link {
            Link::Udp(socket) => {
                let mut room = vec![0; ROOM];
                socket.set_read_timeout(Some(limit)).expect("set a timeout");
                match socket.recv_from(&mut room) {
                    Ok((len, from)) => {
                        same("a datagram came from", from, self.way.addr)?;
                        room.truncate(len);
                        Some(room)
                    }
                    Err(_) => None,
                }
            }
            Link::Tcp(_) | Link::Tls(_) => self.stream_frame(limit)?,
        };
        if let Some(frame) = &frame
            && frame.first().is_some_and(|byte| *byte < 0x40)
        {
            self.watch.look(self.way.name, frame);
        }
        Ok(frame)
    }

    /// RFC 8489 §6.2.2 and RFC 8656 §12.5: lengths tell where a frame ends; ChannelData is padded.
    fn stream_frame(&mut self, limit: Duration) -> Seen<Option<Vec<u8>>> {
        loop {
            if let [first, _, l0, l1, ..] = self.buffered[..] {
                let len = usize::from(u16::from_be_bytes([l0, l1])) + if first < 0x40 { 20 } else { 4 };
                let padded = len.next_multiple_of(4);
                if self.buffered.len() >= padded {
                    self.watch.look_at_padding(self.way.name, &self.buffered[len..padded]);
                    let frame = self.buffered[..len].to_vec();
                    self.buffered.drain(..padded);
                    return Ok(Some(frame));
                }
            }
            let mut room = [0; 16_384];
            let came = match &mut self.link {
                Link::Udp(_) => return Ok(None),
                Link::Tcp(socket) => {
                    socket.set_read_timeout(Some(limit)).expect("set a timeout");
                    socket.read(&mut room)
                }
                Link::Tls(stream) => {
                    stream.sock.set_read_timeout(Some(limit)).expect("set a timeout");
                    stream.read(&mut room)
                }
            };
            match came {
                Ok(0) => return Err(fails("the server closed the connection")),
                Ok(len) => self.buffered.extend_from_slice(&room[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(fails(format!("the connection broke: {error}"))),
            }
        }
    }

    /// Sends a request as it is and waits for its answer; what else comes is read later.
    ///
    /// # Errors
    ///
    /// No answer comes, or one that is no answer to this request.
    pub fn ask(&mut self, request: &Packet) -> Seen<Parsed> {
        self.ask_bytes(&request.0)
    }

    fn ask_bytes(&mut self, request: &[u8]) -> Seen<Parsed> {
        self.send(request)?;
        loop {
            let Some(frame) = self.read_frame(PATIENCE)? else { return Err(fails("no answer")) };
            let is_answer = frame.len() >= 20 && frame[0] < 0x40 && frame[8..20] == request[8..20];
            if !is_answer {
                self.unread.push_back(frame);
                continue;
            }
            let answer = Parsed::read(&frame).map_err(fails)?;
            let method = u16::from_be_bytes([request[0], request[1]]);
            let classes = [method | SUCCESS, method | ERROR];
            ensure(classes.contains(&answer.ty), format!("the answer to {method:#06x} is a {:#06x}", answer.ty))?;
            self.has_allocation |= answer.ty == ALLOCATE | SUCCESS;
            return Ok(answer);
        }
    }

    /// Sends what must not be answered and sees that the server goes on answering other things.
    ///
    /// # Errors
    ///
    /// Something came before the answer to a Binding behind it.
    pub fn ignored(&mut self, what: &str, bytes: &[u8]) -> Seen<()> {
        self.send(bytes)?;
        self.ask(&Packet::new(BINDING)).map_err(|_| fails(format!("{what}: the server fell silent")))?;
        match self.unread.pop_front() {
            None => Ok(()),
            Some(frame) => {
                let code = Parsed::read(&frame).map(|parsed| parsed.code()).unwrap_or_default();
                Err(fails(format!("{what}: something came back (code {code})")))
            }
        }
    }

    /// Sends what may be refused with 400 or ignored, and nothing else.
    pub fn refused_or_ignored(&mut self, what: &str, request: &Packet) -> Seen<()> {
        self.send(&request.0)?;
        self.ask(&Packet::new(BINDING)).map_err(|_| fails(format!("{what}: the server fell silent")))?;
        match self.unread.pop_front() {
            None => Ok(()),
            Some(frame) => same(what, Parsed::read(&frame).map_err(fails)?.code(), 400),
        }
    }

    /// Learns realm and nonce from a 401.
    pub fn challenge(&mut self) -> Seen<Parsed> {
        let answer = self.ask(&Packet::allocate())?;
        same("an unsigned Allocate is answered with", answer.code(), 401)?;
        self.learn(&answer);
        Ok(answer)
    }

    pub fn learn(&mut self, challenge: &Parsed) {
        if let Some(realm) = challenge.get(REALM) {
            self.realm = realm.to_vec();
        }
        if let Some(nonce) = challenge.get(NONCE) {
            self.nonce = nonce.to_vec();
        }
    }

    pub fn key(&self) -> Vec<u8> {
        self.user.md5_key(&self.realm)
    }

    /// The packet with USERNAME, REALM and NONCE, not signed yet.
    pub fn named(&self, packet: Packet) -> Packet {
        packet.attr(USERNAME, &self.user.name).attr(REALM, &self.realm).attr(NONCE, &self.nonce)
    }

    pub fn signed(&self, packet: Packet) -> Packet {
        self.named(packet).sign(&self.key())
    }

    /// Signs, sends, and waits for the answer.
    pub fn call(&mut self, packet: Packet) -> Seen<Parsed> {
        self.ask(&self.signed(packet))
    }

    /// Signs, sends, and demands an answer with this code; 0 is a success.
    pub fn expect(&mut self, code: u16, what: &str, packet: Packet) -> Seen<Parsed> {
        let answer = self.call(packet)?;
        same(what, answer.code(), code)?;
        Ok(answer)
    }

    /// Allocates with what is added to REQUESTED-TRANSPORT; the answer and its first relayed address.
    pub fn allocate(&mut self, packet: Packet) -> Seen<(Parsed, SocketAddr)> {
        let answer = self.expect(0, "Allocate", packet)?;
        let relayed = answer.address(RELAYED).ok_or_else(|| fails("a success without XOR-RELAYED-ADDRESS"))?;
        Ok((answer, relayed))
    }

    pub fn permit(&mut self, code: u16, what: &str, peers: &[SocketAddr]) -> Seen<Parsed> {
        let packet = peers.iter().fold(Packet::new(CREATE_PERMISSION), |packet, peer| packet.peer(*peer));
        self.expect(code, what, packet)
    }

    pub fn bind(&mut self, code: u16, what: &str, number: u16, peer: SocketAddr) -> Seen<Parsed> {
        self.expect(code, what, Packet::new(CHANNEL_BIND).channel(number).peer(peer))
    }

    pub fn refresh(&mut self, code: u16, what: &str, lifetime_s: u32) -> Seen<Parsed> {
        self.expect(code, what, Packet::new(REFRESH).u32(LIFETIME, lifetime_s))
    }

    pub fn indicate(&mut self, peer: SocketAddr, payload: &[u8]) -> Seen<()> {
        self.send(&Packet::new(SEND).peer(peer).attr(DATA, payload).0)
    }

    /// ChannelData as this transport wants it: streams need the padding. RFC 8656 §12.5.
    pub fn channel_frame(&self, number: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = channel_data(number, payload);
        if !self.way.is_udp() {
            frame.resize(frame.len().next_multiple_of(4), 0);
        }
        frame
    }

    pub fn channel(&mut self, number: u16, payload: &[u8]) -> Seen<()> {
        let frame = self.channel_frame(number, payload);
        self.send(&frame)
    }

    /// The next thing from a peer.
    ///
    /// # Errors
    ///
    /// Nothing comes, or something that is no data.
    pub fn data(&mut self) -> Seen<Data> {
        let Some(frame) = self.frame(PATIENCE)? else { return Err(fails("no data came")) };
        if frame[0] >= 0x40 {
            let [n0, n1, l0, l1, payload @ ..] = &frame[..] else { return Err(fails("a short ChannelData")) };
            let len = usize::from(u16::from_be_bytes([*l0, *l1]));
            // Padding behind it is allowed, also over UDP. RFC 8656 §12.5.
            let whole = len <= payload.len() && payload.len() <= len.next_multiple_of(4);
            ensure(whole, format!("ChannelData says {len} and has {} bytes", payload.len()))?;
            return Ok(Data::Channel(u16::from_be_bytes([*n0, *n1]), payload[..len].to_vec()));
        }
        let message = Parsed::read(&frame).map_err(fails)?;
        same("what came is of type", message.ty, DATA_INDICATION)?;
        let (Some(peer), Some(data)) = (message.address(PEER), message.get(DATA)) else {
            let (types, about) = (message.types(), message.address(PEER));
            return Err(fails(format!(
                "a Data indication about {about:?} with {types:04x?} {:02x?}",
                message.get(ICMP)
            )));
        };
        ensure(!message.has(INTEGRITY), "a Data indication with MESSAGE-INTEGRITY")?;
        Ok(Data::Indication(peer, data.to_vec()))
    }
}

impl Drop for Client {
    /// Gives the allocation back, so that a run does not use the server up. Nobody waits for the answer.
    fn drop(&mut self) {
        if self.has_allocation && self.way.is_udp() {
            let refresh = self.signed(Packet::new(REFRESH).u32(LIFETIME, 0));
            let _ = self.send(&refresh.0);
        }
    }
}

fn connect(from: SocketAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&from.into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// A peer on this machine.
pub struct Peer {
    pub socket: UdpSocket,
    pub addr: SocketAddr,
}

impl Peer {
    pub fn at(ip: IpAddr) -> Seen<Peer> {
        let socket = UdpSocket::bind((ip, 0)).map_err(|e| fails(format!("no peer at {ip}: {e}")))?;
        let addr = socket.local_addr().map_err(|e| fails(e.to_string()))?;
        Ok(Peer { socket, addr })
    }

    pub fn say(&self, to: SocketAddr, payload: &[u8]) -> Seen<()> {
        self.socket.send_to(payload, to).map(|_| ()).map_err(|e| fails(format!("a peer cannot send: {e}")))
    }

    /// Whether anything comes.
    pub fn is_spoken_to(&self) -> bool {
        self.socket.set_read_timeout(Some(SILENCE)).expect("set a timeout");
        self.socket.recv(&mut [0; 2048]).is_ok()
    }

    /// Demands that the next datagram is this one from this address.
    pub fn hears(&self, from: SocketAddr, payload: &[u8]) -> Seen<()> {
        let mut room = vec![0; ROOM];
        self.socket.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
        let (len, sender) = self.socket.recv_from(&mut room).map_err(|_| fails("nothing came to the peer"))?;
        ensure(&room[..len] == payload, format!("the peer got {len} other bytes than the {} sent", payload.len()))?;
        same("the peer is sent to from", sender, from)
    }
}
