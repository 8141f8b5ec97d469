//! What each key allows by itself but not together with another.
use std::net::IpAddr;
use std::net::SocketAddr;

use super::AcmeChallenge;
use super::Config;
use super::duration;
use super::problem::Complaint;
use super::read::Reader;
use super::relay::RelayMode;

/// Notes every clash between keys.
pub(super) fn refuse_clashes(config: &Config, reader: &mut Reader) {
    refuse_shared_tcp_ports(config, reader);
    refuse_same_udp_ports(config, reader);
    refuse_nobody_listening(config, reader);
    refuse_external_of_nothing(config, reader);
    refuse_single_port_with_peers(config, reader);
    refuse_misordered_limits(config, reader);
    refuse_keys_of_two_places(config, reader);
    refuse_acme_without_a_way(config, reader);
}

fn refuse_acme_without_a_way(config: &Config, reader: &mut Reader) {
    let acme = &config.tls.acme;
    if !acme.is_on() {
        return;
    }
    if config.tls.files.is_some() {
        let fix = "take cert and key away, or leave tls.acme.domains empty";
        reader.clash(&["tls.acme.domains"], Complaint::new("tls.cert and tls.key are given beside it", fix));
    }
    match acme.challenge {
        AcmeChallenge::TlsAlpn01 if config.http.tls_listen.is_empty() && config.turn.tls_listen.is_empty() => {
            let fix = "give http.tls_listen an address, for example \"0.0.0.0:443\"";
            reader.clash(&["tls.acme.challenge", "tls.acme.domains"], Complaint::new("nothing listens with TLS", fix));
        }
        AcmeChallenge::Http01 if config.http.listen.is_empty() => {
            let fix = "give http.listen an address, for example \"0.0.0.0:80\"";
            reader.clash(
                &["tls.acme.challenge", "tls.acme.domains"],
                Complaint::new("nothing listens for plain HTTP", fix),
            );
        }
        AcmeChallenge::TlsAlpn01 | AcmeChallenge::Http01 => {}
    }
}

fn refuse_keys_of_two_places(config: &Config, reader: &mut Reader) {
    if !config.auth.jwks_url.is_empty() && config.auth.jwks_file.is_some() {
        let complaint = Complaint::new("auth.jwks_url is given beside it", "keep one of jwks_url and jwks_file");
        reader.clash(&["auth.jwks_file"], complaint);
    }
}

fn refuse_shared_tcp_ports(config: &Config, reader: &mut Reader) {
    let lists: [(&str, &[SocketAddr]); 5] = [
        ("http.listen", &config.http.listen),
        ("http.tls_listen", &config.http.tls_listen),
        ("http.metrics_listen", &config.http.metrics_listen),
        ("turn.tcp_listen", &config.turn.tcp_listen),
        ("turn.tls_listen", &config.turn.tls_listen),
    ];
    let all: Vec<(&str, SocketAddr)> =
        lists.iter().flat_map(|(key, list)| list.iter().map(|address| (*key, *address))).collect();
    for (position, (key, address)) in all.iter().enumerate() {
        for (earlier_key, earlier) in all.iter().take(position).filter(|(_, earlier)| overlap(*earlier, *address)) {
            let what = format!("{address} and {earlier} of {earlier_key} are one TCP port");
            let fix = match (*earlier_key, *key) {
                ("http.tls_listen", "turn.tcp_listen" | "turn.tls_listen") => {
                    format!("take it out of {key}: http.tls_listen serves TURN over TCP and TLS too")
                }
                (same, key) if same == key => "take one of them away".to_owned(),
                (_, key) => format!("give {key} another port"),
            };
            reader.clash(&[key, earlier_key], Complaint::new(what, fix));
        }
    }
}

fn refuse_same_udp_ports(config: &Config, reader: &mut Reader) {
    let listeners = &config.turn.udp_listen;
    for (position, address) in listeners.iter().enumerate() {
        if let Some(earlier) = listeners.iter().take(position).find(|earlier| overlap(**earlier, *address)) {
            let what = format!("{address} and {earlier} are one UDP port");
            reader.clash(&["turn.udp_listen"], Complaint::new(what, "take one of them away"));
        }
    }
}

/// Whether the second bind of the two would fail. Listeners on `[::]` take IPv6 only.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_family && same_host
}

fn refuse_nobody_listening(config: &Config, reader: &mut Reader) {
    if config.http.listen.is_empty() && config.http.tls_listen.is_empty() {
        let complaint =
            Complaint::new("nothing listens for browsers", "give http.listen or http.tls_listen an address");
        reader.clash(&["http.listen", "http.tls_listen"], complaint);
    }
    let turn = &config.turn;
    let relay_unreachable = turn.udp_listen.is_empty()
        && turn.tcp_listen.is_empty()
        && turn.tls_listen.is_empty()
        && config.http.tls_listen.is_empty();
    if relay_unreachable {
        let fix = "give turn.udp_listen an address, for example \"0.0.0.0:3478\"";
        reader.clash(&["turn.udp_listen"], Complaint::new("nothing listens for TURN clients", fix));
    }
}

fn refuse_external_of_nothing(config: &Config, reader: &mut Reader) {
    let addresses = config.relay.addresses.as_slice();
    if addresses.is_empty() {
        // Whoever maps an address means it to be one of the relay's.
        return;
    }
    for local in config.relay.external.keys().filter(|local| !addresses.contains(local)) {
        let what = format!("{local} is not a local address of the relay");
        let fix = format!("add it to relay.addresses, or map one of {}", listed(addresses));
        reader.clash(&["relay.external"], Complaint::new(what, fix));
    }
}

/// The lists of peers stay valid, so that the mode alone can be changed by the environment; the switch says outright what
/// the mode rules out.
fn refuse_single_port_with_peers(config: &Config, reader: &mut Reader) {
    if config.relay.mode == RelayMode::SinglePort && config.relay.allow_private_peers {
        let what = "in single-port mode the only peers are relayed addresses of this server";
        let fix = "take it away, or set relay.mode = \"ports\"";
        reader.clash(&["relay.allow_private_peers", "relay.mode"], Complaint::new(what, fix));
    }
}

fn refuse_misordered_limits(config: &Config, reader: &mut Reader) {
    let limits = &config.limits;
    if limits.messages_burst < limits.messages_per_second {
        let what = format!("{} is less than one second of messages", limits.messages_burst);
        let fix = format!("write at least {}, the number of limits.messages_per_second", limits.messages_per_second);
        reader.clash(&["limits.messages_burst", "limits.messages_per_second"], Complaint::new(what, fix));
    }
    let auth = &config.auth;
    if auth.refresh_ttl <= auth.access_ttl {
        let what = format!("refresh tokens of {} end before access tokens", duration::format(auth.refresh_ttl));
        let fix = format!("write more than \"{}\", the life of auth.access_ttl", duration::format(auth.access_ttl));
        reader.clash(&["auth.refresh_ttl", "auth.access_ttl"], Complaint::new(what, fix));
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
