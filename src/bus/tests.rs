//! The contract of every bus.
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::time::UnixMillis;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn join(bus: &dyn Bus, name: &str) -> Line {
    let (line, carrier) = bus.join(NodeId(name.into()));
    tokio::spawn(carrier);
    line
}

fn arrived(number: u64) -> News {
    News::Arrived { user: format!("user {number}").into() }
}

async fn say(line: &Line, to: To, news: News) {
    line.say.send(Said { to, news }).await.expect("the bus lives");
}

async fn hear(line: &mut Line) -> Heard {
    timeout(PATIENCE, line.hear.recv()).await.expect("in time").expect("the bus lives")
}

fn news(from: &str, news: News) -> Heard {
    Heard::News { from: NodeId(from.into()), news }
}

#[tokio::test]
async fn what_is_for_the_others_each_other_node_hears_once_and_in_order() {
    let bus = LocalBus::default();
    let (a, mut b, mut c) = (join(&bus, "a"), join(&bus, "b"), join(&bus, "c"));
    for number in 0..100 {
        say(&a, To::Others, arrived(number)).await;
    }
    for line in [&mut b, &mut c] {
        for number in 0..100 {
            assert_eq!(hear(line).await, news("a", arrived(number)));
        }
    }
    say(&b, To::Others, News::LoginKilled { family: "f".into(), until: UnixMillis(7) }).await;
    assert_eq!(hear(&mut c).await, news("b", News::LoginKilled { family: "f".into(), until: UnixMillis(7) }));
}

#[tokio::test]
async fn what_is_for_one_node_only_that_one_hears() {
    let bus = LocalBus::default();
    let (mut a, mut b, mut c) = (join(&bus, "a"), join(&bus, "b"), join(&bus, "c"));
    say(&a, To::Node(NodeId("b".into())), arrived(1)).await;
    say(&a, To::Node(NodeId("nobody".into())), arrived(2)).await;
    say(&b, To::Others, arrived(3)).await;
    assert_eq!(hear(&mut b).await, news("a", arrived(1)));
    assert_eq!(hear(&mut c).await, news("b", arrived(3)), "the first that it hears");
    assert_eq!(hear(&mut a).await, news("b", arrived(3)), "nobody hears itself");
}

#[tokio::test]
async fn a_node_that_is_too_slow_is_told_that_it_missed_something_and_hears_on() {
    let bus = LocalBus::default();
    let (a, mut slow) = (join(&bus, "a"), join(&bus, "slow"));
    const MANY: u64 = 20_000;
    for number in 0..MANY {
        say(&a, To::Others, arrived(number)).await;
    }
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < MANY {
        match hear(&mut slow).await {
            Heard::Missed(count) => missed += count,
            Heard::News { news, .. } => {
                assert_eq!(news, arrived(heard + missed), "in order, whatever is missing");
                heard += 1;
            }
        }
    }
    assert!(missed > 0, "the backlog is bounded");
    assert_eq!(heard + missed, MANY);
}

#[tokio::test]
async fn who_has_gone_does_not_hold_up_the_others() {
    let bus = LocalBus::default();
    let (a, mut b, gone) = (join(&bus, "a"), join(&bus, "b"), join(&bus, "gone"));
    drop(gone);
    for number in 0..5_000 {
        say(&a, To::Others, arrived(number)).await;
        assert_eq!(hear(&mut b).await, news("a", arrived(number)));
    }
}

#[tokio::test]
async fn the_carrier_ends_with_its_line() {
    let (line, carrier) = LocalBus::default().join(NodeId("a".into()));
    drop(line);
    timeout(PATIENCE, carrier).await.expect("in time");
}
