//! A room while somebody is in it: who, what is said, and which credentials are out. Pure.
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::GroupSize;
use crate::matchmaking::UserId;
use crate::signal::conversation::Conversation;
use crate::signal::id::Alias;
use crate::signal::id::RoomId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::protocol::Media;
use crate::store::MemberRole;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

/// People in a room at once: each of them sends to all others.
pub(crate) const OCCUPANTS_MAX: usize = 8;
const _: () = assert!(GroupSize::MAX.people() <= OCCUPANTS_MAX, "every group has a room");

/// Credentials of as long are covered by what is stored already.
const STORED_AHEAD: Duration = Duration::from_secs(600);

/// A room where somebody is. An empty one is not kept: the store knows it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) title: Arc<str>,
    pub(crate) chat: Conversation,
    /// In the order in which they came.
    occupants: Vec<Occupant>,
    calls: Vec<Call>,
    /// Those whom a block separates are not there for each other. A pair stays for as long as one of them is called that.
    apart: Vec<[Alias; 2]>,
    /// What a match has to say about it, if it was made by one.
    pub(crate) gathering: Option<Gathering>,
}

/// The group that a room was made for: nobody else comes in, and who leaves does not come back.
#[derive(Clone, Debug)]
pub(crate) struct Gathering {
    /// How many met.
    pub(crate) size: usize,
    /// Tags all of them named.
    pub(crate) tags_common: Vec<Arc<str>>,
    /// The language to greet in.
    pub(crate) language: Option<Arc<str>>,
    /// When it is over; `None`: when the last one leaves.
    pub(crate) deadline: Option<Now>,
}

/// Somebody who is in a room, or lost and waited for.
#[derive(Debug)]
pub(crate) struct Occupant {
    pub(crate) user: UserId,
    pub(crate) alias: Alias,
    pub(crate) role: MemberRole,
    /// What is sent, as last told.
    pub(crate) media: Option<Media>,
    /// The credentials that are for no one peer.
    pub(crate) pass: Pass,
    pub(crate) renew_ice_at: Mono,
}

/// What TURN credentials are bound to: revoking it ends what they are used for, and it is never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) name: SessionId,
    /// Until when any of its credentials is good.
    pub(crate) until: UnixMillis,
    /// Until when the store knows them: a process that is killed leaves nobody in a room.
    pub(crate) stored_until: UnixMillis,
}

impl Pass {
    fn new() -> Self {
        Self::new_until(SessionId::random(), UnixMillis::default())
    }

    /// One of an earlier process, as the store knows it.
    pub(crate) fn new_until(name: SessionId, until: UnixMillis) -> Self {
        Self { name, until, stored_until: until }
    }

    /// Takes note of a credential. What is returned has to be stored: until when they are to be refused after a
    /// restart, which is later than needed, so that not every credential has to be.
    #[must_use]
    pub(crate) fn extend(&mut self, until: UnixMillis) -> Option<UnixMillis> {
        self.until = self.until.max(until);
        if self.until <= self.stored_until {
            return None;
        }
        self.stored_until = self.until + STORED_AHEAD;
        Some(self.stored_until)
    }
}

/// What two occupants have between them.
#[derive(Debug)]
pub(crate) struct Call {
    /// The smaller alias first: it is side A.
    between: [Alias; 2],
    /// The last `neg` seen, for `sync` (rule 28).
    pub(crate) neg: Option<i64>,
    /// For credentials of this one call, so that a full room needs no higher quotas than a session.
    pub(crate) pass: Pass,
}

impl Occupant {
    pub(crate) fn new(user: UserId, alias: Alias, role: MemberRole, media: Option<Media>) -> Self {
        Self { user, alias, role, media, pass: Pass::new(), renew_ice_at: Mono::default() }
    }
}

impl Room {
    /// Nobody is there yet.
    pub(crate) fn new(id: RoomId, title: Arc<str>, chat: Conversation) -> Self {
        Self { id, title, chat, occupants: Vec::new(), calls: Vec::new(), apart: Vec::new(), gathering: None }
    }

    /// One for a group.
    pub(crate) fn of_group(id: RoomId, gathering: Gathering) -> Self {
        Self { gathering: Some(gathering), ..Self::new(id, Arc::from(""), Conversation::default()) }
    }

    pub(crate) fn occupants(&self) -> &[Occupant] {
        &self.occupants
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.occupants.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.occupants.len() >= OCCUPANTS_MAX
    }

    /// What is left of a group's time; `None` if the room has no end.
    pub(crate) fn left(&self, now: Now) -> Option<Duration> {
        let deadline = self.gathering.as_ref()?.deadline?;
        Some(deadline.mono.saturating_since(now.mono))
    }

    /// Takes somebody in; the caller has checked that there is a place, and that the user has none yet.
    pub(crate) fn enter(&mut self, occupant: Occupant) {
        // Whom it was kept from the last time is told anew.
        self.apart.retain(|pair| !pair.contains(&occupant.alias));
        self.occupants.push(occupant);
    }

    /// Makes two occupants absent for each other, and returns what was good for credentials between them.
    pub(crate) fn separate(&mut self, one: &Alias, other: &Alias) -> Option<Pass> {
        if self.are_apart(one, other) {
            return None;
        }
        self.apart.push([one.clone(), other.clone()]);
        let between = |call: &Call| call.between.contains(one) && call.between.contains(other);
        let at = self.calls.iter().position(between)?;
        Some(self.calls.remove(at).pass).filter(|pass| pass.until > UnixMillis::default())
    }

    fn are_apart(&self, one: &Alias, other: &Alias) -> bool {
        self.apart.iter().any(|pair| pair.contains(one) && pair.contains(other))
    }

    /// Takes somebody out, and returns with it what was good for credentials.
    pub(crate) fn leave(&mut self, user: &UserId) -> Option<(Occupant, Vec<Pass>)> {
        let at = self.occupants.iter().position(|occupant| occupant.user == *user)?;
        let occupant = self.occupants.remove(at);
        let mut passes = vec![occupant.pass.clone()];
        self.calls.retain(|call| {
            let is_over = call.between.contains(&occupant.alias);
            if is_over {
                passes.push(call.pass.clone());
            }
            !is_over
        });
        // Where no credential was given none has to be refused.
        passes.retain(|pass| pass.until > UnixMillis::default());
        Some((occupant, passes))
    }

    /// The place of a user.
    pub(crate) fn occupant(&self, user: &UserId) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.user == *user)
    }

    pub(crate) fn occupant_mut(&mut self, user: &UserId) -> Option<&mut Occupant> {
        self.occupants.iter_mut().find(|occupant| occupant.user == *user)
    }

    /// Who is called that, unless it is `from` (rule 27) or kept apart from it.
    pub(crate) fn receiver(&self, from: &Alias, to: &str) -> Option<&Occupant> {
        self.others(from).find(|occupant| occupant.alias.as_str() == to)
    }

    /// Everybody who is there for that one, but itself.
    pub(crate) fn others(&self, than: &Alias) -> impl Iterator<Item = &Occupant> {
        self.occupants.iter().filter(move |other| other.alias != *than && !self.are_apart(&other.alias, than))
    }

    /// Whether one has come before the other.
    pub(crate) fn came_before(&self, one: &Alias, other: &Alias) -> bool {
        let place = |alias: &Alias| self.occupants.iter().position(|occupant| occupant.alias == *alias);
        place(one) < place(other)
    }

    /// What two have between them, if anything.
    pub(crate) fn call(&self, one: &Alias, other: &Alias) -> Option<&Call> {
        self.calls.iter().find(|call| call.between.contains(one) && call.between.contains(other))
    }

    /// What two occupants have between them, from now on if nothing yet, and which side the first of them is.
    pub(crate) fn call_mut(&mut self, one: &Alias, other: &Alias) -> (&mut Call, Side) {
        let (between, side) =
            if one < other { ([one.clone(), other.clone()], Side::A) } else { ([other.clone(), one.clone()], Side::B) };
        let known = self.calls.iter().position(|call| call.between == between);
        let at = known.unwrap_or_else(|| {
            self.calls.push(Call { between, neg: None, pass: Pass::new() });
            self.calls.len() - 1
        });
        (&mut self.calls[at], side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId(name.into())
    }

    fn room(names: &[&str]) -> Room {
        let mut room = Room::new(RoomId("r".into()), "Tea".into(), Conversation::default());
        for name in names {
            room.enter(Occupant::new(user(name), Alias((*name).into()), MemberRole::Member, None));
        }
        room
    }

    #[test]
    fn whoever_leaves_takes_its_own_credentials_and_those_of_its_calls_along() {
        let mut room = room(&["a", "b", "c"]);
        let [a, b, c] = ["a", "b", "c"].map(|name| Alias(name.into()));
        room.occupant_mut(&user("b")).expect("is there").pass.until = UnixMillis(5);
        for (one, other) in [(&a, &b), (&b, &c), (&a, &c)] {
            room.call_mut(one, other).0.pass.until = UnixMillis(7);
        }
        let kept = room.call(&a, &c).expect("made above").pass.clone();
        let (left, passes) = room.leave(&user("b")).expect("is there");
        assert_eq!((left.alias, passes.len()), (b.clone(), 3));
        assert!(!passes.contains(&kept));
        assert!(room.call(&a, &b).is_none() && room.call(&c, &b).is_none());
        assert!(room.leave(&user("b")).is_none());
        assert_eq!(room.leave(&user("a")).map(|(_, passes)| passes), Some(vec![kept]));
    }

    #[test]
    fn two_who_are_apart_are_there_for_the_rest_only() {
        let mut room = room(&["a", "b", "c"]);
        let [a, b, c] = ["a", "b", "c"].map(|name| Alias(name.into()));
        room.call_mut(&a, &b).0.pass.until = UnixMillis(7);
        let pass = room.call(&a, &b).expect("made above").pass.clone();
        assert_eq!(room.separate(&b, &a), Some(pass));
        assert_eq!(room.separate(&a, &b), None, "once");
        let names = |than: &Alias| room.others(than).map(|other| other.alias.clone()).collect::<Vec<_>>();
        assert_eq!([names(&a), names(&b), names(&c)], [vec![c.clone()], vec![c.clone()], vec![a.clone(), b.clone()]]);
        assert!(room.receiver(&a, "b").is_none() && room.receiver(&c, "b").is_some());
        // Whoever is gone is still not heard of by the other; whoever comes again is, unless told otherwise.
        room.leave(&user("b"));
        assert_eq!(room.others(&b).count(), 1);
        room.enter(Occupant::new(user("b"), b.clone(), MemberRole::Member, None));
        assert_eq!(room.others(&b).count(), 2);
    }

    #[test]
    fn a_call_is_the_same_one_from_both_sides() {
        let mut room = room(&["a", "b"]);
        let [a, b] = ["a", "b"].map(|name| Alias(name.into()));
        let (call, side) = room.call_mut(&b, &a);
        (call.neg, call.pass.until) = (Some(4), UnixMillis(1));
        assert_eq!(side, Side::B);
        let name = call.pass.name.clone();
        let (call, side) = room.call_mut(&a, &b);
        assert_eq!((call.neg, side, &call.pass.name), (Some(4), Side::A, &name));
    }

    #[test]
    fn rule_27_nobody_is_its_own_receiver() {
        let room = room(&["a", "b"]);
        let a = Alias("a".into());
        assert!(room.receiver(&a, "b").is_some());
        assert!(room.receiver(&a, "a").is_none() && room.receiver(&a, "x").is_none());
    }

    #[test]
    fn a_pass_has_to_be_stored_once_in_ten_minutes_however_many_credentials_there_are() {
        let mut pass = Pass::new();
        let stored: Vec<u64> =
            (0..25).filter_map(|minute| pass.extend(UnixMillis(60_000 * minute + 1))).map(|at| at.0).collect();
        assert_eq!(stored, [600_001, 1_260_001, 1_920_001]);
        assert_eq!(pass.until, UnixMillis(60_000 * 24 + 1));
        assert_eq!(pass.extend(UnixMillis(1)), None);
    }

    #[test]
    fn a_room_is_full_with_eight() {
        assert!(!room(&["1", "2", "3", "4", "5", "6", "7"]).is_full());
        assert!(room(&["1", "2", "3", "4", "5", "6", "7", "8"]).is_full());
    }
}
