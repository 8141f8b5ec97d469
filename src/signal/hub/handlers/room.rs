//! `room.join`, `room.leave` (rule 38).
use serde_json::json;

use crate::auth::invitation::Invitations;
use crate::matchmaking::UserId;
use crate::signal::conversation::Conversation;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::room_book::Found;
use crate::signal::hub::room_book::MEMBERS_MAX;
use crate::signal::hub::room_book::ROOMS_MAX;
use crate::signal::hub::rooms::Parting;
use crate::signal::hub::rooms::ROOMS_AT_ONCE_MAX;
use crate::signal::id::Alias;
use crate::signal::id::MessageId;
use crate::signal::id::RoomId;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Media;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::RoomJoin;
use crate::signal::protocol::RoomLeave;
use crate::signal::room::Occupant;
use crate::signal::room::Room;
use crate::signal::view::live::DoneView;
use crate::signal::view::push::PeerJoinedView;
use crate::signal::view::push::RoomJoinedView;
use crate::store;
use crate::store::DeviceId;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Place;
use crate::store::Store;
use crate::time::Now;
use crate::time::UnixMillis;

/// Members of one room whose device is the same.
const DEVICE_MEMBERS_MAX: usize = 4;

/// Who wants to be let in, and by what right.
struct Wish {
    room: RoomId,
    user: store::UserId,
    /// Of guests.
    device: Option<DeviceId>,
    /// What a new member is called.
    alias: Alias,
    ticket: Option<String>,
    invitations: Invitations,
    /// Who is in the room.
    present: Vec<store::UserId>,
    at: UnixMillis,
}

/// A member who may come in.
struct Admitted {
    room: store::Room,
    member: Member,
    last_message: Option<MessageId>,
    /// Who has made way: a member no longer.
    yielded: Option<store::UserId>,
}

impl Hub {
    /// Lets somebody in once the store has said by what right; a holder of a ticket is a member from then on.
    pub(super) fn on_room_join(&mut self, asking: &Asking, join: RoomJoin, now: Now) -> Result<(), Refusal> {
        self.check_not_draining()?;
        let Some(user) = self.user_by_id.get_mut(&asking.user) else { return Ok(()) };
        let budget = user.room_joins.take(self.rates.room_joins, now.mono);
        budget.map_err(|wait| Refusal::rate_limited("too many room.join", wait))?;
        let RoomJoin { room, ticket, media } = join;
        let id = RoomId(room.into());
        if self.is_in_room(&id, asking) {
            self.tell_join(asking, &id, now);
            return Ok(());
        }
        if self.rooms.is_kept_out(&id, &asking.user) {
            return Err(Refusal::no_member());
        }
        let (room, user, known) = (id.clone(), store::UserId::from(&asking.user), self.rooms.changes());
        let wish = Wish {
            room: id,
            user: user.clone(),
            device: self.party(&asking.user).and_then(|party| party.device),
            alias: Alias::random(),
            ticket,
            invitations: self.invitations.clone(),
            present: Vec::new(),
            at: now.unix,
        };
        let asked = asking.clone();
        self.read_for(
            asking,
            "member",
            move |store| look_up(store, &room, &user),
            move |hub, outcome, now| match outcome {
                // A member needs no disk that can be written. If somebody was put out meanwhile, of whatever room, what
                // was read may be older than that.
                Ok(Ok(admitted)) if hub.rooms.changes() == known => hub.let_in(&asked, Ok(Ok(admitted)), media, now),
                Ok(Err(refusal)) if wish.ticket.is_none() || refusal.code == ErrorCode::NotFound => {
                    hub.let_in(&asked, Ok(Err(refusal)), media, now);
                }
                Err(error) => hub.let_in(&asked, Err(error), media, now),
                Ok(_) => {
                    let then = asked.clone();
                    let present = hub.rooms.get(wish.room.as_str()).into_iter().flat_map(Room::occupants);
                    let present = present.map(|occupant| (&occupant.user).into()).collect();
                    let wish = Wish { present, ..wish };
                    hub.write_for(
                        &asked,
                        "member",
                        move |store| admit(store, wish),
                        move |hub, outcome, now| hub.let_in(&then, outcome, media, now),
                    );
                }
            },
        );
        Ok(())
    }

    fn let_in(&mut self, asking: &Asking, outcome: Found<Admitted>, media: Option<Media>, now: Now) {
        let unavailable = |_| Err(Refusal::new(ErrorCode::Unavailable, "the store cannot do that now"));
        if let Ok(Ok(Admitted { room, yielded: Some(yielded), .. })) = &outcome {
            self.rooms.note_change();
            // It may have come in meanwhile.
            self.leave_room(&room.id, &UserId(yielded.0.clone()), Parting::Kicked, now);
        }
        let entered =
            outcome.unwrap_or_else(unavailable).and_then(|admitted| self.on_admitted(asking, admitted, media, now));
        if let Err(refusal) = entered {
            self.refuse(asking.connection, asking.reply_to, &refusal, now);
        }
    }

    fn on_admitted(
        &mut self,
        asking: &Asking,
        admitted: Admitted,
        media: Option<Media>,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.connection_by_id.contains_key(&asking.connection) {
            // Lost meanwhile: nobody has come in.
            return Ok(());
        }
        let Admitted { room, member, last_message, yielded: _ } = admitted;
        if self.is_in_room(&room.id, asking) {
            // Asked twice.
            self.tell_join(asking, &room.id, now);
            return Ok(());
        }
        if self.rooms.is_kept_out(&room.id, &asking.user) {
            return Err(Refusal::no_member());
        }
        if self.rooms.get(room.id.as_str()).is_some_and(Room::is_full) {
            return Err(Refusal::new(ErrorCode::Conflict, "the room is full"));
        }
        if self.rooms.of(&asking.user).len() >= ROOMS_AT_ONCE_MAX {
            return Err(Refusal::new(ErrorCode::Conflict, "you are in 8 rooms"));
        }
        self.message_ids.follow(last_message);
        let occupant = Occupant::new(asking.user.clone(), member.alias.clone(), member.role, media);
        tracing::info!(room = %room.id, pass = %occupant.pass.name, "room entered");
        let (id, title) = (room.id.clone(), room.title);
        let made = || Room::new(room.id.clone(), title, Conversation::restored(last_message));
        self.rooms.enter(&id, made, occupant);
        self.separate_in(&id, &asking.user, now);
        let (used, at) = (id.clone(), now.unix);
        self.note("room", move |store| store.use_room(&used, at));
        self.tell_join(asking, &id, now);
        let data = PeerJoinedView { room: &id, peer: &member.alias, role: member.role.as_str(), media };
        self.tell_room(&id, &member.alias, PushKind::PeerJoined, &data, now);
        Ok(())
    }

    fn is_in_room(&self, id: &RoomId, asking: &Asking) -> bool {
        self.rooms.get(id.as_str()).is_some_and(|room| room.occupant(&asking.user).is_some())
    }

    /// Answers a join with what there is.
    fn tell_join(&mut self, asking: &Asking, id: &RoomId, now: Now) {
        let Some(grant) = self.grant_room_ice(id, &asking.user, now) else { return };
        let Some(room) = self.rooms.get(id.as_str()) else { return };
        let Some(own) = room.occupant(&asking.user) else { return };
        let data = RoomJoinedView { room: self.room_view(room, own), grant: self.grant_view(grant, now) };
        let data = json!(data);
        self.ok(asking.connection, asking.reply_to, &data);
    }

    pub(super) fn on_room_leave(&mut self, asking: &Asking, leave: RoomLeave, now: Now) -> Result<(), Refusal> {
        let id = RoomId(leave.room.into());
        if !self.is_in_room(&id, asking) {
            return Err(Refusal::not_in_room());
        }
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.leave_room(&id, &asking.user, Parting::Left, now);
        Ok(())
    }
}

/// Finds out whether somebody may come in who is a member already.
///
/// `not_found` without such a room, `forbidden` for who is no member.
fn look_up(store: &dyn Store, id: &RoomId, user: &store::UserId) -> Found<Admitted> {
    let Some(room) = store.room(id)? else { return Ok(Err(Refusal::no_such_room())) };
    let Some(member) = store.member(id, user)? else { return Ok(Err(Refusal::no_member())) };
    let last_message = store.last_message(&Place::Room(id.clone()))?;
    Ok(Ok(Admitted { room, member, last_message, yielded: None }))
}

/// Whether a member makes way for a newcomer in a room that has no place for more: a guest who is away. Guests are easily
/// made and many never come back; one who does comes in by the same ticket again.
fn yields(member: &Member, present: &[store::UserId]) -> bool {
    member.role == MemberRole::Member && member.device.is_some() && !present.contains(&member.user)
}

/// Finds out whether somebody may come in, and makes a member of who has a good ticket.
///
/// `not_found` without such a room, `forbidden` for who is no member and has no good ticket, `conflict` for one member
/// or room too many.
fn admit(store: &mut dyn Store, wish: Wish) -> Found<Admitted> {
    let Wish { room: id, user, device, alias, ticket, invitations, present, at } = wish;
    let mut yielded = None;
    let Some(room) = store.room(&id)? else { return Ok(Err(Refusal::no_such_room())) };
    let member = match store.member(&id, &user)? {
        Some(member) => member,
        None => {
            let Some(ticket) = ticket else { return Ok(Err(Refusal::no_member())) };
            if let Err(error) = invitations.check(&ticket, id.as_str(), room.uninvited, at) {
                return Ok(Err(Refusal { message: error.to_string().into(), ..Refusal::no_member() }));
            }
            if store.rooms_of(&user, ROOMS_MAX)?.len() >= ROOMS_MAX {
                return Ok(Err(Refusal::new(ErrorCode::Conflict, "you belong to 100 rooms")));
            }
            let members = store.members(&id, MEMBERS_MAX)?;
            let is_same = |member: &Member| device.is_some() && member.device == device;
            let has_enough = members.iter().filter(|member| is_same(member)).count() >= DEVICE_MEMBERS_MAX;
            if has_enough || members.len() >= MEMBERS_MAX {
                // In the order in which they joined.
                let mut members = members.into_iter().filter(|member| !has_enough || is_same(member));
                let Some(yielding) = members.find(|member| yields(member, &present)) else {
                    return Ok(Err(Refusal::new(
                        ErrorCode::Conflict,
                        "the room has 256 members, or four of your device",
                    )));
                };
                store.remove_member(&id, &yielding.user, at)?;
                yielded = Some(yielding.user);
            }
            let member = Member { user, device, alias, role: MemberRole::Member, joined: at };
            store.put_member(&id, &member)?;
            member
        }
    };
    let last_message = store.last_message(&Place::Room(id))?;
    Ok(Ok(Admitted { room, member, last_message, yielded }))
}
