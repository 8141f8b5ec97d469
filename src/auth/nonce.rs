//! Nonces that need no memory: a code over the time and the client's address. RFC 8489 §9.2.
//!
//! ```text
//! "obMatJos2" | 4 base64 characters: security features | 16 base64url characters: time (4 bytes), code (8 bytes)
//! ```
use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Duration;

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

/// How long a nonce is good at most; RFC 8489 §9.2 leaves it to the server, RFC 8656 §5 asks for at most an hour.
pub const NONCE_LIFETIME_MAX: Duration = Duration::from_secs(3600);

/// The nonce cookie, in which the characters of the security features follow. RFC 8489 §9.2.
const COOKIE: &[u8; 9] = b"obMatJos2";

/// Bytes of the base64 text of the security features.
const FEATURES_LEN: usize = 4;

/// Which security features a server supports. RFC 8489 §9.2, §18.1.
///
/// Password algorithms (bit 0) are always offered. A client that finds username anonymity (bit 1) must send USERHASH in
/// place of USERNAME.
///
/// The text of RFC 8489 §18.1 counts from the most significant of the 24 bits, its erratum 6290 and the nonce of appendix
/// B.1 from the least significant one, and there are clients of both readings. Hence each feature is set at both ends:
/// what the one reading does not mean, it finds at bits 22 and 23, which are unassigned and ignored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum SecurityFeatures {
    /// Bit 0 alone.
    PasswordAlgorithms,
    /// Bits 0 and 1.
    UsernameAnonymity,
}

impl SecurityFeatures {
    const ALL: [Self; 2] = [SecurityFeatures::PasswordAlgorithms, SecurityFeatures::UsernameAnonymity];

    /// The base64 text of the 24 bits: 0x800001 or 0xC00003.
    const fn text(self) -> &'static [u8; FEATURES_LEN] {
        match self {
            SecurityFeatures::PasswordAlgorithms => b"gAAB",
            SecurityFeatures::UsernameAnonymity => b"wAAD",
        }
    }
}

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
    lifetime_secs: u32,
}

impl NonceKey {
    /// Derives the key from a secret that outlives restarts. Its nonces are good for an hour.
    pub fn derive(secret: &Secret) -> Self {
        let derived = keyed(secret.expose()).chain_update(PURPOSE).finalize().into_bytes();
        Self { mac: keyed(&derived), lifetime_secs: whole_seconds(NONCE_LIFETIME_MAX) }
    }

    /// The same key, whose nonces are good for `lifetime` in whole seconds, an hour at most.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime_secs = whole_seconds(lifetime.min(NONCE_LIFETIME_MAX));
        self
    }

    /// The nonce for this client at this moment.
    pub fn issue(&self, features: SecurityFeatures, client: SocketAddr, now_unix_secs: u64) -> Nonce {
        self.at(features, client, seconds(now_unix_secs))
    }

    /// Judges a received NONCE attribute.
    ///
    /// Any features that we may have issued are right, for the configuration may have changed meanwhile. The code covers
    /// them: whoever takes one away from the challenge makes the nonce worthless, and cannot bid a client down.
    pub fn verify(&self, nonce: &[u8], client: SocketAddr, now_unix_secs: u64) -> NonceCheck {
        let Some((features, issued)) = claimed(nonce) else {
            return NonceCheck::Stale;
        };
        if !bool::from(self.at(features, client, issued).0.ct_eq(nonce)) {
            return NonceCheck::Stale;
        }
        let now = seconds(now_unix_secs);
        let is_fresh = now.wrapping_sub(issued) < self.lifetime_secs || issued.wrapping_sub(now) <= CLOCK_STEP_SECS;
        if is_fresh { NonceCheck::Valid } else { NonceCheck::Stale }
    }

    fn at(&self, features: SecurityFeatures, client: SocketAddr, issued: u32) -> Nonce {
        let time = issued.to_be_bytes();
        let mac = self.mac.clone().chain_update(features.text()).chain_update(time);
        let mac = mac.chain_update(client.port().to_be_bytes());
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
        let (cookie, rest) = nonce.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        let (feature_text, text) = rest.split_at_mut(FEATURES_LEN);
        feature_text.copy_from_slice(features.text());
        URL_SAFE_NO_PAD.encode_slice(raw, text).expect("12 bytes make 16 characters");
        Nonce(nonce)
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("NonceKey(..)")
    }
}

/// The features and the moment that a nonce claims to be of, if it has the form of ours.
fn claimed(nonce: &[u8]) -> Option<(SecurityFeatures, u32)> {
    let (found, text) = nonce.strip_prefix(COOKIE)?.split_first_chunk()?;
    let features = SecurityFeatures::ALL.into_iter().find(|features| features.text() == found)?;
    let mut raw = [0; 12];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut raw).ok()?;
    let time = *raw.first_chunk()?;
    (len == raw.len()).then(|| (features, u32::from_be_bytes(time)))
}

/// Seconds as they stand in a nonce: the low 32 bits, which repeat after 136 years.
fn seconds(unix_secs: u64) -> u32 {
    (unix_secs & u64::from(u32::MAX)) as u32
}

/// The seconds of a lifetime, which is an hour at most.
fn whole_seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// 2026-01-01 00:00 UTC.
    const NOW: u64 = 1_767_225_600;

    const FEATURES: SecurityFeatures = SecurityFeatures::PasswordAlgorithms;

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
        let nonce = key().issue(FEATURES, client(), NOW);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW + 3599), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW + 3600), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_lives_as_long_as_was_configured_but_never_more_than_an_hour() {
        for (lifetime_secs, lives_secs) in [(20, 20), (60, 60), (7200, 3600)] {
            let key = key().with_lifetime(Duration::from_secs(lifetime_secs));
            let nonce = key.issue(FEATURES, client(), NOW);
            assert_eq!(key.verify(nonce.as_bytes(), client(), NOW + lives_secs - 1), NonceCheck::Valid);
            assert_eq!(key.verify(nonce.as_bytes(), client(), NOW + lives_secs), NonceCheck::Stale);
        }
    }

    #[test]
    fn a_nonce_survives_a_small_step_back_of_the_clock_only() {
        let nonce = key().issue(FEATURES, client(), NOW);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW - 60), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), NOW - 61), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_belongs_to_one_address() {
        let nonce = key().issue(FEATURES, client(), NOW);
        for other in ["192.0.2.7:50001", "192.0.2.8:50000", "[::ffff:192.0.2.7]:50000", "[2001:db8::1]:50000"] {
            assert_eq!(check(nonce.as_bytes(), other, NOW), NonceCheck::Stale, "{other}");
        }
    }

    #[test]
    fn no_nonce_is_issued_to_two_addresses() {
        let issue = |client: &str| key().issue(FEATURES, client.parse().expect("address"), NOW);
        assert_ne!(issue("192.0.2.7:50000"), issue("192.0.2.7:50001"));
        assert_ne!(issue("192.0.2.7:50000"), issue("192.0.2.8:50000"));
        assert_ne!(issue("[2001:db8::1]:50000"), issue("[2001:db8::2]:50000"));
    }

    #[test]
    fn a_nonce_outlives_a_restart_but_not_a_new_secret() {
        let nonce = key().issue(FEATURES, client(), NOW);
        assert_eq!(nonce, key().issue(FEATURES, client(), NOW));
        let other = NonceKey::derive(&Secret::new(*b"another secret"));
        assert_eq!(other.verify(nonce.as_bytes(), client(), NOW), NonceCheck::Stale);
    }

    #[test]
    fn a_nonce_has_the_cookie_and_its_features_at_both_ends_of_24_bits() {
        for (features, bits) in
            [(SecurityFeatures::PasswordAlgorithms, 0x80_0001), (SecurityFeatures::UsernameAnonymity, 0xC0_0003_u32)]
        {
            let nonce = key().issue(features, client(), NOW);
            let text = nonce.as_bytes().strip_prefix(b"obMatJos2").expect("the cookie");
            let decoded = STANDARD.decode(&text[..4]).expect("base64");
            assert_eq!(decoded, bits.to_be_bytes()[1..], "{features:?}");
            assert!(nonce.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
        }
    }

    #[test]
    fn features_can_change_while_a_nonce_lives_but_not_within_it() {
        for (features, other) in [(&b"gAAB"[..], &b"wAAD"[..]), (b"wAAD", b"gAAB")] {
            let issued = SecurityFeatures::ALL.map(|features| *key().issue(features, client(), NOW).as_bytes());
            let mut nonce = issued.into_iter().find(|nonce| nonce[9..13] == *features).expect("issued");
            assert_eq!(key().verify(&nonce, client(), NOW), NonceCheck::Valid);
            for bid_down in [other, b"AAAA", b"AAAB", b"gAAA"] {
                nonce[9..13].copy_from_slice(bid_down);
                assert_eq!(key().verify(&nonce, client(), NOW), NonceCheck::Stale);
            }
        }
    }

    #[test]
    fn changing_any_byte_makes_a_nonce_stale() {
        let nonce = *key().issue(FEATURES, client(), NOW).as_bytes();
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
        let nonce = key().issue(FEATURES, client(), NOW);
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
        let nonce = key().issue(FEATURES, client(), before);
        assert_eq!(key().verify(nonce.as_bytes(), client(), before + 20), NonceCheck::Valid);
        assert_eq!(key().verify(nonce.as_bytes(), client(), before + 3600), NonceCheck::Stale);
    }
}
