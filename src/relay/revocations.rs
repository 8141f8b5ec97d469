//! Sessions whose credentials are refused although they verify.
use std::collections::HashMap;

use crate::time::UnixMillis;

/// Refused sessions, each until its credentials have expired by themselves.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    until_by_session: HashMap<Box<str>, UnixMillis>,
    /// The size at which to look for outdated entries next.
    purge_at: usize,
}

/// Below this size nobody looks for outdated entries.
const PURGE_MIN: usize = 64;

impl Revocations {
    /// Refuses a session until the given moment; never shortens an earlier refusal.
    pub(super) fn refuse(&mut self, session: &str, until: UnixMillis, now: UnixMillis) {
        if self.until_by_session.len() >= self.purge_at.max(PURGE_MIN) {
            self.until_by_session.retain(|_, until| now < *until);
            self.purge_at = self.until_by_session.len() * 2;
        }
        let entry = self.until_by_session.entry(Box::from(session)).or_insert(until);
        *entry = until.max(*entry);
    }

    pub(super) fn is_refused(&self, session: &str, now: UnixMillis) -> bool {
        self.until_by_session.get(session).is_some_and(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_at_its_moment_and_is_never_shortened() {
        let mut revocations = Revocations::default();
        revocations.refuse("s1", UnixMillis(1000), UnixMillis(0));
        revocations.refuse("s1", UnixMillis(500), UnixMillis(0));
        assert!(revocations.is_refused("s1", UnixMillis(999)));
        assert!(!revocations.is_refused("s1", UnixMillis(1000)));
        assert!(!revocations.is_refused("s2", UnixMillis(0)));
    }

    #[test]
    fn outdated_refusals_make_room() {
        let mut revocations = Revocations::default();
        for at in 0..100_000 {
            revocations.refuse(&format!("s{at}"), UnixMillis(at + 10), UnixMillis(at));
        }
        assert!(revocations.until_by_session.len() <= PURGE_MIN);
    }
}
