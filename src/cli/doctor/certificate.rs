//! The certificate: its dates, its key, its name, and who vouches for it.
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;

use crate::acme::Shelf;
use crate::config::Config;
use crate::listener::Certificates;
use crate::listener::certificate::Validity;
use crate::listener::certificate::read_chain;
use crate::listener::certificate::validity;

use super::finding::Finding;

const CHECK: &str = "certificate";

/// Renewal tools renew a month ahead; whoever comes this close has none that works.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Where Debian and its kin keep the authorities that programs trust.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

const RENEW: &str = "renew it (certbot renew, or whatever made it) and see that this happens by itself; the server picks new \
                     files up within seconds";

/// Looks at the pair; the certificate that the server must show, if there is one.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) -> Option<CertificateDer<'static>> {
    let (cert, key, is_made_here) = match &config.tls.files {
        Some(files) => (files.cert.clone(), files.key.clone(), false),
        None if config.tls.acme.is_on() => {
            let file = Shelf::at(&config.server.state_dir, &config.tls.acme.directory_url).certificate();
            (file.clone(), file, false)
        }
        None => {
            let directory = config.server.state_dir.join("tls");
            (directory.join("local-cert.pem"), directory.join("local-key.pem"), true)
        }
    };
    if is_made_here && !config.server.public_host.is_local() {
        findings.push(Finding::warning(
            CHECK,
            format!(
                "no certificate is configured for {}: browsers will refuse the one that the server makes for itself",
                config.server.public_host
            ),
            "get one for the name and put its files into tls.cert and tls.key",
        ));
    }
    if config.tls.acme.is_on() && !cert.exists() {
        findings.push(Finding::warning(
            CHECK,
            "no certificate has come yet by ACME; a self-signed one serves meanwhile",
            "start the server, then look at its log for what the authority says; it tries again by itself, at once after a \
             reload (SIGHUP)",
        ));
        return read_chain(&config.server.state_dir.join("tls/local-cert.pem")).ok()?.into_iter().next();
    }
    if is_made_here && !cert.exists() {
        findings.push(Finding::fine(CHECK, "the server makes one for itself at its first start"));
        return None;
    }
    match look(config, &cert, &key, is_made_here, findings) {
        Ok(leaf) => Some(leaf),
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

fn look(
    config: &Config,
    cert: &Path,
    key: &Path,
    is_made_here: bool,
    findings: &mut Vec<Finding>,
) -> Result<CertificateDer<'static>, Finding> {
    let unusable = |error: &dyn std::fmt::Display| {
        Finding::failed(
            CHECK,
            error.to_string(),
            "put the chain, leaf first, and its own key into tls.cert and tls.key",
        )
    };
    let chain = read_chain(cert).map_err(|error| unusable(&error))?;
    Certificates::load(cert, key).map_err(|error| unusable(&error))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(unusable(&"the file holds no certificate"));
    };
    let dates = validity(&leaf).ok_or_else(|| unusable(&"its dates cannot be read"))?;
    let Validity { not_before, not_after } = dates;
    let (now, shown) = (SystemTime::now(), cert.display());
    let before = findings.len();
    if now < not_before {
        let remedy = "set the clock (timedatectl set-ntp true), or wait";
        findings.push(Finding::failed(CHECK, format!("{shown} is not good before {}", date(not_before)), remedy));
    } else if now >= not_after {
        findings.push(Finding::failed(CHECK, format!("{shown} has expired on {}", date(not_after)), RENEW));
    } else if now + SOON >= not_after {
        findings.push(Finding::warning(CHECK, format!("{shown} expires on {}", date(not_after)), RENEW));
    }
    let parsed = ParsedCertificate::try_from(&leaf).map_err(|error| unusable(&error))?;
    let host = config.server.public_host.as_str();
    let carries = ServerName::try_from(host).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    if !carries {
        let told = format!("{shown} is not for {host}, which is server.public_host");
        let remedy = format!("get a certificate for {host}, or correct server.public_host");
        findings.push(Finding::failed(CHECK, told, remedy));
    }
    if !is_made_here && is_vouched_for(&parsed, &chain) == Some(false) {
        let told = format!("no authority that this machine trusts vouches for {shown}");
        let remedy =
            "if it is from a public authority, let tls.cert name the whole chain (fullchain.pem), not the leaf alone";
        findings.push(Finding::warning(CHECK, told, remedy));
    }
    if findings.len() == before {
        findings.push(Finding::fine(CHECK, format!("{shown} is for {host}, until {}", date(not_after))));
    }
    Ok(leaf)
}

fn date(moment: SystemTime) -> String {
    httpdate::fmt_http_date(moment)
}

/// Whether an authority of this machine vouches for it, dates aside; `None` if the machine has no list of them.
fn is_vouched_for(leaf: &ParsedCertificate<'_>, chain: &[CertificateDer<'static>]) -> Option<bool> {
    let trusted = read_chain(&PathBuf::from(AUTHORITIES)).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let begin = validity(chain.first()?)?.not_before;
    let at = UnixTime::since_unix_epoch(begin.duration_since(UNIX_EPOCH).ok()? + Duration::from_secs(1));
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let between = chain.get(1..).unwrap_or_default();
    Some(verify_server_cert_signed_by_trust_anchor(leaf, &roots, between, at, algorithms).is_ok())
}
