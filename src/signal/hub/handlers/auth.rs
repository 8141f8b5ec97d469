//! `hello`, `auth.refresh`, `bye`, `ack`: who the client is, and for how long.
use std::net::IpAddr;
use std::time::Duration;

use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::matchmaking::UserId;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::User;
use crate::signal::hub::bans::Who;
use crate::signal::hub::chain::Chain;
use crate::signal::hub::resume::Return;
use crate::signal::hub::rooms::Parting;
use crate::signal::hub::timers::Timer;
use crate::signal::id::ConnectionId;
use crate::signal::outbox::Class;
use crate::signal::protocol::ClientToken;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Credentials;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Hello;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReplyTo;
use crate::signal::session::EndReason;
use crate::signal::stats::Returning;
use crate::signal::view::live::DoneView;
use crate::signal::view::push::AuthExpiringView;
use crate::signal::view::push::AuthRefreshedView;
use crate::signal::view::push::Greeting;
use crate::signal::view::push::GuestTokens;
use crate::signal::view::push::HelloOk;
use crate::signal::view::push::UserView;
use crate::time::Now;
use crate::time::UnixMillis;

/// Pings come at this interval; told in the ok of `hello`.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(25);
/// `auth.expiring` comes that long before the expiry (rule 15).
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);
/// A socket outlives its token by that much (rule 15).
pub(in crate::signal::hub) const EXPIRY_GRACE: Duration = Duration::from_secs(25);

impl Hub {
    pub(in crate::signal::hub) fn on_hello(
        &mut self,
        id: ConnectionId,
        reply_to: ReplyTo,
        hello: Hello,
        now: Now,
    ) -> Result<(), Refusal> {
        tracing::debug!(connection = %id, name = hello.client.name, version = hello.client.version, "hello");
        let Some(connection) = self.connection_by_id.get(&id) else { return Ok(()) };
        let (ip, bearer) = (connection.peer.ip, connection.peer.bearer.clone());
        let outcome = match (hello.credentials, bearer) {
            (Credentials::Token(ClientToken(token)), _) | (Credentials::Omitted, Some(token)) => {
                self.identify(&token, ip, now)
            }
            (Credentials::Guest(_), _) if !self.settings.guests_by_hello => {
                Err(Refusal::new(ErrorCode::Forbidden, "guests come by POST /v1/auth/guest, with a proof"))
            }
            (Credentials::Guest(device), _) => self.handle_guest(ip, &device, now).map(Welcomed::Guest),
            (Credentials::Resume(resume), _) => {
                let found = self.find_return(&resume, ip, now);
                let became = match &found {
                    Ok(back) if back.replay.is_some() => Returning::Whole,
                    Ok(_) => Returning::WithGap,
                    Err(_) => Returning::Refused,
                };
                self.stats.returns(became).add_one();
                found.map(Welcomed::Back)
            }
            (Credentials::Omitted, None) => Err(Refusal::bad_request("one of token, guest, resume is needed")),
        };
        match outcome {
            Ok(Welcomed::Known(identity)) => self.welcome_fresh(id, reply_to, identity, None, now),
            Ok(Welcomed::Guest(Issued { identity, access_token, refresh_token, .. })) => {
                let tokens = GuestTokens { access_token, refresh_token };
                self.welcome_fresh(id, reply_to, identity, Some(tokens), now);
            }
            Ok(Welcomed::Back(back)) => self.welcome_back(id, reply_to, back, now),
            Err(refusal) => {
                self.refuse(id, reply_to, &refusal, now);
                // A failed hello ends the connection (rule 9), one that can be repeated does not.
                match refusal.code {
                    ErrorCode::Unauthorized => self.close(id, CloseCode::Unauthorized, now),
                    ErrorCode::Forbidden | ErrorCode::Banned => self.close(id, CloseCode::Forbidden, now),
                    ErrorCode::BadRequest
                    | ErrorCode::UnknownType
                    | ErrorCode::NotFound
                    | ErrorCode::Conflict
                    | ErrorCode::TooLarge
                    | ErrorCode::RateLimited
                    | ErrorCode::NotInSession
                    | ErrorCode::PeerUnreachable
                    | ErrorCode::QueueFull
                    | ErrorCode::AlreadyQueued
                    | ErrorCode::Unavailable => {}
                }
            }
        }
        Ok(())
    }

    fn identify(&self, token: &str, ip: IpAddr, now: Now) -> Result<Welcomed, Refusal> {
        let verified = self.tokens.verify(token, now.unix);
        let identity = verified.map_err(|_| Refusal::new(ErrorCode::Unauthorized, "the token is not valid"))?;
        self.check_subject(&identity.subject, ip, now.unix)?;
        Ok(Welcomed::Known(identity))
    }

    /// Begins a new chain: the ticket of an older socket is dropped (rule 23), its session and rooms taken over
    /// (rule 33).
    fn welcome_fresh(
        &mut self,
        id: ConnectionId,
        reply_to: ReplyTo,
        identity: Identity,
        tokens: Option<GuestTokens>,
        now: Now,
    ) {
        let user_id = UserId(identity.subject.user.clone());
        self.leave_queue(&user_id);
        let user = self.user_by_id.entry(user_id.clone()).or_insert_with(User::away);
        let has_session = user.session.is_some();
        self.tell_arrival(&user_id);
        let goes_on = has_session || !self.rooms.of(&user_id).is_empty();
        self.attach(id, &user_id, Some(Chain::new(identity)));
        self.greet(id, reply_to, &user_id, Greeting { resumed: false, gap: goes_on, tokens });
        if goes_on {
            self.sync(id, &user_id, now);
        }
        self.tell_sanctions(&user_id, now);
        self.on_auth_alarm(id, now);
        self.tell_return(&user_id, true, now);
    }

    /// Goes on with a chain: the ok, then what was missed or `sync`, then what is new (rule 35).
    fn welcome_back(&mut self, id: ConnectionId, reply_to: ReplyTo, back: Return, now: Now) {
        let Return { user, last_seq, replay } = back;
        self.tell_arrival(&user);
        self.attach(id, &user, None);
        if let Some(chain) = self.user_by_id.get_mut(&user).and_then(|user| user.presence.chain_mut()) {
            chain.go_on_after(last_seq);
        }
        let has_gap = replay.is_none();
        self.greet(id, reply_to, &user, Greeting { resumed: true, gap: has_gap, tokens: None });
        match replay {
            Some(frames) => frames.into_iter().for_each(|frame| self.send(id, Class::Kept, frame)),
            None => self.sync(id, &user, now),
        }
        self.on_auth_alarm(id, now);
        self.tell_return(&user, has_gap, now);
    }

    /// Answers `hello`. The resume token is a new one each time (rule 34).
    fn greet(&mut self, id: ConnectionId, reply_to: ReplyTo, user: &UserId, greeting: Greeting) {
        let window = self.settings.resume_window;
        let chain = self.user_by_id.get_mut(user).and_then(|user| user.presence.chain_mut());
        let Some(chain) = chain else { return };
        let resume_token = (!window.is_zero()).then(|| chain.rotate());
        let subject = chain.subject.clone();
        let data = HelloOk {
            connection: id,
            user: UserView { id: &subject.user, role: subject.role.as_str(), guest: subject.guest },
            resume_token,
            resume_window_ms: window.as_millis() as u64,
            heartbeat_ms: HEARTBEAT.as_millis() as u64,
            auth_expires_at: chain.expires,
            greeting,
        };
        self.ok(id, reply_to, &data);
        self.record_chain(user);
    }

    /// Announces the expiry of a token 60 s before, closes 25 s after it (rule 15), and sees to it that this is
    /// called when either is due.
    pub(in crate::signal::hub) fn on_auth_alarm(&mut self, id: ConnectionId, now: Now) {
        let connection = self.connection_by_id.get_mut(&id);
        let Some(online) = connection.and_then(|connection| connection.online.as_mut()) else { return };
        online.auth_alarm.rang(now.mono);
        let chain = self.user_by_id.get(&online.user).and_then(|user| user.presence.chain());
        let Some(expires) = chain.map(|chain| chain.expires) else { return };
        let notice = UnixMillis(expires.0.saturating_sub(EXPIRY_NOTICE.as_millis() as u64));
        let end = expires + EXPIRY_GRACE;
        if end <= now.unix {
            self.close(id, CloseCode::Unauthorized, now);
            return;
        }
        let is_told = online.told_expiry == Some(expires);
        let due = if notice <= now.unix || is_told { end } else { notice };
        let due = now.mono + due.saturating_since(now.unix);
        if online.auth_alarm.needs(due) {
            self.timers.set(due, Timer::Auth(id));
        }
        if notice <= now.unix && !is_told {
            online.told_expiry = Some(expires);
            self.push(id, PushKind::AuthExpiring, &AuthExpiringView { at: expires }, now);
        }
    }

    pub(super) fn on_auth_refresh(&mut self, asking: &Asking, token: &str, now: Now) -> Result<(), Refusal> {
        let verified = self.tokens.verify(token, now.unix);
        let identity = verified.map_err(|_| Refusal::new(ErrorCode::Unauthorized, "the token is not valid"))?;
        if identity.subject.user != asking.user.0 {
            return Err(Refusal::new(ErrorCode::Forbidden, "the token of another user"));
        }
        let ip = self.connection_by_id.get(&asking.connection).map(|connection| connection.peer.ip);
        if let Err(refusal) = self.check_not_banned(Who::of(&identity.subject, ip), now.unix) {
            // A device that the token before did not name may be banned.
            self.refuse(asking.connection, asking.reply_to, &refusal, now);
            self.close(asking.connection, CloseCode::Forbidden, now);
            return Ok(());
        }
        let chain = self.user_by_id.get_mut(&asking.user).and_then(|user| user.presence.chain_mut());
        let Some(chain) = chain else { return Ok(()) };
        chain.expires = identity.expires;
        chain.family = identity.family;
        chain.subject = identity.subject;
        self.record_chain(&asking.user);
        self.ok(asking.connection, asking.reply_to, &AuthRefreshedView { auth_expires_at: identity.expires });
        self.on_auth_alarm(asking.connection, now);
        Ok(())
    }

    /// Leaves queue and rooms, ends the session, voids the resume token and closes with 1000 (rule 13).
    pub(super) fn on_bye(&mut self, asking: &Asking, now: Now) -> Result<(), Refusal> {
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        let Some(user) = self.user_by_id.get_mut(&asking.user) else { return Ok(()) };
        if let Some(chain) = user.presence.chain_mut() {
            chain.void();
        }
        if let Some((session, _)) = user.session.clone() {
            self.end_session(&session, EndReason::Ended, now);
        }
        self.leave_rooms(&asking.user, Parting::Left, now);
        self.close(asking.connection, CloseCode::Normal, now);
        Ok(())
    }

    /// Trims what a resume would replay (rule 35).
    pub(super) fn on_ack(&mut self, asking: &Asking, seq: u64) -> Result<(), Refusal> {
        let chain = self.user_by_id.get_mut(&asking.user).and_then(|user| user.presence.chain_mut());
        if let Some(chain) = chain {
            chain.trim(seq);
        }
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        Ok(())
    }
}

/// Whoever said `hello`.
enum Welcomed {
    Known(Identity),
    Guest(Issued),
    Back(Return),
}
