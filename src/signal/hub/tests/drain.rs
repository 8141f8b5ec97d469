use std::time::Duration;

use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::signal::EndReason;
use crate::signal::Settings;
use crate::signal::protocol::CloseCode;

const WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_drain_is_announced_and_closes_everybody_within_its_time() {
    let mut hub = Fixture::new();
    let ids: Vec<_> = (0..30).map(|n| if n % 2 == 0 { hub.guest() } else { hub.connect() }).collect();
    hub.hub.handle_drain(WITHIN, hub.now);
    for id in &ids {
        let told = hub.take_one(*id, "server.drain");
        assert_eq!(told["data"], json!({"within_ms": 20_000, "reason": "shutdown"}));
    }
    let is_closed = |hub: &Fixture| ids.iter().filter(|id| hub.close_code(**id).is_some()).count();
    hub.advance(Duration::from_secs(4));
    assert!(!hub.hub.is_drained());
    let early = is_closed(&hub);
    assert!(early < ids.len(), "closes are spread");
    hub.advance(Duration::from_secs(16));
    assert!(hub.hub.is_drained());
    let guests = ids.iter().step_by(2);
    assert!(guests.into_iter().all(|id| hub.close_code(*id) == Some(CloseCode::Drain)));
}

#[test]
fn a_drain_ends_sessions_that_cannot_survive_it_as_drain_and_starts_nothing_new() {
    let mut hub = Fixture::with(Settings { survives: false, ..settings() });
    let (a, b, session, _) = hub.pair();
    let waiting = hub.guest();
    hub.hub.handle_drain(WITHIN, hub.now);
    assert_eq!(hub.ask(waiting, "queue.join", json!({})), Err("unavailable".into()));
    assert_eq!(hub.ask(a, "session.next", json!({"session": session})), Err("unavailable".into()));
    assert!(hub.ask(a, "chat.typing", json!({"session": session, "on": true})).is_ok());
    let late = hub.connect();
    assert_eq!(hub.close_code(late), Some(CloseCode::Drain));
    hub.advance(WITHIN);
    for id in [a, b] {
        assert_eq!(hub.take_one(id, "session.ended")["data"]["reason"], "drain");
        assert_eq!(hub.close_code(id), Some(CloseCode::Drain));
    }
    assert_eq!(hub.stats.sessions_ended(EndReason::Drain).value(), 1);
}
