//! How many calls somebody may begin: by user, and by device, whatever users it makes. Refused where a call is asked for, so
//! that nobody is matched with one who may not come.
use serde_json::json;

use crate::matchmaking::DeviceId;
use crate::matchmaking::Ticket;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::automatic;
use crate::signal::limit::Buckets;
use crate::signal::limit::Rate;
use crate::signal::protocol::Refusal;
use crate::signal::settings::Limits;
use crate::time::Now;

/// In the audit somebody who goes on is named once in a minute.
const TOLD_PER_MINUTE: u32 = 1;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Pace {
    calls_by_user: Buckets<UserId>,
    calls_by_device: Buckets<DeviceId>,
    told: Buckets<UserId>,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        let calls = Rate::per_minute(limits.calls_per_minute);
        Self {
            calls_by_user: Buckets::new(calls),
            calls_by_device: Buckets::new(calls),
            told: Buckets::new(Rate::per_minute(TOLD_PER_MINUTE)),
        }
    }

    /// Goes by another pace from now on; what is used is used.
    pub(super) fn change(&mut self, limits: &Limits) {
        let calls = Rate::per_minute(limits.calls_per_minute);
        self.calls_by_user.change(calls);
        self.calls_by_device.change(calls);
    }

    /// Counts a call that begins. Of several users of one device who wait at once the last may come too early.
    pub(super) fn count_call(&mut self, ticket: &Ticket, now: Now) {
        let of_user = self.calls_by_user.take(ticket.user.clone(), now.mono);
        let of_device = ticket.device.as_ref().map(|device| self.calls_by_device.take(device.clone(), now.mono));
        if of_user.is_err() || of_device.is_some_and(|taken| taken.is_err()) {
            tracing::debug!("a call begins beyond the budget of its user or device");
        }
    }
}

impl Hub {
    /// Checks that a user may begin another call.
    ///
    /// # Errors
    ///
    /// `rate_limited`
    pub(super) fn check_pace(&mut self, user: &UserId, now: Now) -> Result<(), Refusal> {
        let device = self.who(user).device.map(|device| DeviceId(device.into()));
        let of_user = self.pace.calls_by_user.check(user, now.mono);
        let of_device = device.map_or(Ok(()), |device| self.pace.calls_by_device.check(&device, now.mono));
        let wait = [of_user, of_device].into_iter().filter_map(Result::err).max();
        let Some(wait) = wait else { return Ok(()) };
        self.note_limit(user, "calls_per_minute", now);
        Err(Refusal::rate_limited("too many calls", wait))
    }

    /// Has it kept in the audit that somebody meets a limit.
    pub(super) fn note_limit(&mut self, user: &UserId, limit: &'static str, now: Now) {
        if self.pace.told.take(user.clone(), now.mono).is_ok() {
            let deed =
                automatic::actor(automatic::NAME, now.unix).deed("limit.reached", &user.0, &json!({"limit": limit}));
            self.note("limit", move |store| store.append_deed(&deed));
        }
    }
}
