//! Random histories of several users on a slow engine: nobody is matched twice, no ticket is lost, every request is
//! answered once.
use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::signal::Settings;
use crate::signal::hub::Queue;
use crate::signal::id::ConnectionId;
use crate::signal::id::Side;

const USERS: [&str; 4] = ["ann", "bob", "cid", "dan"];

#[derive(Clone, Debug)]
enum Step {
    /// Connects, taking over from an older socket of the user.
    Hello(usize),
    Lose(usize),
    Ask(usize, &'static str),
    /// The engine answers only while awake.
    Engine(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let kinds = ["queue.join", "queue.leave", "session.next", "session.end", "session.extend", "bye", "chat.typing"];
    prop_oneof![
        2 => user.clone().prop_map(Step::Hello),
        1 => user.clone().prop_map(Step::Lose),
        8 => (user, prop::sample::select(kinds.to_vec())).prop_map(|(user, kind)| Step::Ask(user, kind)),
        2 => any::<bool>().prop_map(Step::Engine),
        1 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    connection_by_user: HashMap<usize, ConnectionId>,
    session_by_connection: HashMap<ConnectionId, String>,
    seq_by_connection: HashMap<ConnectionId, u64>,
    unanswered: HashSet<(ConnectionId, u64)>,
}

impl Seen {
    fn read(&mut self, hub: &mut Fixture) {
        for id in self.connection_by_user.values().copied().collect::<Vec<_>>() {
            for frame in hub.take(id) {
                if let Some(re) = frame["re"].as_u64() {
                    assert!(self.unanswered.remove(&(id, re)), "a second reply: {frame}");
                }
                if let Some(seq) = frame["seq"].as_u64() {
                    let last = self.seq_by_connection.entry(id).or_default();
                    assert_eq!(seq, *last + 1, "a hole before {frame}");
                    *last = seq;
                }
                let session = || frame["data"]["session"].as_str().expect("a session").to_owned();
                match frame["type"].as_str() {
                    Some("match.found") => {
                        assert_eq!(self.session_by_connection.insert(id, session()), None, "two matches at once");
                    }
                    Some("sync") => {
                        let session = frame["data"]["sessions"][0]["session"].as_str().expect("a session");
                        self.session_by_connection.insert(id, session.to_owned());
                    }
                    Some("session.ended") => {
                        assert_eq!(self.session_by_connection.remove(&id), Some(session()), "not one's own");
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
}

fn check(hub: &Fixture) {
    let hub_users = &hub.hub.user_by_id;
    for (user, id) in hub_users.iter().filter_map(|(id, user)| user.session.as_ref().map(|session| (id, session))) {
        let session = hub.hub.session_by_id.get(&id.0).expect("is live");
        assert_eq!(&session.participant(id.1).user, user);
    }
    for (id, session) in &hub.hub.session_by_id {
        for side in Side::BOTH {
            let user = &hub_users[&session.participant(side).user];
            assert_eq!(user.session.as_ref(), Some(&(id.clone(), side)));
            assert!(user.connection.is_some());
        }
        assert_ne!(session.participant(Side::A).user, session.participant(Side::B).user);
    }
    for (ticket, user) in &hub.hub.user_by_ticket {
        match &hub_users[user].queue {
            Queue::Out => panic!("a ticket of nobody"),
            Queue::Joining(joining) => assert_eq!(joining.ticket, *ticket),
            Queue::Waiting { ticket: waiting, .. } => assert_eq!(waiting, ticket),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nobody_is_matched_twice_no_ticket_is_lost_and_every_request_is_answered_once(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let limit = Some(Duration::from_secs(90));
        let mut hub = Fixture::with(Settings { session_limit: limit, ..settings() });
        let mut seen = Seen::default();
        for step in steps {
            match step {
                Step::Hello(user) => {
                    seen.read(&mut hub);
                    let id = hub.user(USERS[user]);
                    if let Some(older) = seen.connection_by_user.insert(user, id) {
                        seen.unanswered.retain(|(of, _)| *of != older);
                        seen.session_by_connection.remove(&older);
                    }
                    // The greeting is read already: what it said of a session is known from the hub.
                    let user = &hub.hub.user_by_id[&crate::matchmaking::UserId(format!("shop:{}", USERS[user]).into())];
                    if let Some((session, _)) = &user.session {
                        seen.session_by_connection.insert(id, session.to_string());
                    }
                }
                Step::Lose(user) => {
                    if let Some(id) = seen.connection_by_user.remove(&user) {
                        hub.lose(id);
                        seen.unanswered.retain(|(of, _)| *of != id);
                    }
                }
                Step::Ask(user, kind) => {
                    if let Some(id) = seen.connection_by_user.get(&user).copied() {
                        let session = seen.session_by_connection.get(&id).cloned().unwrap_or_default();
                        let re = hub.request(id, kind, json!({"session": session, "on": true}));
                        seen.unanswered.insert((id, re));
                    }
                }
                Step::Engine(awake) => {
                    hub.engine_sleeps = !awake;
                    hub.pump();
                }
                Step::Wait(millis) => hub.advance(Duration::from_millis(millis)),
            }
            seen.read(&mut hub);
            seen.connection_by_user.retain(|_, id| hub.close_code(*id).is_none());
            check(&hub);
        }
        hub.engine_sleeps = false;
        hub.pump();
        seen.read(&mut hub);
        check(&hub);
        prop_assert_eq!(hub.engine.len(), hub.hub.user_by_ticket.len());
        let closed = |id: &ConnectionId| hub.close_code(*id).is_some();
        prop_assert!(seen.unanswered.iter().all(|(id, _)| closed(id)), "{:?}", seen.unanswered);
        let ended = hub.ended.len() + hub.hub.session_by_id.len();
        prop_assert_eq!(hub.stats.sessions_created_total.value(), ended as u64);
    }
}
