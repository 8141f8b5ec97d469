//! The task that owns the engine: commands in, events out.
use std::future::Future;

use tokio::sync::mpsc;

use crate::matchmaking::Engine;
use crate::matchmaking::JoinError;
use crate::matchmaking::Match;
use crate::matchmaking::Person;
use crate::matchmaking::Settings;
use crate::matchmaking::Status;
use crate::matchmaking::Ticket;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::time::Clock;

/// Commands on their way to the engine. Full: the sender answers `unavailable`, it must not wait (see [`Link`]).
const COMMANDS_MAX: usize = 4096;
/// Events on their way to the hub. Full: matches wait in the engine, statuses are left out.
const EVENTS_MAX: usize = 4096;

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
    /// See [`Engine::met`]. Sent once a match became a session.
    Met(UserId, UserId),
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
pub fn start(settings: Settings, clock: Clock) -> (Link, impl Future<Output = ()> + Send + 'static) {
    let (commands, command_inbox) = mpsc::channel(COMMANDS_MAX);
    let (event_outbox, events) = mpsc::channel(EVENTS_MAX);
    (Link { commands, events }, run(Engine::new(settings), clock, command_inbox, event_outbox))
}

async fn run(mut engine: Engine, clock: Clock, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) {
    while let Some(command) = commands.recv().await {
        let now = clock.now().mono;
        if let Command::Join(ticket) = command {
            let id = ticket.id;
            let joined = engine.join(*ticket, now);
            let Some(status) = engine.status(id, now) else { continue };
            if events.send(Event::Joined { id, outcome: joined.map(|()| status) }).await.is_err() {
                return;
            }
        }
    }
}
