//! The listening ports: free, ours, or somebody else's.
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::cli::healthcheck;
use crate::config::Config;

use super::finding::Finding;
use super::process;
use super::process::OURS;
use super::process::Process;
use super::process::Protocol;

const CHECK: &str = "ports";

/// The server that runs with this configuration.
#[derive(Copy, Clone, Debug)]
pub(super) struct Running {
    /// Its process, if the system says.
    pub(super) process: Option<u32>,
}

/// What became of one listener.
enum Held {
    Free,
    Ours(Process),
    /// By whom this user may not know.
    Somehow,
}

/// Looks at every listener; the server, if one runs.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) -> Option<Running> {
    let answers = healthcheck::run(config).is_ok();
    let (mut free, mut ours, mut hidden) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut is_troubled = false;
    for (key, protocol, address) in listeners(config) {
        let shown = format!("{address}/{}", protocol.word());
        match held(key, protocol, address) {
            Ok(Held::Free) => free.push(format!("{shown} ({key})")),
            Ok(Held::Ours(process)) => _ = ours.insert(process),
            Ok(Held::Somehow) if answers => hidden.push(shown),
            Ok(Held::Somehow) => {
                is_troubled = true;
                let told = format!("{shown} ({key}) is taken by a program that this user may not see");
                findings.push(Finding::failed(CHECK, told, "ask again as root to learn which one it is"));
            }
            Err(finding) => {
                is_troubled = true;
                findings.push(*finding);
            }
        }
    }
    let running = match ours.first() {
        Some(process) => Some(Running { process: Some(process.pid) }),
        None if answers => Some(Running { process: None }),
        None => None,
    };
    if running.is_some() && !free.is_empty() {
        findings.push(Finding::warning(
            CHECK,
            format!("a server runs, but does not listen at {}", free.join(", ")),
            "it was started with another configuration: restart it, or name its file with --config",
        ));
    } else if !is_troubled {
        let told = match (&running, ours.first()) {
            (Some(_), Some(process)) => format!("all are the server's (process {})", process.pid),
            (Some(_), None) => "all are taken, and a server answers there".to_owned(),
            (None, _) => format!("all {} are free, no server runs", free.len()),
        };
        findings.push(Finding::fine(CHECK, told));
    }
    running
}

/// Every address to listen at, with the key that names it. Port 0 takes any.
fn listeners(config: &Config) -> Vec<(&'static str, Protocol, SocketAddr)> {
    let lists = [
        ("http.listen", Protocol::Tcp, &config.http.listen),
        ("http.tls_listen", Protocol::Tcp, &config.http.tls_listen),
        ("http.metrics_listen", Protocol::Tcp, &config.http.metrics_listen),
        ("turn.tcp_listen", Protocol::Tcp, &config.turn.tcp_listen),
        ("turn.tls_listen", Protocol::Tcp, &config.turn.tls_listen),
        ("turn.udp_listen", Protocol::Udp, &config.turn.udp_listen),
    ];
    let each = lists.into_iter().flat_map(|(key, protocol, list)| list.iter().map(move |at| (key, protocol, *at)));
    each.filter(|(_, _, address)| address.port() != 0).collect()
}

fn held(key: &str, protocol: Protocol, address: SocketAddr) -> Result<Held, Box<Finding>> {
    let error = match bind(protocol, address) {
        Ok(()) => return Ok(Held::Free),
        Err(error) => error,
    };
    let shown = format!("{address}/{} ({key})", protocol.word());
    let finding = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holders = process::holders(protocol, address.port());
            let Some(process) = holders.iter().find(|holder| holder.name == OURS).or(holders.first()) else {
                return Ok(Held::Somehow);
            };
            if process.name == OURS {
                return Ok(Held::Ours(process.clone()));
            }
            let told = format!("{shown} is taken by {} (process {})", process.name, process.pid);
            Finding::failed(CHECK, told, format!("stop {}, or give {key} another port", process.name))
        }
        io::ErrorKind::PermissionDenied => Finding::warning(
            CHECK,
            format!("this user may not open {shown}"),
            "ports below 1024 need root or CAP_NET_BIND_SERVICE, which the systemd unit gives; ask again as root",
        ),
        io::ErrorKind::AddrNotAvailable => Finding::failed(
            CHECK,
            format!("{shown}: this machine has no such address"),
            format!("name one of `ip address` in {key}, or 0.0.0.0 for every IPv4 address"),
        ),
        _ => Finding::failed(CHECK, format!("{shown} cannot be opened: {error}"), format!("correct {key}")),
    };
    Err(Box::new(finding))
}

/// Opens it as the server would, and closes it again.
fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<()> {
    let kind = match protocol {
        Protocol::Tcp => Type::STREAM,
        Protocol::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of a server before that linger are no hindrance, and are none to the server.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    match protocol {
        Protocol::Tcp => socket.listen(1),
        Protocol::Udp => Ok(()),
    }
}
