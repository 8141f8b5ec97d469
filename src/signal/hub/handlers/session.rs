//! `session.next`, `session.end`, `session.extend`.

use crate::signal::hub::Asking;
use crate::signal::hub::Hub;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::Refusal;
use crate::signal::session::EndReason;
use crate::signal::session::Extension;
use crate::signal::view::live::DoneView;
use crate::signal::view::push::ExtensionAskedView;
use crate::signal::view::push::SessionExtendView;
use crate::signal::view::push::SessionExtendedView;
use crate::time::Now;

impl Hub {
    /// Goes on to the next partner. The session ends once the engine has taken the new ticket, so a full queue
    /// changes nothing (rule 31).
    pub(super) fn on_session_next(&mut self, asking: &Asking, session: &str, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_in(asking, session)?;
        self.check_not_draining()?;
        self.check_pace(&asking.user, now)?;
        let Some(user) = self.user_by_id.get_mut(&asking.user) else { return Ok(()) };
        if let Err(wait) = user.skips.take(self.rates.skips, now.mono) {
            self.note_limit(&asking.user, "skips_per_minute", now);
            return Err(Refusal::rate_limited("too many session.next", wait));
        }
        self.check_not_restricted(&asking.user, now.unix)?;
        let preferences = self.session_mut(&id)?.participant(side).preferences.clone();
        self.join(asking, preferences, Some(id), now);
        Ok(())
    }

    pub(super) fn on_session_end(&mut self, asking: &Asking, session: &str, now: Now) -> Result<(), Refusal> {
        let (id, _) = self.side_in(asking, session)?;
        self.ok(asking.connection, asking.reply_to, &DoneView {});
        self.end_session(&id, EndReason::Ended, now);
        Ok(())
    }

    pub(super) fn on_session_extend(&mut self, asking: &Asking, session: &str, now: Now) -> Result<(), Refusal> {
        let (id, side) = self.side_in(asking, session)?;
        let session = self.session_mut(&id)?;
        let extension = session.extend(side)?;
        let (asker, other) = (session.participant(side), session.participant(side.other()));
        let (from, both) = (asker.alias.clone(), [asker.user.clone(), other.user.clone()]);
        let is_pending = extension != Extension::Agreed;
        self.ok(asking.connection, asking.reply_to, &ExtensionAskedView { pending: is_pending });
        match extension {
            Extension::AskedBefore => {}
            Extension::Asked => {
                let [_, other] = both;
                self.push_to_user(
                    &other,
                    PushKind::SessionExtend,
                    &SessionExtendView { session: &id, from: &from },
                    now,
                );
            }
            Extension::Agreed => {
                self.on_session_alarm(&id, now);
                self.record_progress(&id);
                let deadline = self.session_mut(&id)?.deadline.map(|deadline| deadline.unix);
                for user in both {
                    let data = SessionExtendedView { session: &id, deadline };
                    self.push_to_user(&user, PushKind::SessionExtended, &data, now);
                }
            }
        }
        Ok(())
    }
}
