//! Appeals: those who are kept out say why they should not be, once per decision, and a moderator lifts it or keeps it.
//!
//! This is the one thing that somebody banned may do with a token. Who has lost it gets a pass for just that.
use std::net::IpAddr;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::AppealPass;
use crate::auth::token::Subject;
use crate::auth::token::is_device_name;
use crate::signal::hub::Hub;
use crate::signal::hub::ban_book;
use crate::signal::hub::bans::Who;
use crate::signal::hub::desk::Actor;
use crate::signal::hub::desk::page_size;
use crate::signal::hub::happenings;
use crate::signal::hub::room_book::told;
use crate::signal::id::random_text;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::page::Mark;
use crate::signal::protocol::AppealAsk;
use crate::signal::protocol::AppealSubmit;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::VerdictRequest;
use crate::signal::view::appeal::AppealView;
use crate::signal::view::appeal::AppealsView;
use crate::signal::view::appeal::OpenAppealView;
use crate::signal::view::appeal::OwnAppealsView;
use crate::signal::view::appeal::SanctionView;
use crate::signal::view::appeal::VerdictView;
use crate::store::Appeal;
use crate::store::AppealId;
use crate::store::AppealPlace;
use crate::store::Ban;
use crate::store::Event;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::UserId;
use crate::store::Verdict;
use crate::time::Now;

/// Where the answer goes; called once and must not wait.
pub(crate) type AppealAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;

/// Appeals of one user that are told.
pub(super) const OWN_MAX: usize = 100;

impl Hub {
    /// Works on what somebody asks who may be banned; the answer may come later.
    pub(crate) fn handle_appeal(&mut self, ip: IpAddr, token: &str, ask: AppealAsk, answer: AppealAnswer, now: Now) {
        // Not by handle_verify, which refuses those whom this is for.
        let subject = match self.tokens.verify_for_appeal(token, now.unix) {
            Ok(subject) => subject,
            Err(error) => {
                let refusal = Refusal::new(ErrorCode::Unauthorized, "");
                return answer(Err(Refusal { message: error.to_string().into(), ..refusal }));
            }
        };
        match ask {
            AppealAsk::Own => self.tell_own(&subject, ip, answer, now),
            AppealAsk::Submit(submit) => self.submit_appeal(&subject, ip, submit, answer, now),
        }
        self.settle(now);
    }

    /// A pass for somebody who has shown to be that, banned or not: whether it is tells nobody anything here.
    pub(crate) fn handle_pass(&self, subject: &Subject, now: Now) -> AppealPass {
        self.tokens.issue_pass(subject, now.unix)
    }

    fn tell_own(&mut self, subject: &Subject, ip: IpAddr, answer: AppealAnswer, now: Now) {
        let in_force: Vec<Ban> = self.bans.against(appellant(subject, ip), now.unix).cloned().collect();
        let user = UserId(subject.user.clone());
        self.read(
            "appeals",
            move |store| store.appeals_of(&user, OWN_MAX),
            move |_, outcome, _| {
                answer(told(outcome.map(|mut appeals| {
                    appeals.sort_by_key(|appeal| std::cmp::Reverse(appeal.at));
                    let sanctions = in_force.iter().map(|ban| sanction_view(ban, &appeals)).collect();
                    Ok(json!(OwnAppealsView { sanctions, appeals: appeals.iter().map(own_view).collect() }))
                })));
            },
        );
    }

    fn submit_appeal(&mut self, subject: &Subject, ip: IpAddr, submit: AppealSubmit, answer: AppealAnswer, now: Now) {
        let against: Vec<&Ban> = self.bans.against(appellant(subject, ip), now.unix).collect();
        let Some(ban) = against.iter().find(|ban| *ban.id.0 == *submit.ban) else {
            return answer(Err(Refusal::new(ErrorCode::NotFound, "nothing of that name is in force against you")));
        };
        if ban.sanction == Sanction::Warn {
            return answer(Err(Refusal::bad_request("a warning takes nothing away")));
        }
        let decision = decision_of(ban);
        let of_decision = against.iter().filter(|other| decision_of(other) == decision);
        let appeal = Appeal {
            id: AppealId(random_text::<12>().into()),
            user: UserId(subject.user.clone()),
            decision: decision.into(),
            bans: of_decision.map(|ban| ban.id.clone()).collect(),
            text: submit.text,
            at: now.unix,
            verdict: None,
        };
        let event = Event::new(happenings::APPEAL_SUBMITTED, &appeal.user.0, &facts(&appeal), now.unix);
        let stored = appeal.clone();
        self.write(
            "appeal",
            move |store: &mut dyn Store| {
                if !store.add_appeal(&stored)? {
                    return Ok(Err(Refusal::new(ErrorCode::Conflict, "you have appealed against that before")));
                }
                store.append_event(&event)?;
                Ok(Ok(()))
            },
            move |_, outcome, _| answer(told(outcome).map(|()| json!(own_view(&appeal)))),
        );
    }

    pub(super) fn list_appeals(&mut self, after: Option<String>, limit: Option<usize>, answer: ModerationAnswer) {
        let page = page_size(limit).and_then(|limit| Ok((after.as_deref().map(Mark::parse).transpose()?, limit)));
        let (after, limit) = match page {
            Ok((after, limit)) => {
                (after.map(|mark| AppealPlace { at: mark.at, id: AppealId(mark.name.into()) }), limit)
            }
            Err(refusal) => return answer(Err(refusal)),
        };
        self.read(
            "appeals",
            move |store| store.open_appeals(after.as_ref(), limit),
            move |hub, outcome, _| {
                answer(told(outcome.map(|appeals| {
                    let last = appeals.last().filter(|_| appeals.len() == limit);
                    let next = last.map(|last| Mark::text(last.at, &last.id.0));
                    let appeals = appeals.iter().map(|appeal| open_view(appeal, hub)).collect();
                    Ok(json!(AppealsView { appeals, next }))
                })));
            },
        );
    }

    pub(super) fn judge_appeal(
        &mut self,
        actor: Actor,
        id: AppealId,
        request: VerdictRequest,
        answer: ModerationAnswer,
    ) {
        let wanted = id.clone();
        self.read(
            "appeal",
            move |store| store.appeal(&wanted),
            move |hub, outcome, _| match told(outcome.map(|found| found.ok_or_else(no_such_appeal))) {
                Ok(appeal) if appeal.user == actor.user => {
                    answer(Err(Refusal::new(ErrorCode::Forbidden, "another moderator decides on your appeal")));
                }
                Ok(appeal) => hub.put_verdict(&actor, appeal, request, answer),
                Err(refusal) => answer(Err(refusal)),
            },
        );
    }

    fn put_verdict(&mut self, actor: &Actor, appeal: Appeal, request: VerdictRequest, answer: ModerationAnswer) {
        let VerdictRequest { is_lifted, note } = request;
        let verdict = Verdict { by: actor.user.clone(), at: actor.at, is_lifted, note };
        // Some may be over, or lifted by somebody else.
        let bans = appeal.bans.iter().filter(|_| is_lifted).filter_map(|id| self.bans.get(id));
        let bans: Vec<Ban> = bans.cloned().collect();
        let judged = Appeal { verdict: Some(verdict.clone()), ..appeal };
        let view = json!(whole(&judged));
        let mut events: Vec<Event> =
            bans.iter().map(|ban| happenings::ban_lifted(ban, &actor.user, actor.at)).collect();
        let mut told_outside = facts(&judged);
        told_outside["decision_on_appeal"] = json!(if is_lifted { "lift" } else { "keep" });
        told_outside["by"] = json!(&*actor.user.0);
        events.push(Event::new(happenings::APPEAL_DECIDED, &judged.user.0, &told_outside, actor.at));
        let deed = actor.deed("appeal.decide", &judged.id.0, &view);
        let lifted = bans.clone();
        self.write(
            "appeal",
            move |store: &mut dyn Store| {
                if !store.judge_appeal(&judged.id, &verdict)? {
                    return Ok(Err(Refusal::new(ErrorCode::Conflict, "this appeal is decided")));
                }
                for ban in &bans {
                    store.remove_ban(&ban.id)?;
                }
                events.iter().try_for_each(|event| store.append_event(event))?;
                store.append_deed(&deed)?;
                Ok(Ok(()))
            },
            move |hub, outcome, _| {
                let outcome = told(outcome);
                if outcome.is_ok() {
                    lifted.iter().for_each(|ban| drop(hub.bans.remove(&ban.id)));
                }
                answer(outcome.map(|()| view));
            },
        );
    }
}

/// Whoever appeals, as bans see it. What holds against a network is no matter of a device: in the name of devices that anybody
/// makes up there would be no end of appeals.
fn appellant(subject: &Subject, ip: IpAddr) -> Who<'_> {
    Who::of(subject, Some(ip).filter(|_| !is_device_name(&subject.user)))
}

/// What a ban is part of: a guest is banned by user and by device at once.
fn decision_of(ban: &Ban) -> &str {
    ban.report.as_ref().map_or(&ban.id.0, |report| &report.0)
}

fn no_such_appeal() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such appeal")
}

fn facts(appeal: &Appeal) -> Value {
    let bans: Vec<&str> = appeal.bans.iter().map(|ban| &*ban.0).collect();
    json!({"appeal": &*appeal.id.0, "decision": &*appeal.decision, "bans": bans})
}

/// As moderators see it.
fn whole(appeal: &Appeal) -> AppealView<'_> {
    AppealView {
        appeal: &appeal.id.0,
        decision: &appeal.decision,
        bans: appeal.bans.iter().map(|ban| &*ban.0).collect(),
        user: &appeal.user.0,
        text: &appeal.text,
        at: appeal.at,
        verdict: appeal.verdict.as_ref().map(|verdict| VerdictView {
            decision: if verdict.is_lifted { "lift" } else { "keep" },
            by: Some(&verdict.by.0),
            at: verdict.at,
            note: &verdict.note,
        }),
    }
}

/// With what of it is still in force.
fn open_view<'a>(appeal: &'a Appeal, hub: &'a Hub) -> OpenAppealView<'a> {
    let sanctions = appeal.bans.iter().filter_map(|id| hub.bans.get(id)).map(ban_book::view);
    OpenAppealView { appeal: whole(appeal), sanctions: sanctions.collect() }
}

/// As the user sees it: not who judged.
pub(super) fn own_view(appeal: &Appeal) -> AppealView<'_> {
    let whole = whole(appeal);
    AppealView { verdict: whole.verdict.map(|verdict| VerdictView { by: None, ..verdict }), ..whole }
}

/// A ban as whoever it holds against sees it.
fn sanction_view<'a>(ban: &'a Ban, appeals: &'a [Appeal]) -> SanctionView<'a> {
    let appeal = appeals.iter().find(|appeal| *appeal.decision == *decision_of(ban));
    SanctionView {
        ban: &ban.id.0,
        action: ban.sanction.as_str(),
        reason: &ban.reason,
        at: ban.at,
        until: ban.until,
        appeal: appeal.map(|appeal| &*appeal.id.0),
    }
}
