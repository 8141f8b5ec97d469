//! Rules 39 and 40: who may complain about whom, what is kept of it, and what follows.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::signal::ReportSubmit;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::Refusal;
use crate::signal::settings::Limits;
use crate::signal::settings::Settings;
use crate::store::Report;
use crate::store::ReportId;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn rest(hub: &mut Fixture, user: &str, data: Value) -> Result<Value, Refusal> {
    let subject = Subject { user: user.into(), role: Role::User, guest: false, device: None, age_band: None };
    let report = ReportSubmit::parse(&data.to_string()).expect("is well-formed");
    let (answer, answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_report(&subject, report, answer, hub.now);
    hub.pump();
    answered.try_recv().expect("an answer")
}

fn stored(hub: &Fixture, told: &Value) -> (Report, Value) {
    let id = ReportId(told["report"].as_str().expect("a name").into());
    let report = hub.store.case(&id).expect("read").expect("is stored").report;
    let evidence = serde_json::from_str(&report.evidence).expect("JSON");
    (report, evidence)
}

fn say(hub: &mut Fixture, who: ConnectionId, session: &str, n: usize, text: &str) -> String {
    let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{n:012}");
    let data = json!({"session": session, "cid": cid, "kind": "text", "text": text});
    hub.ask(who, "chat.send", data).expect("is sent")["mid"].as_str().expect("a mid").to_owned()
}

fn report(session: &str) -> Value {
    json!({"session": session, "reason": "harassment", "comment": "he shouts"})
}

#[test]
fn rule_39_a_report_is_answered_with_its_name_then_the_call_ends_and_the_two_are_kept_apart() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let id = hub.request(ann, "report.submit", report(&session));
    let frames = hub.take(ann);
    assert_eq!((&frames[0]["type"], &frames[0]["re"]), (&json!("ok"), &json!(id)));
    assert_eq!((&frames[1]["type"], &frames[1]["data"]["reason"]), (&json!("session.ended"), &json!("ended")));
    assert_eq!(hub.take_one(bob, "session.ended")["data"]["reason"], "ended", "and is not told why");
    assert_eq!(hub.stats.reports_submitted_total.value(), 1);
    let (report, _) = stored(&hub, &frames[0]["data"]);
    assert_eq!((&*report.reporter.0, &*report.reported.user.0), ("shop:ann", "shop:bob"));
    assert_eq!((&*report.reason, &*report.comment, report.at), ("harassment", "he shouts", hub.now.unix));
    let mut blocks = Vec::new();
    hub.store.each_block(&mut |block| blocks.push([block.owner.user.0, block.whom.user.0])).expect("read");
    assert_eq!(
        blocks.iter().map(|pair| pair.each_ref().map(|name| &**name)).collect::<Vec<_>>(),
        [["shop:ann", "shop:bob"]]
    );
}

#[test]
fn rule_39_whoever_wants_no_block_talks_on() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let data = json!({"session": session, "reason": "spam", "block": false});
    assert!(hub.ask(a, "report.submit", data).is_ok());
    assert_eq!(hub.take_kinds(b), [""; 0]);
    say(&mut hub, b, &session, 1, "still here");
    let mut blocks = 0;
    hub.store.each_block(&mut |_| blocks += 1).expect("read");
    assert_eq!(blocks, 0);
}

#[test]
fn rule_39_each_side_reports_a_session_once() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    assert!(hub.ask(ann, "report.submit", report(&session)).is_ok());
    assert_eq!(hub.ask(ann, "report.submit", report(&session)), Err("conflict".into()));
    let refused = rest(&mut hub, "shop:ann", report(&session)).expect_err("by whatever way");
    assert_eq!(refused.code.as_str(), "conflict");
    assert!(hub.ask(bob, "report.submit", report(&session)).is_ok(), "the other side may, too");
    assert_eq!(hub.stats.reports_submitted_total.value(), 2);
}

#[test]
fn rule_39_only_who_was_there_reports_and_within_a_day() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.user("eve");
    let (.., session, _) = hub.pair_up(ann, bob);
    let code = |outcome: Result<Value, Refusal>| outcome.map(|_| ()).map_err(|refusal| refusal.code.as_str());
    assert_eq!(code(rest(&mut hub, "shop:eve", report(&session))), Err("not_in_session"));
    assert_eq!(code(rest(&mut hub, "shop:ann", report("nowhere"))), Err("not_in_session"));
    hub.ask(bob, "session.end", json!({"session": session})).expect("ends");
    hub.advance(24 * HOUR - SECOND);
    assert_eq!(code(rest(&mut hub, "shop:ann", report(&session))), Ok(()), "who need not be connected");
    hub.advance(SECOND);
    assert_eq!(code(rest(&mut hub, "shop:bob", report(&session))), Err("not_in_session"));
}

#[test]
fn the_last_50_messages_of_both_sides_are_frozen_and_those_that_the_reporter_means() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let first = say(&mut hub, bob, &session, 0, "the very first");
    let second = say(&mut hub, bob, &session, 1, "the second");
    for n in 2..52 {
        let who = if n % 2 == 0 { ann } else { bob };
        say(&mut hub, who, &session, n, &n.to_string());
    }
    let nobodys = "0d4b5a70-3a5f-7a71-9d5c-1f1f6b6a0d11";
    let mut data = report(&session);
    data["evidence"] = json!({"mids": [first, nobodys]});
    let told = hub.ask(ann, "report.submit", data).expect("is taken");
    let (_, evidence) = stored(&hub, &told);
    let messages = evidence["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 51, "fifty, and the one that is meant");
    assert_eq!((&messages[0]["mid"], &messages[0]["marked"]), (&json!(first), &json!(true)));
    assert_eq!((&messages[0]["from"], &messages[0]["text"]), (&json!("reported"), &json!("the very first")));
    assert_eq!((&messages[1]["from"], &messages[1]["text"]), (&json!("reporter"), &json!("2")));
    assert!(messages.iter().all(|message| message["mid"] != json!(second)));
    assert!(messages.is_sorted_by_key(|message| message["mid"].as_str().expect("a mid").to_owned()));
    // The chat goes with its time, the copy stays.
    hub.advance(48 * HOUR);
    for class in crate::store::DataClass::ALL {
        while hub.store.sweep(class, hub.now.unix, 1000).expect("swept") > 0 {}
    }
    assert_eq!(stored(&hub, &told).1, evidence);
}

#[test]
fn whoever_takes_back_what_they_said_has_said_it_to_moderators_and_nobody_else() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let mid = say(&mut hub, bob, &session, 1, "something foul");
    hub.ask(bob, "chat.delete", json!({"session": session, "mid": mid})).expect("is deleted");
    let history = hub.ask(ann, "chat.history", json!({"session": session})).expect("is shown");
    assert_eq!(history["messages"], json!([{"mid": mid, "deleted": true}]));
    let told = hub.ask(ann, "report.submit", report(&session)).expect("is taken");
    let (_, evidence) = stored(&hub, &told);
    let message = &evidence["messages"][0];
    assert_eq!((&message["deleted"], &message["text"]), (&json!(true), &json!("something foul")));
}

#[test]
fn the_facts_of_the_session_and_the_way_of_the_call_are_frozen_while_it_runs_and_after() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let state = json!({"session": session, "state": "connected", "path": "relay", "relay_protocol": "udp"});
    hub.ask(bob, "rtc.state", state).expect("is told");
    hub.advance(7 * SECOND);
    let mut data = report(&session);
    data["block"] = json!(false);
    let told = hub.ask(ann, "report.submit", data).expect("is taken");
    let (_, live) = stored(&hub, &told);
    assert_eq!((&live["session"]["id"], &live["session"]["duration_ms"]), (&json!(session), &json!(7000)));
    assert_eq!(live["session"]["tags_common"], json!(["music"]));
    assert_eq!((&live["session"]["ended"], &live["session"]["reason"]), (&json!(null), &json!(null)));
    assert_eq!(live["quality"]["reported"]["path"], "relay_udp");
    assert_eq!(live["quality"]["reporter"]["path"], json!(null));
    assert_eq!(live["reported"]["network"], "192.0.2.1/32");
    hub.ask(ann, "session.end", json!({"session": session})).expect("ends");
    let told = hub.ask(bob, "report.submit", report(&session)).expect("is taken");
    let (_, over) = stored(&hub, &told);
    assert_eq!(over["session"]["reason"], "ended");
    assert_eq!(over["quality"]["reporter"]["path"], "relay_udp", "bob is the reporter now");
    assert_eq!(over["reported"]["user"], "shop:ann");
}

#[test]
fn a_full_disk_loses_the_report_aloud_and_parts_the_two_all_the_same() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    // The session is known, what comes later cannot be written.
    hub.store_sleeps = true;
    hub.request(ann, "report.submit", report(&session));
    hub.work_in_store(1);
    hub.hear_store();
    hub.store_is_full = true;
    hub.store_sleeps = false;
    hub.pump();
    let frames = hub.take(ann);
    assert_eq!(frames[0]["error"]["code"], "unavailable", "{frames:?}");
    assert_eq!(frames[0]["error"]["retryable"], true);
    assert_eq!(hub.take_one(bob, "session.ended")["data"]["reason"], "ended");
    assert_eq!(hub.stats.reports_submitted_total.value(), 0);
    hub.store_is_full = false;
    assert!(hub.ask(ann, "report.submit", report(&session)).is_ok(), "a retry is heard");
}

#[test]
fn rule_2_report_submit_has_a_budget_by_user_and_one_by_address() {
    let limits = Limits { reports_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let users = ["ann", "bob", "cat", "dan", "eve"].map(|name| (name, hub.user(name)));
    let submit = |hub: &mut Fixture, who| hub.ask(who, "report.submit", report("nowhere")).expect_err("no session");
    let (_, ann) = users[0];
    let told = [0, 1, 2].map(|_| submit(&mut hub, ann));
    assert_eq!(told, ["not_in_session", "not_in_session", "rate_limited"]);
    let refused = rest(&mut hub, "shop:ann", report("nowhere")).expect_err("REST takes from the same budget");
    assert_eq!(refused.code.as_str(), "rate_limited");
    hub.advance(60 * SECOND);
    for (name, who) in users {
        let expected = if name == "eve" { "rate_limited" } else { "not_in_session" };
        assert_eq!([0, 1].map(|_| submit(&mut hub, who)), [expected, expected], "{name}");
    }
}
