//! Groups: a match of three or more becomes a room, which is there for as long as somebody is in it.
//!
//! It is a room like any other to those in it, and to nobody else: the store does not know it, nobody is invited, nothing
//! that is written in it is kept. Its members are made out to have come one after the other, whoever waited longest first;
//! so each of them initiates to those before it, as newcomers do.
use serde_json::json;

use crate::matchmaking::Group;
use crate::matchmaking::Ticket;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::rooms::Parting;
use crate::signal::hub::timers::Timer;
use crate::signal::id::Alias;
use crate::signal::id::RoomId;
use crate::signal::protocol::PushKind;
use crate::signal::room::Gathering;
use crate::signal::room::Occupant;
use crate::signal::room::Room;
use crate::signal::view::push::GroupMatchedView;
use crate::store;
use crate::store::MemberRole;
use crate::time::Now;

impl Hub {
    /// Makes a room of a group, if all of it are still there and nobody keeps another away; otherwise who is left goes
    /// back into the queue.
    pub(super) fn on_gathered(&mut self, found: Group, now: Now) {
        let Group { tickets, tags_common, language } = found;
        if !self.can_meet(&tickets) {
            tickets.into_iter().for_each(|ticket| self.give_back(ticket));
            return;
        }
        let span = self.match_span(&tickets.iter().collect::<Vec<_>>(), now);
        let _entered = span.enter();
        let id = RoomId::random();
        let deadline = self.settings.session_limit.map(|limit| now.plus(limit));
        let gathering = Gathering { size: tickets.len(), tags_common, language, deadline };
        for ticket in &tickets {
            self.leave_queue_for(ticket, now);
            if let Some(user) = self.user_by_id.get_mut(&ticket.user) {
                user.group = Some(id.clone());
            }
            let occupant = Occupant::new(ticket.user.clone(), Alias::random(), MemberRole::Member, None);
            self.rooms.enter(&id, || Room::of_group(id.clone(), gathering.clone()), occupant);
        }
        if let Some(deadline) = deadline {
            self.timers.set(deadline.mono, Timer::GroupOver(id.clone()));
        }
        self.stats.groups_created_total.add_one();
        span.set("duologue.room.id", id.to_string());
        tracing::info!(room = %id, size = tickets.len(), "group met");
        for ticket in &tickets {
            self.tell_group(&id, ticket, now);
        }
        self.note_meetings(&tickets, now);
    }

    fn can_meet(&self, tickets: &[Ticket]) -> bool {
        let is_apart = |at: usize, a: &Ticket| tickets.iter().skip(at + 1).any(|b| self.are_apart(&a.user, &b.user));
        tickets.iter().enumerate().all(|(at, ticket)| self.is_ready(ticket) && !is_apart(at, ticket))
    }

    /// Tells one of a group whom it has met.
    fn tell_group(&mut self, id: &RoomId, ticket: &Ticket, now: Now) {
        let Some(grant) = self.grant_room_ice(id, &ticket.user, now) else { return };
        let Some(room) = self.rooms.get(id.as_str()) else { return };
        let Some(own) = room.occupant(&ticket.user) else { return };
        let Some(gathering) = &room.gathering else { return };
        let data = GroupMatchedView {
            room: self.room_view(room, own),
            tags_common: &gathering.tags_common,
            language: gathering.language.as_deref(),
            waited_ms: now.mono.saturating_since(ticket.since).as_millis() as u64,
            grant: self.grant_view(grant, now),
        };
        let data = json!(data);
        self.push_to_user(&ticket.user, PushKind::MatchFound, &data, now);
    }

    /// Every two of them have met now.
    fn note_meetings(&mut self, tickets: &[Ticket], now: Now) {
        let mut meetings = Vec::new();
        for (at, a) in tickets.iter().enumerate() {
            for b in tickets.iter().skip(at + 1) {
                meetings.push(store::Meeting { users: [(&a.user).into(), (&b.user).into()], at: now.unix });
                self.effects.push_back(Effect::Matchmaking(Command::Met(a.user.clone(), b.user.clone())));
            }
        }
        self.note("meetings", move |store| meetings.iter().try_for_each(|meeting| store.put_meeting(meeting)));
    }

    /// The time of a group is over.
    pub(super) fn on_group_over(&mut self, id: &RoomId, now: Now) {
        self.close_room(id, Parting::Limit, now);
    }

    /// The user is in no group any more, if that was its room.
    pub(super) fn forget_group(&mut self, id: &RoomId, user: &UserId) {
        if let Some(user) = self.user_by_id.get_mut(user) {
            user.group.take_if(|group| group == id);
        }
    }
}
