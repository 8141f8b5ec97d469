//! The task that owns the engine: commands in, events out.
use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::matchmaking::Engine;
use crate::matchmaking::Group;
use crate::matchmaking::JoinError;
use crate::matchmaking::Match;
use crate::matchmaking::Person;
use crate::matchmaking::Settings;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::matchmaking::notices::Look;
use crate::matchmaking::notices::Notices;
use crate::matchmaking::notices::PERIOD;
use crate::time::Clock;
use crate::time::Mono;

/// Commands on their way to the engine. Full: the sender answers `unavailable`, it must not wait (see [`Link`]).
const COMMANDS_MAX: usize = 4096;
/// Events on their way to the hub. Full: matches wait in the engine, statuses are left out.
const EVENTS_MAX: usize = 4096;
/// Answers kept for want of room before commands have to wait.
const ANSWERS_MAX: usize = 1024;

/// What one turn of the task may do of each kind, so that no kind holds up the others.
const COMMANDS_PER_TURN: usize = 64;
const MATCHES_PER_TURN: usize = 64;
const GROUPS_PER_TURN: usize = 16;
const LOOKS_PER_TURN: usize = 256;

/// What the hub tells the engine. None of them is answered except `Join`.
#[derive(Debug)]
pub enum Command {
    /// Takes a ticket in; answered by [`Event::Joined`].
    Join(Box<Ticket>),
    /// Takes back a ticket whose match came to nothing; answered by nothing.
    GiveBack(Box<Ticket>),
    /// Takes a ticket out. A match of it may be under way: the hub gives the other side back.
    Leave(TicketId),
    /// The ticket's socket is lost (rule 23).
    Suspend(TicketId),
    /// The ticket's socket is back.
    Resume(TicketId),
    /// See [`Engine::block`].
    Block {
        /// Who blocks.
        by: Person,
        /// Who is blocked.
        whom: Person,
    },
    /// See [`Engine::unblock`].
    Unblock {
        /// Who blocked.
        by: Person,
        /// Who was blocked.
        whom: Person,
    },
    /// See [`Engine::change`].
    Change {
        /// Tickets at once.
        capacity: usize,
        /// How long those who meet are kept apart.
        recent_partner_pause: Duration,
    },
    /// See [`Engine::met`]. Sent once a match became a session.
    Met(UserId, UserId),
    /// See [`Engine::met_before`].
    MetBefore {
        /// Who met.
        users: [UserId; 2],
        /// What is left of the pause.
        left: Duration,
    },
}

/// What the engine tells the hub, in the order it happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Command::Join`]; comes before anything else about that ticket.
    Joined {
        /// The ticket.
        id: TicketId,
        /// How it stands, or why it was refused.
        outcome: Result<Status, JoinError>,
    },
    /// Two tickets have left the queue together. The hub checks again that both sides are there.
    Matched(Box<Match>),
    /// Three or more tickets have left the queue together. The hub checks again that all of them are there.
    Gathered(Box<Group>),
    /// A ticket's status has changed: at most one per ticket in 2 s.
    Status {
        /// The ticket.
        id: TicketId,
        /// How it stands now.
        status: Status,
    },
}

/// The hub's end of the two channels.
///
/// The hub must never wait for room in `commands` while it does not read `events`: it uses `try_send`.
#[derive(Debug)]
pub struct Link {
    /// Commands to the engine.
    pub commands: mpsc::Sender<Command>,
    /// Events of the engine.
    pub events: mpsc::Receiver<Event>,
}

/// Makes the task around an empty engine; it ends when every sender of commands, or the receiver of events, is gone.
///
/// `clock` is a copy of the one that the tickets' `since` come from.
pub fn start(settings: Settings, clock: Clock) -> (Link, impl Future<Output = ()> + Send + 'static) {
    start_with(settings, clock, Bounds { commands_max: COMMANDS_MAX, events_max: EVENTS_MAX, period: PERIOD })
}

#[derive(Copy, Clone, Debug)]
struct Bounds {
    commands_max: usize,
    events_max: usize,
    /// Between two looks at a ticket's status.
    period: Duration,
}

fn start_with(settings: Settings, clock: Clock, bounds: Bounds) -> (Link, impl Future<Output = ()> + Send + 'static) {
    let (commands, command_inbox) = mpsc::channel(bounds.commands_max);
    let (event_outbox, events) = mpsc::channel(bounds.events_max);
    let runner = Runner {
        engine: Engine::new(settings),
        notices: Notices::new(bounds.period),
        answers: VecDeque::new(),
        events: event_outbox,
        clock,
    };
    (Link { commands, events }, runner.run(command_inbox))
}

#[derive(Debug)]
struct Runner {
    engine: Engine,
    notices: Notices,
    /// Answers that found no room in `events`.
    answers: VecDeque<Event>,
    events: mpsc::Sender<Event>,
    clock: Clock,
}

impl Runner {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let now = self.clock.now().mono;
            self.work(now);
            let due = self.next_deadline();
            // Without room nothing can be done about what is due, except to wait for room.
            let needs_room = self.events.capacity() == 0 && (!self.answers.is_empty() || due <= Some(now));
            tokio::select! {
                biased;
                () = self.events.closed() => return,
                command = commands.recv(), if self.answers.len() < ANSWERS_MAX => {
                    let Some(command) = command else { return };
                    self.take(command, &mut commands);
                }
                () = room(&self.events), if needs_room => {}
                () = until(self.clock, due, now), if due.is_some() && !needs_room => {}
            }
        }
    }

    /// Acts on a command and on those right behind it.
    fn take(&mut self, command: Command, commands: &mut mpsc::Receiver<Command>) {
        let now = self.clock.now().mono;
        self.handle(command, now);
        for _ in 1..COMMANDS_PER_TURN {
            let Ok(command) = commands.try_recv() else { return };
            self.handle(command, now);
        }
    }

    fn handle(&mut self, command: Command, now: Mono) {
        match command {
            Command::Join(ticket) => self.join(*ticket, now),
            Command::GiveBack(ticket) => {
                let id = ticket.id;
                // If the user has joined again the new ticket counts, and the old one is gone for good.
                if self.engine.give_back(*ticket, now).is_ok() {
                    self.notices.watch(id, now);
                }
            }
            Command::Leave(id) => drop(self.engine.leave(id)),
            Command::Suspend(id) => {
                self.engine.suspend(id);
            }
            Command::Resume(id) => {
                self.engine.resume(id, now);
            }
            Command::Block { by, whom } => self.engine.block(&by, &whom),
            Command::Unblock { by, whom } => self.engine.unblock(&by, &whom),
            Command::Change { capacity, recent_partner_pause } => {
                self.engine.change(capacity, recent_partner_pause, now);
            }
            Command::Met(a, b) => self.engine.met(&a, &b, now),
            Command::MetBefore { users: [a, b], left } => self.engine.met_before(&a, &b, left, now),
        }
    }

    /// Answers with the status, and tells it once more as the first of the pushes (rule 19).
    fn join(&mut self, ticket: Ticket, now: Mono) {
        let id = ticket.id;
        let outcome = match self.engine.join(ticket, now) {
            // A ticket just taken in has a status.
            Ok(()) => self.engine.status(id, now).ok_or(JoinError::QueueFull),
            Err(error) => Err(error),
        };
        self.answers.push_back(Event::Joined { id, outcome });
        if let Ok(status) = outcome {
            self.notices.tell(id, status, now);
            self.answers.push_back(Event::Status { id, status });
        }
    }

    /// Does a bounded share of what is due, as far as there is room for its events.
    fn work(&mut self, now: Mono) {
        while !self.answers.is_empty() {
            let Ok(permit) = self.events.try_reserve() else { return };
            if let Some(answer) = self.answers.pop_front() {
                permit.send(answer);
            }
        }
        for _ in 0..MATCHES_PER_TURN {
            // Room first: a match that is made must be told.
            let Ok(permit) = self.events.try_reserve() else { return };
            let Some(found) = self.engine.poll_match(now) else { break };
            permit.send(Event::Matched(Box::new(found)));
        }
        for _ in 0..GROUPS_PER_TURN {
            let Ok(permit) = self.events.try_reserve() else { return };
            let Some(found) = self.engine.poll_group(now) else { break };
            permit.send(Event::Gathered(Box::new(found)));
        }
        for _ in 0..LOOKS_PER_TURN {
            let Ok(permit) = self.events.try_reserve() else { return };
            match self.notices.poll_change(&self.engine, now) {
                Some(Look::Changed(id, status)) => permit.send(Event::Status { id, status }),
                Some(Look::Nothing) => {}
                None => break,
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        [self.engine.next_deadline(), self.notices.next_deadline()].into_iter().flatten().min()
    }
}

async fn room(events: &mpsc::Sender<Event>) {
    // The permit goes back at once: the next turn takes what it needs. An error shows as `closed`.
    drop(events.reserve().await);
}

async fn until(clock: Clock, due: Option<Mono>, now: Mono) {
    match due {
        // More of the same: let the other tasks run in between.
        Some(due) if due <= now => tokio::task::yield_now().await,
        Some(due) => tokio::time::sleep_until(clock.instant(due).into()).await,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::matchmaking::AgeBand;
    use crate::matchmaking::Preferences;
    use crate::matchmaking::QueueState;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Hub {
        link: Link,
        task: JoinHandle<()>,
    }

    impl Hub {
        fn new(settings: Settings, queue_max: usize) -> Self {
            let bounds = Bounds { commands_max: queue_max, events_max: queue_max, period: Duration::from_millis(1) };
            let (link, task) = start_with(settings, Clock::start(), bounds);
            Self { link, task: tokio::spawn(task) }
        }

        fn ordinary() -> Self {
            Self::new(Settings::default(), 16)
        }

        async fn send(&self, command: Command) {
            timeout(PATIENCE, self.link.commands.send(command)).await.expect("in time").expect("the task runs");
        }

        async fn event(&mut self) -> Event {
            timeout(PATIENCE, self.link.events.recv()).await.expect("in time").expect("the task runs")
        }

        /// The next match, whatever comes before it.
        async fn matched(&mut self) -> (u64, u64) {
            loop {
                if let Event::Matched(found) = self.event().await {
                    return (found.a.id.0, found.b.id.0);
                }
            }
        }
    }

    fn ticket(number: u64, tag: &str) -> Box<Ticket> {
        Box::new(Ticket {
            id: TicketId(number),
            user: UserId(number.to_string().into()),
            device: None,
            age_band: AgeBand::unknown(),
            preferences: Preferences { tags: vec![tag.into()], ..Preferences::default() },
            since: Mono::default(),
        })
    }

    fn join(number: u64, tag: &str) -> Command {
        Command::Join(ticket(number, tag))
    }

    #[tokio::test]
    async fn a_join_is_answered_before_its_status_and_its_match() {
        let mut hub = Hub::ordinary();
        hub.send(join(1, "rust")).await;
        hub.send(join(2, "rust")).await;
        let mut of_second = Vec::new();
        while of_second.last() != Some(&"matched") {
            let (id, what) = match hub.event().await {
                Event::Joined { id, outcome } => (id.0, if outcome.is_ok() { "joined" } else { "refused" }),
                Event::Status { id, status } => (id.0, status.state.as_str()),
                Event::Matched(found) => (found.b.id.0, "matched"),
                Event::Gathered(found) => panic!("nobody asked for {found:?}"),
            };
            of_second.extend((id == 2).then_some(what));
        }
        assert_eq!(of_second, ["joined", "searching", "matched"]);
    }

    #[tokio::test]
    async fn a_refused_join_says_why() {
        let mut hub = Hub::new(Settings { capacity: 1, ..Settings::default() }, 16);
        hub.send(join(1, "rust")).await;
        hub.send(join(2, "rust")).await;
        loop {
            if let Event::Joined { id: TicketId(2), outcome } = hub.event().await {
                assert_eq!(outcome, Err(JoinError::QueueFull));
                return;
            }
        }
    }

    #[tokio::test]
    async fn widening_needs_no_command() {
        let levels = [10, 20, 30, 40].map(Duration::from_millis);
        let mut hub = Hub::new(Settings { levels, ..Settings::default() }, 16);
        let clock = Clock::start();
        for (number, tag) in [(1, "rust"), (2, "tea")] {
            let since = clock.now().mono;
            hub.send(Command::Join(Box::new(Ticket { since, ..*ticket(number, tag) }))).await;
        }
        assert_eq!(hub.matched().await, (1, 2));
    }

    #[tokio::test]
    async fn a_status_follows_a_change() {
        let levels = [1, 2, 3, 4].map(Duration::from_millis);
        let mut hub = Hub::new(Settings { levels, ..Settings::default() }, 16);
        hub.send(join(1, "rust")).await;
        loop {
            if let Event::Status { status, .. } = hub.event().await
                && status.level == 4
            {
                assert_eq!(status.state, QueueState::Widening);
                return;
            }
        }
    }

    #[tokio::test]
    async fn no_match_is_lost_when_the_hub_reads_slowly() {
        let mut hub = Hub::new(Settings::default(), 1);
        let commands = hub.link.commands.clone();
        let joins = tokio::spawn(async move {
            for number in 0..3000 {
                let pair = (number / 2).to_string();
                commands.send(join(number, &pair)).await.expect("the task runs");
            }
        });
        for _ in 0..1500 {
            let (a, b) = hub.matched().await;
            assert_eq!(a / 2, b / 2);
        }
        joins.await.expect("all are sent");
    }

    #[tokio::test]
    async fn the_task_acts_on_every_command() {
        let mut hub = Hub::ordinary();
        let person = |number: u64| Person::User(UserId(number.to_string().into()));
        hub.send(Command::Block { by: person(1), whom: person(2) }).await;
        hub.send(join(1, "rust")).await;
        hub.send(Command::Suspend(TicketId(1))).await;
        hub.send(join(2, "rust")).await;
        hub.send(Command::Resume(TicketId(1))).await;
        hub.send(join(3, "tea")).await;
        hub.send(Command::Leave(TicketId(3))).await;
        hub.send(join(4, "tea")).await;
        hub.send(Command::Met(UserId("4".into()), UserId("5".into()))).await;
        hub.send(join(5, "tea")).await;
        hub.send(Command::GiveBack(ticket(6, "tea"))).await;
        assert_eq!(hub.matched().await, (4, 6));
        hub.send(Command::Unblock { by: person(1), whom: person(2) }).await;
        assert_eq!(hub.matched().await, (1, 2));
    }

    #[tokio::test]
    async fn the_task_ends_with_its_hub() {
        let Hub { link, task } = Hub::ordinary();
        drop(link.commands);
        timeout(PATIENCE, task).await.expect("in time").expect("no panic");
        let Hub { link, task } = Hub::ordinary();
        drop(link.events);
        timeout(PATIENCE, task).await.expect("in time").expect("no panic");
    }
}
