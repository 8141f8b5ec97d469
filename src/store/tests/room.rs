use std::time::Duration;

use crate::store::Alias;
use crate::store::DataClass;
use crate::store::DeviceId;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Retention;
use crate::store::Room;
use crate::store::RoomId;
use crate::store::StoreError;
use crate::store::UserId;
use crate::store::tests::session::session;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn room(id: &str, created: u64) -> Room {
    Room {
        id: RoomId(id.into()),
        title: format!("Room {id}").into(),
        created: UnixMillis(created),
        uninvited: UnixMillis(0),
        used: UnixMillis(created),
    }
}

pub(super) fn member(user: &str, joined: u64) -> Member {
    Member {
        user: UserId(user.into()),
        device: joined.is_multiple_of(2).then(|| DeviceId(format!("device of {user}").into())),
        alias: Alias(format!("alias of {user}").into()),
        role: MemberRole::Member,
        joined: UnixMillis(joined),
    }
}

#[test]
fn a_room_has_the_members_that_joined_and_did_not_leave() {
    for (kind, mut store) in stores(Retention::default()) {
        let (id, owner) = (RoomId("r".into()), Member { role: MemberRole::Owner, ..member("z", 1) });
        assert_eq!(store.put_member(&id, &owner), Err(StoreError::Unknown), "{kind}");
        store.create_room(&room("r", 1), &owner).expect("is new");
        assert_eq!(store.create_room(&room("r", 2), &owner), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.room(&id), Ok(Some(room("r", 1))), "{kind}");
        for late in [member("y", 3), member("x", 2)] {
            store.put_member(&id, &late).expect("room for all");
        }
        let members = [owner.clone(), member("x", 2), member("y", 3)];
        assert_eq!(store.members(&id, 9), Ok(members.to_vec()), "{kind}");
        assert_eq!(store.members(&id, 2), Ok(members[..2].to_vec()), "{kind}");
        let raised = Member { role: MemberRole::Moderator, ..member("x", 2) };
        store.put_member(&id, &raised).expect("stored");
        assert_eq!(store.member(&id, &raised.user), Ok(Some(raised)), "{kind}");
        assert_eq!(store.remove_member(&id, &UserId("y".into()), UnixMillis(99)), Ok(true), "{kind}");
        assert_eq!(store.remove_member(&id, &UserId("y".into()), UnixMillis(99)), Ok(false), "{kind}");
        assert_eq!(store.member(&id, &UserId("y".into())), Ok(None), "{kind}");
        assert_eq!(store.members(&id, 9).map(|members| members.len()), Ok(2), "{kind}");
    }
}

#[test]
fn no_two_members_of_a_room_have_one_alias() {
    for (kind, mut store) in stores(Retention::default()) {
        let id = RoomId("r".into());
        store.create_room(&room("r", 1), &member("a", 1)).expect("is new");
        store.create_room(&room("s", 1), &member("a", 1)).expect("aliases are of one room");
        let impostor = Member { user: UserId("b".into()), ..member("a", 2) };
        assert_eq!(store.put_member(&id, &impostor), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.members(&id, 9), Ok(vec![member("a", 1)]), "{kind}");
    }
}

#[test]
fn a_session_and_a_room_never_share_a_name() {
    for (kind, mut store) in stores(Retention::default()) {
        store.start_session(&session("x", ["a", "b"], 1)).expect("starts");
        assert_eq!(store.create_room(&room("x", 1), &member("a", 1)), Err(StoreError::Taken), "{kind}");
        store.create_room(&room("y", 1), &member("a", 1)).expect("is new");
        assert_eq!(store.start_session(&session("y", ["a", "b"], 1)), Err(StoreError::Taken), "{kind}");
        assert_eq!(store.room(&RoomId("x".into())), Ok(None), "{kind}");
        assert_eq!(store.members(&RoomId("x".into()), 9), Ok(Vec::new()), "{kind}");
    }
}

#[test]
fn a_user_sees_the_rooms_joined_last_first() {
    for (kind, mut store) in stores(Retention::default()) {
        for (id, joined) in [("r1", 5), ("r2", 9), ("r3", 7)] {
            store.create_room(&room(id, 1), &member("a", 1)).expect("is new");
            store.put_member(&RoomId(id.into()), &member("b", joined)).expect("room for all");
        }
        let rooms = store.rooms_of(&UserId("b".into()), 2).expect("read");
        assert_eq!(rooms, [(room("r2", 1), member("b", 9)), (room("r3", 1), member("b", 7))], "{kind}");
        assert_eq!(store.remove_room(&RoomId("r2".into())), Ok(true), "{kind}");
        assert_eq!(store.remove_room(&RoomId("r2".into())), Ok(false), "{kind}");
        let rooms = store.rooms_of(&UserId("b".into()), 9).expect("read");
        assert_eq!(rooms.iter().map(|(room, _)| &*room.id.0).collect::<Vec<_>>(), ["r3", "r1"], "{kind}");
        assert_eq!(store.room(&RoomId("r2".into())), Ok(None), "{kind}");
        assert_eq!(store.members(&RoomId("r2".into()), 9), Ok(Vec::new()), "{kind}");
    }
}

#[test]
fn invitations_that_were_voided_stay_void() {
    for (kind, mut store) in stores(Retention::default()) {
        let id = RoomId("r".into());
        assert_eq!(store.void_invitations(&id, UnixMillis(1)), Err(StoreError::Unknown), "{kind}");
        store.create_room(&room("r", 1), &member("a", 1)).expect("is new");
        for (until, stands) in [(5, 5), (3, 5), (9, 9)] {
            assert_eq!(store.void_invitations(&id, UnixMillis(until)), Ok(()), "{kind}");
            let room = store.room(&id).expect("read").expect("is there");
            assert_eq!(room.uninvited, UnixMillis(stands), "{kind}");
        }
    }
}

#[test]
fn a_room_that_nobody_comes_into_any_more_goes_with_the_sweeps() {
    let retention = Retention { unused_rooms: Duration::from_millis(100), ..Retention::default() };
    for (kind, mut store) in stores(retention) {
        let ids = ["r1", "r2", "r3"].map(|id| RoomId(id.into()));
        assert_eq!(store.use_room(&ids[0], UnixMillis(1)), Err(StoreError::Unknown), "{kind}");
        for id in &ids {
            store.create_room(&room(id.as_str(), 1), &member("a", 1)).expect("is new");
        }
        for (at, stands) in [(50, 50), (20, 50)] {
            assert_eq!(store.use_room(&ids[1], UnixMillis(at)), Ok(()), "{kind}");
            let room = store.room(&ids[1]).expect("read").expect("is there");
            assert_eq!(room.used, UnixMillis(stands), "{kind}");
        }
        assert_eq!(swept(&mut *store, DataClass::RoomChat, UnixMillis(100)), 0, "{kind}");
        assert_eq!(store.sweep(DataClass::RoomChat, UnixMillis(101), 1), Ok(1), "{kind}: step by step");
        assert!(swept(&mut *store, DataClass::RoomChat, UnixMillis(149)) > 0, "{kind}");
        let left = store.rooms_of(&UserId("a".into()), 9).expect("read");
        assert_eq!(left.iter().map(|(room, _)| &*room.id.0).collect::<Vec<_>>(), ["r2"], "{kind}");
        assert_eq!((store.room(&ids[0]), store.room(&ids[2])), (Ok(None), Ok(None)), "{kind}");
        store.create_room(&room("r1", 200), &member("a", 200)).expect("the name is free again");
        assert!(swept(&mut *store, DataClass::RoomChat, UnixMillis(150)) > 0, "{kind}");
        assert_eq!(store.room(&ids[1]), Ok(None), "{kind}");
    }
}
