//! A TURN client that does what a test tells it to, right or wrong, over any transport.
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::IntegrityKind;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::PasswordAlgorithm;
use duologue::stun::TransactionId;
use duologue::stun::UserHash;
use duologue::stun::Writer;
use duologue::stun::framing::Framing;
use duologue::stun::framing::next_frame;

use super::Server;
use super::turn::Credential;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long to listen for what must not come.
pub const SILENCE: Duration = Duration::from_millis(60);
/// UDP in REQUESTED-TRANSPORT. RFC 8656 §18.8.
pub const UDP: u32 = 17 << 24;
/// IPv6 in REQUESTED-ADDRESS-FAMILY. RFC 8656 §18.6.
pub const IPV6: u32 = 2 << 24;
/// Room for the longest frame.
const ROOM: usize = 70_000;

/// A way to the server.
#[derive(Clone)]
pub struct Way {
    pub name: &'static str,
    pub addr: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Way {
    /// The way over a transport, named by it, to where a listener is seen from outside.
    pub fn to(server: &Server, name: &'static str, addr: SocketAddr) -> Way {
        let tls = name.starts_with("tls").then(|| super::tls_config(server));
        Way { name, addr, tls }
    }

    /// The way over UDP to a data plane without the program around it.
    pub fn udp(addr: SocketAddr) -> Way {
        Way { name: "udp", addr, tls: None }
    }

    pub fn is_udp(&self) -> bool {
        self.name.starts_with("udp")
    }
}

/// Every way to a server: each transport, each family, the shared port with and without TLS.
pub fn ways(server: &Server) -> Vec<Way> {
    let tls = super::tls_config(server);
    let way = |name, addr| Way { name, addr, tls: None };
    vec![
        way("udp", server.addr("turn-udp")),
        way("udp6", server.addr_v6("turn-udp")),
        way("tcp", server.addr("turn-tcp")),
        way("tcp6", server.addr_v6("turn-tcp")),
        way("tcp on the shared port", server.addr("shared")),
        Way { name: "tls", addr: server.addr("turn-tls"), tls: Some(Arc::clone(&tls)) },
        Way { name: "tls on the shared port", addr: server.addr("shared"), tls: Some(tls) },
    ]
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// What reached a client from a peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Data {
    Indication(SocketAddr, Vec<u8>),
    Channel(u16, Vec<u8>),
}

/// How a client proves who it is. RFC 8489 §9.2.3.
#[derive(Copy, Clone, Debug)]
pub struct Signing {
    /// The algorithm that it names, and the list that was offered with it; `None`: it knows of none and has an MD5 key.
    pub algorithm: Option<PasswordAlgorithm>,
    pub integrity: IntegrityKind,
    /// USERHASH in place of USERNAME.
    pub by_hash: bool,
}

impl Signing {
    /// As clients of RFC 5389 do, browsers among them.
    pub const OLD: Signing = Signing { algorithm: None, integrity: IntegrityKind::Sha1, by_hash: false };
    /// As RFC 8489 wants it.
    pub const NEW: Signing =
        Signing { algorithm: Some(PasswordAlgorithm::Sha256), integrity: IntegrityKind::Sha256, by_hash: false };
}

/// One client.
pub struct Wire {
    pub way: Way,
    pub local: SocketAddr,
    pub credential: Credential,
    pub nonce: Vec<u8>,
    /// PASSWORD-ALGORITHMS of the challenge.
    pub offered: Vec<u8>,
    pub signing: Signing,
    link: Link,
    realm: String,
    buffered: Vec<u8>,
    unread: VecDeque<Vec<u8>>,
    next_id: u64,
}

impl Wire {
    /// A client with a credential for this session, which has said nothing yet.
    pub fn open(way: &Way, session: &str) -> Wire {
        Self::with(way, Credential::for_session(session))
    }

    pub fn with(way: &Way, credential: Credential) -> Wire {
        if !way.is_udp() {
            return Self::over_stream(way, credential, TcpStream::connect(way.addr).expect("connect"));
        }
        let any = match way.addr.ip() {
            IpAddr::V4(ip) => IpAddr::V4(if ip.is_loopback() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }),
            IpAddr::V6(ip) => IpAddr::V6(if ip.is_loopback() { Ipv6Addr::LOCALHOST } else { Ipv6Addr::UNSPECIFIED }),
        };
        let socket = UdpSocket::bind((any, 0)).expect("bind a client");
        socket.connect(way.addr).expect("connect");
        let local = socket.local_addr().expect("an address");
        Self::on(way, credential, Link::Udp(socket), local)
    }

    /// A client over TCP or TLS on a connection that the test has made.
    pub fn over_stream(way: &Way, credential: Credential, socket: TcpStream) -> Wire {
        socket.set_nodelay(true).expect("set an option");
        let local = socket.local_addr().expect("an address");
        let link = match &way.tls {
            None => Link::Tcp(socket),
            Some(config) => {
                let name = "localhost".try_into().expect("a name");
                let tls = rustls::ClientConnection::new(Arc::clone(config), name).expect("a TLS client");
                Link::Tls(Box::new(rustls::StreamOwned::new(tls, socket)))
            }
        };
        Self::on(way, credential, link, local)
    }

    fn on(way: &Way, credential: Credential, link: Link, local: SocketAddr) -> Wire {
        Wire {
            way: way.clone(),
            local,
            credential,
            nonce: Vec::new(),
            offered: Vec::new(),
            signing: Signing::OLD,
            link,
            realm: String::new(),
            buffered: Vec::new(),
            unread: VecDeque::new(),
            next_id: 1,
        }
    }

    /// A client with an IPv4 allocation; the client and its relayed address.
    pub fn allocated(way: &Way, session: &str) -> (Wire, SocketAddr) {
        let mut wire = Wire::open(way, session);
        let answer = wire.allocate(|_| {});
        assert_eq!(answer.code(), 0, "{}", way.name);
        (wire, answer.relayed())
    }

    /// The socket of a client over UDP.
    pub fn socket(&self) -> &UdpSocket {
        match &self.link {
            Link::Udp(socket) => socket,
            Link::Tcp(_) | Link::Tls(_) => panic!("{} has no datagrams", self.way.name),
        }
    }

    pub fn key(&self) -> IntegrityKey {
        let algorithm = self.signing.algorithm.unwrap_or(PasswordAlgorithm::Md5);
        algorithm.key(&self.credential.username, &self.realm, &self.credential.password)
    }

    /// Goes on from the same address with another server.
    pub fn turn_to(&mut self, way: &Way) {
        let Link::Udp(socket) = &self.link else { panic!("a connection stays with its server") };
        socket.connect(way.addr).expect("connect");
        self.way = way.clone();
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Udp(socket) => socket.send(bytes).map(|_| ()),
            Link::Tcp(socket) => socket.write_all(bytes),
            Link::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
        .expect("send");
    }

    /// The next frame; `None` if none comes in time. Fails if the server closes the connection.
    pub fn frame(&mut self, limit: Duration) -> Option<Vec<u8>> {
        self.try_frame(limit).expect("the connection lives")
    }

    /// Whether the server closes the connection before it says anything more.
    pub fn is_closed(&mut self) -> bool {
        self.try_frame(PATIENCE).is_err()
    }

    fn try_frame(&mut self, limit: Duration) -> Result<Option<Vec<u8>>, ErrorKind> {
        let mut room = vec![0; ROOM];
        loop {
            if let Framing::Frame { len, consumed } = next_frame(&self.buffered) {
                let frame = self.buffered[..len].to_vec();
                assert!(self.buffered[len..consumed].iter().all(|byte| *byte == 0), "padding is zero");
                self.buffered.drain(..consumed);
                return Ok(Some(frame));
            }
            let came = match &mut self.link {
                Link::Udp(socket) => {
                    socket.set_read_timeout(Some(limit)).expect("set a timeout");
                    match socket.recv(&mut room) {
                        Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                        received => return Ok(received.ok().map(|len| room[..len].to_vec())),
                    }
                }
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
                Ok(0) => return Err(ErrorKind::UnexpectedEof),
                Ok(len) => self.buffered.extend_from_slice(&room[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                // A machine that was stopped for a moment interrupts reads that have a timeout: signal(7).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.kind()),
            }
        }
    }

    /// A message with a fresh transaction id; `fill` writes its attributes.
    pub fn message(&mut self, class: Class, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        self.next_id += 1;
        let mut id = [7; 12];
        id[4..].copy_from_slice(&self.next_id.to_be_bytes());
        let mut room = vec![0; ROOM];
        let mut writer = Writer::new(&mut room, class, method, TransactionId(id));
        fill(&mut writer);
        let len = writer.finish().expect("room");
        room.truncate(len);
        room
    }

    /// A request with this client's credentials.
    pub fn signed_message(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let (credential, realm, nonce, key) =
            (self.credential.clone(), self.realm.clone(), self.nonce.clone(), self.key());
        let (signing, offered) = (self.signing, self.offered.clone());
        self.message(Class::Request, method, |writer| {
            fill(writer);
            if signing.by_hash {
                let hash = UserHash::of(&credential.username, &realm);
                writer.attribute(AttributeType::USERHASH, hash.as_bytes());
            } else {
                writer.attribute(AttributeType::USERNAME, credential.username.as_bytes());
            }
            writer.attribute(AttributeType::REALM, realm.as_bytes()).attribute(AttributeType::NONCE, &nonce);
            if let Some(algorithm) = signing.algorithm {
                writer
                    .attribute(AttributeType::PASSWORD_ALGORITHMS, &offered)
                    .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.to_bytes());
            }
            writer.sign(signing.integrity, &key);
        })
    }

    /// Sends a request and waits for its answer; what else comes is read later.
    pub fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        loop {
            let frame = self.frame(PATIENCE).unwrap_or_else(|| panic!("no answer over {}", self.way.name));
            let is_answer = Message::parse(&frame).is_ok_and(|message| {
                matches!(message.class(), Class::Success | Class::Error)
                    && Some(&message.transaction_id().0[..]) == request.get(8..20)
            });
            if is_answer {
                return Answer(frame);
            }
            self.unread.push_back(frame);
        }
    }

    pub fn plain(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Answer {
        let request = self.message(Class::Request, method, fill);
        self.ask(&request)
    }

    pub fn signed(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Answer {
        let request = self.signed_message(method, fill);
        self.ask(&request)
    }

    /// Learns realm and nonce.
    pub fn challenge(&mut self) -> Answer {
        let answer = self.plain(Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        let message = answer.message();
        self.realm = message.text(AttributeType::REALM).expect("a realm").expect("UTF-8").to_owned();
        self.nonce = message.attribute(AttributeType::NONCE).expect("a nonce").to_vec();
        self.offered = message.attribute(AttributeType::PASSWORD_ALGORITHMS).expect("algorithms").to_vec();
        answer
    }

    /// Allocates; `fill` adds to REQUESTED-TRANSPORT.
    pub fn allocate(&mut self, fill: impl FnOnce(&mut Writer<'_>)) -> Answer {
        if self.nonce.is_empty() {
            self.challenge();
        }
        self.signed(Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
            fill(writer);
        })
    }

    pub fn refresh(&mut self, lifetime_s: u32) -> Answer {
        self.signed(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime_s);
        })
    }

    pub fn permit(&mut self, peers: &[SocketAddr]) -> Answer {
        self.signed(Method::CREATE_PERMISSION, |writer| {
            for peer in peers {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
            }
        })
    }

    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Answer {
        self.signed(Method::CHANNEL_BIND, |writer| {
            writer
                .u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16)
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
    }

    pub fn indicate(&mut self, peer: SocketAddr, payload: &[u8]) {
        let message = self.message(Class::Indication, Method::SEND, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, payload);
        });
        self.send(&message);
    }

    pub fn channel(&mut self, number: u16, payload: &[u8]) {
        let message = self.channel_data(number, payload);
        self.send(&message);
    }

    /// ChannelData as this transport wants it: streams need the padding. RFC 8656 §12.5.
    pub fn channel_data(&self, number: u16, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).expect("a payload of 64 KiB at most");
        let mut message = [number.to_be_bytes(), len.to_be_bytes()].concat();
        message.extend_from_slice(payload);
        if !self.way.is_udp() {
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    /// The next thing from a peer; `None` if nothing comes in time.
    pub fn data(&mut self, limit: Duration) -> Option<Data> {
        let frame = match self.unread.pop_front() {
            Some(frame) => frame,
            None => self.frame(limit)?,
        };
        if frame[0] >= 0x40 {
            let [n0, n1, l0, l1, payload @ ..] = frame.as_slice() else { panic!("a short frame: {frame:?}") };
            let payload = payload[..usize::from(u16::from_be_bytes([*l0, *l1]))].to_vec();
            return Some(Data::Channel(u16::from_be_bytes([*n0, *n1]), payload));
        }
        let message = Message::parse(&frame).expect("a STUN message");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        assert!(!message.has_integrity());
        let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("an address");
        Some(Data::Indication(peer, message.attribute(AttributeType::DATA).expect("data").to_vec()))
    }
}

/// An answer as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("a STUN message")
    }

    /// The error code; 0 for a success.
    pub fn code(&self) -> u16 {
        self.message().error_code().map_or(0, |code| code.number())
    }

    /// The attributes before the closing ones.
    pub fn types(&self) -> Vec<AttributeType> {
        self.message().attributes().map(|(ty, _)| ty).collect()
    }

    /// The error code, if the answer proves that the server knows the key.
    pub fn signed_code(&self, key: &IntegrityKey) -> Option<u16> {
        self.message().verify(key).then(|| self.code())
    }

    pub fn relayed(&self) -> SocketAddr {
        self.address(AttributeType::XOR_RELAYED_ADDRESS)
    }

    pub fn address(&self, ty: AttributeType) -> SocketAddr {
        self.message().xor_address(ty).expect("an address").expect("a sound address")
    }

    pub fn lifetime(&self) -> u32 {
        self.message().u32(AttributeType::LIFETIME).expect("a lifetime").expect("a number")
    }
}

/// A peer on this machine. The server refuses peers that have the port number of one of its listeners, TCP ones included, and
/// the kernel may give a UDP socket just that number: then another one is taken.
pub fn peer(ip: &str) -> (UdpSocket, SocketAddr) {
    let ip: IpAddr = ip.parse().expect("an address");
    loop {
        let socket = UdpSocket::bind((ip, 0)).expect("bind a peer");
        let address = socket.local_addr().expect("an address");
        if TcpListener::bind(address).is_ok() {
            return (socket, address);
        }
    }
}

/// The next datagram of a peer; `None` if none comes in time.
pub fn heard(socket: &UdpSocket, limit: Duration) -> Option<(Vec<u8>, SocketAddr)> {
    socket.set_read_timeout(Some(limit)).expect("set a timeout");
    let mut room = vec![0; ROOM];
    loop {
        match socket.recv_from(&mut room) {
            Ok((len, from)) => {
                room.truncate(len);
                return Some((room, from));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
