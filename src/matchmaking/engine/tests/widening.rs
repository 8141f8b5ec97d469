//! Levels: what each asks for, when it is reached, who wins among the legal.
use std::time::Duration;

use super::asker::Queue;
use super::asker::asker;
use super::asker::pair;
use super::asker::texts;
use crate::matchmaking::QueueState;
use crate::matchmaking::Settings;

#[test]
fn two_who_ask_for_nothing_meet_at_once() {
    let mut queue = Queue::new();
    queue.wait(asker("ann"));
    assert_eq!(queue.meet(asker("bob")), pair("ann", "bob"));
    assert!(queue.engine.is_empty());
}

#[test]
fn a_match_names_what_the_two_have_in_common() {
    let mut queue = Queue::new();
    queue.wait(asker("ann").tags(&["go", "chess", "rust"]).languages(&["tr", "en"]));
    queue.join(asker("bob").tags(&["rust", "tea", "go"]).languages(&["de", "en", "tr"])).expect("room");
    let found = queue.settle().pop().expect("a match");
    assert_eq!(found.tags_common, texts(&["go", "rust"]));
    assert_eq!(found.language.as_deref(), Some("tr"));
}

#[test]
fn somebody_who_speaks_anything_is_greeted_in_the_language_of_the_other() {
    let mut queue = Queue::new();
    queue.wait(asker("ann"));
    queue.join(asker("bob").languages(&["de", "en"])).expect("room");
    assert_eq!(queue.settle().pop().expect("a match").language.as_deref(), Some("de"));
}

#[test]
fn each_level_drops_one_condition() {
    let ann = asker("ann").tags(&["rust"]).languages(&["en"]).region("eu");
    let strangers = [
        (10, asker("bob").tags(&["tea"]).languages(&["en"]).region("eu")),
        (20, asker("bob").tags(&["rust"]).languages(&["en"]).region("us")),
        (40, asker("bob").tags(&["rust"]).languages(&["tr"]).region("eu")),
    ];
    for (seconds, stranger) in strangers {
        let mut queue = Queue::new();
        queue.wait(ann.clone());
        queue.wait(stranger);
        assert_eq!(queue.pass(Duration::from_millis(seconds * 1000 - 1)), []);
        assert_eq!(queue.pass_seconds(1), pair("ann", "bob"), "after {seconds} s");
    }
}

#[test]
fn recent_partners_meet_again_at_the_last_level() {
    let mut queue = Queue::new();
    queue.met("ann", "bob");
    queue.wait(asker("ann"));
    queue.wait(asker("bob"));
    assert_eq!(queue.pass_seconds(59), []);
    assert_eq!(queue.pass_seconds(1), pair("ann", "bob"));
}

#[test]
fn a_pair_must_be_acceptable_to_the_one_who_waited_less() {
    let mut queue = Queue::new();
    queue.wait(asker("ann").tags(&["rust"]));
    assert_eq!(queue.pass_seconds(30), []);
    queue.wait(asker("bob").tags(&["tea"]));
    assert_eq!(queue.pass_seconds(9), []);
    assert_eq!(queue.pass_seconds(1), pair("ann", "bob"));
}

#[test]
fn an_own_tag_wait_replaces_the_first_level() {
    let mut queue = Queue::new();
    let ann = queue.wait(asker("ann").tags(&["rust"]).tag_wait(3));
    queue.wait(asker("bob").tags(&["tea"]).tag_wait(0));
    assert_eq!(queue.pass_seconds(2), []);
    assert_eq!(queue.status(ann).level, 0);
    assert_eq!(queue.pass_seconds(1), pair("ann", "bob"));
}

#[test]
fn a_tag_wait_beyond_the_second_level_holds_that_one_back_too() {
    let mut queue = Queue::new();
    let ann = queue.wait(asker("ann").tags(&["rust"]).region("eu").tag_wait(30));
    queue.pass_seconds(29);
    assert_eq!(queue.status(ann).level, 0);
    queue.pass_seconds(1);
    assert_eq!(queue.status(ann).level, 2);
    queue.pass_seconds(10);
    assert_eq!(queue.status(ann).level, 3);
}

#[test]
fn a_wildcard_is_a_member_of_every_bucket() {
    let picky = asker("ann").tags(&["rust"]).languages(&["en"]).region("eu");
    let wildcards = [
        asker("bob").languages(&["en"]).region("eu"),
        asker("bob").tags(&["rust"]).region("eu"),
        asker("bob").tags(&["rust"]).languages(&["en"]),
        asker("bob"),
    ];
    for wildcard in wildcards {
        let mut queue = Queue::new();
        queue.wait(picky.clone());
        assert_eq!(queue.meet(wildcard.clone()), pair("ann", "bob"));
        queue.wait(wildcard);
        assert_eq!(queue.meet(picky.clone()), pair("bob", "ann"));
    }
}

#[test]
fn more_in_common_wins_over_a_longer_wait() {
    let mut queue = Queue::new();
    queue.wait(asker("old").tags(&["rust"]).device("one"));
    queue.pass_seconds(5);
    queue.wait(asker("close").tags(&["rust", "tea", "go"]).device("one"));
    assert_eq!(queue.meet(asker("new").tags(&["go", "rust", "tea"])), pair("close", "new"));
}

#[test]
fn among_equals_the_oldest_wins() {
    let mut queue = Queue::new();
    for user in ["first", "second", "third"] {
        queue.wait(asker(user).tags(&["rust"]).device("one"));
        queue.pass(Duration::from_micros(10));
    }
    assert_eq!(queue.meet(asker("new").tags(&["rust"])), pair("first", "new"));
}

#[test]
fn only_the_oldest_64_legal_ones_are_compared() {
    let mut queue = Queue::new();
    for number in 0..64 {
        queue.wait(asker(&format!("user {number}")).tags(&["rust"]).device("one"));
        queue.pass(Duration::from_millis(1));
    }
    queue.wait(asker("close").tags(&["rust", "tea"]).device("one"));
    assert_eq!(queue.meet(asker("new").tags(&["rust", "tea"])), pair("user 0", "new"));
    assert_eq!(queue.meet(asker("newer").tags(&["rust", "tea"])), pair("close", "newer"));
}

#[test]
fn a_status_tells_state_level_place_and_length() {
    let mut queue = Queue::new();
    let ann = queue.wait(asker("ann").tags(&["rust"]));
    let bob = queue.wait(asker("bob").tags(&["tea"]).tag_wait(60));
    queue.wait(asker("eve").mode("voice"));
    let status = queue.status(bob);
    assert_eq!((status.state, status.level, status.ahead, status.waiting), (QueueState::Searching, 0, 1, 2));
    queue.pass_seconds(45);
    let status = queue.status(ann);
    assert_eq!((status.state, status.level, status.ahead, status.waiting), (QueueState::Widening, 3, 0, 2));
    assert_eq!(status.eta, None);
}

#[test]
fn the_expected_wait_comes_from_matches_of_the_same_pool() {
    let mut queue = Queue::new();
    queue.wait(asker("ann").tags(&["rust"]));
    queue.wait(asker("bob").tags(&["tea"]));
    assert_eq!(queue.pass_seconds(10), pair("ann", "bob"));
    let cem = queue.wait(asker("cem"));
    let dan = queue.wait(asker("dan").mode("voice"));
    assert_eq!(queue.status(cem).eta, Some(Duration::from_secs(10)));
    assert_eq!(queue.status(dan).eta, None);
    queue.pass_seconds(6);
    assert_eq!(queue.status(cem).eta, Some(Duration::from_secs(5)));
}

#[test]
fn the_next_deadline_is_the_next_widening_and_then_none() {
    let mut queue = Queue::new();
    assert_eq!(queue.engine.next_deadline(), None);
    queue.wait(asker("ann"));
    for wait in Settings::default().levels {
        let due = queue.engine.next_deadline().expect("a widening ahead");
        assert_eq!(due.since_start(), wait);
        queue.now = due;
        assert_eq!(queue.settle(), []);
    }
    assert_eq!(queue.engine.next_deadline(), None);
}
