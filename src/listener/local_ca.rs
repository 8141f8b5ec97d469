//! A certificate for development: a leaf signed by a small authority of its own, made in the state directory.
//!
//! Browsers disagree on self-signed leaves, but all take a leaf whose authority the developer trusts; so there are
//! two certificates. The authority's key is never written anywhere: trusting the file trusts this one leaf.
use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;

use crate::listener::certificate;
use crate::time::UnixMillis;

const DAY: Duration = Duration::from_secs(86_400);

/// The longest life every browser and system takes from an authority the user added (Apple: 825 days).
const LIFE: Duration = Duration::from_secs(820 * 86_400);

/// A pair that ends sooner than this is made anew.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// Names every pair carries, beside `public_host`.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why no pair could be made.
#[derive(Debug, thiserror::Error)]
pub enum LocalCaError {
    /// A file or directory cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `public_host` cannot stand in a certificate, or there is no randomness.
    #[error("cannot make a certificate for {public_host}: {source}")]
    Ungeneratable {
        /// The name asked for.
        public_host: String,
        /// What rcgen said.
        source: rcgen::Error,
    },
}

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPair {
    /// The leaf, to be served. Mode 0600.
    pub cert: PathBuf,
    /// Its key, ECDSA P-256. Mode 0600.
    pub key: PathBuf,
    /// The authority, to be trusted by the developer. Holds no secret.
    pub authority: PathBuf,
    /// Whether this call made them.
    pub fresh: bool,
}

/// Finds the pair in `<state_dir>/tls`, or makes it when there is none, it ends within 30 days, or it does not
/// carry `public_host` (a DNS name or an address).
///
/// # Errors
///
/// [`LocalCaError`]; files that cannot be read count as missing.
pub fn ensure(state_dir: &Path, public_host: &str, now: UnixMillis) -> Result<LocalPair, LocalCaError> {
    let dir = state_dir.join("tls");
    let mut pair = LocalPair {
        cert: dir.join("local-cert.pem"),
        key: dir.join("local-key.pem"),
        authority: dir.join("local-ca.pem"),
        fresh: false,
    };
    if still_fits(&pair, public_host, now) {
        return Ok(pair);
    }
    let made = make(public_host, now)
        .map_err(|source| LocalCaError::Ungeneratable { public_host: public_host.to_owned(), source })?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|source| LocalCaError::Unwritable { path: dir, source })?;
    replace(&pair.authority, &made.authority)?;
    replace(&pair.key, &made.key)?;
    replace(&pair.cert, &made.cert)?;
    pair.fresh = true;
    Ok(pair)
}

/// Whether a client that trusts the authority would accept the leaf for every name, now and a while from now.
fn still_fits(pair: &LocalPair, public_host: &str, now: UnixMillis) -> bool {
    let accepted = || -> Option<()> {
        let chain = certificate::read_chain(&pair.cert).ok()?;
        let leaf = ParsedCertificate::try_from(chain.first()?).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate::read_chain(&pair.authority).ok()?.into_iter().next()?).ok()?;
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        for later in [Duration::ZERO, RENEW_BEFORE] {
            let at = UnixTime::since_unix_epoch(Duration::from_millis(now.0) + later);
            verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &[], at, algorithms).ok()?;
        }
        for name in LOCAL_NAMES.into_iter().chain([public_host]) {
            verify_server_name(&leaf, &ServerName::try_from(name).ok()?).ok()?;
        }
        Some(())
    };
    // The key is checked against the leaf as well: a half-written pair is no pair.
    accepted().is_some() && certificate::Certificates::load(&pair.cert, &pair.key).is_ok()
}

struct Made {
    authority: String,
    cert: String,
    key: String,
}

fn make(public_host: &str, now: UnixMillis) -> Result<Made, rcgen::Error> {
    let authority = CertifiedIssuer::self_signed(authority_params(now)?, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let cert = leaf_params(public_host, now)?.signed_by(&key, &authority)?;
    Ok(Made { authority: authority.pem(), cert: cert.pem(), key: key.serialize_pem() })
}

fn authority_params(now: UnixMillis) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new([])?, now);
    // The number tells authorities of several makings apart in a browser's list.
    params.distinguished_name = named(&format!("Duologue local CA {}", now.as_secs()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(public_host: &str, now: UnixMillis) -> Result<CertificateParams, rcgen::Error> {
    let mut names: Vec<String> = LOCAL_NAMES.map(str::to_owned).into();
    let wanted = public_host.parse::<IpAddr>().map_or_else(|_| public_host.to_owned(), |ip| ip.to_string());
    if !names.contains(&wanted) {
        names.push(wanted);
    }
    let mut params = dated(CertificateParams::new(names)?, now);
    params.distinguished_name = named("Duologue local server");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated(mut params: CertificateParams, now: UnixMillis) -> CertificateParams {
    let now = UNIX_EPOCH + Duration::from_millis(now.0);
    // A day back, for clients whose clock is slow.
    params.not_before = (now - DAY).into();
    params.not_after = (now - DAY + LIFE).into();
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Writes beside the file and renames: a reader sees the old content or the new, nothing between.
fn replace(path: &Path, content: &str) -> Result<(), LocalCaError> {
    let fresh = path.with_extension("new");
    let write = || {
        // A leftover of a crash might have other rights; the file is always made here, so that 0600 holds.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|source| LocalCaError::Unwritable { path: path.to_owned(), source })
}
