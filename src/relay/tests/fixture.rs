//! A shell without sockets, and clients that speak STUN.
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::nonce::NonceKey;
use crate::auth::nonce::SecurityFeatures;
use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::auth::turn::Verifier;
use crate::relay::*;
use crate::stun::AttributeType;
use crate::stun::ChannelNumber;
use crate::stun::ChannelRange;
use crate::stun::Class;
use crate::stun::IntegrityKey;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;
use crate::stun::channel_data;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

pub(super) const REALM: &str = "example.org";
pub(super) const FEATURES: SecurityFeatures = SecurityFeatures::PasswordAlgorithms;
pub(super) const SECRET: &[u8] = b"north";

/// When every test begins: 2026-01-01 00:00 UTC.
pub(super) const START_UNIX_SECS: u64 = 1_767_225_600;

/// The relay's addresses: IPv4 behind a NAT, IPv6 without.
pub(super) const LOCAL_V4: &str = "10.9.0.1";
pub(super) const EXTERNAL_V4: &str = "5.6.7.8";
pub(super) const RELAY_V6: &str = "2a00:9::1";

/// UDP in REQUESTED-TRANSPORT.
pub(super) const UDP: u32 = 17 << 24;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn start() -> Now {
    Now { mono: Mono::from_start(Duration::from_secs(1000)), unix: UnixMillis(START_UNIX_SECS * 1000) }
}

/// What differs between tests.
pub(super) struct Setup {
    pub(super) mode: Mode,
    pub(super) limits: Limits,
    pub(super) strangers: Strangers,
    pub(super) quotas: Quotas,
    pub(super) policy: PeerPolicy,
    pub(super) secrets: Vec<&'static [u8]>,
    pub(super) strict_expiry: bool,
    pub(super) is_traced: bool,
    pub(super) nonce_lifetime: Duration,
    pub(super) channel_range: ChannelRange,
    pub(super) alternate_server: Option<SocketAddr>,
    pub(super) dont_fragment: bool,
    pub(super) relay_addresses: Vec<RelayAddress>,
    pub(super) ports: RangeInclusive<u16>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mode: Mode::Ports,
            limits: Limits::default(),
            // Tests ask faster than strangers may, except for those that are about that.
            strangers: Strangers { answers_per_second: 1_000_000, ..Strangers::default() },
            quotas: Quotas::default(),
            policy: PeerPolicy {
                own_ips: vec![ip(LOCAL_V4), ip(EXTERNAL_V4), ip(RELAY_V6), ip("10.9.0.2")],
                own_listeners: vec![address("0.0.0.0:3478"), address("[::]:3478"), address("127.0.0.1:8080")],
                ..PeerPolicy::default()
            },
            secrets: vec![SECRET],
            strict_expiry: false,
            is_traced: false,
            nonce_lifetime: Duration::from_secs(3600),
            channel_range: ChannelRange::Rfc8656,
            alternate_server: None,
            dont_fragment: true,
            relay_addresses: vec![
                RelayAddress { local: ip(LOCAL_V4), external: ip(EXTERNAL_V4) },
                RelayAddress { local: ip(RELAY_V6), external: ip(RELAY_V6) },
            ],
            ports: 50_000..=50_999,
        }
    }
}

impl Setup {
    pub(super) fn config(&self) -> Arc<Config> {
        let secrets = self.secrets.iter().map(|secret| Secret::new(*secret)).collect();
        let users = BTreeMap::from([("alice".to_owned(), Secret::new(*b"wonder"))]);
        Arc::new(Config {
            mode: self.mode,
            limits: self.limits,
            strangers: self.strangers.clone(),
            policy: self.policy.clone(),
            verifier: Verifier::new(REALM, secrets, users),
            nonce_key: nonce_key().with_lifetime(self.nonce_lifetime),
            features: FEATURES,
            strict_expiry: self.strict_expiry,
            is_traced: self.is_traced,
            channel_range: self.channel_range,
            alternate_server: self.alternate_server,
            dont_fragment: self.dont_fragment,
        })
    }
}

pub(super) fn nonce_key() -> NonceKey {
    NonceKey::derive(&Secret::new(*b"persisted"))
}

/// Somebody with a 5-tuple and a credential.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: ClientAddr,
    pub(super) username: String,
    pub(super) password: String,
}

impl Client {
    /// A UDP client on this port with an hour's credential for `id`.
    pub(super) fn udp(port: u16, id: &str) -> Self {
        let remote = SocketAddr::new(ip("9.8.7.6"), port);
        Self::at(ClientAddr { via: Via::Udp(ListenerId(0)), local: address("10.9.0.1:3478"), remote }, id)
    }

    /// A TCP client with this connection.
    pub(super) fn tcp(stream: u64, id: &str) -> Self {
        let (local, remote) = (address("10.9.0.1:3478"), address("9.8.7.6:40000"));
        Self::at(ClientAddr { via: Via::Tcp(StreamId(stream)), local, remote }, id)
    }

    pub(super) fn at(address: ClientAddr, id: &str) -> Self {
        let minted = Minter::new(Secret::new(SECRET)).mint(id, START_UNIX_SECS + 3600);
        Self { address, username: minted.username, password: minted.password }
    }

    pub(super) fn key(&self) -> IntegrityKey {
        IntegrityKey::md5(&self.username, REALM, self.password.as_bytes())
    }

    /// A request of this client, complete and signed.
    pub(super) fn signed(
        &self,
        method: Method,
        id: TransactionId,
        now: Now,
        build: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let nonce = nonce_key().issue(FEATURES, self.address.remote, now.unix.as_secs());
        message(Class::Request, method, id, |writer| {
            build(writer);
            writer.attribute(AttributeType::USERNAME, self.username.as_bytes());
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, nonce.as_bytes());
            writer.integrity(&self.key());
        })
    }
}

pub(super) fn message(class: Class, method: Method, id: TransactionId, build: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut writer = Writer::new(&mut bytes, class, method, id);
    build(&mut writer);
    let len = writer.finish().unwrap();
    bytes.truncate(len);
    bytes
}

/// An answer as the client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply(pub(super) Vec<u8>);

impl Reply {
    pub(super) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    /// The error's number, 0 for a success.
    pub(super) fn code(&self) -> u16 {
        match self.message().class() {
            Class::Success => 0,
            Class::Error => self.message().error_code().unwrap().number(),
            Class::Request | Class::Indication => panic!("not an answer"),
        }
    }

    pub(super) fn relayed(&self) -> SocketAddr {
        self.message().xor_address(AttributeType::XOR_RELAYED_ADDRESS).unwrap().unwrap()
    }

    pub(super) fn lifetime(&self) -> u32 {
        self.message().u32(AttributeType::LIFETIME).unwrap().unwrap()
    }

    pub(super) fn types(&self) -> Vec<AttributeType> {
        self.message().attributes().map(|(ty, _)| ty).collect()
    }
}

/// A server and a shell that opens every socket at once.
pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) directory: Arc<Directory>,
    pub(super) defences: Arc<Defences>,
    pub(super) counters: Arc<Counters>,
    pub(super) now: Now,
    /// Every effect but `Open`, in order.
    pub(super) effects: Vec<Effect>,
    pub(super) ledger: Ledger,
    charges_by_id: HashMap<AllocationId, Vec<Charge>>,
    pub(super) last_allocation: Option<AllocationId>,
    next_id: u64,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(&Setup::default())
    }

    pub(super) fn with(setup: &Setup) -> Self {
        let directory = Arc::new(Directory::new(&setup.relay_addresses, setup.ports.clone()));
        Self::on(setup, ShardId(0), directory, Arc::default())
    }

    /// Another shard of the same process.
    pub(super) fn beside(&self, setup: &Setup, shard: ShardId) -> Self {
        Self::on(setup, shard, Arc::clone(&self.directory), Arc::clone(&self.defences))
    }

    fn on(setup: &Setup, shard: ShardId, directory: Arc<Directory>, defences: Arc<Defences>) -> Self {
        let counters = Arc::new(Counters::new());
        let (config, own) = (setup.config(), Arc::clone(&counters));
        Self {
            server: Server::new(shard, config, Arc::clone(&directory), Arc::clone(&defences), own),
            directory,
            defences,
            counters,
            now: start(),
            effects: Vec::new(),
            ledger: Ledger::new(setup.quotas.clone()),
            charges_by_id: HashMap::new(),
            last_allocation: None,
            next_id: 0,
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    pub(super) fn pass_secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    pub(super) fn id(&mut self) -> TransactionId {
        self.next_id += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next_id.to_be_bytes());
        TransactionId(id)
    }

    /// Hands in raw bytes; no effect is done.
    pub(super) fn receive(&mut self, from: ClientAddr, packet: &[u8]) -> (FromClient, Vec<u8>) {
        let mut reply = vec![0xEE; REPLY_MAX];
        let verdict = self.server.handle_client(from, packet, self.now, &mut reply);
        if let FromClient::Reply { len } = verdict {
            reply.truncate(len);
        }
        (verdict, reply)
    }

    /// Hands in raw bytes and does what must be done; the answer, if any.
    pub(super) fn exchange(&mut self, from: ClientAddr, packet: &[u8]) -> Option<Reply> {
        let (verdict, reply) = self.receive(from, packet);
        let later = self.run_effects();
        match verdict {
            FromClient::Reply { .. } => Some(Reply(reply)),
            FromClient::Opening => later,
            FromClient::Nothing => None,
            FromClient::ToPeer { .. } | FromClient::HandOver { .. } => panic!("data: {verdict:?}"),
        }
    }

    pub(super) fn request(&mut self, client: &Client, method: Method, build: impl FnOnce(&mut Writer<'_>)) -> Reply {
        let id = self.id();
        let packet = client.signed(method, id, self.now, build);
        let reply = self.exchange(client.address, &packet).expect("an answer");
        assert_eq!(reply.message().transaction_id(), id);
        assert_eq!(reply.message().method(), method);
        reply
    }

    pub(super) fn try_allocate(&mut self, client: &Client, build: impl FnOnce(&mut Writer<'_>)) -> Reply {
        self.request(client, Method::ALLOCATE, |writer| {
            writer.u32(AttributeType::REQUESTED_TRANSPORT, UDP);
            build(writer);
        })
    }

    /// Allocates and returns the relayed address.
    pub(super) fn allocate(&mut self, client: &Client) -> SocketAddr {
        let reply = self.try_allocate(client, |_| {});
        assert_eq!(reply.code(), 0);
        reply.relayed()
    }

    pub(super) fn allocate_v6(&mut self, client: &Client) -> SocketAddr {
        let reply = self.try_allocate(client, |writer| {
            writer.u32(AttributeType::REQUESTED_ADDRESS_FAMILY, 2 << 24);
        });
        assert_eq!(reply.code(), 0);
        reply.relayed()
    }

    pub(super) fn refresh(&mut self, client: &Client, lifetime_secs: u32) -> Reply {
        self.request(client, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime_secs);
        })
    }

    pub(super) fn permit(&mut self, client: &Client, peers: &[SocketAddr]) -> u16 {
        let reply = self.request(client, Method::CREATE_PERMISSION, |writer| {
            for peer in peers {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
            }
        });
        reply.code()
    }

    pub(super) fn bind(&mut self, client: &Client, number: u16, peer: SocketAddr) -> u16 {
        let reply = self.request(client, Method::CHANNEL_BIND, |writer| {
            writer.u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        reply.code()
    }

    /// Sends "hello" on a channel.
    pub(super) fn send_channel(&mut self, client: &Client, number: u16) -> FromClient {
        self.receive(client.address, &channel_packet(number, b"hello")).0
    }

    /// Sends "hello" to a peer by indication.
    pub(super) fn send_indication(&mut self, client: &Client, peer: SocketAddr) -> FromClient {
        let packet = send_packet(peer, b"hello");
        self.receive(client.address, &packet).0
    }

    /// A datagram of `len` bytes reaches the last allocation made.
    pub(super) fn peer_data(&mut self, from: SocketAddr, len: usize) -> FromPeer {
        self.server.handle_peer(self.last_allocation.unwrap(), from, len, self.now)
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped().find(|(counted, _)| *counted == reason).map_or(0, |(_, count)| count)
    }

    pub(super) fn requests(&self, kind: RequestKind, result: RequestResult) -> u64 {
        let mut counts = self.counters.requests();
        counts.find(|(k, r, _)| (*k, *r) == (kind, result)).map_or(0, |(_, _, count)| count)
    }

    /// The usage records so far.
    pub(super) fn ended(&self) -> Vec<&Usage> {
        let mut ended = Vec::new();
        for effect in &self.effects {
            if let Effect::Ended(usage) = effect {
                ended.push(usage);
            }
        }
        ended
    }

    /// Does what the server asks; the answer to an Allocate, if one was opened.
    pub(super) fn run_effects(&mut self) -> Option<Reply> {
        let mut answer = None;
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Open { request, families, port, near, user, client_ip } => {
                    answer = self.open(request, families, (port, near), &user, client_ip);
                }
                Effect::Close { at, relayed, .. } => {
                    self.directory.release(relayed, self.now.mono);
                    let charges = self.charges_by_id.get_mut(&at).expect("charged");
                    self.ledger.refund(charges.pop().expect("a charge for each address"));
                    self.effects.push(effect);
                }
                // A shell without sockets hears everything from the beginning.
                Effect::Hear { .. } => {}
                Effect::CloseStream { .. } | Effect::Ended(_) | Effect::Barred { .. } | Effect::Answered { .. } => {
                    self.effects.push(effect);
                }
            }
        }
        answer
    }

    fn open(
        &mut self,
        request: OpenId,
        families: Families,
        wish: (PortWish, IpAddr),
        user: &QuotaUser,
        client_ip: IpAddr,
    ) -> Option<Reply> {
        let mut charges = Vec::new();
        let mut claims = Vec::new();
        for family in families.iter() {
            let now = self.now.mono;
            let charged = self.ledger.charge_wish(wish.0, user, client_ip, now).map_err(OpenError::OverQuota);
            let claim = charged.and_then(|(charge, beside)| match self.claim(family, wish) {
                Ok(claimed) => {
                    charges.push(charge);
                    if let (Some(token), Some(beside)) = (claimed.reserved, beside) {
                        self.ledger.reserve(token, beside, now);
                    }
                    Ok(claimed)
                }
                Err(error) => {
                    [Some(charge), beside].into_iter().flatten().for_each(|charge| self.ledger.refund(charge));
                    Err(error)
                }
            });
            claims.push(claim);
        }
        let opened = |claimed: Claimed, beside| Opened { relayed: claimed.relayed, beside, reserved: claimed.reserved };
        let outcome = match *claims {
            [one] => one.map(|one| opened(one, Beside::Nothing)),
            [Ok(v4), Ok(v6)] => Ok(opened(v4, Beside::Relayed(v6.relayed))),
            [Ok(one), Err(error)] | [Err(error), Ok(one)] => Ok(opened(one, Beside::Refused(error))),
            [Err(error), ..] => Err(error),
            [..] => panic!("one family or two"),
        };
        let mut reply = vec![0xEE; REPLY_MAX];
        let answer = self.server.handle_opened(request, outcome, self.now, &mut reply);
        match answer.and_then(|answer| answer.at) {
            Some(at) => {
                self.last_allocation = Some(at);
                self.charges_by_id.insert(at, charges);
            }
            None => charges.into_iter().for_each(|charge| self.ledger.refund(charge)),
        }
        reply.truncate(answer?.len);
        Some(Reply(reply))
    }

    fn claim(&mut self, family: Family, (port, near): (PortWish, IpAddr)) -> Result<Claimed, OpenError> {
        if !self.directory.offers(family) {
            return Err(OpenError::FamilyNotOffered);
        }
        self.next_id += 1;
        let random = self.next_id.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let none = if matches!(port, PortWish::Reserved(_)) { OpenError::NoReservation } else { OpenError::NoPort };
        self.directory.claim_any(family, port, near, random, self.now.mono).ok_or(none)
    }
}

pub(super) fn channel_packet(number: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    let mut packet = channel_data::header(ChannelNumber::new(number).unwrap(), len).to_vec();
    packet.extend_from_slice(payload);
    packet
}

pub(super) fn send_packet(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    message(Class::Indication, Method::SEND, TransactionId([7; 12]), |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        writer.attribute(AttributeType::DATA, payload);
    })
}

/// The whole datagram that a delivery makes of a payload.
pub(super) fn datagram(delivery: &Delivery, payload: &[u8]) -> Vec<u8> {
    let mut bytes = delivery.head.as_slice().to_vec();
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + usize::from(delivery.pad), 0);
    bytes
}

/// The delivery of a hand-over that must have happened.
pub(super) fn handed(verdict: FromClient) -> Delivery {
    let FromClient::HandOver { to, .. } = verdict else { panic!("{verdict:?}") };
    to
}

/// The delivery of peer data that must have happened.
pub(super) fn delivered(verdict: FromPeer) -> Delivery {
    let FromPeer::ToClient(delivery) = verdict else { panic!("{verdict:?}") };
    delivery
}
