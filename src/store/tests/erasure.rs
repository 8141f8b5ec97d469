use crate::store::Alias;
use crate::store::Alteration;
use crate::store::DataClass;
use crate::store::Erased;
use crate::store::Inherited;
use crate::store::Member;
use crate::store::MemberRole;
use crate::store::Place;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::Resumption;
use crate::store::Retention;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::Store;
use crate::store::UploadId;
use crate::store::UserId;
use crate::store::Window;
use crate::store::tests::account::account;
use crate::store::tests::chat::message;
use crate::store::tests::chat::mid;
use crate::store::tests::person::block;
use crate::store::tests::report::report;
use crate::store::tests::room::room;
use crate::store::tests::session::ending;
use crate::store::tests::session::session;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::store::tests::upload::upload;
use crate::time::UnixMillis;

fn user(name: &str) -> UserId {
    UserId(name.into())
}

fn member(name: &str, alias: &str, role: MemberRole, joined: u64) -> Member {
    Member { user: user(name), device: None, alias: Alias(alias.into()), role, joined: UnixMillis(joined) }
}

/// Erases as far as it takes, one row at a time; what others must hear of.
fn erased(store: &mut dyn Store, name: &str) -> Erased {
    for _ in 0..100 {
        let step = store.erase(&user(name), 1).expect("erased");
        if step.is_done {
            return step;
        }
        assert_eq!(step, Erased::default(), "what others hear of comes with the last step");
    }
    panic!("it does not end");
}

fn texts(store: &dyn Store, place: &Place) -> Vec<Option<String>> {
    let window = Window { limit: 100, ..Window::default() };
    let entries = store.history(place, window).expect("read").entries;
    entries.into_iter().map(|entry| entry.content.map(|content| content.text.to_string())).collect()
}

#[test]
fn whoever_is_erased_has_said_nothing_and_owns_nothing_and_the_others_keep_what_is_theirs() {
    for (kind, mut store) in stores(Retention::default()) {
        store.add_account(&account("a", "ann")).expect("stored");
        let call = Place::Session(SessionId("s".into()));
        store.start_session(&session("s", ["a", "b"], 1_000)).expect("starts");
        for (number, alias) in [(1, "a-in-s"), (2, "b-in-s"), (3, "a-in-s")] {
            store.append_message(&message(&call, alias, number)).expect("stored");
        }
        let mut shows = message(&call, "a-in-s", 4);
        shows.content.file = Some(UploadId("f".into()));
        store.put_upload(&upload("f", "a", 10, 1_000)).expect("stored");
        store.append_message(&shows).expect("stored");
        for by in ["a-in-s", "b-in-s"] {
            let (by, mid) = (Alias(by.into()), mid(2));
            let one = Reaction { place: call.clone(), mid, by: by.clone(), emoji: "tea".into(), remove: false };
            store.react(&one).expect("stored");
            store.put_receipt(&call, &by, Receipt { delivered_to: Some(mid), read_to: None }).expect("stored");
        }
        store.end_session(&SessionId("s".into()), &ending(5_000)).expect("runs");
        // A room of its own with two others, one where it is alone, and one that it has left.
        for (id, owner) in [("shared", "a"), ("alone", "a"), ("left", "b")] {
            let owner = member(owner, &format!("{owner}-in-{id}"), MemberRole::Owner, 1);
            store.create_room(&room(id, 1), &owner).expect("made");
        }
        let shared = RoomId("shared".into());
        for (name, role, joined) in
            [("b", MemberRole::Member, 2), ("c", MemberRole::Moderator, 4), ("d", MemberRole::Moderator, 3)]
        {
            store.put_member(&shared, &member(name, &format!("{name}-in-shared"), role, joined)).expect("stored");
        }
        let left = RoomId("left".into());
        store.put_member(&left, &member("a", "a-in-left", MemberRole::Member, 2)).expect("stored");
        let places = [shared.clone(), left.clone()].map(Place::Room);
        for (place, alias) in places.iter().zip(["a-in-shared", "a-in-left"]) {
            store.append_message(&message(place, alias, 1)).expect("stored");
            store.append_message(&message(place, "b-in-it", 2)).expect("stored");
        }
        assert_eq!(store.remove_member(&left, &user("a"), UnixMillis(9)), Ok(true), "{kind}");
        assert_eq!(store.rooms_left(&user("a"), 9), Ok(vec![(left, Alias("a-in-left".into()))]), "{kind}");
        store.add_block(&block("1", "a", "b", 5)).expect("stored");
        store.add_block(&block("2", "b", "a", 6)).expect("stored");
        store.add_report(&report("r", "s", "a", 7)).expect("stored");
        let resumption = Resumption { user: user("a"), token_hash: [1; 32], expires: None, details: "{}".into() };
        store.put_resumption(&resumption).expect("stored");

        assert_eq!(store.erasures(9), Ok(Vec::new()), "{kind}");
        assert_eq!(store.begin_erasure(&user("a"), UnixMillis(8_000)), Ok(true), "{kind}");
        assert_eq!(store.begin_erasure(&user("a"), UnixMillis(8_001)), Ok(false), "{kind}: it has begun");
        assert_eq!(store.erasures(9), Ok(vec![user("a")]), "{kind}");
        assert_eq!(store.account(&user("a")), Ok(None), "{kind}: at once");
        let told = erased(&mut *store, "a");
        let heir = member("d", "d-in-shared", MemberRole::Owner, 3);
        let mut rooms = told.rooms.clone();
        rooms.sort_by(|a, b| a.room.cmp(&b.room));
        let expected = [
            Inherited { room: RoomId("alone".into()), heir: None },
            Inherited { room: shared.clone(), heir: Some(heir.clone()) },
        ];
        assert_eq!(rooms, expected, "{kind}");
        assert_eq!(told.blocks, [block("1", "a", "b", 5)], "{kind}");
        assert_eq!(store.erasures(9), Ok(Vec::new()), "{kind}: nothing is left to do");

        let said = |text: &str| Some(text.to_owned());
        let of_b = texts(&*store, &call)[1].clone();
        assert!(of_b.is_some(), "{kind}");
        assert_eq!(texts(&*store, &call), [None, of_b, None, None], "{kind}");
        for place in &places {
            let texts = texts(&*store, place);
            assert!(texts[0].is_none() && texts[1] != said(""), "{kind}: {texts:?}");
            assert!(texts[1].is_some(), "{kind}");
        }
        let entries = store.history(&call, Window { limit: 9, ..Window::default() }).expect("read").entries;
        let by: Vec<&str> = entries[1].reactions.iter().map(|(by, _)| &*by.0).collect();
        assert_eq!(by, ["b-in-s"], "{kind}");
        let receipts: Vec<Alias> = store.receipts(&call).expect("read").into_iter().map(|(by, _)| by).collect();
        assert_eq!(receipts, [Alias("b-in-s".into())], "{kind}");
        assert_eq!(store.orphans(UnixMillis(0), 9), Ok(vec![UploadId("f".into())]), "{kind}: its bytes may go");
        assert_eq!(store.uploads_of(&user("a"), None, 9), Ok(Vec::new()), "{kind}");
        assert_eq!(store.rooms_of(&user("a"), 9), Ok(Vec::new()), "{kind}");
        assert_eq!(store.rooms_left(&user("a"), 9), Ok(Vec::new()), "{kind}");
        assert_eq!(store.member(&shared, &user("d")), Ok(Some(heir)), "{kind}");
        assert_eq!(store.room(&RoomId("alone".into())), Ok(None), "{kind}");
        assert_eq!(store.blocks(&user("a"), 9), Ok(Vec::new()), "{kind}");
        assert_eq!(store.blocks(&user("b"), 9), Ok(vec![block("2", "b", "a", 6)]), "{kind}: another's");
        let mut resumptions = Vec::new();
        store.each_resumption(&mut |one| resumptions.push(one)).expect("read");
        assert_eq!(resumptions, [], "{kind}");
        // What stays for its time: the record of the call for the other side, and what was reported.
        assert!(store.session(&SessionId("s".into())).expect("read").is_some(), "{kind}");
        assert_eq!(store.cases_by(&user("a"), 9).expect("read").len(), 1, "{kind}");
        assert!(store.withdrawn(&call, mid(1)).expect("read").is_some(), "{kind}: for a report, as long as the chat");
        store.add_account(&account("x", "ann")).expect("the name is free again");
    }
}

#[test]
fn the_revision_of_an_account_that_is_gone_is_no_others() {
    for (kind, mut store) in stores(Retention::default()) {
        for (id, name) in [("a", "ann"), ("b", "bob")] {
            store.add_account(&account(id, name)).expect("stored");
        }
        for _ in 0..3 {
            store.alter_account(&user("a"), &Alteration::Disabled(false)).expect("there");
        }
        store.begin_erasure(&user("a"), UnixMillis(1)).expect("stored");
        // Whoever has seen the third alteration would else miss this one.
        let altered = store.alter_account(&user("b"), &Alteration::Disabled(true)).expect("there");
        assert_eq!(altered.revision, 4, "{kind}");
    }
}

#[test]
fn a_person_is_shown_what_is_theirs_alone_and_calls_whether_logs_are_kept_or_not() {
    let nothing = Retention { logs: std::time::Duration::ZERO, ..Retention::default() };
    for (kind, mut store) in stores(nothing) {
        for (id, users) in [("s1", ["a", "b"]), ("s2", ["b", "c"]), ("s3", ["c", "a"])] {
            store.start_session(&session(id, users, 1_000)).expect("starts");
            store.end_session(&SessionId(id.into()), &ending(2_000)).expect("runs");
        }
        let names = |before: Option<&SessionPlace>| {
            let found = store.past_sessions(&user("a"), before, 9).expect("read");
            found.iter().map(|record| record.session.id.0.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["s3", "s1"], "{kind}");
        let last = SessionPlace { started: UnixMillis(1_000), id: SessionId("s3".into()) };
        assert_eq!(names(Some(&last)), ["s1"], "{kind}");
        for (id, owner) in [("f1", "a"), ("f2", "b"), ("f3", "a")] {
            store.put_upload(&upload(id, owner, 10, 1_000)).expect("stored");
        }
        let files = |after: Option<&str>| {
            let after = after.map(|after| UploadId(after.into()));
            let found = store.uploads_of(&user("a"), after.as_ref(), 9).expect("read");
            found.iter().map(|upload| upload.id.0.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((files(None), files(Some("f1"))), (vec!["f1".to_owned(), "f3".to_owned()], vec!["f3".to_owned()]));
        for (id, reporter, at) in [("1", "a", 5), ("2", "b", 6), ("3", "a", 7)] {
            store.add_report(&report(id, id, reporter, at)).expect("stored");
        }
        let ids =
            |cases: Vec<crate::store::Case>| cases.iter().map(|case| case.report.id.0.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(store.cases_by(&user("a"), 9).expect("read")), ["3", "1"], "{kind}");
        assert_eq!(ids(store.cases_about(&user("offender"), 2).expect("read")), ["3", "2"], "{kind}");
    }
}

#[test]
fn what_somebody_was_called_goes_with_what_they_said() {
    for (kind, mut store) in stores(Retention::default()) {
        let (id, day) = (RoomId("r".into()), 86_400_000);
        let place = Place::Room(id.clone());
        store.create_room(&room("r", 90 * day), &member("b", "b", MemberRole::Owner, 1)).expect("made");
        for name in ["a", "silent"] {
            store.put_member(&id, &member(name, name, MemberRole::Member, 2)).expect("stored");
        }
        let mut said = message(&place, "a", 1);
        said.at = UnixMillis(1_000);
        store.append_message(&said).expect("stored");
        for name in ["a", "silent"] {
            store.remove_member(&id, &user(name), UnixMillis(1_000)).expect("removed");
        }
        assert_eq!(store.rooms_left(&user("silent"), 9), Ok(Vec::new()), "{kind}: it has left nothing");
        assert_eq!(store.rooms_left(&user("a"), 9).map(|left| left.len()), Ok(1), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::RoomChat, UnixMillis(90 * day + 1_000)), 2, "{kind}");
        assert_eq!(store.rooms_left(&user("a"), 9), Ok(Vec::new()), "{kind}");
        assert_eq!(texts(&*store, &place), [], "{kind}");
    }
}
