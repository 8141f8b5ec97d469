//! The composition root: makes the rooms, connects them with each other, starts and stops them.
pub(crate) mod addresses;
mod administering;
mod certifying;
pub mod contract;
mod disk;
mod doors;
mod filing;
mod identifying;
mod interfaces;
mod numbers;
mod operator;
mod probing;
mod relaying;
mod reloading;
mod series;
mod service;
mod storing;
mod telling;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use crate::admission::Limits;
use crate::app::administering::Shown;
use crate::app::disk::Disk;
use crate::app::doors::Listeners;
use crate::app::doors::Purpose;
use crate::app::operator::Asked;
use crate::app::operator::Operator;
use crate::app::reloading::Audience;
use crate::auth::foreign_keys::ForeignKeys;
use crate::auth::token::TokenSettings;
use crate::auth::turn::Minter;
use crate::bus::Bus;
use crate::bus::LocalBus;
use crate::bus::NodeId;
use crate::classifier;
use crate::config;
use crate::config::Config;
use crate::events::Feed;
use crate::files;
use crate::files::Desk;
use crate::filter::Screen;
use crate::http;
use crate::http::Hooks;
use crate::http::hooks::MetricsPage;
use crate::http::hooks::ReadyHook;
use crate::listener;
use crate::listener::Certificates;
use crate::listener::Front;
use crate::matchmaking;
use crate::matchmaking::runner;
use crate::metrics;
use crate::metrics::Metrics;
use crate::probe;
use crate::signal;
use crate::signal::Handle;
use crate::signal::Past;
use crate::state::State;
use crate::store;
use crate::store::sweeper;
use crate::telemetry::Exporter;
use crate::time::Clock;
use crate::transport;
use crate::transport::DataPlane;
use crate::transport::TurnStream;

/// Usage records on their way from the shards. Full: a record is lost and counted.
const USAGE_MAX: usize = 16_384;
/// Revocations on their way to the relay. Full: the hub waits with new inputs.
const RELAY_COMMANDS_MAX: usize = 1024;
/// What is left for HTTP to end once everybody was told to leave.
const HTTP_GRACE: Duration = Duration::from_secs(2);
/// How long a bucket may take to end what broke off.
const FILES_GRACE: Duration = Duration::from_secs(5);
/// How long the store may take to write what it was given.
const STORE_GRACE: Duration = Duration::from_secs(5);
/// How long the collector of spans may take over what is left.
const SPANS_GRACE: Duration = Duration::from_secs(3);
/// How far back the monotonic clock reaches, for tickets that began to wait in an earlier process; after that much they are
/// at the highest level anyway.
const PAST: Duration = Duration::from_secs(3600);
/// TCP connections beside WebSockets and TURN clients: page loads, probes.
const SPARE_CONNECTIONS: usize = 1024;
const SPARE_CONNECTIONS_PER_ADDRESS: usize = 64;

/// Serves until a signal ends it: SIGTERM and SIGINT drain, a second one stops, SIGHUP reloads.
///
/// # Errors
///
/// What keeps the server from starting, or a part of it that died.
pub async fn run(config: Config) -> anyhow::Result<()> {
    // rustls has two providers in the tree of some features; ours is named before anything can ask.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for warning in config.warnings() {
        warn!("{warning}");
    }
    let clock = Clock::with_past(PAST);
    let exporter = Exporter::start(&config.telemetry, config.server.public_host.as_str())?;
    let state = State::open(&config.server.state_dir)?;
    let store = storing::open(&config)?;
    let past = Past::read(&*store.writer).context("read what the server before this one has left")?;
    let certificates = certifying::certificates(&config, clock)?;
    let binds = doors::binds(&config);
    let front = Front::bind(listener::Settings {
        binds: binds.iter().map(|(_, bind)| *bind).collect(),
        certificates: Some(Arc::clone(&certificates)),
        limits: tcp_limits(&config),
    })?;
    let tcp: Vec<_> =
        binds.iter().map(|(purpose, _)| *purpose).zip(front.addresses().into_iter().map(|(_, at)| at)).collect();
    let tcp_addresses: Vec<_> = tcp.iter().map(|(_, address)| *address).collect();

    let (usage_out, usage) = mpsc::channel(USAGE_MAX);
    let own_addresses = addresses::own_addresses(&config.relay.external).context("list this machine's addresses")?;
    let relay = relaying::relay_config(&config, &state, &tcp_addresses, &own_addresses);
    let mode = relay.mode;
    let plane = DataPlane::start(
        transport::Settings {
            udp_listen: config.turn.udp_listen.clone(),
            shards: config.relay.shards.into(),
            pin: true,
            moderation: Duration::from_micros(config.relay.moderation_us.into()),
            relay,
            relay_addresses: addresses::relay_addresses(&config.relay.addresses, &config.relay.external),
            port_range: config.relay.port_range.low()..=config.relay.port_range.high(),
            quotas: relaying::quotas(&config),
        },
        clock,
        usage_out,
    )?;
    let listeners = Arc::new(Listeners { tcp, udp: plane.udp_addresses().to_vec() });

    let mut tasks = JoinSet::new();
    let (engine, engine_task) = runner::start(matchmaking_settings(&config), clock);
    tasks.spawn(named("matchmaking", engine_task));
    let (relay_out, relay_in) = mpsc::channel(RELAY_COMMANDS_MAX);
    let sharing = filing::sharing(&config, &state);
    let mut settings = signal_settings(&config, &state, &listeners, sharing.clone());
    let screen = Arc::clone(&settings.screen);
    let classifying = telling::classifier(&config)?.map(|service| {
        let (line, questions, judged) = signal::Classifier::new();
        settings.classifier = Some(line);
        (service, questions, judged)
    });
    if let Some((keys, fetcher)) = identifying::keys(&config, &settings.tokens.foreign_keys)? {
        settings.keys = Some(keys);
        tasks.spawn(named("keys of a backend", fetcher.run()));
    }
    let minter = settings.minter.clone();
    let (store, store_threads) = store::runner::start(store).context("start the store")?;
    tasks.spawn(named("store", store_threads.ended()));
    tasks.spawn(named("sweeper", sweeper::run(store.clone(), clock)));
    let store_stats = Arc::clone(store.stats());
    let desk = filing::open(&config, sharing.as_ref(), &store, clock).await?;
    if let Some(desk) = &desk {
        tasks.spawn(named("files", files::collect(desk.clone())));
    }
    let sink_stats = telling::stats();
    let (sinks_told, sinks_wanted) = watch::channel(config.events.clone());
    let couriers = telling::keep(store.clone(), telling::sinks(&config.events)?, sinks_wanted, sink_stats.clone());
    tasks.spawn(named("events", couriers));
    let feed = Feed::new(store.clone());
    // The only node of its process, and there is no bus between processes yet.
    let (line, carrier) = LocalBus::default().join(NodeId(settings.server.node.as_str().into()));
    tasks.spawn(named("bus", carrier));
    let (hub, hub_task) = signal::start(settings, clock, engine, relay_out, store.clone(), line, past);
    tasks.spawn(named("signaling", hub_task));
    let mut judged = Arc::default();
    if let Some((service, questions, counts)) = classifying {
        judged = Arc::clone(&counts);
        tasks.spawn(named("classifier", classifier::run(service, questions, hub.clone(), counts)));
    }
    tasks.spawn(named("accounts", identifying::watch(&store, &hub).await?.run()));
    let accounts = identifying::desk(&config, store.clone(), &hub, clock);
    tasks.spawn(named("relay bridge", relaying::bridge(plane.clone(), relay_in, usage)));
    let stop_watching = CancellationToken::new();
    tasks.spawn(named("certificate watch", Arc::clone(&certificates).watch(stop_watching.clone())));
    let renewal_asked = Arc::new(Notify::new());
    let mut challenge = None;
    let mut acme_stats = Arc::default();
    if let Some((keeper, hook)) = certifying::keeper(&config, &certificates, &renewal_asked)? {
        challenge = Some(hook);
        acme_stats = Arc::clone(keeper.stats());
        tasks.spawn(named("certificate orders", keeper.run()));
    }

    let measured =
        series::Sources { relay: plane.counters(), signal: Arc::clone(hub.stats()), store: Arc::clone(&store_stats) };
    let (series, series_task) = series::start(measured, clock);
    tasks.spawn(named("series", series_task));
    let health = Arc::new(probe::Health::default());
    let disk = Arc::new(Disk::new(&config.server));
    let (probe_told, every) = watch::channel(config.server.probe_interval);
    if let Some(target) = probing::target(&config, &listeners) {
        let minter = minter.clone();
        let watch = probe::watch(target, probing::SESSION, minter, every, clock, Arc::clone(&health));
        tasks.spawn(named("relay's own test", watch));
    }
    let (shown, config_shown) = watch::channel(Shown::new(&config));
    let (drain_asked, drain_asks) = mpsc::channel(1);
    let admin = administering::hooks(&plane, clock, config_shown, series, drain_asked);

    let page = Arc::new(OnceLock::new());
    let guests = identifying::guests(&config, clock)?;
    let passwords = accounts.as_ref().map(|desk| Arc::clone(desk.stats()));
    let web = http::Server::new(
        http_settings(&config, &listeners),
        Hooks {
            accounts: accounts.clone(),
            guests: guests.clone(),
            admin: Some(admin),
            challenge,
            ..hooks(
                &hub,
                ready(&plane, &certificates, &listeners, &health, &disk, &store_stats),
                &page,
                desk.clone(),
                feed,
            )
        },
    );
    let front = front.serve(sinks(&plane, &web, &listeners));
    page.get_or_init(|| {
        let mut metrics = Metrics::new(clock.now().unix);
        numbers::relay(&mut metrics, &plane, mode);
        numbers::signal(&mut metrics, hub.stats());
        numbers::text_rules(&mut metrics, &screen);
        numbers::classifier(&mut metrics, &judged);
        numbers::store(&mut metrics, &store_stats);
        numbers::events(&mut metrics, sink_stats);
        numbers::front(&mut metrics, front.counters());
        numbers::probe(&mut metrics, &health);
        numbers::disk(&mut metrics, &disk);
        if let Some(desk) = &desk {
            numbers::files(&mut metrics, desk.stats());
        }
        numbers::certificate(&mut metrics, &certificates);
        numbers::acme(&mut metrics, &acme_stats);
        if let Some(stats) = &passwords {
            numbers::passwords(&mut metrics, stats);
        }
        numbers::http(&mut metrics, web.stats());
        numbers::log(&mut metrics);
        numbers::spans(&mut metrics, exporter.stats());
        metrics
    });
    let host = config.server.public_host.in_url().to_string();
    // Whoever reads that the server is there may send it a signal at once.
    let asked = Asked { drain: drain_asks, shown, renewal: renewal_asked };
    let audience = Audience {
        clock,
        minter,
        listeners: Arc::clone(&listeners),
        sharing,
        hub: hub.clone(),
        web: web.clone(),
        door: Arc::clone(front.admission()),
        accounts,
        files: desk.clone(),
        store,
        sinks: sinks_told,
        probe: probe_told,
        disk,
        spans: exporter.control(),
        screen,
        guests,
    };
    let mut operator = Operator::new(config, state, tcp_addresses, own_addresses, certificates, asked, audience)?;
    listeners.print(&host)?;
    operator.announce();
    info!(version = env!("CARGO_PKG_VERSION"), mode = mode.label(), "started");

    let outcome = operator.attend(&plane, &mut tasks).await;
    stop_watching.cancel();
    if outcome.is_ok() {
        operator.drain(&plane, &hub, &web).await;
    }
    // It knows hub, store and web too, which end once nobody does.
    drop(operator);
    front.stop().await;
    web.shutdown(HTTP_GRACE).await;
    drop((web, hub));
    tasks.shutdown().await;
    if let Some(desk) = desk {
        desk.stop(FILES_GRACE).await;
    }
    store_threads.stop(STORE_GRACE).await;
    tokio::task::spawn_blocking(move || plane.stop()).await.context("stop the data plane")?;
    exporter.stop(SPANS_GRACE).await;
    info!("stopped");
    outcome
}

/// A task of the control plane; its end is an accident while the server runs.
async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

fn tcp_limits(config: &Config) -> Limits {
    let sockets = config.limits.connections as usize;
    let sockets_per_address = config.limits.connections_per_address as usize;
    let clients = &config.relay.limits;
    Limits {
        total: sockets + clients.allocations as usize + SPARE_CONNECTIONS,
        per_address: sockets_per_address + clients.allocations_per_address as usize + SPARE_CONNECTIONS_PER_ADDRESS,
        // Behind a proxy everybody has its address; the HTTP side counts by the address it forwards.
        exempt: [config.limits.exempt.as_slice(), config.http.trusted_proxies.as_slice()].concat(),
    }
}

fn matchmaking_settings(config: &Config) -> matchmaking::Settings {
    matchmaking::Settings {
        levels: config.matchmaking.levels,
        capacity: config.matchmaking.capacity,
        recent_partner_pause: config.matchmaking.recent_partner_pause,
    }
}

fn signal_settings(
    config: &Config,
    state: &State,
    listeners: &Listeners,
    files: Option<signal::FileSharing>,
) -> signal::Settings {
    let limits = &config.limits;
    signal::Settings {
        server: signal::ServerName {
            name: "duologue".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: config.server.public_host.to_string(),
        },
        limits: signal::Limits {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            guests_per_minute: limits.guests_per_minute,
            logins_per_minute: limits.logins_per_minute,
            messages_per_second: limits.messages_per_second,
            messages_burst: limits.messages_burst,
            queue_joins_per_minute: limits.queue_joins_per_minute,
            room_joins_per_minute: limits.room_joins_per_minute,
            calls_per_minute: limits.calls_per_minute,
            skips_per_minute: limits.skips_per_minute,
            blocks_per_minute: limits.blocks_per_minute,
            reports_per_minute: limits.reports_per_minute,
            uploads_per_minute: limits.uploads_per_minute,
            http_requests_per_minute: limits.http_requests_per_minute,
        },
        exempt: limits.exempt.clone(),
        guests: config.auth.guests,
        guests_by_hello: config.auth.guest_check_url.is_empty() && config.auth.guest_proof_of_work_bits == 0,
        guests_work: config.auth.guest_proof_of_work_bits > 0,
        accounts: config.auth.accounts,
        keys: None,
        tokens: TokenSettings {
            secret: state.token_secret.clone(),
            old_secrets: state.old_token_secret.clone().into_iter().collect(),
            foreign_keys: ForeignKeys::default(),
            foreign_secrets: config.auth.jwt_secrets.clone(),
            foreign_issuer: Some(config.auth.issuer.clone()).filter(|issuer| !issuer.is_empty()),
            foreign_audience: Some(config.auth.audience.clone()).filter(|audience| !audience.is_empty()),
            access_ttl: config.auth.access_ttl,
            refresh_ttl: config.auth.refresh_ttl,
        },
        session_limit: config.session.limit,
        resume_window: config.session.resume_window,
        ice_policy: match config.session.ice_policy {
            config::IcePolicy::All => signal::IcePolicy::All,
            config::IcePolicy::Relay => signal::IcePolicy::Relay,
        },
        ice_urls: listeners.turn().urls(&config.server.public_host.in_url()),
        minter: Minter::new(relaying::minting_secret(config, state)),
        invitation_secret: state.invitation_secret.clone(),
        retention: storing::retention(config),
        automatic: signal::Automatic {
            reports: config.moderation.auto_restrict_reports,
            window: config.moderation.auto_restrict_window,
        },
        screen: Arc::new(Screen::new(Arc::clone(&config.moderation.text_rules))),
        classifier: None,
        queue_capacity: config.matchmaking.capacity,
        survives: config.database().is_some(),
        files,
    }
}

fn http_settings(config: &Config, listeners: &Listeners) -> http::Settings {
    let host = config.server.public_host.as_str();
    let allowed = config.http.allowed_origins.iter().map(|origin| origin.as_str());
    let plain = [listeners.ports(Purpose::Http), listeners.ports(Purpose::Shared)].concat();
    http::Settings {
        origins: http::Origins::new(allowed).with_own(host, &plain, &listeners.ports(Purpose::Shared)),
        public_host: host.to_owned(),
        trusted_proxies: config.http.trusted_proxies.clone(),
        parents_from: config.telemetry.parents_from.clone(),
        requests_per_minute: config.limits.http_requests_per_minute,
        sockets: Limits {
            total: config.limits.connections as usize,
            per_address: config.limits.connections_per_address as usize,
            exempt: config.limits.exempt.clone(),
        },
    }
}

/// Gives connections away by what they are.
fn sinks(plane: &DataPlane, web: &http::Server, listeners: &Listeners) -> listener::Sinks {
    let plane = plane.clone();
    let web = web.clone();
    let purposes: Vec<Purpose> = listeners.tcp.iter().map(|(purpose, _)| *purpose).collect();
    let has_metrics_listener = purposes.contains(&Purpose::Metrics);
    listener::Sinks {
        turn: Arc::new(move |connection| {
            plane.adopt(TurnStream {
                socket: connection.socket,
                tls: connection.tls,
                early: connection.early,
                place: Some(connection.permit),
            });
        }),
        http: Arc::new(move |connection| {
            let purpose = purposes.get(connection.bind).copied();
            let arrival = http::Arrival {
                remote: connection.remote,
                local: connection.local,
                secure: connection.secure,
                https_only: purpose == Some(Purpose::Shared),
                metrics: match purpose {
                    Some(Purpose::Metrics) => true,
                    Some(Purpose::Http) => !has_metrics_listener,
                    Some(Purpose::Shared | Purpose::TurnTcp | Purpose::TurnTls) | None => false,
                },
            };
            web.adopt(connection.io, arrival);
        }),
    }
}

/// Whether new clients should come here, else the check that fails.
fn ready(
    plane: &DataPlane,
    certificates: &Arc<Certificates>,
    listeners: &Listeners,
    health: &Arc<probe::Health>,
    disk: &Arc<Disk>,
    store: &Arc<store::Stats>,
) -> ReadyHook {
    let (health, disk, store) = (Arc::clone(health), Arc::clone(disk), Arc::clone(store));
    let plane = plane.clone();
    let certificates = Arc::clone(certificates);
    let speaks_tls = [Purpose::Shared, Purpose::TurnTls].iter().any(|purpose| listeners.of(*purpose).next().is_some());
    Arc::new(move || match plane.is_running() && health.is_good() {
        false => Err("relay"),
        true if speaks_tls && certificates.has_expired(SystemTime::now()) => Err("certificate"),
        // What begins here now is forgotten by a restart; what runs goes on.
        true if store.is_failing() => Err("store"),
        true if disk.is_short() => Err("disk"),
        true => Ok(()),
    })
}

/// What stands behind the routes.
fn hooks(hub: &Handle, ready: ReadyHook, page: &Arc<OnceLock<Metrics>>, desk: Option<Desk>, feed: Feed) -> Hooks {
    let page = Arc::clone(page);
    Hooks::to_signal(
        hub.clone(),
        ready,
        Arc::new(move || MetricsPage {
            content_type: metrics::CONTENT_TYPE,
            text: page.get().map(Metrics::render).unwrap_or_default(),
        }),
        desk,
        feed,
    )
}
