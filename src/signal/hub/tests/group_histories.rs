//! Random histories of people who look for groups and for partners: a slow engine, sockets that die, blocks at any moment,
//! processes that are killed. Whatever happens, everybody is in one queue, session or group at most, knows of it, and is
//! there for nobody from whom a block separates; and nobody waits beside enough others who would do.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::fixture::Fixture;
use super::fixture::settings;
use crate::matchmaking::UserId;
use crate::signal::Settings;
use crate::signal::hub::Queue;
use crate::signal::id::ConnectionId;

const NAMES: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];

#[derive(Clone, Debug)]
enum Step {
    /// Joins the queue for so many.
    Join(usize, u64),
    LeaveQueue(usize),
    /// Leaves the group, or ends the session.
    Part(usize),
    Block(usize, usize),
    Unblock(usize, usize),
    Lose(usize),
    /// Comes back: by a resume if there is a token, else by a plain hello.
    Return(usize),
    /// Takes over from another socket.
    Hello(usize),
    Bye(usize),
    /// The engine answers only while awake.
    Engine(bool),
    Wait(u64),
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    prop_oneof![
        10 => (who(), 2..=4_u64).prop_map(|(who, size)| Step::Join(who, size.min(3))),
        1 => who().prop_map(Step::LeaveQueue),
        3 => who().prop_map(Step::Part),
        1 => (who(), who()).prop_map(|(by, whom)| Step::Block(by, whom)),
        1 => (who(), who()).prop_map(|(by, whom)| Step::Unblock(by, whom)),
        3 => who().prop_map(Step::Lose),
        5 => who().prop_map(Step::Return),
        1 => who().prop_map(Step::Hello),
        1 => who().prop_map(Step::Bye),
        2 => any::<bool>().prop_map(Step::Engine),
        2 => (0..20_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Kill),
    ]
}

#[derive(Default)]
struct Client {
    connection: Option<ConnectionId>,
    /// The connection whose resume token it holds.
    token_of: Option<ConnectionId>,
    last_seq: u64,
    /// The room or session it takes itself to be in.
    met: Option<String>,
    /// What it is called in its group.
    alias: Value,
    /// Who is there, by alias.
    peers: BTreeSet<String>,
    /// Rooms that were asked to be left and are not answered, by the request.
    leaving: BTreeMap<u64, String>,
    /// Changes of blocks that are not answered, by the request: a request waits for those before it, and is gone with its socket.
    changing: BTreeMap<u64, Change>,
}

/// By whom, whom, and whether it is a new block.
type Change = (usize, usize, bool);

impl Client {
    fn meet(&mut self, data: &Value) {
        assert_eq!(self.met, None, "two meetings at once");
        self.see(data);
        let size = data["size"].as_u64();
        assert!(size.is_none_or(|size| self.peers.len() as u64 + 1 == size), "not all of a group: {data}");
    }

    fn see(&mut self, data: &Value) {
        let place = if data["room"].is_null() { &data["session"] } else { &data["room"] };
        self.met = place.as_str().map(ToOwned::to_owned);
        self.alias = data["self"].clone();
        let members = data["members"].as_array().into_iter().flatten();
        self.peers = members.map(|member| text(&member["peer"])).collect();
    }

    fn hear(&mut self, frame: &Value) {
        self.last_seq = frame["seq"].as_u64().unwrap_or(self.last_seq);
        frame["re"].as_u64().and_then(|re| self.changing.remove(&re));
        let left = frame["re"].as_u64().and_then(|re| self.leaving.remove(&re)).filter(|_| frame["type"] == "ok");
        self.met.take_if(|met| left.as_ref() == Some(met));
        let data = &frame["data"];
        match frame["type"].as_str() {
            Some("match.found") => self.meet(data),
            Some("sync") => {
                let there = [&data["rooms"][0], &data["sessions"][0]].into_iter().find(|there| !there.is_null());
                self.met = None;
                if let Some(there) = there {
                    self.see(there);
                }
            }
            Some("session.ended") if self.met.as_deref() == data["session"].as_str() => self.met = None,
            Some("peer.left") if data["room"].is_string() && data["can_reconnect"] == false => {
                assert_eq!(self.met.as_deref(), data["room"].as_str(), "of a room one is not in");
                if data["peer"] == self.alias {
                    self.met = None;
                } else {
                    assert!(self.peers.remove(&text(&data["peer"])), "of somebody who is not there: {data}");
                }
            }
            Some(_) | None => {}
        }
    }
}

struct World {
    hub: Fixture,
    clients: [Client; NAMES.len()],
    blocks: BTreeSet<(usize, usize)>,
}

impl World {
    fn new() -> Self {
        let limit = Some(Duration::from_secs(200));
        let mut hub = Fixture::with(Settings { session_limit: limit, ..settings() });
        let clients = NAMES.map(|name| {
            let id = hub.user(name);
            Client { connection: Some(id), token_of: Some(id), ..Client::default() }
        });
        Self { hub, clients, blocks: BTreeSet::new() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(who, size) => self.ask(who, "queue.join", json!({"size": size})),
            Step::LeaveQueue(who) => self.ask(who, "queue.leave", json!({})),
            Step::Part(who) => {
                self.read(who);
                let Some(met) = self.clients[who].met.clone() else { return };
                self.ask(who, "session.end", json!({"session": met}));
                let Some(id) = self.clients[who].connection else { return };
                let request = self.hub.request(id, "room.leave", json!({"room": met}));
                self.clients[who].leaving.insert(request, met);
            }
            Step::Block(by, whom) if by != whom => self.change(by, whom, true),
            Step::Unblock(by, whom) => self.change(by, whom, false),
            Step::Block(..) => {}
            Step::Lose(who) => {
                self.read(who);
                if let Some(id) = self.clients[who].connection.take() {
                    self.hub.lose(id);
                    self.take_back_changes(who);
                }
            }
            Step::Return(who) => self.come_back(who),
            Step::Hello(who) => self.hello(who),
            Step::Bye(who) => {
                self.read(who);
                if !self.clients[who].changing.is_empty() {
                    return;
                }
                self.ask(who, "bye", json!({}));
                if self.clients[who].connection.take().is_some() {
                    self.clients[who].token_of = None;
                    self.clients[who].met = None;
                }
            }
            Step::Engine(is_awake) => {
                self.hub.engine_sleeps = !is_awake;
                self.hub.pump();
            }
            Step::Wait(millis) => self.hub.advance(Duration::from_millis(millis)),
            Step::Kill => {
                (0..NAMES.len()).for_each(|who| self.read(who));
                self.hub.restart(Duration::from_secs(1));
                (0..NAMES.len()).for_each(|who| self.take_back_changes(who));
                self.clients.iter_mut().for_each(|client| client.connection = None);
            }
        }
    }

    fn change(&mut self, by: usize, whom: usize, is_new: bool) {
        let Some(id) = self.clients[by].connection else { return };
        let kind = if is_new { "block.add" } else { "block.remove" };
        let request = self.hub.request(id, kind, json!({"user": format!("shop:{}", NAMES[whom])}));
        if self.set_block(by, whom, is_new) {
            self.clients[by].changing.insert(request, (by, whom, is_new));
        }
    }

    /// What a socket asked for and was not answered before it went has not happened.
    fn take_back_changes(&mut self, who: usize) {
        for (by, whom, is_new) in std::mem::take(&mut self.clients[who].changing).into_values().rev() {
            self.set_block(by, whom, !is_new);
        }
    }

    /// Whether that is new.
    fn set_block(&mut self, by: usize, whom: usize, is_there: bool) -> bool {
        if is_there { self.blocks.insert((by, whom)) } else { self.blocks.remove(&(by, whom)) }
    }

    /// Whether it is refused or not does not matter here.
    fn ask(&mut self, who: usize, kind: &str, data: Value) {
        if let Some(id) = self.clients[who].connection {
            self.hub.request(id, kind, data);
        }
    }

    fn read(&mut self, who: usize) {
        let Some(id) = self.clients[who].connection else { return };
        self.hub.take(id).iter().for_each(|frame| self.clients[who].hear(frame));
        if self.hub.close_code(id).is_some() {
            self.clients[who].connection = None;
            self.take_back_changes(who);
        }
    }

    fn come_back(&mut self, who: usize) {
        self.read(who);
        let Some(older) = self.clients[who].token_of else { return self.hello(who) };
        let id = self.hub.connect();
        self.hub.take(id);
        let wish = self.hub.resume_of(older, self.clients[who].last_seq);
        let Ok(ok) = self.hub.ask(id, "hello", wish) else {
            self.clients[who].token_of = None;
            return self.hello(who);
        };
        self.arrive(who, id, &ok);
    }

    fn hello(&mut self, who: usize) {
        self.read(who);
        let id = self.hub.connect();
        self.hub.take(id);
        let token = self.hub.token(NAMES[who], 3600);
        let ok = self.hub.ask(id, "hello", json!({"token": token})).expect("is welcome");
        self.clients[who].last_seq = 0;
        if ok["gap"] == false {
            self.clients[who].met = None;
        }
        self.arrive(who, id, &ok);
    }

    fn arrive(&mut self, who: usize, id: ConnectionId, ok: &Value) {
        self.clients[who].leaving.clear();
        self.take_back_changes(who);
        self.hub.keep_token(id, ok);
        (self.clients[who].connection, self.clients[who].token_of) = (Some(id), Some(id));
        self.read(who);
    }

    fn are_apart(&self, a: usize, b: usize) -> bool {
        self.blocks.contains(&(a, b)) || self.blocks.contains(&(b, a))
    }

    fn check(&self) {
        let hub = &self.hub.hub;
        for (id, user) in &hub.user_by_id {
            let waits = usize::from(matches!(user.queue, Queue::Waiting { .. }));
            let meets = usize::from(user.session.is_some()) + usize::from(user.group.is_some());
            assert!(waits + meets <= 1, "{id:?} is in more than one");
            match &user.group {
                Some(group) => {
                    let room = hub.rooms.get(group.as_str()).expect("a group has a room");
                    assert!(room.gathering.is_some() && room.occupant(id).is_some());
                }
                None => assert!(hub.rooms.of(id).is_empty(), "in the room of a group that is not one's own"),
            }
        }
        for (ticket, user) in &hub.user_by_ticket {
            assert_eq!(hub.user_by_id[user].queue.ticket(), Some(*ticket));
        }
        for (at, one) in NAMES.iter().enumerate() {
            let user = user_id(one);
            for room in hub.rooms.of(&user).iter().filter_map(|id| hub.rooms.get(id.as_str())) {
                assert!(room.occupants().len() <= 3);
                let own = room.occupant(&user).expect("is there");
                for other in room.others(&own.alias) {
                    let other = NAMES.iter().position(|name| user_id(name) == other.user).expect("one of ours");
                    assert!(!self.are_apart(at, other), "{one} and {} are there for each other", NAMES[other]);
                }
            }
        }
    }

    /// Everybody comes back; by then everybody who may meet has met, and knows whom.
    fn finish(&mut self) {
        self.step(&Step::Engine(true));
        for who in 0..NAMES.len() {
            if self.clients[who].connection.is_none() {
                self.come_back(who);
            }
        }
        // By now recent partners are allowed.
        self.step(&Step::Wait(61_000));
        (0..NAMES.len()).for_each(|who| self.read(who));
        self.check();
        assert_eq!(self.hub.engine.len(), self.hub.hub.user_by_ticket.len(), "a ticket is lost or kept");
        let waiting: Vec<usize> = (0..NAMES.len())
            .filter(|who| {
                let ticket = self.hub.hub.user_by_id.get(&user_id(NAMES[*who])).and_then(|user| user.queue.ticket());
                ticket.is_some_and(|ticket| self.size_of(ticket) == 3)
            })
            .collect();
        for (at, a) in waiting.iter().enumerate() {
            for (later, b) in waiting.iter().enumerate().skip(at + 1) {
                for c in waiting.iter().skip(later + 1) {
                    let apart = [(a, b), (a, c), (b, c)].into_iter().any(|(x, y)| self.are_apart(*x, *y));
                    assert!(apart, "three are left waiting beside each other");
                }
            }
        }
        for (name, client) in NAMES.iter().zip(&self.clients) {
            let user = &self.hub.hub.user_by_id[&user_id(name)];
            let session = user.session.as_ref().map(|(id, _)| id.as_str());
            let met = user.group.as_ref().map(|id| id.as_str()).or(session);
            assert_eq!(client.met.as_deref(), met, "{name} is wrong about where it is");
        }
    }

    fn size_of(&self, ticket: crate::matchmaking::TicketId) -> usize {
        let user = &self.hub.hub.user_by_ticket[&ticket];
        match &self.hub.hub.user_by_id[user].queue {
            Queue::Waiting { preferences, .. } => preferences.size.people(),
            Queue::Joining(joining) => joining.preferences.size.people(),
            Queue::Out => 0,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn user_id(name: &str) -> UserId {
    UserId(format!("shop:{name}").into())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_in_two_places_or_left_waiting(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.finish();
    }
}
