//! What is due when. A timer is never taken out early: one that lost its meaning is skipped when it comes up.
use std::collections::BTreeMap;

use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::id::ConnectionId;
use crate::signal::id::RoomId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::time::Mono;
use crate::time::Now;

/// What comes up. Whoever it concerns sees for itself what is due by now.
#[derive(Clone, Debug)]
pub(super) enum Timer {
    /// No `hello` in time.
    HelloTimeout(ConnectionId),
    /// The token of a connection is about to expire, or has.
    Auth(ConnectionId),
    /// A warning or the end of a session.
    SessionDeadline(SessionId),
    /// New credentials for one side.
    IceRenewal(SessionId, Side),
    /// The store is to be told how far a session has come.
    Progress(SessionId),
    /// New credentials for somebody in rooms.
    RoomIceRenewal(UserId),
    /// A held quality may pass.
    Quality(SessionId, Side),
    /// A lost user's resume window is over.
    WindowOver(UserId),
    /// The user's budgets are full again.
    UserForgotten(UserId),
    /// Tickets that still wait are to be kept.
    TicketsDue,
    /// The time of a group is over.
    GroupOver(RoomId),
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

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.timer_by_moment.len()
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
            Timer::Auth(id) => self.on_auth_alarm(id, now),
            Timer::SessionDeadline(id) => self.on_session_alarm(&id, now),
            Timer::IceRenewal(id, side) => self.on_ice_alarm(&id, side, now),
            Timer::Progress(id) => self.on_progress_due(&id, now),
            Timer::RoomIceRenewal(user) => self.on_room_ice_alarm(&user, now),
            Timer::Quality(id, side) => self.on_quality_due(&id, side, now),
            Timer::WindowOver(user) => self.on_window_over(&user, now),
            Timer::UserForgotten(user) => self.forget_if_idle(&user, now),
            Timer::TicketsDue => self.on_tickets_due(now),
            Timer::GroupOver(id) => self.on_group_over(&id, now),
            Timer::DrainClose(id) => self.on_drain_close(id, now),
        }
    }
}
