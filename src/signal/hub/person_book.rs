//! What somebody is told of what is kept about them.
use serde::Deserialize;
use serde_json::json;

use crate::auth::token::Subject;
use crate::signal::hub::Hub;
use crate::signal::hub::room_book::told;
use crate::signal::keepsake::SessionDetails;
use crate::signal::page::Mark;
use crate::signal::page::PageAsk;
use crate::signal::page::Span;
use crate::signal::person_ask::PersonAnswer;
use crate::signal::person_ask::PersonAsk;
use crate::signal::view::own::PastSessionView;
use crate::signal::view::own::PastSessionsView;
use crate::store::SessionId;
use crate::store::SessionPlace;
use crate::store::SessionRecord;
use crate::store::UserId;
use crate::time::Now;

/// Sessions of a page, unless the asker says.
const SESSIONS_DEFAULT: usize = 50;

impl Hub {
    /// Works on a request of somebody about oneself; the answer may come later.
    pub(crate) fn handle_person_ask(&mut self, subject: &Subject, ask: PersonAsk, answer: PersonAnswer, now: Now) {
        let user = UserId(subject.user.clone());
        match ask {
            PersonAsk::Sessions(page) => self.list_sessions(user, &page, answer),
            PersonAsk::Export(part) => self.export(subject, part, answer, now),
        }
        self.settle(now);
    }

    fn list_sessions(&mut self, user: UserId, page: &PageAsk, answer: PersonAnswer) {
        let span = match Span::new(page, SESSIONS_DEFAULT) {
            Ok(span) => span,
            Err(refusal) => return answer(Err(refusal)),
        };
        let place = |Mark { at, name }| SessionPlace { started: at, id: SessionId(name.into()) };
        let before = span.after.clone().map(place);
        self.read(
            "sessions",
            move |store| {
                let mut records = store.ended_sessions(&user, before.as_ref(), span.limit + 1)?;
                let next = span.cut(&mut records, |last| Mark::text(last.session.started, last.session.id.as_str()));
                let sessions = records.iter().map(|record| session_view(record, &user)).collect();
                Ok(Ok(json!(PastSessionsView { sessions, next })))
            },
            move |_, outcome, _| answer(told(outcome)),
        );
    }
}

/// What the record of a session says of its sides, as far as it is told.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    a: SideSummary,
    b: SideSummary,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SideSummary {
    path: Option<String>,
    setup_ms: Option<u64>,
    score_mean: Option<f64>,
}

/// A session as one of the two sees it afterwards; the other one is an alias.
pub(super) fn session_view(record: &SessionRecord, user: &UserId) -> PastSessionView {
    let SessionRecord { session, ending } = record;
    // Our own JSON, and empty where no log is kept: what cannot be read is not told.
    let summary = ending.as_ref().and_then(|ending| serde_json::from_str::<Summary>(&ending.summary).ok());
    let Summary { a: call_of_a, b: call_of_b } = summary.unwrap_or_default();
    let [a, b] = &session.participants;
    let (own, peer, call) = if a.party.user == *user { (a, b, call_of_a) } else { (b, a, call_of_b) };
    let SideSummary { path: route, setup_ms, score_mean } = call;
    let details = SessionDetails::read(&session.details);
    // As in `rtc.state`; the record is finer.
    let path = route.as_deref().map(|route| if route == "direct" { "direct" } else { "relay" });
    PastSessionView {
        session: session.id.clone(),
        own: own.alias.clone(),
        peer: peer.alias.clone(),
        started_at: session.started,
        ended_at: ending.as_ref().map(|ending| ending.at),
        duration_ms: ending.as_ref().map(|ending| ending.at.saturating_since(session.started).as_millis() as u64),
        reason: ending.as_ref().map(|ending| ending.reason.clone()),
        path,
        route,
        setup_ms,
        score_mean,
        tags_common: details.tags_common,
        language: details.language,
    }
}
