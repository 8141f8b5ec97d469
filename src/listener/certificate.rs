//! The certificate in force: loaded from PEM files, swapped when they change, never dropped for a worse one.
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;
use x509_parser::parse_x509_certificate;

/// What an authority speaks that checks a name by a handshake. RFC 8737 §6.2.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// How often the files are looked at.
pub const POLL: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is read but is not what it should be.
    #[error("{}: no usable {what} in PEM form: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Both files are fine but do not belong together.
    #[error("the key in {} does not fit the certificate in {}: {source}", key.display(), cert.display())]
    Unfit {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// The certificate of all TLS doors. Whatever name a client asks for, it is served.
#[derive(Debug)]
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// What an authority is shown that checks a name by a handshake, by that name. RFC 8737.
    challenge_by_name: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
    /// Whether the files may be missing, because they are still to come.
    is_awaited: bool,
}

impl Certificates {
    /// Loads a PEM chain (leaf first) and its PEM private key (PKCS #8, SEC1 or PKCS #1).
    ///
    /// # Errors
    ///
    /// Each names the file.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        Ok(Self::of(cert, key, read_pair(cert, key)?, false))
    }

    /// Loads one PEM file that holds both chain and key, or another pair as long as it is not there or no good.
    ///
    /// # Errors
    ///
    /// Both cannot be used; each names the file.
    pub fn load_awaited(file: &Path, cert: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = match read_pair(file, file) {
            Ok(current) => current,
            Err(error) => {
                if file.exists() {
                    warn!(%error, "a self-signed certificate serves instead");
                }
                read_pair(cert, key)?
            }
        };
        Ok(Self::of(file, file, current, true))
    }

    fn of(cert: &Path, key: &Path, current: CertifiedKey, is_awaited: bool) -> Arc<Self> {
        Arc::new(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current: ArcSwap::from_pointee(current),
            challenge_by_name: ArcSwap::default(),
            is_awaited,
        })
    }

    /// Shows these certificates to whoever asks for one of the names with the protocol `acme-tls/1` alone, and no others.
    pub fn show_challenges(&self, challenge_by_name: HashMap<String, Arc<CertifiedKey>>) {
        self.challenge_by_name.store(Arc::new(challenge_by_name));
    }

    /// Reads the files again; later handshakes get the new certificate, connections that exist go on.
    ///
    /// Returns whether it differs from the one in force.
    ///
    /// # Errors
    ///
    /// As [`Certificates::load`]; the old one stays in force then.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        if self.is_awaited && !self.cert.exists() {
            return Ok(false);
        }
        let fresh = read_pair(&self.cert, &self.key)?;
        let changed = self.current.load().cert != fresh.cert;
        self.current.store(Arc::new(fresh));
        Ok(changed)
    }

    /// Reloads whenever a file changes, until `stop`. Looks every [`POLL`].
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.fingerprint().await;
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            // Taken before reading, so that a change in between is seen the next time.
            let now = self.fingerprint().await;
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(true) => info!(certificate = %self.cert.display(), "certificate renewed"),
                Ok(false) => {}
                Err(error) => warn!(%error, "certificate files changed but the old certificate stays"),
            }
        }
    }

    /// When the certificate in force ends, if it says so in a way that can be read.
    pub fn not_after(&self) -> Option<SystemTime> {
        validity(self.current.load().cert.first()?).map(|validity| validity.not_after)
    }

    /// Whether clients refuse it for its age.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.not_after().is_some_and(|end| end <= now)
    }

    async fn fingerprint(&self) -> [Option<FileMark>; 2] {
        [mark(&self.cert).await, mark(&self.key).await]
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // RFC 8737 §3: with that protocol and no other, nobody but an authority asks.
        let is_authority = hello.alpn().is_some_and(|mut all| all.next() == Some(ACME_TLS) && all.next().is_none());
        if is_authority {
            let name = hello.server_name()?.to_ascii_lowercase();
            return self.challenge_by_name.load().get(&name).map(Arc::clone);
        }
        Some(self.current.load_full())
    }
}

/// What changes when a file is replaced or rewritten; links are followed, as certificate tools swap links.
#[derive(Debug, PartialEq, Eq)]
struct FileMark {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

async fn mark(path: &Path) -> Option<FileMark> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(FileMark { modified: metadata.modified().ok(), len: metadata.len(), inode: metadata.ino() })
}

fn read_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = read_chain(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| CertificateError::Malformed {
        path: key.to_owned(),
        what: "private key",
        reason: error.to_string(),
    })?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).map_err(|source| CertificateError::Unfit {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// Reads every certificate of a PEM file.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let malformed = |reason: String| CertificateError::Malformed { path: path.to_owned(), what: "certificate", reason };
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(error.to_string()))?;
    if chain.is_empty() {
        return Err(malformed("no certificate in the file".to_owned()));
    }
    Ok(chain)
}

/// From when until when a certificate is good.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The end.
    pub not_after: SystemTime,
}

/// Reads the dates of a certificate; `None` if it is none, or is older than 1970. RFC 5280 §4.1.2.5.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let moment = |seconds: i64| Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?));
    let dates = parsed.validity();
    Some(Validity {
        not_before: moment(dates.not_before.timestamp())?,
        not_after: moment(dates.not_after.timestamp())?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
}
