//! The desk of moderators: the queue of reports, who works on which, what is made of them, and the audit of all that.
//!
//! What is decided is stored with the bans that follow and the deed in one write; once that survives it is in force.
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::Role;
use crate::auth::token::Subject;
use crate::auth::token::is_guest_name;
use crate::signal::hub::Hub;
use crate::signal::hub::automatic::Weight;
use crate::signal::hub::case_view;
use crate::signal::hub::case_view::Cursor;
use crate::signal::hub::evidence;
use crate::signal::hub::happenings;
use crate::signal::hub::room_book::Found;
use crate::signal::hub::room_book::told;
use crate::signal::id::random_text;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::moderation_ask::ModerationAsk;
use crate::signal::page;
use crate::signal::protocol::Aim;
use crate::signal::protocol::DecisionRequest;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::checked_note;
use crate::signal::view::DeedView;
use crate::signal::view::DeedsView;
use crate::store::AppealId;
use crate::store::Ban;
use crate::store::BanId;
use crate::store::Banned;
use crate::store::Case;
use crate::store::Claim;
use crate::store::Decision;
use crate::store::Deed;
use crate::store::DeedNumber;
use crate::store::Event;
use crate::store::Note;
use crate::store::Party;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::Sanction;
use crate::store::Store;
use crate::store::UserId;
use crate::time::Now;
use crate::time::UnixMillis;

/// Entries of a page of reports, bans or deeds, unless the asker says.
const PAGE_DEFAULT: usize = 20;
/// Notes about one report.
pub(super) const NOTES_MAX: usize = 200;
/// How long a warning waits for somebody who is away.
const WARNING_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// Somebody with rights, at work.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) user: UserId,
    pub(super) role: Role,
    pub(super) at: UnixMillis,
}

impl Actor {
    /// What goes into the audit.
    pub(super) fn deed(&self, action: &str, subject: &str, details: &Value) -> Deed {
        Deed {
            at: self.at,
            by: self.user.clone(),
            action: action.into(),
            subject: subject.into(),
            details: details.to_string().into(),
        }
    }
}

impl Hub {
    /// Works on a request of somebody with rights; the answer may come later.
    pub(crate) fn handle_moderation(&mut self, by: &Subject, ask: ModerationAsk, answer: ModerationAnswer, now: Now) {
        if !may(by.role, &ask) {
            return answer(Err(Refusal::new(ErrorCode::Forbidden, "your role does not give this right")));
        }
        let actor = Actor { user: UserId(by.user.clone()), role: by.role, at: now.unix };
        match ask {
            ModerationAsk::Reports { state, after, limit } => self.list_reports(state.as_deref(), after, limit, answer),
            ModerationAsk::Report { report } => {
                self.on_case("report view", answer, move |store| show(store, &actor, &report_id(&report)));
            }
            ModerationAsk::ReportFile { report, file } => {
                self.on_case("file of a report", answer, move |store| {
                    hand_out(store, &actor, &report_id(&report), &file)
                });
            }
            ModerationAsk::Claim { report } => {
                self.on_case("claim", answer, move |store| claim(store, &actor, &report_id(&report)));
            }
            ModerationAsk::Release { report } => {
                self.on_case("claim", answer, move |store| release(store, &actor, &report_id(&report)));
            }
            ModerationAsk::Note { report, text } => match checked_note(&text) {
                Ok(text) => {
                    let note = Note { by: actor.user.clone(), at: actor.at, text };
                    self.on_case("note", answer, move |store| remark(store, &actor, &report_id(&report), &note));
                }
                Err(refusal) => answer(Err(refusal)),
            },
            ModerationAsk::Hold { report, is_held } => {
                self.on_case("legal hold", answer, move |store| hold(store, &actor, &report_id(&report), is_held));
            }
            ModerationAsk::Decide { report, decision } => self.decide(actor, report_id(&report), decision, answer),
            ModerationAsk::Bans { after, limit } => self.list_bans(after, limit, answer, now),
            ModerationAsk::Ban(request) => self.add_ban(actor, request, answer, now),
            ModerationAsk::Lift { ban } => self.lift_ban(actor, BanId(ban.into()), answer),
            ModerationAsk::Appeals { after, limit } => self.list_appeals(after, limit, answer),
            ModerationAsk::JudgeAppeal { appeal, verdict } => {
                self.judge_appeal(actor, AppealId(appeal.into()), verdict, answer);
            }
            ModerationAsk::Audit { before, limit } => self.list_deeds(before, limit, answer),
            ModerationAsk::Calls { after, limit } => answer(self.list_calls(after.as_deref(), limit)),
            ModerationAsk::OpenRooms { after, limit } => answer(self.list_open_rooms(after.as_deref(), limit)),
            ModerationAsk::ClearRoom { room, reason } => self.clear_room(&actor, room, reason, answer, now),
            ModerationAsk::Waiting { after, limit } => answer(self.list_waiting(after, limit)),
            ModerationAsk::EndCall { session, reason } => self.end_call(&actor, session, reason, answer, now),
            ModerationAsk::Accounts { search, limit } => self.list_accounts(search, limit, answer, now),
            ModerationAsk::AlterAccount { user, changes } => self.alter_account(actor, user, changes, answer),
            ModerationAsk::Done { action, subject, details } => {
                self.append_deed(actor.deed(action, &subject, &details), answer);
            }
        }
        self.settle(now);
    }

    /// Has a deed kept that is done already.
    pub(super) fn append_deed(&mut self, deed: Deed, answer: ModerationAnswer) {
        self.write(
            "deed",
            move |store| store.append_deed(&deed),
            move |_, outcome, _| {
                let unkept = |_| Refusal::new(ErrorCode::Unavailable, "it is done, but the audit could not be written");
                answer(outcome.map(|()| json!({})).map_err(unkept));
            },
        );
    }

    /// Has something about one report written, with its deed.
    fn on_case(
        &mut self,
        what: &'static str,
        answer: ModerationAnswer,
        work: impl FnOnce(&mut dyn Store) -> Found<Value> + Send + 'static,
    ) {
        self.write(what, work, move |_, outcome, _| answer(told(outcome)));
    }

    fn list_reports(
        &mut self,
        state: Option<&str>,
        after: Option<String>,
        limit: Option<usize>,
        answer: ModerationAnswer,
    ) {
        let page = page_size(limit).and_then(|limit| {
            let after = after.map(|after| Cursor::parse(&after)).transpose()?;
            Ok((case_view::Show::parse(state)?, after, limit))
        });
        let (show, after, limit) = match page {
            Ok(page) => page,
            Err(refusal) => return answer(Err(refusal)),
        };
        self.read(
            "reports",
            move |store| case_view::page(store, show, after, limit).map(Ok),
            move |_, outcome, _| answer(told(outcome)),
        );
    }

    fn decide(&mut self, actor: Actor, id: ReportId, request: DecisionRequest, answer: ModerationAnswer) {
        if request.until.is_some_and(|until| until <= actor.at) {
            return answer(Err(Refusal::bad_request("until is in the past")));
        }
        self.write(
            "decision",
            move |store| decide(store, &actor, &id, &request),
            move |hub, outcome, now| match told(outcome) {
                Ok(Decided { view, bans, reported, complaints }) => {
                    hub.stats.reports_moderated_total.add_one();
                    hub.weigh_decision(&reported, complaints, now);
                    bans.into_iter().for_each(|ban| hub.put_in_force(ban, now));
                    answer(Ok(view));
                }
                Err(refusal) => answer(Err(refusal)),
            },
        );
    }

    fn list_deeds(&mut self, before: Option<u64>, limit: Option<usize>, answer: ModerationAnswer) {
        let limit = match page_size(limit) {
            Ok(limit) => limit,
            Err(refusal) => return answer(Err(refusal)),
        };
        self.read(
            "audit",
            move |store| store.deeds(before.map(DeedNumber), limit),
            move |_, outcome, _| {
                answer(told(outcome.map(|deeds| {
                    let next = deeds.last().filter(|_| deeds.len() == limit).map(|(number, _)| number.0);
                    let deeds = deeds.iter().map(|(number, deed)| deed_view(*number, deed)).collect();
                    Ok(json!(DeedsView { deeds, next }))
                })));
            },
        );
    }
}

/// Whether a role has the rights.
fn may(role: Role, ask: &ModerationAsk) -> bool {
    match ask {
        // Who ends a hold destroys evidence, and nobody reads what moderators do but admins.
        ModerationAsk::Audit { .. } | ModerationAsk::Hold { is_held: false, .. } => role == Role::Admin,
        // What concerns the whole node, or the rights of others.
        ModerationAsk::Calls { .. }
        | ModerationAsk::Waiting { .. }
        | ModerationAsk::OpenRooms { .. }
        | ModerationAsk::ClearRoom { .. }
        | ModerationAsk::EndCall { .. }
        | ModerationAsk::Accounts { .. }
        | ModerationAsk::AlterAccount { .. }
        | ModerationAsk::Done { .. } => role == Role::Admin,
        ModerationAsk::Reports { .. }
        | ModerationAsk::Report { .. }
        | ModerationAsk::ReportFile { .. }
        | ModerationAsk::Claim { .. }
        | ModerationAsk::Release { .. }
        | ModerationAsk::Note { .. }
        | ModerationAsk::Hold { is_held: true, .. }
        | ModerationAsk::Decide { .. }
        | ModerationAsk::Bans { .. }
        | ModerationAsk::Ban(_)
        | ModerationAsk::Lift { .. }
        | ModerationAsk::Appeals { .. }
        | ModerationAsk::JudgeAppeal { .. } => role.is_staff(),
    }
}

/// How many entries of a page are asked for.
///
/// # Errors
///
/// `bad_request`
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, Refusal> {
    page::page_size(limit, PAGE_DEFAULT)
}

fn report_id(name: &str) -> ReportId {
    ReportId(name.into())
}

fn no_such_report() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such report")
}

fn show(store: &mut dyn Store, actor: &Actor, id: &ReportId) -> Found<Value> {
    let Some(case) = store.case(id)? else { return Ok(Err(no_such_report())) };
    // Who has read what two people wrote to each other is known.
    store.append_deed(&actor.deed("report.view", &id.0, &json!({})))?;
    Ok(Ok(case_view::whole(&case, &store.notes(id)?)))
}

/// Lets a moderator have a file that a report keeps. Who has looked at what is known.
fn hand_out(store: &mut dyn Store, actor: &Actor, id: &ReportId, file: &str) -> Found<Value> {
    if store.case(id)?.is_none() {
        return Ok(Err(no_such_report()));
    }
    let kept = store.kept_files(id)?;
    let Some(upload) = kept.iter().find(|upload| *upload.id.0 == *file) else {
        return Ok(Err(Refusal::new(ErrorCode::NotFound, "this report keeps no such file")));
    };
    let details = json!({"file": &*upload.id.0, "name": &*upload.name, "size": upload.bytes});
    store.append_deed(&actor.deed("report.file", &id.0, &details))?;
    Ok(Ok(json!({"file": &*upload.id.0})))
}

/// A report that this moderator may work on.
fn own_case(store: &dyn Store, actor: &Actor, id: &ReportId) -> Found<Case> {
    let Some(case) = store.case(id)? else { return Ok(Err(no_such_report())) };
    if [&case.report.reporter, &case.report.reported.user].contains(&&actor.user) {
        return Ok(Err(Refusal::new(ErrorCode::Forbidden, "you are part of this report")));
    }
    if case.decision.is_some() {
        return Ok(Err(Refusal::new(ErrorCode::Conflict, "this report is decided")));
    }
    let is_anothers = case.claim.as_ref().is_some_and(|claim| claim.by != actor.user);
    if is_anothers && actor.role != Role::Admin {
        return Ok(Err(Refusal::new(ErrorCode::Conflict, "another moderator works on this report")));
    }
    Ok(Ok(case))
}

fn claim(store: &mut dyn Store, actor: &Actor, id: &ReportId) -> Found<Value> {
    let case = match own_case(store, actor, id)? {
        Ok(case) => case,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let claim = Claim { by: actor.user.clone(), at: actor.at };
    store.claim(id, Some(&claim))?;
    store.append_deed(&actor.deed("report.claim", &id.0, &json!({})))?;
    Ok(Ok(json!(case_view::head(&Case { claim: Some(claim), ..case }))))
}

fn release(store: &mut dyn Store, actor: &Actor, id: &ReportId) -> Found<Value> {
    let case = match own_case(store, actor, id)? {
        Ok(case) => case,
        Err(refusal) => return Ok(Err(refusal)),
    };
    store.claim(id, None)?;
    store.append_deed(&actor.deed("report.release", &id.0, &json!({})))?;
    Ok(Ok(json!(case_view::head(&Case { claim: None, ..case }))))
}

fn remark(store: &mut dyn Store, actor: &Actor, id: &ReportId, note: &Note) -> Found<Value> {
    if store.notes(id)?.len() >= NOTES_MAX {
        return Ok(Err(Refusal::new(ErrorCode::Conflict, "a report has at most 200 notes")));
    }
    if !store.add_note(id, note)? {
        return Ok(Err(no_such_report()));
    }
    store.append_deed(&actor.deed("report.note", &id.0, &json!({"text": &*note.text})))?;
    Ok(Ok(json!(case_view::note(note))))
}

fn hold(store: &mut dyn Store, actor: &Actor, id: &ReportId, is_held: bool) -> Found<Value> {
    let Some(case) = store.case(id)? else { return Ok(Err(no_such_report())) };
    store.hold(id, is_held)?;
    store.append_deed(&actor.deed(if is_held { "report.hold" } else { "report.unhold" }, &id.0, &json!({})))?;
    Ok(Ok(json!(case_view::head(&Case { is_held, ..case }))))
}

/// What became of a report.
struct Decided {
    view: Value,
    /// To be put in force.
    bans: Vec<Ban>,
    reported: Party,
    /// How many still complain about the same.
    complaints: Weight,
}

/// Stores a decision with all that follows.
fn decide(store: &mut dyn Store, actor: &Actor, id: &ReportId, request: &DecisionRequest) -> Found<Decided> {
    let case = match own_case(store, actor, id)? {
        Ok(case) => case,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let bans = match bans_of(&case.report, actor, request) {
        Ok(bans) => bans,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let follows = match request.sanction {
        None => json!({}),
        Some(sanction) => json!({
            "action": sanction.as_str(),
            "target": request.aim.as_str(),
            "until": request.until,
            "bans": bans.iter().map(|ban| &*ban.id.0).collect::<Vec<_>>(),
        }),
    };
    let action = follows.to_string().into();
    let decision = Decision { by: actor.user.clone(), at: actor.at, is_accepted: request.is_accepted, action };
    store.decide(id, &decision)?;
    for ban in &bans {
        store.put_ban(ban)?;
        store.append_event(&happenings::ban_added(ban, actor.at))?;
    }
    let decided = Case { decision: Some(decision), ..case };
    let view = json!(case_view::head(&decided));
    store.append_deed(&actor.deed("report.decide", &id.0, &view["decision"]))?;
    let Report { session, reporter, reported, reason, .. } = &decided.report;
    let told = json!({
        "report": &*id.0,
        "reason": &**reason,
        "reporter": &*reporter.0,
        "reported": &*reported.user.0,
        "decision": view["decision"],
    });
    store.append_event(&Event::new(happenings::MODERATION_DECISION, session.as_str(), &told, actor.at))?;
    let reported = decided.report.reported;
    let complaints = Weight::against(store, &reported, UnixMillis(0))?;
    Ok(Ok(Decided { view, bans, reported, complaints }))
}

/// What follows from a report that is accepted.
fn bans_of(report: &Report, actor: &Actor, request: &DecisionRequest) -> Result<Vec<Ban>, Refusal> {
    let Some(sanction) = request.sanction else { return Ok(Vec::new()) };
    let user = || Banned::User(report.reported.user.clone());
    let device = report.reported.device.clone().map(Banned::Device);
    let conflict = |message| Refusal::new(ErrorCode::Conflict, message);
    let against = match request.aim {
        Aim::User => vec![user()],
        Aim::Device => vec![device.ok_or(conflict("no device is known of the reported user"))?],
        Aim::Network => {
            let network = evidence::network_in(&report.evidence);
            let network = network.ok_or(conflict("no address is known of the reported user"))?;
            vec![Banned::Network(network.into())]
        }
        // The next hello of a guest makes another user on the same device; it is warned once.
        Aim::Person if is_guest_name(&report.reported.user.0) && sanction != Sanction::Warn => {
            [user()].into_iter().chain(device).collect()
        }
        Aim::Person => vec![user()],
    };
    let until = if sanction == Sanction::Warn { Some(actor.at + WARNING_LIFE) } else { request.until };
    let ban = |banned| Ban {
        id: BanId(random_text::<12>().into()),
        banned,
        sanction,
        reason: report.reason.clone(),
        by: actor.user.clone(),
        report: Some(report.id.clone()),
        at: actor.at,
        until,
    };
    Ok(against.into_iter().map(ban).collect())
}

fn deed_view(number: DeedNumber, deed: &Deed) -> DeedView<'_> {
    DeedView {
        number: number.0,
        at: deed.at,
        by: &deed.by.0,
        action: &deed.action,
        subject: &deed.subject,
        // Our own words; should they be damaged the rest is still told.
        details: serde_json::from_str(&deed.details).unwrap_or_default(),
    }
}
