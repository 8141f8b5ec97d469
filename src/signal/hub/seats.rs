//! Who sits where: a session is two seats, and what is said on one is heard on the other.
use serde::Serialize;

use crate::matchmaking::UserId;
use crate::signal::conversation::Conversation;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::id::Alias;
use crate::signal::id::Side;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::store::Place;
use crate::time::Now;

/// Where somebody is, and what the others there call them.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) place: Place,
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
        let (id, side) = self.side_at(asking, target)?;
        let session = self.session_by_id.get(&id).ok_or_else(Refusal::not_in_session)?;
        let alias = session.participant(side).alias.clone();
        Ok(Seat { place: Place::Session(id), alias })
    }

    /// The conversation of a place where people are.
    pub(super) fn conversation_mut(&mut self, place: &Place) -> Option<&mut Conversation> {
        match place {
            Place::Session(id) => self.session_by_id.get_mut(id).map(|session| &mut session.chat),
            Place::Room(_) => None,
        }
    }

    /// Passes something on to everybody else there.
    pub(super) fn tell_others<T: Serialize>(&mut self, seat: &Seat, kind: PushKind, body: &T, now: Now) {
        for user in self.others(seat) {
            let data = FromSeat { place: &seat.place, from: &seat.alias, body };
            self.push_to_user(&user, kind, &data, now);
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
            Place::Room(_) => Vec::new(),
        }
    }
}
