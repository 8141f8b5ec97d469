//! What a reload carries out: which keys it takes over, and whom it tells.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::error;
use tracing::warn;

use crate::admission::Admission;
use crate::app::disk::Disk;
use crate::app::doors::Listeners;
use crate::app::filing;
use crate::app::http_settings;
use crate::app::identifying;
use crate::app::signal_settings;
use crate::app::storing;
use crate::app::tcp_limits;
use crate::app::telling;
use crate::auth::turn::Minter;
use crate::config;
use crate::config::Config;
use crate::events::courier;
use crate::files;
use crate::filter::Screen;
use crate::http;
use crate::http::hooks::GuestHooks;
use crate::identity;
use crate::signal;
use crate::signal::FileSharing;
use crate::state::State;
use crate::store::Store;
use crate::store::runner;
use crate::store::runner::Job;
use crate::telemetry;
use crate::time::Clock;

/// The keys a reload carries out.
const RELOADED: &[&str] = &[
    "server.shutdown_grace",
    "server.probe_interval",
    "server.min_free_disk_bytes",
    "http.allowed_origins",
    "http.trusted_proxies",
    "http.admins_see_addresses",
    "turn.secrets",
    "turn.username_anonymity",
    "turn.channel_numbers",
    "turn.nonce_lifetime",
    "turn.strict_expiry",
    "turn.alternate_server",
    "turn.users",
    "relay.allow_private_peers",
    "relay.allow_peers",
    "relay.deny_peers",
    "relay.limits.allocations_per_user",
    "relay.limits.allocations_per_session",
    "relay.limits.allocations_per_address",
    "relay.limits.allocations",
    "relay.limits.permissions",
    "relay.limits.channels",
    "relay.limits.peers",
    "relay.limits.bytes_per_second",
    "relay.limits.packets_per_second",
    "relay.limits.total_bytes_per_second",
    "relay.limits.unauthenticated_per_second",
    "relay.limits.failures_per_minute",
    "relay.limits.max_lifetime",
    "session.limit",
    "session.resume_window",
    "session.ice_policy",
    "matchmaking.capacity",
    "matchmaking.recent_partner_pause",
    "limits.connections",
    "limits.connections_per_address",
    "limits.guests_per_minute",
    "limits.logins_per_minute",
    "limits.messages_per_second",
    "limits.messages_burst",
    "limits.queue_joins_per_minute",
    "limits.room_joins_per_minute",
    "limits.skips_per_minute",
    "limits.calls_per_minute",
    "limits.blocks_per_minute",
    "limits.reports_per_minute",
    "limits.uploads_per_minute",
    "limits.http_requests_per_minute",
    "limits.exempt",
    "auth.guests",
    "auth.guest_check_url",
    "auth.guest_check_secret",
    "auth.guest_proof_of_work_bits",
    "auth.registration",
    "auth.jwt_secrets",
    "auth.issuer",
    "auth.audience",
    "auth.access_ttl",
    "auth.refresh_ttl",
    "retention.session_chat",
    "retention.rooms",
    "retention.logs",
    "retention.audit",
    "retention.reports",
    "retention.events",
    "moderation.auto_restrict_reports",
    "moderation.auto_restrict_window",
    "moderation.text_rules_file",
    "files.voice_bytes",
    "files.image_bytes",
    "files.file_bytes",
    "files.bytes_per_user",
    "files.files_per_user",
    "files.total_bytes",
    "files.link_life",
    "files.evidence_bytes_per_report",
    "files.evidence_bytes",
    "events.webhook_url",
    "events.webhook_secret",
    "events.file",
    "events.redis_url",
    "events.redis_stream",
    "events.redis_max_len",
    "telemetry.otlp_url",
    "telemetry.otlp_headers",
    "telemetry.sample_one_in",
    "telemetry.parents_from",
    "log.level",
];

/// Whether a reload carries out a change of that key.
pub(super) fn is_reloaded(key: &str) -> bool {
    RELOADED.contains(&key)
}

/// Takes over what a reload carries out. The rest stays as it was at the start, so that a later reload names it again.
pub(super) fn take_over(now: &mut Config, fresh: Config) {
    now.server.shutdown_grace = fresh.server.shutdown_grace;
    now.server.probe_interval = fresh.server.probe_interval;
    now.server.min_free_disk_bytes = fresh.server.min_free_disk_bytes;
    now.http.allowed_origins = fresh.http.allowed_origins;
    now.http.trusted_proxies = fresh.http.trusted_proxies;
    now.http.admins_see_addresses = fresh.http.admins_see_addresses;
    now.turn.secrets = fresh.turn.secrets;
    now.turn.username_anonymity = fresh.turn.username_anonymity;
    now.turn.channel_numbers = fresh.turn.channel_numbers;
    now.turn.nonce_lifetime = fresh.turn.nonce_lifetime;
    now.turn.strict_expiry = fresh.turn.strict_expiry;
    now.turn.alternate_server = fresh.turn.alternate_server;
    now.turn.users = fresh.turn.users;
    now.relay.allow_private_peers = fresh.relay.allow_private_peers;
    now.relay.allow_peers = fresh.relay.allow_peers;
    now.relay.deny_peers = fresh.relay.deny_peers;
    now.relay.limits = fresh.relay.limits;
    now.session = fresh.session;
    now.matchmaking.capacity = fresh.matchmaking.capacity;
    now.matchmaking.recent_partner_pause = fresh.matchmaking.recent_partner_pause;
    now.limits = fresh.limits;
    now.auth.guests = fresh.auth.guests;
    now.auth.guest_check_url = fresh.auth.guest_check_url;
    now.auth.guest_check_secret = fresh.auth.guest_check_secret;
    now.auth.guest_proof_of_work_bits = fresh.auth.guest_proof_of_work_bits;
    now.auth.registration = fresh.auth.registration;
    now.auth.jwt_secrets = fresh.auth.jwt_secrets;
    now.auth.issuer = fresh.auth.issuer;
    now.auth.audience = fresh.auth.audience;
    now.auth.access_ttl = fresh.auth.access_ttl;
    now.auth.refresh_ttl = fresh.auth.refresh_ttl;
    now.retention = fresh.retention;
    now.moderation = config::Moderation {
        classifier_url: now.moderation.classifier_url.clone(),
        classifier_secret: now.moderation.classifier_secret.clone(),
        ..fresh.moderation
    };
    now.files = config::Files { storage: now.files.storage, s3: now.files.s3.clone(), ..fresh.files };
    now.events = fresh.events;
    now.telemetry = fresh.telemetry;
    now.log.level = fresh.log.level;
}

/// Whom a reload tells, beside the relay.
pub(super) struct Audience {
    pub(super) clock: Clock,
    /// Signaling mints with a clone of it.
    pub(super) minter: Minter,
    pub(super) listeners: Arc<Listeners>,
    pub(super) sharing: Option<FileSharing>,
    pub(super) hub: signal::Handle,
    pub(super) web: http::Server,
    pub(super) door: Arc<Admission>,
    pub(super) accounts: Option<identity::Desk>,
    pub(super) files: Option<files::Desk>,
    pub(super) store: runner::Handle,
    pub(super) sinks: watch::Sender<config::Events>,
    pub(super) probe: watch::Sender<Duration>,
    pub(super) disk: Arc<Disk>,
    pub(super) spans: telemetry::Control,
    /// What people may not say.
    pub(super) screen: Arc<Screen>,
    /// As guests are met now.
    pub(super) guests: GuestHooks,
}

impl Audience {
    /// Refuses of a fresh configuration what nobody could carry out: the present one stays there.
    pub(super) fn sift(&self, now: &Config, fresh: &mut Config) {
        if let Err(error) = telling::sinks(&fresh.events) {
            error!(%error, "those who are told of events stay as they were");
            fresh.events = now.events.clone();
        }
        if let Err(error) = identifying::guests(fresh, self.clock) {
            error!(%error, "guests are met as before");
            fresh.auth.guest_check_url = now.auth.guest_check_url.clone();
            fresh.auth.guest_check_secret = now.auth.guest_check_secret.clone();
        }
    }

    /// Tells everybody to go by `now` in place of `old`.
    pub(super) async fn tell(&mut self, old: &Config, now: &Config, state: &State) {
        self.door.change(tcp_limits(now));
        // Work that a guest has begun counts as long as nothing is asked otherwise.
        let met = |config: &Config| {
            let auth = &config.auth;
            (auth.guest_check_url.clone(), auth.guest_check_secret.clone(), auth.guest_proof_of_work_bits)
        };
        if met(old) != met(now) {
            match identifying::guests(now, self.clock) {
                Ok(guests) => self.guests = guests,
                Err(error) => error!(%error, "guests are met as before"),
            }
        }
        self.web.change(http_settings(now, &self.listeners), self.guests.clone());
        if let Some(accounts) = &self.accounts {
            accounts.change(identifying::settings(now));
        }
        if let Some(files) = &self.files {
            files.change(filing::limits(now));
        }
        if old.events != now.events {
            // In the line of writes before whatever happens once this is carried out.
            let marks = telling::sinks(&now.events).unwrap_or_default();
            for sink in marks {
                let _ = self.store.submit(courier::mark(sink.as_str())).await;
            }
            self.sinks.send_replace(now.events.clone());
        }
        let every = now.server.probe_interval;
        self.probe.send_if_modified(|interval| std::mem::replace(interval, every) != every);
        self.disk.ask_for(now.server.min_free_disk_bytes);
        self.spans.change(&now.telemetry);
        self.screen.replace(Arc::clone(&now.moderation.text_rules));
        let retention = storing::retention(now);
        let keep = move |store: &mut dyn Store| {
            store.keep_for(retention);
            Ok(())
        };
        let keep = Job::write("retention", keep, |_| {});
        let (link_life, evidence) = (now.files.link_life, filing::evidence(now));
        let sharing = self.sharing.clone().map(|sharing| FileSharing { link_life, evidence, ..sharing });
        let settings = signal_settings(now, state, &self.listeners, sharing);
        // Both always take things in, soon, while they are there.
        if self.store.submit(keep).await.is_err() || self.hub.change(settings).await.is_err() {
            warn!("the server stops; the reload is not carried out as a whole");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Sources;

    /// Each key with a value that is not its default, and those that cannot stand beside the others.
    const ANOTHER: [&str; 2] = [
        include_str!("another.toml"),
        "[tls]\ncert = \"Cargo.toml\"\nkey = \"Cargo.toml\"\n[auth]\njwks_file = \"Cargo.toml\"\n[relay]\nmode = \"single-port\"\n",
    ];
    const PAGE: &str = include_str!("../../docs/OPERATIONS.md");

    fn config(text: &str) -> Config {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("another.toml");
        std::fs::write(&path, text).expect("written");
        match Config::load(Sources::default().with_file(Some(path))) {
            Ok(config) => config,
            Err(problems) => panic!("{problems}"),
        }
    }

    fn changed(from: &Config) -> BTreeSet<String> {
        Config::default().changed_keys(from).into_iter().collect()
    }

    #[test]
    fn each_key_is_carried_out_by_a_reload_or_left_to_a_restart() {
        let (mut other, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for another in ANOTHER.map(config) {
            other.extend(changed(&another));
            let mut now = Config::default();
            take_over(&mut now, another);
            taken.extend(changed(&now));
        }
        let all: BTreeSet<String> = Config::default().keys().into_iter().collect();
        let same: Vec<&String> = all.difference(&other).collect();
        assert!(same.is_empty(), "src/app/another.toml has the default of {same:?}");
        let listed: BTreeSet<String> = RELOADED.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(taken, listed, "what is taken over is what is listed");
    }

    #[test]
    fn the_page_says_which_keys_need_a_restart_and_which_a_reload() {
        let table: Vec<(&str, &str)> = PAGE
            .lines()
            .skip_while(|line| *line != "| section | a reload carries out | needs a restart |")
            .skip(2)
            .map_while(|line| line.strip_prefix("| `[")?.strip_suffix(" |")?.split_once("]` | "))
            .collect();
        assert!(table.len() > 10, "the table is read");
        let keys = |cell: &str, section: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(|key| format!("{section}.{key}")).collect()
        };
        let (mut reloaded, mut restarted) = (BTreeSet::new(), BTreeSet::new());
        for (section, cells) in table {
            let (by_reload, by_restart) = cells.split_once(" | ").expect("two cells");
            reloaded.extend(keys(by_reload, section));
            restarted.extend(keys(by_restart, section));
        }
        assert_eq!(reloaded, RELOADED.iter().map(|key| (*key).to_owned()).collect());
        let rest: BTreeSet<String> = Config::default().keys().into_iter().filter(|key| !is_reloaded(key)).collect();
        assert_eq!(restarted, rest);
    }
}
