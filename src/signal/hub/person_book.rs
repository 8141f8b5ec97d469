//! What somebody is told of what is kept about them.
use serde_json::Value;
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
                let sessions: Vec<Value> = records.iter().map(|record| session_view(record, &user)).collect();
                Ok(Ok(json!({"sessions": sessions, "next": next})))
            },
            move |_, outcome, _| answer(told(outcome)),
        );
    }
}

/// A session as one of the two sees it afterwards; the other one is an alias.
pub(super) fn session_view(record: &SessionRecord, user: &UserId) -> Value {
    let SessionRecord { session, ending } = record;
    let [a, b] = &session.participants;
    let (own, peer, side) = if a.party.user == *user { (a, b, "a") } else { (b, a, "b") };
    let details = SessionDetails::read(&session.details);
    // Our own JSON, and empty where no log is kept: what cannot be read is not told.
    let summary = ending.as_ref().and_then(|ending| serde_json::from_str::<Value>(&ending.summary).ok());
    let call = summary.as_ref().map(|summary| &summary[side]);
    let of_call = |name: &str| call.map(|call| call[name].clone()).unwrap_or_default();
    let route = of_call("path");
    // As in `rtc.state`; the record is finer.
    let path = route.as_str().map(|route| if route == "direct" { "direct" } else { "relay" });
    json!({
        "session": session.id,
        "self": own.alias,
        "peer": peer.alias,
        "started_at": session.started,
        "ended_at": ending.as_ref().map(|ending| ending.at),
        "duration_ms": ending.as_ref().map(|ending| ending.at.saturating_since(session.started).as_millis() as u64),
        "reason": ending.as_ref().map(|ending| &*ending.reason),
        "path": path,
        "route": route,
        "setup_ms": of_call("setup_ms"),
        "score_mean": of_call("score_mean"),
        "tags_common": details.tags_common,
        "language": details.language,
    })
}
