//! `report.submit`, over both ways: who was there, what is frozen, and the block that comes with it (rules 39, 40).
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::auth::token::Subject;
use crate::auth::token::is_guest_name;
use crate::matchmaking::UserId;
use crate::signal::call_report::CallSummary;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::automatic::Weight;
use crate::signal::hub::blocks;
use crate::signal::hub::blocks::Whom;
use crate::signal::hub::evidence;
use crate::signal::hub::evidence::Frozen;
use crate::signal::hub::evidence::Scene;
use crate::signal::hub::happenings;
use crate::signal::id::random_text;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReportReason;
use crate::signal::protocol::ReportSubmit;
use crate::signal::protocol::window_of;
use crate::signal::view::ReportTakenView;
use crate::store;
use crate::store::Accuracy;
use crate::store::Block;
use crate::store::Participant;
use crate::store::Party;
use crate::store::Place;
use crate::store::Rank;
use crate::store::Report;
use crate::store::ReportId;
use crate::store::SessionId;
use crate::store::SessionRecord;
use crate::store::Store;
use crate::time::Now;
use crate::time::UnixMillis;

/// As many users of one address may spend their budget of `report.submit`.
pub(super) const REPORTERS_PER_ADDRESS: u32 = 4;
/// After a session either side may report for that long, as long as its history is open (rule 37).
const OPEN_AFTER_END: Duration = Duration::from_secs(86_400);

/// By how much a report goes ahead that cannot wait.
const URGENT: u8 = 30;

/// Takes what a report over REST is answered with; called once.
pub(crate) type ReportAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;

/// How the hub goes on with what became of a report; called once.
type Then = Box<dyn FnOnce(&mut Hub, Result<Value, Refusal>, Now) + Send>;

/// What the store made of a report.
enum Filed {
    /// It is stored, and so is the block, if one was wanted.
    Stored {
        block: Option<Block>,
        /// What all complaints about the same are worth.
        complaints: Weight,
    },
    /// Its reporter has reported that session before.
    Twice,
}

impl Hub {
    pub(super) fn on_report_submit(&mut self, asking: &Asking, report: ReportSubmit, now: Now) {
        let Some(reporter) = self.party(&asking.user) else { return };
        let ip = self.connection_by_id.get(&asking.connection).map(|connection| connection.peer.ip);
        if let Err(refusal) = self.take_report_budget(&asking.user, ip, now) {
            return self.refuse(asking.connection, asking.reply_to, &refusal, now);
        }
        let asked = asking.clone();
        let then: Then = Box::new(move |hub, outcome, now| match outcome {
            Ok(told) => hub.ok(asked.connection, asked.reply_to, &told),
            Err(refusal) => hub.refuse(asked.connection, asked.reply_to, &refusal, now),
        });
        self.submit_report(Some(asking.clone()), reporter, report, then);
    }

    /// Works on a report that comes over REST.
    pub(crate) fn handle_report(&mut self, subject: &Subject, report: ReportSubmit, answer: ReportAnswer, now: Now) {
        // Requests of one address are counted before they come here.
        if let Err(refusal) = self.take_report_budget(&UserId(subject.user.clone()), None, now) {
            return answer(Err(refusal));
        }
        let then: Then = Box::new(move |_, outcome, _| answer(outcome));
        self.submit_report(None, blocks::party_of(subject), report, then);
        self.settle(now);
    }

    fn take_report_budget(&mut self, user: &UserId, ip: Option<IpAddr>, now: Now) -> Result<(), Refusal> {
        let of_address = ip.map_or(Ok(()), |ip| self.report_submits_by_address.take(ip, now.mono));
        let budget = of_address.and_then(|()| self.report_submits.take(user.clone(), now.mono));
        budget.map_err(|wait| Refusal::rate_limited("too many report.submit", wait))
    }

    /// Finds out who was there. The question stands in the line of writes, behind all that was said before it.
    fn submit_report(&mut self, asking: Option<Asking>, reporter: Party, report: ReportSubmit, then: Then) {
        let (session, asked) = (report.session.clone(), asking.clone());
        self.write_by(
            asking.as_ref(),
            "report",
            move |store| store.session(&session),
            move |hub, outcome, now| match hub.both_in(&report.session, &reporter, outcome.as_ref().ok(), now.unix) {
                Some(both) => hub.file_report(asked, reporter, report, both, then, now),
                None if outcome.is_err() => then(hub, Err(unstored()), now),
                None => then(hub, Err(Refusal::not_in_session()), now),
            },
        );
    }

    /// The reporter and the other side of a session that runs or has ended within a day: from its record, or from the
    /// hub's own knowledge where the store has lost it.
    fn both_in(
        &self,
        session: &SessionId,
        reporter: &Party,
        record: Option<&Option<SessionRecord>>,
        now: UnixMillis,
    ) -> Option<[Participant; 2]> {
        if let Some(Some(SessionRecord { session, ending })) = record {
            if ending.as_ref().is_some_and(|ending| ending.at + OPEN_AFTER_END <= now) {
                return None;
            }
            let [a, b] = session.participants.clone();
            return match &reporter.user {
                user if *user == a.party.user => Some([a, b]),
                user if *user == b.party.user => Some([b, a]),
                _ => None,
            };
        }
        let (id, side) = self.side_of(&UserId(reporter.user.0.clone()), session.as_str()).ok()?;
        let live = self.session_by_id.get(&id)?;
        Some([side, side.other()].map(|side| {
            let participant = live.participant(side);
            let user = store::UserId::from(&participant.user);
            let chain = self.user_by_id.get(&participant.user).and_then(|user| user.presence.chain());
            let device = chain.and_then(|chain| chain.subject.device.clone()).map(store::DeviceId);
            Participant { party: Party { user, device }, alias: participant.alias.clone() }
        }))
    }

    /// Has the report stored with what proves it, and the block with it.
    fn file_report(
        &mut self,
        asking: Option<Asking>,
        reporter: Party,
        submit: ReportSubmit,
        both: [Participant; 2],
        then: Then,
        now: Now,
    ) {
        let [own, other] = both;
        let reported = other.party.clone();
        // Only a guest is kept away by its device (rule 39).
        let device = reported.device.clone().filter(|_| is_guest_name(&reported.user.0));
        let whom = Party { user: reported.user.clone(), device };
        // Nobody may meet whom they report because a disk is full.
        let at_least = submit.block.then(|| blocks::block(&reporter, whom.clone(), now));
        let scene = Scene {
            network: self.network_of(&UserId(reported.user.0.clone())),
            calls: self.calls_in(&submit.session, &own),
            place: Place::Session(submit.session.clone()),
            reporter: own,
            reported: other,
            mids: submit.mids,
            remark: None,
            files: self.settings.files.as_ref().map(|sharing| sharing.evidence),
            at: now.unix,
        };
        let id = ReportId(random_text::<12>().into());
        let report = Report {
            id: id.clone(),
            session: submit.session.clone(),
            reporter: reporter.user.clone(),
            reported,
            reason: submit.reason.as_str().into(),
            comment: submit.comment,
            evidence: "".into(),
            rank: Rank::USUAL,
            at: now.unix,
        };
        let event = happenings::event(
            happenings::REPORT_SUBMITTED,
            submit.session.as_str(),
            &json!({
                "report": &*id.0,
                "reason": submit.reason.as_str(),
                "reporter": &*report.reporter.0,
                "reported": &*report.reported.user.0,
            }),
            now,
        );
        let (fallback, kept_by) = (at_least.clone(), id.clone());
        let (about, since, accused) = (submit.reason, self.complaints_since(now.unix), report.reported.clone());
        let weighed = accused.clone();
        let work = move |store: &mut dyn Store| {
            let Frozen { evidence, files } = evidence::freeze(store, &scene)?;
            let evidence = evidence.to_string().into();
            let rank = rank(about, store.accuracy(&reporter.user)?);
            if !store.add_report(&Report { evidence, rank, ..report })? {
                return Ok(Filed::Twice);
            }
            for file in &files {
                store.keep_file(&kept_by, file)?;
            }
            store.append_event(&event)?;
            let complaints =
                since.map(|since| Weight::against(store, &accused, since)).transpose()?.unwrap_or_default();
            let Some(at_least) = at_least else { return Ok(Filed::Stored { block: None, complaints }) };
            // Whoever blocks as many as can be is kept apart from this one until a restart.
            let block = blocks::put(store, &reporter, Whom::Party(whom), now)?.unwrap_or(at_least);
            Ok(Filed::Stored { block: Some(block), complaints })
        };
        let (session, reason) = (submit.session, submit.reason.as_str());
        self.write_by(asking.as_ref(), "report", work, move |hub, outcome, now| {
            let mut complaints_now = Weight::default();
            let (told, block) = match outcome {
                Ok(Filed::Stored { block, complaints }) => {
                    complaints_now = complaints;
                    hub.stats.reports_submitted_total.add_one();
                    tracing::info!(report = %id.0, %session, reason, "report submitted");
                    (Ok(json!(ReportTakenView { report: &id.0 })), block)
                }
                Ok(Filed::Twice) => {
                    (Err(Refusal::new(ErrorCode::Conflict, "you have reported this session before")), None)
                }
                Err(_) => (Err(unstored()), fallback),
            };
            then(hub, told, now);
            block.iter().for_each(|block| hub.apply_block(block, now));
            hub.weigh_complaints(&weighed, complaints_now, &id, now);
        });
    }

    /// What both sides have told of a call that runs, the side of `own` first.
    fn calls_in(&self, session: &SessionId, own: &Participant) -> Option<[CallSummary; 2]> {
        let (id, side) = self.side_of(&UserId(own.party.user.0.clone()), session.as_str()).ok()?;
        let session = self.session_by_id.get(&id)?;
        Some([side, side.other()].map(|side| session.participant(side).report.summary()))
    }

    /// The address window that a user comes from now.
    pub(super) fn network_of(&self, user: &UserId) -> Option<String> {
        let connection = self.user_by_id.get(user)?.presence.connection()?;
        let ip = self.connection_by_id.get(&connection)?.peer.ip;
        Some(window_of(ip).to_string())
    }
}

/// Whoever was right before is heard sooner, and so is what cannot wait.
fn rank(reason: ReportReason, accuracy: Accuracy) -> Rank {
    let Accuracy { accepted, rejected } = accuracy;
    let all = accepted.saturating_add(rejected).saturating_add(2);
    let doubt_percent = rejected.saturating_add(1).saturating_mul(100) / all;
    let sooner = match reason {
        ReportReason::Minor | ReportReason::Violence => URGENT,
        ReportReason::Harassment
        | ReportReason::InappropriateContent
        | ReportReason::Spam
        | ReportReason::Nudity
        | ReportReason::Other => 0,
    };
    Rank(u8::try_from(doubt_percent).unwrap_or(100).saturating_sub(sooner))
}

fn unstored() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "the report could not be stored")
}
