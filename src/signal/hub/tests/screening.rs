//! What the operator's rules make of what people say: in calls and rooms, of names and tags.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use super::rooms::data_of;
use super::rooms::party;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::filter::Action;
use crate::filter::Filter;
use crate::filter::Rule;
use crate::filter::Saying;
use crate::filter::Screen;
use crate::signal::ModerationAsk;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::DecisionRequest;
use crate::signal::room_ask::RoomAsk;
use crate::signal::settings::Automatic;
use crate::signal::settings::Settings;

const MINUTE: Duration = Duration::from_secs(60);

fn rule(word: &str, action: Action) -> Rule {
    Rule {
        id: format!("no-{word}").into(),
        words: vec![word.into()],
        whole_words: true,
        pattern: None,
        action,
        kinds: Saying::ALL.to_vec(),
    }
}

fn screened() -> Settings {
    let rules = vec![
        rule("fie", Action::Flag),
        rule("damn", Action::Mask),
        rule("cheat", Action::Refuse),
        rule("spam", Action::Mute(10 * MINUTE)),
    ];
    let screen = Screen::new(Arc::new(Filter::new(rules).expect("good rules")));
    Settings { screen: Arc::new(screen), automatic: Automatic { reports: 1, window: 60 * MINUTE }, ..settings() }
}

fn cid(number: u32) -> String {
    format!("0d4b5a70-3a5f-4a71-9d5c-{number:012x}")
}

fn words(place: &str, id: &str, number: u32, text: &str) -> Value {
    json!({place: id, "cid": cid(number), "kind": "text", "text": text})
}

fn asked(hub: &mut Fixture, role: Role, ask: ModerationAsk) -> Value {
    let by = Subject { user: "shop:mo".into(), role, guest: false, device: None, age_band: None };
    let (answer, answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_moderation(&by, ask, answer, hub.now);
    hub.pump();
    answered.try_recv().expect("an answer").expect("may")
}

fn reports(hub: &mut Fixture) -> Vec<Value> {
    let page = asked(hub, Role::Moderator, ModerationAsk::Reports { state: None, after: None, limit: None });
    page["reports"].as_array().expect("a list").clone()
}

fn whole(hub: &mut Fixture, report: &Value) -> Value {
    let report = report["report"].as_str().expect("a name").to_owned();
    asked(hub, Role::Moderator, ModerationAsk::Report { report })
}

fn events(hub: &Fixture, kind: &str) -> Vec<Value> {
    let events = hub.store.events(Default::default(), 1000).expect("read");
    let of_kind = events.into_iter().filter(|(_, event)| &*event.kind == kind);
    of_kind.map(|(_, event)| serde_json::from_str(&event.data).expect("JSON")).collect()
}

fn texts(hub: &mut Fixture, who: ConnectionId) -> Vec<Value> {
    data_of(hub, who, "chat.message").into_iter().map(|message| message["text"].clone()).collect()
}

#[test]
fn what_is_masked_is_heard_and_kept_with_asterisks_alone() {
    let mut hub = Fixture::with(screened());
    let (a, b, session, _) = hub.pair();
    let sent = hub.ask(a, "chat.send", words("session", &session, 1, "DAMN it")).expect("goes out");
    assert_eq!(hub.ask(a, "chat.send", words("session", &session, 1, "DAMN it")).expect("is repeated"), sent);
    assert_eq!(texts(&mut hub, b), ["**** it"]);
    let history = hub.ask(b, "chat.history", json!({"session": session})).expect("is there");
    assert_eq!(history["messages"][0]["text"], "**** it");
}

#[test]
fn what_is_refused_goes_nowhere_and_its_author_may_say_something_else_under_the_same_cid() {
    let mut hub = Fixture::with(screened());
    let (a, b, session, _) = hub.pair();
    assert_eq!(hub.ask(a, "chat.send", words("session", &session, 1, "ch\u{200b}eat")), Err("forbidden".into()));
    assert!(hub.ask(a, "chat.send", words("session", &session, 1, "hello")).is_ok());
    assert_eq!(texts(&mut hub, b), ["hello"]);
    assert!(!hub.take_kinds(a).contains(&"moderation.notice".to_owned()));
}

#[test]
fn a_mute_acts_at_once_behind_the_answer_and_ends_by_itself() {
    let mut hub = Fixture::with(screened());
    let (a, _, session, _) = hub.pair();
    let re = hub.request(a, "chat.send", words("session", &session, 1, "Spam!"));
    let frames = hub.take(a);
    assert_eq!((&frames[0]["re"], &frames[0]["error"]["code"]), (&json!(re), &json!("forbidden")));
    let until = hub.now.unix + 10 * MINUTE;
    let expected = json!({"action": "mute", "reason": "what you wrote is against the rules here", "until": until});
    assert_eq!((&frames[1]["type"], &frames[1]["data"]), (&json!("moderation.notice"), &expected));
    assert_eq!(hub.ask(a, "chat.send", words("session", &session, 2, "hello")), Err("forbidden".into()));
    // Of a guest it holds against the device, in a call that goes on.
    let deeds = asked(&mut hub, Role::Admin, ModerationAsk::Audit { before: None, limit: None });
    let deed = &deeds["deeds"][0];
    assert_eq!((&deed["by"], &deed["action"]), (&json!("filter"), &json!("ban.add")));
    assert_eq!(deed["details"]["because"], json!({"rule": "no-spam"}));
    assert_eq!(deed["details"]["device"], "device-1");
    assert_eq!(events(&hub, "ban.added").len(), 1);
    hub.advance(4 * MINUTE);
    hub.restart(10 * MINUTE);
    let (a, b, session, _) = {
        let a = hub.connect();
        hub.hello(a, json!({"guest": {"device_id": "device-1"}}));
        assert!(!hub.take_kinds(a).contains(&"moderation.notice".to_owned()));
        let b = hub.guest();
        hub.pair_up(a, b)
    };
    hub.ask(a, "chat.send", words("session", &session, 3, "hello")).expect("the time is over");
    assert_eq!(texts(&mut hub, b), ["hello"]);
}

#[test]
fn what_is_flagged_goes_out_and_comes_before_moderators_as_one_report_for_each_author_and_call() {
    let mut hub = Fixture::with(screened());
    let (a, b, session, _) = hub.pair();
    for (number, text) in ["hello", "fie damn you", "fie again"].into_iter().enumerate() {
        hub.ask(a, "chat.send", words("session", &session, number as u32, text)).expect("goes out");
    }
    hub.ask(a, "chat.send", words("session", &session, 1, "fie damn you")).expect("is repeated");
    hub.ask(b, "chat.send", words("session", &session, 9, "fie yourself")).expect("goes out");
    assert_eq!(texts(&mut hub, b), ["hello", "fie **** you", "fie again"]);
    let open = reports(&mut hub);
    assert_eq!(open.len(), 2, "one about each side");
    let about_a = open.iter().find(|report| report["comment"] == "no-fie: fie damn you").expect("is there");
    assert_eq!((&about_a["session"], &about_a["reason"]), (&json!(session), &json!("other")));
    assert!(about_a["reporter"].as_str().expect("a name").starts_with("filter."));
    let shown = whole(&mut hub, about_a);
    assert_eq!(shown["notes"][0]["by"], "filter");
    assert_eq!(shown["notes"][0]["text"], "no-fie: fie again");
    assert_eq!(shown["notes"].as_array().expect("a list").len(), 1, "a repeated message is no news");
    let evidence = &shown["evidence"];
    assert_eq!(evidence["flagged"]["text"], "fie damn you");
    assert_eq!(evidence["flagged"]["rules"], json!(["no-fie"]));
    assert_eq!(evidence["messages"][1]["text"], "fie **** you");
    assert_eq!(
        (&evidence["messages"][1]["marked"], &evidence["messages"][1]["from"]),
        (&json!(true), &json!("reported"))
    );
    assert_eq!(events(&hub, "text.flagged").len(), 3);
    // No program takes people out of matching, however strict the operator is.
    assert!(!hub.take_kinds(a).contains(&"moderation.notice".to_owned()));
    // What comes after a decision is another matter.
    let decision = DecisionRequest::parse(r#"{"decision": "reject"}"#).expect("well-formed");
    let report = about_a["report"].as_str().expect("a name").to_owned();
    asked(&mut hub, Role::Moderator, ModerationAsk::Decide { report, decision });
    hub.ask(a, "chat.send", words("session", &session, 20, "fie!")).expect("goes out");
    assert_eq!(reports(&mut hub).len(), 3);
}

#[test]
fn rooms_are_screened_like_calls_and_a_report_names_the_room() {
    let mut hub = Fixture::with(screened());
    let (room, there, aliases) = party(&mut hub, 2);
    let [ann, guest, other] = there[..] else { panic!("three are there") };
    assert_eq!(hub.ask(guest, "chat.send", words("room", &room, 1, "cheat")), Err("forbidden".into()));
    hub.ask(ann, "chat.send", words("room", &room, 2, "hello")).expect("goes out");
    hub.ask(guest, "chat.send", words("room", &room, 3, "fie damn")).expect("goes out");
    assert_eq!(texts(&mut hub, other), ["hello", "fie ****"]);
    let open = reports(&mut hub);
    let shown = whole(&mut hub, &open[0]);
    assert_eq!((&shown["session"], &shown["reported"]), (&json!(room), &json!("shop:guest0")));
    assert_eq!((&shown["evidence"]["room"], &shown["evidence"]["session"]), (&json!(room), &Value::Null));
    assert_eq!(shown["evidence"]["reported"]["alias"], aliases[1]);
    let from: Vec<&Value> =
        shown["evidence"]["messages"].as_array().expect("a list").iter().map(|one| &one["from"]).collect();
    assert_eq!(from, ["other", "reported"]);
    // A moderator can act on it as on any other.
    let decision = DecisionRequest::parse(r#"{"decision": "accept", "action": "mute"}"#).expect("well-formed");
    let report = open[0]["report"].as_str().expect("a name").to_owned();
    asked(&mut hub, Role::Moderator, ModerationAsk::Decide { report, decision });
    assert_eq!(hub.ask(guest, "chat.send", words("room", &room, 4, "hello")), Err("forbidden".into()));
}

#[test]
fn reactions_names_of_rooms_and_tags_are_screened_too() {
    let mut hub = Fixture::with(screened());
    let create = |hub: &mut Fixture, name: &str| hub.rest("ann", RoomAsk::Create { name: name.into() });
    assert_eq!(create(&mut hub, "Cheat room"), Err("forbidden".into()));
    assert_eq!(create(&mut hub, "damn fie room").expect("is made")["name"], "**** fie room");
    let flagged = events(&hub, "text.flagged");
    assert_eq!((&flagged[0]["kind"], &flagged[0]["rules"]), (&json!("room_name"), &json!(["no-fie"])));
    let a = hub.user_who_reads("bob");
    hub.take(a);
    assert_eq!(hub.ask(a, "queue.join", json!({"tags": ["music", "cheat"]})), Err("forbidden".into()));
    hub.ask(a, "queue.join", json!({"tags": ["damn", "chess"]})).expect("joins without that tag");
    let b = hub.guest();
    hub.ask(b, "queue.join", json!({"tags": ["damn", "chess"]})).expect("joins");
    let found = hub.take_one(b, "match.found");
    assert_eq!(found["data"]["peer"]["tags_common"], json!(["chess"]));
    let session = found["data"]["session"].as_str().expect("a session").to_owned();
    hub.take(a);
    for (emoji, outcome) in [("damn", Err("forbidden".to_owned())), ("👍", Ok(json!({})))] {
        assert_eq!(hub.ask(b, "chat.react", json!({"session": session, "emoji": emoji})), outcome);
    }
    assert_eq!(data_of(&mut hub, a, "chat.reaction").len(), 1);
    assert_eq!(hub.ask(b, "chat.react", json!({"session": session, "emoji": "spam"})), Err("forbidden".into()));
    assert_eq!(hub.take_one(b, "moderation.notice")["data"]["action"], "mute");
}

#[test]
fn a_reload_changes_the_rules_for_what_is_said_from_then_on() {
    let settings = screened();
    let screen = Arc::clone(&settings.screen);
    let mut hub = Fixture::with(settings);
    let (a, b, session, _) = hub.pair();
    hub.ask(a, "chat.send", words("session", &session, 1, "damn")).expect("goes out");
    screen.replace(Arc::new(Filter::new(vec![rule("damn", Action::Refuse)]).expect("good rules")));
    assert_eq!(hub.ask(a, "chat.send", words("session", &session, 2, "damn")), Err("forbidden".into()));
    assert!(hub.ask(a, "chat.send", words("session", &session, 1, "damn")).is_ok(), "what is out is out");
    screen.replace(Arc::default());
    hub.ask(a, "chat.send", words("session", &session, 2, "damn")).expect("goes out");
    assert_eq!(texts(&mut hub, b), ["****", "damn"]);
    assert_eq!(screen.met().map(|(_, met)| met).sum::<u64>(), 2);
}
