//! The name that browsers are given: does it lead here?
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::net::ToSocketAddrs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::app::addresses::own_addresses;
use crate::cli::init::is_private;
use crate::config::Config;

use super::finding::Finding;

const CHECK: &str = "name";

/// Resolvers give up after some seconds themselves, some only after many.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks where `server.public_host` leads.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let host = &config.server.public_host;
    if host.is_local() {
        let told = format!("server.public_host is {host}: only this machine can call itself by it");
        return findings.push(Finding::fine(CHECK, told));
    }
    let own = match own_addresses(&config.relay.external) {
        Ok(own) => own,
        Err(error) => {
            let told = format!("the addresses of this machine cannot be listed: {error}");
            return findings.push(Finding::skipped(CHECK, told));
        }
    };
    let is_behind_proxy = !config.http.trusted_proxies.is_empty();
    let found = match host.address() {
        Some(address) => BTreeSet::from([address]),
        None => match resolve(host.as_str()) {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => return findings.push(nowhere(config, "it has no address")),
            Err(error) => return findings.push(nowhere(config, &error.to_string())),
        },
    };
    findings.push(judge(host.as_str(), &found, &own, is_behind_proxy));
}

/// Compares where the name leads with where this machine is.
fn judge(host: &str, found: &BTreeSet<IpAddr>, own: &[IpAddr], is_behind_proxy: bool) -> Finding {
    let stray: Vec<IpAddr> = found.iter().copied().filter(|address| !own.contains(address)).collect();
    if stray.is_empty() {
        return Finding::fine(CHECK, format!("{host} leads to {}, which is this machine", list(found.iter().copied())));
    }
    let here = list(own.iter().copied().filter(|address| !address.is_loopback()));
    let told = format!("{host} leads to {}, but this machine is {here}", list(stray.iter().copied()));
    if is_behind_proxy {
        let remedy =
            "fine for pages behind a proxy (http.trusted_proxies); TURN clients need a name that leads to this machine";
        return Finding::warning(CHECK, told, remedy);
    }
    // Without a public address of its own, the machine cannot know which one the NAT has.
    let knows_public = own.iter().any(|address| address.is_ipv4() && !is_private(*address));
    if !knows_public && stray.iter().all(|address| address.is_ipv4() && !is_private(*address)) {
        let remedy =
            "if that is the NAT's public address, say so in relay.external; ask with --stun HOST:PORT to be sure";
        return Finding::warning(CHECK, told, remedy);
    }
    let remedy = format!(
        "let the DNS records of {host} (A and AAAA) name this machine, or, behind a NAT that maps one to one, name the \
         public address in relay.external"
    );
    Finding::failed(CHECK, told, remedy)
}

fn nowhere(config: &Config, why: &str) -> Finding {
    let host = &config.server.public_host;
    let remedy = format!("make DNS records (A, AAAA) for {host} that name this machine, or correct server.public_host");
    Finding::failed(CHECK, format!("{host} cannot be resolved: {why}"), remedy)
}

pub(super) fn resolve(host: &str) -> io::Result<BTreeSet<IpAddr>> {
    let (answer, answered) = mpsc::channel();
    let host = host.to_owned();
    // Resolving cannot be called off; what it finds too late goes nowhere.
    thread::spawn(move || {
        let found = (host.as_str(), 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect());
        let _ = answer.send(found);
    });
    answered.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PATIENCE.as_secs())))
    })
}

/// Addresses as people write lists.
pub(super) fn list(addresses: impl Iterator<Item = IpAddr>) -> String {
    let shown: Vec<String> = addresses.map(|address| address.to_string()).collect();
    if shown.is_empty() { "without any address".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn verdict(found: &[&str], own: &[&str], is_behind_proxy: bool) -> Verdict {
        let own: Vec<IpAddr> = own.iter().map(|text| ip(text)).collect();
        judge("chat.example.org", &found.iter().map(|text| ip(text)).collect(), &own, is_behind_proxy).verdict
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_a_failure() {
        assert_eq!(verdict(&["203.0.113.7"], &["203.0.113.7", "127.0.0.1"], false), Verdict::Ok);
        assert_eq!(verdict(&["198.51.100.9"], &["203.0.113.7"], false), Verdict::Failed);
        assert_eq!(verdict(&["203.0.113.7", "2001:db8::9"], &["203.0.113.7"], false), Verdict::Failed);
    }

    #[test]
    fn behind_a_nat_or_a_proxy_it_may_be_right() {
        assert_eq!(verdict(&["198.51.100.9"], &["10.0.0.5"], false), Verdict::Warning);
        assert_eq!(verdict(&["198.51.100.9"], &["203.0.113.7"], true), Verdict::Warning);
        assert_eq!(verdict(&["192.168.1.1"], &["10.0.0.5"], false), Verdict::Failed);
    }
}
