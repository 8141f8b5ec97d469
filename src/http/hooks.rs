//! What stands behind the routes.
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::auth::token::AppealPass;
use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::auth::token::Subject;
use crate::events::Feed;
use crate::files::Desk;
use crate::http::admin::AdminHooks;
use crate::http::problem::Problem;
use crate::identity;
use crate::signal;
use crate::signal::AppealAsk;
use crate::signal::BlockAsk;
use crate::signal::Handle;
use crate::signal::ModerationAsk;
use crate::signal::Peer;
use crate::signal::PersonAsk;
use crate::signal::ReportSubmit;
use crate::signal::RoomAsk;
use crate::store::Place;

/// A future of a hook.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A stream of WebSocket frames: all that follows the 101. RFC 6455.
pub type UpgradedSocket = TokioIo<Upgraded>;

/// The metrics page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsPage {
    /// The `Content-Type` of the format.
    pub content_type: &'static str,
    /// The samples.
    pub text: String,
}

/// Why the node should get no new clients: the name of the failing check.
pub type NotReady = &'static str;

/// Serves a WebSocket until it ends.
pub type SocketHook = Arc<dyn Fn(UpgradedSocket, Peer) -> Pending<()> + Send + Sync>;
/// Makes a guest for an address and a `device_id` (rule 1), which it checks.
pub type GuestHook = Arc<dyn Fn(IpAddr, String) -> Pending<Result<Issued, Problem>> + Send + Sync>;
/// Asks somebody else whether a guest of that address and `device_id` may come with that proof.
pub type GuestCheckHook = Arc<dyn Fn(IpAddr, String, String) -> Pending<Result<(), Problem>> + Send + Sync>;
/// Trades a refresh token for a new pair.
pub type RefreshHook = Arc<dyn Fn(String) -> Pending<Result<Issued, Problem>> + Send + Sync>;
/// Verifies an access token that comes from that address.
pub type VerifyHook = Arc<dyn Fn(IpAddr, String) -> Pending<Result<Identity, Problem>> + Send + Sync>;
/// Ends the login that an access token is of, or all of its user.
pub type LogoutHook = Arc<dyn Fn(String, bool) -> Pending<Result<(), Problem>> + Send + Sync>;
/// Mints TURN credentials for a user whose token is verified.
pub type IceHook = Arc<dyn Fn(Identity) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// What signaling counts.
pub type StatsHook = Arc<dyn Fn() -> Arc<signal::Stats> + Send + Sync>;
/// Asks about rooms for a user whose token is verified.
pub type RoomHook = Arc<dyn Fn(Arc<str>, RoomAsk) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Asks about the blocks of a user whose token is verified.
pub type BlockHook = Arc<dyn Fn(Subject, BlockAsk) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Takes a report of a user whose token is verified.
pub type ReportHook = Arc<dyn Fn(Subject, ReportSubmit) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Asks something of what moderators and admins may, for somebody whose token is verified.
pub type ModerationHook = Arc<dyn Fn(Subject, ModerationAsk) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Asks something about what is kept of a user whose token is verified.
pub type PersonHook = Arc<dyn Fn(Subject, PersonAsk) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Takes everything away that is kept of a user who has shown to be it.
pub type EraseHook = Arc<dyn Fn(Arc<str>) -> Pending<Result<(), Problem>> + Send + Sync>;
/// Asks something that somebody who is banned may ask too, with an access token that comes from that address.
pub type AppealHook = Arc<dyn Fn(IpAddr, String, AppealAsk) -> Pending<Result<Value, Problem>> + Send + Sync>;
/// Makes a pass to appeal with for whoever calls its device that, which is checked.
pub type DevicePassHook = Arc<dyn Fn(String) -> Pending<Result<AppealPass, Problem>> + Send + Sync>;
/// Finds the place of that session or room to which a user may send a file of that name now.
pub type PlaceHook =
    Arc<dyn Fn(Arc<str>, Option<String>, Option<String>, String) -> Pending<Result<Place, Problem>> + Send + Sync>;
/// Tells whether the node is ready.
pub type ReadyHook = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;
/// The answer to an authority that asks for a token to check a name of ours (RFC 8555 §8.3); `None`: it asked for none.
pub type ChallengeHook = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Renders the metrics.
pub type MetricsHook = Arc<dyn Fn() -> MetricsPage + Send + Sync>;

/// Makes a task for a guest of that address.
pub type WorkTaskHook = Arc<dyn Fn(IpAddr) -> identity::Task + Send + Sync>;
/// Checks the number that was found for a challenge at an address.
pub type WorkAdmitHook = Arc<dyn Fn(IpAddr, &str, &str) -> Result<(), Problem> + Send + Sync>;

/// Everything the routes call.
#[derive(Clone)]
pub struct Hooks {
    /// Behind `/ws`.
    pub socket: SocketHook,
    /// Behind `/v1/auth/guest`.
    pub guest: GuestHook,
    /// Before it.
    pub guests: GuestHooks,
    /// Behind `/v1/auth/refresh`.
    pub refresh: RefreshHook,
    /// Behind `/v1/auth/verify`, `/v1/auth/me` and the `Authorization` header of `/ws`.
    pub verify: VerifyHook,
    /// Behind `/v1/auth/logout`.
    pub logout: LogoutHook,
    /// Behind `/v1/turn/credentials`.
    pub ice_servers: IceHook,
    /// Behind `/v1/stats`.
    pub stats: StatsHook,
    /// Behind `/v1/rooms` and all below it.
    pub rooms: RoomHook,
    /// Behind `/v1/blocks`.
    pub blocks: BlockHook,
    /// Behind `POST /v1/reports`.
    pub report: ReportHook,
    /// Behind `/v1/reports` beyond that, `/v1/bans`, and what of `/v1/admin/*` is signaling's.
    pub moderation: ModerationHook,
    /// Behind `/v1/history` and `/v1/me`.
    pub person: PersonHook,
    /// Behind `DELETE /v1/me`.
    pub erase: EraseHook,
    /// Behind `/v1/appeals`.
    pub appeals: AppealHook,
    /// Behind `/v1/auth/appeal`, for those who have no account.
    pub device_pass: DevicePassHook,
    /// Behind `/v1/events`.
    pub events: Feed,
    /// Behind `/health/ready`.
    pub ready: ReadyHook,
    /// Behind `/.well-known/acme-challenge/`; `None`: nobody is expected to ask.
    pub challenge: Option<ChallengeHook>,
    /// Behind `/metrics`.
    pub metrics: MetricsHook,
    /// Behind `/v1/uploads` and `/v1/files`; `None`: there are no files here.
    pub files: Option<FileHooks>,
    /// Behind `/v1/admin/*` as far as it is not signaling's; `None`: nothing of that is here.
    pub admin: Option<AdminHooks>,
    /// Behind `/v1/auth/register` and `/v1/auth/login`; `None`: there are no accounts here.
    pub accounts: Option<identity::Desk>,
}

/// What guests have to show before they come.
#[derive(Clone, Default)]
pub struct GuestHooks {
    /// Behind `/v1/auth/challenge`, and before `/v1/auth/guest`; `None`: guests need not work.
    pub work: Option<GuestWorkHooks>,
    /// `None`: nobody is asked.
    pub check: Option<GuestCheckHook>,
}

/// What stands behind the work that guests do.
#[derive(Clone)]
pub struct GuestWorkHooks {
    /// Makes a task for an address.
    pub task: WorkTaskHook,
    /// Checks the number that was found for a challenge at an address.
    pub admit: WorkAdmitHook,
}

/// What stands behind the routes of files.
#[derive(Clone)]
pub struct FileHooks {
    /// Takes and gives them.
    pub desk: Desk,
    /// Finds the place to which a user may send one.
    pub place: PlaceHook,
}

impl Hooks {
    /// Leads all that concerns clients to signaling; there are no accounts yet.
    pub fn to_signal(hub: Handle, ready: ReadyHook, metrics: MetricsHook, desk: Option<Desk>, events: Feed) -> Self {
        let (sockets, guests, refreshes) = (hub.clone(), hub.clone(), hub.clone());
        let (verifies, rooms, blocks, reports) = (hub.clone(), hub.clone(), hub.clone(), hub.clone());
        let (logouts, ice, stats) = (hub.clone(), hub.clone(), Arc::clone(hub.stats()));
        let (moderations, appeals, persons, erasures) = (hub.clone(), hub.clone(), hub.clone(), hub.clone());
        let passes = hub.clone();
        let place: PlaceHook = Arc::new(move |user, session, room, name| {
            let hub = hub.clone();
            Box::pin(async move { Ok(hub.upload(&user, session, room, name).await?) })
        });
        Self {
            socket: Arc::new(move |socket, peer| Box::pin(signal::serve(socket, peer, sockets.clone()))),
            guest: Arc::new(move |ip, device| {
                let hub = guests.clone();
                Box::pin(async move { Ok(hub.guest(ip, device).await?) })
            }),
            refresh: Arc::new(move |token| {
                let hub = refreshes.clone();
                Box::pin(async move { Ok(hub.refresh(token).await??) })
            }),
            verify: Arc::new(move |ip, token| {
                let hub = verifies.clone();
                Box::pin(async move { Ok(hub.verify(ip, token).await??) })
            }),
            logout: Arc::new(move |token, everywhere| {
                let hub = logouts.clone();
                Box::pin(async move { Ok(hub.log_out(token, everywhere).await?) })
            }),
            ice_servers: Arc::new(move |identity| {
                let hub = ice.clone();
                Box::pin(async move { Ok(hub.ice_servers(identity).await?) })
            }),
            stats: Arc::new(move || Arc::clone(&stats)),
            rooms: Arc::new(move |user, ask| {
                let hub = rooms.clone();
                Box::pin(async move { Ok(hub.rooms(user, ask).await?) })
            }),
            blocks: Arc::new(move |owner, ask| {
                let hub = blocks.clone();
                Box::pin(async move { Ok(hub.blocks(owner, ask).await?) })
            }),
            report: Arc::new(move |reporter, report| {
                let hub = reports.clone();
                Box::pin(async move { Ok(hub.report(reporter, report).await?) })
            }),
            moderation: Arc::new(move |by, ask| {
                let hub = moderations.clone();
                Box::pin(async move { Ok(hub.moderation(by, ask).await?) })
            }),
            person: Arc::new(move |subject, ask| {
                let hub = persons.clone();
                Box::pin(async move { Ok(hub.person(subject, ask).await?) })
            }),
            erase: Arc::new(move |user| {
                let hub = erasures.clone();
                Box::pin(async move { Ok(hub.erase(user).await?) })
            }),
            appeals: Arc::new(move |ip, token, ask| {
                let hub = appeals.clone();
                Box::pin(async move { Ok(hub.appeal(ip, token, ask).await?) })
            }),
            device_pass: Arc::new(move |device| {
                let hub = passes.clone();
                Box::pin(async move {
                    let device = Handle::check_device(device)?;
                    Ok(hub.appeal_pass(Subject::of_device(&device)).await?)
                })
            }),
            events,
            ready,
            metrics,
            files: desk.map(|desk| FileHooks { desk, place }),
            admin: None,
            accounts: None,
            guests: GuestHooks::default(),
            challenge: None,
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
