//! What is told outside of what people and moderators do.
use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use crate::auth::token::RefreshError;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::signal::ModerationAsk;
use crate::signal::protocol::BanRequest;
use crate::signal::protocol::DecisionRequest;
use crate::store::EventNumber;

const CID: &str = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";

/// Type, subject and data of all events so far.
pub(super) fn events(hub: &Fixture) -> Vec<(String, String, Value)> {
    let events = hub.store.events(EventNumber(0), 1000).expect("are read");
    let told = events.into_iter().map(|(_, event)| {
        let data = serde_json::from_str(&event.data).expect("JSON");
        (event.kind.to_string(), event.subject.to_string(), data)
    });
    told.collect()
}

fn kinds(hub: &Fixture) -> Vec<String> {
    events(hub).into_iter().map(|(kind, ..)| kind).collect()
}

fn moderate(hub: &mut Fixture, ask: ModerationAsk) -> Value {
    let (answer, answered) = std::sync::mpsc::channel();
    let by = Subject { user: "shop:mo".into(), role: Role::Moderator, guest: false, device: None, age_band: None };
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_moderation(&by, ask, answer, hub.now);
    hub.pump();
    answered.try_recv().expect("an answer").expect("is done")
}

#[test]
fn a_decision_and_the_bans_that_follow_are_told_in_the_order_they_happen() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let data = json!({"session": session, "reason": "spam", "block": false});
    let report = hub.ask(ann, "report.submit", data).expect("is taken")["report"].clone();
    let data = json!({"decision": "accept", "action": "ban"}).to_string();
    let decision = DecisionRequest::parse(&data).expect("well-formed");
    let report_id = report.as_str().expect("a name").to_owned();
    moderate(&mut hub, ModerationAsk::Decide { report: report_id, decision });
    assert_eq!(
        kinds(&hub),
        ["session.started", "report.submitted", "ban.added", "moderation.decision", "session.ended"]
    );
    let told = events(&hub);
    let (_, subject, ban) = &told[2];
    assert_eq!((subject.as_str(), &ban["action"], &ban["report"]), ("shop:bob", &json!("ban"), &report));
    let (_, subject, decision) = &told[3];
    assert_eq!((subject, &decision["report"], &decision["reporter"]), (&session, &report, &json!("shop:ann")));
    assert_eq!(decision["decision"]["bans"], json!([ban["id"]]));
    let lift = ModerationAsk::Lift { ban: ban["id"].as_str().expect("an id").into() };
    moderate(&mut hub, lift);
    let (kind, subject, lifted) = events(&hub).pop().expect("one more");
    assert_eq!((kind.as_str(), subject.as_str()), ("ban.lifted", "shop:bob"));
    assert_eq!((&lifted["id"], &lifted["lifted_by"]), (&ban["id"], &json!("shop:mo")));
    let request = BanRequest::parse(&json!({"network": "192.0.2.0/24"}).to_string()).expect("well-formed");
    moderate(&mut hub, ModerationAsk::Ban(request));
    let (kind, subject, _) = events(&hub).pop().expect("one more");
    assert_eq!((kind.as_str(), subject.as_str()), ("ban.added", "192.0.2.0/24"));
}

#[test]
fn a_message_that_is_taken_back_is_told_once() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let text = json!({"session": session, "cid": CID, "kind": "text", "text": "hello"});
    let mid = hub.ask(ann, "chat.send", text).expect("is sent")["mid"].clone();
    assert_eq!(hub.ask(bob, "chat.delete", json!({"session": session, "mid": mid})), Err("forbidden".into()));
    for _ in 0..2 {
        hub.ask(ann, "chat.delete", json!({"session": session, "mid": mid})).expect("is gone");
    }
    assert_eq!(kinds(&hub), ["session.started", "chat.message", "chat.deleted"]);
    let (_, subject, data) = events(&hub).pop().expect("one");
    assert_eq!((subject, data), (session, json!({"mid": mid, "place": "session", "user": "shop:ann"})));
}

#[test]
fn a_refresh_token_that_comes_twice_is_told_with_the_user_it_was_of() {
    let mut hub = Fixture::new();
    let id = hub.connect();
    let ok = hub.hello(id, json!({"guest": {"device_id": "d"}}));
    let token = ok["refresh_token"].as_str().expect("a token").to_owned();
    hub.refresh(&token).expect("is good");
    assert!(matches!(hub.refresh(&token), Err(RefreshError::Reused(_))));
    assert!(matches!(hub.refresh(&token), Err(RefreshError::Invalid)));
    let told = events(&hub);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), &json!(told[0].1)), ("login.reused", &ok["user"]["id"]));
}
