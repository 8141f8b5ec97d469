//! A lost connection and its return: rules 12, 13, 23, 28, 33, 34, 35.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::matchmaking;
use crate::matchmaking::Engine;
use crate::signal::EndReason;
use crate::signal::Limits;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::CloseCode;

const SECOND: Duration = Duration::from_secs(1);

fn cid(n: usize) -> String {
    format!("0d4b5a70-3a5f-4a71-9d5c-{n:012}")
}

fn say(hub: &mut Fixture, from: ConnectionId, session: &str, n: usize) -> Result<Value, String> {
    let data = json!({"session": session, "cid": cid(n), "kind": "text", "text": n.to_string()});
    hub.ask(from, "chat.send", data)
}

/// Everything unread, as type and `seq`.
fn numbered(frames: &[Value]) -> Vec<(&str, Option<u64>)> {
    frames.iter().map(|frame| (frame["type"].as_str().expect("a type"), frame["seq"].as_u64())).collect()
}

#[test]
fn rule_35_what_was_missed_comes_after_the_ok_with_its_own_seq_and_ts_and_then_what_is_new() {
    let mut hub = Fixture::new();
    let (a, b, session, [_, found]) = hub.pair();
    hub.lose(b);
    hub.advance(SECOND);
    let offer = json!({"session": session, "neg": 1, "kind": "offer", "sdp": "v=0"});
    assert_eq!(hub.ask(a, "rtc.description", offer), Ok(json!({})));
    hub.advance(SECOND);
    assert!(say(&mut hub, a, &session, 1).is_ok());
    hub.advance(3 * SECOND);
    // The client has not even seen the match.
    let back = hub.resume(b, 0);
    assert!(say(&mut hub, a, &session, 2).is_ok());
    let frames = hub.take(back);
    let expected = [
        ("ok", None),
        ("match.found", Some(1)),
        ("rtc.description", Some(2)),
        ("chat.message", Some(3)),
        ("chat.message", Some(4)),
    ];
    assert_eq!(numbered(&frames), expected);
    let ok = &frames[0]["data"];
    assert_eq!((&ok["resumed"], &ok["gap"], &ok["resume_window_ms"]), (&json!(true), &json!(false), &json!(30_000)));
    assert!(ok.get("access_token").is_none(), "a guest has its tokens already");
    assert_eq!(frames[1], found);
    let sent_at: Vec<u64> = frames[2..].iter().map(|frame| frame["ts"].as_u64().expect("a time") - START.0).collect();
    assert_eq!(sent_at, [1_000, 2_000, 5_000]);
}

#[test]
fn rule_35_only_what_the_client_lacks_is_replayed() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    for n in 0..4 {
        assert!(say(&mut hub, a, &session, n).is_ok());
    }
    hub.lose(b);
    let back = hub.resume(b, 3);
    let replayed = [("ok", None), ("chat.message", Some(4)), ("chat.message", Some(5))];
    assert_eq!(numbered(&hub.take(back)), replayed);
    hub.lose(back);
    let back = hub.resume(back, 5);
    assert_eq!(numbered(&hub.take(back)), [("ok", None)]);
}

#[test]
fn rule_34_a_token_is_good_once_and_a_refused_one_disturbs_nobody() {
    let mut hub = Fixture::new();
    let (a, b, ..) = hub.pair();
    hub.lose(b);
    let back = hub.resume(b, 1);
    let used = hub.resume_of(b, 1);
    let unknown = json!({"resume": {"token": "AAAA", "last_seq": 1}});
    let mut of_another = hub.resume_of(back, 1);
    let text = of_another["resume"]["token"].as_str().expect("a token").to_owned();
    of_another["resume"]["token"] = json!(format!("{}{}", "A".repeat(42), &text[42..]));
    hub.take(a);
    for data in [used, unknown, of_another] {
        let thief = hub.connect();
        assert_eq!(hub.ask(thief, "hello", data), Err("unauthorized".into()));
        assert_eq!(hub.close_code(thief), Some(CloseCode::Unauthorized));
    }
    assert_eq!(hub.close_code(back), None);
    assert!(hub.take(a).is_empty());
}

#[test]
fn rule_34_a_seq_never_sent_is_a_gap_and_sync_follows_the_ok() {
    let mut hub = Fixture::new();
    let (a, b, session, [_, found]) = hub.pair();
    let sent = say(&mut hub, a, &session, 1).expect("is sent");
    hub.lose(b);
    let back = hub.resume(b, 3);
    assert!(say(&mut hub, a, &session, 2).is_ok());
    let frames = hub.take(back);
    assert_eq!(numbered(&frames), [("ok", None), ("sync", None), ("chat.message", Some(3))]);
    assert_eq!((&frames[0]["data"]["resumed"], &frames[0]["data"]["gap"]), (&json!(true), &json!(true)));
    let found = &found["data"];
    let shown = json!({
        "session": session, "self": found["self"], "peer": found["peer"], "role": "polite", "initiator": false,
        "deadline": found["deadline"], "neg": null,
    });
    assert_eq!(frames[1]["data"], json!({"sessions": [shown], "rooms": [], "last_mid": sent["mid"]}));
}

#[test]
fn more_than_64_missed_pushes_are_a_gap() {
    for (said, has_gap) in [(63, false), (64, true)] {
        let mut hub = Fixture::new();
        let (a, b, session, _) = hub.pair();
        for n in 0..said {
            assert!(say(&mut hub, a, &session, n).is_ok());
        }
        hub.lose(b);
        let back = hub.resume(b, 0);
        let frames = hub.take(back);
        assert_eq!(frames[0]["data"]["gap"], has_gap, "{said}");
        assert_eq!(frames.len(), if has_gap { 2 } else { 65 });
    }
}

#[test]
fn an_ack_trims_what_would_be_replayed() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    assert!(say(&mut hub, a, &session, 1).is_ok());
    assert_eq!(hub.ask(b, "ack", json!({"seq": 1})), Ok(json!({})));
    hub.lose(b);
    let back = hub.resume(b, 1);
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("chat.message", Some(2))]);
    assert_eq!(hub.ask(back, "ack", json!({"seq": 2})), Ok(json!({})));
    hub.lose(back);
    let back = hub.resume(back, 1);
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("sync", None)]);
}

#[test]
fn a_lost_socket_gives_the_peer_the_time_of_its_end_and_its_return() {
    let mut hub = Fixture::new();
    let (a, b, session, [_, found]) = hub.pair();
    let lost = &found["data"]["self"];
    hub.lose(b);
    let left = hub.take_one(a, "peer.left");
    assert_eq!(left["seq"], 2);
    assert_eq!(
        left["data"],
        json!({"session": session, "peer": lost, "reason": "lost", "can_reconnect": true, "until": START.0 + 30_000})
    );
    hub.advance(29 * SECOND);
    assert!(hub.take(a).is_empty());
    hub.resume(b, 1);
    let resumed = hub.take_one(a, "peer.resumed");
    assert_eq!((&resumed["seq"], &resumed["data"]), (&json!(3), &json!({"session": session, "peer": lost})));
    hub.advance(60 * SECOND);
    assert!(hub.take(a).is_empty());
    assert!(hub.ended.is_empty());
}

#[test]
fn after_the_window_the_session_ends_as_lost_and_the_token_is_worthless() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.lose(b);
    hub.advance(20 * SECOND);
    // Each loss opens a window of its own.
    let b = hub.resume(b, 1);
    hub.lose(b);
    hub.take(a);
    hub.advance(30 * SECOND - Duration::from_millis(1));
    assert!(hub.take(a).is_empty());
    hub.advance(Duration::from_millis(1));
    let frames = hub.take(a);
    assert_eq!(numbered(&frames), [("session.ended", Some(5))]);
    assert_eq!(frames[0]["data"], json!({"session": session, "reason": "lost", "duration_ms": 50_000}));
    assert_eq!(hub.stats.sessions_ended(EndReason::Lost).value(), 1);
    let late = hub.connect();
    let data = hub.resume_of(b, 1);
    assert_eq!(hub.ask(late, "hello", data), Err("unauthorized".into()));
    assert!(hub.ask(a, "queue.join", json!({})).is_ok());
}

#[test]
fn the_deadline_goes_on_in_the_window_and_its_end_is_found_on_the_return() {
    let mut hub = Fixture::with(Settings { session_limit: Some(20 * SECOND), ..settings() });
    let (a, b, ..) = hub.pair();
    hub.advance(5 * SECOND);
    hub.lose(b);
    hub.advance(15 * SECOND);
    assert_eq!(hub.take_kinds(a), ["peer.left", "session.warning", "session.ended"]);
    let back = hub.resume(b, 1);
    let frames = hub.take(back);
    assert_eq!(numbered(&frames), [("ok", None), ("session.warning", Some(2)), ("session.ended", Some(3))]);
    assert_eq!((&frames[2]["data"]["reason"], &frames[2]["ts"]), (&json!("limit"), &json!(START.0 + 20_000)));
    assert!(hub.take(a).is_empty());
    assert_eq!(hub.ended.len(), 1);
    assert!(hub.ask(back, "queue.join", json!({})).is_ok());
}

#[test]
fn when_both_are_lost_the_first_window_ends_the_session_and_the_other_finds_out() {
    let mut hub = Fixture::new();
    let (a, b, ..) = hub.pair();
    hub.lose(a);
    hub.advance(10 * SECOND);
    hub.lose(b);
    hub.advance(20 * SECOND);
    assert_eq!(hub.ended.len(), 1);
    let back = hub.resume(b, 1);
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("peer.left", Some(2)), ("session.ended", Some(3))]);
}

#[test]
fn what_is_only_news_is_not_kept() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.lose(b);
    for (kind, data) in [
        ("chat.typing", json!({"on": true})),
        ("media.state", json!({"audio": true, "video": true})),
        ("rtc.state", json!({"state": "connected"})),
        ("rtc.quality", json!({"score": 5})),
    ] {
        let mut data = data;
        data["session"] = json!(session);
        assert_eq!(hub.ask(a, kind, data), Ok(json!({})), "{kind}");
    }
    hub.advance(10 * SECOND);
    let back = hub.resume(b, 1);
    assert_eq!(numbered(&hub.take(back)), [("ok", None)]);
}

#[test]
fn rule_28_what_does_not_fit_into_the_ring_of_a_lost_peer_is_refused_and_can_be_tried_again() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    assert_eq!(hub.ask(b, "ack", json!({"seq": 1})), Ok(json!({})));
    hub.lose(b);
    for n in 0..64 {
        assert!(say(&mut hub, a, &session, n).is_ok(), "{n}");
    }
    for (kind, data) in [
        ("rtc.description", json!({"neg": 1, "kind": "offer", "sdp": "v=0"})),
        ("rtc.candidates", json!({"neg": 1, "candidates": []})),
        ("chat.send", json!({"cid": cid(64), "kind": "text", "text": "64"})),
        ("chat.react", json!({"emoji": "x"})),
    ] {
        let mut data = data;
        data["session"] = json!(session);
        let re = hub.request(a, kind, data);
        let refused = hub.take_one(a, "error");
        assert_eq!((&refused["re"], &refused["error"]["code"]), (&json!(re), &json!("peer_unreachable")), "{kind}");
        assert_eq!(refused["error"]["retryable"], true);
    }
    // One that is in the ring already, and what needs no ring.
    assert!(say(&mut hub, a, &session, 3).is_ok());
    assert!(hub.ask(a, "chat.typing", json!({"session": session, "on": true})).is_ok());
    let back = hub.resume(b, 1);
    let frames = hub.take(back);
    let texts: Vec<_> = frames[1..].iter().map(|frame| frame["data"]["text"].as_str().expect("a text")).collect();
    assert_eq!(texts, (0..64).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(say(&mut hub, a, &session, 64).is_ok());
    assert_eq!(hub.take_one(back, "chat.message")["data"]["text"], "64");
}

#[test]
fn rule_28_the_ring_of_a_lost_peer_has_64_kib() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.lose(b);
    let offer = |len: usize| json!({"session": session, "neg": 1, "kind": "offer", "sdp": "v".repeat(len)});
    assert_eq!(hub.ask(a, "rtc.description", offer(40_000)), Ok(json!({})));
    assert_eq!(hub.ask(a, "rtc.description", offer(30_000)), Err("peer_unreachable".into()));
    assert_eq!(hub.ask(a, "rtc.description", offer(20_000)), Ok(json!({})));
    let back = hub.resume(b, 0);
    let kinds = hub.take_kinds(back);
    assert_eq!(kinds, ["ok", "match.found", "rtc.description", "rtc.description"]);
}

#[test]
fn rule_23_the_ticket_of_a_lost_socket_is_not_matched_and_keeps_its_since() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.guest(), hub.guest());
    assert!(hub.ask(a, "queue.join", json!({"tags": ["x"]})).is_ok());
    hub.take(a);
    hub.lose(a);
    hub.advance(5 * SECOND);
    let status = hub.ask(b, "queue.join", json!({"tags": ["x"]})).expect("joins");
    assert_eq!(status["waiting"], 1, "the lost one does not count");
    assert!(!hub.take_kinds(b).contains(&"match.found".to_owned()));
    hub.advance(5 * SECOND);
    let back = hub.resume(a, 0);
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("match.found", Some(1))]);
    assert_eq!(hub.take_one(b, "match.found")["data"]["waited_ms"], 5_000);
    assert_eq!(hub.stats.sessions_created_total.value(), 1);
}

#[test]
fn rule_23_the_ticket_is_dropped_with_the_window_or_by_a_fresh_hello() {
    let mut hub = Fixture::new();
    let ann = hub.user("ann");
    assert!(hub.ask(ann, "queue.join", json!({})).is_ok());
    hub.lose(ann);
    hub.advance(30 * SECOND - Duration::from_millis(1));
    assert_eq!(hub.engine.len(), 1);
    hub.advance(Duration::from_millis(1));
    assert!(hub.engine.is_empty());
    let ann = hub.user("ann");
    assert!(hub.ask(ann, "queue.join", json!({})).is_ok());
    hub.lose(ann);
    let ann = hub.user("ann");
    assert!(hub.engine.is_empty());
    assert_eq!(hub.ask(ann, "queue.leave", json!({})), Ok(json!({"left": false})));
    hub.advance(60 * SECOND);
    assert_eq!(hub.close_code(ann), None);
}

#[test]
fn a_gap_in_the_queue_shows_the_ticket_in_sync() {
    let mut hub = Fixture::new();
    let a = hub.guest();
    assert!(hub.ask(a, "queue.join", json!({"tags": ["x"]})).is_ok());
    let status = hub.take_one(a, "queue.status")["data"].clone();
    hub.lose(a);
    hub.advance(SECOND);
    let back = hub.resume(a, 9);
    let sync = hub.take_one(back, "sync");
    assert_eq!(sync["data"], json!({"queue": status, "sessions": [], "rooms": [], "last_mid": null}));
    assert_eq!(hub.ask(back, "queue.leave", json!({})), Ok(json!({"left": true})));
}

#[test]
fn a_match_made_while_the_loss_was_on_its_way_gives_both_back() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.guest(), hub.guest());
    assert!(hub.ask(a, "queue.join", json!({"tags": ["x"]})).is_ok());
    hub.engine_sleeps = true;
    hub.request(b, "queue.join", json!({"tags": ["x"]}));
    // The engine works on the join, and pairs the two, before it hears of the loss.
    hub.wake_engine_for(1);
    hub.lose(a);
    hub.engine_sleeps = false;
    hub.pump();
    assert!(!hub.take_kinds(b).contains(&"match.found".to_owned()));
    assert_eq!(hub.engine.len(), 2);
    let back = hub.resume(a, 0);
    assert_eq!(hub.take_kinds(back), ["ok", "match.found"]);
    hub.take_one(b, "match.found");
}

#[test]
fn a_request_that_waits_for_the_engine_is_not_answered_on_another_connection() {
    let mut hub = Fixture::new();
    let a = hub.guest();
    hub.engine_sleeps = true;
    hub.request(a, "queue.join", json!({}));
    hub.request(a, "queue.leave", json!({}));
    hub.lose(a);
    let back = hub.resume(a, 0);
    hub.engine_sleeps = false;
    hub.pump();
    assert_eq!(hub.take_kinds(back), ["ok", "queue.status"]);
    assert_eq!(hub.engine.len(), 1);
    assert_eq!(hub.ask(back, "queue.leave", json!({})), Ok(json!({"left": true})));
}

#[test]
fn a_join_refused_while_its_user_is_away_leaves_no_ticket() {
    let mut hub = Fixture::new();
    let a = hub.guest();
    hub.engine = Engine::new(matchmaking::Settings { capacity: 0, ..matchmaking::Settings::default() });
    hub.engine_sleeps = true;
    hub.request(a, "queue.join", json!({}));
    hub.lose(a);
    hub.engine_sleeps = false;
    hub.pump();
    let back = hub.resume(a, 0);
    assert_eq!(hub.take_kinds(back), ["ok"]);
    assert_eq!(hub.ask(back, "queue.leave", json!({})), Ok(json!({"left": false})));
}

#[test]
fn a_skip_goes_through_even_if_its_user_is_lost_meanwhile() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.engine_sleeps = true;
    hub.request(a, "session.next", json!({"session": session}));
    hub.lose(a);
    hub.engine_sleeps = false;
    hub.pump();
    assert_eq!(hub.take_kinds(b), ["peer.left", "session.ended"]);
    let back = hub.resume(a, 1);
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("session.ended", Some(2))]);
    assert_eq!(hub.ask(back, "queue.leave", json!({})), Ok(json!({"left": true})));
}

#[test]
fn rule_33_a_plain_hello_in_the_window_takes_the_session_over_and_voids_the_token() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (ann, bob, session, _) = hub.pair_up(ann, bob);
    hub.lose(ann);
    let newer = hub.connect();
    hub.take(newer);
    let token = hub.token("ann", 3600);
    hub.request(newer, "hello", json!({"token": token}));
    let frames = hub.take(newer);
    assert_eq!(numbered(&frames), [("ok", None), ("sync", None)]);
    assert_eq!((&frames[0]["data"]["resumed"], &frames[0]["data"]["gap"]), (&json!(false), &json!(true)));
    assert_eq!(hub.take_kinds(bob), ["peer.left", "peer.resumed"]);
    let thief = hub.connect();
    let data = hub.resume_of(ann, 1);
    assert_eq!(hub.ask(thief, "hello", data), Err("unauthorized".into()));
    hub.advance(60 * SECOND);
    assert!(say(&mut hub, bob, &session, 1).is_ok());
    assert_eq!(numbered(&hub.take(newer)), [("chat.message", Some(1))]);
}

#[test]
fn a_resume_beside_a_socket_that_only_seems_alive_takes_over() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    assert!(say(&mut hub, a, &session, 1).is_ok());
    let back = hub.resume(b, 1);
    assert_eq!(hub.close_code(b), Some(CloseCode::Replaced));
    assert_eq!(numbered(&hub.take(back)), [("ok", None), ("chat.message", Some(2))]);
    assert_eq!(hub.take_kinds(a), ["peer.resumed"]);
    // The end of the older socket is no loss.
    hub.lose(b);
    hub.advance(60 * SECOND);
    assert!(hub.take(a).is_empty());
    assert_eq!((hub.stats.users_online.value(), hub.ended.len()), (2, 0));
}

#[test]
fn after_a_gap_it_is_told_again_that_the_other_is_away() {
    let mut hub = Fixture::new();
    let (a, b, session, [_, found]) = hub.pair();
    hub.lose(b);
    hub.lose(a);
    let back = hub.resume(a, 99);
    let frames = hub.take(back);
    assert_eq!(numbered(&frames), [("ok", None), ("sync", None), ("peer.left", Some(3))]);
    assert_eq!(frames[2]["data"]["peer"], found["data"]["self"]);
    assert_eq!(
        (&frames[2]["data"]["session"], &frames[2]["data"]["until"]),
        (&json!(session), &json!(START.0 + 30_000))
    );
}

#[test]
fn rule_13_bye_leaves_nothing_to_resume() {
    let mut hub = Fixture::new();
    let (a, b, ..) = hub.pair();
    assert!(hub.ask(b, "bye", json!({})).is_ok());
    assert_eq!(hub.take_kinds(a), ["session.ended"]);
    let late = hub.connect();
    let data = hub.resume_of(b, 1);
    assert_eq!(hub.ask(late, "hello", data), Err("unauthorized".into()));
}

#[test]
fn rule_35_an_expired_token_resumes_for_25_s_and_its_user_may_come_with_a_new_one_after_that() {
    let mut hub = Fixture::with(Settings { resume_window: 600 * SECOND, ..settings() });
    let ids = ["ann", "bob"].map(|name| {
        let id = hub.connect();
        let token = hub.token(name, 60);
        hub.hello(id, json!({"token": token}));
        id
    });
    let [ann, bob] = ids;
    let (ann, bob, session, _) = hub.pair_up(ann, bob);
    hub.lose(ann);
    hub.advance(84 * SECOND);
    let ann = hub.resume(ann, 1);
    assert_eq!(hub.take_kinds(ann), ["ok", "auth.expiring"]);
    hub.advance(SECOND);
    assert_eq!([ann, bob].map(|id| hub.close_code(id)), [Some(CloseCode::Unauthorized); 2]);
    let late = hub.connect();
    let data = hub.resume_of(ann, 1);
    assert_eq!(hub.ask(late, "hello", data), Err("unauthorized".into()));
    let bob = hub.user("bob");
    assert!(hub.ask(bob, "chat.typing", json!({"session": session, "on": true})).is_ok());
}

#[test]
fn rule_17_a_revoked_family_cannot_resume() {
    let mut hub = Fixture::new();
    let lost = hub.connect();
    let guest = hub.hello(lost, json!({"guest": {"device_id": "d"}}));
    let other = hub.guest();
    let (lost, other, ..) = hub.pair_up(lost, other);
    hub.lose(lost);
    hub.take(other);
    let refresh_token = guest["refresh_token"].as_str().expect("a token");
    assert!(hub.refresh(refresh_token).is_ok());
    assert!(hub.refresh(refresh_token).is_err());
    assert_eq!(hub.take_kinds(other), ["session.ended"]);
    let late = hub.connect();
    let data = hub.resume_of(lost, 1);
    assert_eq!(hub.ask(late, "hello", data), Err("unauthorized".into()));
}

#[test]
fn rule_14_a_client_that_did_not_read_may_resume() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let mut neg = 0;
    while hub.close_code(b).is_none() {
        let data = json!({"session": session, "neg": neg, "kind": "offer", "sdp": "v".repeat(40_000)});
        hub.ask(a, "rtc.description", data).expect("is passed on");
        neg += 1;
    }
    assert_eq!(hub.close_code(b), Some(CloseCode::SlowConsumer));
    let back = hub.resume(b, 1);
    assert_eq!(hub.take_kinds(back), ["ok", "sync"]);
}

#[test]
fn without_a_window_a_loss_is_final_and_nothing_is_offered() {
    let mut hub = Fixture::with(Settings { resume_window: Duration::ZERO, ..settings() });
    let a = hub.connect();
    assert_eq!(hub.take_one(a, "welcome")["data"]["features"], json!(["rooms", "chat"]));
    let ok = hub.hello(a, json!({"guest": {"device_id": "a"}}));
    assert_eq!((&ok["resume_token"], &ok["resume_window_ms"]), (&Value::Null, &json!(0)));
    let b = hub.guest();
    let (a, b, session, found) = hub.pair_up(a, b);
    hub.lose(a);
    let frames = hub.take(b);
    assert_eq!(numbered(&frames), [("peer.left", Some(2)), ("session.ended", Some(3))]);
    let peer = &found[0]["data"]["self"];
    assert_eq!(frames[0]["data"], json!({"session": session, "peer": peer, "reason": "lost", "can_reconnect": false}));
    assert_eq!(frames[1]["data"]["reason"], "lost");
    let c = hub.guest();
    assert!(hub.ask(c, "queue.join", json!({})).is_ok());
    hub.lose(c);
    assert!(hub.engine.is_empty());
}

#[test]
fn no_more_are_waited_for_than_may_be_connected() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let ids = [hub.guest(), hub.guest(), hub.guest()];
    for id in ids {
        hub.lose(id);
    }
    assert_eq!(hub.hub.users_lost, 2);
    let late = hub.connect();
    let data = hub.resume_of(ids[2], 0);
    assert_eq!(hub.ask(late, "hello", data), Err("unauthorized".into()));
    hub.resume(ids[0], 0);
    hub.advance(30 * SECOND);
    assert_eq!((hub.hub.users_lost, hub.hub.user_by_id.len()), (0, 1));
}
