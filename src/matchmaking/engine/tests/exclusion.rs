//! Who never meets, whatever the level.
use std::time::Duration;

use super::asker::Asker;
use super::asker::Queue;
use super::asker::asker;
use super::asker::pair;
use super::asker::person;
use crate::matchmaking::DeviceId;
use crate::matchmaking::JoinError;
use crate::matchmaking::Person;
use crate::matchmaking::Settings;

/// Long enough for every level.
const FOREVER_SECONDS: u64 = 4000;

fn never_meet(a: Asker, b: Asker) {
    for (first, second) in [(a.clone(), b.clone()), (b, a)] {
        let mut queue = Queue::new();
        queue.wait(first);
        queue.wait(second);
        assert_eq!(queue.pass_seconds(FOREVER_SECONDS), []);
        assert_eq!(queue.engine.len(), 2);
    }
}

#[test]
fn modes_and_age_bands_are_never_crossed() {
    never_meet(asker("ann").mode("video"), asker("bob").mode("voice"));
    never_meet(asker("ann").age_band("adult"), asker("bob").age_band("minor"));
    never_meet(asker("ann"), asker("bob").age_band("adult"));
}

#[test]
fn two_users_of_one_device_never_meet() {
    never_meet(asker("ann").device("phone"), asker("bob").device("phone"));
}

#[test]
fn each_must_be_what_the_other_wants() {
    never_meet(asker("ann").is("team", "red"), asker("bob").is("team", "red").wants("team", &["blue"]));
    never_meet(asker("ann"), asker("bob").wants("team", &["blue"]));
    let mut queue = Queue::new();
    queue.wait(asker("ann").is("team", "red").wants("team", &["green", "blue"]));
    assert_eq!(queue.meet(asker("bob").is("team", "blue").wants("team", &["red"])), pair("ann", "bob"));
}

#[test]
fn wants_count_among_more_kinds_than_have_postings_of_their_own() {
    let mut queue = Queue::new();
    for number in 0..40 {
        let name = format!("user {number}");
        queue.wait(asker(&name).is("name", &name).wants("name", &["eve"]));
    }
    assert_eq!(queue.meet(asker("eve").is("name", "eve").wants("name", &["user 31"])), pair("user 31", "eve"));
    queue.wait(asker("mallory").is("name", "mallory"));
}

#[test]
fn a_block_separates_in_both_directions() {
    for (by, whom) in [("ann", "bob"), ("bob", "ann")] {
        let mut queue = Queue::new();
        queue.block(by, whom);
        queue.wait(asker("ann"));
        queue.wait(asker("bob"));
        assert_eq!(queue.pass_seconds(FOREVER_SECONDS), []);
    }
}

#[test]
fn a_block_that_is_taken_back_lets_two_waiting_ones_meet() {
    let mut queue = Queue::new();
    queue.block("ann", "bob");
    queue.wait(asker("ann"));
    queue.wait(asker("bob"));
    queue.unblock("bob", "ann");
    assert_eq!(queue.settle(), []);
    queue.unblock("ann", "bob");
    assert_eq!(queue.pass_seconds(0), pair("ann", "bob"));
}

#[test]
fn a_blocked_device_stays_blocked_under_another_user() {
    let mut queue = Queue::new();
    let [mine, theirs] = ["mine", "theirs"].map(|device| Person::Device(DeviceId(device.into())));
    queue.engine.block(&mine, &theirs);
    queue.wait(asker("ann").device("mine"));
    queue.wait(asker("bob").device("theirs"));
    queue.engine.unblock(&mine, &theirs);
    assert_eq!(queue.pass_seconds(0), pair("ann", "bob"));
    queue.engine.block(&person("ann"), &theirs);
    queue.wait(asker("ann"));
    queue.wait(asker("carl").device("theirs"));
}

#[test]
fn recent_partners_waiting_for_each_other_meet_when_the_pause_is_over() {
    let pause = Duration::from_secs(15);
    let mut queue = Queue::with(Settings { recent_partner_pause: pause, ..Settings::default() });
    queue.met("bob", "ann");
    queue.wait(asker("ann"));
    queue.wait(asker("bob"));
    assert_eq!(queue.pass_seconds(14), []);
    assert_eq!(queue.pass_seconds(1), pair("ann", "bob"));
}

#[test]
fn a_second_join_of_a_user_is_refused_and_changes_nothing() {
    let mut queue = Queue::new();
    queue.wait(asker("ann").tags(&["rust"]));
    assert_eq!(queue.join(asker("ann").tags(&["tea"])), Err(JoinError::AlreadyQueued));
    queue.wait(asker("bob").tags(&["tea"]));
    assert_eq!(queue.meet(asker("carl").tags(&["rust"])), pair("ann", "carl"));
}
