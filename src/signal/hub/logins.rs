//! What the store is told of logins and resume chains, so that they are good after a restart.
//!
//! A new resume token is told at once and kept a moment later: if the process ends in between, an access token brings the
//! user back. A new refresh token is told once it is kept: with the one before it the whole login would be lost.
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use crate::auth::token::FamilyChange;
use crate::auth::token::FamilyId;
use crate::auth::token::Issued;
use crate::auth::token::Logins;
use crate::auth::token::RefreshError;
use crate::auth::token::Subject;
use crate::matchmaking::UserId;
use crate::signal::hub::Hub;
use crate::signal::hub::happenings;
use crate::signal::keepsake::ChainDetails;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Refusal;
use crate::store;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::Now;

impl Hub {
    /// Gives new tokens for a refresh token. If it was used before, the sockets of its family close (rule 17).
    ///
    /// `answer` is called with what [`crate::auth::token::Tokens::refresh`] says. A store that cannot write locks nobody
    /// out: the answer is the same then.
    pub(crate) fn handle_refresh(
        &mut self,
        refresh_token: &str,
        answer: impl FnOnce(Result<Issued, RefreshError>) + Send + 'static,
        now: Now,
    ) {
        // Afterwards nobody knows.
        let owner = self.tokens.owner_of(refresh_token);
        let outcome = self.tokens.refresh(refresh_token, now.unix);
        if let Err(RefreshError::Reused(family)) = &outcome {
            tracing::info!("a refresh token was used twice, its family is revoked");
            self.close_family(family, now);
            if let Some(user) = owner {
                let data = json!({"login": &**family.name()});
                let event = happenings::event(happenings::LOGIN_REUSED, &user, &data, now);
                self.note("event", move |store| store.append_event(&event));
            }
        }
        let changes = self.tokens.take_changes();
        self.tell_killed(&changes);
        self.forget_departed();
        if changes.is_empty() {
            answer(outcome);
        } else {
            self.write("login", move |store| keep(store, &changes), move |_, _, _| answer(outcome));
        }
        self.settle(now);
    }

    /// Makes the first tokens of somebody who has shown to own that revision of an account, unless it is kept out.
    ///
    /// `answer` is called with the tokens once they are kept. A store that cannot write locks nobody out.
    pub(crate) fn handle_login(
        &mut self,
        subject: Subject,
        revision: u64,
        ip: IpAddr,
        answer: impl FnOnce(Result<Issued, Refusal>) + Send + 'static,
        now: Now,
    ) {
        if let Err(refusal) = self.check_subject(&subject, ip, now.unix) {
            return answer(Err(refusal));
        }
        let issued = self.tokens.issue_login(subject, revision, now.unix);
        self.close_ended(now, move |_| answer(Ok(issued)));
    }

    /// Makes a guest the user of an account that it has registered, whatever it is in; see [`Hub::handle_login`].
    ///
    /// `unauthorized` if the guest's login is over.
    pub(crate) fn handle_settle(
        &mut self,
        family: &FamilyId,
        subject: Subject,
        revision: u64,
        answer: impl FnOnce(Result<Issued, Refusal>) + Send + 'static,
        now: Now,
    ) {
        let user = UserId(subject.user.clone());
        let Some(issued) = self.tokens.settle_guest(family, subject.clone(), revision, now.unix) else {
            return answer(Err(Refusal::new(ErrorCode::Unauthorized, "the guest has gone")));
        };
        let chain = self.user_by_id.get_mut(&user).and_then(|user| user.presence.chain_mut());
        if let Some(chain) = chain.filter(|chain| chain.family.as_ref() == Some(family)) {
            chain.subject = subject;
            self.record_chain(&user);
        }
        self.close_ended(now, move |_| answer(Ok(issued)));
    }

    /// Ends the login that an access token is of, or all logins of its user, at once (rule 17).
    ///
    /// `answer` is called once that is kept: `unauthorized` for a token that is not good, `forbidden` for one that was not
    /// made here, `unavailable` if it is dead now but could come back with a restart.
    pub(crate) fn handle_logout(
        &mut self,
        access_token: &str,
        everywhere: bool,
        answer: impl FnOnce(Result<(), Refusal>) + Send + 'static,
        now: Now,
    ) {
        // Whoever is banned may go.
        let identity = match self.tokens.verify(access_token, now.unix) {
            Ok(identity) => identity,
            Err(error) => {
                let refusal = Refusal::new(ErrorCode::Unauthorized, "");
                return answer(Err(Refusal { message: error.to_string().into(), ..refusal }));
            }
        };
        let Some(family) = identity.family else {
            return answer(Err(Refusal::new(ErrorCode::Forbidden, "this token has no login here; let it expire")));
        };
        let which = if everywhere { Logins::All } else { Logins::Of(family) };
        self.tokens.end_logins(&identity.subject.user, &which, now.unix);
        self.close_ended(now, move |outcome| {
            let lost = |_| Refusal::new(ErrorCode::Unavailable, "ended, but the store cannot keep that now");
            answer(outcome.map_err(lost));
        });
    }

    /// An account was altered: its logins of before are over.
    pub(crate) fn handle_altered(&mut self, user: &Arc<str>, revision: u64, now: Now) {
        self.tokens.end_logins(user, &Logins::Before(revision), now.unix);
        self.close_ended(now, |_| {});
    }

    /// Has what changed about logins kept, closes the sockets of those that ended, here and elsewhere, and goes on.
    pub(super) fn close_ended(&mut self, now: Now, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let changes = self.tokens.take_changes();
        for change in &changes {
            if let FamilyChange::Buried(family, _) = change {
                self.close_family(family, now);
            }
        }
        self.tell_killed(&changes);
        self.forget_departed();
        if changes.is_empty() {
            then(Ok(()));
        } else {
            self.write("login", move |store| keep(store, &changes), move |_, outcome, _| then(outcome));
        }
        self.settle(now);
    }

    /// Keeps what has changed about logins.
    pub(super) fn record_logins(&mut self) {
        let changes = self.tokens.take_changes();
        if !changes.is_empty() {
            self.note("login", move |store| keep(store, &changes));
        }
        self.forget_departed();
    }

    /// Takes away what only guests needed who cannot come back.
    fn forget_departed(&mut self) {
        let departed = self.tokens.take_departed();
        self.remove_blocks_of(departed.into_iter().map(store::UserId).collect());
    }

    /// Keeps what brings a user back after a restart: its resume token as a hash, who it is, and the ticket that waits.
    pub(super) fn record_chain(&mut self, id: &UserId) {
        let Some(user) = self.user_by_id.get(id) else { return };
        let chain = user.presence.chain();
        let Some((chain, token)) = chain.and_then(|chain| Some((chain, chain.token()?))) else { return };
        let resumption = store::Resumption {
            user: id.into(),
            token_hash: token.to_bytes(),
            // How long it is waited for is the hub's to say, now and after a restart.
            expires: None,
            details: ChainDetails::write(&chain.subject, chain.expires, chain.family.as_ref(), user.queue.kept()),
        };
        self.note("resume token", move |store| store.put_resumption(&resumption));
    }

    /// A user cannot come back any more.
    pub(super) fn forget_chain(&mut self, id: &UserId) {
        let user = store::UserId::from(id);
        self.note("resume token", move |store| store.remove_resumption(&user));
    }
}

fn keep(store: &mut dyn Store, changes: &[FamilyChange]) -> Result<(), StoreError> {
    changes.iter().try_for_each(|change| match change {
        FamilyChange::Put(family) => store.put_family(&store::Family {
            lookup: family.lookup,
            id: family.id.name().clone(),
            subject: serde_json::to_string(&family.subject).expect("a subject has no failing parts").into(),
            secret_hash: family.secret_hash,
            expires: family.expires,
            account: family.account,
        }),
        FamilyChange::Removed(lookup) => store.remove_family(lookup),
        FamilyChange::Buried(family, until) => {
            store.bury_family(&store::BuriedFamily { id: family.name().clone(), until: *until })
        }
    })
}
