//! One port of a relay address: free, claimed, resting after use, or kept.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;

use crate::relay::pair_view::RelayedEntry;
use crate::time::Mono;

/// A state that no moment can be: the port belongs to somebody.
const CLAIMED: u64 = u64::MAX;

/// Set beside the moment until which a port is kept; monotonic moments stay below it for 292 years.
const KEPT: u64 = 1 << 63;

/// A secret that no token holds: those have 40 bits.
const NO_SECRET: u64 = u64::MAX;

/// The state of a port. All changes are compare-and-swap, so shards never wait for each other.
#[derive(Debug, Default)]
pub(super) struct Port {
    /// [`CLAIMED`]; or the moment from which the port has rested, with [`KEPT`] if nobody gets it earlier without the secret.
    state: AtomicU64,
    /// What opens a kept port.
    secret: AtomicU64,
    /// The allocation that other shards find here.
    pub(super) entry: ArcSwapOption<RelayedEntry>,
}

/// What a port looked like that belonged to nobody.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Vacancy {
    state: u64,
}

impl Vacancy {
    /// The moment from which the port has rested, in nanoseconds; the smaller it is, the longer it has.
    pub(super) const fn rested_at(self) -> u64 {
        self.state & !KEPT
    }

    pub(super) fn is_rested(self, now: Mono) -> bool {
        self.rested_at() <= nanos(now)
    }
}

impl Port {
    /// Looks whether the port can be claimed, rested or not; `None` if it is claimed or kept.
    pub(super) fn vacancy(&self, now: Mono) -> Option<Vacancy> {
        let state = self.state.load(Ordering::Acquire);
        let is_kept = state & KEPT != 0 && nanos(now) < state & !KEPT;
        (state != CLAIMED && !is_kept).then_some(Vacancy { state })
    }

    /// The moment before which the port is not rested, in nanoseconds, whatever it is besides.
    pub(super) fn rested_at(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & !KEPT
    }

    /// Claims the port if it still looks like that.
    pub(super) fn claim(&self, seen: Vacancy) -> bool {
        self.state.compare_exchange(seen.state, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Undoes a claim; the port looks as it did before.
    pub(super) fn unclaim(&self, seen: Vacancy) {
        self.state.store(seen.state, Ordering::Release);
    }

    /// Gives a claimed port back, resting until then.
    pub(super) fn release(&self, until: Mono) {
        self.entry.store(None);
        self.state.store(nanos(until), Ordering::Release);
    }

    /// Keeps a claimed port until then for whoever brings the secret.
    pub(super) fn keep(&self, secret: u64, until: Mono) {
        self.secret.store(secret, Ordering::Relaxed);
        self.state.store(nanos(until) | KEPT, Ordering::Release);
    }

    /// Keeps a claimed port from everybody until then.
    pub(super) fn withhold(&self, until: Mono) {
        self.keep(NO_SECRET, until);
    }

    /// Claims a kept port by its secret.
    pub(super) fn redeem(&self, secret: u64, now: Mono) -> bool {
        self.open_kept(secret, now, CLAIMED)
    }

    /// Stops keeping a port that was kept with this secret.
    pub(super) fn forget(&self, secret: u64, now: Mono) {
        self.open_kept(secret, now, 0);
    }

    /// Whether the port is kept, and this is the secret.
    pub(super) fn is_kept_under(&self, secret: u64, now: Mono) -> bool {
        self.kept_state(secret, now).is_some()
    }

    fn open_kept(&self, secret: u64, now: Mono, next: u64) -> bool {
        // The exchange fails if anybody else took the port since, so the secret belongs to the state that is exchanged.
        self.kept_state(secret, now)
            .is_some_and(|state| self.state.compare_exchange(state, next, Ordering::AcqRel, Ordering::Relaxed).is_ok())
    }

    fn kept_state(&self, secret: u64, now: Mono) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let is_kept = state != CLAIMED && state & KEPT != 0 && nanos(now) < state & !KEPT;
        (is_kept && self.secret.load(Ordering::Relaxed) == secret).then_some(state)
    }
}

fn nanos(at: Mono) -> u64 {
    at.nanos() & !KEPT
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn a_claim_fails_if_the_port_changed_since_it_was_seen() {
        let port = Port::default();
        let seen = port.vacancy(at(0)).unwrap();
        assert!(port.claim(seen));
        assert_eq!((port.vacancy(at(0)), port.claim(seen)), (None, false));
        port.release(at(60));
        let resting = port.vacancy(at(1)).unwrap();
        assert!(!resting.is_rested(at(59)) && resting.is_rested(at(60)));
        assert!(!port.claim(seen), "it rests now");
        assert!(port.claim(resting));
    }

    #[test]
    fn a_kept_port_opens_to_its_secret_alone_and_in_time() {
        let port = Port::default();
        assert!(port.claim(port.vacancy(at(0)).unwrap()));
        port.keep(7, at(30));
        assert_eq!((port.vacancy(at(29)), port.redeem(8, at(29)), port.redeem(7, at(30))), (None, false, false));
        assert!(port.vacancy(at(30)).is_some_and(|vacancy| vacancy.is_rested(at(30))));
        assert!(port.redeem(7, at(29)));
        assert!(!port.redeem(7, at(29)), "it is claimed");
    }

    #[test]
    fn a_withheld_port_is_nobodys_until_it_has_rested() {
        let port = Port::default();
        assert!(port.claim(port.vacancy(at(0)).unwrap()));
        port.withhold(at(60));
        assert_eq!((port.vacancy(at(59)), port.redeem((1 << 40) - 1, at(59))), (None, false));
        assert!(port.vacancy(at(60)).is_some());
    }
}
