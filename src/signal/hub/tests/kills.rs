//! Random histories in which the process is killed at any moment, over both stores, of which the file is opened again: no
//! user is in two sessions, every session has an owner on each side, hub and store agree on which go on, nobody is called
//! back to one that is over, a deadline ends a session once and never early, and whoever was told a token that was stored
//! comes back by it.
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::signal::EndReason;
use crate::signal::SessionId;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::signal::id::Side;
use crate::store;
use crate::store::MemoryStore;
use crate::store::Store;

const NAMES: [&str; 4] = ["ann", "bob", "cid", "dan"];
/// Longer than any history.
const TOKEN_SECS: u64 = 86_400;

#[derive(Clone, Debug)]
enum Step {
    Hello(usize),
    Resume(usize),
    Lose(usize),
    Ask(usize, &'static str),
    Say(usize),
    /// The store works only while awake.
    Store(bool),
    Wait(u64),
    /// The process is killed when the store has done a share of what it was given (of 8), and starts again after so many
    /// milliseconds.
    Kill(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..NAMES.len();
    let kinds = ["queue.join", "queue.join", "queue.leave", "session.next", "session.end", "session.extend", "bye"];
    prop_oneof![
        3 => user.clone().prop_map(Step::Hello),
        3 => user.clone().prop_map(Step::Resume),
        2 => user.clone().prop_map(Step::Lose),
        8 => (user.clone(), prop::sample::select(kinds.to_vec())).prop_map(|(user, kind)| Step::Ask(user, kind)),
        2 => user.prop_map(Step::Say),
        2 => any::<bool>().prop_map(Step::Store),
        2 => (0..40_000u64).prop_map(Step::Wait),
        2 => (0..=8usize, 0..100_000u64).prop_map(|(share, down)| Step::Kill(share, down)),
    ]
}

/// What one user has.
#[derive(Default)]
struct Client {
    connection: Option<ConnectionId>,
    /// The connection whose resume token it holds, unless it said bye.
    token_of: Option<ConnectionId>,
    session: Option<String>,
}

struct World {
    hub: Fixture,
    home: Option<tempfile::TempDir>,
    clients: [Client; NAMES.len()],
    lines: u64,
    /// Of the ended sessions how many were looked at; a new process begins at 0.
    seen: usize,
}

impl World {
    fn new(in_file: bool) -> Self {
        let mut hub = Fixture::with(Settings { session_limit: Some(Duration::from_secs(90)), ..settings() });
        let home = in_file.then(|| tempfile::tempdir().expect("a directory"));
        if let Some(home) = &home {
            hub.store = opened(home);
        }
        Self { hub, home, clients: Default::default(), lines: 0, seen: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Hello(user) => {
                let id = self.hub.connect();
                let token = self.hub.token(NAMES[user], TOKEN_SECS);
                self.hub.hello(id, json!({"token": token}));
                self.clients[user] = Client { connection: Some(id), token_of: Some(id), session: None };
            }
            Step::Resume(user) => {
                self.resume(user);
            }
            Step::Lose(user) => {
                if let Some(id) = self.clients[user].connection.take() {
                    self.hub.lose(id);
                }
            }
            Step::Ask(user, kind) => {
                let Some(id) = self.clients[user].connection else { return };
                let session = self.session_of(user).unwrap_or_default();
                self.hub.request(id, kind, json!({"session": session}));
                if self.hub.close_code(id).is_some() {
                    self.clients[user] = Client::default();
                }
            }
            Step::Say(user) => {
                let Some(id) = self.clients[user].connection else { return };
                self.lines += 1;
                let session = self.session_of(user).unwrap_or_default();
                let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{:012}", self.lines);
                self.hub.request(id, "chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": "x"}));
            }
            Step::Store(awake) => {
                self.hub.store_sleeps = !awake;
                self.hub.pump();
            }
            Step::Wait(millis) => self.hub.advance(Duration::from_millis(millis)),
            Step::Kill(share, down) => self.kill(share, Duration::from_millis(down)),
        }
    }

    /// Whether the user is back.
    fn resume(&mut self, user: usize) -> bool {
        let Some(older) = self.clients[user].token_of else { return false };
        let id = self.hub.connect();
        let is_back = self.hub.ask(id, "hello", self.hub.resume_of(older, 0));
        self.clients[user] = match &is_back {
            Ok(ok) => {
                self.hub.keep_token(id, ok);
                Client { connection: Some(id), token_of: Some(id), session: None }
            }
            Err(code) => {
                assert_eq!(code, "unauthorized");
                Client::default()
            }
        };
        is_back.is_ok()
    }

    fn session_of(&mut self, user: usize) -> Option<String> {
        let found = self.hub.hub.user_by_id.get(&name(user)).and_then(|user| user.session.clone());
        self.clients[user].session = found.map(|(id, _)| id.to_string()).or(self.clients[user].session.take());
        self.clients[user].session.clone()
    }

    fn kill(&mut self, share: usize, down: Duration) {
        let errands = self.hub.errands();
        let done = errands * share / 8;
        self.hub.work_in_store(done);
        // Whoever holds a token that is good and stored.
        let holders: Vec<usize> = (0..NAMES.len()).filter(|user| done == errands && self.holds_good(*user)).collect();
        if let Some(home) = &self.home {
            // The lock goes with the process.
            self.hub.store = Box::new(MemoryStore::new(self.hub.retention()));
            self.hub.store = opened(home);
        }
        self.hub.store_sleeps = false;
        self.hub.ended.clear();
        self.seen = 0;
        self.hub.restart(down);
        self.check();
        self.clients.iter_mut().for_each(|client| client.connection = None);
        for user in holders {
            assert!(self.resume(user), "{} holds a token that was stored", NAMES[user]);
        }
    }

    fn holds_good(&self, user: usize) -> bool {
        let chain = self.hub.hub.user_by_id.get(&name(user)).and_then(|user| user.presence.chain());
        let token = self.clients[user].token_of.map(|older| self.hub.resume_of(older, 0)["resume"]["token"].clone());
        let token = token.and_then(|token| crate::auth::resume::ResumeToken::parse(token.as_str()?));
        chain.zip(token).is_some_and(|(chain, token)| chain.accepts(&token))
    }

    fn check(&mut self) {
        let hub = &self.hub.hub;
        for (id, user) in &hub.user_by_id {
            if let Some((session, side)) = &user.session {
                assert_eq!(&hub.session_by_id[session.as_str()].participant(*side).user, id);
            }
        }
        let mut owners = HashMap::new();
        for (id, session) in &hub.session_by_id {
            for side in Side::BOTH {
                let owner = &session.participant(side).user;
                assert_eq!(owners.insert(owner.clone(), id.clone()), None, "in two sessions");
                assert_eq!(hub.user_by_id[owner].session.as_ref(), Some(&(id.clone(), side)));
            }
            assert!(session.deadline.is_some_and(|deadline| deadline.mono > self.hub.now.mono), "is over");
        }
        let mut ended = BTreeSet::new();
        for (number, end) in self.hub.ended.iter().enumerate() {
            assert!(ended.insert(&end.session), "ended twice");
            if number >= self.seen && end.reason == EndReason::Limit {
                let record = self.hub.store.session(&end.session).expect("read");
                let deadline = record.and_then(|record| record.session.progress.deadline);
                assert!(deadline.is_none_or(|deadline| deadline <= self.hub.now.unix), "too early");
            }
        }
        self.seen = self.hub.ended.len();
    }

    /// Once everything is stored, hub and store know the same.
    fn finish(&mut self) {
        self.step(Step::Store(true));
        self.check();
        let mut live = BTreeSet::new();
        self.hub.store.each_live_session(&mut |live_one| assert!(live.insert(live_one.session.id))).expect("read");
        let here: BTreeSet<SessionId> = self.hub.hub.session_by_id.keys().cloned().collect();
        assert_eq!(live, here);
        let mut resumable = BTreeSet::new();
        self.hub.store.each_resumption(&mut |one| assert!(resumable.insert(one.user))).expect("read");
        let chains = self
            .hub
            .hub
            .user_by_id
            .iter()
            .filter(|(_, user)| user.presence.chain().is_some_and(|chain| chain.token().is_some()));
        let chains: BTreeSet<store::UserId> = chains.map(|(id, _)| id.into()).collect();
        assert_eq!(resumable, chains);
    }
}

fn opened(home: &tempfile::TempDir) -> Box<dyn Store> {
    store::open(&home.path().join("duologue.db"), settings().retention).expect("whole").writer
}

fn name(user: usize) -> crate::matchmaking::UserId {
    crate::matchmaking::UserId(format!("shop:{}", NAMES[user]).into())
}

fn play(in_file: bool, steps: Vec<Step>) {
    let mut world = World::new(in_file);
    for step in steps {
        world.step(step);
        world.check();
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whenever_it_is_killed_nothing_is_doubled_and_no_call_is_left_behind(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        play(false, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_same_holds_with_a_file(steps in prop::collection::vec(step(), 1..60)) {
        play(true, steps);
    }
}
