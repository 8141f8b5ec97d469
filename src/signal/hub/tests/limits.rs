use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::signal::Limits;
use crate::signal::Settings;
use crate::signal::protocol::CloseCode;

#[test]
fn rule_2_more_than_100_refusals_in_10_s_close_with_4429() {
    let mut hub = Fixture::new();
    let id = hub.guest();
    for _ in 0..30 {
        assert!(hub.ask(id, "queue.join", json!({})).is_ok());
        assert!(hub.ask(id, "queue.leave", json!({})).is_ok());
    }
    for _ in 0..100 {
        assert_eq!(hub.ask(id, "queue.join", json!({})), Err("rate_limited".into()));
    }
    assert_eq!(hub.close_code(id), None);
    hub.request(id, "queue.join", json!({}));
    assert_eq!(hub.close_code(id), Some(CloseCode::RateLimited));
    assert_eq!(hub.stats.rate_limit_hits_total.value(), 101);
}

#[test]
fn guests_of_one_address_have_a_budget_and_the_socket_stays() {
    let limits = Limits { guests_per_minute: 2, ..Limits::default() };
    let exempt = vec!["10.0.0.0/8".parse().expect("a network")];
    let mut hub = Fixture::with(Settings { limits, exempt, ..settings() });
    let hello = json!({"guest": {"device_id": "d"}});
    let from = |hub: &mut Fixture, ip: &str| {
        let id = hub.connect_as(ip, None);
        (id, hub.ask(id, "hello", hello.clone()).map(|_| ()))
    };
    assert_eq!(from(&mut hub, "192.0.2.1").1, Ok(()));
    assert_eq!(from(&mut hub, "192.0.2.1").1, Ok(()));
    let (refused, outcome) = from(&mut hub, "192.0.2.1");
    assert_eq!(outcome, Err("rate_limited".into()));
    assert_eq!(hub.close_code(refused), None);
    assert_eq!(from(&mut hub, "192.0.2.2").1, Ok(()));
    for _ in 0..5 {
        assert_eq!(from(&mut hub, "10.0.0.1").1, Ok(()));
    }
}

#[test]
fn reconnecting_does_not_refill_a_users_budget() {
    let limits = Limits { queue_joins_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    for _ in 0..2 {
        let id = hub.user("ann");
        assert!(hub.ask(id, "queue.join", json!({})).is_ok());
        hub.lose(id);
    }
    let id = hub.user("ann");
    assert_eq!(hub.ask(id, "queue.join", json!({})), Err("rate_limited".into()));
    hub.advance(Duration::from_secs(30));
    assert!(hub.ask(id, "queue.join", json!({})).is_ok());
}

#[test]
fn rule_14_a_client_that_does_not_read_is_closed_with_4408_and_its_queue_freed() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let sdp = "v".repeat(40_000);
    for neg in 0..7 {
        let data = json!({"session": session, "neg": neg, "kind": "offer", "sdp": sdp});
        let outcome = hub.ask(a, "rtc.description", data);
        assert_eq!(outcome.is_ok(), hub.close_code(b).is_none() || neg == 6, "{neg}");
    }
    assert_eq!(hub.close_code(b), Some(CloseCode::SlowConsumer));
    assert!(hub.take(b).is_empty());
    assert_eq!(hub.take_kinds(a), ["peer.left"]);
}

#[test]
fn rule_14_the_257th_unread_frame_closes_and_news_does_not_count_twice() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    for n in 0..500 {
        hub.advance(Duration::from_millis(20));
        hub.ask(a, "chat.typing", json!({"session": session, "on": n % 2 == 0})).expect("is passed on");
    }
    assert_eq!(hub.close_code(b), None);
    let typing = hub.take(b);
    assert_eq!(typing.len(), 1);
    assert_eq!(typing[0]["data"]["on"], false);
    for _ in 0..256 {
        hub.advance(Duration::from_millis(20));
        hub.ask(a, "chat.react", json!({"session": session, "emoji": "x"})).expect("is passed on");
    }
    assert_eq!(hub.close_code(b), None);
    hub.advance(Duration::from_millis(20));
    hub.request(a, "chat.react", json!({"session": session, "emoji": "x"}));
    assert_eq!(hub.close_code(b), Some(CloseCode::SlowConsumer));
}

#[test]
fn calls_have_a_budget_by_user_and_by_device_and_whoever_uses_it_up_is_in_the_audit() {
    let limits = Limits { calls_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let guest = |hub: &mut Fixture| {
        let id = hub.connect();
        hub.hello(id, json!({"guest": {"device_id": "tablet"}}));
        hub.take(id);
        id
    };
    let call = |hub: &mut Fixture, a, name: &str| {
        let b = hub.user(name);
        let (.., session, _) = hub.pair_up(a, b);
        session
    };
    let first = guest(&mut hub);
    let session = call(&mut hub, first, "ann");
    hub.ask(first, "session.end", json!({"session": session})).expect("ends");
    // Another guest of the device, which has one call left.
    let second = guest(&mut hub);
    let session = call(&mut hub, second, "bob");
    hub.take(second);
    for (kind, data) in [("session.next", json!({"session": session})), ("queue.join", json!({}))] {
        let who = if kind == "queue.join" { first } else { second };
        hub.take(who);
        let re = hub.request(who, kind, data);
        let refused = hub.take(who);
        assert_eq!(refused[0]["re"], json!(re));
        let error = &refused[0]["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!("rate_limited"), &json!(true)), "{kind}");
        assert_eq!(error["retry_after_ms"], 30_000, "{kind}");
    }
    assert!(hub.ask(second, "session.extend", json!({"session": session})).is_ok(), "the call goes on");
    let (deeds, user) = (hub.store.deeds(None, 10).expect("read"), |at: usize, deeds: &[(_, crate::store::Deed)]| {
        let (_, deed) = &deeds[at];
        (deed.action.to_string(), deed.details.to_string())
    });
    let expected = ("limit.reached".to_owned(), r#"{"limit":"calls_per_minute"}"#.to_owned());
    assert_eq!((deeds.len(), user(0, &deeds), user(1, &deeds)), (2, expected.clone(), expected));
    hub.ask(first, "queue.join", json!({})).expect_err("still");
    assert_eq!(hub.store.deeds(None, 10).expect("read").len(), 2, "once a minute");
    hub.advance(Duration::from_secs(30));
    hub.ask(first, "queue.join", json!({})).expect("one call fits again");
}

#[test]
fn a_new_connection_brings_no_new_budget_of_messages() {
    let limits = Limits { messages_per_second: 2, messages_burst: 4, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    let words = |number: u32| {
        let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{number:012x}");
        json!({"session": session, "cid": cid, "kind": "text", "text": "hello"})
    };
    for number in 0..3 {
        hub.ask(ann, "chat.send", words(number)).expect("fits");
    }
    hub.ask(ann, "chat.react", json!({"session": session, "emoji": "x"})).expect("fits");
    hub.lose(ann);
    let ann = hub.user("ann");
    let re = hub.request(ann, "chat.send", words(9));
    let frames = hub.take(ann);
    let refused = frames.iter().find(|frame| frame["re"] == json!(re)).expect("a reply");
    assert_eq!((&refused["error"]["code"], &refused["error"]["retry_after_ms"]), (&json!("rate_limited"), &json!(500)));
    hub.advance(Duration::from_millis(500));
    hub.ask(ann, "chat.send", words(9)).expect("fits again");
}
