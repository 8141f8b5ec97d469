use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::store::Retention;

const CID: &str = "0d4b5a70-3a5f-4a71-9d5c-1f1f6b6a0d11";

/// A hub where nothing is kept.
fn forgetful() -> Fixture {
    let retention = Retention { session_chat: Duration::ZERO, ..Retention::default() };
    Fixture::with(Settings { retention, ..settings() })
}

fn text(session: &str, n: u32) -> Value {
    json!({"session": session, "cid": format!("0d4b5a70-3a5f-4a71-9d5c-{n:012}"), "kind": "text", "text": n.to_string()})
}

fn say(hub: &mut Fixture, from: ConnectionId, session: &str, n: u32) -> Value {
    hub.ask(from, "chat.send", text(session, n)).expect("is sent")["mid"].clone()
}

/// The texts that come with a history.
fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().expect("a list");
    messages.iter().map(|message| message["text"].as_str().unwrap_or("deleted")).collect()
}

#[test]
fn rule_36_a_message_reaches_the_other_once_and_never_its_sender() {
    for mut hub in [Fixture::with(Settings { session_limit: None, ..settings() }), forgetful()] {
        let (a, b) = (hub.user("ann"), hub.user("bob"));
        let (a, b, session, found) = hub.pair_up(a, b);
        let first = say(&mut hub, b, &session, 1);
        hub.take(a);
        let data = json!({"session": session, "cid": CID, "kind": "text", "text": "hi", "reply_to": first, "x": 1});
        let sent = hub.ask(a, "chat.send", data.clone()).expect("is sent");
        assert_eq!(sent["ts"], json!(START));
        hub.advance(Duration::from_secs(250));
        assert_eq!(hub.ask(a, "chat.send", data), Ok(sent.clone()));
        let got = hub.take_one(b, "chat.message");
        let from = &found[0]["data"]["self"];
        assert_eq!(
            got["data"],
            json!({
                "session": session, "from": from, "mid": sent["mid"], "ts": START, "cid": CID, "kind": "text",
                "text": "hi", "reply_to": first,
            })
        );
        assert!(!hub.take_kinds(a).contains(&"chat.message".to_owned()));
        assert_eq!(hub.stats.chat_messages_total.value(), 2);
    }
}

#[test]
fn rule_36_mids_sort_in_send_order() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let mids: Vec<String> = (0..40)
        .map(|n| say(&mut hub, if n % 3 == 0 { a } else { b }, &session, n).as_str().expect("a mid").to_owned())
        .collect();
    assert!(mids.is_sorted());
}

#[test]
fn a_message_goes_out_once_it_is_stored_and_whoever_repeats_it_meanwhile_is_told_the_same() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.store_sleeps = true;
    let asked = [1, 2, 1].map(|n| hub.request(a, "chat.send", text(&session, n)));
    assert_eq!((hub.take(a), hub.take(b)), (vec![], vec![]));
    hub.work_in_store(3);
    hub.hear_store();
    let replies = hub.take(a);
    let [first, second, again] = asked.map(|re| {
        let reply = replies.iter().find(|reply| reply["re"] == re).expect("is answered");
        reply["data"]["mid"].as_str().expect("a mid").to_owned()
    });
    assert!(first < second && again == first);
    let heard: Vec<Value> = hub.take(b).into_iter().map(|push| push["data"]["text"].clone()).collect();
    assert_eq!(heard, ["1", "2"]);
}

#[test]
fn a_session_ends_after_what_was_said_before_its_end() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.store_sleeps = true;
    hub.request(a, "chat.send", text(&session, 1));
    hub.request(a, "session.end", json!({"session": session}));
    hub.request(a, "queue.leave", json!({}));
    assert!(hub.take(b).is_empty());
    hub.work_in_store(1);
    hub.hear_store();
    assert_eq!(hub.take_kinds(b), ["chat.message", "session.ended"]);
    assert_eq!(hub.take_kinds(a), ["ok", "ok", "session.ended", "ok"]);
}

#[test]
fn a_history_shows_what_was_said_before_it() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.store_sleeps = true;
    hub.request(a, "chat.send", text(&session, 1));
    let re = hub.request(a, "chat.history", json!({"session": session}));
    hub.store_sleeps = false;
    hub.pump();
    let answers = hub.take(a);
    let page = answers.iter().find(|answer| answer["re"] == re).expect("is answered");
    assert_eq!(texts(&page["data"]), ["1"]);
}

#[test]
fn rule_37_a_history_comes_in_pages_of_exclusive_bounds() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let mids: Vec<Value> = (0..120).map(|n| say(&mut hub, a, &session, n)).collect();
    let page = |hub: &mut Fixture, mut data: Value| {
        data["session"] = json!(session);
        let page = hub.ask(b, "chat.history", data).expect("is told");
        assert_eq!(page["self"], found[1]["data"]["self"]);
        (texts(&page).iter().map(|text| text.parse().expect("a number")).collect::<Vec<u32>>(), page["more"] == true)
    };
    hub.advance(Duration::from_secs(20));
    assert_eq!(page(&mut hub, json!({})), ((70..120).collect(), true));
    assert_eq!(page(&mut hub, json!({"limit": 100})), ((20..120).collect(), true));
    assert_eq!(page(&mut hub, json!({"before": mids[30], "limit": 10})), ((20..30).collect(), true));
    assert_eq!(page(&mut hub, json!({"before": mids[30]})), ((0..30).collect(), false));
    assert_eq!(page(&mut hub, json!({"after": mids[80], "limit": 10})), ((81..91).collect(), true));
    assert_eq!(page(&mut hub, json!({"after": mids[80]})), ((81..120).collect(), false));
    assert_eq!(page(&mut hub, json!({"after": mids[80], "before": mids[83]})), ((81..83).collect(), false));
    assert_eq!(page(&mut hub, json!({"after": mids[119]})), (vec![], false));
    let shown = hub.ask(b, "chat.history", json!({"session": session, "limit": 1})).expect("is told");
    let expected = json!({
        "mid": mids[119], "ts": START, "from": found[0]["data"]["self"], "kind": "text", "text": "119",
    });
    assert_eq!(shown["messages"], json!([expected]));
}

#[test]
fn rule_37_both_may_read_for_a_day_after_the_end_and_nobody_else_ever() {
    let mut hub = Fixture::new();
    let (a, b) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(a, b);
    let stranger = hub.user("eve");
    say(&mut hub, a, &session, 7);
    let read = |hub: &mut Fixture, who| hub.ask(who, "chat.history", json!({"session": session}));
    assert_eq!(read(&mut hub, stranger), Err("not_in_session".into()));
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    for who in [a, b] {
        assert_eq!(texts(&read(&mut hub, who).expect("is open")), ["7"]);
        assert_eq!(hub.ask(who, "chat.send", text(&session, 8)), Err("not_in_session".into()));
    }
    assert_eq!(read(&mut hub, stranger), Err("not_in_session".into()));
    assert_eq!(hub.ask(a, "chat.history", json!({"session": "none"})), Err("not_in_session".into()));
    // Tokens of an hour, and a socket for whoever asks.
    hub.advance(Duration::from_secs(86_399));
    let late = hub.user("bob");
    assert_eq!(texts(&read(&mut hub, late).expect("is open")), ["7"]);
    hub.advance(Duration::from_secs(1));
    assert_eq!(read(&mut hub, late), Err("not_in_session".into()));
}

#[test]
fn rule_37_receipts_are_told_and_never_go_back() {
    for mut hub in [Fixture::new(), forgetful()] {
        let (a, b, session, found) = hub.pair();
        let mids = [1, 2, 3].map(|n| say(&mut hub, a, &session, n));
        hub.take(b);
        let receipt = |hub: &mut Fixture, mut data: Value| {
            data["session"] = json!(session);
            hub.ask(b, "chat.receipt", data)
        };
        assert_eq!(receipt(&mut hub, json!({"delivered_to": mids[1]})), Ok(json!({})));
        assert_eq!(receipt(&mut hub, json!({"delivered_to": mids[0], "read_to": mids[0]})), Ok(json!({})));
        assert_eq!(receipt(&mut hub, json!({"delivered_to": mids[0]})), Ok(json!({})));
        let told: Vec<Value> = hub.take(a).into_iter().filter(|push| push["type"] == "chat.receipt").collect();
        let [first, second] = told.try_into().expect("two have moved");
        let from = &found[1]["data"]["self"];
        assert_eq!(first["data"], json!({"session": session, "from": from, "delivered_to": mids[1]}));
        assert_eq!(
            second["data"],
            json!({"session": session, "from": from, "delivered_to": mids[1], "read_to": mids[0]})
        );
        assert!(first["seq"].is_u64());
        let never_sent = format!("f{}", &mids[2].as_str().expect("a mid")[1..]);
        assert_eq!(receipt(&mut hub, json!({"read_to": never_sent})), Err("not_found".into()));
        assert_eq!(receipt(&mut hub, json!({})), Err("bad_request".into()));
    }
}

#[test]
fn receipts_stand_beside_the_history() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let mid = say(&mut hub, a, &session, 1);
    hub.ask(b, "chat.receipt", json!({"session": session, "read_to": mid})).expect("is taken");
    let page = hub.ask(a, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!(page["receipts"], json!([{"from": found[1]["data"]["self"], "read_to": mid}]));
}

#[test]
fn rule_37_only_ones_own_message_is_deleted_and_leaves_its_place() {
    for (mut hub, is_kept) in [(Fixture::new(), true), (forgetful(), false)] {
        let (a, b, session, found) = hub.pair();
        let mid = say(&mut hub, a, &session, 1);
        hub.take(b);
        let delete =
            |hub: &mut Fixture, who, mid: &Value| hub.ask(who, "chat.delete", json!({"session": session, "mid": mid}));
        assert_eq!(delete(&mut hub, b, &mid), Err("forbidden".into()));
        assert_eq!(delete(&mut hub, a, &json!(CID)), Err("not_found".into()));
        assert_eq!(delete(&mut hub, a, &json!("x")), Err("bad_request".into()));
        assert_eq!(delete(&mut hub, a, &mid), Ok(json!({})));
        let told = hub.take_one(b, "chat.deleted");
        assert_eq!(told["data"], json!({"session": session, "from": found[0]["data"]["self"], "mid": mid}));
        assert!(told["seq"].is_u64());
        let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
        if is_kept {
            assert_eq!(delete(&mut hub, a, &mid), Ok(json!({})));
            assert_eq!(page["messages"], json!([{"mid": mid, "deleted": true}]));
        } else {
            assert_eq!(page["messages"], json!([]));
        }
    }
}

#[test]
fn rule_37_a_reaction_to_a_message_is_kept_and_one_to_the_call_is_not() {
    let mut hub = Fixture::new();
    let (a, b, session, found) = hub.pair();
    let from = &found[0]["data"]["self"];
    let react = |hub: &mut Fixture, mut data: Value| {
        data["session"] = json!(session);
        hub.ask(a, "chat.react", data)
    };
    assert_eq!(react(&mut hub, json!({"emoji": "👍"})), Ok(json!({})));
    let told = hub.take_one(b, "chat.reaction");
    assert_eq!(told["data"], json!({"session": session, "from": from, "emoji": "👍", "remove": false}));
    let mid = say(&mut hub, b, &session, 1);
    assert_eq!(react(&mut hub, json!({"mid": mid, "emoji": "👍"})), Ok(json!({})));
    let told = hub.take_one(b, "chat.reaction");
    assert_eq!(told["data"], json!({"session": session, "from": from, "mid": mid, "emoji": "👍", "remove": false}));
    // Once more: nothing new.
    assert_eq!(react(&mut hub, json!({"mid": mid, "emoji": "👍"})), Ok(json!({})));
    assert!(hub.take(b).is_empty());
    let shown = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!(shown["messages"][0]["reactions"], json!([{"from": from, "emoji": "👍"}]));
    assert_eq!(react(&mut hub, json!({"mid": mid, "emoji": "👍", "remove": true})), Ok(json!({})));
    assert_eq!(hub.take_one(b, "chat.reaction")["data"]["remove"], true);
    assert_eq!(react(&mut hub, json!({"mid": CID, "emoji": "👍"})), Err("not_found".into()));
    hub.ask(b, "chat.delete", json!({"session": session, "mid": mid})).expect("is deleted");
    assert_eq!(react(&mut hub, json!({"mid": mid, "emoji": "👍"})), Err("not_found".into()));
}

#[test]
fn where_nothing_is_kept_the_live_part_works_and_the_history_is_empty() {
    let mut hub = forgetful();
    let (a, b, session, _) = hub.pair();
    let mid = say(&mut hub, a, &session, 1);
    assert_eq!(hub.take_kinds(b), ["chat.message"]);
    hub.ask(b, "chat.react", json!({"session": session, "mid": mid, "emoji": "👍"})).expect("is passed on");
    assert_eq!(hub.take_one(a, "chat.reaction")["data"]["mid"], mid);
    let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!((&page["messages"], &page["more"]), (&json!([]), &json!(false)));
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    assert!(hub.ask(b, "chat.history", json!({"session": session})).is_ok_and(|page| page["messages"] == json!([])));
}

#[test]
fn a_store_that_cannot_write_silences_nobody() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.store_is_full = true;
    let sent = hub.ask(a, "chat.send", text(&session, 1)).expect("is said");
    assert_eq!(hub.take_one(b, "chat.message")["data"]["mid"], sent["mid"]);
    assert_eq!(hub.ask(a, "chat.send", text(&session, 1)), Ok(sent.clone()));
    assert!(hub.take(b).is_empty());
    hub.ask(b, "chat.receipt", json!({"session": session, "read_to": sent["mid"]})).expect("is told");
    assert_eq!(hub.take_one(a, "chat.receipt")["data"]["read_to"], sent["mid"]);
    let react = json!({"session": session, "mid": sent["mid"], "emoji": "👍"});
    assert_eq!(hub.ask(b, "chat.react", react), Err("unavailable".into()));
    hub.store_is_full = false;
    let later = hub.ask(a, "chat.send", text(&session, 2)).expect("is sent");
    let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!(page["messages"][0]["mid"], later["mid"]);
}

#[test]
fn a_history_says_how_many_messages_it_lost_and_when_also_after_the_end() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let (c, _, other, _) = hub.pair();
    let read = |hub: &mut Fixture, who, session: &str| {
        hub.ask(who, "chat.history", json!({"session": session})).expect("is told")
    };
    say(&mut hub, a, &session, 0);
    assert_eq!(read(&mut hub, b, &session).get("lost"), None);
    hub.store_is_full = true;
    for (from, n) in [(a, 1), (b, 2), (a, 3)] {
        hub.advance(Duration::from_secs(1));
        say(&mut hub, from, &session, n);
        // A repeated one is lost once.
        say(&mut hub, from, &session, n);
    }
    hub.store_is_full = false;
    hub.advance(Duration::from_secs(1));
    say(&mut hub, b, &session, 4);
    let lost = json!({"count": 3, "first_ts": START.0 + 1000, "last_ts": START.0 + 3000});
    for who in [a, b] {
        let page = read(&mut hub, who, &session);
        assert_eq!((texts(&page), &page["lost"]), (vec!["0", "4"], &lost));
    }
    assert_eq!(read(&mut hub, c, &other).get("lost"), None, "another session lost nothing");
    hub.ask(a, "session.end", json!({"session": session})).expect("ends");
    assert_eq!(read(&mut hub, b, &session)["lost"], lost);
}

#[test]
fn what_goes_nowhere_or_is_kept_at_the_second_attempt_is_not_lost() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    hub.store_sleeps = true;
    for _ in 0..2 {
        hub.request(a, "chat.send", text(&session, 1));
    }
    hub.store_is_full = true;
    hub.work_in_store(1);
    hub.hear_store();
    assert_eq!(hub.take_one(b, "chat.message")["data"]["text"], "1");
    hub.store_is_full = false;
    hub.store_sleeps = false;
    hub.pump();
    assert!(hub.take(b).is_empty(), "nobody is told twice");
    let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!((texts(&page), page.get("lost")), (vec!["1"], None));
    // The session ends while its last message is on the way to a store that is full.
    hub.store_sleeps = true;
    hub.request(a, "chat.send", text(&session, 2));
    hub.request(b, "session.end", json!({"session": session}));
    hub.store_is_full = true;
    hub.work_in_store(1);
    hub.hear_store();
    hub.store_is_full = false;
    hub.store_sleeps = false;
    hub.pump();
    assert_eq!(hub.take_kinds(b), ["ok", "session.ended"]);
    let page = hub.ask(b, "chat.history", json!({"session": session})).expect("is told");
    assert_eq!((texts(&page), page.get("lost")), (vec!["1"], None));
}

#[test]
fn an_answer_to_a_message_that_nobody_has_sent_is_refused() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    let answer = |to: &str| json!({"session": session, "cid": CID, "kind": "text", "text": "hi", "reply_to": to});
    assert_eq!(hub.ask(a, "chat.send", answer(CID)), Err("not_found".into()));
    assert_eq!(hub.ask(a, "chat.send", answer("m0")), Err("bad_request".into()));
}

#[test]
fn a_history_of_long_messages_comes_in_pages_that_a_reply_can_carry() {
    let mut hub = Fixture::new();
    let (a, b, session, _) = hub.pair();
    let text = "🦀".repeat(2000);
    for n in 0..60_u128 {
        let cid = uuid::Uuid::from_u128(n).to_string();
        let message = json!({"session": session, "cid": cid, "kind": "text", "text": text});
        hub.ask(a, "chat.send", message).expect("goes out");
        // What was pushed is read.
        hub.take(b);
    }
    let (mut pages, mut mids) = (0, Vec::new());
    loop {
        let before = mids.first().cloned();
        let page =
            hub.ask(b, "chat.history", json!({"session": session, "limit": 100, "before": before})).expect("reads");
        assert!(page.to_string().len() < 160 * 1024);
        let messages = page["messages"].as_array().expect("a list");
        pages += 1;
        mids.splice(0..0, messages.iter().map(|message| message["mid"].clone()));
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((pages, mids.len()), (4, 60));
    assert!(mids.is_sorted_by_key(|mid| mid.as_str().map(str::to_owned)));
    let first = hub.ask(b, "chat.history", json!({"session": session, "limit": 100, "after": mids[3]})).expect("reads");
    assert_eq!((&first["messages"][0]["mid"], &first["more"]), (&mids[4], &json!(true)));
}
