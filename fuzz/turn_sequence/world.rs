//! A process of the relay without sockets: two shards, what they share, and the shell's part of the work.
use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use duologue::relay::AllocationId;
use duologue::relay::Answer;
use duologue::relay::Beside;
use duologue::relay::Charge;
use duologue::relay::Claimed;
use duologue::relay::ClientAddr;
use duologue::relay::Counters;
use duologue::relay::Defences;
use duologue::relay::Directory;
use duologue::relay::Effect;
use duologue::relay::Families;
use duologue::relay::Family;
use duologue::relay::Ledger;
use duologue::relay::OpenError;
use duologue::relay::OpenId;
use duologue::relay::Opened;
use duologue::relay::PORT_REST;
use duologue::relay::PortWish;
use duologue::relay::QuotaUser;
use duologue::relay::Quotas;
use duologue::relay::REPLY_MAX;
use duologue::relay::RelayedSlot;
use duologue::relay::Server;
use duologue::relay::ShardId;
use duologue::relay::StreamId;
use duologue::relay::Via;
use duologue::stun::AttributeType;
use duologue::stun::IntegrityKind;
use duologue::stun::PasswordAlgorithm;
use duologue::time::Mono;
use duologue::time::Now;
use duologue::time::UnixMillis;

use super::cast;
use super::cast::Credential;
use super::cast::Settings;
use super::held::Held;
use super::packets::Sent;
use super::tally::Tally;
use super::verdicts;
use crate::choices::Choices;

thread_local! {
    /// The tables of the defences are large, so one plan after the other has them, later on the same clock.
    static SHARED: Cell<(Arc<Defences>, Mono)> = Cell::default();
}

/// Clocks have no more than 292 years.
const SHARED_LIFE: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A seat at the relay: a 5-tuple and what its user holds.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) address: ClientAddr,
    /// Its credential's place in the list.
    pub(super) credential: usize,
    pub(super) signing: (Option<PasswordAlgorithm>, IntegrityKind),
    pub(super) held: Option<Held>,
    /// The Allocate that waits for its socket, and whether it was right when it came.
    pub(super) asked: Option<(Sent, bool)>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) server: Server,
    pub(super) counters: Arc<Counters>,
    waiting: Vec<Waiting>,
    charges_by_id: HashMap<AllocationId, Vec<Charge>>,
}

/// An [`Effect::Open`] that is not done yet.
#[derive(Debug)]
struct Waiting {
    request: OpenId,
    families: Families,
    port: PortWish,
    near: IpAddr,
    user: QuotaUser,
    client_ip: IpAddr,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) directory: Arc<Directory>,
    defences: Arc<Defences>,
    ledger: Ledger,
    pub(super) shards: Vec<Shard>,
    pub(super) places: Vec<Place>,
    pub(super) credentials: Vec<Credential>,
    pub(super) now: Now,
    /// Whether sockets are opened when the plan says so, instead of at once.
    pub(super) is_slow: bool,
    /// Whether sockets cannot be opened.
    pub(super) is_out_of_sockets: bool,
    pub(super) refused_until: HashMap<&'static str, UnixMillis>,
    pub(super) tokens: Vec<Vec<u8>>,
    /// Allocations that were.
    pub(super) gone: Vec<(usize, AllocationId)>,
    pub(super) history: Vec<Sent>,
    pub(super) tally: Tally,
    next_stream: u64,
    pub(super) next_id: u64,
    random: u64,
}

impl World {
    pub(super) fn new(choices: &mut Choices<'_>) -> Self {
        let settings = Settings::chosen(choices);
        let directory = Arc::new(Directory::new(&cast::relay_addresses(), cast::PORTS));
        let (defences, begin) = SHARED.take();
        let shard = |id| {
            let counters = Arc::new(Counters::new());
            let (config, directory) = (settings.config(), Arc::clone(&directory));
            let server = Server::new(ShardId(id), config, directory, Arc::clone(&defences), Arc::clone(&counters));
            Shard { server, counters, waiting: Vec::new(), charges_by_id: HashMap::new() }
        };
        let shards = vec![shard(0), shard(1)];
        let mut next_stream = 0;
        let place = |(at, (shard, address))| Place {
            shard,
            address,
            credential: at % 3,
            signing: cast::SIGNINGS[at % 2],
            held: None,
            asked: None,
        };
        let places = cast::clients(&mut next_stream).into_iter().enumerate().map(place).collect();
        let quotas = Quotas { per_user: 3, per_session: 5, per_address: 5, total: 6, ..Quotas::default() };
        Self {
            settings,
            directory,
            ledger: Ledger::new(quotas),
            shards,
            places,
            credentials: cast::credentials(),
            defences,
            now: Now { mono: begin, ..cast::start() },
            is_slow: false,
            is_out_of_sockets: false,
            refused_until: HashMap::new(),
            tokens: Vec::new(),
            gone: Vec::new(),
            history: Vec::new(),
            tally: Tally::default(),
            next_stream,
            next_id: 0,
            random: 0,
        }
    }

    /// Does what every shard asks for, as its shell would.
    pub(super) fn settle(&mut self) {
        for shard in 0..self.shards.len() {
            while let Some(effect) = self.shards[shard].server.poll_effect() {
                self.on_effect(shard, effect);
            }
        }
    }

    fn on_effect(&mut self, shard: usize, effect: Effect) {
        match effect {
            Effect::Open { request, families, port, near, user, client_ip } => {
                self.shards[shard].waiting.push(Waiting { request, families, port, near, user, client_ip });
                if !self.is_slow {
                    self.open_waiting(shard);
                }
            }
            Effect::Close { at, family, relayed } => {
                let told = self.directory.external_address(relayed).expect("a relayed address");
                assert_eq!(Family::of(told.ip()), family);
                assert!(self.directory.find(told).is_none(), "{told} is found after its end");
                let charges = self.shards[shard].charges_by_id.get_mut(&at).expect("it was charged");
                self.ledger.refund(charges.pop().expect("a charge for each address"));
                self.directory.release(relayed, self.now.mono);
                let mut places = self.places.iter_mut().filter(|place| place.shard == shard);
                let place = places.find(|place| place.held.as_ref().is_some_and(|held| held.at == at));
                let held = &mut place.expect("somebody held it").held;
                if held.as_mut().is_some_and(|held| held.give_back(told)) {
                    *held = None;
                    self.gone.push((shard, at));
                }
            }
            Effect::Hear { .. } | Effect::Answered { .. } => {}
            Effect::CloseStream { stream } => self.close_stream(stream),
            Effect::Barred { network } => panic!("{network} is barred although nobody can be"),
            Effect::Ended(usage) => {
                self.tally.ended += 1;
                self.tally.recorded.add(&usage);
            }
        }
    }

    /// A connection ends; its client comes back with another one.
    pub(super) fn close_stream(&mut self, stream: StreamId) {
        let mut places = self.places.iter_mut().filter(|place| place.address.via.stream() == Some(stream));
        let place = places.next().expect("somebody has that connection");
        self.next_stream += 1;
        let next = StreamId(self.next_stream);
        place.address.via = match place.address.via {
            Via::Udp(listener) => Via::Udp(listener),
            Via::Tcp(_) => Via::Tcp(next),
            Via::Tls(_) => Via::Tls(next),
        };
        place.asked = None;
        let shard = place.shard;
        self.shards[shard].server.handle_stream_closed(stream, self.now);
    }

    /// Opens what was asked for.
    pub(super) fn open_waiting(&mut self, shard: usize) {
        for waiting in std::mem::take(&mut self.shards[shard].waiting) {
            let mut charges = Vec::new();
            let mut claims = Vec::new();
            for family in waiting.families.iter() {
                claims.push(self.open_one(family, &waiting, &mut charges));
            }
            let opened: Vec<RelayedSlot> = claims.iter().flatten().map(|claimed| claimed.relayed).collect();
            let told =
                |claimed: Claimed, beside| Opened { relayed: claimed.relayed, beside, reserved: claimed.reserved };
            let outcome = match *claims {
                [one] => one.map(|one| told(one, Beside::Nothing)),
                [Ok(v4), Ok(v6)] => Ok(told(v4, Beside::Relayed(v6.relayed))),
                [Ok(one), Err(error)] | [Err(error), Ok(one)] => Ok(told(one, Beside::Refused(error))),
                [Err(error), ..] => Err(error),
                [..] => panic!("one family or two"),
            };
            let mut reply = vec![0xEE; REPLY_MAX];
            let server = &mut self.shards[shard].server;
            let answer = server.handle_opened(waiting.request, outcome, self.now, &mut reply);
            match answer.and_then(|answer| answer.at) {
                Some(at) => {
                    assert!(!charges.is_empty(), "an allocation that nobody pays for");
                    let before = self.shards[shard].charges_by_id.insert(at, charges);
                    assert!(before.is_none_or(|charges| charges.is_empty()), "an id is used once");
                }
                None => {
                    opened.iter().for_each(|slot| self.directory.release(*slot, self.now.mono));
                    for token in claims.iter().flatten().filter_map(|claimed| claimed.reserved) {
                        self.directory.forget(token, self.now.mono);
                        self.ledger.forget(token);
                    }
                    charges.into_iter().for_each(|charge| self.ledger.refund(charge));
                }
            }
            if let Some(answer) = answer {
                self.on_opened(shard, answer, reply);
            }
        }
    }

    /// Charges for a relayed address of one family and claims it.
    fn open_one(&mut self, family: Family, waiting: &Waiting, charges: &mut Vec<Charge>) -> Result<Claimed, OpenError> {
        if !self.directory.offers(family) {
            return Err(OpenError::FamilyNotOffered);
        }
        let Waiting { port, user, client_ip, .. } = waiting;
        if let PortWish::Reserved(token) = *port
            && !self.directory.keeps(token, self.now.mono)
        {
            return Err(OpenError::NoReservation);
        }
        let (charge, beside) = self.ledger.charge_wish(*port, user, *client_ip, self.now.mono)?;
        match self.claim(family, waiting) {
            Ok(claimed) => {
                charges.push(charge);
                if let (Some(token), Some(beside)) = (claimed.reserved, beside) {
                    self.ledger.reserve(token, beside, self.now.mono);
                }
                Ok(claimed)
            }
            Err(error) => {
                [Some(charge), beside].into_iter().flatten().for_each(|charge| self.ledger.refund(charge));
                Err(error)
            }
        }
    }

    fn claim(&mut self, family: Family, waiting: &Waiting) -> Result<Claimed, OpenError> {
        let none = match waiting.port {
            PortWish::Reserved(_) => OpenError::NoReservation,
            PortWish::Any | PortWish::Even | PortWish::EvenAndNext => OpenError::NoPort,
        };
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let random = (self.random ^ self.random >> 29).to_be_bytes();
        let claimed =
            self.directory.claim_any(family, waiting.port, waiting.near, random, self.now.mono).ok_or(none)?;
        if self.is_out_of_sockets {
            self.directory.release(claimed.relayed, self.now.mono);
            claimed.reserved.into_iter().for_each(|token| self.directory.forget(token, self.now.mono));
            return Err(OpenError::Socket);
        }
        Ok(claimed)
    }

    fn on_opened(&mut self, shard: usize, answer: Answer, mut reply: Vec<u8>) {
        assert!(answer.len <= REPLY_MAX && answer.len > 0, "{} bytes", answer.len);
        reply.truncate(answer.len);
        let mut places = self.places.iter().enumerate().filter(|(_, place)| place.shard == shard);
        let (client, _) = places.find(|(_, place)| place.address == answer.to).expect("an answer to somebody");
        let (sent, was_right) = self.places[client].asked.take().expect("an answer to a question");
        let message = verdicts::answer(&sent, &reply);
        let Some(at) = answer.at else {
            assert!(message.error_code().is_some(), "a success without an allocation");
            self.tally.refused += 1;
            return;
        };
        let credential = sent.credential.as_ref().expect("nobody allocates unsigned");
        assert!(was_right && !self.is_refused(credential), "{} may not allocate", credential.username);
        let relayed = verdicts::relayed(&message);
        let lifetime = message.u32(AttributeType::LIFETIME).expect("a lifetime").expect("a number");
        if let Some(token) = message.attribute(AttributeType::RESERVATION_TOKEN) {
            self.tokens.push(token.to_vec());
        }
        let mut others = self.places.iter().filter_map(|place| place.held.as_ref()).flat_map(Held::relayed);
        let is_new = others.all(|other| !relayed.contains(&other));
        drop(others);
        assert!(is_new, "{relayed:?} are given twice");
        let expires_at = self.now.mono + Duration::from_secs(lifetime.into());
        let held = Held::new(at, credential.session, &relayed, expires_at);
        assert!(self.places[client].held.replace(held).is_none(), "two allocations of one 5-tuple");
        self.tally.allocations += 1;
    }

    /// Whether the credential's session was revoked.
    pub(super) fn is_refused(&self, credential: &Credential) -> bool {
        let until = credential.session.and_then(|session| self.refused_until.get(session));
        until.is_some_and(|until| self.now.unix < *until)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    /// Frees what has expired, everywhere.
    pub(super) fn expire(&mut self) {
        for shard in &mut self.shards {
            shard.server.handle_deadline(self.now);
            assert!(shard.server.next_deadline().is_none_or(|next| next > self.now.mono), "a deadline stays due");
        }
        self.settle();
        for held in self.places.iter().filter_map(|place| place.held.as_ref()) {
            assert!(held.is_whole(self.now.mono), "an address outlived its lifetime: {held:?}");
        }
    }

    /// The names of a relayed address: what clients are told, and the one inside.
    pub(super) fn is_named(&self, relayed: SocketAddr, name: SocketAddr) -> bool {
        self.directory.slot(relayed).is_some_and(|slot| self.directory.slot(name) == Some(slot))
    }

    /// Ends everything; nothing may be left.
    pub(super) fn finish(mut self) -> Tally {
        for shard in 0..self.shards.len() {
            self.open_waiting(shard);
        }
        self.settle();
        // Beyond the longest lifetime.
        self.pass(Duration::from_secs(7200));
        self.expire();
        self.pass(PORT_REST);
        assert!(self.places.iter().all(|place| place.held.is_none() && place.asked.is_none()));
        self.ledger.forget_expired(self.now.mono);
        assert_eq!(self.ledger.total(), 0, "charges stay");
        assert_eq!(self.tally.ended, self.tally.allocations);
        let mut traffic = [(0, 0); 3];
        for shard in &self.shards {
            assert_eq!((shard.server.allocations(), shard.server.next_deadline()), (0, None));
            assert!(shard.counters.allocations().all(|(_, _, count)| count == 0), "a gauge stays");
            for (sum, (_, packets, bytes)) in traffic.iter_mut().zip(shard.counters.traffic()) {
                *sum = (sum.0 + packets, sum.1 + bytes);
            }
        }
        let recorded = self.tally.recorded;
        let in_records = [recorded.to_peers, recorded.to_client, recorded.handed_out];
        assert_eq!(traffic, in_records.map(|part| (part.packets, part.bytes)), "the records tell what was counted");
        assert_eq!(recorded.handed_out, recorded.handed_in);
        for address in cast::relay_addresses() {
            let ip = self.directory.relay_ip(address.local).expect("a relay address");
            for port in cast::PORTS {
                assert!(self.directory.claim(ip, port, self.now.mono).is_some(), "port {port} is lost");
            }
        }
        // Long enough for whatever was counted to be forgotten.
        let next = self.now.mono + Duration::from_secs(3600);
        if next < Mono::from_start(SHARED_LIFE) {
            SHARED.set((self.defences, next));
        }
        self.tally
    }
}
