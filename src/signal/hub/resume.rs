//! A lost connection and its return (rules 23, 33-35): what waits, for how long, and what is told to whom.
use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::auth::resume::ResumeToken;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::hub::bans::Who;
use crate::signal::hub::chain::Chain;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::connections::Online;
use crate::signal::hub::handlers::auth::EXPIRY_GRACE;
use crate::signal::hub::handlers::queue::queue_status;
use crate::signal::hub::rooms::Parting;
use crate::signal::hub::sessions::view;
use crate::signal::hub::timers::Timer;
use crate::signal::id::ConnectionId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReplyTo;
use crate::signal::protocol::Resume;
use crate::signal::session::EndReason;
use crate::signal::view::push::PeerLeftView;
use crate::signal::view::push::PeerResumedView;
use crate::signal::view::push::SyncView;
use crate::signal::view::push::SyncedSessionView;
use crate::signal::view::push::WhereView;
use crate::time::Now;
use crate::time::UnixMillis;

/// Bytes around what one side says to the other: type, numbers, session, alias and the name of a message.
const ENVELOPE_BYTES: usize = 512;

/// How a connection goes on where another one was lost.
pub(super) struct Return {
    pub(super) user: UserId,
    /// The last push that the client has.
    pub(super) last_seq: u64,
    /// The pushes that the client lacks; `None`: some are gone, `sync` has to do.
    pub(super) replay: Option<Vec<Bytes>>,
}

impl Hub {
    /// A user's socket is gone. Ticket and session wait for its return as long as the window is open.
    pub(super) fn on_lost(&mut self, id: &UserId, now: Now) {
        let Some(user) = self.user_by_id.get_mut(id) else { return };
        let Presence::Online(_, chain) = std::mem::take(&mut user.presence) else { return };
        self.users_online -= 1;
        // Bounded like connections are: beyond it a loss is final.
        let can_return = chain.can_resume() && self.users_lost < self.settings.limits.connections as usize;
        let until = can_return.then(|| now.plus(self.settings.resume_window));
        if let Some((session, side)) = user.session.clone() {
            self.tell_loss(&session, side, until.map(|until| until.unix), now);
        }
        match until {
            Some(until) => {
                self.tell_rooms_of_loss(id, until.unix, now);
                self.wait_for(id, chain, until);
            }
            None => {
                self.leave_rooms(id, Parting::Lost, now);
                self.give_up(id, now);
            }
        }
    }

    fn wait_for(&mut self, id: &UserId, chain: Chain, until: Now) {
        let Some(user) = self.user_by_id.get_mut(id) else { return };
        self.users_lost += 1;
        user.presence = Presence::Lost(until, chain);
        if user.window.needs(until.mono) {
            self.timers.set(until.mono, Timer::WindowOver(id.clone()));
        }
        if let Some(ticket) = user.queue.ticket() {
            self.effects.push_back(Effect::Matchmaking(Command::Suspend(ticket)));
        }
    }

    /// Tells the other side that this one is away; `until` is when it is given up.
    fn tell_loss(&mut self, id: &SessionId, lost: Side, until: Option<UnixMillis>, now: Now) {
        let Some(session) = self.session_by_id.get(id) else { return };
        let stays = session.participant(lost.other()).user.clone();
        let data = PeerLeftView {
            place: WhereView::in_session(id),
            peer: &session.participant(lost).alias,
            reason: "lost",
            can_reconnect: until.is_some(),
            until,
        };
        let data = json!(data);
        self.push_to_user(&stays, PushKind::PeerLeft, &data, now);
    }

    /// Gives a lost user up, unless it is back.
    pub(super) fn on_window_over(&mut self, id: &UserId, now: Now) {
        if self.leaves_sessions() {
            // Nobody can come back here, but to the process after this one.
            return;
        }
        let Some(user) = self.user_by_id.get_mut(id) else { return };
        user.window.rang(now.mono);
        let Some(until) = user.presence.lost_until() else { return };
        if until.mono <= now.mono {
            self.give_up(id, now);
        } else if user.window.needs(until.mono) {
            // Lost again since the timer was set.
            self.timers.set(until.mono, Timer::WindowOver(id.clone()));
        }
    }

    /// The user will not come back: the ticket goes, the session ends, the rooms are left.
    pub(super) fn give_up(&mut self, id: &UserId, now: Now) {
        let Some(user) = self.user_by_id.get_mut(id) else { return };
        if let Presence::Lost(..) = std::mem::take(&mut user.presence) {
            self.users_lost -= 1;
        }
        let session = user.session.clone();
        if !self.settings.resume_window.is_zero() {
            self.forget_chain(id);
        }
        self.leave_queue(id);
        self.leave_rooms(id, Parting::Timeout, now);
        if let Some((session, _)) = session {
            self.end_session(&session, EndReason::Lost, now);
        }
        self.forget_if_idle(id, now);
    }

    /// Finds what a resume token goes on with. The token is used up by the `hello` that it makes good.
    ///
    /// # Errors
    ///
    /// `unauthorized` if the token is unknown, used or expired: which of these is not told (rule 34); `banned`.
    pub(super) fn find_return(&self, resume: &Resume, ip: IpAddr, now: Now) -> Result<Return, Refusal> {
        const REFUSED: Refusal = Refusal::new(ErrorCode::Unauthorized, "the resume token is not valid");
        let token = ResumeToken::parse(&resume.token.0).ok_or(REFUSED)?;
        let user = UserId(token.user().clone());
        let chain = self.user_by_id.get(&user).and_then(|user| user.presence.chain());
        let is_staff = chain.is_some_and(|chain| chain.subject.role.is_staff());
        // Also when the ban has voided the token (rule 34).
        let who = Who { user: Some(&user.0), device: None, ip: Some(ip).filter(|_| !is_staff) };
        self.check_not_banned(who, now.unix)?;
        let chain = chain.filter(|chain| chain.accepts(&token)).ok_or(REFUSED)?;
        self.check_subject(&chain.subject, ip, now.unix)?;
        check_return(chain, now)?;
        Ok(Return { user, last_seq: resume.last_seq, replay: chain.replay(resume.last_seq) })
    }

    /// Makes a connection the one of a user, with the chain it had or a new one: an older connection closes, a ticket
    /// that waited is matchable again.
    pub(super) fn attach(&mut self, id: ConnectionId, user_id: &UserId, fresh: Option<Chain>) {
        let Some(user) = self.user_by_id.get_mut(user_id) else { return };
        let (older, was_lost, chain) = match std::mem::take(&mut user.presence) {
            Presence::Away => (None, false, None),
            Presence::Online(older, chain) => (Some(older), false, Some(chain)),
            Presence::Lost(_, chain) => (None, true, Some(chain)),
        };
        let Some(chain) = fresh.or(chain) else { return };
        user.presence = Presence::Online(id, chain);
        let ticket = user.queue.ticket();
        if let Queue::Joining(joining) = &mut user.queue {
            // The id of that request means nothing on this connection.
            joining.reply_to = ReplyTo::Nobody;
        }
        if let Some(connection) = self.connection_by_id.get_mut(&id) {
            connection.link.set_online();
            connection.online = Some(Online::new(user_id.clone()));
        }
        if was_lost {
            self.users_lost -= 1;
            self.effects.extend(ticket.map(|ticket| Effect::Matchmaking(Command::Resume(ticket))));
        }
        match older {
            Some(older) => self.close_replaced(older),
            None => self.users_online += 1,
        }
    }

    /// Sends what a client without memory needs to go on (rule 34).
    pub(super) fn sync(&mut self, id: ConnectionId, user: &UserId, now: Now) {
        let rooms = self.rooms_view(user);
        let Some(user) = self.user_by_id.get(user) else { return };
        let session = user.session.as_ref().and_then(|(id, side)| Some((self.session_by_id.get(id)?, *side)));
        let queue = match &user.queue {
            Queue::Waiting { since, status, .. } => Some(queue_status(*status, *since)),
            Queue::Out | Queue::Joining(_) => None,
        };
        let live = |(session, side): (_, _)| SyncedSessionView { session: view(session, side), neg: session.neg };
        let data = json!(SyncView {
            queue,
            sessions: session.into_iter().map(live).collect(),
            rooms,
            last_mid: session.and_then(|(session, _)| session.chat.last_message()),
        });
        self.push(id, PushKind::Sync, &data, now);
    }

    /// Tells the other side that this one is back, and this one, if it has to be told anew, that the other is away.
    pub(super) fn tell_return(&mut self, user: &UserId, has_gap: bool, now: Now) {
        self.tell_rooms_of_return(user, now);
        let Some((id, side)) = self.user_by_id.get(user).and_then(|user| user.session.clone()) else { return };
        let Some(session) = self.session_by_id.get(&id) else { return };
        let peer = session.participant(side.other()).user.clone();
        let place = WhereView::in_session(&id);
        let data = json!(PeerResumedView { place, peer: &session.participant(side).alias });
        self.push_to_user(&peer, PushKind::PeerResumed, &data, now);
        // After a restart nobody has looked at the credentials yet.
        self.on_ice_alarm(&id, side, now);
        let peer_until = self.user_by_id.get(&peer).and_then(|peer| peer.presence.lost_until());
        if let (true, Some(until)) = (has_gap, peer_until) {
            self.tell_loss(&id, side.other(), Some(until.unix), now);
        }
    }

    /// Checks that what is said to a user can be kept for it, if it is away (rule 28).
    ///
    /// # Errors
    ///
    /// `peer_unreachable`: it can be tried again when the other is back.
    pub(super) fn check_room_of(&self, receiver: &UserId, body: &impl Serialize) -> Result<(), Refusal> {
        let receiver = self.user_by_id.get(receiver);
        let Some(Presence::Lost(_, chain)) = receiver.map(|user| &user.presence) else { return Ok(()) };
        let bytes = serde_json::to_vec(body).map_or(usize::MAX, |body| body.len() + ENVELOPE_BYTES);
        if chain.has_room(bytes) {
            Ok(())
        } else {
            Err(Refusal::new(ErrorCode::PeerUnreachable, "the other side is away and has no room for more"))
        }
    }
}

/// Checks again what may have changed while a user was away.
///
/// # Errors
///
/// `unauthorized` once the access token has expired for longer than a socket outlives it (rule 35).
fn check_return(chain: &Chain, now: Now) -> Result<(), Refusal> {
    if chain.expires + EXPIRY_GRACE <= now.unix {
        return Err(Refusal::new(ErrorCode::Unauthorized, "the access token has expired"));
    }
    Ok(())
}
