//! Work that a guest has to do before it may come: to find a number whose hash with a challenge begins with zeros.
//!
//! Nothing is kept of a challenge: it carries its end and its own proof, which holds for one address alone.
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Digest;
use sha2::Sha256;

use crate::auth::secret::Secret;
use crate::time::UnixMillis;

/// Keeps these codes apart from any other that a key of the same bytes may make.
const PURPOSE: &[u8] = b"duologue proof of work 1\0";

/// ```text
/// |  0..8  good until, Unix milliseconds, big endian
/// |  8..24 random
/// | 24     zeros that are asked for, bits
/// | 25..57 HMAC-SHA256 of the purpose, the 25 bytes before and the address
/// ```
const CHALLENGE_LEN: usize = 57;
const HEAD_LEN: usize = 25;
/// Digits of the number: those of 64 bits.
const NUMBER_MAX: usize = 20;

/// How long a challenge is good: a slow device takes a minute for 20 bits.
pub const LIFE: Duration = Duration::from_secs(120);
/// The most zeros that can be asked for; each doubles the work.
pub const BITS_MAX: u8 = 28;

/// What tells one challenge from all others.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChallengeId([u8; 16]);

/// Makes challenges and checks what was found.
#[derive(Clone, Debug)]
pub struct Challenges {
    secret: Secret,
    bits: u8,
}

/// Why work is not accepted.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The challenge was never made here for that address.
    #[error("the challenge is not one of ours for your address")]
    Invalid,
    /// Its time is over.
    #[error("the challenge has expired")]
    Expired,
    /// The number is not the one.
    #[error("the number does not solve the challenge")]
    Unsolved,
}

impl Challenges {
    /// `bits` zeros are asked for, at most [`BITS_MAX`].
    pub fn new(secret: Secret, bits: u8) -> Self {
        Self { secret, bits: bits.min(BITS_MAX) }
    }

    /// How many zeros are asked for.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Makes a challenge for an address, and says until when it is good.
    pub fn issue(&self, address: &[u8], random: [u8; 16], now: UnixMillis) -> (String, UnixMillis) {
        let until = now + LIFE;
        let mut challenge = Vec::with_capacity(CHALLENGE_LEN);
        challenge.extend_from_slice(&until.0.to_be_bytes());
        challenge.extend_from_slice(&random);
        challenge.push(self.bits);
        let code = self.mac(&challenge, address).finalize().into_bytes();
        challenge.extend_from_slice(&code);
        (URL_SAFE_NO_PAD.encode(challenge), until)
    }

    /// Checks the number that somebody at an address has found, and says for which challenge, and how long that is good.
    ///
    /// # Errors
    ///
    /// All of [`WorkError`] are answered with `forbidden`.
    pub fn check(
        &self,
        challenge: &str,
        number: &str,
        address: &[u8],
        now: UnixMillis,
    ) -> Result<(ChallengeId, UnixMillis), WorkError> {
        // The length is bounded before anything is decoded.
        if challenge.len() != (CHALLENGE_LEN * 4).div_ceil(3) {
            return Err(WorkError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(challenge).map_err(|_| WorkError::Invalid)?;
        let (head, code) = bytes.split_at_checked(HEAD_LEN).ok_or(WorkError::Invalid)?;
        // Compared in constant time.
        self.mac(head, address).verify_slice(code).map_err(|_| WorkError::Invalid)?;
        let (until, rest) = head.split_first_chunk::<8>().ok_or(WorkError::Invalid)?;
        let (id, bits) = rest.split_first_chunk::<16>().ok_or(WorkError::Invalid)?;
        let until = UnixMillis(u64::from_be_bytes(*until));
        if until <= now {
            return Err(WorkError::Expired);
        }
        // What is asked for now, should it be more than it was then.
        let bits = bits.first().map_or(self.bits, |bits| self.bits.max(*bits));
        if is_solved(challenge, number, bits) { Ok((ChallengeId(*id), until)) } else { Err(WorkError::Unsolved) }
    }

    fn mac(&self, head: &[u8], address: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose()).expect("HMAC takes keys of any length");
        mac.chain_update(PURPOSE).chain_update(head).chain_update(address)
    }
}

/// Whether the SHA-256 of challenge, dot and number begins with that many zeros.
fn is_solved(challenge: &str, number: &str, bits: u8) -> bool {
    if !(1..=NUMBER_MAX).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let hash = Sha256::new().chain_update(challenge).chain_update(b".").chain_update(number).finalize();
    hash.first_chunk().is_some_and(|first| u32::from_be_bytes(*first).leading_zeros() >= u32::from(bits))
}

/// Finds the number, as a client does.
#[cfg(test)]
pub(crate) fn solve(challenge: &str, bits: u8) -> String {
    (0_u64..).map(|number| number.to_string()).find(|number| is_solved(challenge, number, bits)).expect("there is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_763_600_000_000);
    const HOME: &[u8] = &[192, 0, 2, 1];

    fn challenges(bits: u8) -> Challenges {
        Challenges::new(Secret::new(*b"a secret of thirty-two bytes, ok"), bits)
    }

    #[test]
    fn the_number_solves_its_challenge_for_its_address_and_time_alone() {
        let ours = challenges(8);
        let (challenge, until) = ours.issue(HOME, [7; 16], NOW);
        let number = solve(&challenge, 8);
        assert_eq!(ours.check(&challenge, &number, HOME, NOW), Ok((ChallengeId([7; 16]), until)));
        assert_eq!(ours.check(&challenge, &number, &[192, 0, 2, 2], NOW), Err(WorkError::Invalid));
        assert_eq!(ours.check(&challenge, &number, HOME, until), Err(WorkError::Expired));
        let others = Challenges::new(Secret::new(*b"another secret of thirty-two byt"), 8);
        assert_eq!(others.check(&challenge, &number, HOME, NOW), Err(WorkError::Invalid));
        for bad in ["", "-1", "1e3", " 1", "999999999999999999999"] {
            assert_eq!(ours.check(&challenge, bad, HOME, NOW), Err(WorkError::Unsolved), "{bad}");
        }
        for bad in [String::new(), "x".repeat(76), format!("{challenge}A")] {
            assert_eq!(ours.check(&bad, &number, HOME, NOW), Err(WorkError::Invalid), "{bad}");
        }
    }

    #[test]
    fn less_work_than_is_asked_for_is_none() {
        let ours = challenges(12);
        let (challenge, _) = ours.issue(HOME, [7; 16], NOW);
        let lazy = (0_u64..).map(|number| number.to_string());
        let lazy = lazy.filter(|number| is_solved(&challenge, number, 8)).find(|one| !is_solved(&challenge, one, 12));
        let lazy = lazy.expect("there are sixteen times as many");
        assert_eq!(ours.check(&challenge, &lazy, HOME, NOW), Err(WorkError::Unsolved));
        // One of a time when less was asked for.
        let (older, _) = challenges(1).issue(HOME, [8; 16], NOW);
        let number = (0_u64..).map(|number| number.to_string()).find(|one| !is_solved(&older, one, 12)).expect("many");
        assert_eq!(ours.check(&older, &number, HOME, NOW), Err(WorkError::Unsolved));
    }

    #[test]
    fn no_bit_of_a_challenge_can_be_another() {
        let ours = challenges(1);
        let (challenge, _) = ours.issue(HOME, [7; 16], NOW);
        let bytes = URL_SAFE_NO_PAD.decode(&challenge).expect("ours");
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(ours.check(&forged, &solve(&forged, 1), HOME, NOW), Err(WorkError::Invalid), "bit {bit}");
        }
    }
}
