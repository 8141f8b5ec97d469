//! What the kernel allows: open files, buffers, ports.
use std::fs;

use rustix::process::Resource;
use rustix::process::getrlimit;

use crate::cli::init::kernel::BACKLOG_PACKETS;
use crate::cli::init::kernel::BUFFER_BYTES;
use crate::config::Config;
use crate::config::RelayMode;

use super::finding::Finding;
use super::process;

const FILES: &str = "files";
const BUFFERS: &str = "buffers";
const PORT_RANGE: &str = "port-range";

/// Listeners, the database, threads, pages: what a server without a single client has open.
const FILES_AT_LEAST: u64 = 1024;

/// Looks at the limits of the server's process, else of this one.
pub(super) fn examine(config: &Config, server: Option<u32>, findings: &mut Vec<Finding>) {
    findings.push(files(config, server));
    findings.extend(buffers());
    findings.extend(local_ports(config));
}

fn files(config: &Config, server: Option<u32>) -> Finding {
    let of_server = server.and_then(process::file_limit);
    let own = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let limit = of_server.unwrap_or(own);
    let whose = if of_server.is_some() { "the server" } else { "a process started from here" };
    // Each WebSocket is one, each allocation over TCP one, each relayed address one.
    let per_allocation = if config.relay.mode == RelayMode::Ports { 2 } else { 1 };
    let wanted = u64::from(config.limits.connections)
        + per_allocation * u64::from(config.relay.limits.allocations)
        + FILES_AT_LEAST;
    let told = format!("{whose} may open {limit} files");
    let remedy = format!(
        "raise it: LimitNOFILE={} in the systemd unit, or ulimit -Hn before the start; or lower limits.connections and \
         relay.limits.allocations",
        wanted.next_power_of_two()
    );
    if limit < FILES_AT_LEAST {
        return Finding::failed(FILES, format!("{told}, fewer than a server needs without clients"), remedy);
    }
    if limit < wanted {
        return Finding::warning(FILES, format!("{told}, and its limits let clients use {wanted}"), remedy);
    }
    Finding::fine(FILES, told)
}

fn buffers() -> Vec<Finding> {
    let mut small = Vec::new();
    let mut is_known = false;
    for (key, wanted) in [
        ("net.core.rmem_max", BUFFER_BYTES),
        ("net.core.wmem_max", BUFFER_BYTES),
        ("net.core.netdev_max_backlog", BACKLOG_PACKETS),
    ] {
        // Inside of a network namespace they are not to be seen.
        let Some(set) = setting(key).and_then(|text| text.parse::<u64>().ok()) else { continue };
        is_known = true;
        if set < wanted {
            small.push((format!("{key} is {set}"), format!("{key}={wanted}")));
        }
    }
    if !is_known {
        return vec![Finding::skipped(BUFFERS, "the kernel's settings cannot be seen from here")];
    }
    if small.is_empty() {
        return vec![Finding::fine(BUFFERS, "as large as the relay asks for")];
    }
    let (told, remedies): (Vec<String>, Vec<String>) = small.into_iter().unzip();
    let told = format!("{}: bursts of packets may be lost", told.join(", "));
    let remedy = format!("sysctl -w {}, and write it into /etc/sysctl.d/60-duologue.conf", remedies.join(" "));
    vec![Finding::warning(BUFFERS, told, remedy)]
}

/// Whether the kernel takes ports for outgoing connections that relayed addresses want.
fn local_ports(config: &Config) -> Option<Finding> {
    if config.relay.mode != RelayMode::Ports {
        return None;
    }
    let text = setting("net.ipv4.ip_local_port_range")?;
    let mut ports = text.split_whitespace().filter_map(|port| port.parse::<u16>().ok());
    let (low, high) = (ports.next()?, ports.next()?);
    let relay = config.relay.port_range;
    if high < relay.low() || relay.high() < low {
        return Some(Finding::fine(PORT_RANGE, format!("the kernel's own ports, {low}-{high}, are none of {relay}")));
    }
    let told =
        format!("the kernel takes ports {low}-{high} for outgoing sockets, which overlap relay.port_range {relay}");
    let apart = relay.low().saturating_sub(1);
    let remedy = if apart > 10_240 {
        format!(
            "sysctl -w net.ipv4.ip_local_port_range=\"10240 {apart}\"; otherwise some relayed ports are found taken"
        )
    } else {
        "set net.ipv4.ip_local_port_range apart from relay.port_range".to_owned()
    };
    // The relay looks for another port then, so nothing fails.
    Some(Finding::warning(PORT_RANGE, told, remedy))
}

fn setting(key: &str) -> Option<String> {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
