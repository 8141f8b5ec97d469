//! Rooms: rules 26-28, 33, 36-38.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use crate::signal::id::ConnectionId;
use crate::signal::page::PageAsk;
use crate::signal::room_ask::RoomAsk;

const SECOND: Duration = Duration::from_secs(1);

/// A new room of that user.
pub(super) fn create(hub: &mut Fixture, owner: &str) -> String {
    let room = hub.rest(owner, RoomAsk::Create { name: "Tea".into() }).expect("is made");
    room["id"].as_str().expect("a name").to_owned()
}

pub(super) fn invite(hub: &mut Fixture, by: &str, room: &str) -> Result<Value, String> {
    let ask = RoomAsk::Invite { room: room.into(), ttl_ms: None };
    hub.rest(by, ask).map(|invited| invited["ticket"].clone())
}

pub(super) fn join(hub: &mut Fixture, who: ConnectionId, room: &str, ticket: &Value) -> Result<Value, String> {
    hub.ask(who, "room.join", json!({"room": room, "ticket": ticket}))
}

pub(super) fn say(hub: &mut Fixture, who: ConnectionId, room: &str, n: usize) -> Result<Value, String> {
    let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{n:012}");
    hub.ask(who, "chat.send", json!({"room": room, "cid": cid, "kind": "text", "text": n.to_string()}))
}

/// A room with its owner and guests of a ticket in it, who have read what came so far: the room, the connections, and
/// what each is called.
pub(super) fn party(hub: &mut Fixture, guests: usize) -> (String, Vec<ConnectionId>, Vec<Value>) {
    let room = create(hub, "ann");
    let ticket = invite(hub, "ann", &room).expect("is a member");
    let mut there = vec![hub.user("ann")];
    there.extend((0..guests).map(|n| hub.user(&format!("guest{n}"))));
    let join = |who: &ConnectionId| join(hub, *who, &room, &ticket).expect("is let in")["self"].clone();
    let aliases = there.iter().map(join).collect();
    there.iter().for_each(|who| drop(hub.take(*who)));
    (room, there, aliases)
}

/// The data of everything unread of that type.
pub(super) fn data_of(hub: &mut Fixture, who: ConnectionId, kind: &str) -> Vec<Value> {
    hub.take(who).into_iter().filter(|frame| frame["type"] == kind).map(|frame| frame["data"].clone()).collect()
}

#[test]
fn rule_38_a_room_is_private_and_a_ticket_makes_a_member() {
    let mut hub = Fixture::new();
    let room = create(&mut hub, "ann");
    let (ann, bob, eve) = (hub.user("ann"), hub.user("bob"), hub.user("eve"));
    let none = json!(null);
    assert_eq!(join(&mut hub, bob, &room, &none), Err("forbidden".into()));
    assert_eq!(join(&mut hub, bob, &room, &json!("x")), Err("forbidden".into()));
    assert_eq!(join(&mut hub, bob, "nowhere", &none), Err("not_found".into()));
    assert_eq!(invite(&mut hub, "bob", &room), Err("forbidden".into()));
    let ok = hub.ask(ann, "room.join", json!({"room": room, "media": {"audio": true, "video": false}}));
    let ok = ok.expect("the owner is a member");
    let expected = json!({
        "room": room, "name": "Tea", "self": ok["self"], "role": "owner", "members": [], "last_mid": null,
        "ice_servers": ok["ice_servers"], "ice_policy": "all", "ice_expires_at": START.0 + 3_600_000,
        "server_time": START,
    });
    assert_eq!(ok, expected);
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let shown = join(&mut hub, bob, &room, &ticket).expect("is let in");
    let media = json!({"audio": true, "video": false, "screen": false});
    assert_eq!(shown["members"], json!([{"peer": ok["self"], "role": "owner", "media": media}]));
    assert_eq!(shown["role"], "member");
    let told = hub.take_one(ann, "peer.joined");
    assert_eq!(told["data"], json!({"room": room, "peer": shown["self"], "role": "member"}));
    assert!(told["seq"].is_u64());
    hub.ask(bob, "room.leave", json!({"room": room})).expect("is there");
    let again = join(&mut hub, bob, &room, &none).expect("is a member now");
    assert_eq!(again["self"], shown["self"]);
    assert_eq!(join(&mut hub, eve, &room, &none), Err("forbidden".into()));
}

#[test]
fn a_ticket_is_for_one_room_and_expires() {
    let mut hub = Fixture::new();
    let (room, other) = (create(&mut hub, "ann"), create(&mut hub, "ann"));
    let ticket = invite(&mut hub, "ann", &other).expect("is a member");
    let bob = hub.user("bob");
    assert_eq!(join(&mut hub, bob, &room, &ticket), Err("forbidden".into()));
    let ask = RoomAsk::Invite { room: room.clone(), ttl_ms: Some(60_000) };
    let invited = hub.rest("ann", ask).expect("is a member");
    assert_eq!(invited["expires_at"], json!(START.0 + 60_000));
    hub.advance(60 * SECOND);
    assert_eq!(join(&mut hub, bob, &room, &invited["ticket"]), Err("forbidden".into()));
    for ttl_ms in [0, 2_592_000_001] {
        let ask = RoomAsk::Invite { room: room.clone(), ttl_ms: Some(ttl_ms) };
        assert_eq!(hub.rest("ann", ask), Err("bad_request".into()));
    }
}

#[test]
fn a_ninth_finds_the_room_full() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 7);
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let late = hub.user("late");
    assert_eq!(join(&mut hub, late, &room, &ticket), Err("conflict".into()));
    hub.ask(there[3], "room.leave", json!({"room": room})).expect("is there");
    let ok = join(&mut hub, late, &room, &json!(null)).expect("there is a place");
    let members: Vec<&Value> = ok["members"].as_array().expect("a list").iter().map(|member| &member["peer"]).collect();
    let expected: Vec<&Value> = [0, 1, 2, 4, 5, 6, 7].map(|at| &aliases[at]).to_vec();
    assert_eq!(members, expected, "in the order in which they came");
}

#[test]
fn a_join_that_is_repeated_is_answered_and_told_once() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let ok = join(&mut hub, there[1], &room, &json!(null)).expect("is there");
    assert_eq!(ok["self"], aliases[1]);
    assert!(hub.take(there[0]).is_empty());
    // Two at once, before the store has answered the first.
    hub.ask(there[1], "room.leave", json!({"room": room})).expect("is there");
    hub.take(there[0]);
    hub.store_sleeps = true;
    hub.request(there[1], "room.join", json!({"room": room}));
    hub.request(there[1], "room.join", json!({"room": room}));
    hub.store_sleeps = false;
    hub.pump();
    assert_eq!(hub.take_kinds(there[1]), ["ok", "ok"]);
    assert_eq!(hub.take_kinds(there[0]), ["peer.joined"]);
}

#[test]
fn whoever_is_lost_while_the_store_answers_has_not_come_in() {
    let mut hub = Fixture::new();
    let (room, there, _) = party(&mut hub, 0);
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let bob = hub.user("bob");
    hub.store_sleeps = true;
    hub.request(bob, "room.join", json!({"room": room, "ticket": ticket}));
    hub.lose(bob);
    hub.store_sleeps = false;
    hub.pump();
    assert!(hub.take(there[0]).is_empty());
    let back = hub.user("bob");
    assert!(join(&mut hub, back, &room, &json!(null)).is_ok(), "the ticket has made a member all the same");
}

#[test]
fn rule_27_rtc_in_a_room_goes_to_the_one_who_is_named() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let offer =
        |to: Option<&Value>, neg: i64| json!({"room": room, "to": to, "neg": neg, "kind": "offer", "sdp": "v=0"});
    assert_eq!(hub.ask(there[2], "rtc.description", offer(Some(&aliases[0]), 1)), Ok(json!({})));
    let got = hub.take_one(there[0], "rtc.description");
    let expected = json!({
        "room": room, "from": aliases[2], "to": aliases[0], "neg": 1, "kind": "offer", "sdp": "v=0",
    });
    assert_eq!(got["data"], expected);
    assert!(got["seq"].is_u64() && hub.take(there[1]).is_empty());
    let candidates = json!({"room": room, "to": aliases[2], "neg": 1, "candidates": [{"candidate": "c"}], "end": true});
    assert_eq!(hub.ask(there[0], "rtc.candidates", candidates), Ok(json!({})));
    assert_eq!(hub.take_one(there[2], "rtc.candidates")["data"]["from"], aliases[0]);
    assert_eq!(hub.ask(there[2], "rtc.description", offer(None, 1)), Err("bad_request".into()));
    for nobody in [&aliases[2], &json!("nobody")] {
        assert_eq!(hub.ask(there[2], "rtc.description", offer(Some(nobody), 1)), Err("not_found".into()));
    }
    let stranger = hub.user("eve");
    assert_eq!(hub.ask(stranger, "rtc.description", offer(Some(&aliases[0]), 1)), Err("not_in_session".into()));
    let state = json!({"room": room, "state": "connected"});
    assert_eq!(hub.ask(there[2], "rtc.state", state), Err("bad_request".into()));
}

#[test]
fn media_state_is_told_to_everybody_and_to_those_who_come_later() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let media = json!({"room": room, "audio": false, "video": true});
    hub.ask(there[1], "media.state", media).expect("is there");
    let expected = json!({"room": room, "from": aliases[1], "audio": false, "video": true, "screen": false});
    for other in [there[0], there[2]] {
        assert_eq!(hub.take_one(other, "peer.media")["data"], expected);
    }
    hub.ask(there[2], "room.leave", json!({"room": room})).expect("is there");
    let ok = join(&mut hub, there[2], &room, &json!(null)).expect("is a member");
    assert_eq!(ok["members"][1]["media"], json!({"audio": false, "video": true, "screen": false}));
}

#[test]
fn a_leave_is_told_and_the_relay_lets_go_of_all_that_was_for_whoever_left() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let refresh = |hub: &mut Fixture, who: ConnectionId, to: Option<&Value>| {
        let granted = hub.ask(who, "ice.refresh", json!({"room": room, "to": to})).expect("is there");
        granted["ice_servers"][1]["username"].as_str().expect("a name").to_owned()
    };
    let part = |name: &str| name.split_once(':').expect("an expiry").1.split_once('.').expect("a side").0.to_owned();
    let (of_call, other_side) =
        (refresh(&mut hub, there[1], Some(&aliases[0])), refresh(&mut hub, there[0], Some(&aliases[1])));
    assert_eq!(part(&of_call), part(&other_side));
    assert_ne!(of_call, other_side, "each side has a user of its own");
    let (own, of_others) = (refresh(&mut hub, there[1], None), refresh(&mut hub, there[0], Some(&aliases[2])));
    assert_eq!(hub.ask(there[1], "ice.refresh", json!({"room": room, "to": "x"})), Err("not_found".into()));
    assert_eq!(hub.ask(there[1], "ice.refresh", json!({"room": "x"})), Err("not_in_session".into()));
    hub.ask(there[1], "room.leave", json!({"room": room})).expect("is there");
    let revoked: Vec<String> = hub.revoked.drain(..).map(|pass| pass.name.to_string()).collect();
    assert_eq!(revoked, [part(&own), part(&of_call)]);
    assert!(!revoked.contains(&part(&of_others)));
    let told = json!({"room": room, "peer": aliases[1], "reason": "left", "can_reconnect": false});
    for other in [there[0], there[2]] {
        assert_eq!(hub.take_one(other, "peer.left")["data"], told);
    }
    assert_eq!(hub.ask(there[1], "room.leave", json!({"room": room})), Err("not_in_session".into()));
    assert_eq!(say(&mut hub, there[1], &room, 1), Err("not_in_session".into()));
    // Whoever comes again has other credentials than those that are refused.
    let again = join(&mut hub, there[1], &room, &json!(null)).expect("is a member");
    let name = again["ice_servers"][1]["username"].as_str().expect("a name").to_owned();
    assert_ne!(part(&name), part(&own));
}

#[test]
fn new_credentials_are_pushed_at_70_percent_of_their_life() {
    let mut hub = Fixture::new();
    let (room, there, _) = party(&mut hub, 0);
    hub.advance(1000 * SECOND);
    hub.ask(there[0], "ice.refresh", json!({"room": room})).expect("is there");
    hub.advance(2519 * SECOND);
    assert!(data_of(&mut hub, there[0], "ice.updated").is_empty(), "a refresh puts it off");
    hub.advance(SECOND);
    let updated = data_of(&mut hub, there[0], "ice.updated");
    assert_eq!((updated.len(), &updated[0]["room"]), (1, &json!(room)));
}

#[test]
fn a_lost_socket_keeps_its_place_and_its_return_is_told() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    hub.lose(there[1]);
    let left = hub.take_one(there[0], "peer.left")["data"].clone();
    let expected = json!({
        "room": room, "peer": aliases[1], "reason": "lost", "can_reconnect": true, "until": START.0 + 30_000,
    });
    assert_eq!(left, expected);
    say(&mut hub, there[0], &room, 1).expect("is there");
    let offer = json!({"room": room, "to": aliases[1], "neg": 3, "kind": "offer", "sdp": "v=0"});
    hub.ask(there[0], "rtc.description", offer).expect("is kept");
    hub.advance(29 * SECOND);
    let back = hub.resume(there[1], 0);
    assert_eq!(hub.take_kinds(back), ["ok", "chat.message", "rtc.description"]);
    assert_eq!(hub.take_one(there[0], "peer.resumed")["data"], json!({"room": room, "peer": aliases[1]}));
    hub.lose(back);
    hub.take(there[0]);
    hub.advance(30 * SECOND);
    let gone = json!({"room": room, "peer": aliases[1], "reason": "timeout", "can_reconnect": false});
    assert_eq!(hub.take_one(there[0], "peer.left")["data"], gone);
}

#[test]
fn sync_tells_a_returning_client_of_its_rooms() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let sent = say(&mut hub, there[0], &room, 1).expect("is there");
    let offer = json!({"room": room, "to": aliases[1], "neg": 7, "kind": "offer", "sdp": "v=0"});
    hub.ask(there[0], "rtc.description", offer).expect("is there");
    hub.lose(there[2]);
    hub.lose(there[1]);
    // A gap: the client says it has what was never sent.
    let back = hub.resume(there[1], 99);
    let frames = hub.take(back);
    let members = json!([
        {"peer": aliases[0], "role": "owner", "neg": 7},
        {"peer": aliases[2], "role": "member", "until": START.0 + 30_000},
    ]);
    let shown = json!({
        "room": room, "name": "Tea", "self": aliases[1], "role": "member", "members": members, "last_mid": sent["mid"],
    });
    assert_eq!((frames.len(), &frames[1]["data"]["rooms"]), (2, &json!([shown])));
}

#[test]
fn rule_33_a_plain_hello_takes_the_place_over() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let newer = hub.connect();
    let token = hub.token("guest0", 3600);
    let ok = hub.hello(newer, json!({"token": token}));
    assert_eq!((&ok["resumed"], &ok["gap"]), (&json!(false), &json!(true)));
    assert_eq!(hub.take_one(newer, "sync")["data"]["rooms"][0]["self"], aliases[1]);
    assert_eq!(hub.take_kinds(there[0]), ["peer.resumed"]);
    say(&mut hub, newer, &room, 1).expect("is there");
}

#[test]
fn bye_leaves_the_rooms() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    hub.ask(there[1], "bye", json!({})).expect("goes");
    let told = json!({"room": room, "peer": aliases[1], "reason": "left", "can_reconnect": false});
    assert_eq!(hub.take_one(there[0], "peer.left")["data"], told);
    assert_eq!(hub.stats.rooms_active.value(), 1);
    hub.ask(there[0], "bye", json!({})).expect("goes");
    assert_eq!(hub.stats.rooms_active.value(), 0);
}

#[test]
fn whoever_is_put_out_is_told_and_no_ticket_of_before_lets_it_in_again() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let ticket = invite(&mut hub, "guest0", &room).expect("every member may invite");
    let dismiss = |hub: &mut Fixture, by: &str, whom: &Value| {
        let member = whom.as_str().expect("an alias").to_owned();
        hub.rest(by, RoomAsk::Dismiss { room: room.clone(), member })
    };
    assert_eq!(dismiss(&mut hub, "guest1", &aliases[1]), Err("forbidden".into()));
    assert_eq!(dismiss(&mut hub, "guest0", &aliases[0]), Err("forbidden".into()));
    assert_eq!(dismiss(&mut hub, "ann", &json!("nobody")), Err("not_found".into()));
    assert_eq!(dismiss(&mut hub, "ann", &aliases[0]), Err("conflict".into()));
    assert_eq!(dismiss(&mut hub, "eve", &aliases[1]), Err("forbidden".into()));
    assert_eq!(dismiss(&mut hub, "ann", &aliases[1]), Ok(json!({})));
    let told = json!({"room": room, "peer": aliases[1], "reason": "kicked", "can_reconnect": false});
    for who in &there {
        assert_eq!(hub.take_one(*who, "peer.left")["data"], told);
    }
    assert_eq!(hub.revoked.len(), 1);
    assert_eq!(join(&mut hub, there[1], &room, &ticket), Err("forbidden".into()));
    let history = hub.ask(there[1], "chat.history", json!({"room": room}));
    assert_eq!(history, Err("not_in_session".into()));
    let fresh = invite(&mut hub, "ann", &room).expect("is a member");
    assert!(join(&mut hub, there[1], &room, &fresh).is_ok());
    // Oneself: a member no longer, and the tickets stay good.
    assert_eq!(dismiss(&mut hub, "guest1", &aliases[2]), Ok(json!({})));
    assert_eq!(data_of(&mut hub, there[0], "peer.left")[0]["reason"], "left");
    assert!(join(&mut hub, there[2], &room, &fresh).is_ok());
}

#[test]
fn a_moderator_puts_members_out_and_nobody_above() {
    let mut hub = Fixture::new();
    let (room, _, aliases) = party(&mut hub, 2);
    let member = |at: usize| aliases[at].as_str().expect("an alias").to_owned();
    let appoint = |hub: &mut Fixture, by: &str, at: usize, role: &str| {
        hub.rest(by, RoomAsk::Appoint { room: room.clone(), member: member(at), role: role.into() })
    };
    assert_eq!(appoint(&mut hub, "guest0", 1, "moderator"), Err("forbidden".into()));
    assert_eq!(appoint(&mut hub, "ann", 0, "member"), Err("conflict".into()));
    assert_eq!(appoint(&mut hub, "ann", 1, "owner"), Err("bad_request".into()));
    let appointed = appoint(&mut hub, "ann", 1, "moderator").expect("is the owner");
    assert_eq!((&appointed["role"], &appointed["present"]), (&json!("moderator"), &json!(true)));
    let dismiss = |hub: &mut Fixture, by: &str, at: usize| {
        hub.rest(by, RoomAsk::Dismiss { room: room.clone(), member: member(at) })
    };
    assert_eq!(dismiss(&mut hub, "guest0", 0), Err("forbidden".into()));
    assert_eq!(dismiss(&mut hub, "guest0", 2), Ok(json!({})));
    assert_eq!(dismiss(&mut hub, "ann", 1), Ok(json!({})));
}

#[test]
fn a_removed_room_puts_everybody_out() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    say(&mut hub, there[0], &room, 1).expect("is there");
    there.iter().for_each(|who| drop(hub.take(*who)));
    let remove = RoomAsk::Remove { room: room.clone() };
    assert_eq!(hub.rest("guest0", remove.clone()), Err("forbidden".into()));
    assert_eq!(hub.rest("ann", remove.clone()), Ok(json!({})));
    for (who, alias) in there.iter().zip(&aliases) {
        let told = json!({"room": room, "peer": alias, "reason": "kicked", "can_reconnect": false});
        assert_eq!(data_of(&mut hub, *who, "peer.left"), [told], "of oneself alone");
    }
    assert_eq!(hub.revoked.len(), 3);
    assert_eq!(hub.rest("ann", remove), Err("not_found".into()));
    assert_eq!(join(&mut hub, there[0], &room, &json!(null)), Err("not_found".into()));
    assert_eq!(hub.ask(there[0], "chat.history", json!({"room": room})), Err("not_in_session".into()));
    assert_eq!(hub.rest("ann", RoomAsk::List(PageAsk::default())), Ok(json!({"rooms": [], "next": null})));
}

#[test]
fn rest_shows_rooms_members_and_who_is_there() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    hub.ask(there[1], "room.leave", json!({"room": room})).expect("is there");
    let shown = json!({
        "id": room, "room": room, "name": "Tea", "created_at": START, "self": aliases[1], "role": "member",
        "joined_at": START, "present": 1,
    });
    assert_eq!(hub.rest("guest0", RoomAsk::Show { room: room.clone() }), Ok(shown.clone()));
    assert_eq!(hub.rest("guest0", RoomAsk::List(PageAsk::default())), Ok(json!({"rooms": [shown], "next": null})));
    let members =
        hub.rest("ann", RoomAsk::Members { room: room.clone(), page: PageAsk::default() }).expect("is a member");
    assert_eq!(members["self"], aliases[0]);
    let mut members = members["members"].as_array().expect("a list").clone();
    members.sort_by_key(|member| member["role"] != "owner");
    let expected = [
        json!({"peer": aliases[0], "role": "owner", "joined_at": START, "present": true}),
        json!({"peer": aliases[1], "role": "member", "joined_at": START, "present": false}),
    ];
    assert_eq!(members, expected);
    for ask in [RoomAsk::Show { room: room.clone() }, RoomAsk::Members { room: room.clone(), page: PageAsk::default() }]
    {
        assert_eq!(hub.rest("eve", ask), Err("forbidden".into()));
    }
    assert_eq!(hub.rest("ann", RoomAsk::Show { room: "nowhere".into() }), Err("not_found".into()));
    for (name, code) in [("", "bad_request"), (&"x".repeat(81), "too_large")] {
        assert_eq!(hub.rest("ann", RoomAsk::Create { name: name.into() }), Err(code.into()));
    }
}

#[test]
fn one_user_belongs_to_100_rooms_at_most() {
    let mut hub = Fixture::new();
    for _ in 0..100 {
        create(&mut hub, "ann");
    }
    assert_eq!(hub.rest("ann", RoomAsk::Create { name: "Tea".into() }), Err("conflict".into()));
    let room = create(&mut hub, "bob");
    let ticket = invite(&mut hub, "bob", &room).expect("is a member");
    let ann = hub.user("ann");
    assert_eq!(join(&mut hub, ann, &room, &ticket), Err("conflict".into()));
}

#[test]
fn one_user_is_in_8_rooms_and_a_session_at_once() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (ann, _, session, _) = hub.pair_up(ann, bob);
    for n in 0..9 {
        let room = create(&mut hub, "ann");
        let joined = join(&mut hub, ann, &room, &json!(null));
        assert_eq!(joined.err(), (n == 8).then(|| "conflict".into()));
    }
    let offer = json!({"session": session, "neg": 1, "kind": "offer", "sdp": "v=0"});
    hub.ask(ann, "rtc.description", offer).expect("is in the session");
}

#[test]
fn chat_in_a_room_reaches_everybody_else_in_one_order() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    for n in 0..30 {
        say(&mut hub, there[n % 3], &room, n).expect("is there");
        if n == 10 {
            say(&mut hub, there[n % 3], &room, n).expect("a repeated one is the same");
        }
    }
    let page = hub.ask(there[1], "chat.history", json!({"room": room})).expect("is there");
    let all: Vec<Value> = page["messages"].as_array().expect("a list").clone();
    assert_eq!((all.len(), &page["self"]), (30, &aliases[1]));
    for (at, who) in there.iter().enumerate() {
        let got = data_of(&mut hub, *who, "chat.message");
        let of_others: Vec<&Value> = all.iter().filter(|message| message["from"] != aliases[at]).collect();
        let mids = |messages: Vec<&Value>| messages.into_iter().map(|one| one["mid"].clone()).collect::<Vec<_>>();
        assert_eq!(mids(got.iter().collect()), mids(of_others));
        assert!(got.iter().all(|message| message["room"] == json!(room)));
    }
}

#[test]
fn receipts_typing_reactions_and_deletions_work_in_a_room() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let sent = say(&mut hub, there[0], &room, 1).expect("is there");
    there.iter().for_each(|who| drop(hub.take(*who)));
    let mid = &sent["mid"];
    let cases = [
        (there[1], "chat.receipt", json!({"read_to": mid}), "chat.receipt", json!({"read_to": mid})),
        (there[1], "chat.typing", json!({"on": true}), "chat.typing", json!({"on": true})),
        (
            there[1],
            "chat.react",
            json!({"mid": mid, "emoji": "👍"}),
            "chat.reaction",
            json!({"mid": mid, "emoji": "👍", "remove": false}),
        ),
        (there[0], "chat.delete", json!({"mid": mid}), "chat.deleted", json!({"mid": mid})),
    ];
    for (who, kind, mut data, push, mut expected) in cases {
        data["room"] = json!(room);
        hub.ask(who, kind, data).expect(kind);
        expected["room"] = json!(room);
        expected["from"] = aliases[usize::from(who == there[1])].clone();
        for other in there.iter().filter(|other| **other != who) {
            assert_eq!(hub.take_one(*other, push)["data"], expected);
        }
        assert!(hub.take(who).is_empty());
    }
    assert_eq!(hub.ask(there[2], "chat.delete", json!({"room": room, "mid": mid})), Err("forbidden".into()));
}

#[test]
fn rule_37_a_rooms_history_is_open_to_its_members_and_outlives_their_leaving() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let sent = say(&mut hub, there[0], &room, 1).expect("is there");
    for who in &there {
        hub.ask(*who, "room.leave", json!({"room": room})).expect("is there");
    }
    let page = hub.ask(there[1], "chat.history", json!({"room": room})).expect("is a member");
    assert_eq!((&page["messages"][0]["mid"], &page["messages"][0]["from"]), (&sent["mid"], &aliases[0]));
    let by_rest = RoomAsk::Messages { room: room.clone(), before: None, after: None, limit: None };
    assert_eq!(hub.rest("guest0", by_rest.clone()), Ok(page));
    assert_eq!(hub.rest("eve", by_rest), Err("forbidden".into()));
    let eve = hub.user("eve");
    for place in [&room, "nowhere"] {
        assert_eq!(hub.ask(eve, "chat.history", json!({"room": place})), Err("not_in_session".into()));
    }
    // The room knows its last message when it comes to life again.
    let ok = join(&mut hub, there[1], &room, &json!(null)).expect("is a member");
    assert_eq!(ok["last_mid"], sent["mid"]);
    let receipt = json!({"room": room, "read_to": sent["mid"]});
    assert_eq!(hub.ask(there[1], "chat.receipt", receipt), Ok(json!({})));
    let too_many = RoomAsk::Messages { room, before: None, after: None, limit: Some(101) };
    assert_eq!(hub.rest("ann", too_many), Err("bad_request".into()));
}

#[test]
fn nobody_waits_for_somebody_who_is_away_in_a_room() {
    let mut hub = Fixture::new();
    let (room, there, _) = party(&mut hub, 1);
    hub.lose(there[1]);
    for n in 0..70 {
        assert!(say(&mut hub, there[0], &room, n).is_ok());
        hub.advance(Duration::from_millis(100));
    }
    let back = hub.resume(there[1], 0);
    assert_eq!(hub.take_kinds(back), ["ok", "sync"]);
    let page = hub.ask(back, "chat.history", json!({"room": room, "limit": 100})).expect("is there");
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(70));
}
