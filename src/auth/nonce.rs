//! Nonces that need no memory: a code over the time and the client's address. RFC 8489 §9.2.
//!
//! ```text
//! "obMatJos2" | 4 base64 characters: security features | 16 base64url characters: time (4 bytes), code (8 bytes)
//! ```
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::auth::secret::Secret;

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 29;

/// How long a nonce is good; RFC 8489 §9.2 leaves it to the server, RFC 8656 §5 asks for at most an hour.
pub const NONCE_LIFE_SECS: u32 = 3600;

/// The nonce cookie of RFC 8489 §9.2, then the security features of §18.1: none is set.
const PREFIX: &[u8; 13] = b"obMatJos2AAAA";

/// How far the clock may have been set back since a nonce was issued.
const CLOCK_STEP_SECS: u32 = 60;

/// Says what the derived key is for, so that the secret can serve other purposes too.
const PURPOSE: &[u8] = b"duologue turn nonce 1";

/// The value of a NONCE attribute.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The bytes of the attribute; all of them are ASCII.
    pub fn as_bytes(&self) -> &[u8; NONCE_LEN] {
        &self.0
    }
}

/// What a received nonce is worth.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NonceCheck {
    /// Issued by us to this address, and not too old.
    Valid,
    /// Anything else: the answer is 438 (Stale Nonce) with a fresh one.
    Stale,
}

/// Issues and checks nonces. Made from the same secret it is the same on every shard and after every restart.
#[derive(Clone)]
pub struct NonceKey {
    /// Keyed and ready, so that a nonce costs two hash blocks fewer.
    mac: Hmac<Sha256>,
}

impl NonceKey {
    /// Derives the key from a secret that outlives restarts.
    pub fn derive(secret: &Secret) -> Self {
        let derived = keyed(secret.expose()).chain_update(PURPOSE).finalize().into_bytes();
        Self { mac: keyed(&derived) }
    }

    /// The nonce for this client at this moment.
    pub fn issue(&self, client: SocketAddr, now_unix_secs: u64) -> Nonce {
        self.at(client, seconds(now_unix_secs))
    }

    /// Judges a received NONCE attribute.
    pub fn verify(&self, nonce: &[u8], client: SocketAddr, now_unix_secs: u64) -> NonceCheck {
        let Some(issued) = issued_at(nonce) else {
            return NonceCheck::Stale;
        };
        if !bool::from(self.at(client, issued).0.ct_eq(nonce)) {
            return NonceCheck::Stale;
        }
        let now = seconds(now_unix_secs);
        let is_fresh = now.wrapping_sub(issued) < NONCE_LIFE_SECS || issued.wrapping_sub(now) <= CLOCK_STEP_SECS;
        if is_fresh { NonceCheck::Valid } else { NonceCheck::Stale }
    }

    fn at(&self, client: SocketAddr, issued: u32) -> Nonce {
        let time = issued.to_be_bytes();
        let mac = self.mac.clone().chain_update(time).chain_update(client.port().to_be_bytes());
        let mac = match client.ip() {
            IpAddr::V4(ip) => mac.chain_update(ip.octets()),
            IpAddr::V6(ip) => mac.chain_update(ip.octets()),
        };
        let code: [u8; 32] = mac.finalize().into_bytes().into();

        let mut raw = [0; 12];
        let (raw_time, raw_code) = raw.split_at_mut(time.len());
        raw_time.copy_from_slice(&time);
        raw_code.copy_from_slice(&code[..8]);
        let mut nonce = [0; NONCE_LEN];
        let (prefix, text) = nonce.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        URL_SAFE_NO_PAD.encode_slice(raw, text).expect("12 bytes make 16 characters");
        Nonce(nonce)
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("NonceKey(..)")
    }
}

/// The moment a nonce claims to be of, if it has the form of ours.
fn issued_at(nonce: &[u8]) -> Option<u32> {
    let text = nonce.strip_prefix(PREFIX)?;
    let mut raw = [0; 12];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut raw).ok()?;
    let time = *raw.first_chunk()?;
    (len == raw.len()).then(|| u32::from_be_bytes(time))
}

/// Seconds as they stand in a nonce: the low 32 bits, which repeat after 136 years.
fn seconds(unix_secs: u64) -> u32 {
    (unix_secs & u64::from(u32::MAX)) as u32
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01 00:00 UTC.
    const NOW: u64 = 1_767_225_600;

    fn key() -> NonceKey {
        NonceKey::derive(&Secret::new(*b"a secret that was persisted"))
    }

    fn client() -> SocketAddr {
        "192.0.2.7:50000".parse().expect("address")
    }

    fn check(nonce: &[u8], client: &str, now: u64) -> NonceCheck {
        key().verify(nonce, client.parse().expect("address"), now)
    }

    #[test]
    fn a_nonce_is_valid_for_an_hour() {
        let nonce = key().issue(client(), NOW);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW + 3599), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW + 3600), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_survives_a_small_step_back_of_the_clock_only() {
        let nonce = key().issue(client(), NOW);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW - 60), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW - 61), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_belongs_to_one_address() {
        let nonce = key().issue(client(), NOW);
        for other in ["192.0.2.7:50001", "192.0.2.8:50000", "[::ffff:192.0.2.7]:50000", "[2001:db8::1]:50000"] {
            assert_eq!(check(nonce.as_bytes(), other, NOW), NonceCheck::Stale, "{other}");
        }
    }

    #[test]
    fn no_nonce_is_issued_to_two_addresses() {
        let issue = |client: &str| key().issue(client.parse().expect("address"), NOW);
        assert_ne!(issue("192.0.2.7:50000"), issue("192.0.2.7:50001"));
        assert_ne!(issue("192.0.2.7:50000"), issue("192.0.2.8:50000"));
        assert_ne!(issue("[2001:db8::1]:50000"), issue("[2001:db8::2]:50000"));
    }

    #[test]
    fn a_nonce_outlives_a_restart_but_not_a_new_secret() {
        let nonce = key().issue(client(), NOW);
        assert_eq!(nonce, key().issue(client(), NOW));
        let other = NonceKey::derive(&Secret::new(*b"another secret"));
        assert_eq!(other.verify(nonce.as_bytes(), client(), NOW), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_has_the_cookie_and_no_features() {
        let nonce = key().issue(client(), NOW);
        assert!(nonce.as_bytes().starts_with(b"obMatJos2AAAA"));
        assert!(nonce.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
    }

    #[test]
    fn changing_any_byte_makes_a_nonce_stale() {
        let nonce = *key().issue(client(), NOW).as_bytes();
        for at in 0..NONCE_LEN {
            for change in [1, 2, 0x20, 0x80] {
                let mut changed = nonce;
                changed[at] ^= change;
                assert_eq!(key().verify(&changed, client(), NOW), NonceCheck::Stale, "byte {at} by {change}");
            }
        }
    }

    #[test]
    fn other_lengths_are_stale() {
        let nonce = key().issue(client(), NOW);
        for len in 0..NONCE_LEN {
            assert_eq!(key().verify(&nonce.as_bytes()[..len], client(), NOW), NonceCheck::Stale, "{len} bytes");
        }
        let mut longer = nonce.as_bytes().to_vec();
        longer.push(b'A');
        assert_eq!(key().verify(&longer, client(), NOW), NonceCheck::Stale);
        longer.resize(763, b'A');
        assert_eq!(key().verify(&longer, client(), NOW), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_works_across_the_turn_of_its_32_bits() {
        let before = u64::from(u32::MAX) - 10;
        let nonce = key().issue(client(), before);
        assert_eq!(key().verify(nonce.as_bytes(), client(), before + 20), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), before + 3600), NonceCheck::Stale);
    }
}
