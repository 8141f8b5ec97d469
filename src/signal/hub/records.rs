//! What the store is told of sessions: that they begin, how far they come, how they end, and who has met whom.
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::matchmaking::Ticket;
use crate::signal::Relayed;
use crate::signal::call_report::CallReport;
use crate::signal::hub::Effect;
use crate::signal::hub::Ended;
use crate::signal::hub::Hub;
use crate::signal::hub::happenings;
use crate::signal::hub::timers::Timer;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::keepsake::SessionDetails;
use crate::signal::room::Pass;
use crate::store;
use crate::time::Now;
use crate::time::UnixMillis;

/// `neg` changes many times while a call is set up; so much later it is kept.
const NEG_DELAY: Duration = Duration::from_secs(1);

impl Hub {
    /// Stores a session that begins; everything written in it finds it there.
    pub(super) fn record_start(&mut self, id: &SessionId, tickets: [&Ticket; 2], now: Now) {
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        let [a, b] = tickets;
        let participants = [(Side::A, a), (Side::B, b)].map(|(side, ticket)| store::Participant {
            party: store::Party { user: (&ticket.user).into(), device: ticket.device.as_ref().map(Into::into) },
            alias: session.participant(side).alias.clone(),
        });
        let progress = session.progress();
        session.recorded = Some(progress);
        let stored = store::Session {
            id: session.id.clone(),
            participants,
            started: session.started.unix,
            limit: self.settings.session_limit,
            details: SessionDetails::write(session),
            progress,
        };
        let meeting = store::Meeting { users: [(&a.user).into(), (&b.user).into()], at: now.unix };
        let waited_ms = [a, b].map(|ticket| now.mono.saturating_since(ticket.since).as_millis() as u64);
        let event = happenings::event(
            happenings::SESSION_STARTED,
            session.id.as_str(),
            &json!({
                "users": [&*a.user.0, &*b.user.0],
                "tags_common": session.tags_common,
                "language": session.language,
                "waited_ms": waited_ms,
                "deadline": session.deadline.map(|deadline| deadline.unix),
            }),
            now,
        );
        self.note("session", move |store| {
            store.start_session(&stored)?;
            store.put_meeting(&meeting)?;
            store.append_event(&event)
        });
    }

    /// Stores how far a session has come, if that is news.
    pub(super) fn record_progress(&mut self, id: &SessionId) {
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        let progress = session.progress();
        // One that is not recorded yet will be with all of it.
        if session.recorded.is_none_or(|recorded| recorded == progress) {
            return;
        }
        session.recorded = Some(progress);
        let id = id.clone();
        self.note("session", move |store| store.progress_session(&id, &progress));
    }

    /// Has the progress stored soon, and once for all that comes until then.
    pub(super) fn record_progress_later(&mut self, id: &SessionId, now: Now) {
        let Some(session) = self.session_by_id.get_mut(id) else { return };
        let at = now.mono + NEG_DELAY;
        if session.record_alarm.needs(at) {
            self.timers.set(at, Timer::Progress(id.clone()));
        }
    }

    pub(super) fn on_progress_due(&mut self, id: &SessionId, now: Now) {
        if let Some(session) = self.session_by_id.get_mut(id) {
            session.record_alarm.rang(now.mono);
        }
        self.record_progress(id);
    }

    /// Stores the end of a session; from then on what was written in it is kept for as long as sessions' chat is.
    pub(super) fn record_end(&mut self, ended: &Ended, now: Now) {
        let id = ended.session.clone();
        let ending =
            store::Ending { at: now.unix, reason: ended.reason.as_str().into(), summary: summary(ended, None) };
        let [a, b] = ended.reports.each_ref().map(CallReport::summary);
        let event = happenings::event(
            happenings::SESSION_ENDED,
            id.as_str(),
            &json!({"reason": ended.reason, "duration_ms": ended.duration.as_millis() as u64, "reports": [a, b]}),
            now,
        );
        self.note("session", move |store| {
            store.end_session(&id, &ending)?;
            store.append_event(&event)
        });
        self.record_revocation(&ended.session, ended.credentials_until, now);
    }

    /// Has the relay let go of what somebody used in a room.
    pub(super) fn revoke(&mut self, passes: Vec<Pass>, now: Now) {
        for pass in passes {
            self.record_revocation(&pass.name, pass.until, now);
            self.effects.push_back(Effect::Revoke(pass));
        }
    }

    /// Stores that credentials are refused, so that the relay does so after a restart too. Those of rooms are stored as
    /// soon as they are out: after a restart nobody is in a room.
    pub(super) fn record_revocation(&mut self, name: &SessionId, until: UnixMillis, now: Now) {
        if until > now.unix {
            let revocation = store::Revocation { name: name.clone(), until };
            self.note("revocation", move |store| store.put_revocation(&revocation));
        }
    }

    /// Adds to the record of a session what the relay did for it, which is known a moment after its end.
    pub(crate) fn handle_relayed(&mut self, ended: &Ended, relayed: Option<Relayed>, now: Now) {
        let Some(relayed) = relayed else { return };
        let (id, summary) = (ended.session.clone(), summary(ended, Some(relayed)));
        let event = happenings::event(happenings::RELAY_USED, id.as_str(), &json!(relayed), now);
        self.note("session", move |store| {
            store.summarize_session(&id, &summary)?;
            store.append_event(&event)
        });
    }
}

/// What is kept of a call beyond its times, as JSON: what each side reported, and what was relayed.
fn summary(ended: &Ended, relayed: Option<Relayed>) -> Arc<str> {
    let [a, b] = ended.reports.each_ref().map(CallReport::summary);
    json!({"a": a, "b": b, "relayed": relayed}).to_string().into()
}
