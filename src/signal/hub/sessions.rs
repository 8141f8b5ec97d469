//! Sessions: from the match to the end.
use std::cmp::Reverse;

use serde::Serialize;
use serde_json::json;

use crate::matchmaking::Match;
use crate::matchmaking::Ticket;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Ended;
use crate::signal::hub::Hub;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::timers::Timer;
use crate::signal::ice::IceGrant;
use crate::signal::id::Alias;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::session::Due;
use crate::signal::session::EndReason;
use crate::signal::session::Participant;
use crate::signal::session::Session;
use crate::signal::view::push::GrantView;
use crate::signal::view::push::IceUpdatedView;
use crate::signal::view::push::OwnSessionView;
use crate::signal::view::push::PairMatchedView;
use crate::signal::view::push::PartnerView;
use crate::signal::view::push::SessionEndedView;
use crate::signal::view::push::SessionWarningView;
use crate::signal::view::push::WhereView;
use crate::time::Now;
use crate::trace;
use crate::trace::Cause;
use crate::trace::Span;

/// Where a match finds one of its tickets.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Place {
    /// Taken back, or replaced by another.
    Gone,
    /// Its socket is lost (rule 23).
    Lost,
    Ready,
}

/// What passes from one side to the other: the server names the sender (rule 27).
#[derive(Serialize)]
struct FromPeer<'a, T> {
    session: &'a SessionId,
    from: &'a Alias,
    #[serde(flatten)]
    body: &'a T,
}

impl Hub {
    /// Makes a session of a match, if both are still there; otherwise who is left goes back into the queue.
    pub(super) fn on_matched(&mut self, found: Match, now: Now) {
        let Match { a, b, tags_common, language } = found;
        if !self.is_ready(&a) || !self.is_ready(&b) || self.are_apart(&a.user, &b.user) {
            self.give_back(a);
            self.give_back(b);
            return;
        }
        let span = self.match_span(&[&a, &b], now);
        let _entered = span.enter();
        let mut session = self.open_session(&a, &b, now);
        session.tags_common = tags_common;
        session.language = language;
        let id = session.id.clone();
        self.session_by_id.insert(id.clone(), session);
        self.on_session_alarm(&id, now);
        for (side, ticket) in [(Side::A, &a), (Side::B, &b)] {
            self.tell_match(&id, side, ticket, now);
        }
        self.record_start(&id, [&a, &b], now);
        span.set("duologue.session.id", id.to_string());
        tracing::info!(session = %id, "session started");
        self.effects.push_back(Effect::Matchmaking(Command::Met(a.user, b.user)));
    }

    /// The span of a match, below the request that came last: without it there would be none. The others are linked.
    pub(super) fn match_span(&self, tickets: &[&Ticket], now: Now) -> Span {
        if !trace::is_on() {
            return Span::default();
        }
        let mut causes: Vec<(&Ticket, Cause)> = tickets.iter().map(|ticket| (*ticket, self.cause_of(ticket))).collect();
        causes.sort_by_key(|(ticket, _)| Reverse(ticket.since));
        let mut causes = causes.into_iter();
        let Some((last, cause)) = causes.next() else { return Span::default() };
        let span = Span::of_work("match", &cause);
        span.set("duologue.match.size", tickets.len() as i64);
        span.set("duologue.match.shortest_wait_ms", waited_ms(last, now));
        if let Some((first, _)) = causes.as_slice().last() {
            span.set("duologue.match.longest_wait_ms", waited_ms(first, now));
        }
        causes.for_each(|(_, cause)| span.link(&cause));
        span
    }

    fn cause_of(&self, ticket: &Ticket) -> Cause {
        self.user_by_id.get(&ticket.user).map(|user| user.queue.cause()).unwrap_or_default()
    }

    /// Whether a ticket that was matched is still there, and its user too.
    pub(super) fn is_ready(&self, ticket: &Ticket) -> bool {
        self.place_of(ticket) == Place::Ready
    }

    fn place_of(&self, ticket: &Ticket) -> Place {
        if self.user_by_ticket.get(&ticket.id) != Some(&ticket.user) {
            return Place::Gone;
        }
        match self.user_by_id.get(&ticket.user).map(|user| &user.presence) {
            Some(Presence::Online(..)) => Place::Ready,
            Some(Presence::Lost(..)) => Place::Lost,
            Some(Presence::Away) | None => Place::Gone,
        }
    }

    /// Puts a ticket back whose match came to nothing.
    pub(super) fn give_back(&mut self, ticket: Ticket) {
        let place = self.place_of(&ticket);
        if place == Place::Gone {
            return;
        }
        let id = ticket.id;
        self.effects.push_back(Effect::Matchmaking(Command::GiveBack(Box::new(ticket))));
        if place == Place::Lost {
            // The command that came with the loss has met no ticket: it was in this match already.
            self.effects.push_back(Effect::Matchmaking(Command::Suspend(id)));
        }
    }

    fn open_session(&mut self, a: &Ticket, b: &Ticket, now: Now) -> Session {
        let participants = [a, b].map(|ticket| Participant::new(ticket.user.clone(), ticket.preferences.clone()));
        let session = Session::new(participants, self.settings.session_limit, now);
        for (side, ticket) in [(Side::A, a), (Side::B, b)] {
            self.leave_queue_for(ticket, now);
            if let Some(user) = self.user_by_id.get_mut(&ticket.user) {
                user.session = Some((session.id.clone(), side));
            }
        }
        self.stats.sessions_created_total.add_one();
        session
    }

    /// The wait of a ticket has ended with a match.
    pub(super) fn leave_queue_for(&mut self, ticket: &Ticket, now: Now) {
        self.drop_ticket(&ticket.user);
        self.pace.count_call(ticket, now);
        self.stats.match_latency.observe(now.mono.saturating_since(ticket.since));
    }

    fn tell_match(&mut self, id: &SessionId, side: Side, ticket: &Ticket, now: Now) {
        let Some(grant) = self.grant_ice(id, side, now) else { return };
        let Some(session) = self.session_by_id.get(id) else { return };
        let data = PairMatchedView {
            session: view(session, side),
            waited_ms: now.mono.saturating_since(ticket.since).as_millis() as u64,
            grant: self.grant_view(grant, now),
        };
        let data = json!(data);
        self.push_to_user(&ticket.user, PushKind::MatchFound, &data, now);
    }

    /// A grant as it is told to those who begin something.
    pub(super) fn grant_view(&self, grant: IceGrant, now: Now) -> GrantView {
        let ice_policy = self.settings.ice_policy;
        GrantView { ice_servers: grant.servers, ice_policy, ice_expires_at: grant.expires, server_time: now.unix }
    }

    /// Mints credentials for one side and sets the timer for the next ones (rule 25).
    pub(super) fn grant_ice(&mut self, id: &SessionId, side: Side, now: Now) -> Option<IceGrant> {
        let session = self.session_by_id.get_mut(id)?;
        let grant = self.ice.grant(&session.credential_id(side), session.left(now), now);
        session.credentials_until = session.credentials_until.max(grant.expires);
        let participant = session.participant_mut(side);
        participant.renew_ice_at = grant.renew_at;
        if participant.ice_alarm.needs(grant.renew_at) {
            self.timers.set(grant.renew_at, Timer::IceRenewal(id.clone(), side));
        }
        self.record_progress(id);
        Some(grant)
    }

    /// Pushes new credentials if they are due; they may have been put off by `ice.refresh`.
    pub(super) fn on_ice_alarm(&mut self, id: &SessionId, side: Side, now: Now) {
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        let participant = session.participant_mut(side);
        participant.ice_alarm.rang(now.mono);
        let (user, renew_at) = (participant.user.clone(), participant.renew_ice_at);
        if renew_at > now.mono {
            if participant.ice_alarm.needs(renew_at) {
                self.timers.set(renew_at, Timer::IceRenewal(id.clone(), side));
            }
            return;
        }
        let Some(grant) = self.grant_ice(id, side, now) else { return };
        let place = WhereView::in_session(id);
        let data = IceUpdatedView { place, ice_servers: &grant.servers, expires_at: grant.expires };
        self.push_to_user(&user, PushKind::IceUpdated, &data, now);
    }

    /// Warns or ends as the deadline demands (rule 32), and sees to it that this is called when the next is due.
    pub(super) fn on_session_alarm(&mut self, id: &SessionId, now: Now) {
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        session.alarm.rang(now.mono);
        match session.take_due(now) {
            Some(Due::End) => {
                self.end_session(id, EndReason::Limit, now);
                return;
            }
            Some(Due::Warning(remaining)) => {
                let users = Side::BOTH.map(|side| session.participant(side).user.clone());
                let data = SessionWarningView { session: id, remaining_ms: remaining.as_millis() as u64 };
                for user in users {
                    self.push_to_user(&user, PushKind::SessionWarning, &data, now);
                }
            }
            None => {}
        }
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        if let Some(due) = session.next_due()
            && session.alarm.needs(due)
        {
            self.timers.set(due, Timer::SessionDeadline(id.clone()));
        }
    }

    /// Ends a session: both sides are told, the relay lets go of it (rule 31).
    pub(super) fn end_session(&mut self, id: &SessionId, reason: EndReason, now: Now) {
        let Some(session) = self.session_by_id.remove(id) else { return };
        let duration = session.duration(now);
        let data = SessionEndedView { session: id, reason, duration_ms: duration.as_millis() as u64 };
        for side in Side::BOTH {
            let user = session.participant(side).user.clone();
            if let Some(user) = self.user_by_id.get_mut(&user) {
                user.session.take_if(|(own, _)| *own == session.id);
            }
            self.push_to_user(&user, PushKind::SessionEnded, &data, now);
        }
        self.stats.sessions_ended(reason).add_one();
        let ended = Ended {
            session: session.id.clone(),
            reason,
            duration,
            reports: Side::BOTH.map(|side| session.participant(side).report.clone()),
            credentials_until: session.credentials_until,
        };
        self.record_end(&ended, now);
        self.effects.push_back(Effect::SessionEnded(Box::new(ended)));
    }

    /// The side that the asking user has in a session (rule 26).
    ///
    /// # Errors
    ///
    /// `not_in_session`, whether it is another's, unknown or over.
    pub(super) fn side_in(&self, asking: &Asking, session: &str) -> Result<(SessionId, Side), Refusal> {
        self.side_of(&asking.user, session)
    }

    /// Like [`Hub::side_in`], for one who asks by another way.
    pub(super) fn side_of(&self, user: &UserId, session: &str) -> Result<(SessionId, Side), Refusal> {
        let user = self.user_by_id.get(user);
        let own = user.and_then(|user| user.session.as_ref()).filter(|(own, _)| own.as_str() == session);
        own.cloned().ok_or_else(Refusal::not_in_session)
    }

    /// Like [`Hub::side_in`], for what is said in sessions only.
    pub(super) fn side_at(&self, asking: &Asking, target: &Target) -> Result<(SessionId, Side), Refusal> {
        match target {
            Target::Session(session) => self.side_in(asking, session),
            Target::Room(_) => Err(Refusal::bad_request("this is for sessions")),
        }
    }

    /// The live session of that id, which the caller has found by its own membership.
    pub(super) fn session_mut(&mut self, id: &SessionId) -> Result<&mut Session, Refusal> {
        self.session_by_id.get_mut(id).ok_or_else(Refusal::not_in_session)
    }

    /// Passes something on from one side to the other.
    pub(super) fn pass_on<T: Serialize>(&mut self, id: &SessionId, from: Side, kind: PushKind, body: &T, now: Now) {
        let Some(session) = self.session_by_id.get(id) else { return };
        let sender = session.participant(from).alias.clone();
        let receiver: UserId = session.participant(from.other()).user.clone();
        self.push_to_user(&receiver, kind, &FromPeer { session: id, from: &sender, body }, now);
    }
}

/// A session as one side sees it: the common part of `match.found` and `sync` (rule 24).
pub(super) fn view(session: &Session, side: Side) -> OwnSessionView<'_> {
    let (role, initiator) = match side {
        Side::A => ("impolite", true),
        Side::B => ("polite", false),
    };
    OwnSessionView {
        session: &session.id,
        own: &session.participant(side).alias,
        peer: PartnerView {
            id: &session.participant(side.other()).alias,
            tags_common: &session.tags_common,
            language: session.language.as_deref(),
        },
        role,
        initiator,
        deadline: session.deadline.map(|deadline| deadline.unix),
    }
}

fn waited_ms(ticket: &Ticket, now: Now) -> i64 {
    i64::try_from(now.mono.saturating_since(ticket.since).as_millis()).unwrap_or(i64::MAX)
}
