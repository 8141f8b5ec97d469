//! Groups: a match of three or more and its room.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use super::rooms::data_of;
use super::rooms::say;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::signal::page::PageAsk;
use crate::signal::room_ask::RoomAsk;

const SECOND: Duration = Duration::from_secs(1);

/// Users of these names who met in a group, with what each was told.
fn group<const N: usize>(hub: &mut Fixture, names: [&str; N]) -> ([ConnectionId; N], [Value; N]) {
    let there = names.map(|name| hub.user(name));
    for who in there {
        hub.ask(who, "queue.join", json!({"size": N})).expect("joins");
    }
    (there, there.map(|who| hub.take_one(who, "match.found")))
}

fn names(list: &Value, key: &str) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|one| one[key].clone()).collect()
}

#[test]
fn a_group_meets_in_a_room_and_each_opens_to_those_who_waited_longer() {
    let mut hub = Fixture::new();
    let [ann, bob, cat] = ["ann", "bob", "cat"].map(|name| hub.user(name));
    let wish = |tags: &[&str]| json!({"size": 3, "tags": tags, "languages": ["en"]});
    hub.ask(ann, "queue.join", wish(&["tea", "rust"])).expect("joins");
    hub.advance(2 * SECOND);
    hub.ask(bob, "queue.join", wish(&["rust", "tea"])).expect("joins");
    for who in [ann, bob] {
        assert!(!hub.take_kinds(who).contains(&"match.found".to_owned()));
    }
    hub.ask(cat, "queue.join", wish(&["tea", "go"])).expect("joins");
    let found = [ann, bob, cat].map(|who| hub.take_one(who, "match.found"));
    assert!(found.iter().all(|found| found["seq"].is_u64()));
    let [of_ann, of_bob, of_cat] = found.each_ref().map(|found| &found["data"]);
    let [a, b, c] = [of_ann, of_bob, of_cat].map(|data| data["self"].clone());
    let member = |peer: &Value, initiator: bool| json!({"peer": peer, "role": "member", "initiator": initiator});
    assert_eq!(of_ann["members"], json!([member(&b, false), member(&c, false)]));
    assert_eq!(of_bob["members"], json!([member(&a, true), member(&c, false)]));
    assert_eq!(of_cat["members"], json!([member(&a, true), member(&b, true)]));
    let expected = json!({
        "room": of_cat["room"], "name": "", "self": a, "role": "member", "members": of_ann["members"], "last_mid": null,
        "size": 3, "tags_common": ["tea"], "language": "en", "waited_ms": 2000,
        "deadline": START.0 + 302_000, "server_time": START.0 + 2_000, "ice_policy": "all",
        "ice_servers": of_ann["ice_servers"], "ice_expires_at": START.0 + 602_000,
    });
    assert_eq!(*of_ann, expected);
    assert_eq!((hub.stats.groups_created_total.value(), hub.stats.sessions_created_total.value()), (1, 0));
    assert_eq!(hub.stats.queue_length.value(), 0);
    // They talk as in any other room.
    let offer = json!({"room": of_bob["room"], "to": a, "neg": 1, "kind": "offer", "sdp": "v=0"});
    hub.ask(bob, "rtc.description", offer).expect("is there");
    assert_eq!(hub.take_one(ann, "rtc.description")["data"]["from"], b);
    let granted = hub.ask(cat, "ice.refresh", json!({"room": of_cat["room"], "to": b})).expect("is there");
    assert!(granted["ice_servers"][1]["username"].is_string());
}

#[test]
fn sizes_are_from_two_to_eight() {
    let mut hub = Fixture::new();
    let ann = hub.user("ann");
    for bad in [json!(1), json!(9), json!(0), json!(-3), json!("3"), json!(2.5), json!(4_294_967_298_u64)] {
        assert_eq!(hub.ask(ann, "queue.join", json!({"size": bad})), Err("bad_request".into()), "{bad}");
    }
    let bob = hub.user("bob");
    for who in [ann, bob] {
        hub.ask(who, "queue.join", json!({"size": 2})).expect("joins");
    }
    assert!(hub.take_one(ann, "match.found")["data"]["session"].is_string());
    let (there, found) = group(&mut hub, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!((found[7]["data"]["members"].as_array().map(Vec::len), there.len()), (Some(7), 8));
}

#[test]
fn one_ticket_and_one_session_or_group_per_user() {
    let mut hub = Fixture::new();
    let ([ann, bob, cat], found) = group(&mut hub, ["ann", "bob", "cat"]);
    let room = &found[0]["data"]["room"];
    for size in [2, 3] {
        assert_eq!(hub.ask(ann, "queue.join", json!({"size": size})), Err("conflict".into()));
    }
    hub.ask(ann, "room.leave", json!({"room": room})).expect("is there");
    hub.ask(ann, "queue.join", json!({"size": 3})).expect("is in no group any more");
    assert_eq!(hub.ask(ann, "queue.join", json!({})), Err("already_queued".into()));
    for other in [bob, cat] {
        assert_eq!(data_of(&mut hub, other, "peer.left")[0]["reason"], "left");
        assert_eq!(hub.ask(other, "queue.join", json!({})), Err("conflict".into()));
    }
}

#[test]
fn nobody_else_comes_in_or_hears_of_the_room_and_it_is_gone_with_the_last_one() {
    let mut hub = Fixture::new();
    let ([ann, bob, cat], found) = group(&mut hub, ["ann", "bob", "cat"]);
    let room = found[0]["data"]["room"].as_str().expect("a name").to_owned();
    let eve = hub.user("eve");
    assert_eq!(hub.ask(eve, "room.join", json!({"room": room})), Err("not_found".into()));
    assert_eq!(hub.rest("ann", RoomAsk::List(PageAsk::default())), Ok(json!({"rooms": [], "next": null})));
    let invite = RoomAsk::Invite { room: room.clone(), ttl_ms: None };
    assert_eq!(hub.rest("ann", invite), Err("not_found".into()));
    assert_eq!(hub.rest("ann", RoomAsk::Show { room: room.clone() }), Err("not_found".into()));
    // A join that is repeated is answered again.
    let again = hub.ask(ann, "room.join", json!({"room": room})).expect("is there");
    assert_eq!((&again["self"], &again["size"]), (&found[0]["data"]["self"], &json!(3)));
    for who in [ann, bob] {
        hub.ask(who, "room.leave", json!({"room": room})).expect("is there");
        assert_eq!(hub.ask(who, "room.join", json!({"room": room})), Err("not_found".into()));
    }
    assert_eq!(hub.stats.rooms_active.value(), 1);
    hub.ask(cat, "bye", json!({})).expect("goes");
    assert_eq!(hub.stats.rooms_active.value(), 0);
    assert!(hub.revoked.len() >= 3, "the relay lets go of what each had");
}

#[test]
fn what_is_said_in_a_group_is_heard_and_not_kept() {
    let mut hub = Fixture::new();
    let ([ann, bob, cat], found) = group(&mut hub, ["ann", "bob", "cat"]);
    let room = found[0]["data"]["room"].as_str().expect("a name").to_owned();
    let sent = say(&mut hub, ann, &room, 1).expect("is there");
    for other in [bob, cat] {
        let heard = data_of(&mut hub, other, "chat.message");
        assert_eq!((heard.len(), &heard[0]["mid"]), (1, &sent["mid"]));
    }
    assert_eq!(say(&mut hub, ann, &room, 1), Ok(sent.clone()), "the same again");
    assert!(hub.take(bob).is_empty());
    hub.ask(bob, "chat.receipt", json!({"room": room, "read_to": sent["mid"]})).expect("is there");
    assert_eq!(data_of(&mut hub, ann, "chat.receipt")[0]["read_to"], sent["mid"]);
    hub.ask(cat, "chat.react", json!({"room": room, "mid": sent["mid"], "emoji": "+"})).expect("is there");
    assert_eq!(data_of(&mut hub, ann, "chat.reaction").len(), 1);
    let history = hub.ask(bob, "chat.history", json!({"room": room})).expect("is there");
    assert_eq!(history["messages"], json!([]));
    hub.ask(ann, "chat.delete", json!({"room": room, "mid": sent["mid"]})).expect("is her own");
    assert_eq!(data_of(&mut hub, bob, "chat.deleted").len(), 1);
}

#[test]
fn the_limit_of_a_session_is_that_of_a_group() {
    let mut hub = Fixture::new();
    let ([ann, bob, cat], found) = group(&mut hub, ["ann", "bob", "cat"]);
    hub.advance(300 * SECOND - Duration::from_millis(1));
    assert!(data_of(&mut hub, ann, "peer.left").is_empty());
    hub.advance(Duration::from_millis(1));
    for (at, who) in [ann, bob, cat].into_iter().enumerate() {
        let data = &found[at]["data"];
        let expected = json!({"room": data["room"], "peer": data["self"], "reason": "limit", "can_reconnect": false});
        assert_eq!(data_of(&mut hub, who, "peer.left"), [expected]);
        hub.ask(who, "queue.join", json!({"size": 3, "tags": [at.to_string()]})).expect("is in no group any more");
    }
    let mut hub = Fixture::with(Settings { session_limit: None, ..settings() });
    let (_, found) = group(&mut hub, ["ann", "bob", "cat"]);
    assert_eq!(found[0]["data"]["deadline"], Value::Null);
}

#[test]
fn a_lost_member_comes_back_to_its_group_and_a_new_login_takes_it_over() {
    let mut hub = Fixture::new();
    let ([ann, bob, _], found) = group(&mut hub, ["ann", "bob", "cat"]);
    hub.lose(bob);
    let lost = data_of(&mut hub, ann, "peer.left");
    assert_eq!((&lost[0]["reason"], &lost[0]["peer"]), (&json!("lost"), &found[1]["data"]["self"]));
    let bob = hub.resume(bob, 1);
    assert_eq!(data_of(&mut hub, ann, "peer.resumed").len(), 1);
    hub.lose(bob);
    let bob = hub.connect();
    let token = hub.token("bob", 3600);
    hub.hello(bob, json!({"token": token}));
    let shown = hub.take_one(bob, "sync")["data"]["rooms"][0].clone();
    let view = &found[1]["data"];
    assert_eq!((&shown["room"], &shown["deadline"], &shown["size"]), (&view["room"], &view["deadline"], &json!(3)));
    assert_eq!(names(&shown["members"], "initiator"), [json!(true), json!(false)]);
    hub.lose(bob);
    hub.advance(31 * SECOND);
    let gone = data_of(&mut hub, ann, "peer.left");
    assert_eq!(gone.last().map(|left| left["reason"].clone()), Some(json!("timeout")));
}

#[test]
fn a_group_on_its_way_is_not_made_of_those_whom_a_block_has_parted() {
    let mut hub = Fixture::new();
    let there = ["ann", "bob", "cat"].map(|name| hub.user(name));
    hub.engine_sleeps = true;
    for who in there {
        hub.request(who, "queue.join", json!({"size": 3}));
    }
    hub.wake_engine_for(3);
    hub.request(there[0], "block.add", json!({"user": "shop:bob"}));
    hub.engine_sleeps = false;
    hub.pump();
    for who in there {
        assert!(!hub.take_kinds(who).contains(&"match.found".to_owned()));
    }
    assert_eq!(hub.stats.queue_length.value(), 3, "no ticket is lost");
    let dan = hub.user("dan");
    hub.ask(dan, "queue.join", json!({"size": 3})).expect("joins");
    assert!(hub.take_kinds(dan).contains(&"match.found".to_owned()));
}

#[test]
fn whoever_left_while_the_group_was_on_its_way_leaves_the_others_in_the_queue() {
    for is_lost in [false, true] {
        let mut hub = Fixture::new();
        let there = ["ann", "bob", "cat"].map(|name| hub.user(name));
        hub.engine_sleeps = true;
        for who in there {
            hub.request(who, "queue.join", json!({"size": 3}));
        }
        hub.wake_engine_for(3);
        if is_lost {
            hub.lose(there[1]);
        } else {
            hub.request(there[1], "queue.leave", json!({}));
        }
        hub.engine_sleeps = false;
        hub.pump();
        for who in [there[0], there[2]] {
            assert!(!hub.take_kinds(who).contains(&"match.found".to_owned()));
        }
        let last = if is_lost {
            hub.resume(there[1], 0)
        } else {
            hub.ask(there[1], "queue.join", json!({"size": 3})).expect("joins");
            there[1]
        };
        for who in [there[0], last, there[2]] {
            assert_eq!(data_of(&mut hub, who, "match.found").len(), 1, "{is_lost}");
        }
    }
}

#[test]
fn those_who_met_in_a_group_avoid_each_other_also_after_a_restart() {
    let mut hub = Fixture::new();
    let (there, found) = group(&mut hub, ["ann", "bob", "cat"]);
    for who in there {
        hub.ask(who, "room.leave", json!({"room": found[0]["data"]["room"]})).expect("is there");
    }
    for is_restarted in [false, true] {
        if is_restarted {
            hub.restart(SECOND);
        }
        let [ann, bob] = ["ann", "bob"].map(|name| hub.user(name));
        for who in [ann, bob] {
            hub.ask(who, "queue.join", json!({})).expect("joins");
        }
        hub.advance(30 * SECOND);
        assert!(data_of(&mut hub, ann, "match.found").is_empty());
    }
}
