//! What is due when. A timer is never taken out early: one that lost its meaning is skipped when it comes up.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::id::ConnectionId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// What comes up, with what it takes to see whether it still counts.
#[derive(Clone, Debug)]
pub(super) enum Timer {
    /// No `hello` in time.
    HelloTimeout(ConnectionId),
    /// The token valid until then is about to expire.
    AuthExpiring(ConnectionId, UnixMillis),
    /// The token valid until then has expired for too long.
    AuthExpired(ConnectionId, UnixMillis),
    /// So much is left of a session with that deadline.
    SessionWarning(SessionId, Duration, Now),
    /// That deadline of a session.
    SessionLimit(SessionId, Now),
    /// New credentials are due for one side.
    IceRenewal(SessionId, Side, Mono),
    /// A held quality may pass.
    Quality(SessionId, Side),
    /// The user's budgets are full again.
    UserForgotten(UserId),
    /// The connection's turn in a drain.
    DrainClose(ConnectionId),
}

/// Timers by moment; the second key keeps those of one moment in the order they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    timer_by_moment: BTreeMap<(Mono, u64), Timer>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Mono, timer: Timer) {
        self.set += 1;
        self.timer_by_moment.insert((at, self.set), timer);
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.timer_by_moment.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take_due(&mut self, now: Mono) -> Option<Timer> {
        let first = self.timer_by_moment.first_entry()?;
        if first.key().0 > now { None } else { Some(first.remove()) }
    }
}

impl Hub {
    pub(super) fn on_timer(&mut self, timer: Timer, now: Now) {
        match timer {
            Timer::HelloTimeout(id) => self.on_hello_timeout(id, now),
            Timer::AuthExpiring(id, expires) => self.on_auth_expiring(id, expires, now),
            Timer::AuthExpired(id, expires) => self.on_auth_expired(id, expires, now),
            Timer::SessionWarning(id, remaining, deadline) => self.on_warning(&id, remaining, deadline, now),
            Timer::SessionLimit(id, deadline) => self.on_limit(&id, deadline, now),
            Timer::IceRenewal(id, side, due) => self.on_ice_renewal(&id, side, due, now),
            Timer::Quality(id, side) => self.on_quality_due(&id, side, now),
            Timer::UserForgotten(user) => self.forget_if_idle(&user, now),
            Timer::DrainClose(id) => self.on_drain_close(id, now),
        }
    }
}
