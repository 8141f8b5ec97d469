//! What the world calls this machine.
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;

use crate::stun::AttributeType;
use crate::stun::Class;
use crate::stun::Message;
use crate::stun::Method;
use crate::stun::TransactionId;
use crate::stun::Writer;

/// How long to wait for the answer to each of the three requests.
const WAITS: [Duration; 3] = [Duration::from_millis(500), Duration::from_millis(1000), Duration::from_millis(2000)];
/// A binding response has some tens of bytes.
const ANSWER_MAX: usize = 1500;

/// The addresses of this machine as others see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// Public address by local address, where they differ.
    pub(super) mapping: BTreeMap<IpAddr, IpAddr>,
    /// The best known address, public if possible.
    best: Option<IpAddr>,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

impl Outside {
    /// The operator knows it.
    ///
    /// # Errors
    ///
    /// This machine has no address of that family.
    pub(super) fn told(locals: &[IpAddr], public: IpAddr) -> anyhow::Result<Self> {
        let Some(local) = locals.iter().copied().find(|local| local.is_ipv4() == public.is_ipv4()) else {
            bail!("{public} is given, but this machine has no route of that family; check: ip route");
        };
        Ok(Self::of(local, public))
    }

    /// A STUN server is asked.
    ///
    /// # Errors
    ///
    /// It does not answer, or this machine has no route to it.
    pub(super) fn asked(locals: &[IpAddr], server: &str) -> anyhow::Result<Self> {
        let servers: Vec<SocketAddr> = server.to_socket_addrs().with_context(|| format!("find {server}"))?.collect();
        let route = |server: &SocketAddr| {
            // A server on this machine answers by its loopback.
            let local = if server.ip().is_loopback() {
                Some(server.ip())
            } else {
                locals.iter().copied().find(|local| local.is_ipv4() == server.is_ipv4())
            };
            local.map(|local| (local, *server))
        };
        let Some((local, at)) = servers.iter().find_map(route) else {
            bail!("this machine has no route to {server}; check: ip route");
        };
        let seen = ask_stun(local, at).with_context(|| format!("ask {server} for the public address"))?;
        Ok(Self::of(local, seen.mapped.ip()))
    }

    /// Nobody says: the interfaces must do.
    pub(super) fn guessed(locals: &[IpAddr]) -> Self {
        let best = locals.iter().copied().find(|local| !is_private(*local)).or(locals.first().copied());
        let notes = locals.iter().filter(|local| local.is_ipv4() && is_private(**local)).map(|local| {
            format!(
                "{local} is a private address: if a NAT stands before it, give the public one with --external IP, or \
                 have it found with --stun HOST:PORT"
            )
        });
        Self { mapping: BTreeMap::new(), best, notes: notes.collect() }
    }

    fn of(local: IpAddr, public: IpAddr) -> Self {
        let mapping = if local == public { BTreeMap::new() } else { BTreeMap::from([(local, public)]) };
        Self { mapping, best: Some(public), notes: Vec::new() }
    }

    /// What stands for the name if there is none.
    pub(super) fn host(&self) -> String {
        self.best.map_or_else(|| "localhost".to_owned(), |address| address.to_string())
    }
}

/// Whether only a network of its own knows the address. RFC 6890.
pub(in crate::cli) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What a STUN server saw.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Seen {
    /// Where the request came from, as this machine calls it.
    pub(in crate::cli) local: SocketAddr,
    /// Where it came from, as the server calls it.
    pub(in crate::cli) mapped: SocketAddr,
}

/// Asks a STUN server where requests from `local` come from. RFC 8489 §3.
///
/// # Errors
///
/// The system refuses, or nobody answers three requests within some seconds.
pub(in crate::cli) fn ask_stun(local: IpAddr, server: SocketAddr) -> io::Result<Seen> {
    let socket = UdpSocket::bind((local, 0))?;
    socket.connect(server)?;
    let mut id = [0; 12];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let id = TransactionId(id);
    let mut request = [0; 64];
    let len = Writer::new(&mut request, Class::Request, Method::BINDING, id)
        .fingerprint()
        .finish()
        .map_err(|_| io::Error::other("a binding request is longer than 64 bytes"))?;
    let request = request.get(..len).unwrap_or_default();
    let mut refusal = None;
    for wait in WAITS {
        match socket.send(request).and_then(|_| heard(&socket, id, wait)) {
            Ok(Some(mapped)) => return Ok(Seen { local: socket.local_addr()?, mapped }),
            Ok(None) => {}
            // Nobody listens there, or not yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no answer")))
}

/// Waits for the response to a request; what else comes is passed over.
fn heard(socket: &UdpSocket, id: TransactionId, wait: Duration) -> io::Result<Option<SocketAddr>> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        let mut answer = [0; ANSWER_MAX];
        match socket.recv(&mut answer) {
            Ok(len) => {
                if let Some(mapped) = mapped(answer.get(..len).unwrap_or_default(), id) {
                    return Ok(Some(mapped));
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

fn mapped(answer: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let message = Message::parse(answer).ok()?;
    if message.class() != Class::Success || message.transaction_id() != id {
        return None;
    }
    message.xor_address(AttributeType::XOR_MAPPED_ADDRESS)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_public_address_of_an_interface_is_taken_before_a_private_one() {
        let outside = Outside::guessed(&[ip("10.0.0.5"), ip("2001:db8::7")]);
        assert_eq!(outside.host(), "2001:db8::7");
        assert_eq!(outside.notes.len(), 1);
        assert!(outside.notes.iter().all(|note| note.starts_with("10.0.0.5 is a private address")));
        assert_eq!(Outside::guessed(&[]).host(), "localhost");
    }

    #[test]
    fn what_the_operator_knows_is_mapped_to_the_address_of_its_family() {
        let outside = Outside::told(&[ip("2001:db8::7"), ip("10.0.0.5")], ip("203.0.113.7")).expect("a mapping");
        assert_eq!(outside.mapping, BTreeMap::from([(ip("10.0.0.5"), ip("203.0.113.7"))]));
        assert_eq!(Outside::told(&[ip("203.0.113.7")], ip("203.0.113.7")).expect("no NAT").mapping, BTreeMap::new());
        assert!(Outside::told(&[ip("2001:db8::7")], ip("203.0.113.7")).is_err());
    }

    #[test]
    fn a_stun_server_is_believed_only_if_it_answers_what_was_asked() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let at = server.local_addr().expect("bound");
        let answers = std::thread::spawn(move || {
            let mut request = [0; 64];
            let (len, from) = server.recv_from(&mut request).expect("a request");
            let asked = Message::parse(&request[..len]).expect("a binding request").transaction_id();
            for id in [TransactionId([9; 12]), asked] {
                let mut answer = [0; 128];
                let mut writer = Writer::new(&mut answer, Class::Success, Method::BINDING, id);
                let port = if id == asked { 4000 } else { 1 };
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, SocketAddr::new(ip("203.0.113.7"), port));
                let len = writer.finish().expect("room");
                server.send_to(&answer[..len], from).expect("sent");
            }
        });
        let seen = ask_stun(ip("127.0.0.1"), at).expect("an answer");
        assert_eq!(seen.mapped, "203.0.113.7:4000".parse().expect("an address"));
        answers.join().expect("the server ended well");
    }
}
