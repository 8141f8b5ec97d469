//! The relay core with clients and without sockets: for benches, instruction counts and the proof that data needs no heap.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each user needs its own part")]

pub mod operations;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use duologue::auth::nonce::NonceKey;
use duologue::auth::nonce::SecurityFeatures;
use duologue::auth::secret::Secret;
use duologue::auth::turn::Minter;
use duologue::auth::turn::Verifier;
use duologue::relay::AllocationId;
use duologue::relay::Beside;
use duologue::relay::ClientAddr;
use duologue::relay::Config;
use duologue::relay::Counters;
use duologue::relay::Directory;
use duologue::relay::Effect;
use duologue::relay::Limits;
use duologue::relay::ListenerId;
use duologue::relay::Mode;
use duologue::relay::Opened;
use duologue::relay::PeerPolicy;
use duologue::relay::REPLY_MAX;
use duologue::relay::RelayAddress;
use duologue::relay::Server;
use duologue::relay::ShardId;
use duologue::relay::Strangers;
use duologue::relay::Via;
use duologue::stun::AttributeType;
use duologue::stun::ChannelNumber;
use duologue::stun::ChannelRange;
use duologue::stun::Class;
use duologue::stun::IntegrityKey;
use duologue::stun::Method;
use duologue::stun::TransactionId;
use duologue::stun::Writer;
use duologue::time::Mono;
use duologue::time::Now;
use duologue::time::UnixMillis;

pub const REALM: &str = "example.org";
pub const SECRET: &[u8] = b"a secret that was persisted";
/// 2026-01-01 00:00 UTC.
pub const NOW: Now = Now { mono: Mono::from_start(Duration::from_secs(1)), unix: UnixMillis(1_767_225_600_000) };
/// UDP in REQUESTED-TRANSPORT.
pub const UDP: u32 = 17 << 24;
pub const RELAY_IP: Ipv4Addr = Ipv4Addr::new(5, 6, 7, 8);

/// A clock that goes on by 25 ns with each packet: a thousand allocations in turn stay below their rate of packets.
pub struct Ticking(pub Now);

impl Ticking {
    pub fn next(&mut self) -> Now {
        self.0 = Now { mono: self.0.mono + Duration::from_nanos(25), ..self.0 };
        self.0
    }
}

/// A server, its clients, and a shell that opens sockets by saying so.
pub struct Relay {
    pub server: Server,
    pub directory: Arc<Directory>,
    nonces: NonceKey,
    username: String,
    key: IntegrityKey,
    next: u64,
}

impl Relay {
    pub fn new(mode: Mode) -> Self {
        let relay_ip = RELAY_IP.into();
        let ports = 1024..=65535;
        let addresses = [RelayAddress { local: relay_ip, external: relay_ip }];
        let directory = Arc::new(Directory::with_rest(&addresses, ports, Duration::ZERO));
        let nonces = NonceKey::derive(&Secret::new(SECRET));
        let config = Config {
            mode,
            limits: Limits { total_bytes_per_second: 100_000_000_000, ..Limits::default() },
            strangers: Strangers { answers_per_second: u32::MAX, ..Strangers::default() },
            policy: PeerPolicy { own_ips: vec![relay_ip], ..PeerPolicy::default() },
            verifier: Verifier::new(REALM, vec![Secret::new(SECRET)], BTreeMap::new()),
            nonce_key: nonces.clone(),
            features: SecurityFeatures::PasswordAlgorithms,
            strict_expiry: false,
            is_traced: false,
            channel_range: ChannelRange::Rfc8656,
            alternate_server: None,
            dont_fragment: false,
        };
        let minted = Minter::new(Secret::new(SECRET)).mint("s1.a", NOW.unix.as_secs() + 3600);
        let counters = Arc::new(Counters::new());
        Self {
            server: Server::new(ShardId(0), Arc::new(config), Arc::clone(&directory), Arc::default(), counters),
            directory,
            nonces,
            key: IntegrityKey::md5(&minted.username, REALM, minted.password.as_bytes()),
            username: minted.username,
            next: 0,
        }
    }

    pub fn request(&mut self, from: ClientAddr, method: Method, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        self.next += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        let nonce = self.nonces.issue(SecurityFeatures::PasswordAlgorithms, from.remote, NOW.unix.as_secs());
        message(Class::Request, method, TransactionId(id), |writer| {
            build(writer);
            writer.attribute(AttributeType::USERNAME, self.username.as_bytes());
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, nonce.as_bytes());
            writer.integrity(&self.key);
        })
    }

    pub fn send(&mut self, from: ClientAddr, packet: &[u8]) -> Option<AllocationId> {
        let mut reply = [0; REPLY_MAX];
        black_box(self.server.handle_client(from, packet, NOW, &mut reply));
        let mut allocation = None;
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Open { request, families, port, near, .. } => {
                    self.next += 1;
                    let random = self.next.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                    let family = families.iter().next().expect("a family");
                    let claimed = self.directory.claim_any(family, port, near, random, NOW.mono).expect("a port");
                    let opened = Opened { relayed: claimed.relayed, beside: Beside::Nothing, reserved: None };
                    let answer = self.server.handle_opened(request, Ok(opened), NOW, &mut reply);
                    allocation = answer.and_then(|answer| answer.at);
                }
                Effect::Close { relayed, .. } => self.directory.release(relayed, NOW.mono),
                Effect::Hear { .. }
                | Effect::CloseStream { .. }
                | Effect::Ended(_)
                | Effect::Barred { .. }
                | Effect::Answered { .. } => {}
            }
        }
        allocation
    }

    pub fn allocate(&mut self, from: ClientAddr) -> AllocationId {
        let packet = self.request(from, Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        self.send(from, &packet).expect("an allocation")
    }

    pub fn challenge(&mut self, from: ClientAddr) {
        self.send(from, &message(Class::Request, Method::ALLOCATE, TransactionId([2; 12]), |_| {}));
    }

    pub fn delete(&mut self, from: ClientAddr) {
        let packet = self.request(from, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        });
        self.send(from, &packet);
    }

    pub fn bind(&mut self, from: ClientAddr, peer: SocketAddr) {
        let packet = self.request(from, Method::CHANNEL_BIND, |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(ChannelNumber::MIN.number()) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        self.send(from, &packet);
    }

    pub fn permit(&mut self, from: ClientAddr, peer: SocketAddr) {
        let packet = self.request(from, Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        self.send(from, &packet);
    }
}

pub fn message(class: Class, method: Method, id: TransactionId, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 2000];
    let mut writer = Writer::new(&mut bytes, class, method, id);
    build(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

pub fn client(number: u32) -> ClientAddr {
    let remote =
        SocketAddr::new(Ipv4Addr::from_bits(0x0908_0000 + number / 100).into(), 40_000 + (number % 100) as u16);
    ClientAddr { via: Via::Udp(ListenerId(0)), local: SocketAddr::new(RELAY_IP.into(), 3478), remote }
}

pub fn peer(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x0909_0000 + number).into(), 5000)
}

pub fn send(peer: SocketAddr) -> Vec<u8> {
    message(Class::Indication, Method::SEND, TransactionId([7; 12]), |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, &[0xA5; 160]);
    })
}
