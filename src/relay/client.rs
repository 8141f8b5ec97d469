//! Who talks to the relay: shards, listeners, streams and the 5-tuple.
use std::hash::Hash;
use std::hash::Hasher;
use std::net::IpAddr;
use std::net::SocketAddr;

/// One data-plane thread of this process.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// One UDP listening address; every shard has a socket of its own under the same id.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u8);

/// One TCP or TLS connection of a client; unique in the process, never used twice.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// How a client reaches the relay.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Datagrams on this listener.
    Udp(ListenerId),
    /// A plain TCP connection.
    Tcp(StreamId),
    /// A TLS connection over TCP.
    Tls(StreamId),
}

impl Via {
    /// The connection, unless the client speaks UDP.
    pub const fn stream(self) -> Option<StreamId> {
        match self {
            Via::Udp(_) => None,
            Via::Tcp(stream) | Via::Tls(stream) => Some(stream),
        }
    }

    /// The transport without the connection.
    pub const fn transport(self) -> ClientTransport {
        match self {
            Via::Udp(_) => ClientTransport::Udp,
            Via::Tcp(_) => ClientTransport::Tcp,
            Via::Tls(_) => ClientTransport::Tls,
        }
    }
}

/// The transport between client and server, as metrics and usage records name it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientTransport {
    /// Datagrams.
    Udp,
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl ClientTransport {
    /// Every transport, in the order of their counters.
    pub const ALL: [ClientTransport; 3] = [ClientTransport::Udp, ClientTransport::Tcp, ClientTransport::Tls];

    /// The stable name in metrics and records.
    pub const fn label(self) -> &'static str {
        match self {
            ClientTransport::Udp => "udp",
            ClientTransport::Tcp => "tcp",
            ClientTransport::Tls => "tls",
        }
    }
}

/// The 5-tuple of a client: its transport and both addresses. RFC 8656 §2.2.
///
/// Addresses are IPv4 or native IPv6: whoever makes one turns IPv4-mapped addresses into IPv4 first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ClientAddr {
    /// The transport, and the listener or connection within it.
    pub via: Via,
    /// The server's address that the client sent to.
    pub local: SocketAddr,
    /// The client's address as the server sees it.
    pub remote: SocketAddr,
}

/// Hashed on every packet, so only what tells clients apart goes in: a server has few `local` addresses,
/// and a connection's id alone is unique.
impl Hash for ClientAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.via {
            Via::Udp(listener) => {
                state.write_u32(u32::from(self.remote.port()) << 8 | u32::from(listener.0));
                match self.remote.ip() {
                    IpAddr::V4(ip) => state.write_u32(ip.to_bits()),
                    IpAddr::V6(ip) => state.write_u128(ip.to_bits()),
                }
            }
            Via::Tcp(stream) | Via::Tls(stream) => state.write_u64(stream.0),
        }
    }
}

/// The address family of a relayed address. RFC 8656 §18.6 (REQUESTED-ADDRESS-FAMILY).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, in the order of their counters.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The stable name in metrics and records.
    pub const fn label(self) -> &'static str {
        match self {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        }
    }
}

/// The families of an allocation's relayed addresses.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Families {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// One address of each: a dual allocation. RFC 8656 §7.2.
    Both,
}

impl Families {
    /// Every value, in the order of their counters.
    pub const ALL: [Families; 3] = [Families::V4, Families::V6, Families::Both];

    /// These families; `None` if there are none.
    pub fn of(families: impl IntoIterator<Item = Family>) -> Option<Self> {
        families.into_iter().map(Families::from).reduce(|one, other| if one == other { one } else { Families::Both })
    }

    /// The families, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = Family> + use<> {
        Family::ALL.into_iter().filter(move |family| self == Families::Both || self == Families::from(*family))
    }

    /// The stable name in metrics and records.
    pub const fn label(self) -> &'static str {
        match self {
            Families::V4 => Family::V4.label(),
            Families::V6 => Family::V6.label(),
            Families::Both => "ipv4+ipv6",
        }
    }
}

impl From<Family> for Families {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Families::V4,
            Family::V6 => Families::V6,
        }
    }
}
