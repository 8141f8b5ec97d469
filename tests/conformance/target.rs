//! The server that is judged: the built program, coturn, or one that already runs somewhere.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::coturn::Coturn;
use crate::support::Server;
use crate::support::TURN_SECRET;
use crate::support::eventually;
use crate::user::User;
use crate::verdict::Seen;
use crate::verdict::not_offered;
use crate::watch::Watch;
use crate::way::Transport;
use crate::way::Way;
use crate::way::tls_config;

/// How a server is configured for a probe.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Peers on loopback are allowed, time-limited credentials of one secret.
    Plain,
    /// One relay port, and it is odd.
    OddPort,
    /// Four relay ports.
    FourPorts,
    /// A user may have one allocation.
    OneAllocation,
    /// Relayed addresses of one family only.
    Ipv4Only,
    Ipv6Only,
    /// Users with names and passwords: [`STATIC_USER`] and [`ACCENTED_USER`].
    StaticUsers,
    /// A second secret, [`NEXT_SECRET`], is good too.
    TwoSecrets,
    /// Peers on loopback are not allowed: what is installed, nothing added.
    Guarded,
    /// Clients on loopback are rationed like any other.
    Rationed,
    /// A stop leaves time for what there is.
    Patient,
    /// The same, and there is another server for new clients, at [`ALTERNATE`].
    Alternate,
}

/// Name and password.
pub const STATIC_USER: (&str, &str) = ("appliance", "a password");
/// Composed; a client may as well send it decomposed. RFC 8265 §4.2.
pub const ACCENTED_USER: (&str, &str) = ("Ren\u{e9}", "caf\u{e9}");
/// Longer than any probe of a drain.
const GRACE: &str = "shutdown_grace = \"60s\"";
pub const ALTERNATE: &str = "127.0.0.1:3479";
pub const NEXT_SECRET: &str = "the secret that comes after the first one";
/// The seconds for which a credential of the suite is good.
const CREDENTIAL_LIFE_S: u64 = 1200;

/// Above the ephemeral ports of Linux (32768 to 60999): a port that is reserved is not taken by a client of the suite.
const RELAY_PORTS: RangeInclusive<u16> = 61_000..=65_535;
/// Below the ephemeral ports of Linux, so that the small ranges are ours alone.
const SMALL_RANGES_FROM: u16 = 21_001;

pub struct Target {
    pub label: String,
    pub ways: Vec<Way>,
    pub watch: Arc<Watch>,
    /// Where peers of this suite are for the server.
    pub peer_ip: IpAddr,
    pub relay_ports: RangeInclusive<u16>,
    /// Way and port of every client so far.
    client_ports: Mutex<BTreeSet<(&'static str, u16)>>,
    host: Host,
    login: Login,
}

enum Host {
    Ours(Mutex<Server>),
    Coturn(Coturn),
    Elsewhere,
}

#[derive(Clone)]
enum Login {
    Secret(String),
    User(User),
}

impl Target {
    /// The built program.
    pub fn ours(setup: Setup) -> Target {
        let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut set = |table, line: &str| tables.entry(table).or_default().push(line.to_owned());
        set("http", "tls_listen = [\"127.0.0.1:0\", \"[::1]:0\"]");
        set("turn", "tls_listen = [\"127.0.0.1:0\", \"[::1]:0\"]");
        set("relay.limits", "allocations_per_address = 50000");
        let ports = relay_ports(setup);
        set("relay", &format!("port_range = \"{}-{}\"", ports.start(), ports.end()));
        match setup {
            Setup::Plain => {}
            Setup::OddPort | Setup::FourPorts => {
                // A small range on one shard: else half of it would be on the other.
                set("relay", "shards = 1");
            }
            Setup::OneAllocation => set("relay.limits", "allocations_per_user = 1"),
            Setup::Ipv4Only => set("relay", "addresses = [\"127.0.0.1\"]"),
            Setup::Ipv6Only => set("relay", "addresses = [\"::1\"]"),
            Setup::StaticUsers => {
                set("turn", "username_anonymity = true");
                for (name, password) in [STATIC_USER, ACCENTED_USER] {
                    set("turn.users", &format!("\"{name}\" = \"{password}\""));
                }
            }
            Setup::TwoSecrets => set("turn", &format!("secrets = [\"{NEXT_SECRET}\", \"{TURN_SECRET}\"]")),
            Setup::Guarded => set("relay", "allow_peers = []"),
            Setup::Patient => set("server", GRACE),
            Setup::Alternate => {
                set("server", GRACE);
                set("turn", &format!("alternate_server = \"{ALTERNATE}\""));
            }
            Setup::Rationed => {
                set("limits", "exempt = []");
                set("relay.limits", "unauthenticated_per_second = 50");
            }
        }
        let tables = tables.iter().map(|(table, lines)| format!("[{table}]\n{}\n", lines.join("\n")));
        let server = Server::start(&tables.collect::<String>());
        let version = env!("CARGO_PKG_VERSION");
        Target {
            label: format!("Duologue {version}"),
            ways: ways_of(&server),
            watch: Arc::default(),
            peer_ip: Ipv4Addr::LOCALHOST.into(),
            relay_ports: ports,
            client_ports: Mutex::default(),
            host: Host::Ours(Mutex::new(server)),
            login: login(setup),
        }
    }

    /// Debian's coturn on loopback.
    pub fn coturn(setup: Setup) -> Target {
        let ports = relay_ports(setup);
        let coturn = Coturn::start(setup, &ports);
        let tls = tls_config(&coturn.authority());
        let at = |port: u16, ip: &str| SocketAddr::new(ip.parse().expect("an address"), port);
        let (plain, secure) = (coturn.port, coturn.tls_port);
        let ways = vec![
            Way::new("udp", Transport::Udp, at(plain, "127.0.0.1")),
            Way::new("udp6", Transport::Udp, at(plain, "::1")),
            Way::new("tcp", Transport::Tcp, at(plain, "127.0.0.1")),
            Way::new("tcp6", Transport::Tcp, at(plain, "::1")),
            Way::with_tls("tls", at(secure, "127.0.0.1"), &tls),
            Way::with_tls("tls6", at(secure, "::1"), &tls),
        ];
        Target {
            label: format!("coturn {}", Coturn::version()),
            ways,
            watch: Arc::default(),
            peer_ip: Ipv4Addr::LOCALHOST.into(),
            relay_ports: ports,
            client_ports: Mutex::default(),
            host: Host::Coturn(coturn),
            login: login(setup),
        }
    }

    /// A server that already runs: `udp=IP:PORT tcp=IP:PORT tls=IP:PORT`, of which some may be missing, then
    /// `secret=..` or `user=NAME:PASSWORD`, and `ca=FILE` and `name=HOST` for TLS, `peer=IP` for peers here.
    pub fn elsewhere(description: &str) -> Target {
        let value_by_key: BTreeMap<&str, &str> =
            description.split_whitespace().filter_map(|word| word.split_once('=')).collect();
        let addr = |key: &str| -> Option<SocketAddr> {
            value_by_key.get(key).map(|addr| addr.parse().unwrap_or_else(|e| panic!("{key}={addr}: {e}")))
        };
        let plain =
            [("udp", Transport::Udp), ("udp6", Transport::Udp), ("tcp", Transport::Tcp), ("tcp6", Transport::Tcp)];
        let mut ways: Vec<Way> =
            plain.iter().filter_map(|(name, kind)| addr(name).map(|addr| Way::new(name, *kind, addr))).collect();
        if let (Some(addr), Some(ca)) = (addr("tls"), value_by_key.get("ca")) {
            let mut way = Way::with_tls("tls", addr, &tls_config(Path::new(ca)));
            if let Some(name) = value_by_key.get("name") {
                way.server_name = (*name).to_owned().try_into().expect("a host name");
            }
            ways.push(way);
        }
        assert!(!ways.is_empty(), "no address in the description of the server: {description}");
        let login = match (value_by_key.get("secret"), value_by_key.get("user").and_then(|user| user.split_once(':'))) {
            (Some(secret), _) => Login::Secret((*secret).to_owned()),
            (None, Some((name, password))) => Login::User(User::named(name, password)),
            (None, None) => panic!("secret=.. or user=NAME:PASSWORD is missing in {description}"),
        };
        let peer = value_by_key.get("peer").copied().unwrap_or("127.0.0.1");
        Target {
            label: description.split_whitespace().next().unwrap_or_default().to_owned(),
            ways,
            watch: Arc::default(),
            peer_ip: peer.parse().unwrap_or_else(|e| panic!("peer={peer}: {e}")),
            relay_ports: 1024..=65_535,
            client_ports: Mutex::default(),
            host: Host::Elsewhere,
            login,
        }
    }

    /// The same server once more, with another configuration.
    pub fn with(&self, setup: Setup) -> Seen<Target> {
        let mut other = match self.host {
            Host::Ours(_) => Target::ours(setup),
            Host::Coturn(_) => Target::coturn(setup),
            Host::Elsewhere => return Err(not_offered("needs another configuration")),
        };
        other.watch = Arc::clone(&self.watch);
        Ok(other)
    }

    /// Stops the server and starts it with the same state; its ports may be others.
    pub fn restart(&mut self) -> Seen<()> {
        match &mut self.host {
            Host::Ours(server) => {
                let server = server.get_mut().expect("no probe panicked");
                server.restart();
                self.ways = ways_of(server);
            }
            Host::Coturn(coturn) => coturn.restart(),
            Host::Elsewhere => return Err(not_offered("cannot be restarted from here")),
        }
        Ok(())
    }

    /// Tells the server to take no new clients.
    pub fn drain(&self) -> Seen<()> {
        match &self.host {
            Host::Ours(server) => server.lock().expect("no probe panicked").signal("TERM"),
            Host::Coturn(_) | Host::Elsewhere => return Err(not_offered("no way to drain it")),
        }
        Ok(())
    }

    /// Port and what listens there, beside TURN over UDP.
    pub fn own_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.ways.iter().map(|way| way.addr.port()).collect();
        if let Host::Ours(server) = &self.host {
            ports.push(server.lock().expect("no probe panicked").addr("http").port());
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether no allocation is left after a moment.
    pub fn is_empty_soon(&self) -> bool {
        let Host::Ours(server) = &self.host else { return true };
        let server = server.lock().expect("no probe panicked");
        eventually(Duration::from_secs(5), || server.allocations() == 0.0)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> Seen<String> {
        match &self.host {
            Host::Ours(server) => Ok(server.lock().expect("no probe panicked").log()),
            Host::Coturn(coturn) => Ok(coturn.log()),
            Host::Elsewhere => Err(not_offered("its log is not here")),
        }
    }

    pub fn is_ours(&self) -> bool {
        matches!(self.host, Host::Ours(_))
    }

    pub fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }

    /// Whether no client of this run has had this port on this way. Other servers delete an allocation later than they
    /// say, and the next client with its port would meet it; of our own that would be a fault, which must show.
    pub fn is_fresh(&self, way: &Way, port: u16) -> bool {
        let is_new = self.client_ports.lock().expect("no probe panicked").insert((way.name, port));
        is_new || self.is_ours()
    }

    /// A user whom no other probe has, if the server has time-limited credentials.
    pub fn user(&self) -> User {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.user_called(&format!("u{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn user_called(&self, id: &str) -> User {
        match &self.login {
            Login::Secret(secret) => User::time_limited(secret, id, now_unix_s() + CREDENTIAL_LIFE_S),
            Login::User(user) => user.clone(),
        }
    }

    /// A user whose credential ends at this moment.
    pub fn user_until(&self, id: &str, expiry_unix_s: u64) -> Seen<User> {
        match &self.login {
            Login::Secret(secret) => Ok(User::time_limited(secret, id, expiry_unix_s)),
            Login::User(_) => Err(not_offered("no time-limited credentials")),
        }
    }
}

fn login(setup: Setup) -> Login {
    match setup {
        Setup::StaticUsers => Login::User(User::named(STATIC_USER.0, STATIC_USER.1)),
        _ => Login::Secret(TURN_SECRET.to_owned()),
    }
}

pub fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A range that the system gives nobody else, and if it is small, one of this process: another run of the suite at the
/// same time takes another one.
fn relay_ports(setup: Setup) -> RangeInclusive<u16> {
    let place = u16::try_from(std::process::id() % 500).expect("small");
    let first = SMALL_RANGES_FROM + place * 16;
    match setup {
        Setup::OddPort => first..=first,
        Setup::FourPorts => first + 5..=first + 8,
        _ => RELAY_PORTS,
    }
}

fn ways_of(server: &Server) -> Vec<Way> {
    let tls = tls_config(&server.state.path().join("tls/local-ca.pem"));
    vec![
        Way::new("udp", Transport::Udp, server.addr("turn-udp")),
        Way::new("udp6", Transport::Udp, server.addr_v6("turn-udp")),
        Way::new("tcp", Transport::Tcp, server.addr("turn-tcp")),
        Way::new("tcp6", Transport::Tcp, server.addr_v6("turn-tcp")),
        Way::new("tcp shared", Transport::Tcp, server.addr("shared")),
        Way::with_tls("tls", server.addr("turn-tls"), &tls),
        Way::with_tls("tls6", server.addr_v6("turn-tls"), &tls),
        Way::with_tls("tls shared", server.addr("shared"), &tls),
    ]
}
