//! Raw sockets: what stands in the IP header of a relayed datagram, and ICMP errors of a router's making. RFC 791, RFC 792.
use std::io::Read;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use crate::client::PATIENCE;
use crate::verdict::Seen;
use crate::verdict::fails;

/// Sees the UDP datagrams from one address to another, over IPv4.
pub struct Sniffer {
    socket: Socket,
    from: SocketAddr,
    to: SocketAddr,
}

/// A datagram with what its IP header says.
#[derive(Debug)]
pub struct Seen4 {
    /// DSCP and ECN. RFC 2474, RFC 3168.
    pub class: u8,
    pub ttl: u8,
    pub dont_fragment: bool,
    pub payload: Vec<u8>,
}

impl Sniffer {
    pub fn open(from: SocketAddr, to: SocketAddr) -> Seen<Sniffer> {
        let socket = raw_socket(Protocol::UDP)?;
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("set a timeout");
        // Bound, it hears nothing but what goes to this address: no other probe's traffic fills its buffer.
        socket.bind(&SocketAddr::new(to.ip(), 0).into()).map_err(|e| fails(format!("no raw socket: {e}")))?;
        Ok(Sniffer { socket, from, to })
    }

    pub fn next(&self) -> Seen<Seen4> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let mut room = [0; 2048];
            let Ok(len) = (&self.socket).read(&mut room) else { continue };
            if let Some(seen) = self.read(&room[..len]) {
                return Ok(seen);
            }
        }
        Err(fails("no such datagram left the relay"))
    }

    /// RFC 791 §3.1, RFC 768.
    fn read(&self, packet: &[u8]) -> Option<Seen4> {
        let header_len = usize::from(packet.first()? & 0x0F) * 4;
        let (header, udp) = packet.split_at_checked(header_len)?;
        let ip = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(header.get(at..at + 4)?).ok()?));
        let port = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
        let from = SocketAddr::new(ip(12)?, port(0)?);
        let to = SocketAddr::new(ip(16)?, port(2)?);
        (from == self.from && to == self.to).then(|| Seen4 {
            class: header[1],
            ttl: header[8],
            dont_fragment: header[6] & 0x40 != 0,
            payload: udp.get(8..).unwrap_or_default().to_vec(),
        })
    }
}

/// Tells `relayed` that a datagram from it to `peer` met this error, whether it ever sent one or not. RFC 792.
pub fn send_icmp(relayed: SocketAddr, peer: SocketAddr, type_and_code: [u8; 2], mtu: u16) -> Seen<()> {
    let (SocketAddr::V4(relayed), SocketAddr::V4(peer)) = (relayed, peer) else {
        return Err(fails("IPv4 addresses are needed"));
    };
    let udp = [relayed.port().to_be_bytes(), peer.port().to_be_bytes(), 12_u16.to_be_bytes(), [0, 0]].concat();
    let (from, to) = (relayed.ip().octets(), peer.ip().octets());
    let inner = [&[0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0][..], &from, &to, &udp, b"lost"].concat();
    let mut icmp = [&type_and_code[..], &[0; 4], &mtu.to_be_bytes(), &inner].concat();
    let sum = checksum(&icmp).to_be_bytes();
    icmp[2..4].copy_from_slice(&sum);
    let target = SocketAddr::from((*relayed.ip(), 0));
    raw_socket(Protocol::ICMPV4)?
        .send_to(&icmp, &target.into())
        .map(|_| ())
        .map_err(|e| fails(format!("cannot send ICMP: {e}")))
}

fn raw_socket(protocol: Protocol) -> Seen<Socket> {
    Socket::new(Domain::IPV4, Type::RAW, Some(protocol))
        .map_err(|e| fails(format!("no raw socket ({e}): the suite needs root or CAP_NET_RAW")))
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    !u16::try_from(folded).expect("folded into 16 bits")
}
