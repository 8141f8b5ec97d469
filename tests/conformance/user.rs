//! Credentials: time-limited ones of a shared secret, and those of named users. RFC 8489 §9.2.2, §14.4.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Digest;
use md5::Md5;
use sha2::Sha256;

use crate::packet::hmac_sha1;

#[derive(Clone, Debug)]
pub struct User {
    pub name: Vec<u8>,
    pub password: String,
}

impl User {
    pub fn named(name: &str, password: &str) -> User {
        User { name: name.as_bytes().to_vec(), password: password.to_owned() }
    }

    /// The convention of TURN REST: `expiry:id` with base64(HMAC-SHA1(secret, name)).
    pub fn time_limited(secret: &str, id: &str, expiry_unix_s: u64) -> User {
        let name = format!("{expiry_unix_s}:{id}");
        let password = STANDARD.encode(hmac_sha1(secret.as_bytes(), name.as_bytes()));
        User { name: name.into_bytes(), password }
    }

    /// MD5(name ":" realm ":" password).
    pub fn md5_key(&self, realm: &[u8]) -> Vec<u8> {
        Md5::digest(self.joined(realm)).to_vec()
    }

    /// SHA-256(name ":" realm ":" password).
    pub fn sha256_key(&self, realm: &[u8]) -> Vec<u8> {
        Sha256::digest(self.joined(realm)).to_vec()
    }

    /// SHA-256(name ":" realm).
    pub fn hash(&self, realm: &[u8]) -> Vec<u8> {
        Sha256::digest([&self.name, &b":"[..], realm].concat()).to_vec()
    }

    fn joined(&self, realm: &[u8]) -> Vec<u8> {
        [&self.name, &b":"[..], realm, b":", self.password.as_bytes()].concat()
    }
}
