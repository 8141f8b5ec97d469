//! Rooms where the disk is full, and where somebody asks for too much.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::START;
use super::fixture::settings;
use super::rooms::create;
use super::rooms::data_of;
use super::rooms::invite;
use super::rooms::join;
use super::rooms::party;
use super::rooms::say;
use crate::signal::page::PageAsk;
use crate::signal::room_ask::RoomAsk;
use crate::signal::settings::Limits;
use crate::signal::settings::Settings;

#[test]
fn members_come_in_while_the_disk_is_full_and_newcomers_do_not() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    hub.ask(there[1], "room.leave", json!({"room": room})).expect("is there");
    let eve = hub.user("eve");
    hub.store_is_full = true;
    let back = join(&mut hub, there[1], &room, &json!(null)).expect("is a member");
    assert_eq!(back["self"], aliases[1]);
    assert_eq!(join(&mut hub, eve, &room, &ticket), Err("unavailable".into()));
    assert_eq!(join(&mut hub, eve, &room, &json!(null)), Err("forbidden".into()));
}

#[test]
fn the_history_of_a_room_says_what_it_lost_also_when_everybody_has_left() {
    let mut hub = Fixture::new();
    let (room, there, _) = party(&mut hub, 1);
    say(&mut hub, there[0], &room, 0).expect("is there");
    hub.store_is_full = true;
    say(&mut hub, there[0], &room, 1).expect("is there");
    say(&mut hub, there[1], &room, 2).expect("is there");
    hub.store_is_full = false;
    for who in &there {
        hub.ask(*who, "room.leave", json!({"room": room})).expect("is there");
    }
    let lost = json!({"count": 2, "first_ts": START, "last_ts": START});
    let page = hub.ask(there[1], "chat.history", json!({"room": room})).expect("is a member");
    assert_eq!((page["messages"].as_array().map(Vec::len), &page["lost"]), (Some(1), &lost));
    let by_rest = RoomAsk::Messages { room, before: None, after: None, limit: Some(1) };
    assert_eq!(hub.rest("ann", by_rest).expect("is a member")["lost"], lost);
}

#[test]
fn whoever_is_put_out_while_the_disk_is_full_hears_nothing_more() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 2);
    let dismiss = |hub: &mut Fixture, by: &str, at: usize| {
        let member = aliases[at].as_str().expect("an alias").to_owned();
        hub.rest(by, RoomAsk::Dismiss { room: room.clone(), member })
    };
    hub.store_is_full = true;
    assert_eq!(dismiss(&mut hub, "guest1", 1), Err("forbidden".into()));
    assert_eq!(dismiss(&mut hub, "ann", 1), Err("unavailable".into()));
    let told = json!({"room": room, "peer": aliases[1], "reason": "kicked", "can_reconnect": false});
    for who in &there {
        assert_eq!(hub.take_one(*who, "peer.left")["data"], told);
    }
    assert_eq!(hub.revoked.len(), 1);
    say(&mut hub, there[0], &room, 1).expect("is there");
    assert!(hub.take(there[1]).is_empty());
    for store_is_full in [true, false] {
        hub.store_is_full = store_is_full;
        assert_eq!(join(&mut hub, there[1], &room, &json!(null)), Err("forbidden".into()));
        let page = hub.ask(there[1], "chat.history", json!({"room": room}));
        assert_eq!(page, Err("not_in_session".into()));
    }
    // The store is told by another attempt, and then an invitation is as good as for anybody.
    assert_eq!(dismiss(&mut hub, "ann", 1), Ok(json!({})));
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    assert!(join(&mut hub, there[1], &room, &ticket).is_ok());
}

#[test]
fn a_member_who_is_put_out_while_a_join_is_looked_up_stays_out() {
    let mut hub = Fixture::new();
    let room = create(&mut hub, "ann");
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let bob = hub.user("bob");
    let alias = join(&mut hub, bob, &room, &ticket).expect("is let in")["self"].clone();
    hub.ask(bob, "room.leave", json!({"room": room})).expect("is there");
    hub.store_sleeps = true;
    hub.request(bob, "room.join", json!({"room": room}));
    // Read, and not heard of yet.
    hub.work_in_store(1);
    let member = alias.as_str().expect("an alias").to_owned();
    let answers = hub.begin_rest("ann", RoomAsk::Dismiss { room: room.clone(), member });
    hub.work_in_store(1);
    hub.hear_store_newest_first();
    assert_eq!(answers.try_recv(), Ok(Ok(json!({}))));
    hub.store_sleeps = false;
    hub.pump();
    assert_eq!(hub.take(bob).last().map(|frame| frame["error"]["code"].clone()), Some(json!("forbidden")));
    assert_eq!(hub.stats.rooms_active.value(), 0);
}

#[test]
fn rule_2_room_join_has_a_budget_of_its_own_and_reconnecting_refills_nothing() {
    let limits = Limits { room_joins_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let room = create(&mut hub, "ann");
    let mut ann = hub.user("ann");
    for _ in 0..2 {
        join(&mut hub, ann, &room, &json!(null)).expect("is a member");
        hub.ask(ann, "room.leave", json!({"room": room})).expect("is there");
    }
    hub.ask(ann, "bye", json!({})).expect("goes");
    hub.advance(Duration::from_secs(1));
    ann = hub.user("ann");
    hub.request(ann, "room.join", json!({"room": room}));
    let refused = hub.take_one(ann, "error")["error"].clone();
    assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!("rate_limited"), &json!(29_000)));
    hub.ask(ann, "queue.join", json!({})).expect("has another budget");
    hub.advance(Duration::from_secs(29));
    join(&mut hub, ann, &room, &json!(null)).expect("is a member");
}

#[test]
fn coming_and_going_leaves_one_timer_behind() {
    let mut hub = Fixture::new();
    let room = create(&mut hub, "ann");
    let ann = hub.user("ann");
    let mut timers = Vec::new();
    for _ in 0..5 {
        join(&mut hub, ann, &room, &json!(null)).expect("is a member");
        hub.ask(ann, "room.leave", json!({"room": room})).expect("is there");
        timers.push(hub.timers());
        hub.advance(Duration::from_millis(10));
    }
    assert_eq!(timers, [timers[0]; 5]);
    // Whoever stays is not forgotten by the timer of an earlier visit.
    join(&mut hub, ann, &room, &json!(null)).expect("is a member");
    hub.advance(Duration::from_secs(2520));
    assert_eq!(data_of(&mut hub, ann, "ice.updated").len(), 1);
}

#[test]
fn credentials_of_a_room_are_dead_after_a_kill_though_nobody_has_left() {
    let mut hub = Fixture::new();
    let (room, there, aliases) = party(&mut hub, 1);
    let name = |servers: &Value| {
        let username = servers[1]["username"].as_str().expect("a name");
        username.split_once(':').expect("an expiry").1.split_once('.').expect("a side").0.to_owned()
    };
    let refresh = |hub: &mut Fixture, to: Option<&Value>| {
        hub.ask(there[0], "ice.refresh", json!({"room": room, "to": to})).expect("is there")["ice_servers"].clone()
    };
    let (own, between) = (name(&refresh(&mut hub, None)), name(&refresh(&mut hub, Some(&aliases[1]))));
    hub.advance(Duration::from_secs(60));
    hub.store_sleeps = true;
    refresh(&mut hub, None);
    refresh(&mut hub, Some(&aliases[1]));
    assert_eq!(hub.errands(), 0, "what is stored reaches further");
    let restarted = hub.now.unix;
    hub.store_sleeps = false;
    hub.pump();
    hub.restart(Duration::from_secs(1));
    for pass in [own, between] {
        let revoked = hub.revoked.iter().find(|revoked| revoked.name.as_str() == pass).expect("is refused");
        assert!(revoked.until >= restarted + Duration::from_secs(3600), "until the last one expires");
    }
    assert_eq!(hub.revoked.len(), 3);
}

#[test]
fn a_guest_who_is_away_makes_way_in_a_room_of_256_and_may_come_again() {
    let limits = Limits { guests_per_minute: 1000, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let room = create(&mut hub, "ann");
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let accounts = ["bob", "cat"].map(|name| hub.user(name));
    let guests: Vec<_> = (0..254).map(|_| hub.guest()).collect();
    for (at, who) in accounts.iter().chain(&guests).enumerate() {
        // One comes for good, the others come and go.
        let joined = join(&mut hub, *who, &room, &ticket);
        if at == 255 {
            assert!(joined.is_ok(), "in place of the first guest who is away");
        }
        if at != 2 {
            hub.ask(*who, "room.leave", json!({"room": room})).expect("is there");
        }
        hub.take(guests[0]);
        hub.advance(Duration::from_millis(1));
    }
    let mut is_member = |who| {
        join(&mut hub, who, &room, &json!(null))
            .is_ok_and(|_| hub.ask(who, "room.leave", json!({"room": room})).is_ok())
    };
    assert!(accounts.into_iter().all(&mut is_member), "accounts stay");
    assert!(is_member(guests[2]) && is_member(guests[253]));
    assert!(!is_member(guests[1]), "it has made way");
    assert_eq!(hub.rest("ann", RoomAsk::Show { room: room.clone() }).expect("is there")["present"], 1);
    join(&mut hub, guests[1], &room, &ticket).expect("the ticket is good");
    // guests[0] has been there all the time.
    assert_eq!(say(&mut hub, guests[0], &room, 1).err(), None);
}

#[test]
fn a_room_of_256_accounts_takes_nobody_in() {
    let mut hub = Fixture::new();
    let room = create(&mut hub, "ann");
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    for n in 0..256 {
        let who = hub.user(&format!("user{n}"));
        let joined = join(&mut hub, who, &room, &ticket);
        assert_eq!(joined.err(), (n == 255).then(|| "conflict".into()));
        hub.ask(who, "bye", json!({})).expect("goes");
    }
}

#[test]
fn a_fifth_guest_of_one_device_takes_the_place_of_its_first() {
    let mut hub = Fixture::new();
    let room = create(&mut hub, "ann");
    let ticket = invite(&mut hub, "ann", &room).expect("is a member");
    let bob = hub.guest();
    join(&mut hub, bob, &room, &ticket).expect("is let in");
    hub.ask(bob, "room.leave", json!({"room": room})).expect("is there");
    let tablets: Vec<_> = (0..6)
        .map(|_| {
            let who = hub.connect();
            hub.hello(who, json!({"guest": {"device_id": "tablet"}}));
            hub.take(who);
            who
        })
        .collect();
    let members = |hub: &mut Fixture| {
        let shown =
            hub.rest("ann", RoomAsk::Members { room: room.clone(), page: PageAsk::default() }).expect("is a member");
        shown["members"].as_array().expect("a list").len()
    };
    for who in &tablets[..5] {
        hub.advance(Duration::from_millis(1));
        join(&mut hub, *who, &room, &ticket).expect("is let in");
        if *who == tablets[0] {
            hub.ask(*who, "room.leave", json!({"room": room})).expect("is there");
        }
    }
    assert_eq!(members(&mut hub), 6, "ann, bob and four of the tablet");
    assert_eq!(join(&mut hub, tablets[0], &room, &json!(null)), Err("forbidden".into()), "it has made way");
    assert_eq!(join(&mut hub, tablets[5], &room, &ticket), Err("conflict".into()), "four are there");
    join(&mut hub, bob, &room, &json!(null)).expect("is a member");
}
