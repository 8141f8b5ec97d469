//! What happens without a moderator: somebody about whom several complain is not matched until that is decided on.
use serde_json::Value;
use serde_json::json;

use crate::auth::token::Role;
use crate::auth::token::is_guest_name;
use crate::signal::hub::Hub;
use crate::signal::hub::ban_book;
use crate::signal::hub::bans::Who;
use crate::signal::hub::desk::Actor;
use crate::signal::hub::happenings;
use crate::signal::id::random_text;
use crate::store::Accuracy;
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Party;
use crate::store::ReportId;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::UserId;
use crate::time::Now;
use crate::time::UnixMillis;

/// Who does it, in bans and audit. No user has that name: ours begin otherwise, those of others have a colon.
pub(super) const NAME: &str = "automatic";

/// Of whom complaints are weighed; more than can be needed.
const COMPLAINANTS_MAX: usize = 2000;

/// What complaints are worth, in hundredths of one by somebody of whom nothing is known.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight(u64);

impl Weight {
    /// So many complaints of people of whom nothing is known.
    fn of(complaints: u32) -> Self {
        Self(u64::from(complaints) * 100)
    }

    /// One complaint of somebody who was right and wrong so often: whoever is always wrong counts for less and less.
    fn by(accuracy: Accuracy) -> Self {
        let Accuracy { accepted, rejected } = accuracy;
        let right = accepted.saturating_add(1);
        Self(right.saturating_mul(100) / right.saturating_add(rejected))
    }

    /// What is open about somebody since that moment.
    ///
    /// # Errors
    ///
    /// An accident.
    pub(super) fn against(store: &dyn Store, reported: &Party, since: UnixMillis) -> Result<Self, StoreError> {
        let mut sum = 0_u64;
        for complainant in store.open_against(reported, since, COMPLAINANTS_MAX)? {
            sum = sum.saturating_add(Self::by(store.accuracy(&complainant)?).0);
        }
        Ok(Self(sum))
    }
}

/// A sanction that a program wants.
pub(super) struct Imposed {
    /// Who: no user has that name.
    pub(super) by: &'static str,
    pub(super) sanction: Sanction,
    /// For whom it is against.
    pub(super) reason: &'static str,
    pub(super) report: Option<ReportId>,
    pub(super) until: Option<UnixMillis>,
    /// For the audit.
    pub(super) because: Value,
}

impl Hub {
    /// The moment from which on complaints count together; `None`: they never do.
    pub(super) fn complaints_since(&self, now: UnixMillis) -> Option<UnixMillis> {
        let automatic = self.settings.automatic;
        let window = u64::try_from(automatic.window.as_millis()).unwrap_or(u64::MAX);
        (automatic.reports > 0).then(|| UnixMillis(now.0.saturating_sub(window)))
    }

    /// Restricts somebody about whom so many complain, if that is too many and has not been done.
    pub(super) fn weigh_complaints(&mut self, reported: &Party, complaints: Weight, report: &ReportId, now: Now) {
        let limit = self.settings.automatic.reports;
        if limit == 0 || complaints < Weight::of(limit) || !self.automatic_bans(reported, now).is_empty() {
            return;
        }
        let imposed = Imposed {
            by: NAME,
            sanction: Sanction::Restrict,
            reason: "several people have reported you",
            report: Some(report.clone()),
            until: None,
            because: json!({"complaints_percent": complaints.0}),
        };
        self.impose(reported, imposed, now);
    }

    /// Puts in force what no moderator has decided; of guests it holds against the device.
    pub(super) fn impose(&mut self, whom: &Party, imposed: Imposed, now: Now) {
        let Imposed { by, sanction, reason, report, until, because } = imposed;
        let device = whom.device.clone().filter(|_| is_guest_name(&whom.user.0));
        let ban = Ban {
            id: BanId(random_text::<12>().into()),
            banned: device.map_or_else(|| Banned::User(whom.user.clone()), Banned::Device),
            sanction,
            reason: reason.into(),
            by: UserId(by.into()),
            report,
            at: now.unix,
            until,
        };
        let mut details = json!(ban_book::view(&ban));
        if let Some(details) = details.as_object_mut() {
            details.insert("because".into(), because);
        }
        let deed = actor(by, now.unix).deed("ban.add", &ban.id.0, &details);
        let (stored, event) = (ban.clone(), happenings::ban_added(&ban, now.unix));
        self.note("automatic sanction", move |store: &mut dyn Store| {
            store.put_ban(&stored)?;
            store.append_event(&event)?;
            store.append_deed(&deed)
        });
        self.put_in_force(ban, now);
    }

    /// Lets somebody be matched again once so few complaints are open.
    pub(super) fn weigh_decision(&mut self, reported: &Party, complaints: Weight, now: Now) {
        if complaints >= Weight::of(self.settings.automatic.reports.max(1)) {
            return;
        }
        for ban in self.automatic_bans(reported, now) {
            self.bans.remove(&ban.id);
            let deed = actor(NAME, now.unix).deed("ban.lift", &ban.id.0, &json!(ban_book::view(&ban)));
            let event = happenings::ban_lifted(&ban, &UserId(NAME.into()), now.unix);
            self.note("automatic restriction", move |store: &mut dyn Store| {
                store.remove_ban(&ban.id)?;
                store.append_event(&event)?;
                store.append_deed(&deed)
            });
        }
    }

    fn automatic_bans(&self, reported: &Party, now: Now) -> Vec<Ban> {
        let device = reported.device.as_ref().map(|device| &*device.0);
        let who = Who { user: Some(&reported.user.0), device, ip: None };
        self.bans.against(who, now.unix).filter(|ban| &*ban.by.0 == NAME).cloned().collect()
    }
}

pub(super) fn actor(by: &str, at: UnixMillis) -> Actor {
    Actor { user: UserId(by.into()), role: Role::Admin, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_wrong_counts_for_less_and_nobody_for_more_than_one() {
        let weight = |accepted, rejected| Weight::by(Accuracy { accepted, rejected }).0;
        assert_eq!(
            [(0, 0), (5, 0), (0, 1), (0, 3), (1, 1), (9, 2)].map(|(a, r)| weight(a, r)),
            [100, 100, 50, 25, 66, 83]
        );
        assert_eq!(weight(u64::MAX, u64::MAX), 1);
    }
}
