//! Who is to be told a status when: at once, then on change, at most once in two seconds.
use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::matchmaking::Engine;
use crate::matchmaking::Status;
use crate::matchmaking::TicketId;
use crate::matchmaking::fold::Fold;
use crate::time::Mono;

/// Time between two looks at a ticket.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// The statuses told so far.
#[derive(Debug)]
pub(super) struct Notices {
    period: Duration,
    /// `None` if nothing has been told yet.
    told_by_ticket: HashMap<TicketId, Option<Status>, Fold>,
    /// Each ticket once, in the order of their moments: all of them come back after the same time.
    due: VecDeque<(Mono, TicketId)>,
}

impl Notices {
    /// Nobody has been told anything.
    pub(super) fn new(period: Duration) -> Self {
        Self { period, told_by_ticket: HashMap::default(), due: VecDeque::new() }
    }

    /// A ticket is told `status` just now.
    pub(super) fn tell(&mut self, id: TicketId, status: Status, now: Mono) {
        self.watch(id, now);
        self.told_by_ticket.insert(id, Some(status));
    }

    /// A ticket is to be looked at from now on, if it is not already.
    pub(super) fn watch(&mut self, id: TicketId, now: Mono) {
        if let Entry::Vacant(place) = self.told_by_ticket.entry(id) {
            place.insert(None);
            self.due.push_back((now + self.period, id));
        }
    }

    /// When [`Notices::poll_change`] has somebody to look at.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.due.front().map(|(due, _)| *due)
    }

    /// Looks at the next ticket that is due; `None` if there is none.
    pub(super) fn poll_change(&mut self, engine: &Engine, now: Mono) -> Option<Look> {
        let (_, id) = self.due.pop_front_if(|(due, _)| *due <= now)?;
        let Some(status) = engine.status(id, now) else {
            self.told_by_ticket.remove(&id);
            return Some(Look::Nothing);
        };
        self.due.push_back((now + self.period, id));
        if self.told_by_ticket.insert(id, Some(status)) == Some(Some(status)) {
            return Some(Look::Nothing);
        }
        Some(Look::Changed(id, status))
    }
}

/// What a look at one ticket showed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Gone, or as it was told.
    Nothing,
    /// To be told.
    Changed(TicketId, Status),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchmaking::AgeBand;
    use crate::matchmaking::Preferences;
    use crate::matchmaking::Settings;
    use crate::matchmaking::Ticket;
    use crate::matchmaking::UserId;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn waiting(engine: &mut Engine, number: u64, now: Mono) -> (TicketId, Status) {
        let id = TicketId(number);
        let preferences = Preferences { tags: vec![number.to_string().into()], ..Preferences::default() };
        let user = UserId(number.to_string().into());
        let ticket = Ticket { id, user, device: None, age_band: AgeBand::unknown(), preferences, since: now };
        engine.join(ticket, now).expect("there is room");
        while engine.next_deadline() <= Some(now) {
            assert_eq!(engine.poll_match(now), None);
        }
        (id, engine.status(id, now).expect("it waits"))
    }

    fn looks(notices: &mut Notices, engine: &Engine, now: Mono) -> Vec<(u64, u32)> {
        let looks = std::iter::from_fn(|| notices.poll_change(engine, now));
        looks
            .filter_map(|look| match look {
                Look::Nothing => None,
                Look::Changed(id, status) => Some((id.0, status.waiting)),
            })
            .collect()
    }

    #[test]
    fn a_change_is_told_two_seconds_after_the_last_word_and_not_before() {
        let (mut engine, mut notices) = (Engine::new(Settings::default()), Notices::new(PERIOD));
        let (one, status) = waiting(&mut engine, 1, at(0));
        notices.tell(one, status, at(0));
        waiting(&mut engine, 2, at(500));
        assert_eq!(looks(&mut notices, &engine, at(1999)), []);
        assert_eq!(looks(&mut notices, &engine, at(2000)), [(1, 2)]);
        assert_eq!(looks(&mut notices, &engine, at(4000)), []);
        assert_eq!(notices.next_deadline(), Some(at(6000)));
    }

    #[test]
    fn a_ticket_that_left_is_forgotten_at_its_next_look() {
        let (mut engine, mut notices) = (Engine::new(Settings::default()), Notices::new(PERIOD));
        let (one, status) = waiting(&mut engine, 1, at(0));
        notices.tell(one, status, at(0));
        engine.leave(one);
        assert_eq!(looks(&mut notices, &engine, at(2000)), []);
        assert!(notices.told_by_ticket.is_empty() && notices.next_deadline().is_none());
    }

    #[test]
    fn a_ticket_given_back_goes_on_with_what_it_was_told() {
        let (mut engine, mut notices) = (Engine::new(Settings::default()), Notices::new(PERIOD));
        let (one, status) = waiting(&mut engine, 1, at(0));
        notices.tell(one, status, at(0));
        let ticket = engine.leave(one).expect("it waits");
        engine.give_back(ticket, at(100)).expect("nobody else has its name");
        notices.watch(one, at(100));
        assert_eq!(looks(&mut notices, &engine, at(2000)), []);
        assert_eq!(notices.due.len(), 1);
    }
}
