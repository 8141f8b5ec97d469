//! What goes on after the process was killed: rules 15, 17, 28, 32-35.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::auth::token::RefreshError;
use crate::signal::EndReason;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::store;
use crate::store::Banned;
use crate::store::Store;

const SECOND: Duration = Duration::from_secs(1);

fn cid(n: usize) -> String {
    format!("0d4b5a70-3a5f-4a71-9d5c-{n:012}")
}

fn say(hub: &mut Fixture, from: ConnectionId, session: &str, n: usize) -> Result<Value, String> {
    let data = json!({"session": session, "cid": cid(n), "kind": "text", "text": n.to_string()});
    hub.ask(from, "chat.send", data)
}

fn offer(session: &str, neg: i64) -> Value {
    json!({"session": session, "neg": neg, "kind": "offer", "sdp": "v=0"})
}

/// Everything unread, as type and `seq`.
fn numbered(frames: &[Value]) -> Vec<(&str, Option<u64>)> {
    frames.iter().map(|frame| (frame["type"].as_str().expect("a type"), frame["seq"].as_u64())).collect()
}

/// Why the session ended, as the store has it.
fn ending(hub: &Fixture, session: &str) -> Option<String> {
    let record = hub.store.session(&crate::signal::SessionId(session.into())).expect("read").expect("is kept");
    record.ending.map(|ending| ending.reason.to_string())
}

fn live_sessions(store: &dyn Store) -> usize {
    let mut count = 0;
    store.each_live_session(&mut |_| count += 1).expect("read");
    count
}

fn resumptions(store: &dyn Store) -> usize {
    let mut count = 0;
    store.each_resumption(&mut |_| count += 1).expect("read");
    count
}

#[test]
fn rule_35_both_sides_resume_with_a_gap_and_the_call_is_as_it_was() {
    let mut hub = Fixture::new();
    let (a, b, session, [of_a, _]) = hub.pair();
    hub.ask(a, "rtc.description", offer(&session, 7)).expect("is sent");
    let sent = say(&mut hub, a, &session, 1).expect("is sent");
    hub.advance(2 * SECOND);
    hub.restart(3 * SECOND);
    let a = hub.resume(a, 1);
    let frames = hub.take(a);
    assert_eq!(numbered(&frames), [("ok", None), ("sync", None), ("peer.left", Some(2))], "seq goes on");
    assert_eq!((&frames[0]["data"]["resumed"], &frames[0]["data"]["gap"]), (&json!(true), &json!(true)));
    let found = &of_a["data"];
    let shown = json!({
        "session": session, "self": found["self"], "peer": found["peer"], "role": "impolite", "initiator": true,
        "deadline": found["deadline"], "neg": 7,
    });
    assert_eq!(frames[1]["data"], json!({"sessions": [shown], "rooms": [], "last_mid": sent["mid"]}));
    let until = START.0 + 5_000 + 30_000;
    let away = &frames[2]["data"];
    assert_eq!(
        (&away["reason"], &away["can_reconnect"], &away["until"]),
        (&json!("lost"), &json!(true), &json!(until))
    );
    let b = hub.resume(b, 3);
    assert_eq!(numbered(&hub.take(b)), [("ok", None), ("sync", None)]);
    assert_eq!(numbered(&hub.take(a)), [("peer.resumed", Some(3))]);
    let later = say(&mut hub, a, &session, 2).expect("is sent");
    assert!(later["mid"].as_str() > sent["mid"].as_str());
    assert_eq!(hub.take_one(b, "chat.message")["seq"], 4);
    // What was said before the kill is known by its name.
    assert_eq!(say(&mut hub, a, &session, 1), Ok(sent));
    assert!(hub.take(b).is_empty());
    assert_eq!(live_sessions(&*hub.store), 1);
}

#[test]
fn rule_32_the_deadline_holds_across_a_restart_and_its_warnings_come_once() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.advance(250 * SECOND);
    hub.take(a);
    hub.restart(20 * SECOND);
    let (a, b) = (hub.resume(a, 2), hub.resume(b, 2));
    hub.take(a);
    hub.take(b);
    hub.advance(30 * SECOND - Duration::from_millis(1));
    // The one at 60 s came before the restart.
    assert_eq!(hub.take_one(a, "session.warning")["data"]["remaining_ms"], 10_000);
    hub.advance(Duration::from_millis(1));
    let ended = hub.take_one(a, "session.ended");
    assert_eq!(ended["data"], json!({"session": session, "reason": "limit", "duration_ms": 300_000}));
    assert_eq!(ended["ts"], START.0 + 300_000);
    assert_eq!(hub.ended.len(), 1);
    assert!(hub.ended[0].credentials_until.0 >= START.0 + 600_000, "they are refused until they expire");
    assert_eq!(ending(&hub, &session), Some("limit".into()));
}

#[test]
fn a_deadline_that_came_while_nobody_was_here_is_met_at_once() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.advance(10 * SECOND);
    hub.restart(3600 * SECOND);
    assert_eq!((hub.ended.len(), ending(&hub, &session)), (1, Some("limit".into())));
    assert_eq!(hub.ended[0].duration, 300 * SECOND);
    let back = hub.connect();
    hub.take(back);
    // The access token has long expired, so its resume is refused too.
    let resume = hub.resume_of(a, 1);
    assert_eq!(hub.ask(back, "hello", resume), Err("unauthorized".into()));
}

#[test]
fn an_extension_survives() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    for side in [a, b] {
        hub.ask(side, "session.extend", json!({"session": session})).expect("asks");
    }
    hub.restart(SECOND);
    let a = hub.resume(a, 9);
    assert_eq!(hub.take_one(a, "sync")["data"]["sessions"][0]["deadline"], START.0 + 600_000);
}

#[test]
fn a_session_that_one_side_does_not_come_back_to_ends_as_lost() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.restart(SECOND);
    let a = hub.resume(a, 1);
    hub.advance(30 * SECOND - Duration::from_millis(1));
    assert_eq!(hub.ended.len(), 0);
    hub.take(a);
    hub.advance(Duration::from_millis(1));
    let ended = hub.take_one(a, "session.ended");
    assert_eq!((&ended["data"]["reason"], &ended["data"]["duration_ms"]), (&json!("lost"), &json!(31_000)));
    assert_eq!(ending(&hub, &session), Some("lost".into()));
    let late = hub.connect();
    let resume = hub.resume_of(b, 1);
    assert_eq!(hub.ask(late, "hello", resume), Err("unauthorized".into()));
    assert_eq!(resumptions(&*hub.store), 1, "that of the one who is here");
}

#[test]
fn nobody_comes_back_and_nothing_is_left_but_the_record() {
    let mut hub = Fixture::new();
    let (.., session, _) = hub.pair();
    hub.restart(SECOND);
    hub.advance(31 * SECOND);
    assert_eq!(ending(&hub, &session), Some("lost".into()));
    assert_eq!((live_sessions(&*hub.store), resumptions(&*hub.store)), (0, 0));
    assert_eq!(hub.stats.sessions_ended(EndReason::Lost).value(), 1);
    hub.restart(SECOND);
    assert_eq!(hub.ended.len(), 1, "and it does not end again");
}

#[test]
fn clients_get_30_s_after_a_restart_though_the_window_is_shorter() {
    let mut hub = Fixture::with(Settings { resume_window: 2 * SECOND, ..settings() });
    let (a, ..) = hub.pair();
    hub.restart(SECOND);
    hub.advance(29 * SECOND);
    let a = hub.resume(a, 1);
    assert_eq!(hub.take_one(a, "ok")["data"]["resume_window_ms"], 2_000);
}

#[test]
fn where_nothing_can_be_resumed_a_restart_ends_the_calls() {
    let mut hub = Fixture::with(Settings { resume_window: Duration::ZERO, ..settings() });
    let (.., session, _) = hub.pair();
    hub.restart(SECOND);
    hub.advance(Duration::ZERO);
    assert_eq!(ending(&hub, &session), Some("lost".into()));
    // A store of a time when it could be holds tokens.
    let mut hub = Fixture::new();
    hub.guest();
    hub.restart_with(Settings { resume_window: Duration::ZERO, ..settings() }, SECOND);
    assert_eq!(resumptions(&*hub.store), 0);
}

#[test]
fn rule_33_a_plain_hello_takes_the_session_over_after_a_restart() {
    let mut hub = Fixture::new();
    let a = hub.connect();
    let ok = hub.hello(a, json!({"guest": {"device_id": "a"}}));
    hub.take(a);
    let b = hub.guest();
    let (_, b, session, _) = hub.pair_up(a, b);
    hub.restart(SECOND);
    let b = hub.resume(b, 1);
    hub.take(b);
    let fresh = hub.connect();
    let ok = hub.hello(fresh, json!({"token": ok["access_token"]}));
    assert_eq!((&ok["resumed"], &ok["gap"]), (&json!(false), &json!(true)));
    assert_eq!(hub.take_one(fresh, "sync")["data"]["sessions"][0]["session"], session.as_str());
    assert_eq!(hub.take_one(b, "peer.resumed")["data"]["session"], session.as_str());
}

#[test]
fn rule_34_a_token_is_good_once_also_when_the_first_use_was_before_the_kill() {
    let mut hub = Fixture::new();
    let a = hub.guest();
    hub.lose(a);
    let used = hub.resume_of(a, 0);
    let b = hub.resume(a, 0);
    hub.restart(SECOND);
    let thief = hub.connect();
    assert_eq!(hub.ask(thief, "hello", used.clone()), Err("unauthorized".into()));
    hub.resume(b, 0);
    let thief = hub.connect();
    assert_eq!(hub.ask(thief, "hello", used), Err("unauthorized".into()));
}

#[test]
fn bye_is_for_good() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.ask(a, "bye", json!({})).expect("is told");
    hub.restart(SECOND);
    let back = hub.connect();
    let resume = hub.resume_of(a, 1);
    assert_eq!(hub.ask(back, "hello", resume), Err("unauthorized".into()));
    assert_eq!(ending(&hub, &session), Some("ended".into()));
}

#[test]
fn rule_35_an_expired_access_token_resumes_up_to_25_s_after_its_expiry_also_after_a_restart() {
    for (down, is_good) in [(314, true), (326, false)] {
        let mut hub = Fixture::with(Settings { session_limit: None, ..settings() });
        let a = hub.guest();
        hub.restart(Duration::from_secs(down));
        let back = hub.connect();
        let resume = hub.resume_of(a, 0);
        assert_eq!(hub.ask(back, "hello", resume).is_ok(), is_good, "{down}");
    }
}

#[test]
fn a_refreshed_access_token_counts_after_a_restart() {
    let mut hub = Fixture::new();
    let a = hub.user("ann");
    hub.advance(3590 * SECOND);
    let token = hub.token("ann", 3600);
    hub.ask(a, "auth.refresh", json!({"token": token})).expect("is hers");
    hub.restart(100 * SECOND);
    hub.resume(a, 0);
}

#[test]
fn rule_28_what_is_said_to_one_who_is_not_back_yet_is_refused_and_not_lost() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.restart(SECOND);
    let a = hub.resume(a, 1);
    assert_eq!(hub.ask(a, "rtc.description", offer(&session, 1)), Err("peer_unreachable".into()));
    assert_eq!(say(&mut hub, a, &session, 1), Err("peer_unreachable".into()));
    let b = hub.resume(b, 1);
    hub.take(b);
    assert!(hub.ask(a, "rtc.description", offer(&session, 1)).is_ok());
    assert_eq!(hub.take_one(b, "rtc.description")["seq"], 2);
    // From here on a loss is an ordinary one.
    hub.lose(b);
    assert!(say(&mut hub, a, &session, 1).is_ok());
    let b = hub.resume(b, 2);
    assert_eq!(numbered(&hub.take(b)), [("ok", None), ("chat.message", Some(3))]);
}

#[test]
fn who_met_lately_avoids_each_other_after_a_restart_for_the_rest_of_the_hour() {
    for (down, meet) in [(SECOND, false), (3600 * SECOND, true)] {
        let mut hub = Fixture::new();
        let (ann, bob) = (hub.user("ann"), hub.user("bob"));
        let (.., session, _) = hub.pair_up(ann, bob);
        hub.ask(ann, "session.end", json!({"session": session})).expect("ends");
        hub.restart(down);
        let (ann, bob) = (hub.user("ann"), hub.user("bob"));
        for user in [ann, bob] {
            hub.ask(user, "queue.join", json!({"tags": ["music"]})).expect("joins");
        }
        let is_matched = hub.take_kinds(ann).contains(&"match.found".to_owned());
        assert_eq!(is_matched, meet, "{down:?}");
    }
}

#[test]
fn a_guest_stays_logged_in_and_a_refresh_token_used_twice_kills_the_family_after_a_restart() {
    let mut hub = Fixture::new();
    let a = hub.connect();
    let ok = hub.hello(a, json!({"guest": {"device_id": "a"}}));
    let first = ok["refresh_token"].as_str().expect("a token").to_owned();
    let second = hub.refresh(&first).expect("is fresh");
    hub.restart(SECOND);
    let third = hub.refresh(&second.refresh_token).expect("is fresh");
    let a = hub.resume(a, 0);
    assert!(matches!(hub.refresh(&first), Err(RefreshError::Reused(_))));
    assert_eq!(hub.close_code(a), Some(CloseCode::Unauthorized));
    hub.restart(SECOND);
    assert_eq!(hub.refresh(&third.refresh_token), Err(RefreshError::Invalid));
    for hello in [json!({"token": third.access_token}), hub.resume_of(a, 0)] {
        let back = hub.connect();
        assert_eq!(hub.ask(back, "hello", hello), Err("unauthorized".into()));
    }
}

#[test]
fn a_refresh_is_answered_once_it_is_kept() {
    let mut hub = Fixture::new();
    let a = hub.connect();
    let ok = hub.hello(a, json!({"guest": {"device_id": "a"}}));
    hub.store_sleeps = true;
    let (answer, answered) = std::sync::mpsc::channel();
    let token = ok["refresh_token"].as_str().expect("a token");
    hub.hub.handle_refresh(token, move |outcome| answer.send(outcome).expect("the test waits"), hub.now);
    hub.pump();
    assert!(answered.try_recv().is_err(), "the store sleeps");
    hub.store_sleeps = false;
    hub.pump();
    assert!(answered.try_recv().is_ok_and(|outcome| outcome.is_ok()));
    hub.store_is_full = true;
    assert!(hub.refresh("not one of ours").is_err());
}

#[test]
fn rule_32_a_drain_leaves_the_calls_to_the_process_after_it() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.hub.handle_drain(20 * SECOND, hub.now);
    hub.advance(60 * SECOND);
    assert!(hub.hub.is_drained());
    assert_eq!((hub.ended.len(), hub.close_code(a)), (0, Some(CloseCode::Drain)));
    hub.restart(SECOND);
    let a = hub.resume(a, 1);
    assert_eq!(hub.take_one(a, "sync")["data"]["sessions"][0]["session"], session.as_str());
    hub.resume(b, 1);
    assert_eq!(hub.take_one(a, "peer.resumed")["data"]["session"], session.as_str());
}

#[test]
fn sessions_of_one_user_are_never_two_after_a_restart() {
    let mut hub = Fixture::new();
    let (_, _, first, _) = hub.pair();
    // As if the end of a session had been lost by the disk, and a user of it gone on to another.
    let record = hub.store.session(&crate::signal::SessionId(first.as_str().into())).expect("read").expect("is kept");
    let twin = crate::store::Session { id: crate::signal::SessionId("twin".into()), ..record.session };
    hub.store.start_session(&twin).expect("is new");
    hub.restart(SECOND);
    assert_eq!(hub.ended.len(), 1);
    assert_eq!((ending(&hub, &first), ending(&hub, "twin")), (None, Some("lost".into())));
}

#[test]
fn credentials_of_a_call_that_is_over_stay_refused_until_they_have_expired() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    let until = hub.ended[0].credentials_until;
    hub.restart(SECOND);
    let revoked: Vec<_> = hub.revoked.iter().map(|pass| (pass.name.as_str(), pass.until)).collect();
    assert_eq!(revoked, [(session.as_str(), until)]);
    hub.revoked.clear();
    hub.restart(601 * SECOND);
    assert_eq!(hub.revoked, [], "they have expired");
}

#[test]
fn rule_34_a_ban_is_checked_at_every_hello_and_every_resume() {
    let banned = [
        Banned::User(store::UserId("shop:ann".into())),
        Banned::Device(store::DeviceId("tablet".into())),
        Banned::Network("198.51.100.0/24".into()),
        Banned::Network("2001:db8::7".into()),
        Banned::Network("nowhere".into()),
    ];
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let guest = hub.connect();
    hub.hello(guest, json!({"guest": {"device_id": "tablet"}}));
    for (number, banned) in (0..).zip(banned) {
        let until = Some(START + 60 * SECOND).filter(|_| number == 0);
        let id = store::BanId(number.to_string().into());
        let by = store::UserId("m".into());
        hub.store
            .put_ban(&store::Ban {
                id,
                banned,
                sanction: store::Sanction::Ban,
                reason: "".into(),
                by,
                report: None,
                at: START,
                until,
            })
            .expect("stored");
    }
    hub.restart(SECOND);
    let hello_of_ann = json!({"token": hub.token("ann", 3600)});
    let resume_of_ann = hub.resume_of(ann, 0);
    let (resume_of_guest, resume_of_bob) = (hub.resume_of(guest, 0), hub.resume_of(bob, 0));
    let of_nobody = crate::auth::resume::ResumeHash::issue("shop:ann").0;
    for (ip, hello) in [
        ("192.0.2.1", hello_of_ann.clone()),
        ("192.0.2.1", resume_of_ann.clone()),
        ("192.0.2.1", json!({"resume": {"token": of_nobody, "last_seq": 0}})),
        ("192.0.2.1", json!({"guest": {"device_id": "tablet"}})),
        ("192.0.2.1", resume_of_guest),
        ("198.51.100.7", json!({"guest": {"device_id": "phone"}})),
        ("2001:db8::7", resume_of_bob.clone()),
    ] {
        let id = hub.connect_as(ip, None);
        assert_eq!(hub.ask(id, "hello", hello.clone()), Err("banned".into()), "{ip} {hello}");
        assert_eq!(hub.close_code(id), Some(CloseCode::Forbidden));
    }
    let id = hub.connect_as("2001:db8::8", None);
    assert!(hub.ask(id, "hello", resume_of_bob).is_ok());
    let verified = |hub: &Fixture, hello: &Value| {
        let token = hello["token"].as_str().expect("a token");
        hub.hub.handle_verify([192, 0, 2, 1].into(), token, hub.now).map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(verified(&hub, &hello_of_ann), Err(ErrorCode::Banned), "REST is closed to her, too");
    assert_eq!(verified(&hub, &json!({"token": hub.token("bob", 3600)})), Ok(()));
    hub.advance(60 * SECOND);
    assert_eq!(verified(&hub, &hello_of_ann), Ok(()));
    let id = hub.connect();
    assert!(hub.ask(id, "hello", hello_of_ann).is_ok(), "the ban is over");
}

#[test]
fn when_nobody_of_many_comes_back_they_are_given_up_a_few_at_a_time() {
    let mut hub = Fixture::new();
    for number in 0..1_500 {
        let token = hub.token(&number.to_string(), 3600);
        let id = hub.connect();
        hub.hello(id, json!({"token": token}));
        hub.take(id);
    }
    hub.restart(SECOND);
    assert_eq!(resumptions(&*hub.store), 1_500);
    hub.advance(30 * SECOND);
    assert_eq!(resumptions(&*hub.store), 499, "one more than 1000 at once");
    hub.advance(Duration::from_micros(49_800));
    assert_eq!(resumptions(&*hub.store), 1);
    hub.advance(Duration::from_micros(100));
    assert_eq!(resumptions(&*hub.store), 0);
}
