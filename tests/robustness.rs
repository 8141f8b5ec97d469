//! Random and mutated packets, over 100,000 per transport, leave the server answering, without panic and without growth.
mod support;

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;

use duologue::stun::AttributeType;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::Message;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use support::Server;
use support::tls_config;
use support::turn::Credential;
use support::turn::TurnClient;

const PACKETS: u32 = 100_000;
/// What the resident memory may grow by over 300,000 packets; 84 bytes that stay behind per packet are too many.
///
/// The receive arena of the one shard, 192 slots of 100 KiB, is touched bit by bit; the allocator's own arenas come and go by
/// some MiB.
const GROWTH_KIB: u64 = 24 * 1024;
const ONE_SHARD: &str = "[relay]\nshards = 1\n";
const METHODS: [Method; 8] = [
    Method::BINDING,
    Method::ALLOCATE,
    Method::REFRESH,
    Method::SEND,
    Method::DATA,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method::ALLOCATE,
];

/// xorshift64*: the same packets in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A message as a client could send it, with attributes that fit, and some that do not.
fn plausible(random: &mut Random) -> Vec<u8> {
    let mut buffer = [0; 1024];
    let class = [Class::Request, Class::Request, Class::Indication, Class::Success][random.below(4)];
    let method = METHODS[random.below(METHODS.len())];
    let id = TransactionId(random.bytes(12).try_into().expect("twelve bytes"));
    let peer = SocketAddr::from(([127, 0, 0, 1], random.next() as u16));
    let mut writer = Writer::new(&mut buffer, class, method, id);
    for _ in 0..random.below(6) {
        match random.below(8) {
            0 => writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer),
            1 => writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
            2 => writer.u32(AttributeType::LIFETIME, random.next() as u32),
            3 => writer.u32(AttributeType::CHANNEL_NUMBER, random.next() as u32),
            4 => writer.attribute(AttributeType::USERNAME, b"9999999999:robust"),
            5 => writer.attribute(AttributeType::NONCE, &random.bytes(29)),
            6 => writer.attribute(AttributeType::REALM, b"duologue"),
            _ => {
                let len = random.below(40);
                writer.attribute(AttributeType(random.next() as u16), &random.bytes(len))
            }
        };
    }
    if random.below(3) == 0 {
        writer.integrity(&IntegrityKey::md5("9999999999:robust", "duologue", "guess"));
    }
    if random.below(3) == 0 {
        writer.fingerprint();
    }
    let len = writer.finish().expect("room");
    buffer[..len].to_vec()
}

fn packet(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => {
            let len = random.below(200);
            random.bytes(len)
        }
        1 => plausible(random),
        _ => {
            let mut bytes = plausible(random);
            for _ in 0..1 + random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            let keep = random.below(bytes.len() + 1);
            if random.below(4) == 0 {
                bytes.truncate(keep);
            }
            bytes
        }
    }
}

/// A frame for a stream: mostly of a sound length, so that the server goes on reading.
fn frame(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(3) {
        0 => {
            let len = random.below(100);
            let number = 0x4000 | (random.next() as u16 & 0x0FFF);
            let mut bytes = [number.to_be_bytes(), (len as u16).to_be_bytes()].concat();
            bytes.extend(random.bytes(len.next_multiple_of(4)));
            return bytes;
        }
        _ => plausible(random),
    };
    let sound = random.below(20) != 0;
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len());
        if !sound || at >= 8 {
            bytes[at] = random.next() as u8;
        }
    }
    bytes
}

/// The proof of life: an allocation that relays to itself through a peer.
fn assert_serves(server: &Server) {
    let turn = server.addr("turn-udp");
    let mut client = TurnClient::allocate_udp(turn, Credential::for_session("alive")).expect("allocate");
    let (peer, peer_addr) = support::wire::peer("127.0.0.1");
    peer.set_read_timeout(Some(Duration::from_secs(3))).expect("set a timeout");
    client.create_permission(peer_addr).expect("permit");
    client.send_to(peer_addr, b"still here");
    let mut buffer = [0; 64];
    let (len, relayed) = peer.recv_from(&mut buffer).expect("the datagram arrives");
    assert_eq!((&buffer[..len], relayed), (&b"still here"[..], client.relayed()));
    peer.send_to(b"and back", relayed).expect("answer");
    assert_eq!(client.receive(), Some((peer_addr, b"and back".to_vec())));
    client.refresh(0).expect("give it back");
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Sends the packets three times over and compares the memory before and after.
fn assert_no_growth(server: &Server, mut send: impl FnMut(u32)) {
    // The first ones fill caches.
    send(PACKETS / 2);
    assert_serves(server);
    let before = server.rss_kib();
    for _ in 0..3 {
        send(PACKETS);
        assert_serves(server);
    }
    let after = server.rss_kib();
    println!("{before} KiB before, {after} KiB after");
    assert!(after <= before + GROWTH_KIB, "{before} KiB before, {after} KiB after");
    assert_eq!(server.allocations(), 0.0, "no packet made an allocation");
}

#[test]
fn udp() {
    let server = Server::start(ONE_SHARD);
    let addr = server.addr("turn-udp");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let probe = UdpSocket::bind("127.0.0.1:0").expect("bind");
    probe.set_read_timeout(Some(Duration::from_secs(3))).expect("set a timeout");
    let mut random = Random(0x5EED_0001);
    assert_no_growth(&server, |count| {
        for sent in 0..count {
            socket.send_to(&packet(&mut random), addr).expect("send");
            // Wait for the server now and then, or the kernel drops what is to be tested.
            if sent % 64 == 0 {
                binding(&probe, addr);
            }
        }
    });
}

fn binding(probe: &UdpSocket, addr: SocketAddr) {
    let mut buffer = [0; 128];
    let len = Writer::new(&mut buffer, Class::Request, Method::BINDING, TransactionId([7; 12])).finish().expect("room");
    probe.send_to(&buffer[..len], addr).expect("send");
    let len = probe.recv(&mut buffer).expect("a Binding answer");
    let message = Message::parse(&buffer[..len]).expect("a STUN message");
    assert_eq!(message.class(), Class::Success);
}

#[test]
fn tcp() {
    let server = Server::start(ONE_SHARD);
    let addr = server.addr("turn-tcp");
    let mut random = Random(0x5EED_0002);
    assert_no_growth(&server, |count| {
        stream_round(&mut random, count, || TcpStream::connect(addr).expect("connect"));
    });
}

#[test]
fn tls() {
    let server = Server::start(ONE_SHARD);
    let addr = server.addr("turn-tls");
    let config = tls_config(&server);
    let mut random = Random(0x5EED_0003);
    assert_no_growth(&server, |count| {
        stream_round(&mut random, count, || {
            let name = "localhost".try_into().expect("a name");
            let connection = rustls::ClientConnection::new(config.clone(), name).expect("a TLS client");
            let socket = TcpStream::connect(addr).expect("connect");
            socket.set_read_timeout(Some(Duration::from_secs(3))).expect("set a timeout");
            rustls::StreamOwned::new(connection, socket)
        });
    });
}

/// Writes `count` frames, on a new connection whenever the server has closed the old one.
fn stream_round<S: Read + Write + Drainable>(random: &mut Random, count: u32, connect: impl Fn() -> S) {
    let mut stream = connect();
    for _ in 0..count {
        let bytes = frame(random);
        let written = stream.write_all(&bytes).and_then(|()| stream.flush());
        if written.is_err() || stream.drain().is_err() {
            stream = connect();
        }
    }
}

/// A connection whose answers can be thrown away without waiting.
trait Drainable: Read {
    fn socket(&self) -> &TcpStream;

    fn drain(&mut self) -> std::io::Result<()> {
        self.socket().set_nonblocking(true)?;
        let mut bin = [0; 4096];
        let outcome = loop {
            match self.read(&mut bin) {
                Ok(0) => break Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.socket().set_nonblocking(false)?;
        outcome
    }
}

impl Drainable for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Drainable for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}
