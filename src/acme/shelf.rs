//! What is kept of ACME in the state directory: account, certificate, orders of the last day. One set per authority.
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::Digest;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::acme::budget::Budget;
use crate::listener::certificate::Validity;
use crate::listener::certificate::validity;

/// A file or directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}; let the server's user own server.state_dir", path.display())]
pub struct ShelfError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The files of one authority.
#[derive(Clone, Debug)]
pub struct Shelf {
    directory: PathBuf,
    /// Tells the files of several authorities apart, so that a trial with one spoils nothing of another.
    mark: String,
}

impl Shelf {
    /// Opens `<state_dir>/acme`, making it with mode 0700.
    ///
    /// # Errors
    ///
    /// [`ShelfError`]
    pub fn open(state_dir: &Path, directory_url: &str) -> Result<Self, ShelfError> {
        let shelf = Self::at(state_dir, directory_url);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&shelf.directory);
        made.map_err(|source| ShelfError { action: "make", path: shelf.directory.clone(), source })?;
        Ok(shelf)
    }

    /// Where the files are, if there are any; makes nothing.
    pub fn at(state_dir: &Path, directory_url: &str) -> Self {
        let digest = Sha256::digest(directory_url.as_bytes());
        let mark = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { directory: state_dir.join("acme"), mark }
    }

    /// One PEM file with the key and the chain: two files would not change at the same moment. Mode 0600.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join(format!("certificate-{}.pem", self.mark))
    }

    fn account(&self) -> PathBuf {
        self.directory.join(format!("account-{}.json", self.mark))
    }

    fn orders(&self) -> PathBuf {
        self.directory.join(format!("orders-{}.json", self.mark))
    }

    pub(super) fn read_certificate(&self) -> Option<Zeroizing<String>> {
        fs::read_to_string(self.certificate()).ok().map(Zeroizing::new)
    }

    pub(super) fn write_certificate(&self, pem: &str) -> Result<(), ShelfError> {
        replace(&self.certificate(), pem.as_bytes())
    }

    /// `None`: there is none yet.
    pub(super) fn read_account(&self) -> Result<Option<Zeroizing<Vec<u8>>>, ShelfError> {
        let path = self.account();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ShelfError { action: "read", path, source }),
        }
    }

    pub(super) fn write_account(&self, account: &[u8]) -> Result<(), ShelfError> {
        replace(&self.account(), account)
    }

    /// Puts an account aside that the authority does not know any more; its key is kept.
    pub(super) fn retire_account(&self) -> Result<(), ShelfError> {
        let path = self.account();
        fs::rename(&path, path.with_extension("old.json")).map_err(|source| ShelfError {
            action: "rename",
            path,
            source,
        })
    }

    /// Notes an order before it is made.
    ///
    /// # Errors
    ///
    /// The outer one: it cannot be noted. The inner one: after which time there may be another.
    pub(super) fn note_order(&self, now: SystemTime) -> Result<Result<(), std::time::Duration>, ShelfError> {
        let path = self.orders();
        let mut budget: Budget = match fs::read(&path) {
            // What cannot be read was not written by us; it is no reason to be without a certificate.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Budget::default(),
            Err(source) => return Err(ShelfError { action: "read", path, source }),
        };
        if let Err(wait) = budget.take(now) {
            return Ok(Err(wait));
        }
        let text = serde_json::to_vec(&budget).unwrap_or_default();
        replace(&path, &text).map(Ok)
    }
}

/// Writes beside the file and renames: a reader sees the old content or the new, nothing between. Mode 0600.
fn replace(path: &Path, content: &[u8]) -> Result<(), ShelfError> {
    let fresh = path.with_extension("new");
    let write = || {
        // A leftover of a crash might have other rights; the file is always made here, so that 0600 holds.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().map_err(|source| ShelfError { action: "write", path: path.to_owned(), source })
}

/// Why a certificate is not put into force.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no PEM chain of certificates")]
    NoChain,
    #[error("there is no key with it")]
    NoKey,
    #[error("it is not of the key that asked for it")]
    ForeignKey,
    #[error("it is not good for {0}")]
    Nameless(String),
    #[error("it is not valid now")]
    Untimely,
}

/// A certificate that clients will take, as far as we can tell without their list of authorities.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Usable {
    pub(super) leaf: CertificateDer<'static>,
    pub(super) validity: Validity,
}

/// Judges key and chain in PEM form.
pub(super) fn judge(pem: &str, domains: &[String], now: SystemTime) -> Result<Usable, Unusable> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| Unusable::NoChain)?;
    let leaf = chain.first().cloned().ok_or(Unusable::NoChain)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| Unusable::NoKey)?;
    let parsed = ParsedCertificate::try_from(&leaf).map_err(|_| Unusable::NoChain)?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|_| Unusable::ForeignKey)?;
    for domain in domains {
        let is_named = ServerName::try_from(domain.as_str())
            .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok());
        if !is_named {
            return Err(Unusable::Nameless(domain.clone()));
        }
    }
    let validity = validity(&leaf).ok_or(Unusable::NoChain)?;
    if now < validity.not_before || now >= validity.not_after {
        return Err(Unusable::Untimely);
    }
    Ok(Usable { leaf, validity })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use rcgen::CertificateParams;
    use rcgen::KeyPair;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn pair(names: &[&str], from: SystemTime, until: SystemTime) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
        params.not_before = from.into();
        params.not_after = until.into();
        (key.serialize_pem(), params.self_signed(&key).expect("signed").pem())
    }

    #[test]
    fn a_certificate_is_judged_before_it_serves() {
        let now = SystemTime::now();
        let (key, chain) = pair(&["a.example", "192.0.2.7"], now - DAY, now + DAY);
        let domains = ["a.example".to_owned(), "192.0.2.7".to_owned()];
        assert!(judge(&format!("{key}{chain}"), &domains, now).is_ok());
        assert_eq!(judge(&key, &domains, now), Err(Unusable::NoChain));
        assert_eq!(judge(&chain, &domains, now), Err(Unusable::NoKey));
        assert_eq!(judge("<html>", &domains, now), Err(Unusable::NoChain));
        let other = ["b.example".to_owned()];
        assert_eq!(judge(&format!("{key}{chain}"), &other, now), Err(Unusable::Nameless("b.example".to_owned())));
        let (foreign, _) = pair(&["a.example"], now - DAY, now + DAY);
        assert_eq!(judge(&format!("{foreign}{chain}"), &domains, now), Err(Unusable::ForeignKey));
        assert_eq!(judge(&format!("{key}{chain}"), &domains, now + DAY * 2), Err(Unusable::Untimely));
        assert_eq!(judge(&format!("{key}{chain}"), &domains, now - DAY * 2), Err(Unusable::Untimely));
    }

    #[test]
    fn what_is_kept_is_for_the_owner_alone_and_apart_by_authority() {
        let state = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::open(state.path(), "https://one.example/dir").expect("made");
        shelf.write_certificate("pem").expect("written");
        shelf.write_account(b"{}").expect("written");
        assert_eq!(shelf.note_order(SystemTime::now()).expect("noted"), Ok(()));
        for entry in fs::read_dir(state.path().join("acme")).expect("it is there") {
            let mode = entry.expect("an entry").metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(state.path().join("acme")).expect("it is there").permissions().mode() & 0o777, 0o700);
        let other = Shelf::open(state.path(), "https://two.example/dir").expect("opened");
        assert!(other.read_certificate().is_none() && other.read_account().expect("no error").is_none());
    }

    #[test]
    fn orders_are_counted_across_restarts() {
        let state = tempfile::tempdir().expect("a directory");
        let now = SystemTime::now();
        for _ in 0..10 {
            let shelf = Shelf::open(state.path(), "https://one.example/dir").expect("opened");
            assert_eq!(shelf.note_order(now).expect("noted"), Ok(()));
        }
        let shelf = Shelf::open(state.path(), "https://one.example/dir").expect("opened");
        assert!(shelf.note_order(now).expect("readable").is_err());
    }
}
