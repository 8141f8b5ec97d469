//! Bans as REST sees them: listed, made without a report, lifted.
use serde_json::json;

use crate::auth::token::Role;
use crate::matchmaking;
use crate::signal::hub::Hub;
use crate::signal::hub::desk::Actor;
use crate::signal::hub::desk::page_size;
use crate::signal::hub::happenings;
use crate::signal::id::random_text;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::protocol::BanRequest;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::view::BanView;
use crate::signal::view::BansView;
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Sanction;
use crate::store::Store;
use crate::time::Now;

/// Bans of the node; each takes some hundred bytes of memory.
const BANS_MAX: usize = 1_000_000;
/// Networks among them, which are looked through one by one.
const NETWORKS_MAX: usize = 4096;

impl Hub {
    pub(super) fn list_bans(
        &mut self,
        after: Option<String>,
        limit: Option<usize>,
        answer: ModerationAnswer,
        now: Now,
    ) {
        let limit = match page_size(limit) {
            Ok(limit) => limit,
            Err(refusal) => return answer(Err(refusal)),
        };
        // One that is lifted meanwhile ends the walk; the next begins anew.
        let last = match after {
            None => None,
            Some(after) => match self.bans.get(&BanId(after.into())) {
                Some(last) => Some(last),
                None => return answer(Err(Refusal::new(ErrorCode::NotFound, "there is no such ban any more"))),
            },
        };
        let mut page: Vec<&Ban> = self.bans.older_than(last, now.unix).take(limit + 1).collect();
        let has_more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| has_more).map(|ban| &*ban.id.0);
        answer(Ok(json!(BansView { bans: page.into_iter().map(view).collect(), next })));
    }

    pub(super) fn add_ban(&mut self, actor: Actor, request: BanRequest, answer: ModerationAnswer, now: Now) {
        if let Err(refusal) = self.check_ban(&actor, &request) {
            return answer(Err(refusal));
        }
        let BanRequest { banned, sanction, reason, until } = request;
        let ban = Ban {
            id: BanId(random_text::<12>().into()),
            banned,
            sanction,
            reason,
            by: actor.user.clone(),
            report: None,
            at: now.unix,
            until,
        };
        let (stored, deed) = (ban.clone(), actor.deed("ban.add", &ban.id.0, &json!(view(&ban))));
        let event = happenings::ban_added(&ban, now.unix);
        self.write(
            "ban",
            move |store: &mut dyn Store| {
                store.put_ban(&stored)?;
                store.append_event(&event)?;
                store.append_deed(&deed)
            },
            move |hub, outcome, now| {
                let told = json!(view(&ban));
                // Nobody stays because a disk is full.
                hub.put_in_force(ban, now);
                let unstored =
                    |_| Refusal::new(ErrorCode::Unavailable, "in force until a restart: the ban could not be stored");
                answer(outcome.map(|()| told).map_err(unstored));
            },
        );
    }

    fn check_ban(&self, actor: &Actor, request: &BanRequest) -> Result<(), Refusal> {
        if request.until.is_some_and(|until| until <= actor.at) {
            return Err(Refusal::bad_request("until is in the past"));
        }
        if let Banned::User(user) = &request.banned {
            if *user == actor.user {
                return Err(Refusal::bad_request("nobody bans themselves"));
            }
            let known = self.user_by_id.get(&matchmaking::UserId(user.0.clone()));
            let role = known.and_then(|user| user.presence.chain()).map(|chain| chain.subject.role);
            if role == Some(Role::Admin) && actor.role != Role::Admin {
                return Err(Refusal::new(ErrorCode::Forbidden, "only an admin bans an admin"));
            }
        }
        let is_network = matches!(request.banned, Banned::Network(_));
        if self.bans.len() >= BANS_MAX || is_network && self.bans.networks() >= NETWORKS_MAX {
            return Err(Refusal::new(ErrorCode::Conflict, "there are as many bans as there can be"));
        }
        Ok(())
    }

    pub(super) fn lift_ban(&mut self, actor: Actor, id: BanId, answer: ModerationAnswer) {
        let Some(ban) = self.bans.get(&id) else {
            return answer(Err(Refusal::new(ErrorCode::NotFound, "there is no such ban")));
        };
        let deed = actor.deed("ban.lift", &id.0, &json!(view(ban)));
        let event = happenings::ban_lifted(ban, &actor.user, actor.at);
        let stored = id.clone();
        self.write(
            "ban",
            move |store: &mut dyn Store| {
                // Twice at once it is lifted once.
                if store.remove_ban(&stored)? {
                    store.append_event(&event)?;
                }
                store.append_deed(&deed)
            },
            move |hub, outcome, _| {
                if outcome.is_ok() {
                    hub.bans.remove(&id);
                }
                let unstored = |_| Refusal::new(ErrorCode::Unavailable, "the ban could not be lifted");
                answer(outcome.map(|()| json!({})).map_err(unstored));
            },
        );
    }
}

/// A ban as moderators see it.
pub(super) fn view(ban: &Ban) -> BanView<'_> {
    let Ban { id, banned, sanction, reason, by, report, at, until } = ban;
    let (mut user, mut device, mut network) = (None, None, None);
    match banned {
        Banned::User(name) => user = Some(&*name.0),
        Banned::Device(name) => device = Some(&*name.0),
        Banned::Network(text) => network = Some(&**text),
    }
    BanView {
        id: &id.0,
        action: sanction.as_str(),
        user,
        device,
        network,
        reason,
        by: &by.0,
        at: *at,
        report: report.as_ref().map(|report| &*report.0),
        // A warning has no end that matters to anybody.
        until: until.filter(|_| *sanction != Sanction::Warn),
    }
}
