//! Blocks between two in one room: they are not there for each other.
use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::rooms::data_of;
use super::rooms::invite;
use super::rooms::join;
use super::rooms::party;
use super::rooms::say;
use crate::signal::room_ask::RoomAsk;

fn peers(members: &Value) -> Vec<Value> {
    members.as_array().expect("a list").iter().map(|member| member["peer"].clone()).collect()
}

#[test]
fn a_block_parts_two_in_a_room_as_if_each_had_left_and_lets_go_of_their_call() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let [owner, first, second] = there.try_into().expect("three");
    for (who, to) in [(first, &aliases[2]), (second, &aliases[1]), (first, &aliases[0])] {
        hub.ask(who, "ice.refresh", json!({"room": room, "to": to})).expect("is there");
    }
    hub.revoked.clear();
    hub.ask(first, "block.add", json!({"room": room, "peer": aliases[2]})).expect("blocks");
    for (who, other) in [(first, &aliases[2]), (second, &aliases[1])] {
        let left = json!({"room": room, "peer": other, "reason": "left", "can_reconnect": false});
        assert_eq!(data_of(&mut hub, who, "peer.left"), [left]);
    }
    assert!(hub.take(owner).is_empty(), "nobody else is told");
    assert_eq!(hub.revoked.len(), 1, "what the two had between them, and nothing else");
    let offer = |to: &Value| json!({"room": room, "to": to, "neg": 1, "kind": "offer", "sdp": "v=0"});
    for (who, to) in [(first, &aliases[2]), (second, &aliases[1])] {
        assert_eq!(hub.ask(who, "rtc.description", offer(to)), Err("not_found".into()));
        let candidates = json!({"room": room, "to": to, "neg": 1, "candidates": [{"candidate": "c"}]});
        assert_eq!(hub.ask(who, "rtc.candidates", candidates), Err("not_found".into()));
        assert_eq!(hub.ask(who, "ice.refresh", json!({"room": room, "to": to})), Err("not_found".into()));
    }
    hub.ask(first, "rtc.description", offer(&aliases[0])).expect("goes on with the rest");
    // What is said reaches the rest only.
    say(&mut hub, first, &room, 1).expect("is there");
    hub.ask(first, "chat.typing", json!({"room": room, "on": true})).expect("is there");
    hub.ask(first, "media.state", json!({"room": room, "audio": true, "video": false})).expect("is there");
    assert!(hub.take(second).is_empty());
    assert_eq!(data_of(&mut hub, owner, "chat.message").len(), 1);
    // Comings and goings too.
    hub.lose(first);
    let first = hub.resume(first, 9);
    hub.ask(first, "room.leave", json!({"room": room})).expect("is there");
    assert!(hub.take(second).is_empty());
    assert!(!data_of(&mut hub, owner, "peer.left").is_empty());
}

#[test]
fn whoever_comes_later_is_not_there_for_those_whom_a_block_separates() {
    for blocker in [1, 2] {
        let mut hub = Fixture::new();
        let (room, there, aliases) = party(&mut hub, 2);
        hub.ask(there[2], "room.leave", json!({"room": room})).expect("is there");
        let whom = format!("shop:guest{}", 2 - blocker);
        hub.ask(there[blocker], "block.add", json!({"user": whom})).expect("blocks");
        there.iter().for_each(|who| drop(hub.take(*who)));
        let ok = join(&mut hub, there[2], &room, &json!(null)).expect("is a member");
        assert_eq!(peers(&ok["members"]), [aliases[0].clone()]);
        assert_eq!(data_of(&mut hub, there[0], "peer.joined").len(), 1);
        assert!(hub.take(there[1]).is_empty());
        say(&mut hub, there[2], &room, 1).expect("is there");
        assert!(hub.take(there[1]).is_empty());
        // Also for one who takes over from another socket.
        let back = hub.connect();
        let token = hub.token("guest1", 3600);
        hub.hello(back, json!({"token": token}));
        assert_eq!(peers(&hub.take_one(back, "sync")["data"]["rooms"][0]["members"]), [aliases[0].clone()]);
    }
}

#[test]
fn a_block_that_was_taken_back_ends_with_the_next_join() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    hub.ask(there[1], "block.add", json!({"room": room, "peer": aliases[2]})).expect("blocks");
    hub.ask(there[1], "block.remove", json!({"user": "shop:guest1"})).expect("is blocked");
    assert_eq!(hub.ask(there[1], "block.add", json!({"room": room, "peer": aliases[2]})), Err("not_found".into()));
    hub.ask(there[2], "room.leave", json!({"room": room})).expect("is there");
    hub.take(there[1]);
    let ok = join(&mut hub, there[2], &room, &json!(null)).expect("is a member");
    assert_eq!(peers(&ok["members"]), [aliases[0].clone(), aliases[1].clone()]);
    assert_eq!(data_of(&mut hub, there[1], "peer.joined").len(), 1);
}

#[test]
fn of_what_the_other_wrote_a_history_has_only_the_place() {
    let mut hub = Fixture::new();
    let (room, there, _) = party(&mut hub, 2);
    let sent: Vec<Value> = (0..3).map(|n| say(&mut hub, there[n], &room, n).expect("is there")).collect();
    hub.ask(there[2], "chat.react", json!({"room": room, "mid": sent[0]["mid"], "emoji": "+"})).expect("is there");
    hub.ask(there[1], "block.add", json!({"user": "shop:guest1"})).expect("blocks");
    let texts = |history: &Value| {
        let text = |message: &Value| message["text"].as_str().unwrap_or("-").to_owned();
        history["messages"].as_array().expect("a list").iter().map(text).collect::<Vec<_>>()
    };
    let read = |hub: &mut Fixture, at: usize| hub.ask(there[at], "chat.history", json!({"room": room})).expect("reads");
    let shown = [0, 1, 2].map(|at| texts(&read(&mut hub, at)));
    assert_eq!(shown, [["0", "1", "2"], ["0", "1", "-"], ["0", "-", "2"]]);
    let of_first = read(&mut hub, 1);
    assert_eq!(of_first["messages"][2], json!({"mid": sent[2]["mid"], "deleted": true}));
    assert!(of_first["messages"][0].get("reactions").is_none());
    let ask = RoomAsk::Messages { room: room.clone(), before: None, after: None, limit: None };
    assert_eq!(texts(&hub.rest("guest0", ask).expect("is a member")), ["0", "1", "-"]);
}

#[test]
fn rooms_are_parted_after_a_restart_too() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    hub.ask(there[1], "block.add", json!({"room": room, "peer": aliases[2]})).expect("blocks");
    hub.restart(std::time::Duration::from_secs(1));
    let [first, second] = ["guest0", "guest1"].map(|name| hub.user(name));
    join(&mut hub, first, &room, &json!(null)).expect("is a member");
    let ok = join(&mut hub, second, &room, &json!(null)).expect("is a member");
    assert_eq!(peers(&ok["members"]), [Value::Null; 0]);
    assert!(hub.take(first).is_empty());
}

#[test]
fn a_block_names_somebody_in_a_room_where_one_is() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let eve = hub.user("eve");
    let wish = |peer: &Value| json!({"room": room, "peer": peer});
    assert_eq!(hub.ask(eve, "block.add", wish(&aliases[0])), Err("not_in_session".into()));
    assert_eq!(hub.ask(there[0], "block.add", wish(&aliases[0])), Err("not_found".into()));
    assert_eq!(hub.ask(there[0], "block.add", wish(&json!("nobody"))), Err("not_found".into()));
    assert_eq!(hub.ask(there[0], "block.add", json!({"room": room})), Err("bad_request".into()));
    assert!(invite(&mut hub, "ann", &room).is_ok());
}
