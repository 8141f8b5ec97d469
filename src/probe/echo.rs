//! Two clients of the relay, and an echo from one to the other.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::auth::turn::TurnCredential;
use crate::probe::client::Client;
use crate::probe::client::Link;
use crate::probe::client::Trouble;
use crate::probe::client::wait;

/// The longest that one attempt may take, without the clients' goodbye.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often the echo is sent again: datagrams may be lost.
const AGAIN: Duration = Duration::from_millis(500);
/// Whole words of 32 bits: the foreign client writes no padding over TCP.
const PAYLOAD: &[u8; 32] = b"an echo asked for by the server.";

/// How the server is reached.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection with TLS.
    Tls,
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is reached.
    pub way: Way,
    /// The listener.
    pub server: SocketAddr,
    /// What TLS wants, for [`Way::Tls`].
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whether it relays with IPv6 alone.
    pub wants_ipv6: bool,
}

/// Where something went wrong, and what.
#[derive(Debug)]
pub struct Stumble {
    /// What was being done: `connecting`, `allocating`, `permitting`, `relaying`.
    pub step: &'static str,
    /// What kept it from being done.
    pub trouble: Trouble,
}

/// It works.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The first client's relayed address.
    pub relayed: SocketAddr,
    /// From sending to the echo: four ways through the relay.
    pub round_trip: Duration,
}

fn at(step: &'static str) -> impl Fn(Trouble) -> Stumble {
    move |trouble| Stumble { step, trouble }
}

/// Two clients allocate, permit each other, and one sends back what the other sent. Blocks, at most about ten seconds.
///
/// # Errors
///
/// [`Stumble`]
pub fn call(target: &Target, credentials: [&TurnCredential; 2]) -> Result<Echo, Stumble> {
    let end = Instant::now() + PATIENCE;
    let open = |credential| {
        let link = link(target).map_err(at("connecting"))?;
        Client::new(link, credential, target.wants_ipv6).map_err(at("connecting"))
    };
    let [a, b] = credentials;
    let mut pair = [open(a)?, open(b)?];
    let outcome = echo(&mut pair, end);
    pair.into_iter().for_each(Client::delete);
    outcome
}

fn echo(pair: &mut [Client; 2], end: Instant) -> Result<Echo, Stumble> {
    until(pair, end, "allocating", |[a, b]| Ok(a.relayed().zip(b.relayed())))?;
    let [a, b] = pair;
    let (Some(of_a), Some(of_b)) = (a.relayed(), b.relayed()) else {
        return Err(Stumble { step: "allocating", trouble: Trouble::Silence });
    };
    a.permit(of_b.ip());
    b.permit(of_a.ip());
    until(
        pair,
        end,
        "permitting",
        |[a, b]| Ok((a.is_permitted(of_b.ip()) && b.is_permitted(of_a.ip())).then_some(())),
    )?;
    let begun = Instant::now();
    let mut sent: Option<Instant> = None;
    until(pair, end, "relaying", |[a, b]| {
        if sent.is_none_or(|sent| sent.elapsed() >= AGAIN) {
            sent = Some(Instant::now());
            a.send_to(of_b, PAYLOAD)?;
        }
        if let Some((peer, payload)) = b.take_data() {
            b.send_to(peer, &payload)?;
        }
        Ok(a.take_data().filter(|(peer, payload)| *peer == of_b && payload == PAYLOAD).map(drop))
    })?;
    Ok(Echo { relayed: of_a, round_trip: begun.elapsed() })
}

/// Drives both clients until `look` finds what it wants.
fn until<Found>(
    pair: &mut [Client; 2],
    end: Instant,
    step: &'static str,
    mut look: impl FnMut(&mut [Client; 2]) -> Result<Option<Found>, Trouble>,
) -> Result<Found, Stumble> {
    loop {
        if let Some(found) = look(pair).map_err(at(step))? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(Stumble { step, trouble: Trouble::Silence });
        }
        for client in pair.iter_mut() {
            client.drive().map_err(at(step))?;
        }
        if let Some(found) = look(pair).map_err(at(step))? {
            return Ok(found);
        }
        wait(pair);
    }
}

fn link(target: &Target) -> Result<Link, Trouble> {
    match (target.way, &target.tls) {
        (Way::Udp, _) => Link::udp(target.server),
        (Way::Tcp, _) => Link::tcp(target.server),
        (Way::Tls, Some((tls, name))) => {
            let connection = ClientConnection::new(Arc::clone(tls), name.clone()).map_err(Trouble::Tls)?;
            Link::tls(target.server, connection)
        }
        (Way::Tls, None) => Err(Trouble::Tls(rustls::Error::General("no TLS is set up".to_owned()))),
    }
}

/// A listener on every address is tried on the loopback one.
pub fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}
