use std::time::Duration;

use uuid::Uuid;

use crate::store::Alias;
use crate::store::Appended;
use crate::store::ClientMessageId;
use crate::store::Content;
use crate::store::DataClass;
use crate::store::Deleted;
use crate::store::Message;
use crate::store::MessageId;
use crate::store::MessageKind;
use crate::store::Page;
use crate::store::Place;
use crate::store::REACTIONS_MAX;
use crate::store::Reacted;
use crate::store::Reaction;
use crate::store::Receipt;
use crate::store::Retention;
use crate::store::RoomId;
use crate::store::SessionId;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UploadId;
use crate::store::Window;
use crate::store::tests::room::member;
use crate::store::tests::room::room;
use crate::store::tests::session::ending;
use crate::store::tests::session::session;
use crate::store::tests::stores;
use crate::store::tests::swept;
use crate::time::UnixMillis;

pub(in crate::store) fn mid(number: u128) -> MessageId {
    MessageId(Uuid::from_u128(number))
}

/// What `sender` says as the message of that number, at the moment of that number.
pub(in crate::store) fn message(place: &Place, sender: &str, number: u64) -> Message {
    Message {
        place: place.clone(),
        mid: mid(number.into()),
        sender: Alias(sender.into()),
        cid: ClientMessageId(Uuid::from_u128(u128::from(number) << 64)),
        at: UnixMillis(number),
        content: Content {
            kind: MessageKind::Text,
            text: format!("text {number}").into(),
            file: None,
            reply_to: (number > 1).then(|| mid(u128::from(number) - 1)),
        },
    }
}

/// Session `s` and room `r`.
fn places(store: &mut dyn Store) -> [Place; 2] {
    store.start_session(&session("s", ["a", "b"], 0)).expect("starts");
    store.create_room(&room("r", 1), &member("a", 0)).expect("is new");
    [Place::Session(SessionId("s".into())), Place::Room(RoomId("r".into()))]
}

fn page(
    store: &dyn Store,
    place: &Place,
    before: Option<u128>,
    after: Option<u128>,
    limit: usize,
) -> (Vec<u128>, bool) {
    let window = Window { before: before.map(mid), after: after.map(mid), limit };
    let Page { entries, more } = store.history(place, window).expect("read");
    (entries.iter().map(|entry| entry.mid.0.as_u128()).collect(), more)
}

fn alias(name: &str) -> Alias {
    Alias(name.into())
}

#[test]
fn rule_36_a_repeated_cid_gets_the_name_it_got_at_first() {
    for (kind, mut store) in stores(Retention::default()) {
        for place in places(&mut *store) {
            let first = message(&place, "x", 1);
            assert_eq!(store.append_message(&first), Ok(Appended::New), "{kind}");
            let again = Message { mid: mid(2), at: UnixMillis(2), ..first.clone() };
            let repeated = Appended::Repeated { mid: mid(1), at: UnixMillis(1) };
            assert_eq!(store.append_message(&again), Ok(repeated), "{kind}");
            let of_another = Message { mid: mid(3), sender: alias("y"), ..first.clone() };
            assert_eq!(store.append_message(&of_another), Ok(Appended::New), "{kind}");
            let same_mid = Message { cid: ClientMessageId(Uuid::from_u128(7)), ..first };
            assert_eq!(store.append_message(&same_mid), Err(StoreError::Taken), "{kind}");
            assert_eq!(page(&*store, &place, None, None, 9), (vec![1, 3], false), "{kind}");
            assert_eq!(store.last_message(&place), Ok(Some(mid(3))), "{kind}");
        }
    }
}

#[test]
fn nobody_writes_where_there_is_nothing() {
    for (kind, mut store) in stores(Retention::default()) {
        let [session, room] = places(&mut *store);
        // The same name, but not a place of that kind.
        for place in [Place::Room(RoomId("s".into())), Place::Session(SessionId("r".into()))] {
            assert_eq!(store.append_message(&message(&place, "x", 1)), Err(StoreError::Unknown), "{kind}");
            assert_eq!(store.put_receipt(&place, &alias("x"), Receipt::default()), Err(StoreError::Unknown), "{kind}");
            assert_eq!(store.history(&place, Window { limit: 9, ..Window::default() }), Ok(Page::default()), "{kind}");
            assert_eq!(store.receipts(&place), Ok(Vec::new()), "{kind}");
            assert_eq!(store.delete_message(&place, mid(1), &alias("x")), Ok(Deleted::Missing), "{kind}");
        }
        assert_eq!(store.last_message(&session), Ok(None), "{kind}");
        assert_eq!(store.last_message(&room), Ok(None), "{kind}");
    }
}

#[test]
fn rule_37_a_page_ends_with_the_newest_or_begins_after_a_message() {
    for (kind, mut store) in stores(Retention::default()) {
        for place in places(&mut *store) {
            for number in 1..=5 {
                store.append_message(&message(&place, "x", number)).expect("stored");
            }
            let page = |before, after, limit| page(&*store, &place, before, after, limit);
            assert_eq!(page(None, None, 2), (vec![4, 5], true), "{kind}");
            assert_eq!(page(Some(4), None, 2), (vec![2, 3], true), "{kind}");
            assert_eq!(page(Some(2), None, 2), (vec![1], false), "{kind}");
            assert_eq!(page(Some(1), None, 2), (vec![], false), "{kind}");
            assert_eq!(page(None, Some(1), 2), (vec![2, 3], true), "{kind}");
            assert_eq!(page(None, Some(3), 2), (vec![4, 5], false), "{kind}");
            assert_eq!(page(Some(4), Some(1), 9), (vec![2, 3], false), "{kind}");
            assert_eq!(page(Some(5), Some(1), 2), (vec![2, 3], true), "{kind}");
            for (before, after) in [(3, 3), (2, 3), (3, 2), (1, 5)] {
                assert_eq!(page(Some(before), Some(after), 9), (vec![], false), "{kind}");
            }
            assert_eq!(page(None, None, 0), (vec![], true), "{kind}");
        }
    }
}

#[test]
fn history_tells_what_was_said() {
    for (kind, mut store) in stores(Retention::default()) {
        let [place, _] = places(&mut *store);
        let mut sent = message(&place, "x", 2);
        sent.content.kind = MessageKind::Voice;
        sent.content.file = Some(UploadId("f1".into()));
        sent.content.text = "".into();
        store.append_message(&sent).expect("stored");
        let page = store.history(&place, Window { limit: 1, ..Window::default() }).expect("read");
        let entry = &page.entries[0];
        assert_eq!((entry.mid, &entry.sender, entry.at), (sent.mid, &sent.sender, sent.at), "{kind}");
        assert_eq!(entry.content.as_ref(), Some(&sent.content), "{kind}");
    }
}

#[test]
fn a_deleted_message_keeps_its_place_and_says_nothing() {
    for (kind, mut store) in stores(Retention::default()) {
        for place in places(&mut *store) {
            store.append_message(&message(&place, "x", 1)).expect("stored");
            store.append_message(&message(&place, "x", 2)).expect("stored");
            let like =
                Reaction { place: place.clone(), mid: mid(1), by: alias("y"), emoji: "👍".into(), remove: false };
            assert_eq!(store.react(&like), Ok(Reacted::Changed), "{kind}");
            assert_eq!(store.delete_message(&place, mid(1), &alias("y")), Ok(Deleted::Anothers), "{kind}");
            assert_eq!(store.delete_message(&place, mid(9), &alias("x")), Ok(Deleted::Missing), "{kind}");
            assert_eq!(store.delete_message(&place, mid(1), &alias("x")), Ok(Deleted::Now), "{kind}");
            assert_eq!(store.delete_message(&place, mid(1), &alias("x")), Ok(Deleted::Before), "{kind}");
            assert_eq!(store.react(&like), Ok(Reacted::Missing), "{kind}");
            let page = store.history(&place, Window { limit: 9, ..Window::default() }).expect("read");
            assert_eq!(page.entries.len(), 2, "{kind}");
            assert_eq!((&page.entries[0].content, &page.entries[0].reactions), (&None, &Vec::new()), "{kind}");
            let said = matches!(place, Place::Session(_)).then(|| message(&place, "x", 1).content.text);
            assert_eq!(store.withdrawn(&place, mid(1)), Ok(said), "{kind}: for reports, which rooms have not");
            assert_eq!(store.withdrawn(&place, mid(2)), Ok(None), "{kind}");
            let again = Message { mid: mid(3), ..message(&place, "x", 1) };
            let repeated = Appended::Repeated { mid: mid(1), at: UnixMillis(1) };
            assert_eq!(store.append_message(&again), Ok(repeated), "{kind}: it is not sent anew");
        }
    }
}

#[test]
fn a_reaction_counts_once_and_can_be_taken_back() {
    for (kind, mut store) in stores(Retention::default()) {
        for place in places(&mut *store) {
            store.append_message(&message(&place, "x", 1)).expect("stored");
            let react = |store: &mut dyn Store, by: &str, emoji: &str, remove| {
                let (place, by) = (place.clone(), alias(by));
                store.react(&Reaction { place, mid: mid(1), by, emoji: emoji.into(), remove }).expect("no accident")
            };
            let store = &mut *store;
            assert_eq!(react(store, "y", "👍", false), Reacted::Changed, "{kind}");
            assert_eq!(react(store, "y", "👍", false), Reacted::Same, "{kind}");
            assert_eq!(react(store, "y", "🎉", false), Reacted::Changed, "{kind}");
            assert_eq!(react(store, "x", "👍", false), Reacted::Changed, "{kind}");
            assert_eq!(react(store, "x", "🎉", true), Reacted::Same, "{kind}");
            assert_eq!(react(store, "y", "👍", true), Reacted::Changed, "{kind}");
            let shown = store.history(&place, Window { limit: 1, ..Window::default() }).expect("read");
            let expected = [(alias("x"), "👍".into()), (alias("y"), "🎉".into())];
            assert_eq!(shown.entries[0].reactions, expected, "{kind}");
            for number in 2..REACTIONS_MAX {
                assert_eq!(react(store, "z", &number.to_string(), false), Reacted::Changed, "{kind}");
            }
            assert_eq!(react(store, "z", "one more", false), Reacted::TooMany, "{kind}");
            assert_eq!(react(store, "x", "👍", true), Reacted::Changed, "{kind}");
            assert_eq!(react(store, "z", "one more", false), Reacted::Changed, "{kind}");
        }
    }
}

#[test]
fn rule_37_receipts_never_go_back() {
    for (kind, mut store) in stores(Retention::default()) {
        for place in places(&mut *store) {
            let receipt = |delivered: u128, read: u128| Receipt {
                delivered_to: (delivered > 0).then(|| mid(delivered)),
                read_to: (read > 0).then(|| mid(read)),
            };
            let put =
                |store: &mut dyn Store, by: &str, put| store.put_receipt(&place, &alias(by), put).expect("stored");
            let store = &mut *store;
            assert_eq!(put(store, "x", receipt(5, 0)), receipt(5, 0), "{kind}");
            assert_eq!(put(store, "x", receipt(3, 2)), receipt(5, 2), "{kind}");
            assert_eq!(put(store, "x", receipt(0, 1)), receipt(5, 2), "{kind}");
            assert_eq!(put(store, "x", receipt(0x100, 0)), receipt(0x100, 2), "{kind}");
            assert_eq!(put(store, "w", receipt(0, 4)), receipt(0, 4), "{kind}");
            let all = [(alias("w"), receipt(0, 4)), (alias("x"), receipt(0x100, 2))];
            assert_eq!(store.receipts(&place), Ok(all.into()), "{kind}");
        }
    }
}

#[test]
fn chat_that_is_not_kept_is_never_stored() {
    let nothing = Retention { session_chat: Duration::ZERO, room_chat: Duration::ZERO, ..Retention::default() };
    for (kind, mut store) in stores(nothing) {
        for place in places(&mut *store) {
            for _ in 0..2 {
                assert_eq!(store.append_message(&message(&place, "x", 1)), Ok(Appended::New), "{kind}");
            }
            let receipt = Receipt { delivered_to: Some(mid(1)), read_to: None };
            assert_eq!(store.put_receipt(&place, &alias("y"), receipt), Ok(receipt), "{kind}");
            assert_eq!(store.receipts(&place), Ok(Vec::new()), "{kind}");
            assert_eq!(page(&*store, &place, None, None, 9), (vec![], false), "{kind}");
        }
    }
}

#[test]
fn the_chat_of_a_session_goes_a_while_after_its_end() {
    for (kind, mut store) in stores(Retention { session_chat: Duration::from_millis(100), ..Retention::default() }) {
        let [place, room] = places(&mut *store);
        for number in 1..=3 {
            store.append_message(&message(&place, "x", number)).expect("stored");
            store.append_message(&message(&room, "x", number)).expect("stored");
        }
        store.put_receipt(&place, &alias("x"), Receipt::default()).expect("stored");
        assert_eq!(swept(&mut *store, DataClass::SessionChat, UnixMillis(u64::MAX)), 0, "{kind}: it runs");
        store.end_session(&SessionId("s".into()), &ending(1_000)).expect("runs");
        assert_eq!(swept(&mut *store, DataClass::SessionChat, UnixMillis(1_099)), 0, "{kind}");
        assert_eq!(store.sweep(DataClass::SessionChat, UnixMillis(1_100), 2), Ok(2), "{kind}");
        assert_eq!(page(&*store, &place, None, None, 9).0.len(), 1, "{kind}: step by step");
        assert!(swept(&mut *store, DataClass::SessionChat, UnixMillis(1_100)) > 0, "{kind}");
        assert_eq!(page(&*store, &place, None, None, 9), (vec![], false), "{kind}");
        assert_eq!(store.receipts(&place), Ok(Vec::new()), "{kind}");
        assert_eq!(page(&*store, &room, None, None, 9).0.len(), 3, "{kind}");
    }
}

#[test]
fn the_chat_of_a_room_goes_message_by_message() {
    for (kind, mut store) in stores(Retention { room_chat: Duration::from_millis(100), ..Retention::default() }) {
        let [session, room] = places(&mut *store);
        for number in 1..=5 {
            store.append_message(&message(&room, "x", number)).expect("stored");
            store.append_message(&message(&session, "x", number)).expect("stored");
        }
        assert_eq!(store.sweep(DataClass::RoomChat, UnixMillis(103), 2), Ok(2), "{kind}");
        assert_eq!(swept(&mut *store, DataClass::RoomChat, UnixMillis(103)), 1, "{kind}");
        assert_eq!(page(&*store, &room, None, None, 9), (vec![4, 5], false), "{kind}");
        assert_eq!(page(&*store, &session, None, None, 9).0.len(), 5, "{kind}");
        assert_eq!(store.append_message(&message(&room, "x", 1)), Ok(Appended::New), "{kind}: its cid is forgotten");
    }
}

#[test]
fn a_removed_room_is_closed_at_once_and_its_chat_swept() {
    for (kind, mut store) in stores(Retention::default()) {
        let [_, place] = places(&mut *store);
        for number in 1..=3 {
            store.append_message(&message(&place, "x", number)).expect("stored");
        }
        let id = RoomId("r".into());
        assert_eq!(store.remove_room(&id), Ok(true), "{kind}");
        assert_eq!(page(&*store, &place, None, None, 9), (vec![], false), "{kind}");
        assert_eq!(store.append_message(&message(&place, "x", 4)), Err(StoreError::Unknown), "{kind}");
        assert_eq!(store.create_room(&room("r", 0), &member("a", 0)), Err(StoreError::Taken), "{kind}");
        assert!(swept(&mut *store, DataClass::RoomChat, UnixMillis(0)) >= 3, "{kind}");
        store.create_room(&room("r", 0), &member("a", 0)).expect("the name is free again");
        assert_eq!(page(&*store, &place, None, None, 9), (vec![], false), "{kind}");
    }
}
