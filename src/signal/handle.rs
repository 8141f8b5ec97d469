//! How the rest of the process talks to the hub.
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::TryFutureExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::auth::token::AppealPass;
use crate::auth::token::FamilyId;
use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::RefreshError;
use crate::auth::token::Subject;
use crate::filter::Screen;
use crate::matchmaking::UserId;
use crate::signal::classifier::Judgment;
use crate::signal::classifier::Question;
use crate::signal::hub::AppealAnswer;
use crate::signal::hub::BlockAnswer;
use crate::signal::hub::BlockAsk;
use crate::signal::hub::Peer;
use crate::signal::hub::ReportAnswer;
use crate::signal::id::ConnectionId;
use crate::signal::key_ring::KeyRing;
use crate::signal::limit::Rate;
use crate::signal::link::Link;
use crate::signal::moderation_ask::ModerationAnswer;
use crate::signal::moderation_ask::ModerationAsk;
use crate::signal::person_ask::PersonAnswer;
use crate::signal::person_ask::PersonAsk;
use crate::signal::protocol::AppealAsk;
use crate::signal::protocol::CloseCode;
use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::ReportSubmit;
use crate::signal::protocol::Target;
use crate::signal::protocol::checked_device_id;
use crate::signal::room_ask::RoomAnswer;
use crate::signal::room_ask::RoomAsk;
use crate::signal::settings::Settings;
use crate::signal::stats::Stats;
use crate::store::Place;
use crate::time::Clock;
use crate::time::Mono;
use crate::trace::Cause;
use crate::trace::Span;

/// Something that happened, for the hub. It may hold tokens, so it does not print itself.
pub(crate) enum Input {
    Connected(ConnectionId, Arc<Link>, Peer),
    /// A message with its span, and for `hello` who waits until it is worked on.
    Message(ConnectionId, Incoming, Span, Option<oneshot::Sender<()>>),
    /// A breach of the framing.
    Breach(ConnectionId, CloseCode),
    Gone(ConnectionId),
    Guest(IpAddr, String, oneshot::Sender<Result<Issued, Refusal>>),
    Verify(IpAddr, String, oneshot::Sender<Result<Identity, Refusal>>),
    Rooms(UserId, Box<RoomAsk>, RoomAnswer),
    Blocks(Subject, Box<BlockAsk>, BlockAnswer),
    Report(Subject, Box<ReportSubmit>, ReportAnswer),
    Moderation(Subject, Box<ModerationAsk>, ModerationAnswer),
    Appeal(IpAddr, String, AppealAsk, AppealAnswer),
    Pass(Subject, oneshot::Sender<AppealPass>),
    Person(Subject, Box<PersonAsk>, PersonAnswer),
    Refresh(String, oneshot::Sender<Result<Issued, RefreshError>>),
    Login(Subject, u64, IpAddr, oneshot::Sender<Result<Issued, Refusal>>),
    Settle(FamilyId, Subject, u64, oneshot::Sender<Result<Issued, Refusal>>),
    Logout(String, bool, oneshot::Sender<Result<(), Refusal>>),
    IceServers(UserId, Option<FamilyId>, oneshot::Sender<Value>),
    Erase(UserId, oneshot::Sender<Result<(), Refusal>>),
    /// Somebody of whom something is still to go.
    Erasure(UserId),
    /// An account and its revision now.
    Altered(Arc<str>, u64),
    /// A file of that name.
    Upload(UserId, Target, String, oneshot::Sender<Result<Place, Refusal>>),
    /// What somebody outside thinks of a message.
    Judgment(Box<Question>, Judgment),
    /// Other settings.
    Change(Box<Settings>),
    Drain(Duration, oneshot::Sender<()>),
}

/// An input, and what led to it.
pub(crate) struct Posted {
    pub(crate) input: Input,
    pub(crate) cause: Cause,
}

/// The hub is gone: the process stops.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signaling has stopped")]
pub struct Stopped;

/// A handle to the hub. Clones share it; when the last one is gone the hub stops.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Posted>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connections: AtomicU64,
    stats: Arc<Stats>,
    clock: Clock,
    messages: ArcSwap<Rate>,
    keys: Option<KeyRing>,
    screen: Arc<Screen>,
}

impl Handle {
    /// `messages` is what one connection may send.
    pub(crate) fn new(
        inputs: mpsc::Sender<Posted>,
        stats: Arc<Stats>,
        clock: Clock,
        messages: Rate,
        keys: Option<KeyRing>,
        screen: Arc<Screen>,
    ) -> Self {
        let messages = ArcSwap::from_pointee(messages);
        Self {
            inputs,
            shared: Arc::new(Shared { connections: AtomicU64::new(0), stats, clock, messages, keys, screen }),
        }
    }

    /// What people may not say.
    pub(crate) fn screen(&self) -> &Screen {
        &self.shared.screen
    }

    /// Whether a token is signed with a public key that is not known here.
    pub(crate) fn lacks_key_of(&self, access_token: &str) -> bool {
        self.shared.keys.as_ref().is_some_and(|keys| keys.lacks_key_of(access_token))
    }

    /// Waits a moment for the public key of a token, if it is not known here. To be done before the hub verifies it, which
    /// waits for nobody.
    pub(crate) async fn prepare_for(&self, access_token: &str) {
        if let Some(keys) = &self.shared.keys {
            keys.prepare_for(access_token).await;
        }
    }

    /// What signaling counts.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.shared.stats
    }

    /// The budget for messages of one connection.
    pub(crate) fn messages(&self) -> Rate {
        **self.shared.messages.load()
    }

    /// Goes by these settings from now on, as far as they can change; sockets that are open too.
    ///
    /// # Errors
    ///
    /// [`Stopped`]
    pub async fn change(&self, settings: Settings) -> Result<(), Stopped> {
        self.shared.messages.store(Arc::new(settings.limits.messages()));
        self.send(Input::Change(Box::new(settings))).await
    }

    /// The hub's name of a moment.
    pub(crate) fn mono(&self, at: Instant) -> Mono {
        Mono::from_start(at.into_std().saturating_duration_since(self.shared.clock.instant(Mono::default())))
    }

    /// Makes a guest and its first tokens: `POST /v1/auth/guest` (rule 1), within the budget of the address.
    ///
    /// # Errors
    ///
    /// A refusal by its code: `bad_request`, `too_large`, `forbidden`, `rate_limited`, `unavailable`.
    pub async fn guest(&self, ip: IpAddr, device_id: String) -> Result<Issued, Refusal> {
        let device_id = checked_device_id(device_id)?;
        let asked = self.ask(|answer| Input::Guest(ip, device_id, answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Verifies an access token, our own or a foreign one, that comes from that address.
    ///
    /// # Errors
    ///
    /// [`Stopped`] outside; inside `unauthorized`, or `banned`.
    pub async fn verify(&self, ip: IpAddr, access_token: String) -> Result<Result<Identity, Refusal>, Stopped> {
        self.prepare_for(&access_token).await;
        self.ask(|answer| Input::Verify(ip, access_token, answer)).await
    }

    /// Gives new tokens for a refresh token: `POST /v1/auth/refresh`. A token that was used before kills its family
    /// and the sockets of that family (rule 17).
    ///
    /// # Errors
    ///
    /// [`Stopped`] outside, [`RefreshError`] inside.
    pub async fn refresh(&self, refresh_token: String) -> Result<Result<Issued, RefreshError>, Stopped> {
        self.ask(|answer| Input::Refresh(refresh_token, answer)).await
    }

    /// Makes the first tokens of somebody who has shown to own that revision of an account.
    ///
    /// # Errors
    ///
    /// A refusal by its code: `banned`, `unavailable`.
    pub async fn log_in(&self, subject: Subject, revision: u64, ip: IpAddr) -> Result<Issued, Refusal> {
        let asked = self.ask(|answer| Input::Login(subject, revision, ip, answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Makes a guest the user of that revision of an account: its login and whatever it is in go on.
    ///
    /// # Errors
    ///
    /// A refusal by its code: `unauthorized` if its login is over, `unavailable`.
    pub async fn settle_guest(&self, family: FamilyId, subject: Subject, revision: u64) -> Result<Issued, Refusal> {
        let asked = self.ask(|answer| Input::Settle(family, subject, revision, answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Ends the login that an access token is of, or all of its user: `POST /v1/auth/logout` (rule 17).
    ///
    /// # Errors
    ///
    /// A refusal by its code: `unauthorized`, `forbidden` for a token that was not made here, `unavailable`.
    pub async fn log_out(&self, access_token: String, everywhere: bool) -> Result<(), Refusal> {
        let asked = self.ask(|answer| Input::Logout(access_token, everywhere, answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Ends the logins of an account as it was before that revision.
    ///
    /// # Errors
    ///
    /// [`Stopped`]
    pub async fn end_logins_before(&self, user: Arc<str>, revision: u64) -> Result<(), Stopped> {
        self.send(Input::Altered(user, revision)).await
    }

    /// Takes everything away that is kept of a user, who has shown to be it: `DELETE /v1/me`. Once it is answered that is certain
    /// to happen, and nobody is that user any more.
    ///
    /// # Errors
    ///
    /// `unavailable`: nothing has happened.
    pub async fn erase(&self, user: Arc<str>) -> Result<(), Refusal> {
        let asked = self.ask(|answer| Input::Erase(UserId(user), answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Goes on with taking a user away of whom the store says that something is still to go.
    ///
    /// # Errors
    ///
    /// [`Stopped`]
    pub async fn go_on_erasing(&self, user: Arc<str>) -> Result<(), Stopped> {
        self.send(Input::Erasure(UserId(user))).await
    }

    /// Mints TURN credentials for a user whose token is verified: for its live session, else for itself as long as the login
    /// of the token lasts (rule 42).
    ///
    /// # Errors
    ///
    /// [`Stopped`]
    pub async fn ice_servers(&self, identity: Identity) -> Result<Value, Stopped> {
        let user = UserId(identity.subject.user);
        self.ask(|answer| Input::IceServers(user, identity.family, answer)).await
    }

    /// Checks what a client calls its device (rule 1).
    ///
    /// # Errors
    ///
    /// `bad_request`, `too_large`
    pub fn check_device(device_id: String) -> Result<String, Refusal> {
        checked_device_id(device_id)
    }

    /// Asks something about rooms for a user whose token is verified (rule 38).
    ///
    /// # Errors
    ///
    /// A refusal by its code; `unavailable` too if the store loses what was asked.
    pub async fn rooms(&self, user: Arc<str>, ask: RoomAsk) -> Result<Value, Refusal> {
        let asked = self
            .ask(|answer| {
                // Whoever asked may have gone.
                Input::Rooms(UserId(user), Box::new(ask), Box::new(move |outcome| drop(answer.send(outcome))))
            })
            .await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Asks something about the blocks of a user whose token is verified (rule 39).
    ///
    /// # Errors
    ///
    /// A refusal by its code.
    pub async fn blocks(&self, owner: Subject, ask: BlockAsk) -> Result<Value, Refusal> {
        // Whoever asked may have gone.
        let answer = |answer: oneshot::Sender<_>| Box::new(move |outcome| drop(answer.send(outcome)));
        let asked = self.ask(|told| Input::Blocks(owner, Box::new(ask), answer(told))).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Takes a report of a user whose token is verified: `POST /v1/reports` (rule 39). What comes back names it.
    ///
    /// # Errors
    ///
    /// A refusal by its code: `not_in_session`, `conflict`, `rate_limited`, `unavailable`.
    pub async fn report(&self, reporter: Subject, report: ReportSubmit) -> Result<Value, Refusal> {
        // Whoever asked may have gone.
        let answer = |answer: oneshot::Sender<_>| Box::new(move |outcome| drop(answer.send(outcome)));
        let asked = self.ask(|told| Input::Report(reporter, Box::new(report), answer(told))).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Asks something that somebody who is banned may ask too, with an access token or a pass that comes from that address.
    ///
    /// # Errors
    ///
    /// A refusal by its code: `unauthorized`, `not_found`, `conflict`, `unavailable`.
    pub async fn appeal(&self, ip: IpAddr, token: String, ask: AppealAsk) -> Result<Value, Refusal> {
        self.prepare_for(&token).await;
        // Whoever asked may have gone.
        let answer = |answer: oneshot::Sender<_>| Box::new(move |outcome| drop(answer.send(outcome)));
        let asked = self.ask(|told| Input::Appeal(ip, token, ask, answer(told))).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// A pass to appeal with, for somebody who has shown to be that: `POST /v1/auth/appeal`.
    ///
    /// # Errors
    ///
    /// `unavailable`
    pub async fn appeal_pass(&self, subject: Subject) -> Result<AppealPass, Refusal> {
        let asked = self.ask(|answer| Input::Pass(subject, answer)).await;
        asked.map_err(|Stopped| Refusal::new(ErrorCode::Unavailable, "the node stops"))
    }

    /// Asks something of what moderators and admins may, for somebody whose token is verified.
    ///
    /// # Errors
    ///
    /// A refusal by its code, `forbidden` without the rights.
    pub async fn moderation(&self, by: Subject, ask: ModerationAsk) -> Result<Value, Refusal> {
        // Whoever asked may have gone.
        let answer = |answer: oneshot::Sender<_>| Box::new(move |outcome| drop(answer.send(outcome)));
        let asked = self.ask(|told| Input::Moderation(by, Box::new(ask), answer(told))).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Asks something about what is kept of a user whose token is verified.
    ///
    /// # Errors
    ///
    /// A refusal by its code.
    pub async fn person(&self, subject: Subject, ask: PersonAsk) -> Result<Value, Refusal> {
        // Whoever asked may have gone.
        let answer = |answer: oneshot::Sender<_>| Box::new(move |outcome| drop(answer.send(outcome)));
        let asked = self.ask(|told| Input::Person(subject, Box::new(ask), answer(told))).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// The place to which a user may send a file, within the user's budget: `POST /v1/uploads` (rule 36).
    ///
    /// # Errors
    ///
    /// A refusal by its code: `bad_request`, `forbidden`, `not_in_session`, `rate_limited`, `unavailable`.
    pub async fn upload(
        &self,
        user: &str,
        session: Option<String>,
        room: Option<String>,
        name: String,
    ) -> Result<Place, Refusal> {
        let target = Target::new(session, room)?;
        let asked = self.ask(|answer| Input::Upload(UserId(user.into()), target, name, answer)).await;
        asked.unwrap_or(Err(Refusal::new(ErrorCode::Unavailable, "the node stops")))
    }

    /// Has carried out what somebody outside thinks of a message.
    ///
    /// # Errors
    ///
    /// The node stops.
    pub async fn judge(&self, question: Question, judgment: Judgment) -> Result<(), Stopped> {
        self.send(Input::Judgment(Box::new(question), judgment)).await
    }

    /// Says good-bye to all clients, closes them with 1012 spread over `within`, and returns when all are told.
    pub async fn drain(&self, within: Duration) {
        // A hub that has stopped has nobody left.
        let _ = self.ask(|answer| Input::Drain(within, answer)).await;
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Hands an input over. The hub never waits for a connection, so there is room soon.
    pub(crate) fn send(&self, input: Input) -> impl Future<Output = Result<(), Stopped>> + Send + '_ {
        // No async function: its future would hold the input more than once, and each connection has one.
        self.inputs.send(Posted { input, cause: Cause::current() }).map_err(|_| Stopped)
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.send(input(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }
}
