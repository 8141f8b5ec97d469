//! `load`: puts the signaling of a server under load.
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::Subcommand;

use crate::auth::secret::Secret;
use crate::config::parse_duration;
use crate::load;
use crate::load::Kind;
use crate::load::Login;
use crate::load::Plan;
use crate::measure::Trust;

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Clients of the WebSocket protocol: how many come how fast, what they cost, how fast their messages pass
    #[command(subcommand)]
    Signaling(Box<Signaling>),
    /// Pairs that look for each other: how long a match takes once there is a legal partner, and how many there are
    Matching {
        #[command(flatten)]
        pace: PaceArgs,
        /// Pairs that look at once, where no rate is given
        #[arg(long, value_name = "N", default_value_t = 64)]
        window: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// The loads of `load signaling`.
#[derive(Debug, Subcommand)]
pub(super) enum Signaling {
    /// Clients connect, say hello and stay, silent, for the duration: connects per second, memory of each
    Connect {
        #[command(flatten)]
        pace: PaceArgs,
        /// Clients under way at once, where no rate is given
        #[arg(long, value_name = "N", default_value_t = 64)]
        window: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// The two of each pair send each other candidates: how long those take
    Relay {
        #[command(flatten)]
        pace: PaceArgs,
        /// Bytes of a message, at least
        #[arg(long, value_name = "BYTES", default_value_t = 0)]
        size: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// The same, first alone, then beside clients that send as much as they can
    Flood {
        #[command(flatten)]
        pace: PaceArgs,
        /// Bytes of a message, at least
        #[arg(long, value_name = "BYTES", default_value_t = 0)]
        size: usize,
        /// Clients that flood
        #[arg(long, value_name = "N", default_value_t = 1)]
        flooders: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Some lose their connections in one moment and come back: how long until all have
    Resume {
        #[command(flatten)]
        pace: PaceArgs,
        /// Clients that lose their connections [default: a quarter]
        #[arg(long, value_name = "N")]
        kill: Option<usize>,
        /// Clients under way at once, where no rate is given
        #[arg(long, value_name = "N", default_value_t = 64)]
        window: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// One of each pair reads nothing: what is held for it, and when the server gives it up
    Stall {
        #[command(flatten)]
        pace: PaceArgs,
        /// Bytes of a message
        #[arg(long, value_name = "BYTES", default_value_t = 16_384)]
        size: usize,
        #[command(flatten)]
        common: CommonArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct PaceArgs {
    /// Connects, messages or matches per second, of all clients together (stall: of each), whatever the server does meanwhile
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
}

#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// The server's HTTP listener, or with TLS its HTTPS listener
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    server: SocketAddr,
    /// Connect with TLS; PEM file with the certificates that may sign the server's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Connect with TLS; accept any certificate of the server
    #[arg(long)]
    insecure: bool,
    /// The page that clients say they come from [default: http(s)://localhost with the server's port]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Mint tokens with this one of the server's auth.jwt_secrets; without it clients are guests
    #[arg(long, env = "DUOLOGUE_LOAD_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Clients; where there are pairs, both of each
    #[arg(long, value_name = "N", default_value_t = 100)]
    connections: usize,
    /// How long is measured, at most 30m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    duration: Duration,
    /// How long the load runs before
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    warm_up: Duration,
    /// Also measure this process: the server's
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Stay on this core
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Load a server that is neither on this machine nor in a private network
    #[arg(long)]
    i_own_this_server: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(task: Task) -> anyhow::Result<()> {
    let (kind, pace, common) = task.split();
    let json = common.json;
    let report = load::run(&plan(kind, &pace, common))?;
    let mut text = if json { serde_json::to_string(&report).context("write JSON")? } else { report.to_string() };
    text.push('\n');
    io::stdout().write_all(text.as_bytes()).context("write the report")
}

impl Task {
    fn split(self) -> (Kind, PaceArgs, CommonArgs) {
        let signaling = match self {
            Task::Matching { pace, window, common } => return (Kind::Matching { window }, pace, common),
            Task::Signaling(signaling) => *signaling,
        };
        match signaling {
            Signaling::Connect { pace, window, common } => (Kind::Connect { window }, pace, common),
            Signaling::Relay { pace, size, common } => (Kind::Relay { size, flooders: 0 }, pace, common),
            Signaling::Flood { pace, size, flooders, common } => (Kind::Relay { size, flooders }, pace, common),
            Signaling::Resume { pace, kill, window, common } => {
                let killed = kill.unwrap_or(common.connections.div_ceil(4));
                (Kind::Resume { killed, window }, pace, common)
            }
            Signaling::Stall { pace, size, common } => (Kind::Stall { size }, pace, common),
        }
    }
}

fn plan(kind: Kind, pace: &PaceArgs, common: CommonArgs) -> Plan {
    Plan {
        kind,
        server: common.server,
        tls: common.ca.map(Trust::Authority).or(common.insecure.then_some(Trust::Anything)),
        origin: common.origin,
        login: common.secret.map_or(Login::Guest, |secret| Login::Minted(Secret::new(secret.into_bytes()))),
        connections: common.connections,
        rate: pace.rate,
        duration: common.duration,
        warm_up: common.warm_up,
        server_pid: common.server_pid,
        cpu: common.cpu,
        is_owned: common.i_own_this_server,
    }
}
