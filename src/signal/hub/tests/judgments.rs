//! What somebody outside thinks of messages, carried out.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc::Receiver;

use super::fixture::Fixture;
use super::fixture::settings;
use super::rooms::data_of;
use super::rooms::party;
use crate::signal::classifier::Classifier;
use crate::signal::classifier::Consequence;
use crate::signal::classifier::Judged;
use crate::signal::classifier::Judgment;
use crate::signal::classifier::Outcome;
use crate::signal::classifier::Question;
use crate::signal::settings::Settings;
use crate::store::Retention;

const HOUR: Duration = Duration::from_secs(3600);

fn judged(settings: Settings) -> (Fixture, Receiver<Question>, Arc<Judged>) {
    let (classifier, questions, judged) = Classifier::new();
    (Fixture::with(Settings { classifier: Some(classifier), ..settings }), questions, judged)
}

fn words(place: &str, id: &str, number: u32, text: &str) -> Value {
    json!({place: id, "cid": format!("0d4b5a70-3a5f-4a71-9d5c-{number:012x}"), "kind": "text", "text": text})
}

fn judgment(deletes: bool, consequence: Consequence) -> Judgment {
    Judgment { deletes, consequence, reasons: vec!["spam".into()] }
}

fn judge(hub: &mut Fixture, question: &Question, judgment: Judgment) {
    hub.hub.handle_judgment(question, judgment, hub.now);
    hub.pump();
}

fn deeds(hub: &Fixture) -> Vec<(String, String, Value)> {
    let deeds = hub.store.deeds(None, 100).expect("read");
    let told = |(_, deed): &(_, crate::store::Deed)| {
        let details = serde_json::from_str(&deed.details).expect("JSON");
        (deed.by.0.to_string(), deed.action.to_string(), details)
    };
    deeds.iter().map(told).collect()
}

#[test]
fn each_message_is_asked_about_once_and_goes_out_before_anybody_answers() {
    let (mut hub, mut questions, _) = judged(settings());
    let (a, b, session, _) = hub.pair();
    let sent = hub.ask(a, "chat.send", words("session", &session, 1, "hello")).expect("goes out");
    hub.ask(a, "chat.send", words("session", &session, 1, "hello")).expect("is repeated");
    assert_eq!(data_of(&mut hub, b, "chat.message").len(), 1);
    let question = questions.try_recv().expect("is asked");
    assert_eq!((json!(question.mid), &*question.text, question.kind), (sent["mid"].clone(), "hello", "text"));
    assert_eq!((json!(question.place), question.user().starts_with("g_")), (json!({"session": session}), true));
    assert!(questions.try_recv().is_err());
}

#[test]
fn a_message_that_is_to_go_is_deleted_for_both_and_in_the_history_and_that_is_in_the_audit() {
    let (mut hub, mut questions, _) = judged(settings());
    let (a, b, session, _) = hub.pair();
    hub.ask(a, "chat.send", words("session", &session, 1, "buy this")).expect("goes out");
    let question = questions.try_recv().expect("is asked");
    hub.take(b);
    judge(&mut hub, &question, judgment(true, Consequence::None));
    judge(&mut hub, &question, judgment(true, Consequence::None));
    for side in [a, b] {
        let deleted = data_of(&mut hub, side, "chat.deleted");
        assert_eq!((deleted.len(), &deleted[0]["mid"]), (1, &json!(question.mid)), "told once");
    }
    let history = hub.ask(b, "chat.history", json!({"session": session})).expect("is there");
    assert_eq!(history["messages"][0]["deleted"], true);
    let expected = json!({"mid": question.mid, "user": question.user(), "reasons": ["spam"]});
    assert_eq!(deeds(&hub), [("classifier".into(), "message.delete".into(), expected)]);
}

#[test]
fn where_no_chat_is_kept_a_message_is_taken_from_the_screens_all_the_same() {
    let retention = Retention { session_chat: Duration::ZERO, ..Retention::default() };
    let (mut hub, mut questions, _) = judged(Settings { retention, ..settings() });
    let (a, b, session, _) = hub.pair();
    hub.ask(a, "chat.send", words("session", &session, 1, "buy this")).expect("goes out");
    let question = questions.try_recv().expect("is asked");
    judge(&mut hub, &question, judgment(true, Consequence::None));
    assert_eq!(data_of(&mut hub, b, "chat.deleted").len(), 1);
}

#[test]
fn what_is_flagged_comes_before_moderators_also_when_the_call_is_over() {
    let (mut hub, mut questions, _) = judged(settings());
    let (a, _, session, _) = hub.pair();
    hub.ask(a, "chat.send", words("session", &session, 1, "buy this")).expect("goes out");
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    let question = questions.try_recv().expect("is asked");
    judge(&mut hub, &question, judgment(false, Consequence::Flag));
    let cases = hub.store.open_cases(None, 10).expect("read");
    let report = &cases[0].report;
    assert_eq!((&*report.session.0, &*report.comment), (&*session, "spam: buy this"));
    assert!(report.reporter.0.starts_with("classifier."));
    assert_eq!(&*report.reported.user.0, question.user());
    let evidence: Value = serde_json::from_str(&report.evidence).expect("JSON");
    assert_eq!((&evidence["messages"][0]["marked"], &evidence["flagged"]["rules"]), (&json!(true), &json!(["spam"])));
    let (by, action, _) = &deeds(&hub)[0];
    assert_eq!((by.as_str(), action.as_str()), ("classifier", "message.flag"));
}

#[test]
fn an_author_is_silenced_or_taken_out_of_matching_for_a_time() {
    let (mut hub, mut questions, _) = judged(settings());
    let (room, there, _) = party(&mut hub, 1);
    let guest = there[1];
    hub.ask(guest, "chat.send", words("room", &room, 1, "buy this")).expect("goes out");
    let question = questions.try_recv().expect("is asked");
    judge(&mut hub, &question, judgment(false, Consequence::Mute(HOUR)));
    judge(&mut hub, &question, judgment(false, Consequence::Restrict(HOUR)));
    let notices: Vec<Value> = data_of(&mut hub, guest, "moderation.notice");
    let until = hub.now.unix + HOUR;
    for (notice, action) in notices.iter().zip(["mute", "restrict"]) {
        assert_eq!((&notice["action"], &notice["until"]), (&json!(action), &json!(until)));
    }
    assert_eq!(notices.len(), 2);
    assert_eq!(hub.ask(guest, "chat.send", words("room", &room, 2, "hello")), Err("forbidden".into()));
    assert_eq!(hub.ask(guest, "queue.join", json!({})), Err("forbidden".into()));
    for (by, action, details) in deeds(&hub) {
        assert_eq!((by.as_str(), action.as_str()), ("classifier", "ban.add"));
        assert_eq!(details["because"], json!({"mid": question.mid, "reasons": ["spam"]}));
    }
    hub.advance(HOUR);
    hub.ask(guest, "chat.send", words("room", &room, 2, "hello")).expect("the time is over");
    hub.ask(guest, "queue.join", json!({})).expect("the time is over");
}

#[test]
fn questions_that_nobody_takes_are_counted_and_hold_nobody_up() {
    let (mut hub, questions, judged) = judged(settings());
    drop(questions);
    let (a, b, session, _) = hub.pair();
    hub.ask(a, "chat.send", words("session", &session, 1, "hello")).expect("goes out");
    assert_eq!(data_of(&mut hub, b, "chat.message").len(), 1);
    assert_eq!(judged.count(Outcome::Dropped), 1);
}
