//! Who takes part: the relay's settings and addresses, its clients, their credentials, the peers.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use duologue::auth::nonce::NonceKey;
use duologue::auth::nonce::SecurityFeatures;
use duologue::auth::secret::Secret;
use duologue::auth::turn::Minter;
use duologue::auth::turn::Verifier;
use duologue::relay::ClientAddr;
use duologue::relay::Config;
use duologue::relay::Limits;
use duologue::relay::ListenerId;
use duologue::relay::Mode;
use duologue::relay::PeerPolicy;
use duologue::relay::RelayAddress;
use duologue::relay::Strangers;
use duologue::relay::StreamId;
use duologue::relay::Via;
use duologue::stun::ChannelRange;
use duologue::stun::IntegrityKey;
use duologue::stun::IntegrityKind;
use duologue::stun::PasswordAlgorithm;
use duologue::time::Mono;
use duologue::time::Now;
use duologue::time::UnixMillis;

use crate::choices::Choices;

/// As long as the default.
pub(super) const REALM: &str = "duologue";
/// Few, so that they run out.
pub(super) const PORTS: RangeInclusive<u16> = 50_000..=50_015;
/// 2026-01-01 00:00 UTC.
const START_UNIX_SECS: u64 = 1_767_225_600;
const SECRETS: [&str; 2] = ["north", "south"];
pub(super) const LOCAL_V4: &str = "10.9.0.1";
pub(super) const EXTERNAL_V4: &str = "5.6.7.8";
const RELAY_V6: &str = "2a00:9::1";
const ALTERNATE: &str = "9.9.2.1:3478";
/// The address that a reload closes.
pub(super) const CLOSED_BY_RELOAD: &str = "8.8.8.8";

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn start() -> Now {
    Now { mono: Mono::from_start(Duration::from_secs(1000)), unix: UnixMillis(START_UNIX_SECS * 1000) }
}

pub(super) fn nonce_key() -> NonceKey {
    NonceKey::derive(&Secret::new(*b"persisted"))
}

/// The settings that a plan chooses.
#[derive(Copy, Clone, Debug)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    strict_expiry: bool,
    dont_fragment: bool,
    channel_range: ChannelRange,
    /// Whether clients are sent to another server while this one drains.
    is_sent_on: bool,
    /// How many of [`SECRETS`] are good.
    pub(super) secrets: usize,
    /// Whether [`CLOSED_BY_RELOAD`] is closed.
    pub(super) is_closed: bool,
}

impl Settings {
    pub(super) fn chosen(choices: &mut Choices<'_>) -> Self {
        let flags = choices.byte();
        Self {
            mode: if flags & 1 == 0 { Mode::Ports } else { Mode::SinglePort },
            strict_expiry: flags & 2 != 0,
            dont_fragment: flags & 4 == 0,
            channel_range: if flags & 8 == 0 { ChannelRange::Rfc8656 } else { ChannelRange::Rfc5766 },
            is_sent_on: flags & 16 != 0,
            secrets: SECRETS.len(),
            is_closed: false,
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        let secrets = SECRETS.iter().take(self.secrets).map(|secret| Secret::new(secret.as_bytes())).collect();
        let users = BTreeMap::from([("alice".to_owned(), Secret::new(*b"wonder"))]);
        let closed = ip(CLOSED_BY_RELOAD).into();
        Arc::new(Config {
            mode: self.mode,
            limits: Limits { permissions: 6, channels: 6, peers: 12, ..Limits::default() },
            // The plays expect an answer to each question: strangers are in the relay's own tests.
            strangers: Strangers { answers_per_second: 10_000_000, failures_per_minute: 0, exempt: Vec::new() },
            policy: PeerPolicy {
                allow: Vec::new(),
                deny: if self.is_closed { vec![closed] } else { Vec::new() },
                own_ips: vec![ip(LOCAL_V4), ip(EXTERNAL_V4), ip(RELAY_V6)],
                own_listeners: vec![address("0.0.0.0:3478"), address("[::]:3478")],
            },
            verifier: Verifier::new(REALM, secrets, users),
            nonce_key: nonce_key(),
            features: SecurityFeatures::PasswordAlgorithms,
            strict_expiry: self.strict_expiry,
            is_traced: true,
            channel_range: self.channel_range,
            alternate_server: self.is_sent_on.then(|| address(ALTERNATE)),
            dont_fragment: self.dont_fragment,
        })
    }
}

/// IPv4 behind a NAT, IPv6 without.
pub(super) fn relay_addresses() -> [RelayAddress; 2] {
    let v6 = ip(RELAY_V6);
    [RelayAddress { local: ip(LOCAL_V4), external: ip(EXTERNAL_V4) }, RelayAddress { local: v6, external: v6 }]
}

/// The shard of a client and its way; connections get their number from `next_stream`.
pub(super) fn clients(next_stream: &mut u64) -> Vec<(usize, ClientAddr)> {
    let mut stream = || {
        *next_stream += 1;
        StreamId(*next_stream)
    };
    let v4 =
        |via, port| ClientAddr { via, local: address("10.9.0.1:3478"), remote: SocketAddr::new(ip("9.8.7.6"), port) };
    let v6 = ClientAddr {
        via: Via::Udp(ListenerId(1)),
        local: address("[2a00:9::1]:3478"),
        remote: address("[2a00:7::7]:1004"),
    };
    vec![
        (0, v4(Via::Udp(ListenerId(0)), 1001)),
        (0, v4(Via::Udp(ListenerId(0)), 1002)),
        (1, v4(Via::Udp(ListenerId(0)), 1003)),
        (1, v6),
        (0, v4(Via::Tcp(stream()), 1005)),
        (1, v4(Via::Tls(stream()), 1006)),
    ]
}

/// A username, its password, and what the model must know of them.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) username: String,
    password: String,
    /// The algorithm that requests name; `None`: they name none and the key is MD5's.
    pub(super) algorithm: Option<PasswordAlgorithm>,
    pub(super) integrity: IntegrityKind,
    pub(super) session: Option<&'static str>,
    pub(super) expires_unix_secs: Option<u64>,
    /// Which of [`SECRETS`] made it; `None` for a static user.
    secret: Option<usize>,
    is_right: bool,
}

impl Credential {
    pub(super) fn key(&self) -> IntegrityKey {
        let algorithm = self.algorithm.unwrap_or(PasswordAlgorithm::Md5);
        algorithm.key(&self.username, REALM, self.password.as_bytes())
    }

    /// Whether an Allocate with it may succeed, revocations apart.
    pub(super) fn is_good(&self, settings: &Settings, now: Now) -> bool {
        self.is_right
            && self.secret.is_none_or(|secret| secret < settings.secrets)
            && self.expires_unix_secs.is_none_or(|expires| now.unix.as_secs() < expires)
    }
}

pub(super) fn credentials() -> Vec<Credential> {
    let minted = |secret: usize, id: &str, session, life_secs: u64| {
        let expires = START_UNIX_SECS + life_secs;
        let minter = Minter::new(Secret::new(SECRETS[secret].as_bytes()));
        let minted = minter.mint(id, expires);
        Credential {
            username: minted.username.clone(),
            password: minted.password.clone(),
            algorithm: None,
            integrity: IntegrityKind::Sha1,
            session: Some(session),
            expires_unix_secs: Some(expires),
            secret: Some(secret),
            is_right: true,
        }
    };
    let of_alice = |password: &str, is_right| Credential {
        username: "alice".to_owned(),
        password: password.to_owned(),
        algorithm: None,
        integrity: IntegrityKind::Sha1,
        session: None,
        expires_unix_secs: None,
        secret: None,
        is_right,
    };
    vec![
        minted(0, "s1.a", "s1", 100_000),
        minted(0, "s1.b", "s1", 3600),
        minted(1, "s2.a", "s2", 100_000),
        of_alice("wonder", true),
        minted(0, "s3", "s3", 0),
        of_alice("guessed", false),
    ]
}

/// How requests can be signed: as browsers do, as RFC 8489 wants it, and in between.
pub(super) const SIGNINGS: [(Option<PasswordAlgorithm>, IntegrityKind); 4] = [
    (None, IntegrityKind::Sha1),
    (Some(PasswordAlgorithm::Sha256), IntegrityKind::Sha256),
    (Some(PasswordAlgorithm::Md5), IntegrityKind::Sha256),
    (Some(PasswordAlgorithm::Sha256), IntegrityKind::Sha1),
];

/// Addresses outside that media may go to, and after them those that nobody may reach.
pub(super) const PEERS: [&str; 14] = [
    "9.9.1.1:5000",
    "9.9.1.1:5001",
    "[2a00:99::1]:5000",
    "8.8.8.8:5000",
    "9.9.1.2:80",
    "9.9.1.3:11211",
    "10.0.0.1:5000",
    "127.0.0.1:5000",
    "169.254.169.254:5000",
    "[::ffff:9.9.1.1]:5000",
    "[64:ff9b::9.9.1.1]:5000",
    "5.6.7.8:3478",
    "10.9.0.1:50003",
    "255.255.255.255:5000",
];

/// How many of [`PEERS`] may have permissions, whatever their port.
const REACHABLE: usize = 6;
/// How many of those may also be sent to.
pub(super) const SENDABLE: usize = 4;

/// Whether a peer outside may have this address.
pub(super) fn is_reachable(peer: IpAddr) -> bool {
    PEERS[..REACHABLE].iter().any(|text| address(text).ip() == peer)
}

/// Whether data may leave for this peer.
pub(super) fn is_sendable(peer: SocketAddr) -> bool {
    PEERS[..SENDABLE].iter().any(|text| address(text) == peer)
}
