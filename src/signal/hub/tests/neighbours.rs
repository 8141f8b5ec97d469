use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use crate::bus::Heard;
use crate::bus::News;
use crate::bus::NodeId;
use crate::bus::To;
use crate::signal::EndReason;
use crate::signal::protocol::CloseCode;

fn arrived(user: &str) -> Heard {
    Heard::News { from: NodeId("other".into()), news: News::Arrived { user: user.into() } }
}

#[test]
fn every_arrival_is_told_to_all_others_a_return_too() {
    let mut hub = Fixture::new();
    let ann = hub.user("ann");
    hub.lose(ann);
    hub.resume(ann, 0);
    let told: Vec<_> = hub.said.iter().map(|said| (&said.to, &said.news)).collect();
    let news = News::Arrived { user: "shop:ann".into() };
    assert_eq!(told, [(&To::Others, &news), (&To::Others, &news)]);
}

#[test]
fn whoever_arrives_elsewhere_loses_the_socket_the_call_and_the_way_back_here() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    let (a, b, session, _) = hub.pair_up(ann, bob);
    hub.hear_neighbour(arrived("shop:ann"));
    assert_eq!(hub.close_code(a), Some(CloseCode::Replaced));
    assert!(hub.take_kinds(b).contains(&"session.ended".to_owned()));
    assert_eq!(
        hub.ended.last().map(|ended| (ended.session.as_str(), ended.reason)),
        Some((&*session, EndReason::Lost))
    );
    let back = hub.connect();
    assert_eq!(hub.ask(back, "hello", hub.resume_of(a, 0)), Err("unauthorized".into()));
}

#[test]
fn nobody_waits_here_for_whoever_arrives_elsewhere() {
    let mut hub = Fixture::new();
    let (ann, bob) = (hub.user("ann"), hub.user("bob"));
    hub.pair_up(ann, bob);
    hub.lose(ann);
    assert!(hub.ended.is_empty());
    hub.hear_neighbour(arrived("shop:ann"));
    assert_eq!(hub.ended.len(), 1);
    hub.hear_neighbour(arrived("nobody here"));
    hub.advance(Duration::from_secs(60));
    assert_eq!(hub.ended.len(), 1);
}

#[test]
fn news_that_were_missed_change_nothing() {
    let mut hub = Fixture::new();
    let ann = hub.user("ann");
    hub.hear_neighbour(Heard::Missed(3));
    assert_eq!(hub.ask(ann, "ack", json!({"seq": 0})), Ok(json!({})));
}
