//! `hello`, `auth.refresh`, `bye`, `ack`: who the client is, and for how long.
use std::time::Duration;

use serde_json::json;

use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::matchmaking::UserId;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::hub::User;
use crate::signal::hub::connections::Online;
use crate::signal::hub::sessions::view;
use crate::signal::hub::timers::Timer;
use crate::signal::id::ConnectionId;
use crate::signal::limit::TokenBucket;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::Credentials;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Hello;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReplyTo;
use crate::signal::session::EndReason;
use crate::time::Now;
use crate::time::UnixMillis;

/// Pings come at this interval; told in the ok of `hello`.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(25);
/// `auth.expiring` comes that long before the expiry (rule 15).
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);
/// A socket outlives its token by that much (rule 15).
const EXPIRY_GRACE: Duration = Duration::from_secs(25);

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
            (Credentials::Token(token), _) | (Credentials::Omitted, Some(token)) => self.identify(&token, now),
            (Credentials::Guest(device), _) => self.handle_guest(ip, &device, now).map(Welcomed::Guest),
            // No token was ever given out for it, so any is unknown (rule 34).
            (Credentials::Resume, _) => Err(Refusal::new(ErrorCode::Unauthorized, "the resume token is not valid")),
            (Credentials::Omitted, None) => Err(Refusal::bad_request("one of token, guest, resume is needed")),
        };
        match outcome {
            Ok(welcomed) => self.welcome_user(id, reply_to, welcomed, now),
            Err(refusal) => {
                self.refuse(id, reply_to, &refusal, now);
                // A failed hello ends the connection (rule 9), one that can be repeated does not.
                match refusal.code {
                    ErrorCode::Unauthorized => self.close(id, CloseCode::Unauthorized, now),
                    ErrorCode::Forbidden => self.close(id, CloseCode::Forbidden, now),
                    ErrorCode::BadRequest
                    | ErrorCode::UnknownType
                    | ErrorCode::NotFound
                    | ErrorCode::Conflict
                    | ErrorCode::TooLarge
                    | ErrorCode::RateLimited
                    | ErrorCode::NotInSession
                    | ErrorCode::QueueFull
                    | ErrorCode::AlreadyQueued
                    | ErrorCode::Unavailable => {}
                }
            }
        }
        Ok(())
    }

    fn identify(&self, token: &str, now: Now) -> Result<Welcomed, Refusal> {
        let identity = self.tokens.verify(token, now.unix);
        identity.map(Welcomed::Known).map_err(|_| Refusal::new(ErrorCode::Unauthorized, "the token is not valid"))
    }

    fn welcome_user(&mut self, id: ConnectionId, reply_to: ReplyTo, welcomed: Welcomed, now: Now) {
        let (Identity { subject, expires, family }, tokens) = welcomed.split();
        let Some(connection) = self.connection_by_id.get_mut(&id) else { return };
        let user_id = UserId(subject.user.clone());
        let mut data = json!({
            "connection": id,
            "user": {"id": subject.user, "role": subject.role, "guest": subject.guest},
            // Nothing can be resumed here, and null says so.
            "resume_token": null,
            "resume_window_ms": 0,
            "resumed": false,
            "heartbeat_ms": HEARTBEAT.as_millis() as u64,
            "auth_expires_at": expires,
        });
        connection.link.set_online();
        connection.online = Some(Online::new(subject, expires, family));
        // A fresh hello drops the ticket of an older socket (rule 23) and takes its session over (rule 33).
        self.leave_queue(&user_id);
        let user = self.user_by_id.entry(user_id.clone()).or_insert(User {
            connection: None,
            queue: Queue::Out,
            session: None,
            joins: TokenBucket::FULL,
            skips: TokenBucket::FULL,
        });
        let older = user.connection.replace(id);
        let session = user.session.clone();
        match older {
            Some(older) => self.close_replaced(older),
            None => self.users_online += 1,
        }
        if let Some(data) = data.as_object_mut() {
            data.insert("gap".into(), json!(session.is_some()));
            data.extend(tokens.into_iter().flatten().map(|(name, token)| (name.to_owned(), json!(token))));
        }
        self.ok(id, reply_to, &data);
        self.on_auth_alarm(id, now);
        if let Some((session_id, side)) = session
            && let Some(session) = self.session_by_id.get(&session_id)
        {
            let mut shown = view(session, side);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("neg".into(), json!(session.neg));
            }
            let sync = json!({"sessions": [shown], "rooms": [], "last_mid": session.last_message});
            let peer = session.participant(side.other()).user.clone();
            let resumed = json!({"session": session_id, "peer": session.participant(side).alias});
            self.push(id, PushKind::Sync, &sync, now);
            self.push_to_user(&peer, PushKind::PeerResumed, &resumed, now);
        }
    }

    /// Announces the expiry of a token 60 s before, closes 25 s after it (rule 15), and sees to it that this is
    /// called when either is due.
    pub(in crate::signal::hub) fn on_auth_alarm(&mut self, id: ConnectionId, now: Now) {
        let connection = self.connection_by_id.get_mut(&id);
        let Some(online) = connection.and_then(|connection| connection.online.as_mut()) else { return };
        online.auth_alarm.rang(now.mono);
        let expires = online.expires;
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
            self.push(id, PushKind::AuthExpiring, &json!({"at": expires}), now);
        }
    }

    pub(super) fn on_auth_refresh(&mut self, asking: &Asking, token: &str, now: Now) -> Result<(), Refusal> {
        let verified = self.tokens.verify(token, now.unix);
        let identity = verified.map_err(|_| Refusal::new(ErrorCode::Unauthorized, "the token is not valid"))?;
        if identity.subject.user != asking.user.0 {
            return Err(Refusal::new(ErrorCode::Forbidden, "the token of another user"));
        }
        let Some(connection) = self.connection_by_id.get_mut(&asking.connection) else { return Ok(()) };
        let Some(online) = connection.online.as_mut() else { return Ok(()) };
        online.expires = identity.expires;
        online.family = identity.family;
        online.subject = identity.subject;
        self.ok(asking.connection, asking.reply_to, &json!({"auth_expires_at": identity.expires}));
        self.on_auth_alarm(asking.connection, now);
        Ok(())
    }

    /// Leaves the queue, ends the session and closes with 1000 (rule 13).
    pub(super) fn on_bye(&mut self, asking: &Asking, now: Now) -> Result<(), Refusal> {
        self.ok(asking.connection, asking.reply_to, &json!({}));
        let session = self.user_by_id.get(&asking.user).and_then(|user| user.session.clone());
        if let Some((session, side)) = session {
            self.end_session(&session, EndReason::Ended, Some(side), now);
        }
        self.close(asking.connection, CloseCode::Normal, now);
        Ok(())
    }

    /// Trims what a resume would replay (rule 35), of which there is nothing here.
    pub(super) fn on_ack(&mut self, asking: &Asking, seq: u64) -> Result<(), Refusal> {
        tracing::trace!(connection = %asking.connection, seq, "ack");
        self.ok(asking.connection, asking.reply_to, &json!({}));
        Ok(())
    }
}

/// Whoever said `hello`.
enum Welcomed {
    Known(Identity),
    Guest(Issued),
}

impl Welcomed {
    /// The identity, and for guests the tokens by their names in the reply.
    fn split(self) -> (Identity, Option<[(&'static str, String); 2]>) {
        match self {
            Welcomed::Known(identity) => (identity, None),
            Welcomed::Guest(issued) => {
                let tokens = [("access_token", issued.access_token), ("refresh_token", issued.refresh_token)];
                (issued.identity, Some(tokens))
            }
        }
    }
}
