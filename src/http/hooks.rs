//! What stands behind the routes; made by the composition root.
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;

use crate::auth::token::Identity;
use crate::auth::token::Issued;
use crate::http::problem::Problem;

/// A future of a hook.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A WebSocket after the upgrade. RFC 6455.
pub type UpgradedSocket = WebSocketStream<TokioIo<Upgraded>>;

/// What the upgrade knows of the client.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The client's address, behind trusted proxies too.
    pub ip: IpAddr,
    /// The access token of the `Authorization` header, verified (rule 4).
    pub bearer: Option<String>,
    /// The `User-Agent` header, at most 256 bytes.
    pub user_agent: Option<String>,
}

impl fmt::Debug for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerInfo").field("bearer", &self.bearer.is_some()).finish_non_exhaustive()
    }
}

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
pub type SocketHook = Arc<dyn Fn(UpgradedSocket, PeerInfo) -> Pending<()> + Send + Sync>;
/// Makes a guest for a `device_id` (rule 1), already checked, from an address.
pub type GuestHook = Arc<dyn Fn(String, IpAddr) -> Pending<Result<Issued, Problem>> + Send + Sync>;
/// Trades a refresh token for a new pair.
pub type RefreshHook = Arc<dyn Fn(String) -> Pending<Result<Issued, Problem>> + Send + Sync>;
/// Verifies an access token.
pub type VerifyHook = Arc<dyn Fn(String) -> Pending<Result<Identity, Problem>> + Send + Sync>;
/// Tells whether the node is ready.
pub type ReadyHook = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;
/// Renders the metrics.
pub type MetricsHook = Arc<dyn Fn() -> MetricsPage + Send + Sync>;

/// Everything the routes call.
#[derive(Clone)]
pub struct Hooks {
    /// Behind `/ws`.
    pub socket: SocketHook,
    /// Behind `/v1/auth/guest`.
    pub guest: GuestHook,
    /// Behind `/v1/auth/refresh`.
    pub refresh: RefreshHook,
    /// Behind `/v1/auth/verify`, `/v1/auth/me` and the `Authorization` header of `/ws`.
    pub verify: VerifyHook,
    /// Behind `/health/ready`.
    pub ready: ReadyHook,
    /// Behind `/metrics`.
    pub metrics: MetricsHook,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
