//! Live calls and rooms as admins see them, and how they end one.
use std::cmp::Reverse;

use serde_json::Value;
use serde_json::json;

use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::desk::Actor;
use crate::signal::hub::desk::page_size;
use crate::signal::hub::rooms::Parting;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::room::Room;
use crate::signal::session::EndReason;
use crate::signal::session::Participant;
use crate::signal::session::Session;
use crate::signal::view::live::GroupView;
use crate::signal::view::live::LiveSessionView;
use crate::signal::view::live::LiveSessionsView;
use crate::signal::view::live::LiveSideView;
use crate::signal::view::live::OccupantView;
use crate::signal::view::live::OpenRoomView;
use crate::signal::view::live::OpenRoomsView;
use crate::signal::view::live::PersonView;
use crate::time::Now;
use crate::time::UnixMillis;

/// Characters of the reason for the audit.
const REASON_CHARS_MAX: usize = 500;

/// Where a call stands among others: the newest first.
type Rank<'a> = Reverse<(UnixMillis, &'a str)>;

impl Hub {
    /// A page of live calls.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(super) fn list_calls(&self, after: Option<&str>, limit: Option<usize>) -> Result<Value, Refusal> {
        let limit = page_size(limit)?;
        let after = after.map(parse).transpose()?;
        let ranked = self.session_by_id.values().map(|session| (rank(session), session));
        let mut behind: Vec<_> = ranked.filter(|(rank, _)| after.is_none_or(|after| *rank > after)).collect();
        let is_last = behind.len() <= limit;
        if !is_last {
            // Only the page itself is worth sorting.
            behind.select_nth_unstable_by_key(limit, |(rank, _)| *rank);
            behind.truncate(limit);
        }
        behind.sort_unstable_by_key(|(rank, _)| *rank);
        let next = behind.last().filter(|_| !is_last).map(|(_, last)| cursor(last));
        let sessions = behind.into_iter().map(|(_, session)| self.call_view(session)).collect();
        Ok(json!(LiveSessionsView { sessions, next, total: self.session_by_id.len() }))
    }

    /// Ends a call at once, its credentials and allocations too.
    pub(super) fn end_call(
        &mut self,
        actor: &Actor,
        session: String,
        reason: Option<String>,
        answer: ModerationAnswer,
        now: Now,
    ) {
        if let Err(refusal) = check_reason(reason.as_deref()) {
            return answer(Err(refusal));
        }
        let id = SessionId(session.into());
        let Some(live) = self.session_by_id.get(&id) else {
            return answer(Err(Refusal::new(ErrorCode::NotFound, "there is no such live session")));
        };
        let users = Side::BOTH.map(|side| live.participant(side).user.0.clone());
        let deed = actor.deed("session.end", id.as_str(), &json!({"users": users, "reason": reason}));
        self.end_session(&id, EndReason::Moderation, now);
        self.append_deed(deed, answer);
    }

    fn call_view<'a>(&'a self, session: &'a Session) -> LiveSessionView<'a> {
        LiveSessionView {
            session: &session.id,
            started_at: session.started.unix,
            deadline: session.deadline.map(|deadline| deadline.unix),
            tags_common: &session.tags_common,
            language: session.language.as_deref(),
            sides: Side::BOTH.map(|side| self.side_view(session.participant(side))).into(),
        }
    }

    /// A page of rooms with somebody in them, in the order of their names.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(super) fn list_open_rooms(&self, after: Option<&str>, limit: Option<usize>) -> Result<Value, Refusal> {
        let limit = page_size(limit)?;
        let mut behind: Vec<&Room> =
            self.rooms.iter().filter(|room| after.is_none_or(|after| room.id.as_str() > after)).collect();
        let is_last = behind.len() <= limit;
        if !is_last {
            behind.select_nth_unstable_by(limit, |one, other| one.id.as_str().cmp(other.id.as_str()));
            behind.truncate(limit);
        }
        behind.sort_unstable_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        let next = behind.last().filter(|_| !is_last).map(|last| last.id.as_str());
        let rooms = behind.iter().map(|room| self.open_room_view(room)).collect();
        Ok(json!(OpenRoomsView { rooms, next, total: self.rooms.len() }))
    }

    /// Puts everybody out of a room. Members of one that is kept may come back.
    pub(super) fn clear_room(
        &mut self,
        actor: &Actor,
        room: String,
        reason: Option<String>,
        answer: ModerationAnswer,
        now: Now,
    ) {
        if let Err(refusal) = check_reason(reason.as_deref()) {
            return answer(Err(refusal));
        }
        let Some(open) = self.rooms.get(&room) else {
            return answer(Err(Refusal::new(ErrorCode::NotFound, "nobody is in a room of that name")));
        };
        let id = open.id.clone();
        let users: Vec<_> = open.occupants().iter().map(|occupant| occupant.user.0.clone()).collect();
        let deed = actor.deed("room.clear", &room, &json!({"users": users, "reason": reason}));
        self.close_room(&id, Parting::Kicked, now);
        self.append_deed(deed, answer);
    }

    fn open_room_view<'a>(&'a self, room: &'a Room) -> OpenRoomView<'a> {
        let people = room
            .occupants()
            .iter()
            .map(|occupant| OccupantView { person: self.person_view(&occupant.user), media: occupant.media });
        let group = room.gathering.as_ref().map(|group| GroupView {
            size: group.size,
            tags_common: &group.tags_common,
            language: group.language.as_deref(),
            deadline: group.deadline.map(|deadline| deadline.unix),
        });
        OpenRoomView { room: &room.id, name: &room.title, group, people: people.collect() }
    }

    /// Somebody, as far as the hub knows.
    fn person_view<'a>(&'a self, id: &'a UserId) -> PersonView<'a> {
        let presence = self.user_by_id.get(id).map(|user| &user.presence);
        let subject = presence.and_then(Presence::chain).map(|chain| &chain.subject);
        PersonView {
            user: &id.0,
            role: subject.map(|subject| subject.role.as_str()),
            guest: subject.map(|subject| subject.guest),
            presence: match presence {
                Some(Presence::Online(..)) => "online",
                Some(Presence::Lost(..)) => "lost",
                Some(Presence::Away) | None => "away",
            },
        }
    }

    fn side_view<'a>(&'a self, participant: &'a Participant) -> LiveSideView<'a> {
        LiveSideView { person: self.person_view(&participant.user), call: participant.report.now() }
    }
}

fn check_reason(reason: Option<&str>) -> Result<(), Refusal> {
    if reason.is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Refusal::too_large("reason has at most 500 characters"));
    }
    Ok(())
}

fn rank(session: &Session) -> Rank<'_> {
    Reverse((session.started.unix, session.id.as_str()))
}

/// Where a page ends; clients send it back as they got it.
fn cursor(session: &Session) -> String {
    format!("{}.{}", session.started.unix.0, session.id.as_str())
}

/// Reads what [`cursor`] wrote.
///
/// # Errors
///
/// `bad_request`
fn parse(text: &str) -> Result<Rank<'_>, Refusal> {
    let place = text.split_once('.').and_then(|(at, id)| Some(Reverse((UnixMillis(at.parse().ok()?), id))));
    place.ok_or_else(|| Refusal::bad_request("after is the next of an earlier page"))
}
