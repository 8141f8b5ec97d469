//! The rules that let clients in, for two firewalls.
use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::config::Config;
use crate::config::RelayMode;

/// Commands for nftables.
pub(in crate::cli) fn nftables(config: &Config) -> Vec<String> {
    let rule = |protocol: &str, ports: Vec<String>| {
        (!ports.is_empty())
            .then(|| format!("nft add rule inet filter input {protocol} dport {{ {} }} accept", ports.join(", ")))
    };
    let udp = udp_ports(config).iter().map(u16::to_string).chain(relay_range(config, "-")).collect();
    let tcp = tcp_ports(config).iter().map(u16::to_string).collect();
    [rule("tcp", tcp), rule("udp", udp)].into_iter().flatten().collect()
}

/// Commands for ufw.
pub(in crate::cli) fn ufw(config: &Config) -> Vec<String> {
    let tcp = tcp_ports(config).into_iter().map(|port| format!("ufw allow {port}/tcp"));
    let udp = udp_ports(config).into_iter().map(|port| format!("ufw allow {port}/udp"));
    let relay = relay_range(config, ":").map(|range| format!("ufw allow {range}/udp"));
    tcp.chain(udp).chain(relay).collect()
}

/// TCP ports that others than this machine reach.
fn tcp_ports(config: &Config) -> BTreeSet<u16> {
    ports([&config.http.listen, &config.http.tls_listen, &config.turn.tcp_listen, &config.turn.tls_listen])
}

fn udp_ports(config: &Config) -> BTreeSet<u16> {
    ports([&config.turn.udp_listen])
}

fn ports<const N: usize>(lists: [&Vec<SocketAddr>; N]) -> BTreeSet<u16> {
    let open = lists.into_iter().flatten().filter(|address| !address.ip().is_loopback() && address.port() != 0);
    open.map(SocketAddr::port).collect()
}

fn relay_range(config: &Config, dash: &str) -> Option<String> {
    let range = config.relay.port_range;
    (config.relay.mode == RelayMode::Ports).then(|| format!("{}{dash}{}", range.low(), range.high()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_opens_all_but_the_loopback_listener() {
        let config = Config::default();
        assert_eq!(
            nftables(&config),
            [
                "nft add rule inet filter input tcp dport { 3478, 5349, 8443 } accept",
                "nft add rule inet filter input udp dport { 3478, 49152-65535 } accept",
            ]
        );
        assert_eq!(
            ufw(&config),
            [
                "ufw allow 3478/tcp",
                "ufw allow 5349/tcp",
                "ufw allow 8443/tcp",
                "ufw allow 3478/udp",
                "ufw allow 49152:65535/udp",
            ]
        );
    }

    #[test]
    fn single_port_mode_opens_no_range() {
        let mut config = Config::default();
        config.relay.mode = RelayMode::SinglePort;
        assert_eq!(ufw(&config).last().map(String::as_str), Some("ufw allow 3478/udp"));
        config.turn.udp_listen.clear();
        assert_eq!(nftables(&config).len(), 1, "no rule without ports");
    }
}
