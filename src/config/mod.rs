//! What the operator decides: one TOML file, `conf.d/*.toml` beside it, the environment, flags.
//!
//! `config/default.toml` documents every key. Whatever is wrong is told at once, each mistake with place and remedy.
mod acme;
mod auth;
mod call;
mod check;
mod duration;
mod events;
mod files;
mod http;
mod limits;
mod log;
mod mask;
mod moderation;
mod nearest;
mod parse;
mod print;
mod problem;
mod read;
mod relay;
mod server;
mod source;
mod store;
mod telemetry;
mod text_rules;
mod tree;
mod turn;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use acme::Acme;
pub use acme::AcmeChallenge;
pub use auth::Auth;
pub use call::IcePolicy;
pub use call::Matchmaking;
pub use call::Session;
pub use events::Events;
pub use files::Bucket;
pub use files::FileStorage;
pub use files::Files;
pub use http::Http;
pub use http::Tls;
pub use http::TlsFiles;
pub use http::WebOrigin;
pub use limits::Limits;
pub use log::Log;
pub use log::LogFormat;
pub use log::LogLevel;
pub use moderation::Moderation;
pub use problem::Origin;
pub use problem::Problem;
pub use problem::Problems;
pub use relay::PortRange;
pub use relay::Relay;
pub use relay::RelayLimits;
pub use relay::RelayMode;
pub use server::PublicHost;
pub use server::Server;
pub use source::Sources;
pub use store::Retention;
pub use store::Store;
pub use store::StorePath;
pub use telemetry::Telemetry;
pub use turn::ChannelNumbers;
pub use turn::Turn;

use read::Reader;
use read::Section;
use tree::Table;

/// The whole configuration; every value is checked, secrets print masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[http]`
    pub http: Http,
    /// `[tls]`
    pub tls: Tls,
    /// `[turn]`
    pub turn: Turn,
    /// `[relay]`
    pub relay: Relay,
    /// `[session]`
    pub session: Session,
    /// `[matchmaking]`
    pub matchmaking: Matchmaking,
    /// `[limits]`
    pub limits: Limits,
    /// `[auth]`
    pub auth: Auth,
    /// `[store]`
    pub store: Store,
    /// `[retention]`
    pub retention: Retention,
    /// `[moderation]`
    pub moderation: Moderation,
    /// `[files]`
    pub files: Files,
    /// `[events]`
    pub events: Events,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[log]`
    pub log: Log,
    /// Where it was read from.
    #[serde(skip)]
    pub sources: Sources,
}

/// Parses a length of time as the configuration writes it: `30s`, `5m`, `1h30m`.
///
/// # Errors
///
/// What is wrong with it and how to write it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|complaint| format!("{}; {}", complaint.what, complaint.fix))
}

/// Below this a shared secret can be guessed offline from one credential.
const STRONG_SECRET_BYTES: usize = 32;

const SECTIONS: [&str; 16] = [
    "server",
    "http",
    "tls",
    "turn",
    "relay",
    "session",
    "matchmaking",
    "limits",
    "auth",
    "store",
    "retention",
    "moderation",
    "files",
    "events",
    "telemetry",
    "log",
];

impl Config {
    /// Reads and checks all sources; without any, these are the development defaults.
    ///
    /// # Errors
    ///
    /// Every mistake found, each with place, key and remedy.
    pub fn load(sources: Sources) -> Result<Self, Problems> {
        let root = sources.read()?;
        let mut reader = Reader::default();
        let config = Self { sources, ..Self::read(root, &mut reader) };
        match Problems::collect(reader.problems) {
            Some(problems) => Err(problems),
            None => Ok(config),
        }
    }

    /// What is allowed but unwise, each with its key and a remedy.
    pub fn warnings(&self) -> Vec<String> {
        let lists = [("turn.secrets", &self.turn.secrets), ("auth.jwt_secrets", &self.auth.jwt_secrets)];
        let weak = lists
            .into_iter()
            .filter(|(_, secrets)| secrets.iter().any(|secret| secret.expose().len() < STRONG_SECRET_BYTES));
        let weak = weak.map(|(key, _)| {
            format!(
                "{key}: a secret below {STRONG_SECRET_BYTES} characters can be guessed from what it signed; \
                 take the output of: openssl rand -base64 32"
            )
        });
        let forgetful = (self.store.path == StorePath::Memory).then(|| {
            "store.path: \":memory:\" loses calls, logins and chat with a restart; leave it empty for a database in \
             server.state_dir"
                .to_owned()
        });
        let believes_all = self.auth.has_public_keys() && self.auth.audience.is_empty();
        let gullible = believes_all.then(|| {
            "auth.audience: empty, so a token that the backend made for another service is accepted here too; name the aud \
             that it writes for this one"
                .to_owned()
        });
        weak.chain(forgetful).chain(gullible).collect()
    }

    /// The database file; `None`: everything is in memory.
    pub fn database(&self) -> Option<PathBuf> {
        self.store.path.file(&self.server.state_dir)
    }

    /// Returns the directory of the files that chat carries, where `files.storage` is `local`.
    pub fn uploads(&self) -> PathBuf {
        self.server.state_dir.join("uploads")
    }

    /// Reads the same sources again, e.g. after SIGHUP; flags and environment are those of the start.
    ///
    /// # Errors
    ///
    /// As [`Config::load`]; the present configuration stays usable.
    pub fn reload(&self) -> Result<Self, Problems> {
        Self::load(self.sources.clone())
    }

    fn read(mut root: Table, reader: &mut Reader) -> Self {
        reader.refuse_unknown_sections(&root, &SECTIONS);
        let config = Self {
            server: Server::read(Section::take(&mut root, "server", reader)),
            http: Http::read(Section::take(&mut root, "http", reader)),
            tls: Tls::read(Section::take(&mut root, "tls", reader)),
            turn: Turn::read(Section::take(&mut root, "turn", reader)),
            relay: Relay::read(Section::take(&mut root, "relay", reader)),
            session: Session::read(Section::take(&mut root, "session", reader)),
            matchmaking: Matchmaking::read(Section::take(&mut root, "matchmaking", reader)),
            limits: Limits::read(Section::take(&mut root, "limits", reader)),
            auth: Auth::read(Section::take(&mut root, "auth", reader)),
            store: Store::read(Section::take(&mut root, "store", reader)),
            retention: Retention::read(Section::take(&mut root, "retention", reader)),
            moderation: Moderation::read(Section::take(&mut root, "moderation", reader)),
            files: Files::read(Section::take(&mut root, "files", reader)),
            events: Events::read(Section::take(&mut root, "events", reader)),
            telemetry: Telemetry::read(Section::take(&mut root, "telemetry", reader)),
            log: Log::read(Section::take(&mut root, "log", reader)),
            sources: Sources::default(),
        };
        check::refuse_clashes(&config, reader);
        config
    }
}
