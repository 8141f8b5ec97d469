//! Whether an authority that orders a proof can find this server: the names, and the port it comes to.
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::app::addresses::own_addresses;
use crate::config::Acme;
use crate::config::AcmeChallenge;
use crate::config::Config;

use super::finding::Finding;
use super::name::resolve;

const CHECK: &str = "acme";

/// Looks at `[tls.acme]`, if certificates are ordered at all.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let acme = &config.tls.acme;
    if !acme.is_on() {
        return;
    }
    findings.push(port(acme, &config.http.listen, &config.http.tls_listen, &config.turn.tls_listen));
    let Ok(own) = own_addresses(&config.relay.external) else {
        return findings.push(Finding::skipped(CHECK, "the addresses of this machine cannot be listed"));
    };
    // Where public_host leads is a finding of its own.
    for domain in acme.domains.iter().filter(|domain| **domain != config.server.public_host) {
        let found = match domain.address() {
            Some(address) => Ok([address].into()),
            None => resolve(domain.as_str()),
        };
        findings.push(match found {
            Ok(found) if found.iter().any(|address: &IpAddr| own.contains(address)) => {
                Finding::fine(CHECK, format!("{domain} leads to this machine"))
            }
            Ok(found) if found.is_empty() => nowhere(domain.as_str(), "it has no address"),
            Ok(_) => Finding::warning(
                CHECK,
                format!("{domain} does not lead to an address of this machine"),
                "behind a NAT that is as it should be; else let its DNS records name this machine",
            ),
            Err(error) => nowhere(domain.as_str(), &error.to_string()),
        });
    }
}

fn nowhere(domain: &str, why: &str) -> Finding {
    let told = format!("{domain} leads nowhere ({why}), so no authority finds this server by it");
    Finding::failed(CHECK, told, "let its DNS records name this machine, or take it out of tls.acme.domains")
}

/// Authorities come to one port only. RFC 8555 §8.3, RFC 8737 §3.
fn port(acme: &Acme, plain: &[SocketAddr], shared: &[SocketAddr], turn: &[SocketAddr]) -> Finding {
    let (wanted, key, listeners) = match acme.challenge {
        AcmeChallenge::Http01 => (80, "http.listen", [plain, &[]]),
        AcmeChallenge::TlsAlpn01 => (443, "http.tls_listen", [shared, turn]),
    };
    let mut of_port = listeners.into_iter().flatten().filter(|address| address.port() == wanted);
    match of_port.find(|address| !address.ip().is_loopback()) {
        Some(address) => Finding::fine(CHECK, format!("authorities come to port {wanted}, where {address} listens")),
        None => Finding::warning(
            CHECK,
            format!("authorities come to port {wanted}, but {key} names no address with it"),
            format!("give {key} port {wanted}, unless something in front of this machine passes that port on to it"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    fn verdict(challenge: AcmeChallenge, plain: &str, shared: &str) -> Verdict {
        let acme = Acme { challenge, ..Acme::default() };
        let parse = |text: &str| vec![text.parse().expect("an address")];
        port(&acme, &parse(plain), &parse(shared), &[]).verdict
    }

    #[test]
    fn an_authority_comes_to_one_port_from_outside() {
        let (alpn, http) = (AcmeChallenge::TlsAlpn01, AcmeChallenge::Http01);
        assert_eq!(verdict(alpn, "127.0.0.1:8080", "0.0.0.0:443"), Verdict::Ok);
        assert_eq!(verdict(alpn, "0.0.0.0:80", "0.0.0.0:8443"), Verdict::Warning);
        assert_eq!(verdict(http, "0.0.0.0:80", "0.0.0.0:8443"), Verdict::Ok);
        assert_eq!(verdict(http, "127.0.0.1:80", "0.0.0.0:443"), Verdict::Warning);
    }
}
