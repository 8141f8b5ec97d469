//! A statement about a STUN or TURN server, and how it is judged.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use crate::client::Client;
use crate::client::Peer;
use crate::packet::FAMILY;
use crate::packet::Packet;
use crate::packet::RELAYED;
use crate::target::Target;
use crate::user::User;
use crate::verdict::Seen;
use crate::verdict::fails;
use crate::verdict::not_offered;
use crate::watch::Watched;
use crate::way::Transport;
use crate::way::Way;

/// What stands in the RFC column when no RFC asks for it: a rule that this project set itself.
pub const OUR_RULE: &str = "our rule";

/// The ways a statement is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Over {
    All,
    Udp,
    Streams,
    Tls,
    /// The way to the server does not matter: the first one is taken.
    Once,
}

/// How a statement is judged.
#[derive(Copy, Clone)]
pub enum Proof {
    /// By what a server answers to this probe.
    Probe(fn(&Scene<'_>) -> Seen<()>),
    /// By every message that came while the probes ran.
    Watched(Watched),
    /// Not from outside: the tests in `also` show it.
    Told,
}

pub struct Statement {
    /// `1` to `120`: the statements; `A1` and up: abuses.
    pub number: &'static str,
    pub rfc: &'static str,
    pub says: &'static str,
    pub over: Over,
    pub proof: Proof,
    /// Tests of this repository that show what takes minutes, or cannot be seen from outside: file and name.
    pub also: &'static [&'static str],
}

impl Statement {
    pub const fn seen(
        number: &'static str,
        rfc: &'static str,
        says: &'static str,
        over: Over,
        probe: fn(&Scene<'_>) -> Seen<()>,
    ) -> Statement {
        Statement { number, rfc, says, over, proof: Proof::Probe(probe), also: &[] }
    }

    pub const fn watched(
        number: &'static str,
        rfc: &'static str,
        says: &'static str,
        over: Over,
        kind: Watched,
    ) -> Statement {
        Statement { number, rfc, says, over, proof: Proof::Watched(kind), also: &[] }
    }

    pub const fn told(
        number: &'static str,
        rfc: &'static str,
        says: &'static str,
        also: &'static [&'static str],
    ) -> Statement {
        Statement { number, rfc, says, over: Over::Once, proof: Proof::Told, also }
    }

    pub const fn also(self, also: &'static [&'static str]) -> Statement {
        Statement { also, ..self }
    }

    /// The ways of a target that this statement is judged over.
    pub fn ways<'a>(&self, target: &'a Target) -> Vec<&'a Way> {
        let is_meant = |way: &&Way| match self.over {
            Over::All => true,
            Over::Udp => way.is_udp(),
            Over::Streams => !way.is_udp(),
            Over::Tls => way.transport == Transport::Tls,
            Over::Once => way.name == target.ways[0].name,
        };
        target.ways.iter().filter(is_meant).collect()
    }
}

/// Where a probe plays: one way to one server.
pub struct Scene<'a> {
    pub target: &'a Target,
    pub way: &'a Way,
}

impl Scene<'_> {
    /// A client of a user of its own that knows realm and nonce.
    pub fn client(&self) -> Seen<Client> {
        self.client_of(self.target.user())
    }

    pub fn client_of(&self, user: User) -> Seen<Client> {
        let mut client = self.silent_client(user, 0)?;
        client.challenge()?;
        Ok(client)
    }

    /// A client that has said nothing yet, at this port; 0 takes any.
    pub fn silent_client(&self, user: User, port: u16) -> Seen<Client> {
        // A socket whose port an earlier client had is kept until there is one with another.
        let mut held = Vec::new();
        loop {
            let client = Client::open(self.way, &self.target.watch, user.clone(), port)?;
            if port != 0 || self.target.is_fresh(self.way, client.local.port()) {
                return Ok(client);
            }
            held.push(client);
        }
    }

    /// A client with an IPv4 allocation, and its relayed address.
    pub fn allocated(&self) -> Seen<(Client, SocketAddr)> {
        self.allocated_by(Packet::allocate)
    }

    /// A client with an IPv6 allocation, and its relayed address.
    pub fn allocated_v6(&self) -> Seen<(Client, SocketAddr)> {
        self.allocated_by(|| Packet::allocate().byte(FAMILY, 2))
    }

    fn allocated_by(&self, packet: fn() -> Packet) -> Seen<(Client, SocketAddr)> {
        let mut client = self.client()?;
        let answer = client.call(packet())?;
        match (answer.code(), answer.address(RELAYED)) {
            (0, Some(relayed)) => Ok((client, relayed)),
            (440, _) => Err(not_offered("not a relay for this family")),
            (code, _) => Err(fails(format!("Allocate: {code}"))),
        }
    }

    /// A peer that the server can reach over IPv4.
    pub fn peer(&self) -> Seen<Peer> {
        self.peer_at(self.target.peer_ip)
    }

    /// An address that no socket needs to have.
    pub fn somebody(&self) -> SocketAddr {
        SocketAddr::new(self.target.peer_ip, 9999)
    }

    /// Another address of this machine that no other run of the suite has, if the server's peers are on loopback.
    pub fn neighbour(&self, last: u8) -> Seen<IpAddr> {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        match self.target.peer_ip {
            IpAddr::V4(ip) if ip.is_loopback() => Ok(Ipv4Addr::new(127, high | 0x80, low, last).into()),
            _ => Err(not_offered("needs peers on loopback")),
        }
    }

    pub fn peer_v6(&self) -> Seen<Peer> {
        self.peer_at(Ipv6Addr::LOCALHOST.into())
    }

    /// A number that a listener of the server has is refused, whatever its protocol.
    fn peer_at(&self, ip: IpAddr) -> Seen<Peer> {
        loop {
            let peer = Peer::at(ip)?;
            if !self.target.own_ports().contains(&peer.addr.port()) {
                return Ok(peer);
            }
        }
    }
}
