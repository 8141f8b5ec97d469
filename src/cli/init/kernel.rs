//! What the kernel should be told for a relay.
use crate::config::Config;
use crate::config::RelayMode;

/// What a listener of the data plane asks for; the kernel grants no more than this setting.
pub(in crate::cli) const BUFFER_BYTES: u64 = 4 * 1024 * 1024;

/// Packets that may wait between the card and the sockets; Linux's default of 1000 is a burst of a gigabit link.
pub(in crate::cli) const BACKLOG_PACKETS: u64 = 4096;

/// Where the kernel's own ports begin, if the relay has those above.
const LOCAL_PORTS_FROM: u16 = 10_240;

/// Lines for sysctl.d.
pub(in crate::cli) fn settings(config: &Config) -> Vec<String> {
    let mut lines = vec![
        format!("net.core.rmem_max = {BUFFER_BYTES}"),
        format!("net.core.wmem_max = {BUFFER_BYTES}"),
        format!("net.core.netdev_max_backlog = {BACKLOG_PACKETS}"),
    ];
    let range = config.relay.port_range;
    if config.relay.mode == RelayMode::Ports && range.low() > LOCAL_PORTS_FROM {
        lines.push("# The ports of outgoing connections, apart from those of relayed addresses:".to_owned());
        lines.push(format!("net.ipv4.ip_local_port_range = {LOCAL_PORTS_FROM} {}", range.low().saturating_sub(1)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_connections_keep_off_relayed_ports() {
        let mut config = Config::default();
        assert_eq!(settings(&config).last().map(String::as_str), Some("net.ipv4.ip_local_port_range = 10240 49151"));
        config.relay.mode = RelayMode::SinglePort;
        assert_eq!(settings(&config).len(), 3);
    }
}
