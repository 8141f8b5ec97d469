//! Connections: their beginning, their messages, what they are sent, their end.
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::alarm::Alarm;
use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::timers::Timer;
use crate::signal::id::ConnectionId;
use crate::signal::id::random_bytes;
use crate::signal::link::Link;
use crate::signal::outbox::Class;
use crate::signal::outbox::Source;
use crate::signal::protocol;
use crate::signal::protocol::Body;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReplyTo;
use crate::signal::protocol::Request;
use crate::signal::session::EndReason;
use crate::signal::view::live::DoneView;
use crate::signal::view::push::LimitsView;
use crate::signal::view::push::ServerDrainView;
use crate::signal::view::push::SizesView;
use crate::signal::view::push::WelcomeView;
use crate::time::Now;
use crate::time::UnixMillis;
use crate::trace;

/// A client must say `hello` within this.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a connection comes from.
#[derive(Clone)]
pub struct Peer {
    /// The client's address, as far as trusted proxies tell.
    pub ip: IpAddr,
    /// The access token of the Authorization header, verified by the caller; `hello` may then omit its identity.
    pub bearer: Option<String>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("ip", &self.ip).finish_non_exhaustive()
    }
}

/// One WebSocket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: Arc<Link>,
    pub(super) peer: Peer,
    pub(super) online: Option<Online>,
}

/// What a connection is after `hello`.
#[derive(Debug)]
pub(super) struct Online {
    pub(super) user: UserId,
    /// The expiry that the client was told of.
    pub(super) told_expiry: Option<UnixMillis>,
    pub(super) auth_alarm: Alarm,
    /// Requests whose errands to the store are not answered.
    pub(super) errands: u32,
    /// Requests that wait for the answer to an earlier one. The message budget bounds them.
    pub(super) deferred: VecDeque<(ReplyTo, Request)>,
}

impl Online {
    pub(super) fn new(user: UserId) -> Self {
        Self { user, told_expiry: None, auth_alarm: Alarm::default(), errands: 0, deferred: VecDeque::new() }
    }
}

impl Hub {
    /// Takes a new connection in and greets it.
    pub(crate) fn handle_connected(&mut self, id: ConnectionId, link: Arc<Link>, peer: Peer, now: Now) {
        self.stats.connections_total.add_one();
        self.connection_by_id.insert(id, Connection { link, peer, online: None });
        if self.draining {
            self.close(id, CloseCode::Drain, now);
        } else {
            self.timers.set(now.mono + HELLO_TIMEOUT, Timer::HelloTimeout(id));
            self.push(id, PushKind::Welcome, &self.welcome(now), now);
        }
        self.settle(now);
    }

    /// Works on one message of a client.
    pub(crate) fn handle_message(&mut self, id: ConnectionId, incoming: Incoming, now: Now) {
        let Incoming { reply_to, body } = incoming;
        self.stats.messages_in_total.add_one();
        if let Err(refusal) = self.on_message(id, reply_to, body, now) {
            self.refuse(id, reply_to, &refusal, now);
        }
        self.settle(now);
    }

    /// The connection is gone, whatever the reason; one that the hub closed itself is unknown by now.
    pub(crate) fn handle_gone(&mut self, id: ConnectionId, now: Now) {
        if self.connection_by_id.contains_key(&id) {
            self.stats.connections_lost_total.add_one();
            self.detach(id, now);
        }
        self.settle(now);
    }

    /// The connection task found a breach that ends the connection.
    pub(crate) fn handle_breach(&mut self, id: ConnectionId, code: CloseCode, now: Now) {
        self.close(id, code, now);
        self.settle(now);
    }

    fn on_message(&mut self, id: ConnectionId, reply_to: ReplyTo, body: Body, now: Now) -> Result<(), Refusal> {
        // A connection that is closing may still have sent something.
        let Some(connection) = self.connection_by_id.get(&id) else { return Ok(()) };
        let user = connection.online.as_ref().map(|online| online.user.clone());
        self.note_place(user.as_ref());
        match (body, user) {
            (Body::Malformed(refusal), _) => Err(refusal),
            (Body::Hello(_), Some(_)) => Err(Refusal::new(ErrorCode::Conflict, "hello was said before")),
            (Body::Hello(hello), None) => self.on_hello(id, reply_to, *hello?, now),
            (Body::Request(_), None) => Err(Refusal::new(ErrorCode::Unauthorized, "say hello first")),
            (Body::Request(request), Some(user)) => {
                let asking = Asking { connection: id, reply_to, user };
                self.on_request(&asking, request?, now)
            }
        }
    }

    /// Tells whoever traces the message in which session its sender is.
    fn note_place(&self, user: Option<&UserId>) {
        if !trace::is_on() {
            return;
        }
        let user = user.and_then(|user| self.user_by_id.get(user));
        if let Some((session, side)) = user.and_then(|user| user.session.as_ref()) {
            trace::note("duologue.session.id", session);
            trace::note("duologue.session.side", side.as_str());
        }
    }

    pub(super) fn on_hello_timeout(&mut self, id: ConnectionId, now: Now) {
        if self.connection_by_id.get(&id).is_some_and(|connection| connection.online.is_none()) {
            self.close(id, CloseCode::HelloTimeout, now);
        }
    }

    /// Sends a push that concerns one connection alone, and so is not counted.
    pub(super) fn push(&mut self, id: ConnectionId, kind: PushKind, data: &impl Serialize, now: Now) {
        self.send(id, kind.class(), protocol::push(kind, None, now.unix, data));
    }

    /// Sends a push to a user, counted by `seq` if its kind is (rule 12). One who is lost finds it on its return;
    /// news is old by then and dropped.
    pub(super) fn push_to_user(&mut self, user: &UserId, kind: PushKind, data: &impl Serialize, now: Now) {
        self.push_from(Source::ANY, user, kind, data, now);
    }

    /// The same for what comes from one of several: its news does not take the place of another's.
    pub(super) fn push_from(&mut self, source: Source, user: &UserId, kind: PushKind, data: &impl Serialize, now: Now) {
        let Some(user) = self.user_by_id.get_mut(user) else { return };
        let connection = user.presence.connection();
        let frame = match user.presence.chain_mut() {
            Some(chain) if kind.is_sequenced() => chain.push(kind, data, now.unix),
            Some(_) if connection.is_some() => protocol::push(kind, None, now.unix, data),
            Some(_) | None => return,
        };
        if let Some(id) = connection {
            self.send(id, kind.class().from(source), frame);
        }
    }

    /// Sends the `ok` to a request that wants one.
    pub(super) fn ok(&mut self, id: ConnectionId, reply_to: ReplyTo, data: &impl Serialize) {
        if let Some(re) = reply_to.re() {
            self.send(id, Class::Kept, protocol::ok(re, data));
        }
    }

    /// Sends an ok that says nothing more, or the refusal there is.
    pub(super) fn answer(&mut self, asking: &Asking, refusal: Option<&Refusal>, now: Now) {
        match refusal {
            None => self.ok(asking.connection, asking.reply_to, &DoneView {}),
            Some(refusal) => self.refuse(asking.connection, asking.reply_to, refusal, now),
        }
    }

    /// Sends the `error` to a request that wants a reply, and counts what was over a budget (rule 2).
    pub(super) fn refuse(&mut self, id: ConnectionId, reply_to: ReplyTo, refusal: &Refusal, now: Now) {
        trace::note_failure(refusal.code.as_str());
        self.stats.refusals(refusal.code).add_one();
        if let Some(re) = reply_to.re() {
            self.send(id, Class::Kept, protocol::error(re, refusal));
        }
        if refusal.code != ErrorCode::RateLimited {
            return;
        }
        self.stats.rate_limit_hits_total.add_one();
        let Some(connection) = self.connection_by_id.get(&id) else { return };
        if connection.link.count_refusal(now.mono) {
            self.close(id, CloseCode::RateLimited, now);
        }
    }

    pub(super) fn send(&mut self, id: ConnectionId, class: Class, frame: Bytes) {
        let Some(connection) = self.connection_by_id.get(&id) else { return };
        self.stats.messages_out_total.add_one();
        if connection.link.push(class, frame).is_err() {
            self.overflowed.insert(id);
        }
    }

    /// Closes a connection after what is queued for it; to its session that is a loss.
    pub(super) fn close(&mut self, id: ConnectionId, code: CloseCode, now: Now) {
        if let Some(connection) = self.connection_by_id.get(&id) {
            connection.link.close(code);
            self.stats.closes(code).add_one();
            self.detach(id, now);
        }
    }

    /// Closes a connection that does not read (rule 14).
    pub(super) fn close_slow(&mut self, id: ConnectionId, now: Now) {
        if let Some(connection) = self.connection_by_id.get(&id) {
            connection.link.abort(CloseCode::SlowConsumer);
            self.stats.closes(CloseCode::SlowConsumer).add_one();
            self.detach(id, now);
        }
    }

    /// Closes the older socket of a user whom a newer one has taken over already (rule 33).
    pub(super) fn close_replaced(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_by_id.remove(&id) {
            connection.link.close(CloseCode::Replaced);
            self.stats.closes(CloseCode::Replaced).add_one();
        }
    }

    /// Takes a connection out; its user may come back. Requests that wait for the engine are lost like those on the
    /// wire.
    fn detach(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.connection_by_id.remove(&id) else { return };
        if let Some(online) = connection.online {
            self.on_lost(&online.user, now);
        }
    }

    /// Takes a user's ticket back, answered or not.
    pub(super) fn leave_queue(&mut self, user: &UserId) -> bool {
        let Some(ticket) = self.drop_ticket(user) else { return false };
        self.effects.push_back(Effect::Matchmaking(Command::Leave(ticket)));
        true
    }

    /// Forgets a user who is away once nothing is missing from its budgets: reconnecting refills nothing.
    pub(super) fn forget_if_idle(&mut self, id: &UserId, now: Now) {
        let user = self.user_by_id.get(id).filter(|user| matches!(user.presence, Presence::Away));
        let Some(user) = user else { return };
        let budgets = [&user.joins, &user.room_joins, &user.skips, &user.uploads, &user.words];
        let full_at = budgets.into_iter().map(|budget| budget.full_at()).max().unwrap_or_default();
        if full_at <= now.mono {
            self.user_by_id.remove(id);
        } else {
            self.timers.set(full_at, Timer::UserForgotten(id.clone()));
        }
    }

    pub(super) fn announce_drain(&mut self, within: Duration, now: Now) {
        let ids: Vec<ConnectionId> = self.connection_by_id.keys().copied().collect();
        let data = ServerDrainView { within_ms: within.as_millis() as u64, reason: "shutdown" };
        for id in ids {
            self.push(id, PushKind::ServerDrain, &data, now);
            // Spread, so that the clients do not all come back to another node in one moment.
            let share = f64::from(u32::from_be_bytes(random_bytes())) / f64::from(u32::MAX);
            self.timers.set(now.mono + within.mul_f64(share), Timer::DrainClose(id));
        }
    }

    pub(super) fn on_drain_close(&mut self, id: ConnectionId, now: Now) {
        let Some(connection) = self.connection_by_id.get(&id) else { return };
        let user = connection.online.as_ref().and_then(|online| self.user_by_id.get(&online.user));
        if let Some((session, _)) = user.and_then(|user| user.session.clone())
            && !self.leaves_sessions()
        {
            self.end_session(&session, EndReason::Drain, now);
        }
        self.close(id, CloseCode::Drain, now);
    }

    fn welcome(&self, now: Now) -> WelcomeView {
        // What this node really does (rule 14).
        let resume = (!self.settings.resume_window.is_zero()).then_some("resume");
        let files = self.settings.files.is_some().then_some("files");
        let accounts = self.settings.accounts.then_some("accounts");
        let guest_work = self.settings.guests_work.then_some("guest_work");
        let given = resume.into_iter().chain(["rooms", "chat"]).chain(files).chain(accounts);
        WelcomeView {
            server: self.settings.server.clone(),
            features: given.chain(guest_work).collect(),
            limits: LimitsView { budgets: self.settings.limits, sizes: SizesView::default() },
            time: now.unix,
        }
    }
}
