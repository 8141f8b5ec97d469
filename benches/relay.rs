//! What the relay core costs without sockets: per packet with a thousand allocations, per hand-over, per allocation.
use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;

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
use duologue::relay::FromClient;
use duologue::relay::FromPeer;
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
use duologue::stun::channel_data;
use duologue::time::Mono;
use duologue::time::Now;
use duologue::time::UnixMillis;

const REALM: &str = "example.org";
const SECRET: &[u8] = b"a secret that was persisted";
/// 2026-01-01 00:00 UTC.
const NOW: Now = Now { mono: Mono::from_start(Duration::from_secs(1)), unix: UnixMillis(1_767_225_600_000) };
/// UDP in REQUESTED-TRANSPORT.
const UDP: u32 = 17 << 24;
const ALLOCATIONS: u32 = 1000;
const RELAY_IP: Ipv4Addr = Ipv4Addr::new(5, 6, 7, 8);

/// A clock that goes on by 25 ns with each packet: a thousand allocations in turn stay below their rate of packets.
struct Ticking(Now);

impl Ticking {
    fn next(&mut self) -> Now {
        self.0 = Now { mono: self.0.mono + Duration::from_nanos(25), ..self.0 };
        self.0
    }
}

/// A server, its clients, and a shell that opens sockets by saying so.
struct Relay {
    server: Server,
    directory: Arc<Directory>,
    nonces: NonceKey,
    username: String,
    key: IntegrityKey,
    next: u64,
}

impl Relay {
    fn new(mode: Mode) -> Self {
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

    fn request(&mut self, from: ClientAddr, method: Method, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
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

    fn send(&mut self, from: ClientAddr, packet: &[u8]) -> Option<AllocationId> {
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
                Effect::CloseStream { .. } | Effect::Ended(_) | Effect::Barred { .. } => {}
            }
        }
        allocation
    }

    fn allocate(&mut self, from: ClientAddr) -> AllocationId {
        let packet = self.request(from, Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
        });
        self.send(from, &packet).expect("an allocation")
    }

    fn bind(&mut self, from: ClientAddr, peer: SocketAddr) {
        let packet = self.request(from, Method::CHANNEL_BIND, |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(ChannelNumber::MIN.number()) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        self.send(from, &packet);
    }

    fn permit(&mut self, from: ClientAddr, peer: SocketAddr) {
        let packet = self.request(from, Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        self.send(from, &packet);
    }
}

fn message(class: Class, method: Method, id: TransactionId, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 2000];
    let mut writer = Writer::new(&mut bytes, class, method, id);
    build(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

fn client(number: u32) -> ClientAddr {
    let remote =
        SocketAddr::new(Ipv4Addr::from_bits(0x0908_0000 + number / 100).into(), 40_000 + (number % 100) as u16);
    ClientAddr { via: Via::Udp(ListenerId(0)), local: SocketAddr::new(RELAY_IP.into(), 3478), remote }
}

fn peer(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x0909_0000 + number).into(), 5000)
}

/// Packets of single allocations in turn, so that the tables do not stay in the nearest cache.
fn data(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::Ports);
    let (mut channels, mut indications) = (Vec::new(), Vec::new());
    for number in 0..ALLOCATIONS {
        let (here, there) = (client(number), client(number + ALLOCATIONS));
        channels.push((here, peer(number), relay.allocate(here)));
        relay.bind(here, peer(number));
        indications.push((there, peer(number), relay.allocate(there)));
        relay.permit(there, peer(number));
    }
    let channel = [&channel_data::header(ChannelNumber::MIN, 160)[..], &[0xA5; 160]].concat();
    let sends: Vec<Vec<u8>> = (0..ALLOCATIONS).map(|number| send(peer(number))).collect();
    let mut reply = [0; REPLY_MAX];
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    let mut turn = (0..ALLOCATIONS as usize).cycle();
    let mut clock = Ticking(NOW);
    group.bench_function("channel_data_to_peer", |bench| {
        bench.iter(|| {
            let (from, _, _) = channels[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_client(from, black_box(&channel), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::ToPeer { .. }));
        });
    });
    group.bench_function("peer_to_channel_data", |bench| {
        bench.iter(|| {
            let (_, peer, at) = channels[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_peer(at, black_box(peer), 160, clock.next());
            assert!(matches!(verdict, FromPeer::ToClient(_)));
        });
    });
    group.bench_function("send_indication_to_peer", |bench| {
        bench.iter(|| {
            let number = turn.next().unwrap_or(0);
            let (from, _, _) = indications[number];
            let verdict = relay.server.handle_client(from, black_box(&sends[number]), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::ToPeer { .. }));
        });
    });
    group.bench_function("peer_to_data_indication", |bench| {
        bench.iter(|| {
            let (_, peer, at) = indications[turn.next().unwrap_or(0)];
            let verdict = relay.server.handle_peer(at, black_box(peer), 160, clock.next());
            assert!(matches!(verdict, FromPeer::ToClient(_)));
        });
    });
    group.finish();
}

fn send(peer: SocketAddr) -> Vec<u8> {
    message(Class::Indication, Method::SEND, TransactionId([7; 12]), |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, &[0xA5; 160]);
    })
}

fn hand_over(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::SinglePort);
    let mut relayed = Vec::new();
    for number in 0..ALLOCATIONS {
        relay.allocate(client(number));
    }
    for port in 1024..=65535 {
        let address = SocketAddr::new(RELAY_IP.into(), port);
        relayed.extend(relay.directory.find(address).map(|entry| (entry.client, entry.relayed)));
    }
    for (here, there) in relayed.iter().zip(relayed.iter().rev()) {
        relay.bind(here.0, there.1);
    }
    let channel = [&channel_data::header(ChannelNumber::MIN, 160)[..], &[0xA5; 160]].concat();
    let mut reply = [0; REPLY_MAX];
    let mut turn = relayed.iter().cycle();
    let mut clock = Ticking(NOW);
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hand_over", |bench| {
        bench.iter(|| {
            let from = turn.next().map_or(client(0), |(client, _)| *client);
            let verdict = relay.server.handle_client(from, black_box(&channel), clock.next(), &mut reply);
            assert!(matches!(verdict, FromClient::HandOver { .. }));
        });
    });
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut relay = Relay::new(Mode::SinglePort);
    let mut reply = [0; REPLY_MAX];
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(1));
    let binding = message(Class::Request, Method::BINDING, TransactionId([1; 12]), |_| {});
    group.bench_function("binding", |bench| {
        bench.iter(|| relay.server.handle_client(client(1), black_box(&binding), NOW, &mut reply));
    });
    let bare = message(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), |_| {});
    group.bench_function("challenge", |bench| {
        bench.iter(|| relay.server.handle_client(client(1), black_box(&bare), NOW, &mut reply));
    });
    let allocate = relay.request(client(1), Method::ALLOCATE, |writer| {
        writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
    });
    let delete = relay.request(client(1), Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, 0);
    });
    group.bench_function("allocate_and_delete", |bench| {
        bench.iter(|| {
            let at = relay.send(client(1), black_box(&allocate));
            assert!(at.is_some());
            relay.send(client(1), black_box(&delete));
        });
    });
    group.finish();
}

criterion_group!(benches, data, hand_over, requests);
criterion_main!(benches);
