//! The first thing a hub does: it goes on where the process before it was ended, by whatever.
//!
//! Sessions keep their deadlines. Both sides count as lost, and have a window of their own to come back in: it begins
//! now, as nobody could come back before. What they were sent since is not known here, so whoever comes back has a gap.
//! Tickets go on waiting from where they were, and are matched once their users are back.
use std::collections::HashSet;
use std::time::Duration;

use crate::auth;
use crate::auth::resume::ResumeHash;
use crate::auth::token::FamilyId;
use crate::auth::token::Identity;
use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::matchmaking::UserId;
use crate::matchmaking::runner::Command;
use crate::signal::alarm::Alarm;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::User;
use crate::signal::hub::bans::Who;
use crate::signal::hub::chain::Chain;
use crate::signal::hub::chain::Presence;
use crate::signal::hub::timers::Timer;
use crate::signal::id::Side;
use crate::signal::keepsake::ChainDetails;
use crate::signal::keepsake::KeptTicket;
use crate::signal::past::Past;
use crate::signal::room::Pass;
use crate::signal::session::EndReason;
use crate::signal::session::Session;
use crate::store;
use crate::store::Block;
use crate::time::Now;
use crate::time::UnixMillis;

/// Clients find out about a restart one after the other, and wait a while between attempts: a shorter
/// `session.resume_window` does not count for them.
const WINDOW_MIN: Duration = Duration::from_secs(30);

/// So many windows end in one moment; each one more ends a little later, as every user that is given up is work for the
/// store, and those who are back must not wait for all of it.
const AT_ONCE: usize = 1000;
const LATER_EACH: Duration = Duration::from_micros(100);

impl Hub {
    /// Goes on with what was left. To be called once, before anything else.
    pub(crate) fn restore(&mut self, past: Past, now: Now) {
        let Past { sessions, resumptions, revocations, meetings, blocks, bans, families, buried_families } = past;
        for store::BuriedFamily { id, until } in buried_families {
            self.tokens.restore_buried(FamilyId::new(id), until);
        }
        let mut alive = HashSet::new();
        for family in families.into_iter().filter_map(family) {
            if family.expires > now.unix {
                alive.insert(store::UserId(family.subject.user.clone()));
            }
            self.tokens.restore(family);
        }
        // The sweeps have taken away the logins of some guests.
        let is_departed = |block: &Block| block.owner.device.is_some() && !alive.contains(&block.owner.user);
        let (departed, blocks): (Vec<_>, Vec<_>) = blocks.into_iter().partition(is_departed);
        let departed: HashSet<_> = departed.into_iter().map(|block| block.owner.user).collect();
        self.remove_blocks_of(departed.into_iter().collect());
        bans.into_iter().for_each(|ban| self.bans.add(ban, now.unix));
        let window = self.settings.resume_window;
        let until = now.plus(if window.is_zero() { window } else { window.max(WINDOW_MIN) });
        for store::Revocation { name, until } in revocations.into_iter().filter(|one| one.until > now.unix) {
            self.effects.push_back(Effect::Revoke(Pass::new_until(name, until)));
        }
        let users = resumptions.len();
        let waiting: Vec<_> =
            resumptions.into_iter().filter_map(|resumption| self.restore_chain(resumption, until)).collect();
        let (calls, is_over) = (sessions.len(), |session: &Session| session.left(now) == Some(Duration::ZERO));
        blocks.iter().for_each(|block| self.keep_apart(block));
        for live in sessions {
            self.message_ids.follow(live.last_mid);
            let [a, b] = live.session.participants.each_ref().map(|participant| &participant.party);
            let is_blocked = self.separations.separates(a, b);
            let is_banned = [a, b].into_iter().any(|party| {
                let device = party.device.as_ref().map(|device| &*device.0);
                self.check_not_banned(Who { user: Some(&party.user.0), device, ip: None }, now.unix).is_err()
            });
            let session = Session::restored(live, now);
            let id = session.id.clone();
            let end = if is_over(&session) {
                None
            } else if is_banned {
                // Likewise: the ban was stored in the moment before.
                Some(EndReason::Moderation)
            } else if is_blocked {
                // Stored in the moment before the end.
                Some(EndReason::Ended)
            } else {
                (!self.take_seats(&session, until)).then_some(EndReason::Lost)
            };
            self.session_by_id.insert(id.clone(), session);
            match end {
                Some(reason) => self.end_session(&id, reason, now),
                None => self.on_session_alarm(&id, now),
            }
        }
        for store::Meeting { users, at } in meetings {
            let left = self.settings.retention.meetings.saturating_sub(now.unix.saturating_since(at));
            let users = users.map(|user| UserId(user.0));
            self.effects.push_back(Effect::Matchmaking(Command::MetBefore { users, left }));
        }
        // Those who were called away in the moment before the end wait no more.
        waiting.into_iter().for_each(|(user, ticket)| self.restore_ticket(&user, ticket, now));
        if users + calls > 0 {
            tracing::info!(
                sessions = self.session_by_id.len(),
                users = self.users_lost,
                "waiting for those who were here"
            );
        }
        self.settle(now);
    }

    /// Waits for a user whose resume token was good; returns the ticket that it waited with.
    fn restore_chain(&mut self, resumption: store::Resumption, until: Now) -> Option<(UserId, KeptTicket)> {
        let id = UserId(resumption.user.0);
        let details = ChainDetails::read(&resumption.details).filter(|(identity, _)| {
            // Killed in the moment before the end.
            identity.family.as_ref().is_none_or(|family| !self.tokens.is_buried(family))
        });
        let details = details.filter(|_| !self.settings.resume_window.is_zero());
        let token = ResumeHash::from_bytes(resumption.token_hash);
        if let Some((identity, ticket)) = details
            && self.wait_for_restored(&id, Chain::restored(identity, Some(token)), until)
        {
            return ticket.map(|ticket| (id, ticket));
        }
        self.forget_chain(&id);
        None
    }

    /// Gives both sides of a session their seats; false if one has another already, or cannot be waited for.
    fn take_seats(&mut self, session: &Session, until: Now) -> bool {
        for side in Side::BOTH {
            let participant = session.participant(side);
            // Without a token only a plain hello brings a user back (rule 33).
            if !self.user_by_id.contains_key(&participant.user) {
                let chain = Chain::restored(nobody_yet(&participant.user), None);
                if !self.wait_for_restored(&participant.user, chain, until) {
                    return false;
                }
            }
        }
        let users = Side::BOTH.map(|side| session.participant(side).user.clone());
        let is_free = |user| self.user_by_id.get(user).is_some_and(|user: &User| user.session.is_none());
        if !users.iter().all(is_free) {
            return false;
        }
        for (side, user) in Side::BOTH.into_iter().zip(users) {
            if let Some(user) = self.user_by_id.get_mut(&user) {
                user.session = Some((session.id.clone(), side));
            }
        }
        true
    }

    fn wait_for_restored(&mut self, id: &UserId, chain: Chain, until: Now) -> bool {
        if self.users_lost >= self.settings.limits.connections as usize {
            return false;
        }
        let more = self.users_lost.saturating_sub(AT_ONCE);
        let until = until.plus(LATER_EACH * u32::try_from(more).unwrap_or(u32::MAX));
        let mut window = Alarm::default();
        if window.needs(until.mono) {
            self.timers.set(until.mono, Timer::WindowOver(id.clone()));
        }
        self.users_lost += 1;
        let user = User { presence: Presence::Lost(until, chain), window, ..User::away() };
        self.user_by_id.insert(id.clone(), user);
        true
    }
}

fn family(kept: store::Family) -> Option<auth::token::Family> {
    let store::Family { lookup, id, subject, secret_hash, expires, account } = kept;
    let subject = serde_json::from_str(&subject).ok()?;
    Some(auth::token::Family { lookup, id: FamilyId::new(id), subject, secret_hash, expires, account })
}

/// What stands for a user until its plain hello says who it is.
fn nobody_yet(user: &UserId) -> Identity {
    let subject = Subject { user: user.0.clone(), role: Role::User, guest: false, device: None, age_band: None };
    Identity { subject, expires: UnixMillis(0), family: None }
}
