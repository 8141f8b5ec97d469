//! A hub with a real engine and a real store, driven step by step.
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::secret::Secret;
use crate::auth::token::Issued;
use crate::auth::token::RefreshError;
use crate::auth::token::TokenSettings;
use crate::auth::turn::Minter;
use crate::bus::Heard;
use crate::bus::Said;
use crate::matchmaking;
use crate::matchmaking::Engine;
use crate::matchmaking::Group;
use crate::matchmaking::Match;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::matchmaking::runner::Event;
use crate::signal::Relayed;
use crate::signal::hub::Effect;
use crate::signal::hub::Ended;
use crate::signal::hub::Hub;
use crate::signal::hub::Peer;
use crate::signal::hub::Sequel;
use crate::signal::hub::errands::Errand;
use crate::signal::id::ConnectionId;
use crate::signal::link::Link;
use crate::signal::past::Past;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::Refusal;
use crate::signal::room::Pass;
use crate::signal::room_ask::RoomAsk;
use crate::signal::settings::Automatic;
use crate::signal::settings::IcePolicy;
use crate::signal::settings::Limits;
use crate::signal::settings::ServerName;
use crate::signal::settings::Settings;
use crate::signal::stats::Stats;
use crate::store;
use crate::store::MemoryStore;
use crate::store::Retention;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;

pub(super) const FOREIGN_KEY: &[u8] = b"a key of the customer's own backend";
pub(super) const START: UnixMillis = UnixMillis(1_763_630_000_000);

pub(crate) fn settings() -> Settings {
    Settings {
        server: ServerName { name: "duologue".into(), version: "0".into(), node: "n1".into() },
        limits: Limits::default(),
        exempt: Vec::new(),
        guests: true,
        guests_by_hello: true,
        guests_work: false,
        accounts: false,
        keys: None,
        tokens: TokenSettings {
            secret: Secret::new(*b"signs our own tokens"),
            foreign_secrets: vec![Secret::new(FOREIGN_KEY)],
            old_secrets: Vec::new(),
            foreign_keys: ForeignKeys::default(),
            foreign_issuer: None,
            foreign_audience: None,
            access_ttl: Duration::from_secs(300),
            refresh_ttl: Duration::from_secs(3600),
        },
        session_limit: Some(Duration::from_secs(300)),
        resume_window: Duration::from_secs(30),
        queue_capacity: 200_000,
        ice_policy: IcePolicy::All,
        ice_urls: vec!["stun:h:3478".into(), "turn:h:3478?transport=udp".into()],
        minter: Minter::new(Secret::new(*b"turn secret")),
        invitation_secret: Secret::new(*b"signs invitations"),
        retention: Retention::default(),
        automatic: Automatic::default(),
        screen: Arc::default(),
        classifier: None,
        survives: true,
        files: None,
    }
}

pub(super) struct Fixture {
    pub(super) hub: Hub,
    settings: Settings,
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) stats: Arc<Stats>,
    /// What the other nodes are told.
    pub(super) said: Vec<Said>,
    pub(super) ended: Vec<Ended>,
    /// What the relay was told to let go of in rooms.
    pub(super) revoked: Vec<Pass>,
    /// While true, commands stay where they are: the engine is slow.
    pub(super) engine_sleeps: bool,
    pub(super) store: Box<dyn Store>,
    /// While true, errands stay where they are: the store is slow.
    pub(super) store_sleeps: bool,
    /// While true, nothing can be written.
    pub(super) store_is_full: bool,
    commands: Vec<Command>,
    /// Matches that the hub has not heard of.
    found: Vec<Match>,
    gathered: Vec<Group>,
    errands: VecDeque<Errand>,
    returns_out: mpsc::Sender<Sequel>,
    returns: mpsc::Receiver<Sequel>,
    link_by_connection: HashMap<ConnectionId, Arc<Link>>,
    resume_token_by_connection: HashMap<ConnectionId, Value>,
    last_connection: u64,
    last_id: u64,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let store = Box::new(MemoryStore::new(settings.retention));
        Self::over(settings, store)
    }

    /// One over a store of the caller's.
    pub(super) fn over(settings: Settings, store: Box<dyn Store>) -> Self {
        let stats = Arc::new(Stats::default());
        let (returns_out, returns) = mpsc::channel();
        Self {
            hub: Hub::new(settings.clone(), stats.clone()),
            settings: settings.clone(),
            engine: Engine::new(matchmaking::Settings::default()),
            now: Now { unix: START, ..Now::default() },
            stats,
            said: Vec::new(),
            ended: Vec::new(),
            revoked: Vec::new(),
            engine_sleeps: false,
            store,
            store_sleeps: false,
            store_is_full: false,
            commands: Vec::new(),
            found: Vec::new(),
            gathered: Vec::new(),
            errands: VecDeque::new(),
            returns_out,
            returns,
            link_by_connection: HashMap::new(),
            resume_token_by_connection: HashMap::new(),
            last_connection: 0,
            last_id: 0,
        }
    }

    /// The process is killed, and another one goes on with its store after `down`.
    pub(super) fn restart(&mut self, down: Duration) {
        self.restart_with(self.settings.clone(), down);
    }

    /// The same under other settings.
    pub(super) fn restart_with(&mut self, settings: Settings, down: Duration) {
        self.stats = Arc::new(Stats::default());
        self.hub = Hub::new(settings.clone(), self.stats.clone());
        self.settings = settings;
        self.engine = Engine::new(matchmaking::Settings::default());
        self.commands.clear();
        self.found.clear();
        self.gathered.clear();
        self.errands.clear();
        // What the store had done and nobody heard of.
        while self.returns.try_recv().is_ok() {}
        // The monotonic clock begins anew with the process, and reaches back as far as that of the program.
        let mono = Mono::from_start(Duration::from_secs(3600));
        self.now = Now { unix: self.now.unix + down, mono };
        let past = Past::read(&*self.store).expect("read");
        self.hub.restore(past, self.now);
        self.pump();
    }

    /// A connection that has been greeted.
    pub(super) fn connect(&mut self) -> ConnectionId {
        self.connect_as("192.0.2.1", None)
    }

    pub(super) fn connect_as(&mut self, ip: &str, bearer: Option<String>) -> ConnectionId {
        self.last_connection += 1;
        let (id, link) = (ConnectionId(self.last_connection), Arc::new(Link::default()));
        self.link_by_connection.insert(id, link.clone());
        let peer = Peer { ip: ip.parse().expect("an address"), bearer };
        self.hub.handle_connected(id, link, peer, self.now);
        id
    }

    /// A guest of its own device who has read what came so far.
    pub(super) fn guest(&mut self) -> ConnectionId {
        let id = self.connect();
        self.hello(id, json!({"guest": {"device_id": format!("device-{}", id.0)}}));
        self.take(id);
        id
    }

    /// Says hello and is welcome; what comes with the reply stays unread.
    pub(super) fn hello(&mut self, id: ConnectionId, data: Value) -> Value {
        let ok = self.ask(id, "hello", data).expect("is welcome");
        self.keep_token(id, &ok);
        ok
    }

    /// Notes the resume token that a hello was answered with.
    pub(super) fn keep_token(&mut self, id: ConnectionId, ok: &Value) {
        self.resume_token_by_connection.insert(id, ok["resume_token"].clone());
    }

    /// What a resume of that connection says, by a client that has everything up to `last_seq`.
    pub(super) fn resume_of(&self, id: ConnectionId, last_seq: u64) -> Value {
        json!({"resume": {"token": self.resume_token_by_connection[&id], "last_seq": last_seq}})
    }

    /// Goes on with an earlier connection; the reply and everything behind it stay unread.
    pub(super) fn resume(&mut self, older: ConnectionId, last_seq: u64) -> ConnectionId {
        let id = self.connect();
        self.take(id);
        self.request(id, "hello", self.resume_of(older, last_seq));
        let frames = self.take(id);
        assert_eq!(frames[0]["data"]["resumed"], true, "{frames:?}");
        self.keep_token(id, &frames[0]["data"]);
        frames.iter().for_each(|frame| self.put_back(id, frame));
        id
    }

    /// Uses a refresh token, and waits for the store.
    pub(super) fn refresh(&mut self, refresh_token: &str) -> Result<Issued, RefreshError> {
        let (answer, answered) = mpsc::channel();
        self.hub.handle_refresh(refresh_token, move |outcome| answer.send(outcome).expect("the test waits"), self.now);
        self.pump();
        answered.try_recv().expect("an answer")
    }

    /// A user of a foreign token that is good for an hour.
    pub(super) fn user(&mut self, name: &str) -> ConnectionId {
        let id = self.connect();
        let token = self.token(name, 3600);
        self.hello(id, json!({"token": token}));
        self.take(id);
        id
    }

    /// The same; what comes with the reply stays unread.
    pub(super) fn user_who_reads(&mut self, name: &str) -> ConnectionId {
        let id = self.connect();
        let token = self.token(name, 3600);
        self.hello(id, json!({"token": token}));
        id
    }

    /// A user with a role.
    pub(super) fn staff_member(&mut self, name: &str, role: &str) -> ConnectionId {
        let id = self.connect();
        let token = self.token_of(json!({"sub": name, "role": role}));
        self.hello(id, json!({"token": token}));
        self.take(id);
        id
    }

    pub(super) fn token(&self, name: &str, secs: u64) -> String {
        self.token_of(json!({"sub": name, "exp": self.now.unix.as_secs() + secs}))
    }

    /// A foreign token that claims this much, and is good for an hour unless it says otherwise.
    pub(super) fn token_of(&self, more: Value) -> String {
        let mut claims = json!({"iss": "shop", "exp": self.now.unix.as_secs() + 3600});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let key = jsonwebtoken::EncodingKey::from_secret(FOREIGN_KEY);
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signs")
    }

    /// What REST answers one of [`Fixture::user`]'s users, or the code of its error.
    pub(super) fn rest(&mut self, name: &str, ask: RoomAsk) -> Result<Value, String> {
        let answers = self.begin_rest(name, ask);
        answers.recv().expect("is answered").map_err(|refusal: Refusal| refusal.code.as_str().into())
    }

    /// The same while the store sleeps; the answer comes when it has done its part.
    pub(super) fn begin_rest(&mut self, name: &str, ask: RoomAsk) -> mpsc::Receiver<Result<Value, Refusal>> {
        let (told, answers) = mpsc::channel();
        let user = UserId(format!("shop:{name}").into());
        let answer = Box::new(move |outcome| told.send(outcome).expect("the fixture lives"));
        self.hub.handle_room_ask(&user, ask, answer, self.now);
        self.pump();
        answers
    }

    /// Two guests in a session, who have read what came so far: (A, B, session, what each got as `match.found`).
    pub(super) fn pair(&mut self) -> (ConnectionId, ConnectionId, String, [Value; 2]) {
        let (a, b) = (self.guest(), self.guest());
        self.pair_up(a, b)
    }

    pub(super) fn pair_up(
        &mut self,
        a: ConnectionId,
        b: ConnectionId,
    ) -> (ConnectionId, ConnectionId, String, [Value; 2]) {
        self.ask(a, "queue.join", json!({"tags": ["music"]})).expect("joins");
        self.ask(b, "queue.join", json!({"tags": ["music"]})).expect("joins");
        let found = [a, b].map(|id| self.take_one(id, "match.found"));
        let session = found[0]["data"]["session"].as_str().expect("a session").to_owned();
        (a, b, session, found)
    }

    /// Hears something from another node.
    pub(super) fn hear_neighbour(&mut self, heard: Heard) {
        self.hub.handle_heard(heard, self.now);
        self.pump();
    }

    /// Sends a raw message.
    pub(super) fn send(&mut self, id: ConnectionId, text: &str) {
        let incoming = Incoming::parse(text).expect("an object");
        self.hub.handle_message(id, incoming, self.now);
        self.pump();
    }

    /// Sends a request without reading the reply, and returns its id.
    pub(super) fn request(&mut self, id: ConnectionId, kind: &str, data: Value) -> u64 {
        self.last_id += 1;
        self.send(id, &json!({"type": kind, "id": self.last_id, "data": data}).to_string());
        self.last_id
    }

    /// Sends a request and returns the data of its ok, or the code of its error. Other frames stay unread.
    pub(super) fn ask(&mut self, id: ConnectionId, kind: &str, data: Value) -> Result<Value, String> {
        let re = self.request(id, kind, data);
        let frames = self.take(id);
        let mut replies = Vec::new();
        for frame in frames {
            if frame["re"] == json!(re) { replies.push(frame) } else { self.put_back(id, &frame) }
        }
        let [reply] = replies.try_into().expect("exactly one reply");
        if reply["type"] == "ok" {
            Ok(reply["data"].clone())
        } else {
            Err(reply["error"]["code"].as_str().expect("a code").into())
        }
    }

    /// Everything the client has not read.
    pub(super) fn take(&mut self, id: ConnectionId) -> Vec<Value> {
        let link = &self.link_by_connection[&id];
        std::iter::from_fn(|| link.take()).map(|frame| serde_json::from_slice(&frame).expect("JSON")).collect()
    }

    /// Everything unread must contain exactly one of that type, which is returned.
    pub(super) fn take_one(&mut self, id: ConnectionId, kind: &str) -> Value {
        let frames = self.take(id);
        let mut of_kind = frames.iter().filter(|frame| frame["type"] == kind);
        let one = of_kind.next().unwrap_or_else(|| panic!("no {kind} in {frames:?}")).clone();
        assert!(of_kind.next().is_none(), "several {kind}");
        one
    }

    /// The types of everything unread, with `seq` where there is one.
    pub(super) fn take_kinds(&mut self, id: ConnectionId) -> Vec<String> {
        let kind = |frame: Value| frame["type"].as_str().expect("a type").to_owned();
        self.take(id).into_iter().map(kind).collect()
    }

    pub(super) fn close_code(&self, id: ConnectionId) -> Option<CloseCode> {
        self.link_by_connection[&id].close_code()
    }

    /// The socket is lost.
    pub(super) fn lose(&mut self, id: ConnectionId) {
        self.hub.handle_gone(id, self.now);
        self.pump();
    }

    /// Lets time pass, stopping at everything that is due.
    pub(super) fn advance(&mut self, duration: Duration) {
        let end = self.now.plus(duration);
        loop {
            let of_engine = self.engine.next_deadline().filter(|_| !self.engine_sleeps);
            let due = [self.hub.next_deadline(), of_engine].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end.mono) else { break };
            self.now = self.now.plus(due.saturating_since(self.now.mono));
            self.hub.handle_deadline(self.now);
            self.pump();
        }
        self.now = end;
    }

    pub(super) fn pump(&mut self) {
        loop {
            self.collect();
            if self.engine_sleeps {
                return;
            }
            for found in std::mem::take(&mut self.found) {
                self.hub.handle_queue_event(Event::Matched(Box::new(found)), self.now);
            }
            for found in std::mem::take(&mut self.gathered) {
                self.hub.handle_queue_event(Event::Gathered(Box::new(found)), self.now);
            }
            self.collect();
            let commands = std::mem::take(&mut self.commands);
            for command in commands {
                self.carry_out(command);
            }
            match self.engine.poll_match(self.now.mono) {
                Some(found) => self.hub.handle_queue_event(Event::Matched(Box::new(found)), self.now),
                None => match self.engine.poll_group(self.now.mono) {
                    Some(found) => self.hub.handle_queue_event(Event::Gathered(Box::new(found)), self.now),
                    None if self.commands.is_empty() => return,
                    None => {}
                },
            }
        }
    }

    /// Carries out the oldest commands of a sleeping engine, and keeps back what it finds until it wakes up.
    pub(super) fn wake_engine_for(&mut self, commands: usize) {
        let later = self.commands.split_off(commands);
        let now = std::mem::replace(&mut self.commands, later);
        now.into_iter().for_each(|command| self.carry_out(command));
        self.found.extend(std::iter::from_fn(|| self.engine.poll_match(self.now.mono)));
        self.gathered.extend(std::iter::from_fn(|| self.engine.poll_group(self.now.mono)));
    }

    fn carry_out(&mut self, command: Command) {
        let now = self.now.mono;
        match command {
            Command::Join(ticket) => {
                let id = ticket.id;
                let joined = self.engine.join(*ticket, now);
                let outcome = joined.map(|()| self.engine.status(id, now).expect("is in the queue"));
                self.hub.handle_queue_event(Event::Joined { id, outcome }, self.now);
                if let Ok(status) = outcome {
                    self.hub.handle_queue_event(Event::Status { id, status }, self.now);
                }
                self.collect();
            }
            Command::GiveBack(ticket) => self.engine.give_back(*ticket, now).expect("is not in the queue"),
            Command::Leave(id) => drop(self.engine.leave(id)),
            Command::Change { capacity, recent_partner_pause } => {
                self.engine.change(capacity, recent_partner_pause, now);
            }
            Command::Met(a, b) => self.engine.met(&a, &b, now),
            Command::MetBefore { users: [a, b], left } => self.engine.met_before(&a, &b, left, now),
            Command::Suspend(id) => drop(self.engine.suspend(id)),
            Command::Resume(id) => drop(self.engine.resume(id, now)),
            Command::Block { by, whom } => self.engine.block(&by, &whom),
            Command::Unblock { by, whom } => self.engine.unblock(&by, &whom),
        }
    }

    /// Takes what the hub wants done; the store does its part at once, unless it sleeps.
    fn collect(&mut self) {
        loop {
            while let Some(effect) = self.hub.poll_effect() {
                match effect {
                    Effect::Matchmaking(command) => self.commands.push(command),
                    Effect::Store(errand) => self.errands.push_back(errand),
                    Effect::SessionEnded(ended) => self.ended.push(*ended),
                    Effect::Tell(said) => self.said.push(said),
                    Effect::Revoke(pass) => self.revoked.push(pass),
                }
            }
            if self.store_sleeps || self.errands.is_empty() {
                return;
            }
            self.work_in_store(self.errands.len());
            self.hear_store();
        }
    }

    /// How long its store keeps what.
    pub(super) fn retention(&self) -> Retention {
        self.settings.retention
    }

    /// Timers that will come up.
    pub(super) fn timers(&self) -> usize {
        self.hub.timers.len()
    }

    /// Errands that the store has not done.
    pub(super) fn errands(&self) -> usize {
        self.errands.len()
    }

    /// Does the oldest errands; what follows from them waits for [`Fixture::hear_store`].
    pub(super) fn work_in_store(&mut self, errands: usize) {
        for errand in self.errands.drain(..errands) {
            let returns = self.returns_out.clone();
            let job = errand.into_job(Box::new(move |sequel| returns.send(sequel).expect("the fixture lives")));
            if self.store_is_full {
                job.befall(StoreError::Full, &*self.store)
            } else {
                job.carry_out(&mut *self.store)
            }
        }
    }

    /// The relay tells what it did for the session that ended last.
    pub(super) fn hear_relay(&mut self, relayed: Relayed) {
        let ended = self.ended.last().expect("one has ended");
        self.hub.handle_relayed(ended, Some(relayed), self.now);
        self.collect();
    }

    /// What the record of an ended session says beyond its times.
    pub(super) fn summary(&self, session: &str) -> Value {
        let record = self.store.session(&store::SessionId(session.into())).expect("read").expect("is kept");
        serde_json::from_str(&record.ending.expect("has ended").summary).expect("JSON")
    }

    /// Goes on after everything that the store has done.
    pub(super) fn hear_store(&mut self) {
        while let Ok(sequel) = self.returns.try_recv() {
            self.hub.handle_return(sequel, self.now);
        }
    }

    /// The same, where a write overtakes the reads before it.
    pub(super) fn hear_store_newest_first(&mut self) {
        let mut sequels: Vec<Sequel> = self.returns.try_iter().collect();
        while let Some(sequel) = sequels.pop() {
            self.hub.handle_return(sequel, self.now);
        }
    }

    fn put_back(&self, id: ConnectionId, frame: &Value) {
        let bytes = serde_json::to_vec(frame).expect("serializes");
        let link = &self.link_by_connection[&id];
        link.push(crate::signal::outbox::Class::Kept, bytes.into()).expect("it was there before");
    }
}
