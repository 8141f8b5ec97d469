//! Serves HTTP/1.1 and HTTP/2 on connections given in, and owns their tasks.
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use ipnet::IpNet;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::debug;

use crate::admission::Admission;
use crate::admission::Limits;
use crate::http::answers::Answers;
use crate::http::hooks::GuestHooks;
use crate::http::hooks::Hooks;
use crate::http::origin;
use crate::http::origin::Origins;
use crate::http::rate::Requests;
use crate::http::routes::routes;
use crate::http::stall::Stalling;
use crate::http::stats::Stats;
use crate::trace::Cause;

/// How long a client may take to send a request's head; a connection may idle as long between two requests.
pub(crate) const HEAD: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const HEAD_MAX: u16 = 16_384;

/// How often an idle HTTP/2 client is asked whether it lives, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// Files that arrive at once from one address, all its users together.
const ARRIVALS_PER_ADDRESS: usize = 16;

/// People at once who are told all that is kept of them: many questions to the store each, one after the other.
const EXPORTS: usize = 8;
const EXPORTS_PER_ADDRESS: usize = 2;

/// Streams of events at once; each is a question to the store four times a second.
const READERS: usize = 32;

/// What the HTTP side needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose pages may talk to us.
    pub origins: Origins,
    /// The name or address in redirects.
    pub public_host: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Clients whose `traceparent` is believed.
    pub parents_from: Vec<IpNet>,
    /// Requests per address (IPv6: per /64) and minute.
    pub requests_per_minute: u32,
    /// WebSockets at once, in total and per address; its exempt addresses have no request budget either.
    pub sockets: Limits,
}

/// Where a connection came in.
#[derive(Copy, Clone, Debug)]
pub struct Arrival {
    /// The client, or the proxy before it.
    pub remote: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it came by TLS.
    pub secure: bool,
    /// Whether requests without TLS are sent on to `https`, all but WebSockets and health checks.
    pub https_only: bool,
    /// Whether `/metrics` is served here.
    pub metrics: bool,
}

/// Whom to believe what.
pub(crate) struct Rules {
    pub(crate) origins: Origins,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Clients that may say what their requests belong to.
    pub(crate) parents_from: Vec<IpNet>,
}

/// What the routes share.
pub(crate) struct Inner {
    pub(crate) hooks: Hooks,
    pub(crate) stats: Arc<Stats>,
    rules: ArcSwap<Rules>,
    guests: ArcSwap<GuestHooks>,
    pub(crate) url_host: String,
    pub(crate) requests: Requests,
    pub(crate) sockets: Arc<Admission>,
    /// Files that arrive.
    pub(crate) arrivals: Arc<Admission>,
    /// People who are told all that is kept of them.
    pub(crate) exports: Arc<Admission>,
    /// What requests with a key were answered.
    pub(crate) answers: Answers,
    /// Streams of events.
    pub(crate) readers: Arc<Admission>,
    /// No new WebSockets; what runs may end.
    drain: CancellationToken,
    /// Everything ends now.
    kill: CancellationToken,
    tasks: TaskTracker,
}

impl Inner {
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Works on a request to its end, whether its connection lasts or not.
    pub(crate) fn spawn_request(&self, request: impl Future<Output = ()> + Send + 'static) {
        let cause = Cause::current();
        self.spawn_socket(async move { cause.follow(request).await });
    }

    /// Whom to believe what, for one request.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// What guests have to show, for one of them.
    pub(crate) fn guests(&self) -> Arc<GuestHooks> {
        self.guests.load_full()
    }

    /// Runs a WebSocket beside the connection it came from.
    pub(crate) fn spawn_socket(&self, socket: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move { kill.run_until_cancelled(socket).await });
    }
}

/// The HTTP side. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
    router: Router,
}

impl Server {
    /// Has no connections yet.
    pub fn new(settings: Settings, hooks: Hooks) -> Self {
        let inner = Arc::new(Inner {
            guests: ArcSwap::from_pointee(hooks.guests.clone()),
            hooks,
            stats: Arc::default(),
            rules: ArcSwap::from_pointee(Rules {
                origins: settings.origins,
                trusted_proxies: settings.trusted_proxies,
                parents_from: settings.parents_from,
            }),
            url_host: origin::url_host(&settings.public_host),
            requests: Requests::new(settings.requests_per_minute, settings.sockets.exempt.clone()),
            arrivals: Admission::new(arrivals(settings.sockets.exempt.clone())),
            exports: Admission::new(Limits { total: EXPORTS, per_address: EXPORTS_PER_ADDRESS, exempt: Vec::new() }),
            answers: Answers::default(),
            readers: Admission::new(Limits { total: READERS, per_address: READERS, exempt: Vec::new() }),
            sockets: Admission::new(settings.sockets),
            drain: CancellationToken::new(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        Self { router: routes(Arc::clone(&inner)), inner }
    }

    /// Goes by these settings from now on, all but the host; open sockets stay. Requests that are worked on go by what was.
    pub fn change(&self, settings: Settings, guests: GuestHooks) {
        let Settings { origins, trusted_proxies, parents_from, requests_per_minute, sockets, public_host: _ } =
            settings;
        self.inner.rules.store(Arc::new(Rules { origins, trusted_proxies, parents_from }));
        self.inner.guests.store(Arc::new(guests));
        self.inner.requests.change(requests_per_minute, sockets.exempt.clone());
        self.inner.arrivals.change(arrivals(sockets.exempt.clone()));
        self.inner.sockets.change(sockets);
    }

    /// Serves a connection until it ends, in a task of its own. Must run inside the tokio runtime.
    pub fn adopt<I>(&self, io: I, arrival: Arrival)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        self.inner.tasks.spawn(async move { server.serve(io, arrival).await });
    }

    /// What is counted here.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.inner.stats
    }

    /// WebSockets open now.
    pub fn sockets(&self) -> usize {
        self.inner.sockets.held()
    }

    /// Begins to go away: not ready any more, no new WebSockets, one request per connection. Health is still told.
    pub fn drain(&self) {
        self.inner.drain.cancel();
    }

    /// Drains, lets what runs end within `grace`, then ends it.
    ///
    /// WebSockets count as running: whoever serves them should say goodbye meanwhile.
    pub async fn shutdown(&self, grace: Duration) {
        self.drain();
        self.inner.tasks.close();
        let _all_ended_by_themselves = timeout(grace, self.inner.tasks.wait()).await;
        self.inner.kill.cancel();
        self.inner.tasks.wait().await;
    }

    async fn serve<I>(&self, io: I, arrival: Arrival)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(arrival);
            // A router is always ready.
            self.router.clone().call(request)
        });
        let io = TokioIo::new(Stalling::new(io));
        let is_late = self.inner.is_draining();
        let mut connection = pin!(builder(!is_late).serve_connection_with_upgrades(io, service).into_owned());
        let ended = async {
            if is_late {
                // Told to shut down gracefully before its first request, it would not answer that one.
                return connection.await;
            }
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = self.inner.drain.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Some(Err(error)) = self.inner.kill.run_until_cancelled(ended).await {
            debug!(%error, "http connection ended");
        }
    }
}

/// Files that arrive at once; files themselves know how many of all do.
fn arrivals(exempt: Vec<IpNet>) -> Limits {
    Limits { total: usize::MAX, per_address: ARRIVALS_PER_ADDRESS, exempt }
}

fn builder(keep_alive: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .keep_alive(keep_alive)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_MAX.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX.into());
    builder
}
