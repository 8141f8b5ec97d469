//! Rooms as REST sees them: made, listed, opened to others, closed (rule 38).
use std::time::Duration;

use serde_json::json;

use crate::matchmaking;
use crate::signal::hub::Hub;
use crate::signal::hub::handlers::history;
use crate::signal::hub::rooms::Parting;
use crate::signal::id::Alias;
use crate::signal::id::RoomId;
use crate::signal::page::Mark;
use crate::signal::page::PAGE_MAX;
use crate::signal::page::PageAsk;
use crate::signal::page::Span;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::History;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::checked_room_name;
use crate::signal::room_ask::RoomAnswer;
use crate::signal::room_ask::RoomAsk;
use crate::signal::view::InvitationView;
use crate::signal::view::MemberView;
use crate::signal::view::MembersView;
use crate::signal::view::RoomView;
use crate::signal::view::RoomsView;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Party;
use crate::store::Place;
use crate::store::Room;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::Now;
use crate::time::UnixMillis;

/// Rooms that one user may belong to.
pub(super) const ROOMS_MAX: usize = 100;
/// Members of one room.
pub(super) const MEMBERS_MAX: usize = 256;
/// How long an invitation is good, unless the asker says.
const INVITATION_LIFE: Duration = Duration::from_secs(86_400);
/// How long an invitation may be good.
const INVITATION_LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What a look into the store found out: an answer, or why there is none.
pub(super) type Found<T> = Result<Result<T, Refusal>, StoreError>;

impl Hub {
    /// Works on a request about rooms; the answer may come later.
    pub(crate) fn handle_room_ask(&mut self, user: &matchmaking::UserId, ask: RoomAsk, answer: RoomAnswer, now: Now) {
        let user = UserId::from(user);
        match ask {
            RoomAsk::Create { name } => self.create_room(user, &name, answer, now),
            RoomAsk::List(page) => self.list_rooms(user, &page, answer),
            RoomAsk::Show { room } => self.show_room(user, room_id(&room), answer),
            RoomAsk::Remove { room } => self.remove_room(user, room_id(&room), answer),
            RoomAsk::Members { room, page } => self.list_members(user, room_id(&room), &page, answer),
            RoomAsk::Appoint { room, member, role } => self.appoint(user, room_id(&room), member, &role, answer),
            RoomAsk::Dismiss { room, member } => self.dismiss(user, room_id(&room), member, answer, now),
            RoomAsk::Messages { room, before, after, limit } => match History::new(before, after, limit) {
                Ok(history) => self.list_messages(user, room_id(&room), history, answer),
                Err(refusal) => answer(Err(refusal)),
            },
            RoomAsk::Invite { room, ttl_ms } => self.invite(user, room_id(&room), ttl_ms, answer, now),
        }
        self.settle(now);
    }

    fn create_room(&mut self, user: UserId, name: &str, answer: RoomAnswer, now: Now) {
        let title = match checked_room_name(name).and_then(|name| self.screen_room_name(&user, name, now)) {
            Ok(name) => name,
            Err(refusal) => return answer(Err(refusal)),
        };
        let (created, used) = (now.unix, now.unix);
        let room = Room { id: RoomId::random(), title, created, uninvited: UnixMillis(0), used };
        let owner = Member { user, device: None, alias: Alias::random(), role: MemberRole::Owner, joined: now.unix };
        self.write(
            "room",
            move |store| {
                if store.rooms_of(&owner.user, ROOMS_MAX)?.len() >= ROOMS_MAX {
                    return Ok(Err(Refusal::new(ErrorCode::Conflict, "you belong to 100 rooms")));
                }
                store.create_room(&room, &owner)?;
                Ok(Ok(json!(room_view(&room, &owner, 0))))
            },
            move |_, outcome, _| answer(told(outcome)),
        );
    }

    fn list_rooms(&mut self, user: UserId, page: &PageAsk, answer: RoomAnswer) {
        let span = match Span::new(page, PAGE_MAX) {
            Ok(span) => span,
            Err(refusal) => return answer(Err(refusal)),
        };
        self.read(
            "rooms",
            move |store| {
                let mut rooms = store.rooms_of(&user, ROOMS_MAX)?;
                rooms.retain(|(room, own)| {
                    // The one joined last first, of one moment by name.
                    span.after.as_ref().is_none_or(|after| {
                        own.joined < after.at || own.joined == after.at && room.id.as_str() > after.name.as_str()
                    })
                });
                let next = span.cut(&mut rooms, |(room, own)| Mark::text(own.joined, room.id.as_str()));
                Ok(Ok((rooms, next)))
            },
            move |hub, outcome, _| {
                answer(told(outcome).map(|(rooms, next)| {
                    let views = rooms.iter().map(|(room, member)| room_view(room, member, hub.present_in(&room.id)));
                    json!(RoomsView { rooms: views.collect(), next })
                }));
            },
        );
    }

    fn show_room(&mut self, user: UserId, id: RoomId, answer: RoomAnswer) {
        self.read(
            "room",
            move |store| membership(store, &id, &user),
            move |hub, outcome, _| {
                answer(told(outcome).map(|(room, member)| json!(room_view(&room, &member, hub.present_in(&room.id)))));
            },
        );
    }

    fn remove_room(&mut self, user: UserId, id: RoomId, answer: RoomAnswer) {
        let closed = id.clone();
        self.write(
            "room removal",
            move |store| {
                let member = match membership(store, &id, &user)? {
                    Ok((_, member)) => member,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if member.role < MemberRole::Owner {
                    return Ok(Err(Refusal::new(ErrorCode::Forbidden, "only its owner removes a room")));
                }
                store.remove_room(&id).map(|_| Ok(json!({})))
            },
            move |hub, outcome, now| {
                hub.rooms.note_change();
                let outcome = told(outcome);
                if outcome.is_ok() {
                    hub.release_files();
                    hub.close_room(&closed, Parting::Kicked, now);
                }
                answer(outcome);
            },
        );
    }

    fn list_members(&mut self, user: UserId, id: RoomId, page: &PageAsk, answer: RoomAnswer) {
        let span = match Span::new(page, PAGE_MAX) {
            Ok(span) => span,
            Err(refusal) => return answer(Err(refusal)),
        };
        let asked = id.clone();
        self.read(
            "members",
            move |store| {
                let own = match membership(store, &id, &user)? {
                    Ok((_, own)) => own,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let mut members = store.members(&id, MEMBERS_MAX)?;
                if let Some(after) = &span.after {
                    // Of one moment they are in the order of users, whom nobody is told; one who has left was the last of its moment.
                    let at = members.iter().position(|member| member.alias.as_str() == after.name);
                    let behind = at.map_or_else(|| members.partition_point(|one| one.joined <= after.at), |at| at + 1);
                    members.drain(..behind);
                }
                let next = span.cut(&mut members, |last| Mark::text(last.joined, last.alias.as_str()));
                Ok(Ok((own, members, next)))
            },
            move |hub, outcome, _| {
                let shown = told(outcome).map(|(own, members, next)| {
                    let views = members.iter().map(|member| member_view(member, hub.is_present(&asked, member)));
                    json!(MembersView { own: &own.alias, members: views.collect(), next })
                });
                answer(shown);
            },
        );
    }

    fn appoint(&mut self, user: UserId, id: RoomId, alias: String, role: &str, answer: RoomAnswer) {
        let role = match role {
            "member" => MemberRole::Member,
            "moderator" => MemberRole::Moderator,
            _ => return answer(Err(Refusal::bad_request("role is member or moderator"))),
        };
        let asked = id.clone();
        self.write(
            "role",
            move |store| {
                let (own, member) = match pair(store, &id, &user, &alias)? {
                    Ok(pair) => pair,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if own.role < MemberRole::Owner {
                    return Ok(Err(Refusal::new(ErrorCode::Forbidden, "only the owner gives roles")));
                }
                if own.user == member.user {
                    return Ok(Err(Refusal::new(ErrorCode::Conflict, "an owner stays the owner")));
                }
                let appointed = Member { role, ..member };
                store.put_member(&id, &appointed)?;
                Ok(Ok(appointed))
            },
            move |hub, outcome, _| {
                hub.rooms.note_change();
                answer(told(outcome).map(|member| {
                    hub.take_over_role(&asked, &member);
                    json!(member_view(&member, hub.is_present(&asked, &member)))
                }));
            },
        );
    }

    fn dismiss(&mut self, user: UserId, id: RoomId, alias: String, answer: RoomAnswer, now: Now) {
        let (asked, asker, name, at) = (id.clone(), user.clone(), alias.clone(), now.unix);
        self.write(
            "dismissal",
            move |store| {
                let (member, parting) = match dismissal(store, &id, &user, &alias)? {
                    Ok(dismissal) => dismissal,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if parting == Parting::Kicked {
                    // Or the next invitation at hand would let the same person in again.
                    store.void_invitations(&id, at)?;
                }
                store.remove_member(&id, &member.user, at)?;
                Ok(Ok((member, parting)))
            },
            move |hub, outcome, now| {
                hub.rooms.note_change();
                match outcome {
                    Ok(Ok((member, parting))) => {
                        let user = matchmaking::UserId(member.user.0);
                        hub.rooms.let_in_again(&asked, &user);
                        hub.leave_room(&asked, &user, parting, now);
                        answer(Ok(json!({})));
                    }
                    Ok(Err(refusal)) => answer(Err(refusal)),
                    Err(_) => hub.dismiss_unstored(asker, asked, name, answer),
                }
            },
        );
    }

    /// Nobody is heard by whom they put out because a disk is full: until the store can be told, the hub keeps the
    /// other out.
    fn dismiss_unstored(&mut self, user: UserId, id: RoomId, alias: String, answer: RoomAnswer) {
        let asked = id.clone();
        self.read(
            "dismissal",
            move |store| dismissal(store, &id, &user, &alias),
            move |hub, outcome, now| match told(outcome) {
                Ok((member, parting)) => {
                    let user = matchmaking::UserId(member.user.0);
                    if parting == Parting::Kicked {
                        hub.rooms.note_change();
                        hub.rooms.keep_out(&asked, &user);
                    }
                    hub.leave_room(&asked, &user, parting, now);
                    answer(Err(Refusal::new(
                        ErrorCode::Unavailable,
                        "put out until a restart: it could not be stored",
                    )));
                }
                Err(refusal) => answer(Err(refusal)),
            },
        );
    }

    fn list_messages(&mut self, user: UserId, id: RoomId, history: History, answer: RoomAnswer) {
        if self.rooms.is_kept_out(&id, &matchmaking::UserId(user.0.clone())) {
            return answer(Err(Refusal::no_member()));
        }
        let names_members = !self.separations.is_empty();
        let place = Place::Room(id.clone());
        self.read(
            "history",
            move |store| match membership(store, &id, &user)? {
                Ok((room, member)) => {
                    let reader = Party { user: member.user, device: member.device };
                    let shown =
                        history::look_up(store, &Place::Room(room.id), member.alias, history.window, names_members);
                    shown.map(|shown| Ok((reader, shown)))
                }
                Err(refusal) => Ok(Err(refusal)),
            },
            move |hub, outcome, now| {
                answer(told(outcome).map(|(reader, mut shown)| {
                    hub.hide_separated(&mut shown, &reader);
                    history::view(&shown, hub.losses.of(&place), hub.settings.files.as_ref(), now)
                }))
            },
        );
    }

    /// Every member may invite; the ticket is made in the order of writes, so that nobody who is put out meanwhile
    /// holds one that is younger.
    fn invite(&mut self, user: UserId, id: RoomId, ttl_ms: Option<u64>, answer: RoomAnswer, now: Now) {
        let life = ttl_ms.map_or(INVITATION_LIFE, Duration::from_millis);
        if life.is_zero() || life > INVITATION_LIFE_MAX {
            return answer(Err(Refusal::bad_request("ttl_ms is a number from 1 to 2592000000")));
        }
        let (invitations, made) = (self.invitations.clone(), now.unix);
        self.write(
            "invitation",
            move |store| {
                let found = membership(store, &id, &user)?;
                Ok(found.map(|(room, _)| invitations.issue(room.id.as_str(), room.uninvited, life, made)))
            },
            move |_, outcome, _| {
                answer(told(outcome).map(|(ticket, expires_at)| json!(InvitationView { ticket, expires_at })));
            },
        );
    }
}

/// A room and what the user is in it.
///
/// `not_found` without such a room, `forbidden` for one of others.
fn membership(store: &dyn Store, id: &RoomId, user: &UserId) -> Found<(Room, Member)> {
    let Some(room) = store.room(id)? else { return Ok(Err(Refusal::no_such_room())) };
    let Some(member) = store.member(id, user)? else { return Ok(Err(Refusal::no_member())) };
    Ok(Ok((room, member)))
}

/// Who would be put out, or goes by itself, if the asking user may do that.
fn dismissal(store: &dyn Store, id: &RoomId, user: &UserId, alias: &str) -> Found<(Member, Parting)> {
    let (own, member) = match pair(store, id, user, alias)? {
        Ok(pair) => pair,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(match own.user == member.user {
        true if own.role == MemberRole::Owner => {
            Err(Refusal::new(ErrorCode::Conflict, "an owner removes the room instead"))
        }
        true => Ok((member, Parting::Left)),
        false if own.role <= member.role => {
            Err(Refusal::new(ErrorCode::Forbidden, "only a higher role puts somebody out"))
        }
        false => Ok((member, Parting::Kicked)),
    })
}

/// The asking member of a room, and the one of that alias.
fn pair(store: &dyn Store, id: &RoomId, user: &UserId, alias: &str) -> Found<(Member, Member)> {
    let own = match membership(store, id, user)? {
        Ok((_, own)) => own,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let other = store.members(id, MEMBERS_MAX)?.into_iter().find(|member| member.alias.as_str() == alias);
    Ok(other.map(|other| (own, other)).ok_or(Refusal::new(ErrorCode::NotFound, "nobody of that id in this room")))
}

pub(super) fn told<T>(outcome: Found<T>) -> Result<T, Refusal> {
    outcome.unwrap_or_else(|_| Err(Refusal::new(ErrorCode::Unavailable, "the store cannot do that now")))
}

fn room_id(name: &str) -> RoomId {
    RoomId(name.into())
}

fn room_view<'a>(room: &'a Room, own: &'a Member, present: usize) -> RoomView<'a> {
    RoomView {
        id: &room.id,
        room: &room.id,
        name: &room.title,
        created_at: room.created,
        own: &own.alias,
        role: own.role.as_str(),
        joined_at: own.joined,
        present,
    }
}

fn member_view(member: &Member, present: bool) -> MemberView<'_> {
    MemberView { peer: &member.alias, role: member.role.as_str(), joined_at: member.joined, present }
}
