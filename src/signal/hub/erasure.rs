//! The end of a person: all that goes on ends at once, what is kept goes step by step.
//!
//! The store notes first that a person is to go, so that a process that is killed in between leaves the rest to the next
//! one: whoever watches the accounts tells the hub of what is still to do.
use crate::auth::token::Logins;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::rooms::Parting;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::signal::session::EndReason;
use crate::store;
use crate::store::Erased;
use crate::store::Event;
use crate::time::Now;

/// Messages and reactions that one write takes away, which no other may wait for long.
const ROWS_AT_ONCE: usize = 256;

impl Hub {
    /// Takes everything away that is kept of a user. `answer` is called once it is certain to happen and the user is nobody any
    /// more; the rest follows.
    ///
    /// `unavailable` if that could not be kept: nothing has happened then.
    pub(crate) fn handle_erase(
        &mut self,
        user: UserId,
        answer: impl FnOnce(Result<(), Refusal>) + Send + 'static,
        now: Now,
    ) {
        let (whom, at) = (store::UserId::from(&user), now.unix);
        let event = Event::deleted(&whom, at);
        self.write(
            "deletion",
            move |store| {
                if store.begin_erasure(&whom, at)? {
                    store.append_event(&event)?;
                }
                Ok(())
            },
            move |hub, outcome, now| {
                if outcome.is_ok() {
                    hub.on_erasure(user, now);
                }
                let lost =
                    |_| Refusal::new(ErrorCode::Unavailable, "nothing is deleted: the store cannot keep that now");
                answer(outcome.map_err(lost));
            },
        );
        self.settle(now);
    }

    /// The store has somebody to be taken away: by the command line, or an earlier process has not come to the end of it.
    pub(crate) fn handle_erasure(&mut self, user: UserId, now: Now) {
        self.on_erasure(user, now);
        self.settle(now);
    }

    fn on_erasure(&mut self, user: UserId, now: Now) {
        if !self.erasing.insert(user.clone()) {
            return;
        }
        self.end_everything_of(&user, now);
        self.erase_some(user);
    }

    /// Ends logins, call, rooms, the wait for a match, what was given of the relay, and the connection.
    fn end_everything_of(&mut self, user: &UserId, now: Now) {
        self.revoke_of_user(user, now);
        if let Some(entry) = self.user_by_id.get_mut(user) {
            if let Some(chain) = entry.presence.chain_mut() {
                chain.void();
            }
            let (connection, session) = (entry.presence.connection(), entry.session.clone());
            if let Some((session, _)) = session {
                self.end_session(&session, EndReason::Ended, now);
            }
            self.leave_queue(user);
            self.leave_rooms(user, Parting::Left, now);
            match connection {
                Some(id) => self.close(id, CloseCode::Unauthorized, now),
                None => self.give_up(user, now),
            }
        }
        self.tokens.end_logins(&user.0, &Logins::All, now.unix);
        self.close_ended(now, |_| {});
    }

    fn erase_some(&mut self, user: UserId) {
        let whom = store::UserId::from(&user);
        self.write(
            "deletion",
            move |store| store.erase(&whom, ROWS_AT_ONCE),
            move |hub, outcome, now| match outcome {
                Ok(Erased { is_done: false, .. }) => hub.erase_some(user),
                Ok(erased) => hub.on_erased(&user, erased, now),
                // The store knows that there is more to do, and the hub is told again.
                Err(_) => drop(hub.erasing.remove(&user)),
            },
        );
    }

    fn on_erased(&mut self, user: &UserId, erased: Erased, now: Now) {
        self.erasing.remove(user);
        self.on_blocks_removed(Ok(erased.blocks), now);
        self.rooms.note_change();
        for store::Inherited { room, heir } in erased.rooms {
            match heir {
                Some(heir) => self.take_over_role(&room, &heir),
                None => self.close_room(&room, Parting::Kicked, now),
            }
        }
        self.release_files();
        tracing::info!(user = %user.0, "everything that was kept of a user is gone");
    }
}
