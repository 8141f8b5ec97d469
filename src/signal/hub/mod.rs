//! The hub: every connection, user and session of the node, and the one place where they change.
//!
//! A plain state machine. It is told what happened and when; what follows goes into the outboxes of the connections
//! and into effects, which the task around it carries out.
mod account_book;
mod appeals;
mod automatic;
mod ban_book;
mod bans;
mod blocks;
mod call_book;
mod case_view;
mod chain;
mod changes;
mod connections;
mod desk;
mod erasure;
mod errands;
mod evidence;
mod export;
mod groups;
mod handlers;
mod happenings;
mod judgments;
mod logins;
mod losses;
mod neighbours;
mod pace;
mod person_book;
mod queue_book;
mod records;
mod reports;
mod restore;
mod resume;
mod room_book;
mod rooms;
mod sanctions;
mod screening;
mod seats;
mod separations;
mod sessions;
mod tickets;
mod timers;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::invitation::Invitations;
use crate::auth::token::FamilyId;
use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::Tokens;
use crate::bus;
use crate::matchmaking::Preferences;
use crate::matchmaking::Status;
use crate::matchmaking::TicketId;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::alarm::Alarm;
use crate::signal::call_report::CallReport;
use crate::signal::ice::IceServers;
use crate::signal::id::ConnectionId;
use crate::signal::id::MessageIds;
use crate::signal::id::RoomId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::keepsake::KeptTicket;
use crate::signal::limit::AddressBuckets;
use crate::signal::limit::Buckets;
use crate::signal::limit::Rate;
use crate::signal::limit::TokenBucket;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReplyTo;
use crate::signal::room::Pass;
use crate::signal::session::EndReason;
use crate::signal::session::Session;
use crate::signal::settings::Limits;
use crate::signal::settings::Settings;
use crate::signal::stats::Stats;
use crate::time::Mono;
use crate::time::Now;
use crate::time::UnixMillis;
use crate::trace::Cause;

pub(crate) use appeals::AppealAnswer;
use bans::Bans;
use bans::Who;
use blocks::BLOCKERS_PER_ADDRESS;
pub(crate) use blocks::BlockAnswer;
pub use blocks::BlockAsk;
use chain::Presence;
use connections::Connection;
pub use connections::Peer;
use errands::Errand;
pub(crate) use errands::Sequel;
pub(crate) use handlers::auth::HEARTBEAT;
use losses::Losses;
use pace::Pace;
use reports::REPORTERS_PER_ADDRESS;
pub(crate) use reports::ReportAnswer;
use rooms::Rooms;
pub(crate) use screening::Author;
use screening::Silence;
use separations::Separations;
use tickets::YoungTickets;
use timers::Timers;

/// Something for the task around the hub to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Tell the engine.
    Matchmaking(Command),
    /// Have the store do something.
    Store(Errand),
    /// Tell other nodes.
    Tell(bus::Said),
    /// Have the relay let go of a session, then log what it was.
    SessionEnded(Box<Ended>),
    /// Have the relay let go of what credentials in a room were for.
    Revoke(Pass),
}

/// A session that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) session: SessionId,
    pub(crate) reason: EndReason,
    pub(crate) duration: Duration,
    /// What A and B reported.
    pub(crate) reports: [CallReport; 2],
    /// Until when its credentials must be refused.
    pub(crate) credentials_until: UnixMillis,
}

/// A user who is there or waited for, or whose budget is not full again.
#[derive(Debug)]
struct User {
    presence: Presence,
    /// For the end of the resume window.
    window: Alarm,
    /// For new credentials in whatever room.
    room_ice: Alarm,
    queue: Queue,
    session: Option<(SessionId, Side)>,
    /// The room of the group that a match has brought it into.
    group: Option<RoomId>,
    joins: TokenBucket,
    room_joins: TokenBucket,
    skips: TokenBucket,
    uploads: TokenBucket,
    /// Of `chat.send` and `chat.react`, beside that of each connection.
    words: TokenBucket,
}

impl User {
    /// A user who is in nothing, with every budget full.
    fn away() -> Self {
        Self {
            presence: Presence::Away,
            window: Alarm::default(),
            room_ice: Alarm::default(),
            queue: Queue::Out,
            session: None,
            group: None,
            joins: TokenBucket::FULL,
            room_joins: TokenBucket::FULL,
            skips: TokenBucket::FULL,
            uploads: TokenBucket::FULL,
            words: TokenBucket::FULL,
        }
    }
}

/// Where a user stands with the queue.
#[derive(Debug)]
enum Queue {
    Out,
    /// The engine has not answered yet.
    Joining(Joining),
    Waiting {
        ticket: TicketId,
        since: UnixMillis,
        /// As last told, for `sync`.
        status: Status,
        preferences: Box<Preferences>,
        /// Whether the store has it.
        is_kept: bool,
        /// The request that it came with.
        cause: Cause,
    },
}

impl Queue {
    fn ticket(&self) -> Option<TicketId> {
        match self {
            Queue::Out => None,
            Queue::Joining(joining) => Some(joining.ticket),
            Queue::Waiting { ticket, .. } => Some(*ticket),
        }
    }

    /// The request that the ticket came with.
    fn cause(&self) -> Cause {
        match self {
            Queue::Out => Cause::default(),
            Queue::Joining(joining) => joining.cause.clone(),
            Queue::Waiting { cause, .. } => cause.clone(),
        }
    }

    /// The ticket as the store has it, if it does.
    fn kept(&self) -> Option<KeptTicket> {
        let (since, preferences, is_kept) = match self {
            Queue::Out => return None,
            Queue::Joining(joining) => (joining.since, &joining.preferences, joining.is_kept),
            Queue::Waiting { since, preferences, is_kept, .. } => (*since, preferences, *is_kept),
        };
        is_kept.then(|| KeptTicket::new(since, preferences))
    }
}

/// A request that the engine's answer will answer.
#[derive(Debug)]
struct Joining {
    ticket: TicketId,
    since: UnixMillis,
    preferences: Box<Preferences>,
    /// Whether the store has it: that of an earlier process.
    is_kept: bool,
    reply_to: ReplyTo,
    /// The request that it came with.
    cause: Cause,
    /// The session to leave when the ticket is taken: `session.next`.
    leaving: Option<SessionId>,
}

/// Who asks.
#[derive(Clone, Debug)]
struct Asking {
    connection: ConnectionId,
    reply_to: ReplyTo,
    user: UserId,
}

/// Rates of the budgets in force.
#[derive(Debug)]
struct Rates {
    joins: Rate,
    room_joins: Rate,
    skips: Rate,
    uploads: Rate,
    words: Rate,
}

impl Rates {
    fn new(limits: &Limits) -> Self {
        Self {
            joins: Rate::per_minute(limits.queue_joins_per_minute),
            room_joins: Rate::per_minute(limits.room_joins_per_minute),
            skips: Rate::per_minute(limits.skips_per_minute),
            uploads: Rate::per_minute(limits.uploads_per_minute),
            words: limits.messages(),
        }
    }
}

/// See the module's documentation.
pub(crate) struct Hub {
    settings: Settings,
    rates: Rates,
    ice: IceServers,
    tokens: Tokens,
    invitations: Invitations,
    guests: AddressBuckets,
    message_ids: MessageIds,
    connection_by_id: HashMap<ConnectionId, Connection>,
    user_by_id: HashMap<UserId, User>,
    session_by_id: HashMap<SessionId, Session>,
    rooms: Rooms,
    /// In the order in which they came.
    user_by_ticket: BTreeMap<TicketId, UserId>,
    young_tickets: YoungTickets,
    last_ticket: u64,
    timers: Timers,
    effects: VecDeque<Effect>,
    /// Connections whose outbox overflowed while something else was going on.
    overflowed: HashSet<ConnectionId>,
    separations: Separations,
    losses: Losses,
    /// Of `block.add`: by user, connected or not, and by address.
    block_adds: Buckets<UserId>,
    block_adds_by_address: AddressBuckets,
    /// The same of `report.submit`.
    report_submits: Buckets<UserId>,
    report_submits_by_address: AddressBuckets,
    pace: Pace,
    bans: Bans,
    /// To be put in force once what led to them is answered.
    silences: Vec<Silence>,
    /// Who is being taken away.
    erasing: HashSet<UserId>,
    draining: bool,
    users_online: usize,
    /// Users whose resume is waited for; `limits.connections` bounds them too.
    users_lost: usize,
    stats: Arc<Stats>,
}

impl Hub {
    pub(crate) fn new(settings: Settings, stats: Arc<Stats>) -> Self {
        let limits = settings.limits;
        Self {
            rates: Rates::new(&limits),
            ice: IceServers::new(&settings.ice_urls, settings.minter.clone()),
            tokens: Tokens::new(&settings.tokens),
            invitations: Invitations::new(settings.invitation_secret.clone()),
            guests: AddressBuckets::new(Rate::per_minute(limits.guests_per_minute), settings.exempt.clone()),
            message_ids: MessageIds::default(),
            connection_by_id: HashMap::new(),
            user_by_id: HashMap::new(),
            session_by_id: HashMap::new(),
            rooms: Rooms::default(),
            user_by_ticket: BTreeMap::new(),
            young_tickets: YoungTickets::default(),
            last_ticket: 0,
            timers: Timers::default(),
            effects: VecDeque::new(),
            overflowed: HashSet::new(),
            separations: Separations::default(),
            losses: Losses::default(),
            block_adds: Buckets::new(Rate::per_minute(limits.blocks_per_minute)),
            block_adds_by_address: AddressBuckets::new(
                Rate::per_minute(limits.blocks_per_minute.saturating_mul(BLOCKERS_PER_ADDRESS)),
                settings.exempt.clone(),
            ),
            report_submits: Buckets::new(Rate::per_minute(limits.reports_per_minute)),
            report_submits_by_address: AddressBuckets::new(
                Rate::per_minute(limits.reports_per_minute.saturating_mul(REPORTERS_PER_ADDRESS)),
                settings.exempt.clone(),
            ),
            pace: Pace::new(&limits),
            bans: Bans::default(),
            silences: Vec::new(),
            erasing: HashSet::new(),
            draining: false,
            users_online: 0,
            users_lost: 0,
            stats,
            settings,
        }
    }

    /// Makes a guest (rule 1), within the budget of the address.
    ///
    /// # Errors
    ///
    /// `forbidden` if there are no guests here, `banned`, `rate_limited` over the budget.
    pub(crate) fn handle_guest(&mut self, ip: IpAddr, device: &str, now: Now) -> Result<Issued, Refusal> {
        if !self.settings.guests {
            return Err(Refusal::new(ErrorCode::Forbidden, "guests are not accepted here"));
        }
        self.check_not_banned(Who { user: None, device: Some(device), ip: Some(ip) }, now.unix)?;
        if let Err(wait) = self.guests.take(ip, now.mono) {
            self.stats.rate_limit_hits_total.add_one();
            return Err(Refusal::rate_limited("too many guests from this address", wait));
        }
        self.stats.guests_total.add_one();
        let issued = self.tokens.issue_guest(device, now.unix);
        self.record_logins();
        Ok(issued)
    }

    /// Verifies an access token that comes from that address.
    ///
    /// # Errors
    ///
    /// `unauthorized` for what [`Tokens::verify`] refuses; `banned` for a user, device or network that is.
    pub(crate) fn handle_verify(&self, ip: IpAddr, access_token: &str, now: Now) -> Result<Identity, Refusal> {
        let verified = self.tokens.verify(access_token, now.unix);
        let identity = verified.map_err(|error| Refusal {
            message: error.to_string().into(),
            ..Refusal::new(ErrorCode::Unauthorized, "")
        })?;
        self.check_subject(&identity.subject, ip, now.unix)?;
        Ok(identity)
    }

    /// Says good-bye to everybody: closes are spread over `within`, nothing new starts.
    pub(crate) fn handle_drain(&mut self, within: Duration, now: Now) {
        if self.draining {
            return;
        }
        self.draining = true;
        self.announce_drain(within, now);
        self.settle(now);
    }

    /// Whether sessions that go on now are left to the process after this one (rule 32).
    fn leaves_sessions(&self) -> bool {
        self.draining && self.settings.survives && !self.settings.resume_window.is_zero()
    }

    /// Whether a drain has closed every connection.
    pub(crate) fn is_drained(&self) -> bool {
        self.draining && self.connection_by_id.is_empty()
    }

    /// When [`Hub::handle_deadline`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Now) {
        while let Some(timer) = self.timers.take_due(now.mono) {
            self.on_timer(timer, now);
        }
        self.settle(now);
    }

    /// Takes the next effect.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Ends what a login that is over has open: its sockets, and what it was given of the relay.
    fn close_family(&mut self, family: &FamilyId, now: Now) {
        self.revoke_of_login(family, now);
        let mut of_family = Vec::new();
        for (id, user) in &mut self.user_by_id {
            let chain = user.presence.chain_mut().filter(|chain| chain.family.as_ref() == Some(family));
            if let Some(chain) = chain {
                chain.void();
                of_family.push((id.clone(), user.presence.connection()));
            }
        }
        for (user, connection) in of_family {
            match connection {
                Some(id) => self.close(id, CloseCode::Unauthorized, now),
                None => self.give_up(&user, now),
            }
        }
    }

    /// Drops the connections that could not take what they were sent. Dropping one sends to its peer, which may be
    /// the next one.
    fn settle(&mut self, now: Now) {
        self.impose_silences(now);
        while let Some(id) = self.overflowed.iter().next().copied() {
            self.overflowed.remove(&id);
            self.close_slow(id, now);
        }
        self.stats.connections_active.set(self.connection_by_id.len());
        self.stats.users_online.set(self.users_online);
        self.stats.sessions_active.set(self.session_by_id.len());
        self.stats.rooms_active.set(self.rooms.len());
        self.stats.queue_length.set(self.user_by_ticket.len());
    }
}

#[cfg(test)]
pub(crate) mod tests;
