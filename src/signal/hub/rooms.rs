//! Rooms while somebody is in them: who comes, goes, is lost and returns (rules 36-38).
use std::collections::HashMap;
use std::collections::VecDeque;

use serde::Serialize;

use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::timers::Timer;
use crate::signal::ice::IceGrant;
use crate::signal::id::Alias;
use crate::signal::id::RoomId;
use crate::signal::protocol::PushKind;
use crate::signal::room::Occupant;
use crate::signal::room::Pass;
use crate::signal::room::Room;
use crate::signal::view::push::IceUpdatedView;
use crate::signal::view::push::OwnGroupView;
use crate::signal::view::push::OwnRoomView;
use crate::signal::view::push::PeerLeftView;
use crate::signal::view::push::PeerResumedView;
use crate::signal::view::push::PresentView;
use crate::signal::view::push::WhereView;
use crate::store;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// Rooms that one user may be in at once.
pub(super) const ROOMS_AT_ONCE_MAX: usize = 8;

/// Members kept out of rooms though the store could not be told; beyond it the oldest are forgotten.
const KEPT_OUT_MAX: usize = 4096;

/// The rooms where somebody is.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    room_by_id: HashMap<RoomId, Room>,
    rooms_by_user: HashMap<UserId, Vec<RoomId>>,
    /// Members who were put out while the store could not be told, the one put out last behind.
    kept_out: VecDeque<(RoomId, UserId)>,
    /// Counts what may have made a read of members old.
    changes: u64,
}

/// Why somebody is not in a room any more.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// By one's own will.
    Left,
    /// The socket is lost and cannot come back.
    Lost,
    /// It was not back in time.
    Timeout,
    /// Put out, or the room is gone.
    Kicked,
    /// The time of the group is over.
    Limit,
}

impl Parting {
    const fn as_str(self) -> &'static str {
        match self {
            Parting::Left => "left",
            Parting::Lost => "lost",
            Parting::Timeout => "timeout",
            Parting::Kicked => "kicked",
            Parting::Limit => "limit",
        }
    }
}

impl Rooms {
    pub(super) fn len(&self) -> usize {
        self.room_by_id.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Room> {
        self.room_by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Room> {
        self.room_by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.room_by_id.values()
    }

    /// The rooms that a user is in.
    pub(super) fn of(&self, user: &UserId) -> Vec<RoomId> {
        self.rooms_by_user.get(user).cloned().unwrap_or_default()
    }

    /// Takes somebody into a room, which is `made` if nobody is there yet.
    pub(super) fn enter(&mut self, id: &RoomId, made: impl FnOnce() -> Room, occupant: Occupant) {
        self.rooms_by_user.entry(occupant.user.clone()).or_default().push(id.clone());
        self.room_by_id.entry(id.clone()).or_insert_with(made).enter(occupant);
    }

    /// Changes with everything that may have taken a membership or a role away.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn note_change(&mut self) {
        self.changes += 1;
    }

    /// Keeps somebody out whom the store takes for a member still.
    pub(super) fn keep_out(&mut self, id: &RoomId, user: &UserId) {
        self.let_in_again(id, user);
        if self.kept_out.len() >= KEPT_OUT_MAX {
            self.kept_out.pop_front();
        }
        self.kept_out.push_back((id.clone(), user.clone()));
    }

    /// The store knows by itself.
    pub(super) fn let_in_again(&mut self, id: &RoomId, user: &UserId) {
        self.kept_out.retain(|(room, other)| (room, other) != (id, user));
    }

    pub(super) fn is_kept_out(&self, id: &RoomId, user: &UserId) -> bool {
        self.kept_out.iter().any(|(room, other)| (room, other) == (id, user))
    }

    /// Takes somebody out of a room, which is not kept if it was the last one.
    fn leave(&mut self, id: &RoomId, user: &UserId) -> Option<(Occupant, Vec<Pass>)> {
        let room = self.room_by_id.get_mut(id)?;
        let left = room.leave(user)?;
        if room.is_empty() {
            self.room_by_id.remove(id);
        }
        if let Some(rooms) = self.rooms_by_user.get_mut(user) {
            rooms.retain(|other| other != id);
            if rooms.is_empty() {
                self.rooms_by_user.remove(user);
            }
        }
        Some(left)
    }
}

impl Hub {
    /// Takes somebody out of a room: the others are told, and whoever was put out; the relay lets go of it.
    pub(super) fn leave_room(&mut self, id: &RoomId, user: &UserId, parting: Parting, now: Now) {
        let Some((left, passes)) = self.rooms.leave(id, user) else { return };
        self.forget_group(id, user);
        let data = parting_view(id, &left.alias, parting);
        self.tell_room(id, &left.alias, PushKind::PeerLeft, &data, now);
        if parting == Parting::Kicked {
            self.push_to_user(user, PushKind::PeerLeft, &data, now);
        }
        self.revoke(passes, now);
        tracing::info!(room = %id, pass = %left.pass.name, reason = parting.as_str(), "room left");
    }

    /// Takes somebody out of every room.
    pub(super) fn leave_rooms(&mut self, user: &UserId, parting: Parting, now: Now) {
        for id in self.rooms.of(user) {
            self.leave_room(&id, user, parting, now);
        }
    }

    /// Puts everybody out of a room that is over; each is told of itself.
    pub(super) fn close_room(&mut self, id: &RoomId, parting: Parting, now: Now) {
        let Some(room) = self.rooms.get(id.as_str()) else { return };
        let users: Vec<UserId> = room.occupants().iter().map(|occupant| occupant.user.clone()).collect();
        for user in users {
            let Some((left, passes)) = self.rooms.leave(id, &user) else { continue };
            self.forget_group(id, &user);
            self.push_to_user(&user, PushKind::PeerLeft, &parting_view(id, &left.alias, parting), now);
            self.revoke(passes, now);
        }
        tracing::info!(room = %id, reason = parting.as_str(), "room closed");
    }

    /// Parts a user from everybody in its rooms whom a block separates from it; either is told that the other has left.
    pub(super) fn part_in_rooms(&mut self, user: &UserId, now: Now) {
        for (id, alias) in self.places_in_rooms(user) {
            for (other, others_alias) in self.separate_in(&id, user, now) {
                self.push_to_user(user, PushKind::PeerLeft, &parting_view(&id, &others_alias, Parting::Left), now);
                self.push_to_user(&other, PushKind::PeerLeft, &parting_view(&id, &alias, Parting::Left), now);
            }
        }
    }

    /// Makes a user and those whom a block separates from it absent for each other in a room, and returns them.
    pub(super) fn separate_in(&mut self, id: &RoomId, user: &UserId, now: Now) -> Vec<(UserId, Alias)> {
        let Some(room) = self.rooms.get(id.as_str()) else { return Vec::new() };
        let Some(own) = room.occupant(user).map(|own| own.alias.clone()) else { return Vec::new() };
        let others = room.others(&own).filter(|other| self.are_apart(user, &other.user));
        let parted: Vec<_> = others.map(|other| (other.user.clone(), other.alias.clone())).collect();
        for (_, alias) in &parted {
            let pass = self.rooms.get_mut(id.as_str()).and_then(|room| room.separate(&own, alias));
            self.revoke(pass.into_iter().collect(), now);
        }
        parted
    }

    /// Tells the rooms of a user that it is away; `until` is when it is given up.
    pub(super) fn tell_rooms_of_loss(&mut self, user: &UserId, until: UnixMillis, now: Now) {
        for (id, alias) in self.places_in_rooms(user) {
            let data =
                PeerLeftView { can_reconnect: true, until: Some(until), ..parting_view(&id, &alias, Parting::Lost) };
            self.tell_room(&id, &alias, PushKind::PeerLeft, &data, now);
        }
    }

    /// Tells the rooms of a user that it is back.
    pub(super) fn tell_rooms_of_return(&mut self, user: &UserId, now: Now) {
        for (id, alias) in self.places_in_rooms(user) {
            let data = PeerResumedView { place: WhereView::in_room(&id), peer: &alias };
            self.tell_room(&id, &alias, PushKind::PeerResumed, &data, now);
        }
    }

    /// What `sync` says of the rooms that a user is in.
    pub(super) fn rooms_view(&self, user: &UserId) -> Vec<OwnRoomView<'_>> {
        let rooms = self.rooms.of(user).into_iter().filter_map(|id| self.rooms.get(id.as_str()));
        rooms.filter_map(|room| Some(self.room_view(room, room.occupant(user)?))).collect()
    }

    /// A room as one who is there sees it: the common part of the ok of `room.join` and `sync`.
    pub(super) fn room_view<'a>(&'a self, room: &'a Room, own: &'a Occupant) -> OwnRoomView<'a> {
        OwnRoomView {
            room: &room.id,
            name: &room.title,
            own: &own.alias,
            role: own.role.as_str(),
            members: room.others(&own.alias).map(|other| self.occupant_view(room, own, other)).collect(),
            last_mid: room.chat.last_message(),
            group: room.gathering.as_ref().map(|gathering| OwnGroupView {
                size: gathering.size,
                deadline: gathering.deadline.map(|deadline| deadline.unix),
            }),
        }
    }

    fn occupant_view<'a>(&'a self, room: &'a Room, own: &Occupant, other: &'a Occupant) -> PresentView<'a> {
        PresentView {
            peer: &other.alias,
            role: other.role.as_str(),
            media: other.media,
            neg: room.call(&own.alias, &other.alias).and_then(|call| call.neg),
            until: self.user_by_id.get(&other.user).and_then(|user| user.presence.lost_until()).map(|until| until.unix),
            // In a group in the order in which they came.
            initiator: room.gathering.as_ref().map(|_| room.came_before(&other.alias, &own.alias)),
        }
    }

    /// Tells everybody in a room but one.
    pub(super) fn tell_room(&mut self, id: &RoomId, except: &Alias, kind: PushKind, data: &impl Serialize, now: Now) {
        let Some(room) = self.rooms.get(id.as_str()) else { return };
        let users: Vec<UserId> = room.others(except).map(|other| other.user.clone()).collect();
        for user in users {
            self.push_to_user(&user, kind, data, now);
        }
    }

    /// Mints credentials that are good until their holder leaves, and sets the timer for the next ones.
    pub(super) fn grant_room_ice(&mut self, id: &RoomId, user: &UserId, now: Now) -> Option<IceGrant> {
        let room = self.rooms.get_mut(id.as_str())?;
        let left = room.left(now);
        let occupant = room.occupant_mut(user)?;
        let grant = self.ice.grant(&format!("{}.m", occupant.pass.name), left, now);
        let unstored = occupant.pass.extend(grant.expires).map(|until| (occupant.pass.name.clone(), until));
        occupant.renew_ice_at = grant.renew_at;
        if let Some((name, until)) = unstored {
            self.record_revocation(&name, until, now);
        }
        self.set_room_ice_alarm(user, grant.renew_at);
        Some(grant)
    }

    /// One timer for all rooms of a user, who may come and go as often as it likes.
    fn set_room_ice_alarm(&mut self, user: &UserId, at: Mono) {
        if self.user_by_id.get_mut(user).is_some_and(|user| user.room_ice.needs(at)) {
            self.timers.set(at, Timer::RoomIceRenewal(user.clone()));
        }
    }

    /// Mints credentials for what two people in a room have between them: they are good until one of them leaves.
    pub(super) fn grant_call_ice(&mut self, id: &RoomId, own: &Alias, peer: &Alias, now: Now) -> Option<IceGrant> {
        let room = self.rooms.get_mut(id.as_str())?;
        let left = room.left(now);
        let (call, side) = room.call_mut(own, peer);
        let grant = self.ice.grant(&format!("{}.{}", call.pass.name, side.letter()), left, now);
        let unstored = call.pass.extend(grant.expires).map(|until| (call.pass.name.clone(), until));
        if let Some((name, until)) = unstored {
            self.record_revocation(&name, until, now);
        }
        Some(grant)
    }

    /// Pushes new credentials of the rooms where they are due; they may have been put off by `ice.refresh`.
    pub(super) fn on_room_ice_alarm(&mut self, user: &UserId, now: Now) {
        let Some(holder) = self.user_by_id.get_mut(user) else { return };
        holder.room_ice.rang(now.mono);
        for id in self.rooms.of(user) {
            let occupant = self.rooms.get(id.as_str()).and_then(|room| room.occupant(user));
            let Some(renew_at) = occupant.map(|occupant| occupant.renew_ice_at) else { continue };
            if renew_at > now.mono {
                self.set_room_ice_alarm(user, renew_at);
                continue;
            }
            let Some(grant) = self.grant_room_ice(&id, user, now) else { continue };
            let place = WhereView::in_room(&id);
            let data = IceUpdatedView { place, ice_servers: &grant.servers, expires_at: grant.expires };
            self.push_to_user(user, PushKind::IceUpdated, &data, now);
        }
    }

    /// How many are in a room.
    pub(super) fn present_in(&self, id: &RoomId) -> usize {
        self.rooms.get(id.as_str()).map_or(0, |room| room.occupants().len())
    }

    /// Whether a member is in a room.
    pub(super) fn is_present(&self, id: &RoomId, member: &store::Member) -> bool {
        let room = self.rooms.get(id.as_str());
        room.is_some_and(|room| room.occupants().iter().any(|occupant| occupant.alias == member.alias))
    }

    /// Gives somebody who is in a room the role that the store has by now.
    pub(super) fn take_over_role(&mut self, id: &RoomId, member: &store::Member) {
        let room = self.rooms.get_mut(id.as_str());
        if let Some(occupant) = room.and_then(|room| room.occupant_mut(&UserId(member.user.0.clone()))) {
            occupant.role = member.role;
        }
    }

    fn places_in_rooms(&self, user: &UserId) -> Vec<(RoomId, Alias)> {
        let place = |id: RoomId| {
            let alias = self.rooms.get(id.as_str())?.occupant(user)?.alias.clone();
            Some((id, alias))
        };
        self.rooms.of(user).into_iter().filter_map(place).collect()
    }
}

fn parting_view<'a>(id: &'a RoomId, alias: &'a Alias, parting: Parting) -> PeerLeftView<'a> {
    let place = WhereView::in_room(id);
    PeerLeftView { place, peer: alias, reason: parting.as_str(), can_reconnect: false, until: None }
}
