//! A queue in fake time and a short way to write tickets.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::matchmaking::AgeBand;
use crate::matchmaking::AttributeValue;
use crate::matchmaking::DeviceId;
use crate::matchmaking::Engine;
use crate::matchmaking::Group;
use crate::matchmaking::GroupSize;
use crate::matchmaking::JoinError;
use crate::matchmaking::Match;
use crate::matchmaking::Person;
use crate::matchmaking::Preferences;
use crate::matchmaking::Settings;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::matchmaking::Want;
use crate::matchmaking::search::Effort;
use crate::time::Mono;

/// A ticket in the making: mode `video`, age band unknown, anything goes.
#[derive(Clone, Debug)]
pub(super) struct Asker(pub(super) Ticket);

pub(super) fn asker(user: &str) -> Asker {
    Asker(Ticket {
        id: TicketId(0),
        user: UserId(user.into()),
        device: None,
        age_band: AgeBand::unknown(),
        preferences: Preferences::default(),
        since: Mono::default(),
    })
}

pub(super) fn texts(list: &[&str]) -> Vec<Arc<str>> {
    list.iter().map(|text| Arc::from(*text)).collect()
}

impl Asker {
    pub(super) fn tags(mut self, tags: &[&str]) -> Self {
        self.0.preferences.tags = texts(tags);
        self
    }

    pub(super) fn languages(mut self, languages: &[&str]) -> Self {
        self.0.preferences.languages = texts(languages);
        self
    }

    pub(super) fn region(mut self, region: &str) -> Self {
        self.0.preferences.region = Some(region.into());
        self
    }

    pub(super) fn mode(mut self, mode: &str) -> Self {
        self.0.preferences.mode = mode.into();
        self
    }

    pub(super) fn size(mut self, people: u64) -> Self {
        self.0.preferences.size = GroupSize::new(people).expect("two to eight");
        self
    }

    pub(super) fn age_band(mut self, age_band: &str) -> Self {
        self.0.age_band = AgeBand(age_band.into());
        self
    }

    pub(super) fn device(mut self, device: &str) -> Self {
        self.0.device = Some(DeviceId(device.into()));
        self
    }

    pub(super) fn is(mut self, key: &str, value: &str) -> Self {
        Arc::make_mut(&mut self.0.preferences.attributes).insert(key.into(), AttributeValue::Text(value.into()));
        self
    }

    pub(super) fn wants(mut self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| AttributeValue::Text((*value).into())).collect();
        self.0.preferences.want = Arc::new(Want { values_by_key: BTreeMap::from([(key.into(), values)]) });
        self
    }

    pub(super) fn tag_wait(mut self, seconds: u64) -> Self {
        self.0.preferences.tag_wait = Some(Duration::from_secs(seconds));
        self
    }
}

/// An engine and its moment.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) engine: Engine,
    pub(super) now: Mono,
    /// Groups that came up and were not asked for.
    groups: Vec<Group>,
    last_id: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self { engine: Engine::new(settings), now: Mono::default(), groups: Vec::new(), last_id: 0 }
    }

    pub(super) fn with_effort(settings: Settings, effort: Effort) -> Self {
        let engine = Engine::with_effort(settings, effort);
        Self { engine, now: Mono::default(), groups: Vec::new(), last_id: 0 }
    }

    /// Joins without looking for matches.
    pub(super) fn join(&mut self, asker: Asker) -> Result<TicketId, JoinError> {
        self.last_id += 1;
        let id = TicketId(self.last_id);
        self.engine.join(Ticket { id, since: self.now, ..asker.0 }, self.now).map(|()| id)
    }

    /// Joins and looks for matches; there must be none.
    pub(super) fn wait(&mut self, asker: Asker) -> TicketId {
        let id = self.join(asker).expect("the queue takes it");
        assert_eq!(self.settle(), [], "{id:?} was to wait");
        id
    }

    /// Joins and returns the users matched by that.
    pub(super) fn meet(&mut self, asker: Asker) -> Vec<(String, String)> {
        self.join(asker).expect("the queue takes it");
        users(&self.settle())
    }

    /// All matches that come without time passing; groups wait for [`Queue::groups`].
    pub(super) fn settle(&mut self) -> Vec<Match> {
        let mut matches = Vec::new();
        loop {
            matches.extend(self.engine.poll_match(self.now));
            self.groups.extend(self.engine.poll_group(self.now));
            if self.engine.next_deadline().is_none_or(|due| due > self.now) {
                return matches;
            }
        }
    }

    /// Takes the groups that have come up, each by its users' names.
    pub(super) fn groups(&mut self) -> Vec<Vec<String>> {
        let names = |found: Group| found.tickets.iter().map(|ticket| ticket.user.0.to_string()).collect();
        self.take_groups().into_iter().map(names).collect()
    }

    pub(super) fn take_groups(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.groups)
    }

    /// Joins and returns the groups that this completes; there must be no pair.
    pub(super) fn gather(&mut self, asker: Asker) -> Vec<Vec<String>> {
        assert_eq!(self.meet(asker), []);
        self.groups()
    }

    /// Lets the engine work at each of its deadlines until `later` has passed.
    pub(super) fn pass(&mut self, later: Duration) -> Vec<Match> {
        let end = self.now + later;
        let mut matches = self.settle();
        while let Some(due) = self.engine.next_deadline()
            && due <= end
        {
            self.now = due;
            matches.extend(self.settle());
        }
        self.now = end;
        matches
    }

    /// The users matched while `seconds` pass.
    pub(super) fn pass_seconds(&mut self, seconds: u64) -> Vec<(String, String)> {
        users(&self.pass(Duration::from_secs(seconds)))
    }

    pub(super) fn status(&self, id: TicketId) -> Status {
        self.engine.status(id, self.now).expect("the ticket waits")
    }

    pub(super) fn block(&mut self, by: &str, whom: &str) {
        self.engine.block(&person(by), &person(whom));
    }

    pub(super) fn unblock(&mut self, by: &str, whom: &str) {
        self.engine.unblock(&person(by), &person(whom));
    }

    pub(super) fn met(&mut self, a: &str, b: &str) {
        self.engine.met(&UserId(a.into()), &UserId(b.into()), self.now);
    }
}

pub(super) fn person(user: &str) -> Person {
    Person::User(UserId(user.into()))
}

pub(super) fn users(matches: &[Match]) -> Vec<(String, String)> {
    matches.iter().map(|found| (found.a.user.0.to_string(), found.b.user.0.to_string())).collect()
}

pub(super) fn pair(a: &str, b: &str) -> Vec<(String, String)> {
    vec![(a.into(), b.into())]
}
