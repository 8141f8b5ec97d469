//! `rtc.*`, `media.state`, `ice.refresh`: what the peers tell each other about the call.
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::auth::token::FamilyId;
use crate::matchmaking::UserId;
use crate::signal::call_report::Milestone;
use crate::signal::hub::Asking;
use crate::signal::hub::Effect;
use crate::signal::hub::Hub;
use crate::signal::hub::timers::Timer;
use crate::signal::ice::IceGrant;
use crate::signal::ice::LIFE_MIN;
use crate::signal::id::RoomId;
use crate::signal::id::SessionId;
use crate::signal::id::Side;
use crate::signal::protocol::Candidates;
use crate::signal::protocol::Description;
use crate::signal::protocol::DescriptionKind;
use crate::signal::protocol::IceRefresh;
use crate::signal::protocol::Media;
use crate::signal::protocol::PeerState;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Quality;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::Target;
use crate::signal::protocol::ToPeer;
use crate::signal::room::Pass;
use crate::signal::session::Gate;
use crate::signal::view::IceServersView;
use crate::signal::view::live::DoneView;
use crate::store::Place;
use crate::time::Now;

impl Hub {
    pub(super) fn on_description(
        &mut self,
        asking: &Asking,
        message: &ToPeer<Description>,
        now: Now,
    ) -> Result<(), Refusal> {
        let (seat, receiver) = self.seats_between(asking, &message.target, message.body.to.as_deref())?;
        self.check_room_of(&receiver.user, &message.body)?;
        self.note_negotiation(&seat, &receiver, message.body.neg, now);
        match message.body.kind {
            DescriptionKind::Offer => self.stats.offers_total.add_one(),
            DescriptionKind::Answer => self.stats.answers_total.add_one(),
            DescriptionKind::Rollback => {}
        }
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.tell_one(&seat, &receiver, PushKind::Description, &message.body, now);
        Ok(())
    }

    pub(super) fn on_candidates(
        &mut self,
        asking: &Asking,
        message: &ToPeer<Candidates>,
        now: Now,
    ) -> Result<(), Refusal> {
        let (seat, receiver) = self.seats_between(asking, &message.target, message.body.to.as_deref())?;
        self.check_room_of(&receiver.user, &message.body)?;
        self.note_negotiation(&seat, &receiver, message.body.neg, now);
        self.stats.candidates_total.add_one();
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.tell_one(&seat, &receiver, PushKind::Candidates, &message.body, now);
        Ok(())
    }

    pub(super) fn on_state(&mut self, asking: &Asking, message: &ToPeer<PeerState>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        match self.session_mut(&id)?.participant_mut(side).report.on_state(&message.body) {
            Some(Milestone::Connected(route, setup)) => self.stats.count_connected(route, setup),
            Some(Milestone::Failed) => self.stats.connects_failed_total.add_one(),
            None => {}
        }
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.pass_on(&id, side, PushKind::PeerState, &message.body, now);
        Ok(())
    }

    pub(super) fn on_quality(&mut self, asking: &Asking, message: ToPeer<Quality>, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_at(asking, &message.target)?;
        let gate = self.session_mut(&id)?.participant_mut(side).quality.admit(message.body, now.mono);
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        match gate {
            Gate::Pass(quality) => self.pass_on_quality(&id, side, &quality, now),
            Gate::HeldUntil(at) => self.timers.set(at, Timer::Quality(id, side)),
            Gate::Replaced => {}
        }
        Ok(())
    }

    pub(in crate::signal::hub) fn on_quality_due(&mut self, id: &SessionId, side: Side, now: Now) {
        let Ok(session) = self.session_mut(id) else { return };
        if let Some(quality) = session.participant_mut(side).quality.release(now.mono) {
            self.pass_on_quality(id, side, &quality, now);
        }
    }

    /// What passes the gate also counts: a client that reports more often weighs no more.
    fn pass_on_quality(&mut self, id: &SessionId, side: Side, quality: &Quality, now: Now) {
        let Ok(session) = self.session_mut(id) else { return };
        let report = &mut session.participant_mut(side).report;
        report.on_quality(quality);
        let route = report.route();
        self.stats.observe_quality(route, quality.score(), quality.round_trip());
        self.pass_on(id, side, PushKind::PeerQuality, quality, now);
    }

    pub(super) fn on_media(&mut self, asking: &Asking, message: &ToPeer<Media>, now: Now) -> Result<(), Refusal> {
        let seat = self.seat_at(asking, &message.target)?;
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        if let Place::Room(id) = &seat.place
            && let Some(occupant) = self.rooms.get_mut(id.as_str()).and_then(|room| room.occupant_mut(&asking.user))
        {
            // For those who come later.
            occupant.media = Some(message.body);
        }
        self.tell_others(&seat, PushKind::PeerMedia, &message.body, now);
        Ok(())
    }

    /// Mints new credentials: for the session or room that is named, else for the session that is live, else for the
    /// user.
    pub(super) fn on_ice_refresh(&mut self, asking: &Asking, request: &IceRefresh, now: Now) -> Result<(), Refusal> {
        let grant = match request {
            IceRefresh::Session(session) => {
                let (id, side) = self.side_in(asking, session)?;
                self.grant_ice(&id, side, now)
            }
            IceRefresh::Room { room, to } => self.grant_in_room(asking, room, to.as_deref(), now)?,
            IceRefresh::Whatever => None,
        };
        let chain = self.user_by_id.get(&asking.user).and_then(|user| user.presence.chain());
        let family = chain.and_then(|chain| chain.family.clone());
        let granted = grant.unwrap_or_else(|| self.grant_whatever(&asking.user, family.as_ref(), now));
        self.ok(asking.connection, asking.reply_to, &told(&granted));
        Ok(())
    }

    /// Mints new credentials for whoever asks over REST (rule 42).
    pub(crate) fn handle_ice_ask(&mut self, user: &UserId, family: Option<&FamilyId>, now: Now) -> Value {
        let granted = told(&self.grant_whatever(user, family, now));
        self.settle(now);
        granted
    }

    /// For the session that is live, else for the login, else for the user.
    fn grant_whatever(&mut self, user: &UserId, family: Option<&FamilyId>, now: Now) -> IceGrant {
        let own = self.user_by_id.get(user).and_then(|user| user.session.clone());
        let of_session = own.and_then(|(id, side)| self.grant_ice(&id, side, now));
        let standing = family.map_or_else(|| credential_id(user), login_credential_id);
        of_session.unwrap_or_else(|| self.ice.grant(&standing, Some(Duration::ZERO), now))
    }

    /// Has the relay let go of what was given for a login that is over.
    pub(in crate::signal::hub) fn revoke_of_login(&mut self, family: &FamilyId, now: Now) {
        self.revoke_standing(login_credential_id(family), now);
    }

    /// Has the relay let go of what was given to a user outside of sessions and rooms.
    pub(in crate::signal::hub) fn revoke_of_user(&mut self, user: &UserId, now: Now) {
        let logins = self.tokens.logins(&user.0).map(|family| family.id.clone());
        let chain = self.user_by_id.get(user).and_then(|user| user.presence.chain());
        let mut logins: Vec<FamilyId> = logins.chain(chain.and_then(|chain| chain.family.clone())).collect();
        logins.dedup();
        logins.iter().for_each(|family| self.revoke_of_login(family, now));
        self.revoke_standing(credential_id(user), now);
    }

    /// None of these credentials lives longer than that.
    fn revoke_standing(&mut self, name: String, now: Now) {
        let (name, until) = (SessionId(name.into()), now.unix + LIFE_MIN);
        self.record_revocation(&name, until, now);
        self.effects.push_back(Effect::Revoke(Pass::new_until(name, until)));
    }

    fn grant_in_room(
        &mut self,
        asking: &Asking,
        room: &str,
        to: Option<&str>,
        now: Now,
    ) -> Result<Option<IceGrant>, Refusal> {
        let target = Target::Room(room.to_owned());
        let id = RoomId(room.into());
        match to {
            None => {
                self.seat_at(asking, &target)?;
                Ok(self.grant_room_ice(&id, &asking.user, now))
            }
            Some(_) => {
                let (seat, receiver) = self.seats_between(asking, &target, to)?;
                Ok(self.grant_call_ice(&id, &seat.alias, &receiver.alias, now))
            }
        }
    }
}

fn told(grant: &IceGrant) -> Value {
    json!(IceServersView { ice_servers: &grant.servers, expires_at: grant.expires })
}

/// The id in credentials of a login: they end with it, and the next login has others.
fn login_credential_id(family: &FamilyId) -> String {
    // No name of a user has that byte.
    let hash: [u8; 32] = Sha256::new().chain_update([u8::MAX]).chain_update(family.name().as_bytes()).finalize().into();
    format!("user-{}", URL_SAFE_NO_PAD.encode(hash))
}

/// The id in credentials that belong to no session and no login. Foreign user ids may hold the `.` that would end a session's id,
/// and no other user's credential may be cut off with it; so it is a hash.
fn credential_id(user: &UserId) -> String {
    let hash: [u8; 32] = Sha256::digest(user.0.as_bytes()).into();
    format!("user-{}", URL_SAFE_NO_PAD.encode(hash))
}
