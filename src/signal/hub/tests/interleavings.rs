//! Random histories of several users on a slow engine, with sockets that die at any moment: nobody is matched twice or
//! with himself, no ticket is lost, every session has one owner on each side and ends once, every request is answered
//! once, and a resume replays what was missed, in order, without holes or repetitions.
use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::matchmaking::UserId;
use crate::signal::Settings;
use crate::signal::hub::Queue;
use crate::signal::hub::chain::Presence;
use crate::signal::id::ConnectionId;
use crate::signal::id::Side;

const NAMES: [&str; 4] = ["ann", "bob", "cid", "dan"];

#[derive(Clone, Debug)]
enum Step {
    /// Says a plain hello, taking over from an older socket of the user.
    Hello(usize),
    /// Resumes, beside the older socket if that seems alive; false: the new socket dies before the reply arrives.
    Resume(usize, bool),
    /// The socket dies; the client has read that many frames of those under way.
    Lose(usize, usize),
    Read(usize),
    Ack(usize),
    Ask(usize, &'static str),
    /// Writes that many lines.
    Chat(usize, usize),
    /// The engine answers only while awake.
    Engine(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..NAMES.len();
    let kinds = ["queue.join", "queue.leave", "session.next", "session.end", "session.extend", "bye", "chat.typing"];
    prop_oneof![
        2 => user.clone().prop_map(Step::Hello),
        4 => (user.clone(), prop::bool::weighted(0.9)).prop_map(|(user, heard)| Step::Resume(user, heard)),
        3 => (user.clone(), 0..6usize).prop_map(|(user, read)| Step::Lose(user, read)),
        4 => user.clone().prop_map(Step::Read),
        1 => user.clone().prop_map(Step::Ack),
        8 => (user.clone(), prop::sample::select(kinds.to_vec())).prop_map(|(user, kind)| Step::Ask(user, kind)),
        4 => (user, 1..40usize).prop_map(|(user, lines)| Step::Chat(user, lines)),
        2 => any::<bool>().prop_map(Step::Engine),
        2 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

/// One user's client and what it has seen.
#[derive(Default)]
struct Client {
    connection: Option<ConnectionId>,
    /// The connection whose resume token it holds.
    token_of: Option<ConnectionId>,
    last_seq: u64,
    /// The next `seq` may be any later one.
    has_gap: bool,
    /// Whether it has ever missed something for good.
    ever_missed: bool,
    session: Option<String>,
    heard: Vec<(String, u64)>,
    unanswered: HashSet<u64>,
}

impl Client {
    /// Forgets a dead socket and what was asked on it.
    fn forget_socket(&mut self) {
        self.connection = None;
        self.unanswered.clear();
    }

    fn hear(&mut self, frame: &Value) {
        if let Some(re) = frame["re"].as_u64() {
            assert!(self.unanswered.remove(&re), "not asked for, or a second reply: {frame}");
        }
        if let Some(seq) = frame["seq"].as_u64() {
            let is_next = if self.has_gap { seq > self.last_seq } else { seq == self.last_seq + 1 };
            assert!(is_next, "a hole or a repetition: {frame} after {}", self.last_seq);
            self.last_seq = seq;
            self.has_gap = false;
        }
        let data = &frame["data"];
        let session = || data["session"].as_str().expect("a session").to_owned();
        match frame["type"].as_str() {
            Some("match.found") => {
                assert_ne!(data["self"], data["peer"]["id"], "matched with himself");
                assert_eq!(self.session.replace(session()), None, "two matches at once");
            }
            Some("sync") => {
                self.session = data["sessions"][0]["session"].as_str().map(ToOwned::to_owned);
            }
            Some("session.ended") => assert_eq!(self.session.take(), Some(session()), "not one's own"),
            Some("chat.message") => {
                assert_eq!(self.session, Some(session()), "not one's own");
                self.heard.push((session(), data["text"].as_str().expect("a text").parse().expect("a number")));
            }
            Some(_) | None => {}
        }
    }

    /// Takes over what a hello was answered.
    fn on_welcome(&mut self, id: ConnectionId, ok: &Value) {
        self.token_of = Some(id);
        if ok["resumed"] == false {
            self.last_seq = 0;
            self.ever_missed = true;
            if ok["gap"] == false {
                self.session = None;
            }
        } else if ok["gap"] == true {
            self.has_gap = true;
            self.ever_missed = true;
        }
    }
}

struct World {
    hub: Fixture,
    clients: [Client; NAMES.len()],
    lines: u64,
    /// Lines that the server took: session, receiver, number.
    accepted: Vec<(String, UserId, u64)>,
}

impl World {
    fn new() -> Self {
        let limit = Some(Duration::from_secs(90));
        let hub = Fixture::with(Settings { session_limit: limit, ..settings() });
        let mut world = Self { hub, clients: Default::default(), lines: 0, accepted: Vec::new() };
        for user in 0..NAMES.len() {
            world.hello(user);
            world.clients[user].ever_missed = false;
        }
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Hello(user) => self.hello(user),
            Step::Resume(user, heard) => self.resume(user, heard),
            Step::Lose(user, read) => {
                let Some(id) = self.clients[user].connection else { return };
                let frames = self.hub.take(id);
                frames.iter().take(read).for_each(|frame| self.clients[user].hear(frame));
                self.clients[user].forget_socket();
                self.hub.lose(id);
            }
            Step::Read(user) => self.read(user),
            Step::Ack(user) => {
                let seq = self.clients[user].last_seq;
                self.ask(user, "ack", json!({"seq": seq}));
            }
            Step::Ask(user, kind) => {
                let session = self.clients[user].session.clone().unwrap_or_default();
                self.ask(user, kind, json!({"session": session, "on": true}));
            }
            Step::Chat(user, lines) => (0..lines).for_each(|_| self.say(user)),
            Step::Engine(awake) => {
                self.hub.engine_sleeps = !awake;
                self.hub.pump();
            }
            Step::Wait(millis) => self.hub.advance(Duration::from_millis(millis)),
        }
    }

    fn ask(&mut self, user: usize, kind: &str, data: Value) {
        if let Some(id) = self.clients[user].connection {
            let re = self.hub.request(id, kind, data);
            self.clients[user].unanswered.insert(re);
        }
    }

    fn say(&mut self, user: usize) {
        self.lines += 1;
        let session = self.clients[user].session.clone().unwrap_or_default();
        let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{:012}", self.lines);
        let text = self.lines.to_string();
        let taken_before = self.hub.stats.chat_messages_total.value();
        self.ask(user, "chat.send", json!({"session": session, "cid": cid, "kind": "text", "text": text}));
        if self.hub.stats.chat_messages_total.value() > taken_before {
            let session = &self.hub.hub.session_by_id[session.as_str()];
            let is_a = session.participant(Side::A).user == name(user);
            let receiver = if is_a { Side::B } else { Side::A };
            self.accepted.push((session.id.to_string(), session.participant(receiver).user.clone(), self.lines));
        }
    }

    fn hello(&mut self, user: usize) {
        self.clients[user].forget_socket();
        let id = self.hub.connect();
        let token = self.hub.token(NAMES[user], 3600);
        let ok = self.hub.hello(id, json!({"token": token}));
        self.clients[user].on_welcome(id, &ok);
        self.clients[user].connection = Some(id);
        self.read(user);
    }

    /// Resumes with the token it has; one that is used or out of its time is refused.
    fn resume(&mut self, user: usize, is_heard: bool) {
        let Some(older) = self.clients[user].token_of else { return };
        // What the dead socket had under way is lost on the client's side.
        self.clients[user].forget_socket();
        let id = self.hub.connect();
        let hello = self.hub.resume_of(older, self.clients[user].last_seq);
        let Ok(ok) = self.hub.ask(id, "hello", hello) else {
            assert!(self.hub.close_code(id).is_some());
            self.clients[user].token_of = None;
            return;
        };
        if !is_heard {
            self.hub.lose(id);
            return;
        }
        self.hub.keep_token(id, &ok);
        assert_eq!(ok["resumed"], true);
        self.clients[user].on_welcome(id, &ok);
        self.clients[user].connection = Some(id);
    }

    fn read(&mut self, user: usize) {
        let Some(id) = self.clients[user].connection else { return };
        let frames = self.hub.take(id);
        frames.iter().for_each(|frame| self.clients[user].hear(frame));
        if self.hub.close_code(id).is_some() {
            self.clients[user].forget_socket();
        }
    }

    fn check(&self) {
        let hub = &self.hub.hub;
        let (mut online, mut lost) = (0, 0);
        for (id, user) in &hub.user_by_id {
            match &user.presence {
                Presence::Away => assert!(user.session.is_none() && matches!(user.queue, Queue::Out)),
                Presence::Online(connection, _) => {
                    online += 1;
                    let connection = hub.connection_by_id.get(connection).expect("is open");
                    assert_eq!(&connection.online.as_ref().expect("said hello").user, id);
                }
                Presence::Lost(until, _) => {
                    lost += 1;
                    assert!(until.mono > self.hub.now.mono, "is waited for after its window");
                }
            }
            if let Some((session, side)) = &user.session {
                assert_eq!(&hub.session_by_id[session.as_str()].participant(*side).user, id);
                assert!(!matches!(user.queue, Queue::Waiting { .. }), "a ticket beside a session");
            }
        }
        assert_eq!((hub.users_online, hub.users_lost), (online, lost));
        assert_eq!(hub.connection_by_id.values().filter(|connection| connection.online.is_some()).count(), online);
        for (id, session) in &hub.session_by_id {
            for side in Side::BOTH {
                let user = &hub.user_by_id[&session.participant(side).user];
                assert_eq!(user.session.as_ref(), Some(&(id.clone(), side)));
            }
            assert_ne!(session.participant(Side::A).user, session.participant(Side::B).user);
            assert!(session.deadline.is_some_and(|deadline| deadline.mono > self.hub.now.mono), "is over");
        }
        for (ticket, user) in &hub.user_by_ticket {
            match &hub.user_by_id[user].queue {
                Queue::Out => panic!("a ticket of nobody"),
                Queue::Joining(joining) => assert_eq!(joining.ticket, *ticket),
                Queue::Waiting { ticket: waiting, .. } => assert_eq!(waiting, ticket),
            }
        }
        let ended: HashSet<&str> = self.hub.ended.iter().map(|ended| ended.session.as_str()).collect();
        assert_eq!(ended.len(), self.hub.ended.len(), "ended twice");
        let created = self.hub.stats.sessions_created_total.value();
        assert_eq!(created, (ended.len() + hub.session_by_id.len()) as u64);
    }

    /// Everybody comes back and reads; what is known then must be what has happened.
    fn finish(&mut self) {
        self.step(Step::Engine(true));
        for user in 0..NAMES.len() {
            if self.clients[user].connection.is_none() {
                self.resume(user, true);
            }
        }
        // By now everybody accepts everybody, if they can be matched at all.
        self.step(Step::Wait(61_000));
        (0..NAMES.len()).for_each(|user| self.read(user));
        self.check();
        let online = self.hub.hub.user_by_id.values().filter(|user| user.presence.connection().is_some());
        assert!(online.filter(|user| matches!(user.queue, Queue::Waiting { .. })).count() <= 1, "a ticket is stuck");
        assert_eq!(self.hub.engine.len(), self.hub.hub.user_by_ticket.len());
        for (user, client) in self.clients.iter().enumerate().filter(|(_, client)| client.connection.is_some()) {
            assert!(client.unanswered.is_empty(), "{}: {:?}", NAMES[user], client.unanswered);
            let mine = self.hub.hub.user_by_id[&name(user)].session.as_ref().map(|(id, _)| id.to_string());
            assert_eq!(client.session, mine, "{} is wrong about its session", NAMES[user]);
            let mut expected: HashMap<&str, Vec<u64>> = HashMap::new();
            for (session, _, line) in self.accepted.iter().filter(|(_, receiver, _)| *receiver == name(user)) {
                expected.entry(session.as_str()).or_default().push(*line);
            }
            let mut heard: HashMap<&str, Vec<u64>> = HashMap::new();
            client.heard.iter().for_each(|(session, line)| heard.entry(session.as_str()).or_default().push(*line));
            if client.ever_missed {
                assert!(heard.values().all(|lines| lines.is_sorted_by(|one, next| one < next)), "{heard:?}");
            } else {
                assert_eq!(heard, expected, "{}", NAMES[user]);
            }
        }
    }
}

fn name(user: usize) -> UserId {
    UserId(format!("shop:{}", NAMES[user]).into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_is_lost_when_nothing_is_forgotten_or_done_twice(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
        world.finish();
    }
}
