//! Bans and lesser sanctions as they come into force: against those who are here at once, relay included.
use std::collections::HashSet;

use crate::matchmaking::UserId;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::Queue;
use crate::signal::hub::bans;
use crate::signal::hub::rooms::Parting;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::PushKind;
use crate::signal::session::EndReason;
use crate::signal::view::push::ModerationNoticeView;
use crate::store::Ban;
use crate::store::Banned;
use crate::store::Sanction;
use crate::time::Now;

impl Hub {
    /// Puts a ban in force. A warning that reaches somebody is not kept.
    pub(super) fn put_in_force(&mut self, ban: Ban, now: Now) {
        let users = self.users_under(&ban);
        let (id, sanction) = (ban.id.clone(), ban.sanction);
        self.bans.add(ban.clone(), now.unix);
        let notice = notice(&ban);
        let mut is_told = false;
        for user in &users {
            is_told |= self.user_by_id.get(user).is_some_and(|user| user.presence.chain().is_some());
            self.push_to_user(user, PushKind::ModerationNotice, &notice, now);
            match sanction {
                Sanction::Ban => self.throw_out(user, now),
                Sanction::Restrict => self.take_out_of_queue(user, now),
                Sanction::Mute | Sanction::Warn => {}
            }
        }
        if sanction == Sanction::Warn && is_told {
            self.bans.remove(&id);
            self.note("warning", move |store| store.remove_ban(&id).map(drop));
        }
        tracing::info!(action = sanction.as_str(), people = users.len(), "a sanction is in force");
    }

    /// Tells somebody who comes in anew what is in force, and warnings that have waited.
    pub(super) fn tell_sanctions(&mut self, user: &UserId, now: Now) {
        if self.bans.len() == 0 {
            return;
        }
        let against: Vec<Ban> = self.bans.against(self.who(user), now.unix).cloned().collect();
        for ban in against {
            self.push_to_user(user, PushKind::ModerationNotice, &notice(&ban), now);
            if ban.sanction == Sanction::Warn {
                self.bans.remove(&ban.id);
                self.note("warning", move |store| store.remove_ban(&ban.id).map(drop));
            }
        }
    }

    /// Those who are here, or waited for, and whom a ban holds against. Of those who are waited for the address is not
    /// known: it is looked at when they come back.
    fn users_under(&self, ban: &Ban) -> Vec<UserId> {
        match &ban.banned {
            // Also one who is away: REST may have given credentials.
            Banned::User(name) => vec![UserId(name.0.clone())],
            Banned::Device(device) => {
                let is_it = |user: &&UserId| self.who(user).device == Some(&*device.0);
                let mut users: HashSet<UserId> = self.user_by_id.keys().filter(is_it).cloned().collect();
                // Also those who are away, as above.
                users.extend(self.tokens.users_of_device(&device.0).into_iter().map(UserId));
                users.into_iter().collect()
            }
            Banned::Network(text) => {
                let Some(network) = bans::network(text) else { return Vec::new() };
                let is_within =
                    |user: &&UserId| self.who(user).ip.is_some_and(|ip| network.contains(&ip.to_canonical()));
                let online = self.connection_by_id.values().filter_map(|connection| connection.online.as_ref());
                online.map(|online| &online.user).filter(is_within).cloned().collect()
            }
        }
    }

    /// Ends everything that a user is in, and its connection (rule 34).
    fn throw_out(&mut self, user: &UserId, now: Now) {
        self.revoke_of_user(user, now);
        let Some(entry) = self.user_by_id.get_mut(user) else { return };
        if let Some(chain) = entry.presence.chain_mut() {
            chain.void();
        }
        let (connection, session) = (entry.presence.connection(), entry.session.clone());
        if let Some((session, _)) = session {
            self.end_session(&session, EndReason::Moderation, now);
        }
        self.leave_queue(user);
        self.leave_rooms(user, Parting::Kicked, now);
        match connection {
            Some(id) => self.close(id, CloseCode::Forbidden, now),
            None => self.give_up(user, now),
        }
    }

    /// Takes a ticket back; a request that waits for it is answered.
    fn take_out_of_queue(&mut self, user: &UserId, now: Now) {
        let Some(entry) = self.user_by_id.get(user) else { return };
        let waits = match &entry.queue {
            Queue::Joining(joining) => Some(joining.reply_to),
            Queue::Out | Queue::Waiting { .. } => None,
        };
        let connection = entry.presence.connection();
        self.leave_queue(user);
        let (Some(reply_to), Some(connection)) = (waits, connection) else { return };
        if let Err(refusal) = self.check_not_restricted(user, now.unix) {
            self.refuse(connection, reply_to, &refusal, now);
        }
        self.resume_deferred(&Asking { connection, reply_to, user: user.clone() }, now);
    }
}

/// `moderation.notice`
fn notice(ban: &Ban) -> ModerationNoticeView<'_> {
    ModerationNoticeView {
        action: ban.sanction.as_str(),
        reason: &ban.reason,
        until: ban.until.filter(|_| ban.sanction != Sanction::Warn),
    }
}
