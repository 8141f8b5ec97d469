use std::time::Duration;

use crate::store::DataClass;
use crate::store::MessageKind;
use crate::store::Place;
use crate::store::Retention;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::Upload;
use crate::store::UploadId;
use crate::store::UploadState;
use crate::store::Usage;
use crate::store::UserId;
use crate::store::tests::chat::message;
use crate::store::tests::chat::mid;
use crate::store::tests::room::member;
use crate::store::tests::room::room;
use crate::store::tests::session::ending;
use crate::store::tests::session::session;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(super) fn upload(id: &str, owner: &str, bytes: u64, at: u64) -> Upload {
    Upload {
        id: UploadId(id.into()),
        place: Place::Session(SessionId("s".into())),
        owner: UserId(owner.into()),
        kind: MessageKind::Image,
        name: "a cat.webp".into(),
        mime: "image/webp".into(),
        bytes,
        sha256: None,
        state: UploadState::Asked,
        at: UnixMillis(at),
    }
}

#[test]
fn an_upload_is_known_as_it_was_last_told() {
    for (kind, mut store) in stores(Retention::default()) {
        let asked = upload("f1", "a", 100, 1);
        store.put_upload(&asked).expect("stored");
        let here = Upload {
            bytes: 90,
            sha256: Some([7; 32]),
            state: UploadState::Complete,
            place: Place::Room(RoomId("r".into())),
            ..asked.clone()
        };
        store.put_upload(&upload("f2", "a", 5, 1)).expect("stored");
        store.put_upload(&upload("f3", "b", 1_000, 1)).expect("stored");
        let uploaded = |store: &dyn Store, owner: &str| {
            let usage = store.uploaded(Some(&UserId(owner.into()))).expect("read");
            (usage.files, usage.bytes)
        };
        assert_eq!(uploaded(&*store, "a"), (2, 105), "{kind}");
        assert_eq!(store.uploaded(None), Ok(Usage { files: 3, bytes: 1_105 }), "{kind}");
        store.put_upload(&here).expect("stored");
        assert_eq!(store.upload(&asked.id), Ok(Some(here)), "{kind}");
        assert_eq!(uploaded(&*store, "a"), (2, 95), "{kind}");
        assert_eq!(uploaded(&*store, "nobody"), (0, 0), "{kind}");
        store.remove_upload(&asked.id).expect("removed");
        store.remove_upload(&asked.id).expect("nothing to do");
        assert_eq!(store.upload(&asked.id), Ok(None), "{kind}");
    }
}

#[test]
fn what_was_asked_for_and_has_not_come_is_promised_and_then_overdue() {
    for (kind, mut store) in stores(Retention::default()) {
        for (id, owner, bytes, at) in [("late", "a", 1, 9), ("b", "a", 2, 2), ("a", "b", 4, 2), ("here", "a", 8, 1)] {
            store.put_upload(&upload(id, owner, bytes, at)).expect("stored");
        }
        let here = upload("here", "a", 8, 1);
        store.put_upload(&Upload { sha256: Some([7; 32]), state: UploadState::Complete, ..here }).expect("stored");
        assert_eq!(store.promised(None), Ok(Usage { files: 3, bytes: 7 }), "{kind}");
        assert_eq!(store.promised(Some(&UserId("a".into()))), Ok(Usage { files: 2, bytes: 3 }), "{kind}");
        let ids = |ids: &[&str]| Ok(ids.iter().map(|id| UploadId((*id).into())).collect::<Vec<_>>());
        assert_eq!(store.overdue(UnixMillis(9), 9), ids(&["a", "b"]), "{kind}");
        assert_eq!(store.overdue(UnixMillis(10), 2), ids(&["a", "b"]), "{kind}");
        assert_eq!(store.overdue(UnixMillis(2), 9), ids(&[]), "{kind}");
        store.abandon_upload(&UploadId("a".into())).expect("given up");
        assert_eq!(store.overdue(UnixMillis(9), 9), ids(&["b"]), "{kind}");
        assert_eq!(store.promised(None), Ok(Usage { files: 3, bytes: 7 }), "{kind}: until it is removed");
    }
}

#[test]
fn a_removed_room_gives_up_its_uploads_at_once() {
    let retention = Retention { unused_rooms: Duration::from_millis(100), ..Retention::default() };
    for (kind, mut store) in stores(retention) {
        for id in ["r1", "r2", "r3"] {
            store.create_room(&room(id, 1), &member("a", 1)).expect("is new");
            let place = Place::Room(RoomId(id.into()));
            for (name, state) in [("asked", UploadState::Asked), ("shown", UploadState::Complete)] {
                let name = format!("{name} in {id}");
                store.put_upload(&Upload { place: place.clone(), state, ..upload(&name, "a", 1, 1) }).expect("stored");
            }
            let mut message = message(&place, "x", 1);
            message.content.file = Some(UploadId(format!("shown in {id}").into()));
            store.append_message(&message).expect("stored");
        }
        // A session of that name is another place.
        let place = Place::Session(SessionId("r1".into()));
        store.put_upload(&Upload { place, ..upload("elsewhere", "a", 1, 1) }).expect("stored");
        assert_eq!(store.remove_room(&RoomId("r1".into())), Ok(true), "{kind}");
        let early = UnixMillis(0);
        let ids = |ids: &[&str]| Ok(ids.iter().map(|id| UploadId((*id).into())).collect::<Vec<_>>());
        assert_eq!(store.orphans(early, 9), ids(&["asked in r1", "shown in r1"]), "{kind}");
        for id in ["asked in r1", "shown in r1"].map(|id| UploadId(id.into())) {
            assert_eq!(store.abandon_upload(&id), Ok(true), "{kind}: it stays so");
            store.remove_upload(&id).expect("removed");
        }
        store.use_room(&RoomId("r3".into()), UnixMillis(150)).expect("is there");
        assert!(store.sweep(DataClass::RoomChat, UnixMillis(120), 1).expect("swept") > 0, "{kind}");
        assert_eq!(store.orphans(early, 9), ids(&["asked in r2", "shown in r2"]), "{kind}");
    }
}

#[test]
fn an_upload_that_no_message_shows_is_an_orphan() {
    for (kind, mut store) in stores(Retention { session_chat: Duration::from_millis(10), ..Retention::default() }) {
        store.start_session(&session("s", ["a", "b"], 0)).expect("starts");
        let place = Place::Session(SessionId("s".into()));
        for (id, at) in [("late", 9), ("c", 3), ("b", 2), ("a", 2)] {
            store.put_upload(&upload(id, "a", 1, at)).expect("stored");
        }
        for (number, file) in [(1, "a"), (2, "b"), (3, "b")] {
            let mut message = message(&place, "x", number);
            message.content.file = Some(UploadId(file.into()));
            store.append_message(&message).expect("stored");
        }
        let ids = |ids: &[&str]| Ok(ids.iter().map(|id| UploadId((*id).into())).collect::<Vec<_>>());
        let before = UnixMillis(9);
        assert_eq!(store.orphans(before, 9), ids(&["c"]), "{kind}");
        // Not old enough by itself.
        let early = UnixMillis(2);
        assert_eq!(store.orphans(early, 9), ids(&[]), "{kind}");
        store.delete_message(&place, mid(1), &message(&place, "x", 1).sender).expect("deleted");
        assert_eq!(store.orphans(early, 9), ids(&["a"]), "{kind}: its message is deleted");
        let state =
            |store: &dyn Store, id: &str| store.upload(&UploadId(id.into())).map(|found| found.map(|one| one.state));
        assert_eq!(state(&*store, "a"), Ok(Some(UploadState::Abandoned)), "{kind}");
        store.delete_message(&place, mid(2), &message(&place, "x", 2).sender).expect("deleted");
        assert_eq!(store.orphans(before, 9), ids(&["a", "c"]), "{kind}: b is shown once more");
        assert_eq!(store.orphans(before, 1), ids(&["a"]), "{kind}");
        assert_eq!(state(&*store, "b"), Ok(Some(UploadState::Asked)), "{kind}");
        assert_eq!(store.abandon_upload(&UploadId("b".into())), Ok(false), "{kind}: it is shown");
        assert_eq!(store.abandon_upload(&UploadId("nobody's".into())), Ok(false), "{kind}");
        assert_eq!(store.abandon_upload(&UploadId("late".into())), Ok(true), "{kind}");
        assert_eq!(store.abandon_upload(&UploadId("late".into())), Ok(true), "{kind}: it stays so");
        assert_eq!(store.orphans(UnixMillis(0), 9), ids(&["a", "late"]), "{kind}");
        store.remove_upload(&UploadId("late".into())).expect("removed");
        store.end_session(&SessionId("s".into()), &ending(20)).expect("runs");
        swept(&mut *store, DataClass::SessionChat, UnixMillis(30));
        assert_eq!(store.orphans(before, 9), ids(&["a", "b", "c"]), "{kind}");
    }
}
