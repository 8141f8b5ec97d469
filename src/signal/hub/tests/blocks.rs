//! Rule 39: who keeps whom away, while it lasts and after a restart.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::matchmaking::Person;
use crate::signal::BlockAsk;
use crate::signal::BlockTarget;
use crate::signal::EndReason;
use crate::signal::hub::blocks::BLOCKS_MAX;
use crate::signal::hub::separations::Separations;
use crate::signal::id::ConnectionId;
use crate::signal::page::PageAsk;
use crate::signal::protocol::Refusal;
use crate::signal::settings::Limits;
use crate::signal::settings::Settings;
use crate::store::Block;
use crate::store::BlockId;
use crate::store::DeviceId;
use crate::store::Party;
use crate::store::UserId;
use crate::time::UnixMillis;

const SECOND: Duration = Duration::from_secs(1);

fn subject(user: &str) -> Subject {
    Subject { user: user.into(), role: Role::User, guest: false, device: None, age_band: None }
}

fn rest(hub: &mut Fixture, user: &str, ask: BlockAsk) -> Result<Value, Refusal> {
    let (answer, answered) = std::sync::mpsc::channel();
    let answer = Box::new(move |outcome| answer.send(outcome).expect("the test waits"));
    hub.hub.handle_block_ask(&subject(user), ask, answer, hub.now);
    hub.pump();
    answered.try_recv().expect("an answer")
}

fn ids(hub: &mut Fixture, user: &str) -> Vec<String> {
    let listed = rest(hub, user, BlockAsk::List(PageAsk::default())).expect("is told");
    let blocks = listed["blocks"].as_array().expect("a list").clone();
    blocks.iter().map(|block| block["id"].as_str().expect("a name").to_owned()).collect()
}

/// Whether the two find each other when nobody else is there, however long they wait.
fn meet(hub: &mut Fixture, a: ConnectionId, b: ConnectionId) -> bool {
    for side in [a, b] {
        hub.take(side);
        hub.ask(side, "queue.join", json!({"tags": ["music"]})).expect("joins");
    }
    hub.advance(120 * SECOND);
    let is_met = hub.take_kinds(a).contains(&"match.found".to_owned());
    for side in [a, b] {
        hub.ask(side, "queue.leave", json!({})).expect("is answered");
    }
    is_met
}

#[test]
fn a_block_ends_the_call_as_any_end_does_and_keeps_the_two_apart_for_good() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    assert_eq!(hub.ask(ann, "block.add", json!({"session": session})), Ok(json!({})));
    for side in [ann, bob] {
        let frames = hub.take(side);
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!((&frames[0]["type"], &frames[0]["data"]["reason"]), (&json!("session.ended"), &json!("ended")));
    }
    assert_eq!(hub.stats.sessions_ended(EndReason::Ended).value(), 1);
    assert!(!meet(&mut hub, ann, bob));
    assert!(!meet(&mut hub, bob, ann), "in both directions");
    hub.restart(7200 * SECOND);
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    assert!(!meet(&mut hub, ann, bob), "also after a restart");
    let [id] = ids(&mut hub, "shop:ann").try_into().expect("one block");
    assert_eq!(ids(&mut hub, "shop:bob"), [""; 0]);
    assert_eq!(hub.ask(ann, "block.remove", json!({"user": id})), Ok(json!({})));
    assert!(meet(&mut hub, ann, bob));
    assert_eq!(hub.ask(ann, "block.remove", json!({"user": id})), Err("not_found".into()));
}

#[test]
fn the_reply_comes_before_the_end_that_it_causes() {
    let mut hub = Fixture::new();
    let (a, _, session, _) = hub.pair();
    hub.request(a, "block.add", json!({"session": session}));
    assert_eq!(hub.take_kinds(a), ["ok", "session.ended"]);
}

#[test]
fn a_guest_is_kept_away_by_its_device_too() {
    let mut hub = Fixture::new();
    let ann = hub.user("ann");
    let guest = |hub: &mut Fixture| {
        let id = hub.connect();
        hub.hello(id, json!({"guest": {"device_id": "tablet"}}));
        hub.take(id);
        id
    };
    let first = guest(&mut hub);
    let (.., session, _) = hub.pair_up(ann, first);
    hub.ask(ann, "block.add", json!({"session": session})).expect("blocks");
    let second = guest(&mut hub);
    assert!(!meet(&mut hub, ann, second));
    let other = hub.guest();
    assert!(meet(&mut hub, ann, other), "and nobody else");
}

#[test]
fn whoever_was_in_a_session_can_block_its_other_side_when_it_is_over() {
    let mut hub = Fixture::new();
    let (ann, bob, eve) = (hub.user("ann"), hub.user("bob"), hub.user("eve"));
    let (.., session, _) = hub.pair_up(ann, bob);
    hub.ask(bob, "session.end", json!({"session": session})).expect("ends");
    assert_eq!(hub.ask(eve, "block.add", json!({"session": session})), Err("not_in_session".into()));
    assert_eq!(hub.ask(ann, "block.add", json!({"session": session})), Ok(json!({})));
    assert_eq!(hub.ask(ann, "block.add", json!({"session": session})), Ok(json!({})), "once more changes nothing");
    assert_eq!(ids(&mut hub, "shop:ann").len(), 1);
    assert!(!meet(&mut hub, ann, bob));
    assert_eq!(hub.ask(ann, "block.remove", json!({"session": session})), Ok(json!({})));
    assert!(meet(&mut hub, ann, bob));
}

#[test]
fn a_match_on_its_way_is_not_made_of_those_whom_a_block_has_parted() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.engine_sleeps = true;
    for side in [ann, bob] {
        hub.request(side, "queue.join", json!({}));
    }
    // The engine pairs the two and does not tell of it yet.
    hub.wake_engine_for(2);
    hub.request(ann, "block.add", json!({"user": "shop:bob"}));
    hub.engine_sleeps = false;
    hub.pump();
    for side in [ann, bob] {
        let kinds = hub.take_kinds(side);
        assert!(!kinds.contains(&"match.found".to_owned()), "{kinds:?}");
    }
    assert!(hub.ask(ann, "queue.leave", json!({})).is_ok_and(|ok| ok["left"] == true), "both wait on");
}

#[test]
fn over_rest_a_block_ends_the_call_too() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.pair_up(ann, bob);
    assert!(rest(&mut hub, "shop:ann", BlockAsk::Add(BlockTarget::User("shop:bob".into()))).is_ok());
    assert_eq!(hub.take_one(bob, "session.ended")["data"]["reason"], "ended");
    let [id] = ids(&mut hub, "shop:ann").try_into().expect("one block");
    let of_another = rest(&mut hub, "shop:bob", BlockAsk::Remove(id.clone()));
    assert_eq!(of_another.map_err(|refusal| refusal.code.as_str()), Err("not_found"));
    assert!(rest(&mut hub, "shop:ann", BlockAsk::Remove(id)).is_ok());
    assert_eq!(ids(&mut hub, "shop:ann"), [""; 0]);
}

#[test]
fn nobody_blocks_themselves_or_the_whole_world() {
    let limits = Limits { blocks_per_minute: 10_000, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let ann = hub.user("ann");
    assert_eq!(hub.ask(ann, "block.add", json!({"user": "shop:ann"})), Err("bad_request".into()));
    for n in 0..BLOCKS_MAX {
        let ask = BlockAsk::Add(BlockTarget::User(format!("shop:{n}")));
        assert!(rest(&mut hub, "shop:ann", ask).is_ok());
    }
    assert_eq!(hub.ask(ann, "block.add", json!({"user": "shop:bob"})), Err("bad_request".into()));
    assert_eq!(hub.ask(ann, "block.add", json!({"user": "shop:7"})), Ok(json!({})), "that one is blocked already");
}

#[test]
fn a_full_disk_lets_nobody_meet_whom_they_block() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (.., session, _) = hub.pair_up(ann, bob);
    hub.store_is_full = true;
    assert_eq!(hub.ask(ann, "block.add", json!({"session": session})), Err("unavailable".into()));
    assert_eq!(hub.take_one(bob, "session.ended")["data"]["reason"], "ended");
    assert!(!meet(&mut hub, ann, bob));
}

#[test]
fn a_call_that_a_block_should_have_ended_does_not_survive_a_restart() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.pair_up(ann, bob);
    hub.store_sleeps = true;
    hub.request(ann, "block.add", json!({"user": "shop:bob"}));
    // The block is stored, what follows from it is not.
    hub.work_in_store(1);
    hub.store_sleeps = false;
    hub.restart(SECOND);
    assert_eq!(hub.ended.iter().map(|ended| ended.reason).collect::<Vec<_>>(), [EndReason::Ended]);
    let ann = hub.resume(ann, 1);
    assert_eq!(hub.take_one(ann, "sync")["data"]["sessions"], json!([]));
}

#[test]
fn rule_2_block_add_has_a_budget_by_user_and_one_by_address() {
    let limits = Limits { blocks_per_minute: 2, ..Limits::default() };
    let mut hub = Fixture::with(Settings { limits, ..settings() });
    let users = ["ann", "bob", "cat", "dan", "eve"].map(|name| (name, hub.user(name)));
    let add = |hub: &mut Fixture, who, n: usize| hub.ask(who, "block.add", json!({"user": format!("shop:{n}")}));
    let (_, ann) = users[0];
    assert_eq!([0, 1, 2].map(|n| add(&mut hub, ann, n).err()), [None, None, Some("rate_limited".into())]);
    let ask = BlockAsk::Add(BlockTarget::User("shop:9".into()));
    let refused = rest(&mut hub, "shop:ann", ask.clone()).expect_err("REST takes from the same budget");
    assert_eq!(refused.code.as_str(), "rate_limited");
    assert!(rest(&mut hub, "shop:somebody", ask).is_ok(), "who need not be connected");
    hub.advance(60 * SECOND);
    for (name, who) in users {
        let told = [0, 1].map(|n| add(&mut hub, who, n).err());
        let expected = (name == "eve").then(|| "rate_limited".to_owned());
        assert_eq!(told, [expected.clone(), expected], "{name}");
    }
}

#[test]
fn a_block_that_stays_keeps_apart_whom_another_one_did_too() {
    let party = |user: &str, device: &str| Party { user: UserId(user.into()), device: Some(DeviceId(device.into())) };
    let block =
        |id: &str, user| Block { id: BlockId(id.into()), owner: party("a", "tablet"), whom: user, at: UnixMillis(1) };
    let (first, second) = (block("1", party("b", "phone")), block("2", party("c", "phone")));
    let mut known = Separations::default();
    [first, second, block("3", party("d", "watch"))].iter().for_each(|block| known.add(block));
    assert!(known.separates(&party("b", "x"), &party("a", "y")), "in either direction");
    assert!(known.separates(&party("x", "tablet"), &party("y", "phone")), "by device");
    assert!(!known.separates(&party("x", "y"), &party("b", "phone")));
    let user = |name: &str| Person::User(crate::matchmaking::UserId(name.into()));
    known.remove(&user("a"), &user("b"));
    assert!(!known.separates(&party("a", "x"), &party("b", "y")));
    assert!(known.separates(&party("x", "tablet"), &party("y", "phone")), "the second one");
    assert!(known.separates(&party("a", "x"), &party("d", "y")));
}

#[test]
fn the_blocks_of_a_guest_go_with_its_login() {
    let blocks = |hub: &Fixture| {
        let mut owners = Vec::new();
        hub.store.each_block(&mut |block| owners.push(block.owner.user.0.to_string())).expect("read");
        owners
    };
    let mut hub = Fixture::new();
    let (ann, guest) = (hub.user("ann"), hub.connect());
    hub.hello(guest, json!({"guest": {"device_id": "tablet"}}));
    for who in [ann, guest] {
        hub.ask(who, "block.add", json!({"user": "shop:bob"})).expect("blocks");
    }
    hub.restart(SECOND);
    assert_eq!(blocks(&hub).len(), 2);
    hub.advance(3600 * SECOND);
    hub.guest();
    assert_eq!(blocks(&hub), ["shop:ann"], "nobody can be that guest again");
    // The same where the login went while nobody was here.
    let late = hub.guest();
    hub.ask(late, "block.add", json!({"user": "shop:bob"})).expect("blocks");
    hub.restart(3600 * SECOND);
    assert_eq!(blocks(&hub), ["shop:ann"]);
}
