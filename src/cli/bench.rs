//! `bench`: puts a TURN server under load.
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::auth::secret::Secret;
use crate::bench;
use crate::bench::Direction;
use crate::bench::Kind;
use crate::bench::Login;
use crate::bench::Merging;
use crate::bench::Pace;
use crate::bench::Plan;
use crate::bench::Transport;
use crate::config::parse_duration;
use crate::measure::Trust;

/// How long a load runs before it is measured; looking for the maximum takes longer.
const WARM_UP: Duration = Duration::from_millis(500);
const WARM_UP_MAX: Duration = Duration::from_millis(1500);

/// Packets per second where nothing is said.
const RATE: f64 = 1000.0;

/// Bytes of a payload where nothing is said: a voice packet.
const SIZE: usize = 160;

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    #[command(flatten)]
    Load(Box<Load>),
    /// Be the floor: forward packets without any protocol, to measure what the kernel alone costs
    Floor {
        /// Where clients reach it
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Whether packets of one destination and length leave, and arrive, as one
        #[arg(long, default_value = "both")]
        merging: MergingName,
        /// Stay on this core
        #[arg(long, value_name = "N")]
        cpu: Option<usize>,
    },
}

/// The load.
#[derive(Debug, Subcommand)]
pub(super) enum Load {
    /// Data between clients and a peer outside of the server
    Relay {
        /// Which way it goes
        #[arg(long, default_value = "both")]
        direction: Way,
        #[command(flatten)]
        traffic: TrafficArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Data between two clients of the server, each the other's peer
    Pair {
        #[command(flatten)]
        traffic: TrafficArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// The same in Send and Data indications instead of channels
    Indications {
        /// Between two clients of the server
        #[arg(long, conflicts_with = "direction")]
        pair: bool,
        /// Which way it goes
        #[arg(long, default_value = "both")]
        direction: Way,
        #[command(flatten)]
        traffic: TrafficArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Binding requests
    Binding {
        #[command(flatten)]
        pace: PaceArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Allocations made and given back, as fast as the server does it
    Allocate {
        /// Clients come from the address that they had before
        #[arg(long)]
        reuse: bool,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Allocations with a channel each that are kept: what they cost in memory
    Hold {
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// Which way data goes.
#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum Way {
    ToPeer,
    ToClient,
    Both,
}

/// When packets are merged.
#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum MergingName {
    Plain,
    Send,
    Both,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum TransportName {
    Udp,
    Tcp,
    Tls,
}

#[derive(Debug, Default, Args)]
pub(super) struct PaceArgs {
    /// Packets per second, of all clients together [default: 1000]
    #[arg(long, value_name = "PPS", conflicts_with = "max")]
    rate: Option<f64>,
    /// Slightly more than the server delivers
    #[arg(long)]
    max: bool,
}

#[derive(Debug, Args)]
pub(super) struct TrafficArgs {
    #[command(flatten)]
    pace: PaceArgs,
    /// Bytes of a payload
    #[arg(long, value_name = "BYTES", default_value_t = SIZE)]
    size: usize,
    /// Packets of a flow that are sent back to back
    #[arg(long, value_name = "N", default_value_t = 1)]
    burst: usize,
    /// Send bursts as single datagrams instead of letting the kernel cut them
    #[arg(long)]
    no_segmentation: bool,
}

#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// The server
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3478")]
    server: SocketAddr,
    /// How clients reach it
    #[arg(long, default_value = "udp")]
    transport: TransportName,
    /// PEM file with the certificates that may sign the server's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Accept any certificate of the server
    #[arg(long)]
    insecure: bool,
    /// Mint credentials with this secret of the server
    #[arg(long, env = "DUOLOGUE_BENCH_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Share the clients among so many minted users [default: one for every 8]
    #[arg(long, value_name = "N")]
    users: Option<usize>,
    /// Be this static user
    #[arg(long, value_name = "NAME", requires = "password", conflicts_with = "secret")]
    user: Option<String>,
    /// The static user's password
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Clients, each with an allocation of its own
    #[arg(long, value_name = "N", default_value_t = 100)]
    allocations: usize,
    /// How long is measured, at most 30m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    duration: Duration,
    /// How long the load runs before
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warm_up: Option<Duration>,
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

/// What is sent.
struct Shape {
    kind: Kind,
    indications: bool,
    pace: Pace,
    size: usize,
    burst: usize,
    segmentation: bool,
}

pub(super) fn run(task: Task) -> anyhow::Result<()> {
    let (shape, common) = match task {
        Task::Load(load) => load.split(),
        Task::Floor { listen, merging, cpu } => return bench::run_floor(listen, merging.into(), cpu),
    };
    let json = common.json;
    let plan = plan(shape, common)?;
    let report = bench::run(&plan)?;
    let mut text = if json { serde_json::to_string(&report).context("write JSON")? } else { report.to_string() };
    text.push('\n');
    io::stdout().write_all(text.as_bytes()).context("write the report")
}

impl Load {
    fn split(self) -> (Shape, CommonArgs) {
        match self {
            Load::Relay { direction, traffic, common } => (traffic.shape(Kind::Relay(direction.into()), false), common),
            Load::Pair { traffic, common } => (traffic.shape(Kind::Pair, false), common),
            Load::Indications { pair: true, traffic, common, .. } => (traffic.shape(Kind::Pair, true), common),
            Load::Indications { pair: false, direction, traffic, common } => {
                (traffic.shape(Kind::Relay(direction.into()), true), common)
            }
            Load::Binding { pace, common } => (pace.shape(Kind::Binding), common),
            Load::Allocate { reuse, common } => {
                (PaceArgs::default().shape(Kind::Allocate { is_reused: reuse }), common)
            }
            Load::Hold { common } => (PaceArgs::default().shape(Kind::Hold), common),
        }
    }
}

impl PaceArgs {
    /// What has no payload.
    fn shape(self, kind: Kind) -> Shape {
        TrafficArgs { pace: self, size: SIZE, burst: 1, no_segmentation: false }.shape(kind, false)
    }
}

impl TrafficArgs {
    fn shape(self, kind: Kind, indications: bool) -> Shape {
        let pace = if self.pace.max { Pace::Max } else { Pace::Fixed(self.pace.rate.unwrap_or(RATE)) };
        let Self { size, burst, no_segmentation, .. } = self;
        Shape { kind, indications, pace, size, burst, segmentation: !no_segmentation }
    }
}

impl From<MergingName> for Merging {
    fn from(name: MergingName) -> Self {
        match name {
            MergingName::Plain => Merging::Plain,
            MergingName::Send => Merging::Send,
            MergingName::Both => Merging::Both,
        }
    }
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::ToPeer => Direction::ToPeer,
            Way::ToClient => Direction::ToClient,
            Way::Both => Direction::Both,
        }
    }
}

fn plan(shape: Shape, common: CommonArgs) -> anyhow::Result<Plan> {
    let transport = match (common.transport, common.ca, common.insecure) {
        (TransportName::Udp, ..) => Transport::Udp,
        (TransportName::Tcp, ..) => Transport::Tcp,
        (TransportName::Tls, Some(ca), _) => Transport::Tls(Trust::Authority(ca)),
        (TransportName::Tls, None, true) => Transport::Tls(Trust::Anything),
        (TransportName::Tls, None, false) => anyhow::bail!("--transport tls: say --ca FILE or --insecure"),
    };
    let login = match (common.secret, common.user, common.password) {
        (Some(secret), ..) => Login::Minted { secret: Secret::new(secret.into_bytes()), users: common.users },
        (None, Some(name), Some(password)) => Login::User { name, password },
        (None, ..) => Login::Nobody,
    };
    let warm_up = if shape.pace == Pace::Max { WARM_UP_MAX } else { WARM_UP };
    Ok(Plan {
        kind: shape.kind,
        server: common.server,
        transport,
        login,
        allocations: common.allocations,
        indications: shape.indications,
        size: shape.size,
        burst: shape.burst,
        pace: shape.pace,
        duration: common.duration,
        warm_up: common.warm_up.unwrap_or(warm_up),
        segmentation: shape.segmentation,
        server_pid: common.server_pid,
        cpu: common.cpu,
        is_owned: common.i_own_this_server,
    })
}
