//! Tickets that leave, come back, pause, or find no room.
use super::asker::Queue;
use super::asker::asker;
use super::asker::pair;
use crate::matchmaking::JoinError;
use crate::matchmaking::Settings;
use crate::matchmaking::TicketId;

#[test]
fn a_full_queue_refuses_the_next_one_until_somebody_leaves() {
    let mut queue = Queue::with(Settings { capacity: 2, ..Settings::default() });
    let ann = queue.wait(asker("ann").tags(&["a"]));
    queue.wait(asker("bob").tags(&["b"]));
    assert_eq!(queue.join(asker("carl")), Err(JoinError::QueueFull));
    assert_eq!(queue.join(asker("ann")), Err(JoinError::AlreadyQueued));
    assert!(queue.engine.leave(ann).is_some());
    assert_eq!(queue.meet(asker("carl")), pair("bob", "carl"));
}

#[test]
fn many_greedy_tickets_fill_the_queue_before_they_fill_the_memory() {
    let mut queue = Queue::with(Settings { capacity: 200, ..Settings::default() });
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let refused = (0..200).find(|number| {
        let greedy = asker(&number.to_string()).tags(&names).languages(&names).region("eu").device("one");
        queue.join(greedy) == Err(JoinError::QueueFull)
    });
    // 11 x 11 x 2 + 11 x 2 + 11 + 2 = 277 postings each, 64 x 200 in all.
    assert_eq!(refused, Some(47));
}

#[test]
fn a_ticket_comes_out_as_it_went_in() {
    let mut queue = Queue::new();
    let asked = asker("ann").tags(&["z", "a"]).languages(&["tr", "en"]).region("eu").device("phone").tag_wait(4);
    let asked = asked.is("team", "red").wants("team", &["blue"]).mode("voice").age_band("adult");
    let id = queue.wait(asked.clone());
    let mut ticket = asked.0;
    ticket.id = id;
    assert_eq!(queue.engine.leave(id), Some(ticket));
    assert_eq!(queue.engine.leave(id), None);
}

#[test]
fn nothing_is_left_behind_by_those_who_left() {
    let mut queue = Queue::new();
    queue.join(asker("eve")).expect("room");
    queue.engine.leave(TicketId(1));
    let ids: Vec<TicketId> = (0..50)
        .map(|number| {
            let name = number.to_string();
            queue.wait(asker(&name).tags(&[&name, "all"]).is("name", &name).mode(&name).device("one"))
        })
        .collect();
    queue.pass_seconds(25);
    for id in ids {
        assert!(queue.engine.suspend(id) && queue.engine.resume(id, queue.now));
        assert!(queue.engine.leave(id).is_some());
    }
    assert_eq!(queue.settle(), []);
    assert_eq!(queue.engine.next_deadline(), None);
    assert_eq!(queue.engine.footprint(), [0; 6]);
}

#[test]
fn a_ticket_given_back_keeps_its_wait_whatever_the_capacity() {
    let mut queue = Queue::with(Settings { capacity: 2, ..Settings::default() });
    queue.wait(asker("ann").tags(&["rust"]));
    queue.pass_seconds(12);
    queue.join(asker("gone")).expect("room");
    let found = queue.settle().pop().expect("a match");
    queue.wait(asker("bob").tags(&["tea"]));
    assert_eq!(queue.pass_seconds(1), []);
    queue.wait(asker("carl").tags(&["go"]));
    assert_eq!(queue.engine.give_back(found.a.clone(), queue.now), Ok(()));
    assert_eq!(queue.settle(), []);
    let status = queue.status(found.a.id);
    assert_eq!((status.level, status.ahead, status.waiting), (1, 0, 3));
    assert_eq!(queue.pass_seconds(10), pair("ann", "bob"));
}

#[test]
fn a_ticket_is_not_given_back_to_a_user_who_joined_again() {
    let mut queue = Queue::new();
    queue.wait(asker("ann"));
    queue.join(asker("gone")).expect("room");
    let found = queue.settle().pop().expect("a match");
    queue.wait(asker("ann").tags(&["new"]));
    assert_eq!(queue.engine.give_back(found.a, queue.now), Err(JoinError::AlreadyQueued));
}

#[test]
fn a_suspended_ticket_is_not_matched_and_keeps_its_since() {
    let mut queue = Queue::new();
    let ann = queue.wait(asker("ann").tags(&["rust"]));
    assert!(queue.engine.suspend(ann));
    let bob = queue.wait(asker("bob").tags(&["rust"]));
    assert_eq!((queue.status(bob).waiting, queue.status(bob).ahead), (1, 0));
    assert_eq!(queue.pass_seconds(15), []);
    assert_eq!(queue.join(asker("ann")), Err(JoinError::AlreadyQueued));
    assert!(queue.engine.resume(ann, queue.now));
    assert_eq!(queue.status(ann).level, 1);
    assert_eq!(queue.pass_seconds(0), pair("ann", "bob"));
}

#[test]
fn suspending_before_the_first_search_or_twice_does_no_harm() {
    let mut queue = Queue::new();
    queue.wait(asker("bob"));
    let ann = queue.join(asker("ann")).expect("room");
    assert!(queue.engine.suspend(ann) && queue.engine.suspend(ann));
    assert_eq!(queue.settle(), []);
    assert!(queue.engine.resume(ann, queue.now) && queue.engine.resume(ann, queue.now));
    assert_eq!(queue.pass_seconds(0), pair("bob", "ann"));
    assert!(!queue.engine.suspend(ann) && !queue.engine.resume(ann, queue.now));
}
