//! Random histories against a model that compares every ticket with every other one.
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::asker::Asker;
use super::asker::Queue;
use super::asker::asker;
use crate::matchmaking::Group;
use crate::matchmaking::JoinError;
use crate::matchmaking::Match;
use crate::matchmaking::Settings;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::engine::EFFORT;
use crate::matchmaking::search::Effort;
use crate::time::Mono;

const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
const PAUSE: Duration = Duration::from_secs(25);
/// Searches of 8 tickets that look at one candidate at a time end within 8 x 8 turns of 2 ms.
const SETTLED_WITHIN: Duration = Duration::from_millis(130);

#[derive(Clone, Debug)]
enum Step {
    Join(Asker),
    Leave(usize),
    Suspend(usize),
    Resume(usize),
    GiveBack(usize),
    Block(usize, usize),
    Unblock(usize, usize),
    Met(usize, usize),
    Pass(u64),
}

fn any_asker() -> impl Strategy<Value = Asker> {
    let names = |all: &'static [&'static str], most: usize| subsequence(all, 0..=most);
    let identity = (0..USERS.len(), prop::option::of(prop::sample::select(vec!["phone", "desk"])), 0..6_usize);
    let terms = (names(&["a", "b", "c"], 2), names(&["en", "tr"], 1), names(&["eu", "us"], 1));
    let traits = (names(&["red", "blue"], 1), names(&["red", "blue"], 2), prop::option::of(0..15_u64));
    let size = prop::sample::select(vec![2, 2, 2, 3, 3, 4]);
    (identity, terms, traits, size).prop_map(|(identity, (tags, languages, region), (is, wants, tag_wait), size)| {
        let (user, device, pool) = identity;
        let mut asker = asker(USERS[user]).tags(&tags).languages(&languages).size(size);
        // Mostly one pool, or nobody would meet.
        asker = match pool {
            0 => asker.mode("voice"),
            1 => asker.age_band("adult"),
            _ => asker,
        };
        asker = device.map_or(asker.clone(), |device| asker.device(device));
        asker = region.first().map_or(asker.clone(), |region| asker.region(region));
        asker = is.first().map_or(asker.clone(), |team| asker.is("team", team));
        asker = if wants.is_empty() { asker } else { asker.wants("team", &wants) };
        tag_wait.map_or(asker.clone(), |seconds| asker.tag_wait(seconds))
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = || 0..USERS.len();
    prop_oneof![
        6 => any_asker().prop_map(Step::Join),
        1 => who().prop_map(Step::Leave),
        1 => who().prop_map(Step::Suspend),
        1 => who().prop_map(Step::Resume),
        1 => who().prop_map(Step::GiveBack),
        1 => (who(), who()).prop_map(|(by, whom)| Step::Block(by, whom)),
        1 => (who(), who()).prop_map(|(by, whom)| Step::Unblock(by, whom)),
        1 => (who(), who()).prop_map(|(a, b)| Step::Met(a, b)),
        3 => (0..22_u64).prop_map(Step::Pass),
    ]
}

/// Many who ask for groups and for little else: kept apart by blocks, meetings and regions alone.
fn any_step_of_a_crowd() -> impl Strategy<Value = Step> {
    let who = || 0..USERS.len();
    let join = (who(), 3..=4_u64, prop::option::of(prop::sample::select(vec!["eu", "us"])));
    let join = join.prop_map(|(user, size, region)| {
        let asker = asker(USERS[user]).size(size);
        Step::Join(region.map_or(asker.clone(), |region| asker.region(region)))
    });
    prop_oneof![6 => join, 3 => any_step(), 3 => (who(), who()).prop_map(|(by, whom)| Step::Block(by, whom))]
}

/// What must be true, told from the tickets' texts alone.
struct Model {
    queue: Queue,
    waiting: BTreeMap<TicketId, Ticket>,
    suspended: BTreeSet<TicketId>,
    gone: Vec<Ticket>,
    blocks: BTreeSet<(usize, usize)>,
    met_until: BTreeMap<(usize, usize), Mono>,
    level_seen: BTreeMap<TicketId, u8>,
}

fn position(ticket: &Ticket) -> usize {
    USERS.iter().position(|user| *user == &*ticket.user.0).expect("one of ours")
}

impl Model {
    fn new(effort: Effort) -> Self {
        let settings = Settings { recent_partner_pause: PAUSE, ..Settings::default() };
        Self {
            queue: Queue::with_effort(settings, effort),
            waiting: BTreeMap::new(),
            suspended: BTreeSet::new(),
            gone: Vec::new(),
            blocks: BTreeSet::new(),
            met_until: BTreeMap::new(),
            level_seen: BTreeMap::new(),
        }
    }

    fn level(&self, ticket: &Ticket) -> u8 {
        let waited = self.queue.now.saturating_since(ticket.since);
        let tag_wait = ticket.preferences.tag_wait;
        let waits = [tag_wait.unwrap_or(secs(10)), secs(20), secs(40), secs(60)];
        waits.iter().take_while(|wait| waited >= **wait).count() as u8
    }

    fn is_legal(&self, a: &Ticket, b: &Ticket) -> bool {
        let (x, y) = (&a.preferences, &b.preferences);
        let (ua, ub) = (position(a), position(b));
        let level = self.level(a).min(self.level(b));
        let shares = |ours: &[_], theirs: &[_]| {
            ours.is_empty() || theirs.is_empty() || ours.iter().any(|name| theirs.contains(name))
        };
        let recently = |pair| self.met_until.get(&pair).is_some_and(|until| *until > self.queue.now);
        x.mode == y.mode
            && x.size == y.size
            && a.age_band == b.age_band
            && ua != ub
            && (a.device.is_none() || a.device != b.device)
            && !self.blocks.contains(&(ua, ub))
            && !self.blocks.contains(&(ub, ua))
            && x.want.accepts(&y.attributes)
            && y.want.accepts(&x.attributes)
            && (level >= 1 || shares(&x.tags, &y.tags))
            && (level >= 2 || shares(x.region.as_slice(), y.region.as_slice()))
            && (level >= 3 || shares(&x.languages, &y.languages))
            && (level >= 4 || !(recently((ua, ub)) || recently((ub, ua))))
    }

    fn slot(&self, user: usize) -> Option<TicketId> {
        self.waiting.values().find(|ticket| position(ticket) == user).map(|ticket| ticket.id)
    }

    fn take(&mut self, found: Match) {
        let Match { a, b, .. } = found;
        assert!(a.preferences.size.is_pair());
        self.take_out(vec![a, b]);
    }

    fn take_group(&mut self, found: Group) {
        let Group { tickets, .. } = found;
        let size = tickets.first().map(|ticket| ticket.preferences.size).expect("somebody");
        assert!(!size.is_pair());
        assert_eq!(tickets.len(), size.people());
        self.take_out(tickets);
    }

    /// Those who meet: each waits, every two of them suit each other, and the oldest comes first.
    fn take_out(&mut self, tickets: Vec<Ticket>) {
        for ticket in &tickets {
            assert!(!self.suspended.contains(&ticket.id), "a suspended ticket was matched");
            assert_eq!(self.waiting.remove(&ticket.id).as_ref(), Some(ticket), "matched twice, or changed");
        }
        for (at, a) in tickets.iter().enumerate() {
            for b in tickets.iter().skip(at + 1) {
                assert!(self.is_legal(a, b), "illegal: {a:?} {b:?}");
                assert!((a.since, a.id) < (b.since, b.id), "the older one comes first");
            }
        }
        self.gone.extend(tickets);
    }

    /// Whether some of `others` complete a group with `members`, who all suit each other.
    fn can_grow(&self, members: &[&Ticket], others: &[&Ticket], wanted: usize) -> bool {
        let suits_all = |other: &Ticket| members.iter().all(|member| self.is_legal(member, other));
        wanted == 0
            || others
                .iter()
                .enumerate()
                .filter(|(_, other)| suits_all(other))
                .any(|(at, other)| self.can_grow(&[members, &[*other]].concat(), &others[at + 1..], wanted - 1))
    }

    fn settle(&mut self) {
        let found = self.queue.settle();
        found.into_iter().for_each(|found| self.take(found));
        self.queue.take_groups().into_iter().for_each(|found| self.take_group(found));
    }

    fn pass(&mut self, later: Duration) {
        let end = self.queue.now + later;
        self.settle();
        while let Some(due) = self.queue.engine.next_deadline()
            && due <= end
        {
            self.queue.now = due;
            self.settle();
        }
        self.queue.now = end;
    }

    fn apply(&mut self, step: Step) {
        let now = self.queue.now;
        match step {
            Step::Join(asker) => {
                let user = position(&asker.0);
                let joined = self.queue.join(asker.clone());
                assert_eq!(joined.is_err(), self.slot(user).is_some());
                if let Ok(id) = joined {
                    self.waiting.insert(id, Ticket { id, since: now, ..asker.0 });
                }
            }
            Step::Leave(user) => {
                if let Some(id) = self.slot(user) {
                    assert_eq!(self.queue.engine.leave(id), self.waiting.remove(&id));
                    self.suspended.remove(&id);
                }
            }
            Step::Suspend(user) => {
                if let Some(id) = self.slot(user) {
                    assert!(self.queue.engine.suspend(id));
                    self.suspended.insert(id);
                }
            }
            Step::Resume(user) => {
                if let Some(id) = self.slot(user) {
                    assert!(self.queue.engine.resume(id, now));
                    self.suspended.remove(&id);
                }
            }
            Step::GiveBack(user) => {
                if let Some(at) = self.gone.iter().rposition(|ticket| position(ticket) == user) {
                    let ticket = self.gone.remove(at);
                    let expected = if self.slot(user).is_some() { Err(JoinError::AlreadyQueued) } else { Ok(()) };
                    assert_eq!(self.queue.engine.give_back(ticket.clone(), now), expected);
                    if expected.is_ok() {
                        self.waiting.insert(ticket.id, ticket);
                    }
                }
            }
            Step::Block(by, whom) => {
                self.queue.block(USERS[by], USERS[whom]);
                self.blocks.insert((by, whom));
            }
            Step::Unblock(by, whom) => {
                self.queue.unblock(USERS[by], USERS[whom]);
                self.blocks.remove(&(by, whom));
            }
            Step::Met(a, b) => {
                self.queue.met(USERS[a], USERS[b]);
                self.met_until.insert((a, b), now + PAUSE);
            }
            Step::Pass(seconds) => self.pass(secs(seconds)),
        }
    }

    /// Nothing is lost, nobody waits beside a partner, levels only rise; where all candidates are seen at once, no group waits
    /// whose members all suit each other.
    fn check(&mut self, sees_all: bool) {
        assert_eq!(self.queue.engine.len(), self.waiting.len(), "a ticket was lost or kept");
        for (id, ticket) in &self.waiting {
            let level = self.queue.status(*id).level;
            let before = self.level_seen.insert(*id, level);
            assert!(before <= Some(level), "a level fell");
            if !self.suspended.contains(id) {
                assert_eq!(level, self.level(ticket), "{ticket:?}");
            }
        }
        assert_eq!(self.queue.engine.paused(), 0);
        let active: Vec<&Ticket> =
            self.waiting.values().filter(|ticket| !self.suspended.contains(&ticket.id)).collect();
        for (at, a) in active.iter().enumerate() {
            let (size, younger) = (a.preferences.size, &active[at + 1..]);
            if size.is_pair() || sees_all {
                assert!(!self.can_grow(&[a], younger, size.people() - 1), "left beside each other: {a:?} {younger:?}");
            }
        }
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn run(effort: Effort, steps: Vec<Step>) {
    let mut model = Model::new(effort);
    for step in steps {
        model.apply(step);
        model.settle();
        if model.queue.engine.paused() > 0 {
            model.pass(SETTLED_WITHIN);
        }
        model.check(effort.legal_max >= USERS.len() && effort.looked_at_max >= USERS.len());
    }
}

proptest! {
    #[test]
    fn no_pair_or_group_is_wrong_doubled_or_left_waiting(steps in prop::collection::vec(any_step(), 1..60)) {
        run(EFFORT, steps);
    }

    #[test]
    fn nor_are_groups_where_everybody_suits_most_others(steps in prop::collection::vec(any_step_of_a_crowd(), 1..60)) {
        run(EFFORT, steps);
    }

    #[test]
    fn nor_when_every_search_pauses_all_the_time(steps in prop::collection::vec(any_step(), 1..60)) {
        run(Effort { legal_max: 1, looked_at_max: 1, ..EFFORT }, steps);
    }

    #[test]
    fn nor_whichever_tags_are_rare(steps in prop::collection::vec(any_step(), 1..60), rare_max in 0_usize..3) {
        run(Effort { rare_max, ..EFFORT }, steps);
    }
}
