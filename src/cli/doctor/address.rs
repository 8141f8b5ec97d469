//! The addresses that relayed media leaves from: ours, and reachable?
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;

use crate::app::addresses::own_addresses;
use crate::app::addresses::relay_addresses;
use crate::cli::init::ask_stun;
use crate::cli::init::is_private;
use crate::config::Config;
use crate::config::RelayMode;

use super::finding::Finding;
use super::name::list;

const CHECK: &str = "address";
const NAT: &str = "nat";

/// Looks at each relay address, and at what a STUN server makes of it.
pub(super) fn examine(config: &Config, stun: Option<&str>, findings: &mut Vec<Finding>) {
    let relays = relay_addresses(&config.relay.addresses, &config.relay.external);
    let own = own_addresses(&Default::default()).unwrap_or_default();
    let is_known = stun.is_some();
    let before = findings.len();
    for relay in &relays {
        if !own.contains(&relay.local) {
            let told =
                format!("no interface of this machine has {}, which relayed media should leave from", relay.local);
            let remedy =
                "name an address that `ip address` shows in relay.addresses and relay.external, or leave them empty";
            findings.push(Finding::failed(CHECK, told, remedy));
        } else if is_private(relay.external) && !config.server.public_host.is_local() && !is_known {
            let told =
                format!("relayed addresses would be of {}, which only its own network can reach", relay.external);
            let remedy = format!(
                "behind a NAT that maps one to one, write: [relay] external = {{ \"{}\" = \"PUBLIC ADDRESS\" }}; \
                 in a network of its own this is right",
                relay.local
            );
            findings.push(Finding::warning(CHECK, told, remedy));
        }
    }
    if findings.len() == before {
        let told = format!("relayed addresses are of {}", list(relays.iter().map(|relay| relay.external)));
        findings.push(Finding::fine(CHECK, told));
    }
    match stun {
        Some(server) => {
            for relay in relays.iter().filter(|relay| own.contains(&relay.local)) {
                if let Some(at) = resolve(server, relay.local) {
                    findings.push(outside(config, relay.local, relay.external, server, at));
                }
            }
        }
        None => findings.push(Finding::skipped(NAT, "give --stun HOST:PORT of a server elsewhere to have it found")),
    }
}

/// The server's address of one family.
fn resolve(server: &str, local: IpAddr) -> Option<SocketAddr> {
    server.to_socket_addrs().ok()?.find(|at| at.is_ipv4() == local.is_ipv4())
}

fn outside(config: &Config, local: IpAddr, external: IpAddr, server: &str, at: SocketAddr) -> Finding {
    let seen = match ask_stun(local, at) {
        Ok(seen) => seen,
        Err(error) => {
            let told = format!("{server} does not tell how it sees {local}: {error}");
            let remedy = "let UDP out, and its answers in; or ask another STUN server";
            return Finding::warning(NAT, told, remedy);
        }
    };
    let mapped = seen.mapped.ip();
    if mapped != external {
        let told = format!("the world sees {local} as {mapped}, but relayed addresses say {external}");
        let remedy = if mapped == local {
            format!("take {local} out of relay.external")
        } else {
            format!("write: [relay] external = {{ \"{local}\" = \"{mapped}\" }}")
        };
        return Finding::failed(NAT, told, remedy);
    }
    if seen.mapped.port() != seen.local.port() && config.relay.mode == RelayMode::Ports {
        let told = format!("the NAT before {local} changes ports, so relayed addresses are not what peers reach");
        let remedy = "set relay.mode = \"single-port\", or have the NAT map addresses one to one";
        return Finding::failed(NAT, told, remedy);
    }
    let told = if mapped == local { "no NAT before" } else { "a NAT that maps one to one before" };
    Finding::fine(NAT, format!("{told} {local}: the world sees {mapped}"))
}
