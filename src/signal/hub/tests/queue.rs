use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::matchmaking;
use crate::matchmaking::Engine;
use crate::matchmaking::runner::Event;
use crate::signal::Limits;
use crate::signal::Settings;

#[test]
fn rule_19_the_ok_of_a_join_is_a_status_and_a_status_follows_at_once() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    hub.request(id, "queue.join", json!({"tags": [" Music"]}));
    let frames = hub.take(id);
    assert_eq!([&frames[0]["type"], &frames[1]["type"]], ["ok", "queue.status"]);
    assert_eq!(frames[0]["data"], frames[1]["data"]);
    let status = &frames[0]["data"];
    assert_eq!(status["state"], "searching");
    assert_eq!((&status["ahead"], &status["waiting"], &status["level"]), (&json!(0), &json!(1), &json!(0)));
    assert_eq!(status["since"], json!(START));
    assert!(status.as_object().expect("an object").contains_key("eta_ms"));
    assert!(frames[1].get("seq").is_none());
}

#[test]
fn rule_20_a_second_join_is_refused_and_the_first_ones_preferences_stay() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.guest(), hub.guest());
    assert!(hub.ask(a, "queue.join", json!({"tags": ["music"]})).is_ok());
    assert_eq!(hub.ask(a, "queue.join", json!({"tags": ["chess"]})), Err("already_queued".into()));
    assert!(hub.ask(b, "queue.join", json!({"tags": ["chess"]})).is_ok());
    assert!(!hub.take_kinds(b).contains(&"match.found".to_owned()));
}

#[test]
fn rule_20_leaving_is_idempotent() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.guest(), hub.guest());
    assert_eq!(hub.ask(a, "queue.leave", json!({})), Ok(json!({"left": false})));
    assert!(hub.ask(a, "queue.join", json!({})).is_ok());
    assert_eq!(hub.ask(a, "queue.leave", json!({})), Ok(json!({"left": true})));
    assert_eq!(hub.ask(a, "queue.leave", json!({})), Ok(json!({"left": false})));
    assert!(hub.ask(b, "queue.join", json!({})).is_ok());
    assert!(!hub.take_kinds(b).contains(&"match.found".to_owned()));
}

#[test]
fn rule_20_a_join_in_a_live_session_is_a_conflict() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    assert_eq!(hub.ask(a, "queue.join", json!({})), Err("conflict".into()));
    assert!(hub.ask(a, "session.end", json!({"session": session})).is_ok());
    assert!(hub.ask(a, "queue.join", json!({})).is_ok());
}

#[test]
fn rule_1_two_users_of_one_device_are_never_matched() {
    let mut hub = Fixture::new();
    let ids = [hub.connect(), hub.connect()];
    for id in ids {
        hub.ask(id, "hello", json!({"guest": {"device_id": "the same"}})).expect("is welcome");
        hub.ask(id, "queue.join", json!({})).expect("joins");
    }
    hub.advance(Duration::from_secs(120));
    assert!(ids.into_iter().all(|id| !hub.take_kinds(id).contains(&"match.found".to_owned())));
}

#[test]
fn rule_19_a_status_of_the_engine_is_passed_on_with_the_since_of_the_ticket() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    assert!(hub.ask(id, "queue.join", json!({"tags": ["rare"]})).is_ok());
    hub.take(id);
    hub.advance(Duration::from_secs(11));
    let ticket = crate::matchmaking::TicketId(1);
    let status = hub.engine.status(ticket, hub.now.mono).expect("is in the queue");
    hub.hub.handle_queue_event(Event::Status { id: ticket, status }, hub.now);
    let pushed = hub.take_one(id, "queue.status");
    assert_eq!(pushed["data"]["level"], 1);
    assert_eq!(pushed["data"]["state"], "widening");
    assert_eq!(pushed["data"]["since"], json!(START));
}

#[test]
fn joins_over_the_budget_are_refused() {
    let limits = Limits { queue_joins_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let id = hub.guest();
    for _ in 0..2 {
        assert!(hub.ask(id, "queue.join", json!({})).is_ok());
        assert!(hub.ask(id, "queue.leave", json!({})).is_ok());
    }
    assert_eq!(hub.ask(id, "queue.join", json!({})), Err("rate_limited".into()));
}

#[test]
fn a_full_queue_refuses_and_a_skip_into_it_changes_nothing() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.engine = Engine::new(matchmaking::Settings { capacity: 0, ..matchmaking::Settings::default() });
    let c = hub.guest();
    assert_eq!(hub.ask(c, "queue.join", json!({})), Err("queue_full".into()));
    assert_eq!(hub.ask(c, "queue.leave", json!({})), Ok(json!({"left": false})));
    assert_eq!(hub.ask(a, "session.next", json!({"session": session})), Err("queue_full".into()));
    assert!(hub.ask(b, "chat.typing", json!({"session": session, "on": true})).is_ok());
    assert!(hub.ended.is_empty());
}

#[test]
fn requests_behind_an_unanswered_join_are_answered_in_order() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    hub.engine_sleeps = true;
    let ids = [
        hub.request(id, "queue.join", json!({})),
        hub.request(id, "queue.join", json!({})),
        hub.request(id, "queue.leave", json!({})),
        hub.request(id, "queue.join", json!({})),
        hub.request(id, "bye", json!({})),
    ];
    assert!(hub.take(id).is_empty());
    hub.engine_sleeps = false;
    hub.pump();
    let replies: Vec<_> = hub.take(id).into_iter().filter(|frame| frame.get("re").is_some()).collect();
    assert_eq!(replies.iter().map(|reply| reply["re"].as_u64().expect("an id")).collect::<Vec<_>>(), ids);
    let kinds: Vec<_> = replies.iter().map(|reply| reply["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["ok", "error", "ok", "ok", "ok"]);
    assert!(hub.engine.is_empty());
}

#[test]
fn what_waits_for_the_engine_is_bounded() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    hub.engine_sleeps = true;
    hub.request(id, "queue.join", json!({}));
    for _ in 0..64 {
        hub.request(id, "queue.leave", json!({}));
    }
    assert_eq!(hub.ask(id, "queue.leave", json!({})), Err("unavailable".into()));
}

#[test]
fn a_match_of_somebody_who_has_left_gives_the_other_back_with_its_since() {
    let mut hub = Fixture::new();
    let (a, b, c) = (hub.guest(), hub.guest(), hub.guest());
    assert!(hub.ask(a, "queue.join", json!({"tags": ["x"]})).is_ok());
    // The engine pairs them while the news of a's good-bye is under way.
    hub.engine_sleeps = true;
    hub.request(b, "queue.join", json!({"tags": ["x"]}));
    hub.request(a, "bye", json!({}));
    hub.advance(Duration::from_secs(5));
    hub.engine_sleeps = false;
    hub.pump();
    assert!(!hub.take_kinds(b).contains(&"match.found".to_owned()));
    assert_eq!(hub.engine.len(), 1);
    assert!(hub.ask(c, "queue.join", json!({"tags": ["x"]})).is_ok());
    assert_eq!(hub.take_one(b, "match.found")["data"]["waited_ms"], 5_000);
    assert_eq!(hub.stats.sessions_created_total.value(), 1);
}

#[test]
fn rule_23_a_fresh_hello_drops_the_ticket_of_the_older_socket() {
    let mut hub = Fixture::new();
    let first = hub.user("ann");
    assert!(hub.ask(first, "queue.join", json!({})).is_ok());
    let second = hub.user("ann");
    assert!(hub.engine.is_empty());
    assert_eq!(hub.ask(second, "queue.leave", json!({})), Ok(json!({"left": false})));
}

#[test]
fn rule_21_tags_are_compared_in_their_normal_form_and_any_meets_everybody() {
    for (of_a, of_b, common) in [
        (json!([" MUSIC "]), json!(["music"]), json!(["music"])),
        (json!(["cafe\u{301}"]), json!(["CAF\u{c9}"]), json!(["caf\u{e9}"])),
        (json!(["any", "chess"]), json!(["music"]), json!([])),
        (json!([]), json!(["music"]), json!([])),
    ] {
        let mut hub = Fixture::new();
        let (a, b) = (hub.guest(), hub.guest());
        assert!(hub.ask(a, "queue.join", json!({"tags": of_a})).is_ok());
        assert!(hub.ask(b, "queue.join", json!({"tags": of_b})).is_ok());
        assert_eq!(hub.take_one(b, "match.found")["data"]["peer"]["tags_common"], common);
    }
}
