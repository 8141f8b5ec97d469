//! What the store is told of sessions: that they begin, and how they end.
use serde_json::json;

use crate::matchmaking::Ticket;
use crate::signal::hub::Ended;
use crate::signal::hub::Hub;
use crate::signal::id::Side;
use crate::signal::session::Session;
use crate::store;
use crate::time::Now;

impl Hub {
    /// Stores a session that begins; everything written in it finds it there.
    pub(super) fn record_start(&mut self, session: &Session, tickets: [&Ticket; 2]) {
        let [a, b] = tickets;
        let participants = [(Side::A, a), (Side::B, b)].map(|(side, ticket)| store::Participant {
            party: store::Party { user: (&ticket.user).into(), device: ticket.device.as_ref().map(Into::into) },
            alias: session.participant(side).alias.clone(),
        });
        let stored = store::Session {
            id: session.id.clone(),
            participants,
            started: session.started.unix,
            limit: self.settings.session_limit,
            details: "".into(),
            progress: store::Progress {
                deadline: session.deadline.map(|deadline| deadline.unix),
                neg: session.neg,
                credentials_until: session.credentials_until,
            },
        };
        self.note("session", move |store| store.start_session(&stored));
    }

    /// Stores the end of a session; from then on what was written in it is kept for as long as sessions' chat is.
    pub(super) fn record_end(&mut self, ended: &Ended, now: Now) {
        let id = ended.session.clone();
        let [path_a, path_b] = ended.paths;
        let ending = store::Ending {
            at: now.unix,
            reason: ended.reason.as_str().into(),
            summary: json!({"path_a": path_a, "path_b": path_b}).to_string().into(),
        };
        self.note("session", move |store| store.end_session(&id, &ending));
    }
}
