//! Real allocations on the running server: two clients over each transport, and an echo from one to the other.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use rustls::ClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;

use crate::app::addresses::relay_addresses;
use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::auth::turn::TurnCredential;
use crate::cli::init::firewall;
use crate::config::Config;
use crate::state::State;
use crate::stun::ErrorCode;
use crate::time::Clock;

use super::finding::Finding;
use super::pinned;
use super::turn::Client;
use super::turn::Link;
use super::turn::Trouble;

/// The longest that one transport may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often the echo is sent again: datagrams may be lost.
const AGAIN: Duration = Duration::from_millis(500);
/// What credentials of the doctor are good for.
const TTL: Duration = Duration::from_secs(300);
/// Whole words of 32 bits: the foreign client writes no padding over TCP.
const PAYLOAD: &[u8; 32] = b"an echo asked for by the doctor.";

/// How the server is reached.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    const fn check(self) -> &'static str {
        match self {
            Way::Udp => "relay-udp",
            Way::Tcp => "relay-tcp",
            Way::Tls => "relay-tls",
        }
    }
}

/// Where something went wrong.
struct Stumble {
    step: &'static str,
    trouble: Trouble,
}

fn at(step: &'static str) -> impl Fn(Trouble) -> Stumble {
    move |trouble| Stumble { step, trouble }
}

/// Tries every transport that the configuration offers.
pub(super) fn examine(config: &Config, leaf: Option<&CertificateDer<'static>>, findings: &mut Vec<Finding>) {
    let secret = match minting_secret(config) {
        Ok(secret) => secret,
        Err(error) => {
            let remedy = "run as the server's user or as root, so that its secret can be read";
            return findings.push(Finding::failed("relay", format!("no credential can be minted: {error}"), remedy));
        }
    };
    let minter = Minter::new(secret);
    let mut outcomes = Vec::new();
    for (way, listeners) in [
        (Way::Udp, config.turn.udp_listen.iter().collect::<Vec<_>>()),
        (Way::Tcp, config.turn.tcp_listen.iter().chain(&config.http.tls_listen).collect()),
        (Way::Tls, config.turn.tls_listen.iter().chain(&config.http.tls_listen).collect()),
    ] {
        let Some(listener) = listeners.into_iter().find(|listener| listener.port() != 0) else {
            findings.push(Finding::skipped(way.check(), "no listener with a port of its own is configured"));
            continue;
        };
        let server = reachable(*listener);
        let outcome = call(config, &minter, way, server, leaf);
        outcomes.push((way, server, outcome));
    }
    let answers = outcomes.iter().any(|(_, _, outcome)| outcome.is_ok());
    for (way, server, outcome) in outcomes {
        findings.push(match outcome {
            Ok(Echo { relayed, round_trip }) => {
                let told = format!("{server}: allocated {relayed}, an echo took {} ms", round_trip.as_millis());
                Finding::fine(way.check(), told)
            }
            Err(stumble) => explain(config, way, server, &stumble, answers),
        });
    }
}

struct Echo {
    relayed: SocketAddr,
    round_trip: Duration,
}

/// Two clients allocate, permit each other, and one sends back what the other sent.
fn call(
    config: &Config,
    minter: &Minter,
    way: Way,
    server: SocketAddr,
    leaf: Option<&CertificateDer<'static>>,
) -> Result<Echo, Stumble> {
    let end = Instant::now() + PATIENCE;
    let relays = relay_addresses(&config.relay.addresses, &config.relay.external);
    let wants_ipv6 = !relays.iter().any(|relay| relay.local.is_ipv4());
    let open = |side: &str| {
        let link = link(config, way, server, leaf).map_err(at("connecting"))?;
        Client::new(link, &credential(minter, side), wants_ipv6).map_err(at("connecting"))
    };
    let mut pair = [open("a")?, open("b")?];
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
    }
}

fn link(
    config: &Config,
    way: Way,
    server: SocketAddr,
    leaf: Option<&CertificateDer<'static>>,
) -> Result<Link, Trouble> {
    match way {
        Way::Udp => Link::udp(server),
        Way::Tcp => Link::tcp(server),
        Way::Tls => {
            let Some(leaf) = leaf else {
                return Err(Trouble::Tls(rustls::Error::General(
                    "the configured certificate cannot be read".to_owned(),
                )));
            };
            let tls = pinned::client(leaf.clone()).map_err(Trouble::Tls)?;
            let name = ServerName::try_from(config.server.public_host.to_string())
                .unwrap_or_else(|_| ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST)));
            Link::tls(server, ClientConnection::new(tls, name).map_err(Trouble::Tls)?)
        }
    }
}

fn minting_secret(config: &Config) -> Result<Secret, crate::state::StateError> {
    match config.turn.secrets.first() {
        Some(secret) => Ok(secret.clone()),
        None => State::existing_turn_secret(&config.server.state_dir),
    }
}

fn credential(minter: &Minter, side: &str) -> TurnCredential {
    let expires_at = Clock::start().now().unix + TTL;
    minter.mint(&format!("doctor.{side}"), expires_at.as_secs())
}

/// A listener on every address is tried on the loopback one.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The cause in words, and what mends it. `answers`: whether another transport works.
fn explain(config: &Config, way: Way, server: SocketAddr, stumble: &Stumble, answers: bool) -> Finding {
    let Stumble { step, trouble } = stumble;
    let told = format!("{server}, {step}: {trouble}");
    let (cause, remedy) = match (trouble, way) {
        (Trouble::Refused(ErrorCode::UNAUTHENTICATED | ErrorCode::WRONG_CREDENTIALS), _) => (
            "the running server has another TURN secret than this configuration",
            "reload it (SIGHUP, systemctl reload duologue), or name the configuration it was started with in --config".to_owned(),
        ),
        (Trouble::Refused(ErrorCode::ALLOCATION_QUOTA_REACHED), _) => (
            "a quota of allocations is used up",
            "raise relay.limits.allocations_per_address, or put this machine into limits.exempt".to_owned(),
        ),
        (Trouble::Refused(ErrorCode::INSUFFICIENT_CAPACITY | ErrorCode::TRY_ALTERNATE), _) => (
            "the server drains, or has no ports or files left",
            "wait for its restart; or raise LimitNOFILE and relay.limits.allocations".to_owned(),
        ),
        (Trouble::Refused(ErrorCode::FORBIDDEN), _) => (
            "the relay refuses its own relayed addresses as peers",
            "take them off relay.deny_peers; a relay address of loopback needs an entry in relay.allow_peers".to_owned(),
        ),
        (Trouble::Refused(_), _) => ("the server refuses", "its log names the reason (log.level = \"debug\")".to_owned()),
        (Trouble::Tls(error), _) if error.to_string().contains(pinned::ANOTHER) => (
            "the server shows another certificate than the one on the disk",
            "reload it (SIGHUP); its log says if the new pair could not be used".to_owned(),
        ),
        (Trouble::Tls(_), _) => ("TLS fails", "look at the finding about the certificate".to_owned()),
        (Trouble::Silence, Way::Udp) if answers && *step != "relaying" => (
            "UDP is blocked by a firewall of this machine, while TCP passes",
            format!("let it in: {}", firewall::nftables(config).join("; ")),
        ),
        (Trouble::Silence, _) if *step == "relaying" => (
            "allocations are made, but what is sent to them does not arrive",
            "look at duologue_relay_dropped_total of /metrics for the reason".to_owned(),
        ),
        (Trouble::Silence, _) => (
            "packets to the server are dropped on this machine, or it hangs",
            format!("let them in: {}; then look at its log", firewall::nftables(config).join("; ")),
        ),
        (Trouble::Io(_) | Trouble::Closed, _) => (
            "nobody serves TURN there",
            "the server was started with another configuration, or another program has the port: look at the finding about ports"
                .to_owned(),
        ),
    };
    Finding::failed(way.check(), format!("{cause} ({told})"), remedy)
}
