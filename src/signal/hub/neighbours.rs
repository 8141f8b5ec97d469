//! What this node tells the others, and what it does about what they tell.
use crate::auth::token::FamilyChange;
use crate::auth::token::FamilyId;
use crate::bus::Heard;
use crate::bus::News;
use crate::bus::Said;
use crate::bus::To;
use crate::matchmaking::UserId;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::chain::Presence;
use crate::signal::protocol::CloseCode;
use crate::time::Now;

impl Hub {
    /// A user's socket is here: if it has an older one on another node, that one is replaced.
    pub(super) fn tell_arrival(&mut self, user: &UserId) {
        self.tell(News::Arrived { user: user.0.clone() });
    }

    /// Logins that were killed here are dead everywhere.
    pub(super) fn tell_killed(&mut self, changes: &[FamilyChange]) {
        for change in changes {
            if let FamilyChange::Buried(family, until) = change {
                self.tell(News::LoginKilled { family: family.name().clone(), until: *until });
            }
        }
    }

    fn tell(&mut self, news: News) {
        self.effects.push_back(Effect::Tell(Said { to: To::Others, news }));
    }

    pub(crate) fn handle_heard(&mut self, heard: Heard, now: Now) {
        match heard {
            Heard::News { news: News::Arrived { user }, .. } => self.on_arrived_elsewhere(&UserId(user), now),
            Heard::News { news: News::LoginKilled { family, until }, .. } => {
                let family = FamilyId::new(family);
                self.tokens.restore_buried(family.clone(), until);
                self.close_family(&family, now);
            }
            Heard::Missed(count) => tracing::warn!(count, "this node is too slow to hear the others"),
        }
        self.settle(now);
    }

    /// Whoever is connected elsewhere is not here any more, nor waited for. What it had here ends: another node cannot
    /// go on with it.
    fn on_arrived_elsewhere(&mut self, user: &UserId, now: Now) {
        match self.user_by_id.get_mut(user).map(|user| &mut user.presence) {
            Some(Presence::Online(connection, chain)) => {
                chain.void();
                let connection = *connection;
                self.close(connection, CloseCode::Replaced, now);
            }
            Some(Presence::Lost(..)) => self.give_up(user, now),
            Some(Presence::Away) | None => {}
        }
    }
}
