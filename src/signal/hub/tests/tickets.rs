//! Tickets that survive the process (rule 23).
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use super::rooms::data_of;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;

const SECOND: Duration = Duration::from_secs(1);

/// The ticket that the store has, if any.
fn kept(hub: &Fixture) -> Value {
    let mut details = Vec::new();
    hub.store.each_resumption(&mut |one| details.push(one.details.to_string())).expect("read");
    let tickets = details.iter().map(|text| serde_json::from_str::<Value>(text).expect("JSON")["ticket"].clone());
    tickets.into_iter().find(|ticket| !ticket.is_null()).unwrap_or_default()
}

/// Somebody who waits, alone.
fn waiting(hub: &mut Fixture, name: &str, wish: Value) -> ConnectionId {
    let who = hub.user(name);
    hub.ask(who, "queue.join", wish).expect("joins");
    hub.take(who);
    who
}

#[test]
fn a_ticket_waits_on_after_a_restart_from_where_it_was() {
    let mut hub = Fixture::new();
    let ann = waiting(&mut hub, "ann", json!({"tags": ["rare"], "region": "eu"}));
    hub.advance(15 * SECOND);
    hub.restart(2 * SECOND);
    // Its user is not back: nobody is matched with it.
    let bob = waiting(&mut hub, "bob", json!({"region": "eu"}));
    assert_eq!(hub.stats.queue_length.value(), 2);
    let ann = hub.resume(ann, 0);
    let queue = hub.take_one(ann, "sync")["data"]["queue"].clone();
    assert_eq!((&queue["since"], &queue["level"], &queue["state"]), (&json!(START), &json!(1), &json!("widening")));
    let found = hub.take_one(bob, "match.found");
    assert_eq!((&found["data"]["role"], &found["data"]["waited_ms"]), (&json!("polite"), &json!(0)));
    assert_eq!(kept(&hub), Value::Null);
}

#[test]
fn a_ticket_of_a_group_does_as_well() {
    let mut hub = Fixture::new();
    let [ann, bob] = ["ann", "bob"].map(|name| waiting(&mut hub, name, json!({"size": 3})));
    hub.advance(SECOND);
    hub.restart(SECOND);
    let cat = waiting(&mut hub, "cat", json!({"size": 3}));
    let [ann, bob] = [ann, bob].map(|who| hub.resume(who, 0));
    let found = [ann, bob, cat].map(|who| data_of(&mut hub, who, "match.found"));
    assert!(found.iter().all(|found| found.len() == 1));
    assert_eq!(found[2][0]["members"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_match_within_a_second_never_comes_to_the_store() {
    let mut hub = Fixture::new();
    let ann = waiting(&mut hub, "ann", json!({}));
    hub.advance(SECOND - Duration::from_millis(1));
    assert_eq!(kept(&hub), Value::Null);
    hub.advance(Duration::from_millis(1));
    let expected = json!({"mode": "video", "size": 2, "tags": [], "languages": [], "region": null, "attrs": {},
        "want": {}, "tag_wait_ms": null});
    assert_eq!(kept(&hub), json!({"since": START, "preferences": expected}));
    hub.ask(ann, "queue.leave", json!({})).expect("leaves");
    assert_eq!(kept(&hub), Value::Null);
    hub.ask(ann, "queue.join", json!({})).expect("joins");
    hub.ask(ann, "queue.leave", json!({})).expect("leaves");
    hub.advance(2 * SECOND);
    assert_eq!(kept(&hub), Value::Null, "one that left before is not kept");
}

#[test]
fn a_resume_keeps_the_ticket_and_a_fresh_hello_drops_it() {
    let mut hub = Fixture::new();
    let ann = waiting(&mut hub, "ann", json!({}));
    hub.advance(SECOND);
    hub.lose(ann);
    let ann = hub.resume(ann, 0);
    assert_eq!(kept(&hub)["since"], json!(START));
    hub.restart(SECOND);
    let ann = hub.resume(ann, 0);
    hub.restart(SECOND);
    let late = hub.user("ann");
    assert_eq!(kept(&hub), Value::Null);
    assert_eq!(hub.stats.queue_length.value(), 0);
    assert_eq!(hub.ask(late, "queue.leave", json!({})), Ok(json!({"left": false})));
    let again = hub.connect();
    let resume = hub.resume_of(ann, 0);
    assert_eq!(hub.ask(again, "hello", resume), Err("unauthorized".into()));
}

#[test]
fn a_ticket_whose_user_does_not_come_back_goes_with_the_window() {
    let mut hub = Fixture::new();
    waiting(&mut hub, "ann", json!({}));
    hub.advance(SECOND);
    hub.restart(SECOND);
    hub.advance(29 * SECOND);
    assert_eq!(hub.stats.queue_length.value(), 1);
    hub.advance(2 * SECOND);
    assert_eq!(hub.stats.queue_length.value(), 0);
    hub.restart(SECOND);
    assert_eq!(hub.stats.queue_length.value(), 0);
}

#[test]
fn where_nothing_is_resumed_no_ticket_is_kept() {
    let mut hub = Fixture::with(Settings { resume_window: Duration::ZERO, ..settings() });
    waiting(&mut hub, "ann", json!({}));
    hub.advance(5 * SECOND);
    hub.restart(SECOND);
    assert_eq!(hub.stats.queue_length.value(), 0);
}

#[test]
fn a_ticket_is_kept_without_waiting_for_the_store() {
    let mut hub = Fixture::new();
    let ann = waiting(&mut hub, "ann", json!({"tags": ["tea"]}));
    hub.store_sleeps = true;
    hub.advance(2 * SECOND);
    let bob = hub.user("bob");
    hub.ask(bob, "queue.join", json!({"tags": ["tea"]})).expect("joins");
    for who in [ann, bob] {
        assert_eq!(data_of(&mut hub, who, "match.found").len(), 1);
    }
    hub.store_sleeps = false;
    hub.pump();
    assert_eq!(kept(&hub), Value::Null, "what was written first is not what stays");
}
