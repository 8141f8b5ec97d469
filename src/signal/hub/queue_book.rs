//! Those who wait for a partner as admins see them.
use std::ops::Bound;

use serde_json::Value;
use serde_json::json;

use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::hub::desk::page_size;
use crate::signal::protocol::Refusal;
use crate::signal::view::live::QueueView;
use crate::signal::view::live::WaitingView;

impl Hub {
    /// A page of those who wait.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(super) fn list_waiting(&self, after: Option<u64>, limit: Option<usize>) -> Result<Value, Refusal> {
        let limit = page_size(limit)?;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(TicketId(after)));
        let mut behind = self.user_by_ticket.range((from, Bound::Unbounded));
        let page: Vec<_> = behind.by_ref().take(limit).collect();
        let next = page.last().filter(|_| behind.next().is_some()).map(|(ticket, _)| ticket.0);
        let waiting = page.into_iter().filter_map(|(_, user)| self.waiting_view(user)).collect();
        Ok(json!(QueueView { waiting, next, total: self.user_by_ticket.len() }))
    }

    fn waiting_view<'a>(&'a self, id: &'a UserId) -> Option<WaitingView<'a>> {
        let user = self.user_by_id.get(id)?;
        let (since, preferences, status) = match &user.queue {
            Queue::Out => return None,
            // The engine has not told yet how it stands.
            Queue::Joining(joining) => (joining.since, &joining.preferences, None),
            Queue::Waiting { since, preferences, status, .. } => (*since, preferences, Some(status)),
        };
        Some(WaitingView {
            user: &id.0,
            since,
            state: status.map(|status| status.state.as_str()),
            level: status.map(|status| status.level),
            mode: &preferences.mode,
            size: preferences.size.people(),
            tags: &preferences.tags,
            languages: &preferences.languages,
            region: preferences.region.as_deref(),
            lost: user.presence.lost_until().is_some(),
        })
    }
}
