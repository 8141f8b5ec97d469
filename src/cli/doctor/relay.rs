//! Real allocations on the running server: two clients over each transport, and an echo from one to the other.
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;

use crate::app::addresses::relay_addresses;
use crate::auth::secret::Secret;
use crate::auth::turn::Minter;
use crate::auth::turn::TurnCredential;
use crate::cli::init::firewall;
use crate::config::Config;
use crate::probe;
use crate::probe::Echo;
use crate::probe::Stumble;
use crate::probe::Target;
use crate::probe::Trouble;
use crate::probe::Way;
use crate::state::State;
use crate::stun::ErrorCode;
use crate::time::Clock;

use super::finding::Finding;
use super::pinned;

/// What credentials of the doctor are good for.
const TTL: Duration = Duration::from_secs(300);

const fn check(way: Way) -> &'static str {
    match way {
        Way::Udp => "relay-udp",
        Way::Tcp => "relay-tcp",
        Way::Tls => "relay-tls",
    }
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
            findings.push(Finding::skipped(check(way), "no listener with a port of its own is configured"));
            continue;
        };
        let server = probe::reachable(*listener);
        let outcome = call(config, &minter, way, server, leaf);
        outcomes.push((way, server, outcome));
    }
    let answers = outcomes.iter().any(|(_, _, outcome)| outcome.is_ok());
    for (way, server, outcome) in outcomes {
        findings.push(match outcome {
            Ok(Echo { relayed, round_trip }) => {
                let told = format!("{server}: allocated {relayed}, an echo took {} ms", round_trip.as_millis());
                Finding::fine(check(way), told)
            }
            Err(stumble) => explain(config, way, server, &stumble, answers),
        });
    }
}

/// Two clients allocate over that way, and one sends back what the other sent.
fn call(
    config: &Config,
    minter: &Minter,
    way: Way,
    server: SocketAddr,
    leaf: Option<&CertificateDer<'static>>,
) -> Result<Echo, Stumble> {
    let tls = match way {
        Way::Udp | Way::Tcp => None,
        Way::Tls => {
            Some(tls(config, leaf).map_err(|error| Stumble { step: "connecting", trouble: Trouble::Tls(error) })?)
        }
    };
    let relays = relay_addresses(&config.relay.addresses, &config.relay.external);
    let target = Target { way, server, tls, wants_ipv6: !relays.iter().any(|relay| relay.local.is_ipv4()) };
    probe::call(&target, [&credential(minter, "a"), &credential(minter, "b")])
}

fn tls(
    config: &Config,
    leaf: Option<&CertificateDer<'static>>,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), rustls::Error> {
    let leaf = leaf.ok_or_else(|| rustls::Error::General("the configured certificate cannot be read".to_owned()))?;
    let name = ServerName::try_from(config.server.public_host.to_string())
        .unwrap_or_else(|_| ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    Ok((pinned::client(leaf.clone())?, name))
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
    Finding::failed(check(way), format!("{cause} ({told})"), remedy)
}
