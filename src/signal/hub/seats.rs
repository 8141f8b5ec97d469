//! Who sits where: a session is two seats, a room several, and what is said on one is heard on the others.
use serde::Serialize;

use crate::matchmaking::UserId;
use crate::signal::conversation::Conversation;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::id::Alias;
use crate::signal::id::Side;
use crate::signal::outbox::Source;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::store::Place;
use crate::time::Now;

/// Where somebody is, and what the others there call them.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) place: Place,
    pub(crate) alias: Alias,
}

/// Somebody who is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) user: UserId,
    pub(super) alias: Alias,
}

/// What passes from one seat to the others: the server names the sender (rule 27).
#[derive(Serialize)]
struct FromSeat<'a, T> {
    #[serde(flatten)]
    place: &'a Place,
    from: &'a Alias,
    #[serde(flatten)]
    body: &'a T,
}

impl Hub {
    /// The seat that the asking user has (rule 26).
    ///
    /// # Errors
    ///
    /// `not_in_session`, whether the place is another's, unknown or over.
    pub(super) fn seat_at(&self, asking: &Asking, target: &Target) -> Result<Seat, Refusal> {
        self.seat_of(&asking.user, target)
    }

    /// Like [`Hub::seat_at`], for one who asks by another way.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn seat_of(&self, user: &UserId, target: &Target) -> Result<Seat, Refusal> {
        match target {
            Target::Session(session) => {
                let (id, side) = self.side_of(user, session)?;
                let session = self.session_by_id.get(&id).ok_or_else(Refusal::not_in_session)?;
                let alias = session.participant(side).alias.clone();
                Ok(Seat { place: Place::Session(id), alias })
            }
            Target::Room(room) => {
                let room = self.rooms.get(room).ok_or_else(Refusal::not_in_room)?;
                let occupant = room.occupant(user).ok_or_else(Refusal::not_in_room)?;
                Ok(Seat { place: Place::Room(room.id.clone()), alias: occupant.alias.clone() })
            }
        }
    }

    /// The seat that the asking user has, and the one it speaks to (rule 27).
    ///
    /// # Errors
    ///
    /// `not_in_session` like [`Hub::seat_at`], `not_found` for a wrong alias or one's own, `bad_request` in a room where
    /// nobody is named.
    pub(super) fn seats_between(
        &self,
        asking: &Asking,
        target: &Target,
        to: Option<&str>,
    ) -> Result<(Seat, Receiver), Refusal> {
        let seat = self.seat_at(asking, target)?;
        let receiver = match &seat.place {
            Place::Session(id) => {
                let (_, side) = self.side_in(asking, id.as_str())?;
                let session = self.session_by_id.get(id).ok_or_else(Refusal::not_in_session)?;
                session.check_receiver(side, to)?;
                let other = session.participant(side.other());
                Receiver { user: other.user.clone(), alias: other.alias.clone() }
            }
            Place::Room(id) => {
                let to = to.ok_or(Refusal::bad_request("in a room to says who is meant"))?;
                self.receiver_in(id.as_str(), &seat.alias, to)?
            }
        };
        Ok((seat, receiver))
    }

    /// Who is called that in a room, for somebody else who is there.
    ///
    /// # Errors
    ///
    /// `not_found` for nobody, oneself, and those from whom a block separates.
    pub(super) fn receiver_in(&self, room: &str, own: &Alias, to: &str) -> Result<Receiver, Refusal> {
        let room = self.rooms.get(room).ok_or_else(Refusal::not_in_room)?;
        let absent = Refusal::new(ErrorCode::NotFound, "nobody of that id in this room");
        let other = room.receiver(own, to).ok_or(absent)?;
        Ok(Receiver { user: other.user.clone(), alias: other.alias.clone() })
    }

    /// Keeps the last `neg` between two seats, for `sync` (rule 28).
    pub(super) fn note_negotiation(&mut self, seat: &Seat, receiver: &Receiver, neg: i64, now: Now) {
        match &seat.place {
            Place::Session(id) => {
                if let Some(session) = self.session_by_id.get_mut(id) {
                    session.neg = Some(neg);
                }
                self.record_progress_later(id, now);
            }
            Place::Room(id) => {
                if let Some(room) = self.rooms.get_mut(id.as_str()) {
                    room.call_mut(&seat.alias, &receiver.alias).0.neg = Some(neg);
                }
            }
        }
    }

    /// Passes something on to one other seat.
    pub(super) fn tell_one<T: Serialize>(
        &mut self,
        seat: &Seat,
        receiver: &Receiver,
        kind: PushKind,
        body: &T,
        now: Now,
    ) {
        let data = FromSeat { place: &seat.place, from: &seat.alias, body };
        self.push_from(Source::of(&seat.alias), &receiver.user, kind, &data, now);
    }

    /// Whether what is said in a place is stored. In the room of a group it is not: nobody can come back to it.
    pub(super) fn keeps_chat(&self, place: &Place) -> bool {
        self.settings.retention.keeps_chat(place) && !self.is_of_group(place)
    }

    /// Whether a place is the room of a group, which the store does not know.
    pub(super) fn is_of_group(&self, place: &Place) -> bool {
        match place {
            Place::Session(_) => false,
            Place::Room(id) => self.rooms.get(id.as_str()).is_some_and(|room| room.gathering.is_some()),
        }
    }

    /// The conversation of a place where people are.
    pub(super) fn conversation_mut(&mut self, place: &Place) -> Option<&mut Conversation> {
        match place {
            Place::Session(id) => self.session_by_id.get_mut(id).map(|session| &mut session.chat),
            Place::Room(id) => self.rooms.get_mut(id.as_str()).map(|room| &mut room.chat),
        }
    }

    /// Tells everybody there of something on that seat, also who sits on it.
    pub(super) fn tell_all<T: Serialize>(&mut self, seat: &Seat, own: &UserId, kind: PushKind, body: &T, now: Now) {
        self.tell_others(seat, kind, body, now);
        if self.conversation_mut(&seat.place).is_some() {
            let data = FromSeat { place: &seat.place, from: &seat.alias, body };
            self.push_to_user(own, kind, &data, now);
        }
    }

    /// Passes something on to everybody else there.
    pub(super) fn tell_others<T: Serialize>(&mut self, seat: &Seat, kind: PushKind, body: &T, now: Now) {
        for user in self.others(seat) {
            let data = FromSeat { place: &seat.place, from: &seat.alias, body };
            self.push_from(Source::of(&seat.alias), &user, kind, &data, now);
        }
    }

    /// Checks that what is said in a session can be kept for the other side, if that is away (rule 28). In a room
    /// nobody waits for anybody: who has missed something finds it in the history.
    ///
    /// # Errors
    ///
    /// `peer_unreachable`
    pub(super) fn check_room(&self, seat: &Seat, body: &impl Serialize) -> Result<(), Refusal> {
        match &seat.place {
            Place::Session(_) => self.others(seat).iter().try_for_each(|user| self.check_room_of(user, body)),
            Place::Room(_) => Ok(()),
        }
    }

    fn others(&self, seat: &Seat) -> Vec<UserId> {
        match &seat.place {
            Place::Session(id) => {
                let Some(session) = self.session_by_id.get(id) else { return Vec::new() };
                let all = Side::BOTH.map(|side| session.participant(side));
                all.into_iter().filter(|other| other.alias != seat.alias).map(|other| other.user.clone()).collect()
            }
            Place::Room(id) => {
                let Some(room) = self.rooms.get(id.as_str()) else { return Vec::new() };
                room.others(&seat.alias).map(|other| other.user.clone()).collect()
            }
        }
    }
}
