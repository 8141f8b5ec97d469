//! What an event costs, counted in candidates looked at.
use std::time::Duration;

use super::asker::Queue;
use super::asker::asker;
use super::asker::pair;
use crate::matchmaking::Settings;
use crate::matchmaking::engine::EFFORT;
use crate::matchmaking::engine::PAUSED_PER_TURN;
use crate::matchmaking::engine::STEPS_PER_POLL;
use crate::matchmaking::engine::TURN_PAUSE;
use crate::matchmaking::search::Effort;

/// Kinds beyond those with postings of their own, and every ticket's wish fulfilled by nobody.
fn crowd_of_loners(count: usize) -> Queue {
    let mut queue = Queue::new();
    for number in 0..count {
        let name = format!("loner {number}");
        queue.join(asker(&name).is("name", &name).wants("name", &["nobody"])).expect("room");
    }
    while queue.engine.paused() > 0 || queue.engine.looked_at() == 0 {
        assert_eq!(queue.pass(TURN_PAUSE), []);
    }
    queue
}

#[test]
fn an_adversary_looks_at_a_bounded_number_of_candidates_at_once() {
    let mut queue = crowd_of_loners(1200);
    let before = queue.engine.looked_at();
    queue.join(asker("adversary").is("name", "adversary").wants("name", &["nobody", "else"])).expect("room");
    assert_eq!(queue.engine.poll_match(queue.now), None);
    let at_once = EFFORT.looked_at_max * (2 + PAUSED_PER_TURN);
    let looked_at = queue.engine.looked_at() - before;
    assert!(looked_at >= EFFORT.looked_at_max as u64 && looked_at <= at_once as u64, "{looked_at}");
}

#[test]
fn paused_searches_take_turns_of_a_bounded_size() {
    let mut queue = crowd_of_loners(700);
    for number in 0..20 {
        let name = format!("adversary {number}");
        queue.join(asker(&name).is("name", &name).wants("name", &["else"])).expect("room");
    }
    queue.settle();
    let turn = (EFFORT.looked_at_max * PAUSED_PER_TURN) as u64;
    let mut turns = 0;
    while queue.engine.paused() > 0 {
        let before = queue.engine.looked_at();
        queue.pass(TURN_PAUSE);
        assert!(queue.engine.looked_at() - before <= turn);
        turns += 1;
    }
    // 20 searches of which the first turns took some; 700 candidates each need one more go.
    assert!((3..=5).contains(&turns), "{turns}");
}

#[test]
fn a_partner_is_found_at_once_beside_paused_searches() {
    let mut queue = crowd_of_loners(700);
    queue.wait(asker("honest one").tags(&["rust"]));
    for number in 0..20 {
        let name = format!("adversary {number}");
        queue.join(asker(&name).is("name", &name).wants("name", &["else"])).expect("room");
    }
    queue.settle();
    assert!(queue.engine.paused() > 0);
    assert_eq!(queue.meet(asker("honest two").tags(&["rust"])), pair("honest one", "honest two"));
}

#[test]
fn people_elsewhere_cost_nothing() {
    let mut queue = Queue::new();
    for number in 0..500 {
        let name = number.to_string();
        queue.wait(asker(&name).tags(&["rust"]).languages(&["en"]).region("eu").wants("team", &["blue"]));
    }
    let before = queue.engine.looked_at();
    let here = asker("new").tags(&["rust"]).languages(&["en"]).is("team", "blue");
    for elsewhere in [
        here.clone().mode("voice"),
        here.clone().age_band("adult"),
        here.clone().region("us"),
        here.clone().languages(&["tr"]),
        here.clone().tags(&["tea"]),
        here.clone().is("team", "red"),
    ] {
        let id = queue.wait(elsewhere);
        assert!(queue.engine.leave(id).is_some());
    }
    assert_eq!(queue.engine.looked_at(), before);
    assert_eq!(queue.meet(here.region("eu")), pair("0", "new"));
    // Nobody can be better than the oldest of all those equals.
    assert_eq!(queue.engine.looked_at(), before + 1);
}

#[test]
fn a_herd_of_widenings_is_worked_off_in_slices() {
    let mut queue = Queue::new();
    let ids: Vec<_> = (0..200).map(|number| queue.wait(asker(&number.to_string()).device("one"))).collect();
    queue.now = queue.now + Duration::from_secs(10);
    assert_eq!(queue.engine.poll_match(queue.now), None);
    let widened = |queue: &Queue| ids.iter().filter(|id| queue.status(**id).level == 1).count();
    assert_eq!(widened(&queue), STEPS_PER_POLL);
    assert!(queue.engine.next_deadline() <= Some(queue.now));
    queue.settle();
    assert_eq!(widened(&queue), 200);
}

#[test]
fn a_search_that_paused_before_a_widening_is_made_up_for() {
    let mut queue = Queue::with_effort(Settings::default(), Effort { legal_max: 1, looked_at_max: 1, rare_max: 1 });
    for number in 0..20 {
        queue.wait(asker(&number.to_string()).tags(&["rust"]).device("one"));
        queue.pass(Duration::from_millis(100));
    }
    queue.wait(asker("partner").tags(&["rust"]).device("two").wants("team", &["red"]));
    queue.pass(Duration::from_millis(100));
    let mut new = asker("new").tags(&["rust"]).device("one").is("team", "red");
    new.0.preferences.tag_wait = Some(Duration::from_millis(1));
    queue.wait(new);
    assert_eq!(queue.pass_seconds(1), pair("partner", "new"));
}
