//! Signed addresses of files: whoever has one may put or get that one file until it expires, and nothing else.
//!
//! ```text
//! /v1/uploads/ID?expires=MILLISECONDS&signature=SIGNATURE
//! /v1/files/ID?expires=MILLISECONDS&signature=SIGNATURE
//! ```
//! The signature is the base64url text of an HMAC-SHA256 over purpose, access, expiry and id.
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

use crate::auth::secret::Secret;
use crate::time::UnixMillis;

/// Says what is signed, so that the secret can serve other purposes too.
const PURPOSE: &str = "duologue file link 1";

/// Characters of a signature: 256 bits without padding. RFC 4648 §5.
const SIGNATURE_CHARS: usize = 43;

/// What an address allows.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// To put the file, once.
    Put,
    /// To get the file.
    Get,
}

impl FileAccess {
    const fn word(self) -> &'static str {
        match self {
            FileAccess::Put => "put",
            FileAccess::Get => "get",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            FileAccess::Put => "/v1/uploads/",
            FileAccess::Get => "/v1/files/",
        }
    }
}

/// What an address shows beside the id of its file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileSignature {
    /// Until when it is good.
    pub expires: UnixMillis,
    /// As it stands in the address.
    pub text: String,
}

impl fmt::Debug for FileSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSignature").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Why an address is not good.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileLinkError {
    /// We have not signed it.
    #[error("the signature of this address is not valid")]
    Forged,
    /// It was good once.
    #[error("this address has expired")]
    Expired,
}

/// Signs addresses and checks them.
#[derive(Clone, Debug)]
pub struct FileLinks {
    key: Secret,
}

impl FileLinks {
    /// Signs with that secret.
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    /// The address of a file, relative to the server's.
    pub fn url(&self, access: FileAccess, id: &str, expires: UnixMillis) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.mac(access, id, expires).finalize().into_bytes());
        format!("{}{id}?expires={}&signature={signature}", access.path(), expires.0)
    }

    /// Checks an address in constant time.
    ///
    /// # Errors
    ///
    /// [`FileLinkError`]; one that is forged is not called expired.
    pub fn check(
        &self,
        access: FileAccess,
        id: &str,
        signature: &FileSignature,
        now: UnixMillis,
    ) -> Result<(), FileLinkError> {
        if signature.text.len() != SIGNATURE_CHARS {
            return Err(FileLinkError::Forged);
        }
        let code = URL_SAFE_NO_PAD.decode(&signature.text).map_err(|_| FileLinkError::Forged)?;
        self.mac(access, id, signature.expires).verify_slice(&code).map_err(|_| FileLinkError::Forged)?;
        if signature.expires <= now { Err(FileLinkError::Expired) } else { Ok(()) }
    }

    fn mac(&self, access: FileAccess, id: &str, expires: UnixMillis) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose()).expect("HMAC takes keys of any length");
        // The id is last and all before it has no line end, so no two files are signed alike.
        mac.update(format!("{PURPOSE}\n{}\n{}\n{id}", access.word(), expires.0).as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES: UnixMillis = UnixMillis(2_000);

    fn links(key: &[u8]) -> FileLinks {
        FileLinks::new(Secret::new(key))
    }

    fn taken_apart(url: &str) -> (&str, FileSignature) {
        let (path, query) = url.split_once("?expires=").expect("an expiry");
        let (expires, text) = query.split_once("&signature=").expect("a signature");
        let expires = UnixMillis(expires.parse().expect("a number"));
        (path.rsplit('/').next().expect("an id"), FileSignature { expires, text: text.to_owned() })
    }

    #[test]
    fn an_address_is_good_for_its_file_its_access_and_its_time() {
        let links = links(b"key");
        let url = links.url(FileAccess::Get, "f1", EXPIRES);
        assert!(url.starts_with("/v1/files/f1?expires=2000&signature="), "{url}");
        let (id, signature) = taken_apart(&url);
        let check = |access, id, signature: &FileSignature, now| links.check(access, id, signature, UnixMillis(now));
        assert_eq!(check(FileAccess::Get, id, &signature, 1_999), Ok(()));
        assert_eq!(check(FileAccess::Get, id, &signature, 2_000), Err(FileLinkError::Expired));
        assert_eq!(check(FileAccess::Put, id, &signature, 0), Err(FileLinkError::Forged));
        assert_eq!(check(FileAccess::Get, "f2", &signature, 0), Err(FileLinkError::Forged));
        let later = FileSignature { expires: UnixMillis(9_000), ..signature };
        assert_eq!(check(FileAccess::Get, id, &later, 0), Err(FileLinkError::Forged));
    }

    #[test]
    fn what_another_key_or_nobody_signed_is_forged() {
        let url = links(b"another key").url(FileAccess::Put, "f1", EXPIRES);
        let (id, good) = taken_apart(&url);
        for text in [good.text.as_str(), "", &"A".repeat(43), &"A".repeat(44), "not base64!", &good.text[1..]] {
            let signature = FileSignature { expires: EXPIRES, text: text.to_owned() };
            let told = links(b"key").check(FileAccess::Put, id, &signature, UnixMillis(0));
            assert_eq!(told, Err(FileLinkError::Forged), "{text}");
        }
    }

    #[test]
    fn neither_key_nor_signature_prints_itself() {
        let links = links(b"key");
        let (_, signature) = taken_apart(&links.url(FileAccess::Put, "f1", EXPIRES)).clone();
        assert!(!format!("{links:?} {signature:?}").contains(&signature.text));
        assert_eq!(format!("{links:?}"), "FileLinks { key: Secret(..) }");
    }
}
