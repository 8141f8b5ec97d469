//! Guests who have to work before they come: each challenge lets one guest in.
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::admission::AddressKey;
use crate::auth::proof_of_work::ChallengeId;
use crate::auth::proof_of_work::Challenges;
use crate::auth::secret::Secret;
use crate::signal::ErrorCode;
use crate::signal::Refusal;
use crate::time::UnixMillis;

/// Challenges that are remembered as used until they expire; about 3 MB. More guests than that in two minutes wait.
const USED_MAX: usize = 65_536;
/// When somebody may try again who finds no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Asks guests for work. Clones are the same.
#[derive(Clone, Debug)]
pub struct GuestWork {
    challenges: Challenges,
    until_by_used: Arc<Mutex<HashMap<ChallengeId, UnixMillis>>>,
}

/// What a guest is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// To be hashed.
    pub challenge: String,
    /// Zeros at the beginning of the hash.
    pub bits: u8,
    /// Until when it is good.
    pub expires: UnixMillis,
}

impl GuestWork {
    /// `bits` zeros are asked for: `auth.guest_proof_of_work_bits`. Challenges are of this process alone.
    pub fn new(bits: u8) -> Self {
        Self { challenges: Challenges::new(Secret::new(random::<32>()), bits), until_by_used: Arc::default() }
    }

    /// Makes a task for an address.
    pub fn task(&self, ip: IpAddr, now: UnixMillis) -> Task {
        let (challenge, expires) = self.challenges.issue(&address(ip), random(), now);
        Task { challenge, bits: self.challenges.bits(), expires }
    }

    /// Finds out whether the work was done, once.
    ///
    /// # Errors
    ///
    /// `forbidden` if it was not, `unavailable` if too much was done lately.
    pub fn admit(&self, ip: IpAddr, challenge: &str, number: &str, now: UnixMillis) -> Result<(), Refusal> {
        if challenge.is_empty() {
            let missing = "guests do some work first: take GET /v1/auth/challenge and send challenge and number";
            return Err(Refusal::new(ErrorCode::Forbidden, missing));
        }
        let (id, until) = self
            .challenges
            .check(challenge, number, &address(ip), now)
            .map_err(|error| Refusal { message: error.to_string().into(), ..Refusal::new(ErrorCode::Forbidden, "") })?;
        let mut used = self.until_by_used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&id) {
            return Err(Refusal::new(ErrorCode::Forbidden, "the challenge was used before"));
        }
        if used.len() >= USED_MAX {
            used.retain(|_, until| *until > now);
            if used.len() >= USED_MAX {
                let busy = Refusal::new(ErrorCode::Unavailable, "too many guests come now");
                return Err(Refusal { retry_after: Some(RETRY_AFTER), ..busy });
            }
        }
        used.insert(id, until);
        Ok(())
    }
}

/// Whom an address is counted as: the addresses of one household change within its network.
fn address(ip: IpAddr) -> Vec<u8> {
    match AddressKey::from(ip) {
        AddressKey::V4(octets) => octets.to_vec(),
        AddressKey::V6Prefix(octets) => octets.to_vec(),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::proof_of_work::LIFE;
    use crate::auth::proof_of_work::solve;

    const NOW: UnixMillis = UnixMillis(1_763_600_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn work_lets_one_guest_in_from_its_network() {
        let work = GuestWork::new(4);
        let home = ip("2001:db8::1");
        let task = work.task(home, NOW);
        assert_eq!((task.bits, task.expires), (4, NOW + LIFE));
        let number = solve(&task.challenge, 4);
        let code = |outcome: Result<(), Refusal>| outcome.map_err(|refusal| refusal.code);
        assert_eq!(code(work.admit(ip("2001:db8:0:1::1"), &task.challenge, &number, NOW)), Err(ErrorCode::Forbidden));
        assert_eq!(code(work.admit(home, "", "", NOW)), Err(ErrorCode::Forbidden));
        assert_eq!(code(work.admit(ip("2001:db8::2"), &task.challenge, &number, NOW)), Ok(()));
        assert_eq!(code(work.admit(home, &task.challenge, &number, NOW)), Err(ErrorCode::Forbidden), "once");
        let elsewhere = GuestWork::new(4);
        assert_eq!(code(elsewhere.admit(home, &task.challenge, &number, NOW)), Err(ErrorCode::Forbidden));
    }

    #[test]
    fn what_was_used_is_forgotten_with_its_time_and_never_before() {
        let work = GuestWork::new(0);
        let home = ip("192.0.2.1");
        let done = |now| {
            let task = work.task(home, now);
            work.admit(home, &task.challenge, "0", now)
        };
        assert!((0..USED_MAX).all(|_| done(NOW).is_ok()));
        let refused = done(NOW).expect_err("there is no room");
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::Unavailable, Some(RETRY_AFTER)));
        assert!(done(NOW + LIFE).is_ok());
        assert_eq!(work.until_by_used.lock().expect("lock").len(), 1);
    }
}
