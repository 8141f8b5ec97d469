//! The configuration that `init` writes, with a word on each key that an operator may want to change.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use toml::Value;

/// What goes into it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Name or address of the server.
    pub(super) host: String,
    pub(super) state_dir: PathBuf,
    pub(super) secrets_file: PathBuf,
    /// The port of the shared front door.
    pub(super) port: u16,
    pub(super) single_port: bool,
    /// Whether the machine can bind IPv6 addresses.
    pub(super) has_ipv6: bool,
    /// Public address by local address.
    pub(super) external: BTreeMap<IpAddr, IpAddr>,
}

impl Draft {
    /// The text of the file.
    pub(super) fn to_toml(&self) -> String {
        let host = quoted(&self.host);
        let state_dir = quoted(&self.state_dir.display().to_string());
        let secrets_file = quoted(&self.secrets_file.display().to_string());
        let front = self.listeners(self.port);
        let turn = self.listeners(3478);
        let relay = self.relay();
        format!(
            r#"# Written by duologue init. Every other key: /usr/share/doc/duologue/default.toml, or config/default.toml of the source.
# After a change: duologue check-config --config FILE, then reload (SIGHUP) or restart; the log names what needs a restart.

[server]
# The name or address that browsers reach this server by.
public_host = {host}
# Secrets, database, files of chat messages, certificates.
state_dir = {state_dir}
# How long a stop waits for calls to end.
shutdown_grace = "5m"

[http]
# Health, metrics, and a proxy on this machine.
listen = ["127.0.0.1:8080"]
# HTTPS, WSS, TURN over TLS and TCP share this port.
tls_listen = {front}
# Sites that embed calls, beside this server's own pages:
# allowed_origins = ["https://www.example.org"]

[tls]
# Without a certificate a self-signed one is made, which browsers refuse. From files; renewed ones are picked up while running:
# cert = "/etc/letsencrypt/live/NAME/fullchain.pem"
# key = "/etc/letsencrypt/live/NAME/privkey.pem"
# Or by itself, from Let's Encrypt (ACME), which comes to port 443 of the name:
# [tls.acme]
# domains = [{host}]
# contact = ["you@example.org"]

[turn]
udp_listen = {turn}
tcp_listen = {turn}
# The shared port above carries TURN over TLS.
tls_listen = []
realm = {host}
# One per line: the first mints, all verify. Put a new one in front, take the old one away a day later.
secrets_file = {secrets_file}

[relay]
{relay}
[log]
format = "json"
level = "info"
"#
        )
    }

    fn relay(&self) -> String {
        let mode = if self.single_port {
            "# Relayed addresses exist in memory only: both sides of a call must use this server as their relay.\n\
             mode = \"single-port\"\n"
        } else {
            "# Relayed addresses are UDP ports; the firewall must let them in. \"single-port\" needs none.\n\
             mode = \"ports\"\nport_range = \"49152-65535\"\n"
        };
        let mapped: Vec<String> = self
            .external
            .iter()
            .map(|(local, public)| format!("{} = {}", quoted(&local.to_string()), quoted(&public.to_string())))
            .collect();
        let external = if mapped.is_empty() {
            "# Behind a NAT that maps one to one: local address = public address.\n\
             # external = { \"10.0.0.5\" = \"203.0.113.7\" }\n"
                .to_owned()
        } else {
            format!("# What the NAT makes of the local address.\nexternal = {{ {} }}\n", mapped.join(", "))
        };
        format!("{mode}{external}")
    }

    fn listeners(&self, port: u16) -> String {
        if self.has_ipv6 { format!("[\"0.0.0.0:{port}\", \"[::]:{port}\"]") } else { format!("[\"0.0.0.0:{port}\"]") }
    }

    /// What is allowed but will hurt.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.host.parse::<IpAddr>().is_ok() {
            notes.push(format!(
                "{} stands in for a name: browsers trust no certificate for it, and Firefox ignores turns: URLs with an \
                 address; give a name with --domain",
                self.host
            ));
        }
        if self.port < 1024 {
            notes.push(format!(
                "port {} needs CAP_NET_BIND_SERVICE, which the systemd unit of the package gives",
                self.port
            ));
        }
        notes.push("there is no certificate yet: let [tls.acme] get one, or set tls.cert and tls.key".to_owned());
        notes
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            host: "chat.example.org".to_owned(),
            state_dir: PathBuf::from("/var/lib/duologue"),
            secrets_file: PathBuf::from("/etc/duologue/turn-secrets"),
            port: 443,
            single_port: false,
            has_ipv6: true,
            external: BTreeMap::new(),
        }
    }

    #[test]
    fn odd_paths_stay_one_value() {
        let odd = Draft { state_dir: PathBuf::from("/srv/a \"b\"\\c"), ..draft() };
        let parsed: toml::Table = odd.to_toml().parse().expect("TOML");
        assert_eq!(parsed["server"]["state_dir"].as_str(), Some("/srv/a \"b\"\\c"));
    }

    #[test]
    fn the_nat_and_the_mode_are_written_down() {
        let ip = |text: &str| text.parse().expect("an address");
        let external = BTreeMap::from([(ip("10.0.0.5"), ip("203.0.113.7"))]);
        let parsed: toml::Table =
            Draft { external, single_port: true, has_ipv6: false, ..draft() }.to_toml().parse().expect("TOML");
        assert_eq!(parsed["relay"]["external"]["10.0.0.5"].as_str(), Some("203.0.113.7"));
        assert_eq!(parsed["relay"]["mode"].as_str(), Some("single-port"));
        assert_eq!(parsed["http"]["tls_listen"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn certificates_come_by_themselves_once_three_signs_are_taken_away() {
        let text = draft().to_toml();
        let (before, after) = text.split_once("# [tls.acme]\n# domains").expect("the table");
        let parsed: toml::Table =
            format!("{before}[tls.acme]\ndomains{}", after.replacen("# contact", "contact", 1)).parse().expect("TOML");
        assert_eq!(parsed["tls"]["acme"]["domains"][0].as_str(), Some("chat.example.org"));
        assert!(parsed["tls"]["acme"]["contact"].is_array() && parsed["turn"]["realm"].is_str());
    }

    #[test]
    fn an_address_in_place_of_a_name_is_remarked_upon() {
        assert!(!draft().notes().iter().any(|note| note.contains("stands in for a name")));
        let bare = Draft { host: "203.0.113.7".to_owned(), ..draft() };
        assert!(bare.notes().iter().any(|note| note.contains("stands in for a name")));
    }
}
