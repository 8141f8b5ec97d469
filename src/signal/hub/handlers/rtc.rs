//! `rtc.*`, `media.state`, `ice.refresh`: what the peers tell each other about the call.
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::matchmaking::UserId;
use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::hub::timers::Timer;
use crate::signal::ice::IceGrant;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::protocol::Candidates;
use crate::signal::protocol::Description;
use crate::signal::protocol::IceRefresh;
use crate::signal::protocol::Media;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Quality;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ToPeer;
use crate::signal::session::Gate;
use crate::time::Now;

impl Hub {
    pub(super) fn on_description(
        &mut self,
        asking: &Asking,
        message: &ToPeer<Description>,
        now: Now,
    ) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        let session = self.session_mut(&id)?;
        session.check_receiver(side, message.body.to.as_deref())?;
        self.check_reachable(&id, side, &message.body)?;
        self.session_mut(&id)?.neg = Some(message.body.neg);
        self.record_progress_later(&id, now);
        if message.body.is_offer() {
            self.stats.offers_total.add_one();
        } else {
            self.stats.other_rtc_total.add_one();
        }
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::Description, &message.body, now);
        Ok(())
    }

    pub(super) fn on_candidates(
        &mut self,
        asking: &Asking,
        message: &ToPeer<Candidates>,
        now: Now,
    ) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        let session = self.session_mut(&id)?;
        session.check_receiver(side, message.body.to.as_deref())?;
        self.check_reachable(&id, side, &message.body)?;
        self.session_mut(&id)?.neg = Some(message.body.neg);
        self.record_progress_later(&id, now);
        self.stats.other_rtc_total.add_one();
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::Candidates, &message.body, now);
        Ok(())
    }

    pub(super) fn on_state(&mut self, asking: &Asking, message: &ToPeer<PeerState>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        if let Some(path) = message.body.path {
            self.session_mut(&id)?.participant_mut(side).path = Some(path);
        }
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::PeerState, &message.body, now);
        Ok(())
    }

    pub(super) fn on_quality(&mut self, asking: &Asking, message: ToPeer<Quality>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        let gate = self.session_mut(&id)?.participant_mut(side).quality.admit(message.body, now.mono);
        self.ok(asking.connection, asking.reply_to, &json!({}));
        match gate {
            Gate::Pass(quality) => self.pass_on(&id, side, PushKind::PeerQuality, &quality, now),
            Gate::HeldUntil(at) => self.timers.set(at, Timer::Quality(id, side)),
            Gate::Replaced => {}
        }
        Ok(())
    }

    pub(in crate::signal::hub) fn on_quality_due(&mut self, id: &SessionId, side: Side, now: Now) {
        let Ok(session) = self.session_mut(id) else { return };
        if let Some(quality) = session.participant_mut(side).quality.release(now.mono) {
            self.pass_on(id, side, PushKind::PeerQuality, &quality, now);
        }
    }

    pub(super) fn on_media(&mut self, asking: &Asking, message: &ToPeer<Media>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        self.ok(asking.connection, asking.reply_to, &json!({}));
        self.pass_on(&id, side, PushKind::PeerMedia, &message.body, now);
        Ok(())
    }

    /// Mints new credentials: for the session that is named, else for the one that is live, else for the user.
    pub(super) fn on_ice_refresh(&mut self, asking: &Asking, request: IceRefresh, now: Now) -> Result<(), Refusal> {
        let own = match request.session {
            Some(session) => Some(self.side_in(asking, &session)?),
            None => self.user_by_id.get(&asking.user).and_then(|user| user.session.clone()),
        };
        let in_session = own.and_then(|(id, side)| self.grant_ice(&id, side, now));
        let IceGrant { servers, expires, .. } =
            in_session.unwrap_or_else(|| self.ice.grant(&credential_id(&asking.user), Some(Duration::ZERO), now));
        self.ok(asking.connection, asking.reply_to, &json!({"ice_servers": servers, "expires_at": expires}));
        Ok(())
    }
}

/// The id in credentials that belong to no session. Foreign user ids may hold the `.` that would end a session's id,
/// and no other user's credential may be cut off with it; so it is a hash.
fn credential_id(user: &UserId) -> String {
    let hash: [u8; 32] = Sha256::digest(user.0.as_bytes()).into();
    format!("user-{}", URL_SAFE_NO_PAD.encode(hash))
}
