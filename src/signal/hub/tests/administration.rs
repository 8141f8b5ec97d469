//! What admins see of live calls and of accounts, and what they do to them.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::signal::AccountChanges;
use crate::signal::AccountSearch;
use crate::signal::EndReason;
use crate::signal::ModerationAsk;
use crate::signal::room_ask::RoomAsk;
use crate::store::Account;
use crate::store::AccountRole;
use crate::store::UserId;

const SECOND: Duration = Duration::from_secs(1);

fn subject(user: &str, role: Role) -> Subject {
    Subject { user: user.into(), role, guest: false, device: None, age_band: None }
}

/// What somebody of that role is told, or the code of the refusal.
fn asked_as(hub: &mut Fixture, role: Role, ask: ModerationAsk) -> Result<Value, String> {
    let (answer, answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_moderation(&subject("u_ada", role), ask, answer, hub.now);
    hub.pump();
    let outcome: Result<Value, crate::signal::Refusal> = answered.try_recv().expect("an answer");
    outcome.map_err(|refusal| refusal.code.as_str().into())
}

fn asked(hub: &mut Fixture, ask: ModerationAsk) -> Result<Value, String> {
    asked_as(hub, Role::Admin, ask)
}

fn calls(after: Option<&str>, limit: usize) -> ModerationAsk {
    ModerationAsk::Calls { after: after.map(str::to_owned), limit: Some(limit) }
}

fn end(session: &str) -> ModerationAsk {
    ModerationAsk::EndCall { session: session.into(), reason: Some("a test".into()) }
}

fn search(search: AccountSearch) -> ModerationAsk {
    ModerationAsk::Accounts { search, limit: Some(2) }
}

fn alter(user: &str, role: Option<&str>, disabled: Option<bool>) -> ModerationAsk {
    let changes = AccountChanges { role: role.map(str::to_owned), disabled };
    ModerationAsk::AlterAccount { user: user.into(), changes }
}

fn actions(hub: &Fixture) -> Vec<(String, String)> {
    let deeds = hub.store.deeds(None, 50).expect("a store");
    deeds.into_iter().map(|(_, deed)| (deed.action.to_string(), deed.subject.to_string())).collect()
}

fn add_account(hub: &mut Fixture, user: &str, name: &str, role: AccountRole) {
    let account = Account {
        id: UserId(user.into()),
        name: name.to_lowercase().into(),
        display_name: name.into(),
        password: "a hash that nobody is shown".into(),
        role,
        is_disabled: false,
        created: START,
        revision: 0,
    };
    hub.store.add_account(&account).expect("stored");
}

fn names(page: &Value) -> Vec<&str> {
    page["users"].as_array().expect("a list").iter().map(|one| one["username"].as_str().expect("a name")).collect()
}

#[test]
fn only_admins_see_and_do_what_concerns_the_whole_node() {
    let mut hub = Fixture::new();
    let done = ModerationAsk::Done { action: "node.drain", subject: "node".into(), details: json!({}) };
    for ask in [
        calls(None, 1),
        ModerationAsk::Waiting { after: None, limit: None },
        end("s"),
        ModerationAsk::OpenRooms { after: None, limit: None },
        ModerationAsk::ClearRoom { room: "r".into(), reason: None },
        search(AccountSearch::default()),
        alter("u", Some("user"), None),
        done,
    ] {
        for role in [Role::User, Role::Moderator] {
            assert_eq!(asked_as(&mut hub, role, ask.clone()), Err("forbidden".into()), "{ask:?}");
        }
    }
    assert_eq!(actions(&hub), []);
}

#[test]
fn a_live_call_is_shown_with_both_sides_and_what_they_reported() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let state =
        json!({"session": session, "state": "connected", "path": "relay", "relay_protocol": "tls", "setup_ms": 700});
    hub.ask(a, "rtc.state", state).expect("is taken");
    let quality = json!({"session": session, "score": 81, "rtt_ms": 40, "loss": 0.01});
    hub.ask(a, "rtc.quality", quality).expect("is taken");
    hub.lose(b);
    let page = asked(&mut hub, calls(None, 10)).expect("may");
    assert_eq!((&page["total"], &page["next"]), (&json!(1), &Value::Null));
    let call = &page["sessions"][0];
    assert_eq!((&call["session"], &call["started_at"]), (&json!(session), &json!(START)));
    assert_eq!(call["deadline"], START.0 + 300_000);
    let sides = call["sides"].as_array().expect("two");
    let reports = |side: &&Value| side["state"] == "connected";
    let side = sides.iter().find(reports).expect("one has reported");
    assert_eq!(
        (&side["presence"], &side["path"], &side["setup_ms"]),
        (&json!("online"), &json!("relay_tls"), &json!(700))
    );
    assert_eq!(side["quality"], json!({"score": 81.0, "rtt_ms": 40.0, "loss": 0.01}));
    let other = sides.iter().find(|side| !reports(side)).expect("one has not");
    assert_eq!((&other["presence"], &other["quality"], &other["path"]), (&json!("lost"), &Value::Null, &Value::Null));
}

#[test]
fn calls_are_read_page_by_page_the_newest_first() {
    let mut hub = Fixture::new();
    let mut begun = Vec::new();
    for _ in 0..5 {
        let (.., session, _) = hub.pair();
        begun.push(session);
        hub.advance(SECOND);
    }
    begun.reverse();
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = asked(&mut hub, calls(after.as_deref(), 2)).expect("may");
        for call in page["sessions"].as_array().expect("a list") {
            seen.push(call["session"].as_str().expect("a name").to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = Some(next.to_owned());
    }
    assert_eq!(seen, begun);
    for bad in [calls(Some("x"), 2), calls(None, 0), calls(None, 101)] {
        assert_eq!(asked(&mut hub, bad.clone()), Err("bad_request".into()), "{bad:?}");
    }
}

#[test]
fn a_call_that_an_admin_ends_is_over_for_both_and_for_the_relay_and_stands_in_the_audit() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    assert_eq!(asked(&mut hub, end("none")), Err("not_found".into()));
    let long = ModerationAsk::EndCall { session: session.clone(), reason: Some("x".repeat(501)) };
    assert_eq!(asked(&mut hub, long), Err("too_large".into()));
    assert_eq!(asked(&mut hub, end(&session)), Ok(json!({})));
    for side in [a, b] {
        assert_eq!(hub.take_one(side, "session.ended")["data"]["reason"], "moderation");
    }
    assert_eq!(hub.ended.first().map(|ended| ended.reason), Some(EndReason::Moderation));
    assert_eq!(asked(&mut hub, end(&session)), Err("not_found".into()));
    assert_eq!(actions(&hub), [("session.end".into(), session)]);
    let deeds = hub.store.deeds(None, 1).expect("a store");
    assert!(deeds[0].1.details.contains("a test"), "{deeds:?}");
}

#[test]
fn a_call_is_ended_even_if_the_audit_cannot_be_written() {
    let mut hub = Fixture::new();
    let (.., session, _) = hub.pair();
    hub.store_is_full = true;
    assert_eq!(asked(&mut hub, end(&session)), Err("unavailable".into()));
    assert_eq!(hub.ended.len(), 1);
}

#[test]
fn rooms_are_shown_with_who_is_in_them_and_cleared() {
    let mut hub = Fixture::new();
    let open = |after: Option<&str>| ModerationAsk::OpenRooms { after: after.map(str::to_owned), limit: Some(2) };
    let clear = |room: &str| ModerationAsk::ClearRoom { room: room.into(), reason: None };
    assert_eq!(asked(&mut hub, open(None)), Ok(json!({"rooms": [], "next": null, "total": 0})));
    let ann = hub.user("ann");
    let mut rooms = Vec::new();
    for name in ["one", "two", "three"] {
        let made = hub.rest("ann", RoomAsk::Create { name: name.into() }).expect("is made");
        let room = made["id"].as_str().expect("a name").to_owned();
        let media = json!({"audio": true, "video": false});
        hub.ask(ann, "room.join", json!({"room": room, "media": media})).expect("comes in");
        rooms.push(room);
    }
    rooms.sort_unstable();
    let first = asked(&mut hub, open(None)).expect("may");
    let second = asked(&mut hub, open(first["next"].as_str())).expect("may");
    let seen: Vec<&Value> =
        [&first, &second].into_iter().flat_map(|page| page["rooms"].as_array().expect("a list")).collect();
    assert_eq!(seen.iter().map(|room| room["room"].as_str().expect("a name")).collect::<Vec<_>>(), rooms);
    assert_eq!((&first["total"], &second["next"]), (&json!(3), &Value::Null));
    let person = &seen[0]["people"][0];
    assert_eq!((&person["presence"], &person["media"]["audio"]), (&json!("online"), &json!(true)), "{person}");
    assert_eq!(seen[0]["group"], Value::Null);

    hub.take(ann);
    assert_eq!(asked(&mut hub, clear(&rooms[0])), Ok(json!({})));
    let left = hub.take_one(ann, "peer.left");
    assert_eq!((&left["data"]["room"], &left["data"]["reason"]), (&json!(rooms[0]), &json!("kicked")));
    assert!(!hub.revoked.is_empty(), "the relay lets go");
    assert_eq!(asked(&mut hub, clear(&rooms[0])), Err("not_found".into()));
    assert_eq!(actions(&hub), [("room.clear".to_owned(), rooms[0].clone())]);
}

#[test]
fn those_who_wait_are_shown_page_by_page_who_came_first_first() {
    let mut hub = Fixture::new();
    let waiting = |after: Option<u64>| ModerationAsk::Waiting { after, limit: Some(2) };
    assert_eq!(asked(&mut hub, waiting(None)), Ok(json!({"waiting": [], "next": null, "total": 0})));
    let mut people = Vec::new();
    for name in ["ann", "bob", "cat"] {
        let person = hub.user(name);
        hub.ask(person, "queue.join", json!({"tags": [name], "languages": ["en"], "region": "eu"})).expect("waits");
        people.push(person);
        hub.advance(SECOND);
    }
    hub.lose(people[1]);
    let first = asked(&mut hub, waiting(None)).expect("may");
    let [ann, bob] = first["waiting"].as_array().expect("a list").as_slice() else { panic!("{first}") };
    assert!(ann["user"].as_str().is_some_and(|user| user.ends_with("ann")), "{ann}");
    assert_eq!((&ann["since"], &ann["state"], &ann["level"]), (&json!(START), &json!("searching"), &json!(0)));
    assert_eq!((&ann["tags"], &ann["languages"], &ann["region"]), (&json!(["ann"]), &json!(["en"]), &json!("eu")));
    assert_eq!((&ann["mode"], &ann["size"]), (&json!("video"), &json!(2)));
    assert_eq!((&ann["lost"], &bob["lost"], &first["total"]), (&json!(false), &json!(true), &json!(3)));
    let second = asked(&mut hub, waiting(first["next"].as_u64())).expect("may");
    assert_eq!((second["waiting"].as_array().map(Vec::len), &second["next"]), (Some(1), &Value::Null));
}

#[test]
fn accounts_are_found_by_name_id_role_and_state_page_by_page() {
    let mut hub = Fixture::new();
    for (user, name, role) in [
        ("u_1", "Ann", AccountRole::User),
        ("u_2", "Joanna", AccountRole::Moderator),
        ("u_3", "bob", AccountRole::User),
        ("u_4", "Hannes", AccountRole::Admin),
    ] {
        add_account(&mut hub, user, name, role);
    }
    let first = asked(&mut hub, search(AccountSearch::default())).expect("may");
    assert_eq!(names(&first), ["Ann", "bob"]);
    assert!(!first.to_string().contains("hash"), "{first}");
    let after = first["next"].as_str().map(str::to_owned);
    let second = asked(&mut hub, search(AccountSearch { after, ..AccountSearch::default() })).expect("may");
    assert_eq!((names(&second), &second["next"]), (vec!["Hannes", "Joanna"], &Value::Null));
    let text = |text: &str| AccountSearch { text: Some(text.into()), ..AccountSearch::default() };
    let role = |role: &str| AccountSearch { role: Some(role.into()), ..AccountSearch::default() };
    assert_eq!(names(&asked(&mut hub, search(text("ANN"))).expect("may")), ["Ann", "Hannes"]);
    assert_eq!(names(&asked(&mut hub, search(text("u_3"))).expect("may")), ["bob"]);
    assert_eq!(names(&asked(&mut hub, search(role("moderator"))).expect("may")), ["Joanna"]);
    assert_eq!(asked(&mut hub, search(role("king"))), Err("bad_request".into()));
    let disabled = AccountSearch { disabled: Some(true), ..AccountSearch::default() };
    assert!(names(&asked(&mut hub, search(disabled)).expect("may")).is_empty());
}

#[test]
fn an_account_is_altered_at_once_and_each_alteration_stands_in_the_audit() {
    let mut hub = Fixture::new();
    add_account(&mut hub, "u_1", "Ann", AccountRole::User);
    add_account(&mut hub, "u_ada", "Ada", AccountRole::Admin);
    let altered = asked(&mut hub, alter("u_1", Some("moderator"), Some(true))).expect("may");
    assert_eq!((&altered["role"], &altered["disabled"]), (&json!("moderator"), &json!(true)));
    let account = hub.store.account(&UserId("u_1".into())).expect("a store").expect("there");
    assert_eq!((account.role, account.is_disabled), (AccountRole::Moderator, true));
    let expected = [("account.disable", "u_1"), ("account.role", "u_1")];
    assert_eq!(actions(&hub), expected.map(|(action, user)| (action.to_owned(), user.to_owned())));
    for (ask, code) in [
        (alter("u_9", Some("user"), None), "not_found"),
        (alter("u_1", None, None), "bad_request"),
        (alter("u_1", Some("king"), None), "bad_request"),
        (alter("u_ada", None, Some(true)), "conflict"),
    ] {
        assert_eq!(asked(&mut hub, ask.clone()), Err(code.into()), "{ask:?}");
    }
    assert_eq!(actions(&hub).len(), 2, "what is refused is no deed");
}
