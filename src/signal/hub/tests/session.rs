use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::signal::EndReason;
use crate::signal::Limits;
use crate::signal::Relayed;
use crate::signal::Route;
use crate::signal::Settings;
use crate::signal::protocol::CloseCode;
use crate::time::UnixMillis;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rule_24_both_sides_learn_their_own_role_and_alias() {
    let mut hub = Fixture::new();
    let (_, _, _, [a, b]) = hub.pair();
    let (a, b) = (&a["data"], &b["data"]);
    assert_eq!((&a["role"], &a["initiator"]), (&json!("impolite"), &json!(true)));
    assert_eq!((&b["role"], &b["initiator"]), (&json!("polite"), &json!(false)));
    assert_eq!(a["self"], b["peer"]["id"]);
    assert_eq!(b["self"], a["peer"]["id"]);
    assert_ne!(a["self"], b["self"]);
    assert_eq!(a["peer"]["tags_common"], json!(["music"]));
    assert_eq!(a["session"], b["session"]);
    assert_eq!((&a["ice_policy"], &a["server_time"]), (&json!("all"), &json!(START)));
    assert_eq!(a["deadline"], json!(START.0 + 300_000));
}

#[test]
fn rule_25_credentials_name_session_and_side_and_expire_as_told() {
    let mut hub = Fixture::new();
    let (_, _, session, [a, b]) = hub.pair();
    let expiry = START.as_secs() + 600;
    for (found, side) in [(a, "a"), (b, "b")] {
        let found = &found["data"];
        assert_eq!(found["ice_expires_at"], json!(expiry * 1000));
        let turn = &found["ice_servers"][1];
        assert_eq!(turn["username"], json!(format!("{expiry}:{session}.{side}")));
        assert_eq!(turn["urls"], json!(["turn:h:3478?transport=udp"]));
        assert!(turn["credential"].is_string());
    }
}

#[test]
fn rule_12_seq_has_no_holes_and_counts_only_what_it_names() {
    let mut hub = Fixture::new();
    let (a, b, session, [_, found]) = hub.pair();
    assert_eq!(found["seq"], 1);
    let say = |hub: &mut Fixture, kind: &str, data: Value| {
        let mut data = data;
        data["session"] = json!(session);
        hub.ask(a, kind, data).expect("is passed on");
    };
    say(&mut hub, "chat.typing", json!({"on": true}));
    say(&mut hub, "rtc.description", json!({"neg": 1, "kind": "offer", "sdp": "v=0"}));
    say(&mut hub, "media.state", json!({"audio": true, "video": false}));
    say(&mut hub, "chat.react", json!({"emoji": "x"}));
    say(&mut hub, "session.end", json!({}));
    let frames = hub.take(b);
    assert!(frames.iter().all(|frame| frame["ts"] == json!(START)));
    let seqs: Vec<_> = frames.iter().map(|frame| (frame["type"].as_str().expect("a type"), &frame["seq"])).collect();
    assert_eq!(
        seqs,
        [
            ("chat.typing", &Value::Null),
            ("rtc.description", &json!(2)),
            ("peer.media", &Value::Null),
            ("chat.reaction", &json!(3)),
            ("session.ended", &json!(4)),
        ]
    );
}

#[test]
fn rule_31_the_ender_gets_ok_then_session_ended_and_the_other_session_ended_only() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.advance(7 * SECOND);
    hub.request(a, "session.end", json!({"session": session, "reason": "bored"}));
    assert_eq!(hub.take_kinds(a), ["ok", "session.ended"]);
    let ended = hub.take(b);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["data"], json!({"session": session, "reason": "ended", "duration_ms": 7_000}));
    assert_eq!(hub.ask(b, "session.end", json!({"session": session})), Err("not_in_session".into()));
}

#[test]
fn rule_31_next_keeps_the_preferences_queues_at_once_and_leaves_the_other_alone() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.request(a, "session.next", json!({"session": session}));
    let frames = hub.take(a);
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["ok", "session.ended", "queue.status"]);
    assert_eq!(frames[0]["data"], frames[2]["data"]);
    assert_eq!(frames[1]["data"]["reason"], "skipped");
    assert_eq!(hub.take_one(b, "session.ended")["data"]["reason"], "skipped");
    assert_eq!(hub.ask(b, "queue.leave", json!({})), Ok(json!({"left": false})));
    let c = hub.guest();
    assert!(hub.ask(c, "queue.join", json!({"tags": ["music"]})).is_ok());
    assert_eq!(hub.take_one(a, "match.found")["data"]["peer"]["tags_common"], json!(["music"]));
}

#[test]
fn rule_31_without_skips_left_the_session_goes_on() {
    let limits = Limits { skips_per_minute: 1, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let (a, _, session, _) = hub.pair();
    assert!(hub.ask(a, "session.next", json!({"session": session})).is_ok());
    assert_eq!(hub.ask(a, "session.next", json!({"session": session})), Err("not_in_session".into()));
    hub.take(a);
    let c = hub.guest();
    assert!(hub.ask(c, "queue.join", json!({"tags": ["music"]})).is_ok());
    let session = hub.take_one(a, "match.found")["data"]["session"].clone();
    assert_eq!(hub.ask(a, "session.next", json!({"session": session})), Err("rate_limited".into()));
    assert!(hub.ask(a, "chat.typing", json!({"session": session, "on": true})).is_ok());
}

#[test]
fn rule_26_a_session_of_others_an_unknown_and_an_ended_one_look_alike() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    let (c, _, of_others, _) = hub.pair();
    assert!(hub.ask(c, "session.end", json!({"session": of_others})).is_ok());
    let stranger = hub.guest();
    for (id, session) in
        [(a, "unknown"), (a, of_others.as_str()), (c, of_others.as_str()), (stranger, session.as_str())]
    {
        for (kind, rest) in [
            ("session.end", json!({})),
            ("session.next", json!({})),
            ("session.extend", json!({})),
            ("rtc.description", json!({"neg": 1, "kind": "offer", "sdp": "v=0"})),
            ("rtc.candidates", json!({"neg": 1, "candidates": []})),
            ("rtc.state", json!({"state": "connected"})),
            ("rtc.quality", json!({"score": 1})),
            ("media.state", json!({"audio": true, "video": true})),
            ("chat.send", json!({"cid": "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11", "kind": "text", "text": "hi"})),
            ("chat.typing", json!({"on": true})),
            ("chat.react", json!({"emoji": "x"})),
            ("ice.refresh", json!({})),
        ] {
            let mut data = rest;
            data["session"] = json!(session);
            assert_eq!(hub.ask(id, kind, data), Err("not_in_session".into()), "{kind}");
        }
    }
}

#[test]
fn rule_32_warnings_come_at_60_and_10_s_then_the_session_ends_by_itself() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.advance(239 * SECOND);
    assert!(hub.take(b).is_empty());
    hub.advance(SECOND);
    assert_eq!(hub.take_one(b, "session.warning")["data"], json!({"session": session, "remaining_ms": 60_000}));
    hub.advance(50 * SECOND);
    let kinds = hub.take_kinds(b);
    assert!(kinds.contains(&"session.warning".to_owned()));
    hub.advance(9 * SECOND);
    assert!(hub.take(b).is_empty());
    hub.advance(SECOND);
    let ended = hub.take_one(a, "session.ended");
    assert_eq!(ended["data"], json!({"session": session, "reason": "limit", "duration_ms": 300_000}));
    assert_eq!(hub.take_kinds(b), ["session.ended"]);
    assert_eq!(hub.stats.sessions_ended(EndReason::Limit).value(), 1);
}

#[test]
fn rule_32_a_20_s_session_is_warned_at_10_s_only() {
    let mut hub = Fixture::with(Settings { session_limit: Some(20 * SECOND), ..settings() });
    let (a, ..) = hub.pair();
    hub.advance(20 * SECOND);
    assert_eq!(hub.take_kinds(a), ["session.warning", "session.ended"]);
}

#[test]
fn a_session_without_limit_has_no_deadline_and_renews_its_credentials() {
    let mut hub = Fixture::with(Settings { session_limit: None, ..settings() });
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, _, session, found) = hub.pair_up(a, b);
    assert_eq!(found[0]["data"]["deadline"], Value::Null);
    hub.advance(2519 * SECOND);
    assert!(hub.take(a).is_empty());
    hub.advance(SECOND);
    let updated = hub.take_one(a, "ice.updated");
    assert_eq!(updated["data"]["session"], json!(session));
    assert_eq!(updated["data"]["expires_at"], json!(START.0 + 6_120_000));
    assert_eq!(updated["seq"], 2);
    let again = hub.ask(a, "session.extend", json!({"session": session}));
    assert_eq!(again, Err("conflict".into()));
}

#[test]
fn rule_30_a_session_is_extended_when_both_ask() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let extend = json!({"session": session});
    hub.advance(100 * SECOND);
    assert_eq!(hub.ask(a, "session.extend", extend.clone()), Ok(json!({"pending": true})));
    assert_eq!(hub.ask(a, "session.extend", extend.clone()), Ok(json!({"pending": true})));
    let asked = hub.take_one(b, "session.extend");
    assert_eq!(asked["data"], json!({"session": session, "from": found[0]["data"]["self"]}));
    hub.request(b, "session.extend", extend);
    assert_eq!(hub.take_kinds(b), ["ok", "session.extended"]);
    let extended = hub.take_one(a, "session.extended");
    assert_eq!(extended["data"], json!({"session": session, "deadline": START.0 + 600_000}));
    hub.advance(130 * SECOND);
    for id in [a, b] {
        hub.take(id);
    }
    hub.advance(84 * SECOND);
    assert!(!hub.take_kinds(a).contains(&"session.ended".to_owned()));
}

#[test]
fn an_extended_session_ends_at_its_new_deadline_after_new_warnings() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(a, b);
    for id in [a, b] {
        assert!(hub.ask(id, "session.extend", json!({"session": session})).is_ok());
    }
    for id in [a, b] {
        hub.take(id);
    }
    hub.advance(539 * SECOND);
    assert_eq!(hub.take_kinds(a), ["ice.updated"]);
    hub.advance(SECOND);
    assert_eq!(hub.take_kinds(a), ["session.warning"]);
    hub.advance(59 * SECOND);
    assert_eq!(hub.take_kinds(a), ["session.warning"]);
    hub.advance(SECOND);
    assert_eq!(hub.take_one(a, "session.ended")["data"]["duration_ms"], 600_000);
}

#[test]
fn rule_13_bye_ends_the_session_as_ended() {
    let mut hub = Fixture::new();
    let (a, b, ..) = hub.pair();
    hub.request(a, "bye", json!({}));
    assert_eq!(hub.take_kinds(a), ["ok", "session.ended"]);
    assert_eq!(hub.take_one(b, "session.ended")["data"]["reason"], "ended");
    assert_eq!(hub.close_code(a), Some(CloseCode::Normal));
}

#[test]
fn the_relay_is_told_to_let_go_until_the_last_credential_is_worthless() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.advance(10 * SECOND);
    assert!(hub.ask(a, "ice.refresh", json!({"session": session})).is_ok());
    assert!(hub.ask(a, "rtc.state", json!({"session": session, "state": "connected", "path": "relay"})).is_ok());
    assert!(hub.ask(a, "session.end", json!({"session": session})).is_ok());
    let [ended] = hub.ended.as_slice() else { panic!("one session has ended") };
    assert_eq!(ended.session.as_str(), session);
    assert_eq!(ended.credentials_until, UnixMillis(START.0 + 610_000));
    assert_eq!((ended.reason, ended.duration), (EndReason::Ended, 10 * SECOND));
    assert_eq!(ended.reports.each_ref().map(|report| report.path.map(|path| path.as_str())), [Some("relay"), None]);
}

#[test]
fn what_both_sides_report_is_counted_by_way_and_kept_with_the_session() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let relayed = json!({
        "session": session, "state": "connected", "path": "relay", "relay_protocol": "tcp", "setup_ms": 900,
    });
    assert!(hub.ask(a, "rtc.state", relayed.clone()).is_ok());
    assert!(hub.ask(a, "rtc.state", relayed).is_ok());
    assert!(hub.ask(b, "rtc.state", json!({"session": session, "state": "failed", "fail_reason": "no_path"})).is_ok());
    for (rtt, after) in [(40, 0), (400, 1), (80, 6)] {
        hub.advance(after * SECOND);
        assert!(hub.ask(a, "rtc.quality", json!({"session": session, "score": 90, "rtt_ms": rtt})).is_ok());
    }
    hub.advance(5 * SECOND);
    let stats = hub.stats.clone();
    let calls = stats.calls(Route::RelayTcp);
    assert_eq!((calls.connected_total.value(), stats.connects_failed_total.value()), (1, 1));
    assert!((calls.setup_secs.read().sum - 0.9).abs() < 1e-6, "counted once");
    assert!((calls.round_trip_secs.read().sum - 0.52).abs() < 1e-6, "each that passes the gate");
    assert_eq!(stats.calls(Route::Direct).connected_total.value(), 0);

    assert!(hub.ask(a, "session.end", json!({"session": session})).is_ok());
    let summary = hub.summary(&session);
    assert_eq!((&summary["a"]["path"], &summary["b"]["failed"]), (&json!("relay_tcp"), &json!(true)));
    assert_eq!((&summary["a"]["quality_reports"], &summary["relayed"]), (&json!(3), &json!(null)));
    hub.hear_relay(Relayed { allocations: 1, bytes_to_peer: 77, ..Relayed::default() });
    let summary = hub.summary(&session);
    assert_eq!((&summary["a"]["setup_ms"], &summary["relayed"]["bytes_to_peer"]), (&json!(900), &json!(77)));
}

#[test]
fn rule_33_a_newer_socket_takes_the_session_over() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (ann, bob, session, found) = hub.pair_up(ann, bob);
    let offer = json!({"session": session, "neg": 4, "kind": "offer", "sdp": "v=0"});
    assert!(hub.ask(ann, "rtc.description", offer).is_ok());
    let chat = json!({"session": session, "cid": "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11", "kind": "text", "text": "hi"});
    let sent = hub.ask(ann, "chat.send", chat).expect("is sent");
    hub.take(bob);
    let newer = hub.connect();
    hub.take(newer);
    let token = hub.token("ann", 3600);
    hub.request(newer, "hello", json!({"token": token}));
    assert_eq!(hub.close_code(ann), Some(CloseCode::Replaced));
    let frames = hub.take(newer);
    assert_eq!((&frames[0]["data"]["resumed"], &frames[0]["data"]["gap"]), (&json!(false), &json!(true)));
    let found = &found[0]["data"];
    assert_eq!(frames[1]["type"], "sync");
    assert_eq!(
        frames[1]["data"],
        json!({"sessions": [{
            "session": session, "self": found["self"], "peer": found["peer"], "role": "impolite", "initiator": true,
            "deadline": found["deadline"], "neg": 4,
        }], "rooms": [], "last_mid": sent["mid"]})
    );
    let resumed = hub.take(bob);
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0]["type"], "peer.resumed");
    assert_eq!(resumed[0]["data"], json!({"session": session, "peer": found["self"]}));
    // The end of the older socket is no loss.
    hub.lose(ann);
    assert!(hub.ended.is_empty());
    assert!(hub.ask(bob, "chat.typing", json!({"session": session, "on": true})).is_ok());
    assert_eq!(hub.take_kinds(newer), ["chat.typing"]);
}
