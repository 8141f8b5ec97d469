//! Groups: who meets in a room, and what finding them costs.
use std::time::Duration;

use super::asker::Asker;
use super::asker::Queue;
use super::asker::asker;
use super::asker::pair;
use crate::matchmaking::engine::EFFORT;
use crate::matchmaking::engine::TURN_PAUSE;

fn three(user: &str) -> Asker {
    asker(user).size(3)
}

fn group(names: &[&str]) -> Vec<Vec<String>> {
    vec![names.iter().map(|name| (*name).to_owned()).collect()]
}

#[test]
fn a_group_meets_once_it_is_complete_and_the_oldest_comes_first() {
    let mut queue = Queue::new();
    queue.wait(three("ann").tags(&["rust", "tea"]).languages(&["tr", "en"]));
    queue.wait(three("bob").tags(&["tea", "rust"]).languages(&["en"]));
    assert_eq!(queue.groups(), Vec::<Vec<String>>::new());
    assert_eq!(queue.meet(three("cat").tags(&["tea", "go"])), []);
    let found = queue.take_groups().pop().expect("a group");
    let names: Vec<&str> = found.tickets.iter().map(|ticket| &*ticket.user.0).collect();
    assert_eq!(names, ["ann", "bob", "cat"]);
    assert_eq!((found.tags_common, found.language.as_deref()), (vec!["tea".into()], Some("en")));
    assert!(queue.engine.is_empty());
}

#[test]
fn sizes_do_not_mix() {
    let mut queue = Queue::new();
    queue.wait(asker("two"));
    queue.wait(three("three"));
    queue.wait(asker("four").size(4));
    queue.wait(three("another three"));
    assert_eq!(queue.meet(asker("another two")), pair("two", "another two"));
    assert_eq!(queue.gather(three("last three")), group(&["three", "another three", "last three"]));
}

#[test]
fn every_two_of_a_group_must_suit_each_other() {
    let mut queue = Queue::new();
    queue.block("ann", "bob");
    queue.wait(three("ann"));
    queue.wait(three("bob"));
    queue.wait(three("cat"));
    queue.wait(three("cat's other tab").device("cat's"));
    // Cat has no device here; the two of one device are never together.
    queue.wait(three("cat's third tab").device("cat's"));
    assert_eq!(queue.groups(), group(&["ann", "cat", "cat's other tab"]));
    queue.unblock("ann", "bob");
    assert_eq!(queue.gather(three("dan")), group(&["bob", "cat's third tab", "dan"]));
}

#[test]
fn an_unblocked_pair_completes_a_group_at_once() {
    let mut queue = Queue::new();
    queue.block("ann", "bob");
    for name in ["ann", "bob", "cat"] {
        queue.wait(three(name));
    }
    assert_eq!(queue.groups(), Vec::<Vec<String>>::new());
    queue.unblock("ann", "bob");
    assert_eq!(queue.pass_seconds(0), []);
    assert_eq!(queue.groups(), group(&["ann", "bob", "cat"]));
}

#[test]
fn a_group_widens_like_a_pair() {
    let mut queue = Queue::new();
    queue.wait(three("ann").tags(&["a"]).region("eu"));
    queue.wait(three("bob").tags(&["b"]).region("eu"));
    queue.wait(three("cat").tags(&["a", "b"]).region("us"));
    assert_eq!(queue.pass(Duration::from_millis(19_999)), []);
    assert_eq!(queue.groups(), Vec::<Vec<String>>::new());
    queue.pass(Duration::from_millis(1));
    assert_eq!(queue.groups(), group(&["ann", "bob", "cat"]));
}

#[test]
fn recent_partners_are_no_group_until_they_have_waited_long_enough() {
    let mut queue = Queue::new();
    queue.met("ann", "bob");
    for name in ["ann", "bob", "cat"] {
        queue.wait(three(name));
    }
    queue.pass(Duration::from_millis(59_999));
    assert_eq!(queue.groups(), Vec::<Vec<String>>::new());
    queue.pass(Duration::from_millis(1));
    assert_eq!(queue.groups(), group(&["ann", "bob", "cat"]));
}

#[test]
fn suspended_tickets_complete_no_group_and_go_on_when_they_are_back() {
    let mut queue = Queue::new();
    let ann = queue.wait(three("ann"));
    queue.wait(three("bob"));
    assert!(queue.engine.suspend(ann));
    assert_eq!(queue.gather(three("cat")), Vec::<Vec<String>>::new());
    assert!(queue.engine.resume(ann, queue.now));
    queue.settle();
    assert_eq!(queue.groups(), group(&["ann", "bob", "cat"]));
}

#[test]
fn a_ticket_of_a_group_is_given_back_as_it_was() {
    let mut queue = Queue::new();
    queue.wait(three("ann"));
    queue.wait(three("bob"));
    assert_eq!(queue.meet(three("gone")), []);
    let mut tickets = queue.take_groups().pop().expect("a group").tickets;
    assert!(tickets.pop().is_some());
    for ticket in tickets {
        let id = ticket.id;
        assert_eq!(queue.engine.give_back(ticket, queue.now), Ok(()));
        assert_eq!(queue.status(id).level, 0);
    }
    assert_eq!(queue.gather(three("cat")), group(&["ann", "bob", "cat"]));
    assert_eq!(queue.engine.next_deadline(), None);
    assert_eq!(queue.engine.footprint()[0], 0);
}

#[test]
fn eight_meet_as_well() {
    let mut queue = Queue::new();
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        queue.wait(asker(name).size(8));
    }
    assert_eq!(queue.gather(asker("h").size(8)), group(&["a", "b", "c", "d", "e", "f", "g", "h"]));
}

#[test]
fn of_many_those_meet_who_share_most() {
    let mut queue = Queue::new();
    for name in ["one", "two", "six"] {
        queue.wait(three(name).tags(&[name, "all"]).device("one"));
    }
    queue.wait(three("near").tags(&["two", "all", "more"]).device("near"));
    assert_eq!(queue.gather(three("new").tags(&["two", "all", "more"])), group(&["two", "near", "new"]));
}

#[test]
fn an_adversary_looks_at_a_bounded_number_of_candidates_at_once() {
    // Nobody of one device ever meets another one of it, whatever they share.
    let mut queue = Queue::new();
    for number in 0..1000 {
        queue.join(three(&number.to_string()).device("one")).expect("room");
    }
    while queue.engine.looked_at() == 0 || queue.engine.paused() > 0 {
        queue.pass(TURN_PAUSE);
    }
    let before = queue.engine.looked_at();
    queue.join(three("adversary").device("one")).expect("room");
    assert_eq!(queue.engine.poll_match(queue.now), None);
    assert_eq!(queue.engine.poll_group(queue.now), None);
    let looked_at = queue.engine.looked_at() - before;
    assert!(looked_at <= 2 * EFFORT.looked_at_max as u64, "{looked_at}");
}

#[test]
fn a_group_behind_a_crowd_of_one_device_is_found_in_later_turns() {
    let mut queue = Queue::new();
    for number in 0..200 {
        queue.wait(three(&format!("crowd {number}")).device("one"));
        queue.pass(Duration::from_millis(1));
    }
    // It suits one of the crowd, but two of them never suit each other.
    assert_eq!(queue.gather(three("ann")), Vec::<Vec<String>>::new());
    assert_eq!(queue.gather(three("bob")), Vec::<Vec<String>>::new(), "she is not among the first 64 that he sees");
    queue.pass(TURN_PAUSE * 10);
    assert_eq!(queue.groups(), group(&["crowd 192", "ann", "bob"]));
}

#[test]
fn pairs_do_not_wait_for_searches_of_groups() {
    let mut queue = Queue::new();
    for number in 0..100 {
        queue.join(three(&number.to_string()).device("one")).expect("room");
    }
    queue.join(asker("ann")).expect("room");
    queue.join(asker("bob")).expect("room");
    let found = queue.engine.poll_match(queue.now).expect("a pair");
    assert_eq!((&*found.a.user.0, &*found.b.user.0), ("ann", "bob"));
}
