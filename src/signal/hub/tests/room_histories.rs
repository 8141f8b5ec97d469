//! Random histories of a room, over both stores: sockets that die at any moment, messages that are sent twice, a slow
//! store, people who leave and come back, processes that are killed. Whatever happens, every message is in the room
//! exactly once, in one order for all, and nobody is pushed anything twice.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::signal::Settings;
use crate::signal::id::ConnectionId;
use crate::signal::room_ask::RoomAsk;
use crate::store;
use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Store;

const NAMES: [&str; 3] = ["ann", "bob", "cid"];

#[derive(Clone, Debug)]
enum Step {
    /// Writes a new line.
    Say(usize),
    /// Sends every line again that has no answer, and the latest that has one.
    Repeat(usize),
    /// The socket dies; the client has read that many of the frames under way.
    Lose(usize, usize),
    /// Comes back, by a resume if there is a token; reads what it lacks from the history after a gap.
    Return(usize),
    Leave(usize),
    Read(usize),
    /// The store works only while awake.
    Store(bool),
    /// The process is killed. The store has done so much of what waits for it, and nobody has heard of that.
    Kill(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES.len();
    prop_oneof![
        10 => who.clone().prop_map(Step::Say),
        4 => who.clone().prop_map(Step::Repeat),
        3 => (who.clone(), 0..5usize).prop_map(|(who, read)| Step::Lose(who, read)),
        5 => who.clone().prop_map(Step::Return),
        1 => who.clone().prop_map(Step::Leave),
        3 => who.prop_map(Step::Read),
        3 => any::<bool>().prop_map(Step::Store),
        1 => (0..6usize).prop_map(Step::Kill),
        1 => (0u64..20_000).prop_map(Step::Wait),
    ]
}

/// One member's client: its socket, what it has said, what it has seen.
#[derive(Default)]
struct Client {
    connection: Option<ConnectionId>,
    /// The connection whose resume token it holds.
    token_of: Option<ConnectionId>,
    last_seq: u64,
    /// The next `seq` may be any later one.
    has_gap: bool,
    is_in: bool,
    /// Lines without an answer, by number.
    unanswered: BTreeSet<usize>,
    /// What each answered line was called.
    mid_by_line: BTreeMap<usize, String>,
    line_by_request: BTreeMap<u64, usize>,
    /// What was pushed, in the order in which it came.
    pushed: Vec<String>,
    /// All it knows of, from pushes, histories and answers.
    text_by_mid: BTreeMap<String, String>,
}

impl Client {
    fn hear(&mut self, frame: &Value) {
        if let Some(seq) = frame["seq"].as_u64() {
            let has_gap = std::mem::take(&mut self.has_gap);
            assert!(seq == self.last_seq + 1 || has_gap && seq > self.last_seq, "no hole, no repetition: {frame}");
            self.last_seq = seq;
        }
        if frame["type"] == "chat.message" {
            let mid = text_of(&frame["data"]["mid"]);
            self.pushed.push(mid.clone());
            self.know(mid, text_of(&frame["data"]["text"]));
        }
        let line = frame["re"].as_u64().and_then(|re| self.line_by_request.remove(&re));
        if let Some(line) = line
            && frame["type"] == "ok"
        {
            let mid = text_of(&frame["data"]["mid"]);
            let before = self.mid_by_line.insert(line, mid.clone());
            assert!(before.is_none_or(|before| before == mid), "a line is always the same message");
            self.unanswered.remove(&line);
            self.know(mid, line.to_string());
        }
    }

    fn know(&mut self, mid: String, text: String) {
        let before = self.text_by_mid.insert(mid, text.clone());
        assert!(before.is_none_or(|before| before == text), "a message never changes");
    }

    fn forget_socket(&mut self) {
        self.connection = None;
        self.line_by_request.clear();
    }
}

struct World {
    hub: Fixture,
    room: String,
    clients: [Client; NAMES.len()],
    said: usize,
}

impl World {
    fn new(store: Box<dyn Store>) -> Self {
        let mut hub = Fixture::over(Settings { resume_window: Duration::from_secs(10), ..settings() }, store);
        let room = hub.rest(NAMES[0], RoomAsk::Create { name: "Tea".into() }).expect("is made")["id"].clone();
        let room = room.as_str().expect("a name").to_owned();
        let ask = RoomAsk::Invite { room: room.clone(), ttl_ms: None };
        let ticket = hub.rest(NAMES[0], ask).expect("is a member")["ticket"].clone();
        for name in NAMES {
            let who = hub.user(name);
            hub.ask(who, "room.join", json!({"room": room, "ticket": ticket})).expect("is let in");
            hub.ask(who, "bye", json!({})).expect("goes");
        }
        Self { hub, room, clients: Default::default(), said: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Say(at) => {
                self.said += 1;
                self.clients[at].unanswered.insert(self.said);
                self.send(at, self.said);
            }
            Step::Repeat(at) => {
                let client = &self.clients[at];
                let latest = client.mid_by_line.last_key_value().map(|(line, _)| *line);
                let lines: Vec<usize> = client.unanswered.iter().copied().chain(latest).collect();
                lines.into_iter().for_each(|line| self.send(at, line));
            }
            Step::Lose(at, read) => self.lose(at, read),
            Step::Return(at) => self.come_back(at),
            Step::Leave(at) => {
                if let Some(connection) = self.clients[at].connection {
                    self.hub.request(connection, "room.leave", json!({"room": self.room}));
                    self.clients[at].is_in = false;
                }
            }
            Step::Read(at) => self.read(at, usize::MAX),
            Step::Store(is_awake) => {
                self.hub.store_sleeps = !is_awake;
                self.hub.pump();
            }
            Step::Kill(done) => {
                self.hub.work_in_store(done.min(self.hub.errands()));
                self.hub.restart(Duration::from_secs(1));
                for client in &mut self.clients {
                    client.forget_socket();
                    client.is_in = false;
                }
            }
            Step::Wait(millis) => self.hub.advance(Duration::from_millis(millis)),
        }
    }

    fn send(&mut self, at: usize, line: usize) {
        let Some(connection) = self.clients[at].connection else { return };
        let cid = format!("0d4b5a70-3a5f-4a71-9d5c-{line:012}");
        let data = json!({"room": self.room, "cid": cid, "kind": "text", "text": line.to_string()});
        let request = self.hub.request(connection, "chat.send", data);
        self.clients[at].line_by_request.insert(request, line);
    }

    fn read(&mut self, at: usize, frames: usize) {
        let Some(connection) = self.clients[at].connection else { return };
        for frame in self.hub.take(connection).iter().take(frames) {
            self.clients[at].hear(frame);
        }
    }

    fn lose(&mut self, at: usize, read: usize) {
        self.read(at, read);
        if let Some(connection) = self.clients[at].connection {
            self.hub.lose(connection);
            self.clients[at].forget_socket();
        }
    }

    /// Comes back as the SDK does: resumes, else says a plain hello; joins where it is not; catches up.
    fn come_back(&mut self, at: usize) {
        self.lose(at, 0);
        let sleeps = std::mem::replace(&mut self.hub.store_sleeps, false);
        self.hub.pump();
        let connection = self.hub.connect();
        self.hub.take(connection);
        let token_of = self.clients[at].token_of;
        let hello = match token_of {
            Some(older) => self.hub.resume_of(older, self.clients[at].last_seq),
            None => json!({"token": self.hub.token(NAMES[at], 3600)}),
        };
        let request = self.hub.request(connection, "hello", hello);
        let frames = self.hub.take(connection);
        let ok = frames.iter().find(|frame| frame["re"] == json!(request)).expect("is answered");
        if ok["type"] == "error" {
            assert!(token_of.is_some(), "a good token is welcome");
            self.clients[at].token_of = None;
            self.come_back(at);
        } else {
            self.arrive(at, connection, &ok["data"], &frames);
        }
        self.hub.store_sleeps = sleeps;
    }

    fn arrive(&mut self, at: usize, connection: ConnectionId, ok: &Value, frames: &[Value]) {
        self.hub.keep_token(connection, ok);
        let client = &mut self.clients[at];
        (client.connection, client.token_of) = (Some(connection), Some(connection));
        if ok["resumed"] == false {
            (client.last_seq, client.is_in) = (0, false);
        }
        if ok["gap"] == true {
            let sync = frames.iter().find(|frame| frame["type"] == "sync").expect("follows a gap");
            client.is_in = sync["data"]["rooms"][0]["room"] == json!(self.room);
            client.has_gap = true;
        }
        let mut has_missed = ok["gap"] == true || ok["resumed"] == false;
        frames.iter().filter(|frame| frame["seq"].is_u64()).for_each(|frame| self.clients[at].hear(frame));
        if !self.clients[at].is_in {
            let joined = self.hub.ask(connection, "room.join", json!({"room": self.room}));
            joined.expect("a member is let in");
            self.clients[at].is_in = true;
            has_missed = true;
        }
        if has_missed {
            self.catch_up(at, connection);
        }
    }

    /// Reads the history from its beginning; pages that are told there is more are followed.
    fn catch_up(&mut self, at: usize, connection: ConnectionId) {
        let mut after = json!("00000000-0000-7000-8000-000000000000");
        loop {
            let wish = json!({"room": self.room, "after": after, "limit": 20});
            let page = self.hub.ask(connection, "chat.history", wish).expect("is a member");
            let messages = page["messages"].as_array().expect("a list").clone();
            for message in &messages {
                self.clients[at].know(text_of(&message["mid"]), text_of(&message["text"]));
            }
            match messages.last() {
                Some(last) if page["more"] == true => after = last["mid"].clone(),
                Some(_) | None => return,
            }
        }
    }

    /// Everybody comes back, says again what has no answer, and hears the rest.
    fn settle(&mut self) {
        self.step(&Step::Store(true));
        for at in 0..NAMES.len() {
            self.come_back(at);
        }
        for at in 0..NAMES.len() {
            self.step(&Step::Repeat(at));
            self.hub.advance(Duration::from_secs(5));
        }
        for at in 0..NAMES.len() {
            self.read(at, usize::MAX);
            assert!(self.clients[at].unanswered.is_empty(), "everything is answered in the end");
        }
    }

    fn check(mut self) {
        self.settle();
        let window = store::Window { limit: 10_000, ..store::Window::default() };
        let place = store::Place::Room(store::RoomId(self.room.as_str().into()));
        let kept = self.hub.store.history(&place, window).expect("read").entries;
        let kept: Vec<(String, String)> = kept
            .into_iter()
            .map(|entry| (entry.mid.0.to_string(), entry.content.expect("nobody deletes").text.to_string()))
            .collect();
        let mut lines: Vec<usize> = kept.iter().map(|(_, text)| text.parse().expect("a number")).collect();
        lines.sort_unstable();
        assert_eq!(lines, (1..=self.said).collect::<Vec<_>>(), "every line once");
        let kept: BTreeMap<String, String> = kept.into_iter().collect();
        for client in &self.clients {
            assert_eq!(client.text_by_mid, kept, "everybody knows all of it");
            assert!(client.pushed.is_sorted(), "in the room's order: {:?}", client.pushed);
            assert!(client.pushed.windows(2).all(|pair| pair[0] != pair[1]), "nothing twice: {:?}", client.pushed);
            let own: BTreeSet<&String> = client.mid_by_line.values().collect();
            assert!(client.pushed.iter().all(|mid| !own.contains(mid)), "nobody is pushed its own words");
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn play(store: Box<dyn Store>, steps: &[Step]) {
    let mut world = World::new(store);
    for step in steps {
        world.step(step);
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_in_the_room_once_and_in_one_order(steps in prop::collection::vec(step(), 1..60)) {
        let retention = Retention::default();
        play(Box::new(MemoryStore::new(retention)), &steps);
        let directory = tempfile::tempdir().expect("a directory");
        let opened = store::open(&directory.path().join("duologue.db"), retention).expect("made");
        play(opened.writer, &steps);
    }
}
